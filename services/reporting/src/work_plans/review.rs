//! Handing in 报送 and review 审核: the next version, accepted or returned by another client.
use std::sync::Arc;

use chassis::{
    Answer, Context, Fault, Tx,
    decisions::{self, Decision},
};
use contract::reporting::v1::{self as api, ErrorReason, work_plan::State};
use serde_json::json;

use super::{
    find,
    rows::{self, Submission},
    rules,
};
use crate::{Reporting, refusals};

/// Submits a plan to the credit office.
pub async fn submit(
    _: &Arc<Reporting>,
    context: &Context,
    tx: &Tx,
    request: api::SubmitWorkPlanRequest,
) -> Answer<api::WorkPlan> {
    let plan = find(&**tx, &request.work_plan).await?.plan;
    refusals::stranger(context, &plan.department)?;
    if plan.state() != State::Draft {
        return Err(already_submitted());
    }
    match rows::submit(tx, &plan, context.caller.name(), context.today(), context.now).await? {
        Submission::Won => {}
        Submission::NoDraft => return Err(already_submitted()),
        Submission::Another => return Err(another_submitted(&plan)),
    }
    let plan = find(&**tx, &request.work_plan).await?.plan;
    record(tx, context, "workPlan.submitted", &plan).await?;
    Ok(plan)
}

fn already_submitted() -> Fault {
    Fault::precondition(
        ErrorReason::PlanSubmitted.as_str_name(),
        "the plan was submitted already; nothing is left to do. Draft another to hand in the next version",
        "该工作方案已经报送，无需重复报送；如需报送新版本，请另拟一份",
    )
}

fn another_submitted(plan: &api::WorkPlan) -> Fault {
    Fault::exists(
        ErrorReason::PlanExists.as_str_name(),
        format!(
            "{} has submitted another work plan for {}; list its plans to see it. The next version follows once that is returned",
            plan.department, plan.year
        ),
        format!(
            "{}已报送{}年度的另一份工作方案，可列表查询；该方案被退回后方可报送下一版本",
            plan.department, plan.year
        ),
    )
}

/// Accepts a plan.
pub async fn accept(
    _: &Arc<Reporting>,
    context: &Context,
    tx: &Tx,
    request: api::AcceptWorkPlanRequest,
) -> Answer<api::WorkPlan> {
    let allowed = [State::Submitted];
    let (en, zh) = ("only a submitted plan is accepted", "只能采纳已报送的方案");
    let plan = reviewed(tx, context, &request.work_plan, &allowed, (en, zh)).await?;
    decide(tx, context, plan, (true, request.text)).await
}

/// Returns a plan with reasons. An accepted one may be opened again so: the department hands in the next version.
pub async fn return_(
    _: &Arc<Reporting>,
    context: &Context,
    tx: &Tx,
    request: api::ReturnWorkPlanRequest,
) -> Answer<api::WorkPlan> {
    let allowed = [State::Submitted, State::Accepted];
    let (en, zh) = ("only a submitted or accepted plan is returned", "只能退回已报送或已采纳的方案");
    let plan = reviewed(tx, context, &request.work_plan, &allowed, (en, zh)).await?;
    decide(tx, context, plan, (false, request.text)).await
}

async fn reviewed(
    tx: &Tx,
    context: &Context,
    id: &str,
    allowed: &[State],
    (en, zh): (&str, &str),
) -> Answer<api::WorkPlan> {
    refusals::not_office(context)?;
    let plan = find(&**tx, id).await?.plan;
    rules::in_state(plan.state(), allowed, en, zh)?;
    refusals::own_work(context, &plan.submitted_by)?;
    Ok(plan)
}

async fn decide(
    tx: &Tx,
    context: &Context,
    plan: api::WorkPlan,
    (accepted, text): (bool, String),
) -> Answer<api::WorkPlan> {
    refusals::personal([(String::from("text"), text.as_str())])?;
    let read = plan.state();
    let (state, returned_on, kind) = match accepted {
        true => (State::Accepted, String::new(), "workPlan.accepted"),
        false => (State::Returned, context.today().to_string(), "workPlan.returned"),
    };
    let review = Some(refusals::review(context, accepted, text));
    let plan = api::WorkPlan { state: state.into(), review, ..plan };
    if !rows::review(tx, &plan, read, &returned_on).await? {
        return Err(refusals::changed_meanwhile());
    }
    record(tx, context, kind, &plan).await?;
    Ok(plan)
}

async fn record(tx: &Tx, context: &Context, kind: &str, plan: &api::WorkPlan) -> Answer<()> {
    let text = plan.review.as_ref().map(|review| review.text.as_str()).unwrap_or_default();
    let detail = json!({ "workPlan": plan.work_plan_id, "year": plan.year, "version": plan.version,
        "tasks": plan.tasks.len(), "text": text });
    decisions::record(tx, context, Decision { kind, subject: &plan.department, basis: "", detail }).await
}
