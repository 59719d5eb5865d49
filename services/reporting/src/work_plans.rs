//! Work plans 工作方案: draft, submit, get, list.
use std::sync::Arc;

use chassis::{
    Answer, Context, Fault, Tx,
    clock::{from_micros, micros, wire},
    decisions::{self, Decision},
    ids,
    page::Page,
    storage::{corrupt, insert_rows, sql, unique_violation},
};
use contract::reporting::v1::{self as api, ErrorReason, work_plan::State};
use identifiers::Department;
use jiff::Timestamp;
use prost::Message;
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde_json::json;

use crate::{Reporting, refusals};

/// Drafts a plan. A draft can't be edited, so that a department may draft another; it submits one.
pub async fn create(
    _: &Arc<Reporting>,
    context: &Context,
    tx: &Tx,
    request: api::CreateWorkPlanRequest,
) -> Answer<api::WorkPlan> {
    let given = request.work_plan.unwrap_or_default();
    let department = department(context, given.department.trim())?;
    let tasks = given.tasks.iter().enumerate();
    let attachments = given.attachments.iter().enumerate();
    refusals::personal(
        tasks.map(|(index, task)| (format!("workPlan.tasks[{index}].title"), task.title.as_str())).chain(
            attachments.map(|(index, text)| (format!("workPlan.attachments[{index}]"), text.as_str())),
        ),
    )?;
    let plan = api::WorkPlan {
        work_plan_id: ids::fresh(context.now)?,
        department,
        year: given.year,
        tasks: given.tasks,
        attachments: given.attachments,
        state: State::Draft.into(),
        create_time: Some(wire(context.now)),
        submit_time: None,
    };
    let columns =
        ["work_plan_id", "department", "year", "body", "created_at", "submitted_on", "submitted_at"];
    let row = vec![
        plan.work_plan_id.as_str().into(),
        plan.department.as_str().into(),
        plan.year.into(),
        plan.encode_to_vec().into(),
        micros(context.now).into(),
        "".into(),
        0_i64.into(),
    ];
    insert_rows(&**tx, "work_plans", &columns, vec![row], "").await?;
    Ok(plan)
}

// The caller's own department, or for the office one of the plan's.
fn department(context: &Context, given: &str) -> Answer<String> {
    let own = context.caller.department();
    let department = if given.is_empty() { own } else { given };
    refusals::stranger(context, department)?;
    if department == own && !own.is_empty() {
        return Ok(own.to_owned());
    }
    let parsed = Department::parse(department).map_err(|fault| {
        Fault::invalid(ErrorReason::DepartmentUnknown.as_str_name(), fault.message_en(), fault.message_zh())
            .at("workPlan.department")
    })?;
    Ok(parsed.slug().to_owned())
}

/// Submits a plan to the credit office.
pub async fn submit(
    _: &Arc<Reporting>,
    context: &Context,
    tx: &Tx,
    request: api::SubmitWorkPlanRequest,
) -> Answer<api::WorkPlan> {
    let plan = find(&**tx, &request.work_plan).await?;
    refusals::stranger(context, &plan.department)?;
    if plan.state() == State::Submitted {
        return Err(Fault::precondition(
            ErrorReason::PlanSubmitted.as_str_name(),
            "the plan was submitted already; nothing is left to do",
            "该工作方案已经报送，无需重复报送",
        ));
    }
    let submitted =
        api::WorkPlan { state: State::Submitted.into(), submit_time: Some(kept(context.now)), ..plan };
    let text = "UPDATE work_plans SET submitted_on = $2, submitted_at = $3 WHERE work_plan_id = $1 AND submitted_on = ''";
    let id = submitted.work_plan_id.as_str();
    let values = [id.into(), context.today().to_string().into(), micros(context.now).into()];
    tx.execute_raw(sql(&**tx, text, values)).await.map_err(|error| match unique_violation(&error) {
        Some(_) => another_submitted(&submitted),
        None => error.into(),
    })?;
    let detail = json!({ "workPlan": id, "year": submitted.year, "tasks": submitted.tasks.len() });
    let decision = Decision { kind: "workPlan.submitted", subject: &submitted.department, basis: "", detail };
    decisions::record(tx, context, decision).await?;
    Ok(submitted)
}

