//! Objections and repairs in their table.
use chassis::{
    Answer, Tx,
    clock::{from_micros, micros, wire},
    page::Page,
    storage::{Filters, insert_rows, sql},
};
use contract::credit::v1 as api;
use jiff::{Timestamp, civil::Date};
use sea_orm::{ConnectionTrait, FromQueryResult, Value};

use super::rules::Kind;

const READ: &str = "filing, uscc, record, item, department, reason, evidence, state, filed_at, filed_by, filed_for, \
                    due_on, due_provisional, basis, decided_at, decided_by, explanation";

/// One filing; the columns are told in the migration.
#[derive(FromQueryResult)]
pub struct Filing {
    pub filing: String,
    pub uscc: String,
    pub record: String,
    pub item: String,
    pub department: String,
    pub reason: String,
    pub evidence: String,
    pub state: String,
    pub filed_at: i64,
    pub filed_by: String,
    pub filed_for: String,
    pub due_on: String,
    pub due_provisional: bool,
    pub basis: String,
    pub decided_at: Option<i64>,
    pub decided_by: String,
    pub explanation: String,
}

macro_rules! shown {
    ($name:ident, $message:ident, $id:ident, $module:ident) => {
        impl Filing {
            /// As the contract shows it on a day.
            pub fn $name(self, today: Date) -> api::$message {
                let overdue = self.state == "OPEN" && self.due_on < today.to_string();
                api::$message {
                    $id: self.filing,
                    record: self.record,
                    uscc: self.uscc,
                    item: self.item,
                    department: self.department,
                    reason: self.reason,
                    evidence: self.evidence,
                    state: api::$module::State::from_str_name(&self.state).unwrap_or_default().into(),
                    filed_at: Some(wire(from_micros(self.filed_at))),
                    filed_by: self.filed_by,
                    due_on: self.due_on,
                    due_provisional: self.due_provisional,
                    basis: self.basis,
                    overdue,
                    decided_at: self.decided_at.map(|at| wire(from_micros(at))),
                    decided_by: self.decided_by,
                    explanation: self.explanation,
                }
            }
        }
    };
}

shown!(objection, Objection, objection_id, objection);
shown!(repair, Repair, repair_id, repair);

/// Keeps a new filing; whether none of its kind was open for the record.
pub async fn insert(tx: &Tx, kind: Kind, filing: &Filing) -> Answer<bool> {
    let columns = [
        "filing",
        "kind",
        "uscc",
        "record",
        "item",
        "department",
        "reason",
        "evidence",
        "state",
        "filed_at",
        "filed_by",
        "filed_for",
        "due_on",
        "due_provisional",
        "basis",
        "decided_by",
        "explanation",
    ];
    let row: Vec<Value> = vec![
        filing.filing.as_str().into(),
        kind.name().into(),
        filing.uscc.as_str().into(),
        filing.record.as_str().into(),
        filing.item.as_str().into(),
        filing.department.as_str().into(),
        filing.reason.as_str().into(),
        filing.evidence.as_str().into(),
        filing.state.as_str().into(),
        filing.filed_at.into(),
        filing.filed_by.as_str().into(),
        filing.filed_for.as_str().into(),
        filing.due_on.as_str().into(),
        filing.due_provisional.into(),
        filing.basis.as_str().into(),
        filing.decided_by.as_str().into(),
        filing.explanation.as_str().into(),
    ];
    let conflict = "ON CONFLICT (record, kind) WHERE state = 'OPEN' DO NOTHING";
    Ok(insert_rows(&**tx, "filings", &columns, vec![row], conflict).await? == 1)
}

/// One of a kind.
pub async fn get(db: &impl ConnectionTrait, kind: Kind, filing: &str) -> Answer<Option<Filing>> {
    one(db, kind, filing, "").await
}

/// One of a kind, held until the transaction ends.
pub async fn get_for_update(tx: &Tx, kind: Kind, filing: &str) -> Answer<Option<Filing>> {
    let hold = tx.hold();
    one(&**tx, kind, filing, hold).await
}

async fn one(db: &impl ConnectionTrait, kind: Kind, filing: &str, hold: &str) -> Answer<Option<Filing>> {
    let text = format!("SELECT {READ} FROM filings WHERE filing = $1 AND kind = $2 {hold}");
    Ok(Filing::find_by_statement(sql(db, &text, [filing.into(), kind.name().into()])).one(db).await?)
}

/// Closes one.
pub async fn close(tx: &Tx, now: Timestamp, filing: &Filing) -> Answer<()> {
    let text =
        "UPDATE filings SET state = $2, decided_at = $3, decided_by = $4, explanation = $5 WHERE filing = $1";
    let values: [Value; 5] = [
        filing.filing.as_str().into(),
        filing.state.as_str().into(),
        micros(now).into(),
        filing.decided_by.as_str().into(),
        filing.explanation.as_str().into(),
    ];
    tx.execute_raw(sql(&**tx, text, values)).await?;
    Ok(())
}

/// Which filings are asked for; what is empty asks nothing.
pub struct Filter<'a> {
    /// The kind.
    pub kind: Kind,
    /// Of this subject.
    pub uscc: &'a str,
    /// On this department's records, or filed by it.
    pub department: &'a str,
    /// In this state.
    pub state: &'a str,
    /// Open, and due before this day.
    pub overdue_on: &'a str,
}

/// A page of them, the latest first.
pub async fn list(db: &impl ConnectionTrait, filter: &Filter<'_>, page: &Page) -> Answer<Vec<Filing>> {
    let statement = Filters::new()
        .and("kind = $1", [filter.kind.name().into()])
        .given("uscc = $1", filter.uscc)
        .given("department = $1 OR filed_for = $1", filter.department)
        .given("state = $1", filter.state)
        .given("state = 'OPEN' AND due_on < $1", filter.overdue_on)
        .given("filing < $1", &page.after)
        .sql(
            db,
            &format!("SELECT {READ} FROM filings"),
            &format!("ORDER BY filing DESC LIMIT {}", page.fetch()),
        );
    Ok(Filing::find_by_statement(statement).all(db).await?)
}

/// What was open of a subject at an instant: the kind and the record, in the order of filing.
pub async fn open_at(db: &impl ConnectionTrait, uscc: &str, at: Timestamp) -> Answer<Vec<(Kind, String)>> {
    let text = "SELECT kind, record FROM filings WHERE uscc = $1 AND filed_at <= $2 \
                AND (decided_at IS NULL OR decided_at > $2) ORDER BY filing";
    let rows = db.query_all_raw(sql(db, text, [uscc.into(), micros(at).into()])).await?;
    let open = rows.into_iter().map(|row| {
        let kind: String = row.try_get("", "kind")?;
        let kind = if kind == Kind::Objection.name() { Kind::Objection } else { Kind::Repair };
        Ok((kind, row.try_get("", "record")?))
    });
    open.collect()
}
