//! Work plans 工作方案: one a department and year, with tasks, persons in charge and dates.
use std::sync::Arc;

use chassis::{
    Answer, Context, Fault, Tx,
    clock::wire,
    decisions::{self, Decision},
    ids,
    page::Page,
    storage::{corrupt, sql, unique_violation},
};
use contract::reporting::v1 as api;
use prost::Message;
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde_json::json;

use crate::{Reporting, figures};

#[derive(FromQueryResult)]
struct Row {
    id: String,
    content: Vec<u8>,
}

impl Row {
    fn plan(&self) -> Answer<api::WorkPlan> {
        api::WorkPlan::decode(self.content.as_slice()).map_err(|error| corrupt("work plan", error))
    }
}

/// Drafts a plan.
pub async fn create(_: &Arc<Reporting>, context: &Context, tx: &Tx, request: api::CreateWorkPlanRequest) -> Answer<api::WorkPlan> {
    let mut plan = request.work_plan.unwrap_or_default();
    plan.department = figures::department(context, &plan.department)?;
    plan.work_plan_id = ids::fresh(context.now)?;
    plan.set_state(api::work_plan::State::Draft);
    plan.create_time = Some(wire(context.now));
    plan.submit_time = None;
    let text = "INSERT INTO work_plans (id, department, year, submitted, content) VALUES ($1, $2, $3, FALSE, $4)";
    let values = [
        plan.work_plan_id.as_str().into(),
        plan.department.as_str().into(),
        plan.year.into(),
        plan.encode_to_vec().into(),
    ];
    match tx.execute_raw(sql(&**tx, text, values)).await {
        Ok(_) => Ok(plan),
        Err(error) if unique_violation(&error).is_some() => Err(Fault::exists(
            api::ErrorReason::PlanExists.as_str_name(),
            format!("{} has a work plan for {} already", plan.department, plan.year),
            format!("{}已有{}年度工作方案", plan.department, plan.year),
        )
        .at("year")),
        Err(error) => Err(error.into()),
    }
}

async fn find(db: &impl ConnectionTrait, id: &str) -> Answer<api::WorkPlan> {
    let text = "SELECT id, content FROM work_plans WHERE id = $1";
    let row = Row::find_by_statement(sql(db, text, [id.into()])).one(db).await?;
    row.ok_or_else(|| Fault::not_found("work plan", "工作方案", id))?.plan()
}

/// Gives one.
pub async fn get(app: &Arc<Reporting>, _: &Context, request: api::GetWorkPlanRequest) -> Answer<api::WorkPlan> {
    find(app.store.read(), &request.work_plan).await
}

/// Lists plans.
pub async fn list(app: &Arc<Reporting>, _: &Context, request: api::ListWorkPlansRequest) -> Answer<api::ListWorkPlansResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let text = format!(
        "SELECT id, content FROM work_plans WHERE id > $1 AND ($2 = '' OR department = $2) AND ($3 = 0 OR year = $3) \
         ORDER BY id LIMIT {}",
        page.fetch()
    );
    let db = app.store.read();
    let values = [page.after.as_str().into(), request.department.as_str().into(), request.year.into()];
    let mut rows = Row::find_by_statement(sql(db, &text, values)).all(db).await?;
    let next_page_token = page.cut(&mut rows, |row| row.id.clone());
    Ok(api::ListWorkPlansResponse {
        work_plans: rows.iter().map(Row::plan).collect::<Answer<_>>()?,
        next_page_token,
    })
}

/// Submits a plan to the credit office; from then on it stands.
pub async fn submit(_: &Arc<Reporting>, context: &Context, tx: &Tx, request: api::SubmitWorkPlanRequest) -> Answer<api::WorkPlan> {
    let mut plan = find(&**tx, &request.work_plan).await?;
    figures::department(context, &plan.department)?;
    if plan.state() == api::work_plan::State::Submitted {
        return Err(Fault::precondition(
            api::ErrorReason::PlanSubmitted.as_str_name(),
            format!("the work plan {} was submitted already", plan.work_plan_id),
            format!("工作方案{}已报送", plan.work_plan_id),
        ));
    }
    plan.set_state(api::work_plan::State::Submitted);
    plan.submit_time = Some(wire(context.now));
    let text = "UPDATE work_plans SET submitted = TRUE, content = $2 WHERE id = $1";
    tx.execute_raw(sql(&**tx, text, [plan.work_plan_id.as_str().into(), plan.encode_to_vec().into()])).await?;
    let detail = json!({ "department": plan.department, "year": plan.year, "tasks": plan.tasks.len() });
    let decision = Decision { kind: "workPlan.submitted", subject: &plan.work_plan_id, basis: "", detail };
    decisions::record(tx, context, decision).await?;
    Ok(plan)
}

/// All plans that may bear on a year, for the deadlines.
pub async fn all(app: &Reporting) -> Answer<Vec<api::WorkPlan>> {
    let db = app.store.read();
    let rows = Row::find_by_statement(sql(db, "SELECT id, content FROM work_plans ORDER BY id", [])).all(db).await?;
    rows.iter().map(Row::plan).collect()
}
