//! Cases and their steps in the tables.
use std::collections::BTreeMap;

use chassis::{
    Answer, Fault, Tx,
    clock::{from_micros, micros, wire},
    storage::{Filters, corrupt, insert_rows, placeholders, sql},
};
use contract::discipline::v1 as api;
use jiff::Timestamp;
use prost::Message;
use sea_orm::{ConnectionTrait, FromQueryResult, Value};

use crate::papers;

/// A case as it is stored: the message, without what follows from list and clock, and what the message does not show.
pub struct Stored {
    /// The case, its steps included.
    pub case: api::Case,
    /// The version of the list that it was opened under.
    pub list_version: i32,
    /// The subject's region.
    pub region: String,
}

#[derive(FromQueryResult)]
struct Row {
    case_id: String,
    list_id: String,
    list_version: i32,
    uscc: String,
    name: String,
    region: String,
    state: i32,
    facts: String,
    evidence: String,
    proposer: String,
    department: String,
    hearing_requested: bool,
    outcome: i32,
    position: String,
    suggestion: String,
}

/// By when a case has to be taken further; nothing where no term is set.
#[derive(Default)]
pub struct Due {
    /// The step, by its number in the contract.
    pub step: i32,
    /// The last day.
    pub on: String,
    /// The rule.
    pub basis: String,
}

#[derive(FromQueryResult)]
struct StepRow {
    case_id: String,
    kind: i32,
    done_by: String,
    department: String,
    done_on: String,
    document_number: String,
    text: String,
    recorded_at: i64,
    particulars: Option<Vec<u8>>,
}

const COLUMNS: &str = "case_id, list_id, list_version, uscc, name, region, state, facts, evidence, proposer, department, \
                       hearing_requested, outcome, position, suggestion";

/// One case.
pub async fn find(db: &impl ConnectionTrait, case_id: &str) -> Answer<Option<Stored>> {
    one(db, case_id, "").await
}

/// The same, held until the transaction ends: what is judged is what the step is appended to.
pub async fn held(tx: &Tx, case_id: &str) -> Answer<Option<Stored>> {
    one(&**tx, case_id, tx.hold()).await
}

async fn one(db: &impl ConnectionTrait, case_id: &str, hold: &str) -> Answer<Option<Stored>> {
    let text = format!("SELECT {COLUMNS} FROM cases WHERE case_id = $1 {hold}");
    let row = Row::find_by_statement(sql(db, &text, [case_id.into()])).one(db).await?;
    Ok(with_steps(db, row.into_iter().collect()).await?.pop())
}

/// What cases to list.
pub struct Filter<'a> {
    /// Of this subject; empty: any.
    pub uscc: &'a str,
    /// For this list; empty: any.
    pub list: &'a str,
    /// In this state; 0: any.
    pub state: i32,
    /// Older than this case; empty: from the newest.
    pub before: &'a str,
}

/// Cases, the latest first.
pub async fn list(db: &impl ConnectionTrait, filter: Filter<'_>, limit: u64) -> Answer<Vec<Stored>> {
    let statement = Filters::new()
        .given("uscc = $1", filter.uscc)
        .given("list_id = $1", filter.list)
        .nonzero("state = $1", filter.state)
        .given("case_id < $1", filter.before)
        .sql(db, &format!("SELECT {COLUMNS} FROM cases"), &format!("ORDER BY case_id DESC LIMIT {limit}"));
    let rows = Row::find_by_statement(statement).all(db).await?;
    with_steps(db, rows).await
}

async fn with_steps(db: &impl ConnectionTrait, rows: Vec<Row>) -> Answer<Vec<Stored>> {
    let mut steps: BTreeMap<String, Vec<api::Step>> = BTreeMap::new();
    for chunk in rows.chunks(500) {
        let text = format!(
            "SELECT case_id, kind, done_by, department, done_on, document_number, text, recorded_at, particulars \
             FROM case_steps \
             WHERE case_id IN ({}) ORDER BY case_id, number",
            placeholders(1, chunk.len())
        );
        let ids: Vec<Value> = chunk.iter().map(|row| row.case_id.as_str().into()).collect();
        for row in StepRow::find_by_statement(sql(db, &text, ids)).all(db).await? {
            steps.entry(row.case_id.clone()).or_default().push(row.try_into()?);
        }
    }
    let ids: Vec<&str> = rows.iter().map(|row| row.case_id.as_str()).collect();
    for ((case_id, number), papers) in papers::of_steps(db, &ids).await? {
        let step = usize::try_from(number - 1).ok().and_then(|at| steps.get_mut(&case_id)?.get_mut(at));
        if let Some(step) = step {
            step.papers = papers;
        }
    }
    rows.into_iter().map(|row| stored(row, &mut steps)).collect()
}

