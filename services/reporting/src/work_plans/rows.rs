//! Plans and reports of tasks in their tables.
use std::collections::BTreeMap;

use chassis::{
    Answer, Fault, Tx,
    clock::{from_micros, micros, wire},
    page::{Page, strange_token},
    storage::{Filters, corrupt, insert_rows, sql, unique_violation},
};
use contract::reporting::v1::{self as api, work_plan::State};
use jiff::{Timestamp, civil::Date};
use prost::Message;
use sea_orm::{ConnectionTrait, FromQueryResult};

const COLUMNS: &str =
    "work_plan_id, body, state, version, etag, submitted_on, submitted_at, submitted_by, returned_on, review";

#[derive(FromQueryResult)]
struct Row {
    work_plan_id: String,
    body: Vec<u8>,
    state: i32,
    version: i32,
    etag: String,
    submitted_on: String,
    submitted_at: i64,
    submitted_by: String,
    returned_on: String,
    review: Option<Vec<u8>>,
}

/// A plan with the business days on which it was submitted and returned; empty: it was not.
pub struct Plan {
    /// The plan.
    pub plan: api::WorkPlan,
    /// When it was submitted.
    pub submitted_on: String,
    /// When it was returned.
    pub returned_on: String,
}

impl Plan {
    /// Whether it was handed in at a day, YYYY-MM-DD, and not returned.
    pub fn stands(&self, day: &str) -> bool {
        let submitted = !self.submitted_on.is_empty() && self.submitted_on.as_str() <= day;
        submitted && (self.returned_on.is_empty() || self.returned_on.as_str() > day)
    }
}

#[derive(FromQueryResult)]
struct Report {
    work_plan: String,
    task: i32,
    done_on: String,
    text: String,
}

impl Row {
    fn plan(self, reports: Option<Vec<Report>>) -> Answer<Plan> {
        let mut plan =
            api::WorkPlan::decode(self.body.as_slice()).map_err(|error| corrupt("work plan", error))?;
        plan.work_plan_id = self.work_plan_id;
        plan.state = self.state;
        plan.version = self.version;
        plan.etag = self.etag;
        plan.submitted_by = self.submitted_by;
        if !self.submitted_on.is_empty() {
            plan.submit_time = Some(wire(from_micros(self.submitted_at)));
        }
        if let Some(review) = self.review {
            plan.review =
                Some(api::Review::decode(review.as_slice()).map_err(|error| corrupt("review", error))?);
        }
        for (number, task) in (1..).zip(&mut plan.tasks) {
            task.number = number;
        }
        for report in reports.unwrap_or_default() {
            if let Some(task) = plan.tasks.iter_mut().find(|task| task.number == report.task) {
                (task.done_on, task.report) = (report.done_on, report.text);
            }
        }
        Ok(Plan { plan, submitted_on: self.submitted_on, returned_on: self.returned_on })
    }
}

// The rows as plans, with what was reported of their tasks.
async fn plans(db: &impl ConnectionTrait, rows: Vec<Row>) -> Answer<Vec<Plan>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let marks: Vec<String> = (1..=rows.len()).map(|number| format!("${number}")).collect();
    let text = format!(
        "SELECT work_plan, task, done_on, text FROM task_reports WHERE work_plan IN ({})",
        marks.join(", ")
    );
    let values = rows.iter().map(|row| row.work_plan_id.as_str().into());
    let mut reports: BTreeMap<String, Vec<Report>> = BTreeMap::new();
    for report in Report::find_by_statement(sql(db, &text, values)).all(db).await? {
        reports.entry(report.work_plan.clone()).or_default().push(report);
    }
    rows.into_iter()
        .map(|row| {
            let own = reports.remove(&row.work_plan_id);
            row.plan(own)
        })
        .collect()
}

/// A plan by its id.
pub async fn find(db: &impl ConnectionTrait, id: &str) -> Answer<Plan> {
    let text = format!("SELECT {COLUMNS} FROM work_plans WHERE work_plan_id = $1");
    let row = Row::find_by_statement(sql(db, &text, [id.into()])).all(db).await?;
    plans(db, row).await?.pop().ok_or_else(|| Fault::not_found("work plan", "工作方案", id))
}

/// Writes a draft.
pub async fn insert(tx: &Tx, plan: &api::WorkPlan, now: Timestamp) -> Answer<()> {
    let columns = [
        "work_plan_id",
        "department",
        "year",
        "body",
        "created_at",
        "submitted_on",
        "submitted_at",
        "state",
        "etag",
    ];
    let row = vec![
        plan.work_plan_id.as_str().into(),
        plan.department.as_str().into(),
        plan.year.into(),
        plan.encode_to_vec().into(),
        micros(now).into(),
        "".into(),
        0_i64.into(),
        plan.state.into(),
        plan.etag.as_str().into(),
    ];
    insert_rows(&**tx, "work_plans", &columns, vec![row], "").await?;
    Ok(())
}

