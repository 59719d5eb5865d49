//! Rules, watched records and suggestions in their tables.
use std::collections::BTreeSet;

use chassis::{
    Answer, Fault, Tx,
    clock::{from_micros, micros, wire},
    page::Page,
    storage::{Filters, corrupt, insert_rows, placeholders, sql},
};
use contract::{
    credit::v1::Record,
    discipline::v1::{self as api, suggestion::State},
};
use jiff::{Timestamp, civil::Date};
use prost::Message;
use sea_orm::{ConnectionTrait, FromQueryResult, Value};

#[derive(FromQueryResult)]
struct RuleRow {
    body: Vec<u8>,
}

fn rule(row: RuleRow) -> Answer<api::SuggestionRule> {
    api::SuggestionRule::decode(row.body.as_slice()).map_err(|error| corrupt("suggestion rule", error))
}

/// The rules after an id, in the order of their ids.
pub async fn rules(db: &impl ConnectionTrait, after: &str, limit: u64) -> Answer<Vec<api::SuggestionRule>> {
    let text = format!("SELECT body FROM suggestion_rules WHERE rule_id > $1 ORDER BY rule_id LIMIT {limit}");
    let rows = RuleRow::find_by_statement(sql(db, &text, [after.into()])).all(db).await?;
    rows.into_iter().map(rule).collect()
}

/// One rule.
pub async fn one_rule(db: &impl ConnectionTrait, rule_id: &str) -> Answer<Option<api::SuggestionRule>> {
    let text = "SELECT body FROM suggestion_rules WHERE rule_id = $1";
    RuleRow::find_by_statement(sql(db, text, [rule_id.into()])).one(db).await?.map(rule).transpose()
}

/// Keeps a rule.
pub async fn put_rule(tx: &Tx, rule: &api::SuggestionRule) -> Answer<()> {
    let text = "INSERT INTO suggestion_rules (rule_id, item, body) VALUES ($1, $2, $3) \
                ON CONFLICT (rule_id) DO UPDATE SET item = excluded.item, body = excluded.body";
    let values = [rule.rule_id.as_str().into(), rule.item.as_str().into(), rule.encode_to_vec().into()];
    tx.execute_raw(sql(&**tx, text, values)).await?;
    Ok(())
}

/// How far credit's feed was followed for a set of items.
pub async fn position(db: &impl ConnectionTrait, items: &str) -> Answer<String> {
    let text = "SELECT position FROM watched_feed WHERE items = $1";
    let row = db.query_one_raw(sql(db, text, [items.into()])).await?;
    Ok(row.map(|row| row.try_get("", "position")).transpose()?.unwrap_or_default())
}

/// Moves it, unless another replica was faster.
pub async fn advance(tx: &Tx, items: &str, from: &str, to: &str) -> Answer<bool> {
    let text = if from.is_empty() {
        "INSERT INTO watched_feed (items, position) VALUES ($1, $2) ON CONFLICT (items) DO NOTHING"
    } else {
        "UPDATE watched_feed SET position = $2 WHERE items = $1 AND position = $3"
    };
    let mut values: Vec<Value> = vec![items.into(), to.into()];
    if !from.is_empty() {
        values.push(from.into());
    }
    Ok(tx.execute_raw(sql(&**tx, text, values)).await?.rows_affected() == 1)
}

/// Keeps records as they stand.
pub async fn watch(tx: &Tx, records: &[(Record, bool)]) -> Answer<()> {
    let text = "INSERT INTO watched_records (record, uscc, item, occurred_on, severity, department, ended) \
                VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (record) DO UPDATE SET uscc = excluded.uscc, \
                occurred_on = excluded.occurred_on, severity = excluded.severity, ended = excluded.ended";
    for (record, ended) in records {
        let values = [
            record.record.as_str().into(),
            record.uscc.as_str().into(),
            record.item.as_str().into(),
            record.occurred_on.as_str().into(),
            record.severity.into(),
            record.department.as_str().into(),
            (*ended).into(),
        ];
        tx.execute_raw(sql(&**tx, text, values)).await?;
    }
    Ok(())
}

