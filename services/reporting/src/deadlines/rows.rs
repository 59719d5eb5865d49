//! Reminders in their table.
use chassis::{
    Answer, Tx,
    clock::{from_micros, micros, wire},
    ids,
    language::{Language, Text},
    page::Page,
    storage::{Filters, insert_rows, sql},
};
use contract::reporting::v1::{self as api, reminder::State};
use jiff::Timestamp;
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::open::Open;

const COLUMNS: &str = "reminder_id, matter, department, due_on, working_days, title_en, title_zh, owner, work_plan, basis, \
                       state, created_at, acknowledged_at, acknowledged_by";

/// A reminder as it lies in the table.
#[derive(FromQueryResult)]
pub struct Row {
    reminder_id: String,
    /// What is owed.
    pub matter: String,
    /// By whom.
    pub department: String,
    /// By when.
    pub due_on: String,
    /// Which of the deadline's reminders it is.
    pub working_days: i32,
    title_en: String,
    title_zh: String,
    owner: String,
    work_plan: String,
    basis: String,
    state: i32,
    created_at: i64,
    acknowledged_at: i64,
    acknowledged_by: String,
}

impl Row {
    /// The contract's message.
    pub fn wire(self, language: Language) -> api::Reminder {
        let acknowledged = self.acknowledged_at > 0;
        api::Reminder {
            title: Text::new(self.title_en, self.title_zh).get(language).to_owned(),
            reminder_id: self.reminder_id,
            department: self.department,
            due_on: self.due_on,
            working_days: self.working_days,
            owner: self.owner,
            work_plan: self.work_plan,
            basis: self.basis,
            state: self.state,
            create_time: Some(wire(from_micros(self.created_at))),
            acknowledge_time: acknowledged.then(|| wire(from_micros(self.acknowledged_at))),
            acknowledged_by: self.acknowledged_by,
        }
    }
}

/// Writes reminders that are not there yet; how many that were.
pub async fn insert(tx: &Tx, reminders: &[(&Open, i16)], now: Timestamp) -> Answer<u64> {
    let mut rows = Vec::new();
    for (open, stage) in reminders {
        rows.push(vec![
            ids::fresh(now)?.into(),
            open.matter.as_str().into(),
            open.department.as_str().into(),
            open.due_on.to_string().into(),
            i32::from(*stage).into(),
            open.title.en.as_str().into(),
            open.title.zh.as_str().into(),
            open.owner.as_str().into(),
            open.work_plan.as_str().into(),
            open.basis.as_str().into(),
            i32::from(State::Open).into(),
            micros(now).into(),
            0_i64.into(),
            "".into(),
        ]);
    }
    let columns: Vec<&str> = COLUMNS.split(", ").map(str::trim).collect();
    let conflict = "ON CONFLICT (matter, department, due_on, working_days) DO NOTHING";
    Ok(insert_rows(&**tx, "reminders", &columns, rows, conflict).await?)
}

/// The reminders of deadlines from a day on, and those that are open.
pub async fn known(db: &impl ConnectionTrait, from: &str) -> Answer<Vec<Row>> {
    let text = format!("SELECT {COLUMNS} FROM reminders WHERE due_on >= $1 OR state = $2");
    let values = [from.into(), i32::from(State::Open).into()];
    Ok(Row::find_by_statement(sql(db, &text, values)).all(db).await?)
}

/// Notes that what reminders remind of was done.
pub async fn settle<'a>(tx: &Tx, settled: impl Iterator<Item = &'a Row>) -> Answer<()> {
    let text = "UPDATE reminders SET state = $2 WHERE reminder_id = $1 AND state = $3";
    for row in settled {
        let values = [
            row.reminder_id.as_str().into(),
            i32::from(State::Settled).into(),
            i32::from(State::Open).into(),
        ];
        tx.execute_raw(sql(&**tx, text, values)).await?;
    }
    Ok(())
}

impl Row {
    /// Whether it is to be delivered.
    pub fn is_open(&self) -> bool {
        self.state == i32::from(State::Open)
    }
}

/// A page of reminders, the oldest first.
pub async fn page(
    db: &impl ConnectionTrait,
    request: &api::ListRemindersRequest,
    page: &Page,
) -> Answer<Vec<Row>> {
    let statement = Filters::new()
        .given("department = $1", &request.department)
        .nonzero("state = $1", request.state)
        .given("reminder_id > $1", &page.after)
        .sql(
            db,
            &format!("SELECT {COLUMNS} FROM reminders"),
            &format!("ORDER BY reminder_id LIMIT {}", page.fetch()),
        );
    Ok(Row::find_by_statement(statement).all(db).await?)
}

/// A reminder by its id.
pub async fn find(db: &impl ConnectionTrait, id: &str) -> Answer<Option<Row>> {
    let text = format!("SELECT {COLUMNS} FROM reminders WHERE reminder_id = $1");
    Ok(Row::find_by_statement(sql(db, &text, [id.into()])).one(db).await?)
}

/// Notes that a reminder was acknowledged; the first time counts.
pub async fn acknowledge(tx: &Tx, id: &str, by: &str, now: Timestamp) -> Answer<()> {
    let text = "UPDATE reminders SET state = $2, acknowledged_at = $3, acknowledged_by = $4 \
                WHERE reminder_id = $1 AND acknowledged_at = 0";
    let values = [id.into(), i32::from(State::Acknowledged).into(), micros(now).into(), by.into()];
    tx.execute_raw(sql(&**tx, text, values)).await?;
    Ok(())
}
