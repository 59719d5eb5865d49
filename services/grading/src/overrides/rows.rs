//! The table of overrides.
use chassis::{
    Answer, Tx,
    clock::{from_micros, micros, start_of, wire},
    page::Page,
    storage::{Filters, among_or_between, insert_rows, sql},
};
use contract::grading::v1::{Override, r#override::State};
use jiff::civil::Date;
use sea_orm::{ConnectionTrait, FromQueryResult, Value};

use super::rules;

/// One override; the columns are told in the migration.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Row {
    pub override_id: String,
    pub uscc: String,
    pub scheme: String,
    pub department: String,
    pub grade: String,
    pub evaluated_grade: String,
    pub reason: String,
    pub evidence: String,
    pub until: String,
    pub state: String,
    pub objection: String,
    pub proposed_at: i64,
    pub proposed_by: String,
    pub confirmed_at: Option<i64>,
    pub confirmed_by: String,
    pub ended_at: Option<i64>,
    pub ended_by: String,
    pub end_reason: String,
}

const COLUMNS: &str = "override_id, uscc, scheme, department, grade, evaluated_grade, reason, evidence, until, state, \
                       objection, proposed_at, proposed_by, confirmed_at, confirmed_by, ended_at, ended_by, end_reason";

impl Row {
    /// Where it stands on a day.
    pub fn state_on(&self, today: Date) -> State {
        rules::state_on(State::from_str_name(&self.state).unwrap_or_default(), &self.until, today)
    }

    /// As the contract shows it on a day.
    pub fn told(self, today: Date) -> Override {
        let instant = |at: i64| wire(from_micros(at));
        Override {
            state: self.state_on(today) as i32,
            override_id: self.override_id,
            uscc: self.uscc,
            scheme: self.scheme,
            department: self.department,
            grade: self.grade,
            evaluated_grade: self.evaluated_grade,
            reason: self.reason,
            evidence: self.evidence,
            until: self.until,
            proposed_at: Some(instant(self.proposed_at)),
            proposed_by: self.proposed_by,
            confirmed_at: self.confirmed_at.map(instant),
            confirmed_by: self.confirmed_by,
            ended_at: self.ended_at.map(instant),
            ended_by: self.ended_by,
            end_reason: self.end_reason,
            objection: self.objection,
        }
    }

    fn values(&self) -> Vec<Value> {
        vec![
            self.override_id.as_str().into(),
            self.uscc.as_str().into(),
            self.scheme.as_str().into(),
            self.department.as_str().into(),
            self.grade.as_str().into(),
            self.evaluated_grade.as_str().into(),
            self.reason.as_str().into(),
            self.evidence.as_str().into(),
            self.until.as_str().into(),
            self.state.as_str().into(),
            self.objection.as_str().into(),
            self.proposed_at.into(),
            self.proposed_by.as_str().into(),
            self.confirmed_at.into(),
            self.confirmed_by.as_str().into(),
            self.ended_at.into(),
            self.ended_by.as_str().into(),
            self.end_reason.as_str().into(),
        ]
    }
}

/// Keeps a new one; whether none was open for the grade.
pub async fn insert(tx: &Tx, row: &Row) -> Answer<bool> {
    let columns: Vec<&str> = COLUMNS.split(", ").collect();
    let conflict = "ON CONFLICT (uscc, scheme) WHERE state IN ('PROPOSED', 'CONFIRMED') DO NOTHING";
    Ok(insert_rows(&**tx, "grade_overrides", &columns, vec![row.values()], conflict).await? == 1)
}

/// Writes where it stands now, if it still stood where it was read; whether it did.
pub async fn update(tx: &Tx, row: &Row, before: &str) -> Answer<bool> {
    let text = "UPDATE grade_overrides SET state = $3, confirmed_at = $4, confirmed_by = $5, ended_at = $6, ended_by = $7, \
                end_reason = $8 WHERE override_id = $1 AND state = $2";
    let values: [Value; 8] = [
        row.override_id.as_str().into(),
        before.into(),
        row.state.as_str().into(),
        row.confirmed_at.into(),
        row.confirmed_by.as_str().into(),
        row.ended_at.into(),
        row.ended_by.as_str().into(),
        row.end_reason.as_str().into(),
    ];
    Ok(tx.execute_raw(sql(&**tx, text, values)).await?.rows_affected() == 1)
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
    let text = format!("SELECT {COLUMNS} FROM grade_overrides WHERE override_id = $1 {hold}");
    Ok(Row::find_by_statement(sql(db, &text, [id.into()])).one(db).await?)
}