#[derive(FromQueryResult)]
struct RecordRow {
    record: String,
    item: String,
    occurred_on: String,
    severity: i32,
    department: String,
}

/// A subject's records in force that a rule speaks of, the earliest first.
pub async fn records(
    db: &impl ConnectionTrait,
    rule: &api::SuggestionRule,
    uscc: &str,
    since: Date,
) -> Answer<Vec<api::SuggestedRecord>> {
    let text = "SELECT record, item, occurred_on, severity, department FROM watched_records \
                WHERE uscc = $1 AND item = $2 AND severity >= $3 AND occurred_on >= $4 AND NOT ended \
                ORDER BY occurred_on, record LIMIT 1000";
    let values = [uscc.into(), rule.item.as_str().into(), rule.severity.into(), since.to_string().into()];
    let rows = RecordRow::find_by_statement(sql(db, text, values)).all(db).await?;
    let told = |row: RecordRow| api::SuggestedRecord {
        record: row.record,
        item: row.item,
        occurred_on: row.occurred_on,
        severity: row.severity,
        department: row.department,
    };
    Ok(rows.into_iter().map(told).collect())
}

#[derive(FromQueryResult)]
struct Subject {
    uscc: String,
}

/// The subjects that have as many records as a rule asks for, and those of whom it has suggested something that is open.
pub async fn subjects(
    db: &impl ConnectionTrait,
    rule: &api::SuggestionRule,
    since: Date,
) -> Answer<Vec<String>> {
    let text = "SELECT uscc FROM watched_records WHERE item = $1 AND severity >= $2 AND occurred_on >= $3 AND NOT ended \
                GROUP BY uscc HAVING COUNT(*) >= $4 \
                UNION SELECT uscc FROM suggestions WHERE rule_id = $5 AND state = 'OPEN' ORDER BY uscc";
    let values = [
        rule.item.as_str().into(),
        rule.severity.into(),
        since.to_string().into(),
        i64::from(rule.count).into(),
        rule.rule_id.as_str().into(),
    ];
    let rows = Subject::find_by_statement(sql(db, text, values)).all(db).await?;
    Ok(rows.into_iter().map(|row| row.uscc).collect())
}

#[derive(FromQueryResult)]
struct Row {
    suggestion_id: String,
    rule_id: String,
    list_id: String,
    uscc: String,
    records: Vec<u8>,
    basis: String,
    state: String,
    made_at: i64,
    handled_by: String,
    handled_at: Option<i64>,
    reason: String,
    case_id: String,
}

const COLUMNS: &str = "suggestion_id, rule_id, list_id, uscc, records, basis, state, made_at, handled_by, handled_at, reason, case_id";

impl TryFrom<Row> for api::Suggestion {
    type Error = Fault;

    fn try_from(row: Row) -> Answer<Self> {
        let kept = Self::decode(row.records.as_slice()).map_err(|error| corrupt("suggestion", error))?;
        Ok(Self {
            suggestion_id: row.suggestion_id,
            rule_id: row.rule_id,
            list_id: row.list_id,
            uscc: row.uscc,
            records: kept.records,
            basis: row.basis,
            state: State::from_str_name(&row.state).unwrap_or_default().into(),
            made_at: Some(wire(from_micros(row.made_at))),
            handled_by: row.handled_by,
            handled_at: row.handled_at.map(|at| wire(from_micros(at))),
            reason: row.reason,
            case_id: row.case_id,
        })
    }
}

fn kept(records: &[api::SuggestedRecord]) -> Vec<u8> {
    api::Suggestion { records: records.to_vec(), ..Default::default() }.encode_to_vec()
}

/// Makes a suggestion, or brings the open one up to date.
pub async fn raise(
    tx: &Tx,
    now: Timestamp,
    id: &str,
    rule: &api::SuggestionRule,
    (uscc, records): (&str, &[api::SuggestedRecord]),
) -> Answer<()> {
    let columns: Vec<&str> = COLUMNS.split(',').map(str::trim).collect();
    let row: Vec<Value> = vec![
        id.into(),
        rule.rule_id.as_str().into(),
        rule.list_id.as_str().into(),
        uscc.into(),
        kept(records).into(),
        rule.basis.as_str().into(),
        State::Open.as_str_name().into(),
        micros(now).into(),
        "".into(),
        Option::<i64>::None.into(),
        "".into(),
        "".into(),
    ];
    let conflict =
        "ON CONFLICT (rule_id, uscc) WHERE state = 'OPEN' DO UPDATE SET records = excluded.records";
    insert_rows(&**tx, "suggestions", &columns, vec![row], conflict).await?;
    Ok(())
}