/// Writes what a draft says now; whether it was still the draft that was read.
pub async fn replace(tx: &Tx, plan: &api::WorkPlan, read: &str) -> Answer<bool> {
    let text =
        "UPDATE work_plans SET body = $2, etag = $3 WHERE work_plan_id = $1 AND etag = $4 AND state = $5";
    let values = [
        plan.work_plan_id.as_str().into(),
        plan.encode_to_vec().into(),
        plan.etag.as_str().into(),
        read.into(),
        i32::from(State::Draft).into(),
    ];
    Ok(tx.execute_raw(sql(&**tx, text, values)).await?.rows_affected() == 1)
}

/// What became of a submission.
pub enum Submission {
    /// It is the department's plan of the year now.
    Won,
    /// The plan itself was submitted by somebody else meanwhile.
    NoDraft,
    /// Another plan of the department stands for the year.
    Another,
}

/// Makes a draft the next version of its department's plan of the year. The tables' constraints have the last word.
pub async fn submit(tx: &Tx, plan: &api::WorkPlan, by: &str, on: Date, now: Timestamp) -> Answer<Submission> {
    let text = "UPDATE work_plans SET state = $2, submitted_on = $3, submitted_at = $4, submitted_by = $5, \
                version = (SELECT COALESCE(MAX(w.version), 0) + 1 FROM work_plans w WHERE w.department = $6 AND w.year = $7) \
                WHERE work_plan_id = $1 AND state = $8";
    let values = [
        plan.work_plan_id.as_str().into(),
        i32::from(State::Submitted).into(),
        on.to_string().into(),
        micros(now).into(),
        by.into(),
        plan.department.as_str().into(),
        plan.year.into(),
        i32::from(State::Draft).into(),
    ];
    match tx.execute_raw(sql(&**tx, text, values)).await {
        Ok(done) if done.rows_affected() == 1 => Ok(Submission::Won),
        Ok(_) => Ok(Submission::NoDraft),
        Err(error) if unique_violation(&error).is_some() => Ok(Submission::Another),
        Err(error) => Err(error.into()),
    }
}

/// Writes a review; whether the plan still stood where it was read.
pub async fn review(tx: &Tx, plan: &api::WorkPlan, read: State, returned_on: &str) -> Answer<bool> {
    let text = "UPDATE work_plans SET state = $2, review = $3, returned_on = $4 WHERE work_plan_id = $1 AND state = $5";
    let values = [
        plan.work_plan_id.as_str().into(),
        plan.state.into(),
        plan.review.as_ref().map(Message::encode_to_vec).into(),
        returned_on.into(),
        i32::from(read).into(),
    ];
    Ok(tx.execute_raw(sql(&**tx, text, values)).await?.rows_affected() == 1)
}

/// Writes that a task is done; a later report takes the place of an earlier.
pub async fn report(tx: &Tx, request: &api::ReportTaskRequest, by: &str, now: Timestamp) -> Answer<()> {
    let columns = ["work_plan", "task", "done_on", "text", "reported_at", "reported_by"];
    let row = vec![
        request.work_plan.as_str().into(),
        request.task.into(),
        request.done_on.as_str().into(),
        request.text.as_str().into(),
        micros(now).into(),
        by.into(),
    ];
    let conflict = "ON CONFLICT (work_plan, task) DO UPDATE SET done_on = excluded.done_on, text = excluded.text, \
                    reported_at = excluded.reported_at, reported_by = excluded.reported_by";
    insert_rows(&**tx, "task_reports", &columns, vec![row], conflict).await?;
    Ok(())
}

/// A page of plans, the latest year first.
pub async fn list(
    db: &impl ConnectionTrait,
    request: &api::ListWorkPlansRequest,
    page: &Page,
) -> Answer<Vec<api::WorkPlan>> {
    let mut of = Filters::new()
        .given("department = $1", &request.department)
        .nonzero("year = $1", request.year)
        .nonzero("state = $1", request.state);
    if !page.after.is_empty() {
        let (year, id) = page.after.split_once('|').ok_or_else(strange_token)?;
        let year: i32 = year.parse().map_err(|_| strange_token())?;
        of = of.and("(year, work_plan_id) < ($1, $2)", [year.into(), id.into()]);
    }
    let order = format!("ORDER BY year DESC, work_plan_id DESC LIMIT {}", page.fetch());
    let statement = of.sql(db, &format!("SELECT {COLUMNS} FROM work_plans"), &order);
    let rows = Row::find_by_statement(statement).all(db).await?;
    Ok(plans(db, rows).await?.into_iter().map(|plan| plan.plan).collect())
}

/// The plans that were submitted for a year, the returned ones among them, in the order of their versions.
pub async fn submitted(db: &impl ConnectionTrait, year: i16) -> Answer<Vec<Plan>> {
    let text = format!(
        "SELECT {COLUMNS} FROM work_plans WHERE year = $1 AND submitted_on <> '' ORDER BY department, version"
    );
    let rows = Row::find_by_statement(sql(db, &text, [i32::from(year).into()])).all(db).await?;
    plans(db, rows).await
}
