//! Lists, their enterprises and results in the tables.
use std::collections::{BTreeMap, HashMap};

use chassis::{
    Answer, Tx,
    clock::{from_micros, micros, wire},
    page::Page,
    storage::{Filters, among, insert_rows, sql},
};
use contract::credit::v1 as api;
use jiff::Timestamp;
use sea_orm::{ConnectionTrait, FromQueryResult, Value};

const LIST: &str = "list_id, domain, department, scale_id, scale_version, created_at, created_by, entries, repeated, \
                    answered, answered_at, exported_at, exported_by";

/// A list; the columns are told in the migration.
#[derive(Clone, Debug, FromQueryResult)]
pub struct List {
    pub list_id: String,
    pub domain: String,
    pub department: String,
    pub scale_id: String,
    pub scale_version: i32,
    pub created_at: i64,
    pub created_by: String,
    pub entries: i32,
    pub repeated: i32,
    pub answered: i32,
    pub answered_at: Option<i64>,
    pub exported_at: Option<i64>,
    pub exported_by: String,
}

impl List {
    /// Since when what has no result waits; none where all have one.
    pub fn waiting_since(&self) -> Option<prost_types::Timestamp> {
        let since = self.exported_at.unwrap_or(self.created_at);
        (self.answered < self.entries).then(|| wire(from_micros(since)))
    }

    /// As the contract shows it.
    pub fn wire(self) -> api::EvaluationList {
        api::EvaluationList {
            waiting_since: self.waiting_since(),
            evaluation_list_id: self.list_id,
            domain: self.domain,
            department: self.department,
            scale_id: self.scale_id,
            created_at: Some(wire(from_micros(self.created_at))),
            created_by: self.created_by,
            entries: self.entries,
            answered: self.answered,
            unanswered: self.entries - self.answered,
            exported_at: self.exported_at.map(|at| wire(from_micros(at))),
            exported_by: self.exported_by,
            answered_at: self.answered_at.map(|at| wire(from_micros(at))),
            repeated: self.repeated,
        }
    }
}

/// Keeps a new list with its enterprises, code by name.
pub async fn insert(tx: &Tx, list: &List, entries: &BTreeMap<String, String>) -> Answer<()> {
    let columns = [
        "list_id",
        "domain",
        "department",
        "scale_id",
        "scale_version",
        "created_at",
        "created_by",
        "entries",
        "repeated",
        "answered",
        "exported_by",
    ];
    let row: Vec<Value> = vec![
        list.list_id.as_str().into(),
        list.domain.as_str().into(),
        list.department.as_str().into(),
        list.scale_id.as_str().into(),
        list.scale_version.into(),
        list.created_at.into(),
        list.created_by.as_str().into(),
        list.entries.into(),
        list.repeated.into(),
        list.answered.into(),
        list.exported_by.as_str().into(),
    ];
    insert_rows(&**tx, "evaluation_lists", &columns, vec![row], "").await?;
    let row = |(uscc, name): (&String, &String)| -> Vec<Value> {
        vec![list.list_id.as_str().into(), uscc.as_str().into(), name.as_str().into(), false.into()]
    };
    let columns = ["list_id", "uscc", "name", "answered"];
    insert_rows(&**tx, "evaluation_entries", &columns, entries.iter().map(row).collect(), "").await?;
    Ok(())
}

/// A list.
pub async fn get(db: &impl ConnectionTrait, list: &str) -> Answer<Option<List>> {
    one(db, list, "").await
}

/// A list, held until the transaction ends.
pub async fn get_for_update(tx: &Tx, list: &str) -> Answer<Option<List>> {
    let hold = tx.hold();
    one(&**tx, list, hold).await
}

async fn one(db: &impl ConnectionTrait, list: &str, hold: &str) -> Answer<Option<List>> {
    let text = format!("SELECT {LIST} FROM evaluation_lists WHERE list_id = $1 {hold}");
    Ok(List::find_by_statement(sql(db, &text, [list.into()])).one(db).await?)
}

/// Which lists are asked for; what is empty asks nothing.
pub struct Filter<'a> {
    /// Of this department.
    pub department: &'a str,
    /// Of this domain.
    pub domain: &'a str,
    /// Those only that wait.
    pub waiting: bool,
}

/// A page of them, the latest first.
pub async fn list(db: &impl ConnectionTrait, filter: &Filter<'_>, page: &Page) -> Answer<Vec<List>> {
    let mut of = Filters::new()
        .given("department = $1", filter.department)
        .given("domain = $1", filter.domain)
        .given("list_id < $1", &page.after);
    if filter.waiting {
        of = of.and("answered < entries", []);
    }
    let order = format!("ORDER BY list_id DESC LIMIT {}", page.fetch());
    let statement = of.sql(db, &format!("SELECT {LIST} FROM evaluation_lists"), &order);
    Ok(List::find_by_statement(statement).all(db).await?)
}

/// An enterprise on a list.
#[derive(FromQueryResult)]
pub struct Entry {
    pub uscc: String,
    pub name: String,
    pub answered: bool,
}