/// The records that suggestions of a rule about a subject knew, which were handled before.
pub async fn known(db: &impl ConnectionTrait, rule_id: &str, uscc: &str) -> Answer<BTreeSet<String>> {
    let text = format!(
        "SELECT {COLUMNS} FROM suggestions WHERE rule_id = $1 AND uscc = $2 AND state IN ('TAKEN_UP', 'DISMISSED')"
    );
    let rows = Row::find_by_statement(sql(db, &text, [rule_id.into(), uscc.into()])).all(db).await?;
    let mut known = BTreeSet::new();
    for row in rows {
        known.extend(api::Suggestion::try_from(row)?.records.into_iter().map(|record| record.record));
    }
    Ok(known)
}

/// Ends the open one of a rule about a subject, whose records are no longer enough.
pub async fn lapse(tx: &Tx, now: Timestamp, rule_id: &str, uscc: &str) -> Answer<()> {
    let text = "UPDATE suggestions SET state = 'LAPSED', handled_at = $3 WHERE rule_id = $1 AND uscc = $2 AND state = 'OPEN'";
    tx.execute_raw(sql(&**tx, text, [rule_id.into(), uscc.into(), micros(now).into()])).await?;
    Ok(())
}

/// One, held until the transaction ends.
pub async fn held(tx: &Tx, suggestion: &str) -> Answer<Option<api::Suggestion>> {
    let text = format!("SELECT {COLUMNS} FROM suggestions WHERE suggestion_id = $1 {}", tx.hold());
    let row = Row::find_by_statement(sql(&**tx, &text, [suggestion.into()])).one(&**tx).await?;
    row.map(api::Suggestion::try_from).transpose()
}

/// Keeps how one was handled.
pub async fn handle(tx: &Tx, now: Timestamp, suggestion: &api::Suggestion) -> Answer<()> {
    let text = "UPDATE suggestions SET state = $2, handled_by = $3, handled_at = $4, reason = $5, case_id = $6 \
                WHERE suggestion_id = $1";
    let values = [
        suggestion.suggestion_id.as_str().into(),
        suggestion.state().as_str_name().into(),
        suggestion.handled_by.as_str().into(),
        micros(now).into(),
        suggestion.reason.as_str().into(),
        suggestion.case_id.as_str().into(),
    ];
    tx.execute_raw(sql(&**tx, text, values)).await?;
    Ok(())
}

/// Which suggestions are asked for; what is empty asks nothing.
pub struct Filter<'a> {
    /// Of this subject.
    pub uscc: &'a str,
    /// For this list.
    pub list: &'a str,
    /// In this state.
    pub state: &'a str,
    /// For these lists only, where the caller does not see all.
    pub among: Option<Vec<String>>,
}

/// A page of them, the latest first.
pub async fn list(
    db: &impl ConnectionTrait,
    filter: Filter<'_>,
    page: &Page,
) -> Answer<Vec<api::Suggestion>> {
    let mut of = Filters::new()
        .given("uscc = $1", filter.uscc)
        .given("list_id = $1", filter.list)
        .given("state = $1", filter.state)
        .given("suggestion_id < $1", &page.after);
    if let Some(lists) = filter.among {
        let places = placeholders(1, lists.len());
        of = of.and(&format!("list_id IN ({places})"), lists.into_iter().map(Value::from));
    }
    let order = format!("ORDER BY suggestion_id DESC LIMIT {}", page.fetch());
    let statement = of.sql(db, &format!("SELECT {COLUMNS} FROM suggestions"), &order);
    let rows = Row::find_by_statement(statement).all(db).await?;
    rows.into_iter().map(api::Suggestion::try_from).collect()
}
