//! The table of objections.
use std::collections::HashSet;

use chassis::{
    Answer, Tx,
    clock::{from_micros, wire},
    page::Page,
    storage::{Filters, among_or_between, corrupt, insert_rows, sql},
};
use contract::grading::v1::{Objection, objection::State};
use jiff::civil::Date;
use scoring::Decimal;
use sea_orm::{ConnectionTrait, FromQueryResult, Value};

/// One objection; the columns are told in the migration.
#[derive(FromQueryResult)]
pub struct Row {
    pub objection: String,
    pub uscc: String,
    pub scheme: String,
    pub version: i32,
    pub grade: String,
    pub score: Option<String>,
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
    pub override_id: String,
}

const COLUMNS: &str = "objection, uscc, scheme, version, grade, score, department, reason, evidence, state, filed_at, filed_by, \
                       filed_for, due_on, due_provisional, basis, decided_at, decided_by, explanation, override_id";

impl Row {
    /// As the contract shows it on a day.
    pub fn told(self, today: Date) -> Answer<Objection> {
        let score = self.score.as_deref().map(Decimal::parse).transpose();
        let score = score.map_err(|fault| corrupt("score", fault.message().en))?;
        Ok(Objection {
            overdue: self.state == State::Open.as_str_name() && self.due_on < today.to_string(),
            objection_id: self.objection,
            uscc: self.uscc,
            scheme: self.scheme,
            version: self.version,
            grade: self.grade,
            score: score.map(Decimal::to_f64),
            department: self.department,
            reason: self.reason,
            evidence: self.evidence,
            state: State::from_str_name(&self.state).unwrap_or_default() as i32,
            filed_at: Some(wire(from_micros(self.filed_at))),
            filed_by: self.filed_by,
            due_on: self.due_on,
            due_provisional: self.due_provisional,
            basis: self.basis,
            decided_at: self.decided_at.map(|at| wire(from_micros(at))),
            decided_by: self.decided_by,
            explanation: self.explanation,
            r#override: self.override_id,
        })
    }
}

/// Keeps a new one; whether none was open for the grade.
pub async fn insert(tx: &Tx, row: &Row) -> Answer<bool> {
    let columns: Vec<&str> = COLUMNS.split(", ").collect();
    let values: Vec<Value> = vec![
        row.objection.as_str().into(),
        row.uscc.as_str().into(),
        row.scheme.as_str().into(),
        row.version.into(),
        row.grade.as_str().into(),
        row.score.clone().into(),
        row.department.as_str().into(),
        row.reason.as_str().into(),
        row.evidence.as_str().into(),
        row.state.as_str().into(),
        row.filed_at.into(),
        row.filed_by.as_str().into(),
        row.filed_for.as_str().into(),
        row.due_on.as_str().into(),
        row.due_provisional.into(),
        row.basis.as_str().into(),
        row.decided_at.into(),
        row.decided_by.as_str().into(),
        row.explanation.as_str().into(),
        row.override_id.as_str().into(),
    ];
    let conflict = "ON CONFLICT (uscc, scheme) WHERE state = 'OPEN' DO NOTHING";
    Ok(insert_rows(&**tx, "grade_objections", &columns, vec![values], conflict).await? == 1)
}

/// One by its id.
pub async fn get(db: &impl ConnectionTrait, id: &str) -> Answer<Option<Row>> {
    one(db, id, "").await
}

/// One, held until the transaction ends.
pub async fn claim(tx: &Tx, id: &str) -> Answer<Option<Row>> {
    let hold = tx.hold();
    one(&**tx, id, hold).await
}

async fn one(db: &impl ConnectionTrait, id: &str, hold: &str) -> Answer<Option<Row>> {
    let text = format!("SELECT {COLUMNS} FROM grade_objections WHERE objection = $1 {hold}");
    Ok(Row::find_by_statement(sql(db, &text, [id.into()])).one(db).await?)
}

/// Closes one.
pub async fn close(tx: &Tx, row: &Row) -> Answer<()> {
    let text = "UPDATE grade_objections SET state = $2, decided_at = $3, decided_by = $4, explanation = $5, override_id = $6 \
                WHERE objection = $1";
    let values: [Value; 6] = [
        row.objection.as_str().into(),
        row.state.as_str().into(),
        row.decided_at.into(),
        row.decided_by.as_str().into(),
        row.explanation.as_str().into(),
        row.override_id.as_str().into(),
    ];
    tx.execute_raw(sql(&**tx, text, values)).await?;
    Ok(())
}

/// Which ones are asked for; what is empty asks nothing.
pub struct Filter<'a> {
    pub uscc: &'a str,
    pub scheme: &'a str,
    /// To grades of this department's schemes, or filed for it.
    pub department: &'a str,
    pub state: State,
    /// Open, and due before this day.
    pub overdue_on: &'a str,
}

/// A page of them, the latest first.
pub async fn list(db: &impl ConnectionTrait, filter: &Filter<'_>, page: &Page) -> Answer<Vec<Row>> {
    let state = if filter.state == State::Unspecified { "" } else { filter.state.as_str_name() };
    let statement = Filters::new()
        .given("uscc = $1", filter.uscc)
        .given("scheme = $1", filter.scheme)
        .given("department = $1 OR filed_for = $1", filter.department)
        .given("state = $1", state)
        .given("state = 'OPEN' AND due_on < $1", filter.overdue_on)
        .given("objection < $1", &page.after)
        .sql(
            db,
            &format!("SELECT {COLUMNS} FROM grade_objections"),
            &format!("ORDER BY objection DESC LIMIT {}", page.fetch()),
        );
    Ok(Row::find_by_statement(statement).all(db).await?)
}

/// A subject's under a scheme, the latest first.
pub async fn of_subject(db: &impl ConnectionTrait, uscc: &str, scheme: &str) -> Answer<Vec<Row>> {
    let text = format!(
        "SELECT {COLUMNS} FROM grade_objections WHERE uscc = $1 AND scheme = $2 ORDER BY objection DESC"
    );
    Ok(Row::find_by_statement(sql(db, &text, [uscc.into(), scheme.into()])).all(db).await?)
}

/// The grades of some subjects that are objected to, by code and scheme; of many subjects also those of others between them.
pub async fn open(db: &impl ConnectionTrait, codes: &[&str]) -> Answer<HashSet<(String, String)>> {
    let (of_codes, codes) = among_or_between(db, "uscc", 1, codes);
    let text = format!("SELECT uscc, scheme FROM grade_objections WHERE state = 'OPEN' AND {of_codes}");
    let rows = db.query_all_raw(sql(db, &text, codes)).await?;
    rows.iter().map(|row| Ok((row.try_get("", "uscc")?, row.try_get("", "scheme")?))).collect()
}
