//! What became of a plan's tasks 任务完成情况.
use std::sync::Arc;

use chassis::{
    Answer, Context, Fault, Tx,
    decisions::{self, Decision},
};
use contract::reporting::v1::{self as api, work_plan::State};
use serde_json::json;

use super::{find, rows, rules};
use crate::{Reporting, refusals};

/// Reports that a task is done.
pub async fn report(
    _: &Arc<Reporting>,
    context: &Context,
    tx: &Tx,
    request: api::ReportTaskRequest,
) -> Answer<api::WorkPlan> {
    let plan = find(&**tx, &request.work_plan).await?.plan;
    refusals::stranger(context, &plan.department)?;
    let allowed = [State::Submitted, State::Accepted];
    rules::in_state(
        plan.state(),
        &allowed,
        "tasks are reported of a plan that stands; hand it in first",
        "只有已报送或已采纳的方案可以填报任务完成情况；请先报送",
    )?;
    if !plan.tasks.iter().any(|task| task.number == request.task) {
        return Err(Fault::not_found("task", "任务", &request.task.to_string()));
    }
    refusals::future(context, "doneOn", &request.done_on)?;
    refusals::personal([(String::from("text"), request.text.as_str())])?;
    rows::report(tx, &request, context.caller.name(), context.now).await?;
    let detail = json!({ "workPlan": request.work_plan, "task": request.task, "doneOn": request.done_on, "text": request.text });
    let decision = Decision { kind: "task.reported", subject: &plan.department, basis: "", detail };
    decisions::record(tx, context, decision).await?;
    Ok(find(&**tx, &request.work_plan).await?.plan)
}