fn another_submitted(plan: &api::WorkPlan) -> Fault {
    Fault::exists(
        ErrorReason::PlanExists.as_str_name(),
        format!(
            "{} has submitted another work plan for {}; list its plans to see it",
            plan.department, plan.year
        ),
        format!("{}已报送{}年度的另一份工作方案；可列表查询", plan.department, plan.year),
    )
}

// The instant as the table keeps it, so that the first answer and every later one say the same.
fn kept(now: Timestamp) -> prost_types::Timestamp {
    wire(from_micros(micros(now)))
}

#[derive(FromQueryResult)]
struct Row {
    body: Vec<u8>,
    submitted_on: String,
    submitted_at: i64,
}

/// A plan with the business day of its submission, empty for a draft.
pub struct Plan {
    /// The plan.
    pub plan: api::WorkPlan,
    /// When it was submitted.
    pub submitted_on: String,
}

impl TryFrom<Row> for Plan {
    type Error = Fault;

    fn try_from(row: Row) -> Answer<Self> {
        let mut plan =
            api::WorkPlan::decode(row.body.as_slice()).map_err(|error| corrupt("work plan", error))?;
        if !row.submitted_on.is_empty() {
            plan.state = State::Submitted.into();
            plan.submit_time = Some(wire(from_micros(row.submitted_at)));
        }
        Ok(Self { plan, submitted_on: row.submitted_on })
    }
}

async fn find(db: &impl ConnectionTrait, id: &str) -> Answer<api::WorkPlan> {
    let text = "SELECT body, submitted_on, submitted_at FROM work_plans WHERE work_plan_id = $1";
    let row = Row::find_by_statement(sql(db, text, [id.into()])).one(db).await?;
    Ok(Plan::try_from(row.ok_or_else(|| Fault::not_found("work plan", "工作方案", id))?)?.plan)
}

/// Gives one plan.
pub async fn get(
    app: &Arc<Reporting>,
    _: &Context,
    request: api::GetWorkPlanRequest,
) -> Answer<api::WorkPlan> {
    find(app.store.read(), &request.work_plan).await
}

/// Lists plans, the latest year first.
pub async fn list(
    app: &Arc<Reporting>,
    _: &Context,
    request: api::ListWorkPlansRequest,
) -> Answer<api::ListWorkPlansResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let (year, id) = page.after.split_once('|').unwrap_or_default();
    let before: i32 = year.parse().unwrap_or(i32::MAX);
    let text = format!(
        "SELECT body, submitted_on, submitted_at FROM work_plans WHERE ($1 = '' OR department = $1) \
         AND ($2 = 0 OR year = $2) AND (year < $3 OR (year = $3 AND work_plan_id < $4)) \
         ORDER BY year DESC, work_plan_id DESC LIMIT {}",
        page.fetch()
    );
    let values = [request.department.into(), request.year.into(), before.into(), id.into()];
    let db = app.store.read();
    let rows = Row::find_by_statement(sql(db, &text, values)).all(db).await?;
    let mut work_plans =
        rows.into_iter().map(|row| Ok(Plan::try_from(row)?.plan)).collect::<Answer<Vec<_>>>()?;
    let next_page_token = page.cut(&mut work_plans, |plan| format!("{}|{}", plan.year, plan.work_plan_id));
    Ok(api::ListWorkPlansResponse { work_plans, next_page_token })
}

/// The plans that were submitted for a year.
pub async fn submitted(db: &impl ConnectionTrait, year: i16) -> Answer<Vec<Plan>> {
    let text =
        "SELECT body, submitted_on, submitted_at FROM work_plans WHERE year = $1 AND submitted_on <> ''";
    let rows = Row::find_by_statement(sql(db, text, [i32::from(year).into()])).all(db).await?;
    rows.into_iter().map(Plan::try_from).collect()
}