fn stored(row: Row, steps: &mut BTreeMap<String, Vec<api::Step>>) -> Answer<Stored> {
    let evidence = serde_json::from_str(&row.evidence).map_err(|error| corrupt("case", error))?;
    let case = api::Case {
        steps: steps.remove(&row.case_id).unwrap_or_default(),
        case_id: row.case_id,
        list_id: row.list_id,
        uscc: row.uscc,
        name: row.name,
        state: row.state,
        facts: row.facts,
        evidence,
        proposer: row.proposer,
        department: row.department,
        hearing_requested: row.hearing_requested,
        outcome: row.outcome,
        position: row.position,
        suggestion: row.suggestion,
        ..Default::default()
    };
    Ok(Stored { case, list_version: row.list_version, region: row.region })
}

impl TryFrom<StepRow> for api::Step {
    type Error = Fault;

    fn try_from(row: StepRow) -> Answer<Self> {
        let kept = row.particulars.unwrap_or_default();
        let particulars = Self::decode(kept.as_slice()).map_err(|error| corrupt("case step", error))?;
        Ok(Self {
            kind: row.kind,
            by: row.done_by,
            department: row.department,
            on: row.done_on,
            document_number: row.document_number,
            text: row.text,
            recorded_at: Some(wire(from_micros(row.recorded_at))),
            ..particulars
        })
    }
}

// What has no column of its own.
fn particulars(step: &api::Step) -> Vec<u8> {
    let rest = api::Step {
        kind: 0,
        by: String::new(),
        department: String::new(),
        on: String::new(),
        document_number: String::new(),
        text: String::new(),
        recorded_at: None,
        ..step.clone()
    };
    rest.encode_to_vec()
}

/// Stores a new case with its first step.
pub async fn insert(tx: &Tx, stored: &Stored, step: &api::Step, due: &Due, now: Timestamp) -> Answer<()> {
    let case = &stored.case;
    let columns = [
        "case_id",
        "list_id",
        "list_version",
        "uscc",
        "name",
        "region",
        "state",
        "facts",
        "evidence",
        "proposer",
        "department",
        "hearing_requested",
        "outcome",
        "opened_on",
        "dropped_on",
        "steps",
        "position",
        "due_on",
        "due_step",
        "due_basis",
        "suggestion",
    ];
    let row: Vec<Value> = vec![
        case.case_id.as_str().into(),
        case.list_id.as_str().into(),
        stored.list_version.into(),
        case.uscc.as_str().into(),
        case.name.as_str().into(),
        stored.region.as_str().into(),
        case.state.into(),
        case.facts.as_str().into(),
        serde_json::Value::from(case.evidence.clone()).to_string().into(),
        case.proposer.as_str().into(),
        case.department.as_str().into(),
        false.into(),
        0.into(),
        step.on.as_str().into(),
        "".into(),
        1.into(),
        "".into(),
        due.on.as_str().into(),
        due.step.into(),
        due.basis.as_str().into(),
        case.suggestion.as_str().into(),
    ];
    insert_rows(&**tx, "cases", &columns, vec![row], "").await?;
    insert_step(tx, &case.case_id, 1, step, now).await
}

/// Appends a step to a case, with what it changes; it is the last of the case's own `steps`.
pub async fn append(tx: &Tx, case: &api::Case, step: &api::Step, due: &Due, now: Timestamp) -> Answer<()> {
    let number = i32::try_from(case.steps.len()).map_err(Fault::internal)?;
    let dropped_on = if case.state() == api::case::State::Dropped { step.on.as_str() } else { "" };
    let text = "UPDATE cases SET state = $2, hearing_requested = $3, outcome = $4, dropped_on = $5, steps = steps + 1, \
                due_on = $6, due_step = $7, due_basis = $8 WHERE case_id = $1";
    let values = [
        case.case_id.as_str().into(),
        case.state.into(),
        case.hearing_requested.into(),
        case.outcome.into(),
        dropped_on.into(),
        due.on.as_str().into(),
        due.step.into(),
        due.basis.as_str().into(),
    ];
    tx.execute_raw(sql(&**tx, text, values)).await?;
    insert_step(tx, &case.case_id, number, step, now).await
}

async fn insert_step(tx: &Tx, case_id: &str, number: i32, step: &api::Step, now: Timestamp) -> Answer<()> {
    let columns = [
        "case_id",
        "number",
        "kind",
        "done_by",
        "department",
        "done_on",
        "document_number",
        "text",
        "recorded_at",
        "particulars",
    ];
    let row = vec![
        case_id.into(),
        number.into(),
        step.kind.into(),
        step.by.as_str().into(),
        step.department.as_str().into(),
        step.on.as_str().into(),
        step.document_number.as_str().into(),
        step.text.as_str().into(),
        micros(now).into(),
        particulars(step).into(),
    ];
    insert_rows(&**tx, "case_steps", &columns, vec![row], "").await?;
    Ok(())
}