/// Which ones are asked for; what is empty asks nothing.
pub struct Filter<'a> {
    pub uscc: &'a str,
    pub scheme: &'a str,
    pub state: State,
    pub today: Date,
}

/// A page of them, the latest first.
pub async fn list(db: &impl ConnectionTrait, filter: &Filter<'_>, page: &Page) -> Answer<Vec<Row>> {
    let mut of = Filters::new()
        .given("uscc = $1", filter.uscc)
        .given("scheme = $1", filter.scheme)
        .given("override_id < $1", &page.after);
    if filter.state != State::Unspecified {
        of = of.and(
            "$1 = CASE WHEN state = 'CONFIRMED' AND until < $2 THEN 'ENDED' ELSE state END",
            [filter.state.as_str_name().into(), filter.today.to_string().into()],
        );
    }
    let order = format!("ORDER BY override_id DESC LIMIT {}", page.fetch());
    let statement = of.sql(db, &format!("SELECT {COLUMNS} FROM grade_overrides"), &order);
    Ok(Row::find_by_statement(statement).all(db).await?)
}

/// Those in force on a day for some subjects, under every scheme; of many subjects also those of others between them.
pub async fn in_force(db: &impl ConnectionTrait, codes: &[&str], today: Date) -> Answer<Vec<Row>> {
    let (of_codes, codes) = among_or_between(db, "uscc", 2, codes);
    let text = format!(
        "SELECT {COLUMNS} FROM grade_overrides WHERE state = 'CONFIRMED' AND until >= $1 AND {of_codes}"
    );
    let values = std::iter::once(today.to_string().into()).chain(codes);
    Ok(Row::find_by_statement(sql(db, &text, values)).all(db).await?)
}

/// Those that were ever in force for a subject under a scheme, the latest first.
pub async fn of_subject(db: &impl ConnectionTrait, uscc: &str, scheme: &str) -> Answer<Vec<Row>> {
    let text = format!(
        "SELECT {COLUMNS} FROM grade_overrides WHERE uscc = $1 AND scheme = $2 AND confirmed_at IS NOT NULL \
         ORDER BY override_id DESC"
    );
    Ok(Row::find_by_statement(sql(db, &text, [uscc.into(), scheme.into()])).all(db).await?)
}

/// The grade that an override sets, and the one that the model gives.
#[derive(FromQueryResult)]
pub struct Shift {
    pub to: String,
    pub evaluated: String,
}

/// What the overrides in force at the end of a day change of a scheme's grades; a day that is past stays as it was.
pub async fn shifts(db: &impl ConnectionTrait, scheme: &str, on: Date) -> Answer<Vec<Shift>> {
    let text = "SELECT \"to\", evaluated FROM (SELECT o.grade AS \"to\", (SELECT h.grade FROM grade_history h \
                WHERE h.uscc = o.uscc AND h.scheme = o.scheme AND h.recorded_at < $3 ORDER BY h.seq DESC LIMIT 1) AS evaluated \
                FROM grade_overrides o WHERE o.scheme = $1 AND o.until >= $2 AND o.confirmed_at < $3 \
                AND (o.ended_at IS NULL OR o.ended_at >= $3)) AS shifted WHERE evaluated IS NOT NULL";
    let after = micros(start_of(on.tomorrow().unwrap_or(on)));
    let values = [scheme.into(), on.to_string().into(), after.into()];
    Ok(Shift::find_by_statement(sql(db, text, values)).all(db).await?)
}

/// Those whose last day is past and that nobody has closed yet; of one grade, or of all where the code is empty.
pub async fn due(db: &impl ConnectionTrait, today: Date, uscc: &str, scheme: &str) -> Answer<Vec<Row>> {
    let mut of = Filters::new().and("state = 'CONFIRMED' AND until < $1", [today.to_string().into()]);
    if !uscc.is_empty() {
        of = of.and("uscc = $1 AND scheme = $2", [uscc.into(), scheme.into()]);
    }
    let select = format!("SELECT {COLUMNS} FROM grade_overrides");
    let statement = of.sql(db, &select, "ORDER BY override_id LIMIT 500");
    Ok(Row::find_by_statement(statement).all(db).await?)
}