/// Enterprises of a list after a code, in the order of the codes; all, or those with or without a result.
pub async fn entries(
    db: &impl ConnectionTrait,
    list: &str,
    answered: Option<bool>,
    after: &str,
    limit: u64,
) -> Answer<Vec<Entry>> {
    let which = match answered {
        None => "",
        Some(true) => "AND answered",
        Some(false) => "AND NOT answered",
    };
    let text = format!(
        "SELECT uscc, name, answered FROM evaluation_entries WHERE list_id = $1 AND uscc > $2 {which} \
         ORDER BY uscc LIMIT {limit}"
    );
    Ok(Entry::find_by_statement(sql(db, &text, [list.into(), after.into()])).all(db).await?)
}

/// A result as it was last received; the columns are told in the migration.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Received {
    pub uscc: String,
    pub period: String,
    pub grade: String,
    pub score: String,
    pub evaluated_on: String,
    pub record: String,
    pub received_at: i64,
}

impl From<Received> for api::EvaluationResult {
    fn from(result: Received) -> Self {
        Self {
            grade: result.grade,
            score: result.score.parse().ok(),
            period: result.period,
            evaluated_on: result.evaluated_on,
            record: result.record,
            received_at: Some(wire(from_micros(result.received_at))),
        }
    }
}

/// The results of some enterprises of a list, by code, the latest received first.
pub async fn results(
    db: &impl ConnectionTrait,
    list: &str,
    codes: &[&str],
) -> Answer<HashMap<String, Vec<Received>>> {
    let (condition, codes) = among(db, "uscc", 2, codes);
    let text = format!(
        "SELECT uscc, period, grade, score, evaluated_on, record, received_at FROM evaluation_results \
         WHERE list_id = $1 AND {condition} ORDER BY received_at DESC, period DESC"
    );
    let rows = Received::find_by_statement(sql(db, &text, [list.into(), codes])).all(db).await?;
    let mut results: HashMap<String, Vec<Received>> = HashMap::new();
    for row in rows {
        results.entry(row.uscc.clone()).or_default().push(row);
    }
    Ok(results)
}

/// Which of these codes stand on a list.
pub async fn on_list(
    db: &impl ConnectionTrait,
    list: &str,
    codes: &[&str],
) -> Answer<std::collections::HashSet<String>> {
    let (condition, codes) = among(db, "uscc", 2, codes);
    let text = format!("SELECT uscc FROM evaluation_entries WHERE list_id = $1 AND {condition}");
    let rows = db.query_all_raw(sql(db, &text, [list.into(), codes])).await?;
    Ok(rows.into_iter().map(|row| row.try_get("", "uscc")).collect::<Result<_, _>>()?)
}

/// Keeps results, in place of those of the same period, and notes that their enterprises are answered.
pub async fn receive(tx: &Tx, list: &str, results: &[Received]) -> Answer<()> {
    let row = |result: &Received| -> Vec<Value> {
        vec![
            list.into(),
            result.uscc.as_str().into(),
            result.period.as_str().into(),
            result.grade.as_str().into(),
            result.score.as_str().into(),
            result.evaluated_on.as_str().into(),
            result.record.as_str().into(),
            result.received_at.into(),
        ]
    };
    let columns = ["list_id", "uscc", "period", "grade", "score", "evaluated_on", "record", "received_at"];
    let conflict = "ON CONFLICT (list_id, uscc, period) DO UPDATE SET grade = excluded.grade, score = excluded.score, \
                    evaluated_on = excluded.evaluated_on, record = excluded.record, received_at = excluded.received_at";
    insert_rows(&**tx, "evaluation_results", &columns, results.iter().map(row).collect(), conflict).await?;
    let codes: Vec<&str> = results.iter().map(|result| result.uscc.as_str()).collect();
    let (condition, codes) = among(&**tx, "uscc", 2, &codes);
    let text = format!("UPDATE evaluation_entries SET answered = TRUE WHERE list_id = $1 AND {condition}");
    tx.execute_raw(sql(&**tx, &text, [list.into(), codes])).await?;
    Ok(())
}

/// Notes by which scale a list was answered and when, and counts it anew.
pub async fn answered(tx: &Tx, now: Timestamp, list: &List) -> Answer<()> {
    let text = "UPDATE evaluation_lists SET scale_id = $2, scale_version = $3, answered_at = $4, \
                answered = (SELECT COUNT(*) FROM evaluation_entries WHERE list_id = $1 AND answered) WHERE list_id = $1";
    let values: [Value; 4] = [
        list.list_id.as_str().into(),
        list.scale_id.as_str().into(),
        list.scale_version.into(),
        micros(now).into(),
    ];
    tx.execute_raw(sql(&**tx, text, values)).await?;
    Ok(())
}

/// Notes the first export of a list; whether it was the first.
pub async fn exported(tx: &Tx, now: Timestamp, list: &str, client: &str) -> Answer<bool> {
    let text = "UPDATE evaluation_lists SET exported_at = $2, exported_by = $3 WHERE list_id = $1 AND exported_at IS NULL";
    let done = tx.execute_raw(sql(&**tx, text, [list.into(), micros(now).into(), client.into()])).await?;
    Ok(done.rows_affected() == 1)
}
