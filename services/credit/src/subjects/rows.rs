//! Subjects in their table.
use std::collections::{BTreeMap, HashMap};

use chassis::{
    Answer, Fault, Tx,
    clock::{from_micros, micros, wire},
    page::Page,
    storage::{among, insert_rows, sql},
};
use contract::credit::v1::{self as api, subject::CodeStatus};
use jiff::Timestamp;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, QueryResult, Value};
use serde::{Deserialize, Serialize};

use super::rules::Filter;
use crate::{items::EDITION, matching};

const COLUMNS: [&str; 12] = [
    "uscc",
    "name",
    "kind",
    "industry",
    "region",
    "domains",
    "registered_on",
    "status",
    "conforming",
    "recorded_at",
    "position",
    "other_names",
];

// What is written beside what is read.
const NAME_KEY: &str = "name_key";

#[derive(FromQueryResult)]
struct Row {
    uscc: String,
    name: String,
    kind: String,
    industry: String,
    region: String,
    domains: String,
    registered_on: String,
    status: String,
    conforming: bool,
    recorded_at: i64,
    position: String,
    other_names: String,
}

/// Names beside the registered one, as they are kept.
#[derive(Default, Serialize, Deserialize)]
struct OtherNames {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    former: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    second: Vec<String>,
}

impl From<Row> for api::Subject {
    fn from(row: Row) -> Self {
        // What we wrote reads back; most subjects have one name.
        let names: OtherNames = serde_json::from_str(&row.other_names).unwrap_or_default();
        let code_status = if row.conforming { CodeStatus::Conforming } else { CodeStatus::Nonconforming };
        Self {
            uscc: row.uscc,
            name: row.name,
            kind: row.kind,
            industry: row.industry,
            region: row.region,
            domains: row.domains.split(',').filter(|domain| !domain.is_empty()).map(str::to_owned).collect(),
            registered_on: row.registered_on,
            status: row.status,
            code_status: code_status.into(),
            recorded_at: Some(wire(from_micros(row.recorded_at))),
            position: row.position,
            former_names: names.former,
            second_names: names.second,
        }
    }
}

/// Batches of subjects follow one another on PostgreSQL, so that none judges a state that another is replacing; SQLite
/// has one writer anyway.
pub async fn lock(tx: &Tx) -> Result<(), DbErr> {
    if tx.get_database_backend() == DbBackend::Postgres {
        tx.execute_raw(sql(&**tx, "SELECT pg_advisory_xact_lock(hashtextextended('subjects', 0))", []))
            .await?;
    }
    Ok(())
}

/// The subjects of these codes.
pub async fn find(tx: &Tx, codes: &[&str]) -> Answer<HashMap<String, api::Subject>> {
    let (condition, codes) = among(&**tx, "uscc", 1, codes);
    let text = format!("SELECT {} FROM subjects WHERE {condition}", COLUMNS.join(", "));
    let rows = Row::find_by_statement(sql(&**tx, &text, [codes])).all(&**tx).await?;
    Ok(rows.into_iter().map(|row| (row.uscc.clone(), row.into())).collect())
}

/// Which of these codes are registered.
pub async fn known(db: &impl ConnectionTrait, codes: &[&str]) -> Answer<std::collections::HashSet<String>> {
    let (condition, codes) = among(db, "uscc", 1, codes);
    let text = format!("SELECT uscc FROM subjects WHERE {condition}");
    let rows = db.query_all_raw(sql(db, &text, [codes])).await?;
    Ok(rows.into_iter().map(|row| row.try_get("", "uscc")).collect::<Result<_, _>>()?)
}

/// Which of these codes are registered in a region, told by what its codes begin with.
pub async fn within(
    db: &impl ConnectionTrait,
    codes: &[&str],
    prefix: &str,
) -> Answer<std::collections::HashSet<String>> {
    let (condition, codes) = among(db, "uscc", 2, codes);
    let text = format!("SELECT uscc FROM subjects WHERE region LIKE $1 AND {condition}");
    let rows = db.query_all_raw(sql(db, &text, [format!("{prefix}%").into(), codes])).await?;
    Ok(rows.into_iter().map(|row| row.try_get("", "uscc")).collect::<Result<_, _>>()?)
}

/// The names of those of these codes that are registered, by code.
pub async fn names(db: &impl ConnectionTrait, codes: &[&str]) -> Answer<HashMap<String, String>> {
    let (condition, codes) = among(db, "uscc", 1, codes);
    let text = format!("SELECT uscc, name FROM subjects WHERE {condition}");
    let rows = db.query_all_raw(sql(db, &text, [codes])).await?;
    let named = rows.into_iter().map(|row| Ok((row.try_get("", "uscc")?, row.try_get("", "name")?)));
    named.collect()
}

/// Writes states; a known code's row is replaced.
pub async fn put(tx: &Tx, now: Timestamp, subjects: BTreeMap<&str, &api::Subject>) -> Answer<()> {
    let position = tx.position().map(|position| position.to_string()).unwrap_or_default();
    let columns = written();
    let updates: Vec<String> =
        columns[1..].iter().map(|column| format!("{column} = excluded.{column}")).collect();
    let conflict = format!("ON CONFLICT (uscc) DO UPDATE SET {}", updates.join(", "));
    write(tx, subjects.into_values(), now, &position, &conflict).await
}

// Writes rows and the keys of their names.
async fn write(
    tx: &Tx,
    subjects: impl Iterator<Item = &api::Subject>,
    now: Timestamp,
    position: &str,
    conflict: &str,
) -> Answer<()> {
    let (mut rows, mut others) = (Vec::new(), Vec::new());
    for subject in subjects {
        let (key, more) = matching::keys(subject);
        rows.push(values(subject, key, now, position)?);
        others.extend(more.into_iter().map(|key| vec![key.into(), subject.uscc.as_str().into()]));
    }
    insert_rows(&**tx, "subjects", &written(), rows, conflict).await?;
    insert_rows(&**tx, "other_name_keys", &["name_key", "uscc"], others, "ON CONFLICT DO NOTHING").await?;
    Ok(())
}

fn written() -> Vec<&'static str> {
    COLUMNS.into_iter().chain([NAME_KEY]).collect()
}

/// A batch of those that have no key yet; written by [`put_keys`].
pub async fn keyless(tx: &Tx, most: usize) -> Answer<Vec<api::Subject>> {
    let text = format!("SELECT {} FROM subjects WHERE name_key IS NULL LIMIT {most}", COLUMNS.join(", "));
    let rows = Row::find_by_statement(sql(&**tx, &text, [])).all(&**tx).await?;
    Ok(rows.into_iter().map(api::Subject::from).collect())
}

/// Writes the keys of names of subjects that are there.
pub async fn put_keys(tx: &Tx, now: Timestamp, subjects: &[api::Subject]) -> Answer<()> {
    let conflict = "ON CONFLICT (uscc) DO UPDATE SET name_key = excluded.name_key";
    write(tx, subjects.iter(), now, "", conflict).await
}

fn values(subject: &api::Subject, key: i64, now: Timestamp, position: &str) -> Answer<Vec<Value>> {
    let names = match (subject.former_names.as_slice(), subject.second_names.as_slice()) {
        ([], []) => String::new(),
        (former, second) => {
            let names = OtherNames { former: former.to_vec(), second: second.to_vec() };
            serde_json::to_string(&names).map_err(Fault::internal)?
        }
    };
    let domains = match subject.domains.as_slice() {
        [] => String::new(),
        domains => format!(",{},", domains.join(",")),
    };
    Ok(vec![
        subject.uscc.as_str().into(),
        subject.name.as_str().into(),
        subject.kind.as_str().into(),
        subject.industry.as_str().into(),
        subject.region.as_str().into(),
        domains.into(),
        subject.registered_on.as_str().into(),
        subject.status.as_str().into(),
        (subject.code_status() == CodeStatus::Conforming).into(),
        micros(now).into(),
        position.into(),
        names.into(),
        key.into(),
    ])
}

/// The subject of a code.
pub async fn get(db: &impl ConnectionTrait, code: &str) -> Answer<Option<api::Subject>> {
    let text = format!("SELECT {} FROM subjects WHERE uscc = $1", COLUMNS.join(", "));
    let row = Row::find_by_statement(sql(db, &text, [code.into()])).one(db).await?;
    Ok(row.map(api::Subject::from))
}

/// A subject, with what every look at it has to know besides.
pub struct Met {
    /// The subject.
    pub subject: api::Subject,
    /// The edition of the catalogue that is there now.
    pub edition: i64,
    /// Whether it ever made a grant.
    pub grants: bool,
}

impl Met {
    /// The columns of it, of a query from `subjects`: a trip to the database costs more than what it fetches.
    pub fn columns() -> String {
        let own: String = COLUMNS.iter().map(|name| format!("subjects.{name} AS {name}, ")).collect();
        format!(
            "{own}({EDITION}) AS edition, EXISTS (SELECT 1 FROM authorizations WHERE uscc = subjects.uscc) AS grants"
        )
    }

    /// Out of a row with those columns.
    pub fn of(row: &QueryResult) -> Answer<Self> {
        Ok(Self {
            subject: Row::from_query_result(row, "")?.into(),
            edition: row.try_get("", "edition")?,
            grants: row.try_get("", "grants")?,
        })
    }
}

/// The subject of a code and what a look at it has to know.
pub async fn meet(db: &impl ConnectionTrait, code: &str) -> Answer<Option<Met>> {
    let text = format!("SELECT {} FROM subjects WHERE uscc = $1", Met::columns());
    let row = db.query_one_raw(sql(db, &text, [code.into()])).await?;
    row.as_ref().map(Met::of).transpose()
}

/// A page of those that a filter lets through, in the order of their codes.
pub async fn search(db: &impl ConnectionTrait, filter: &Filter, page: &Page) -> Answer<Vec<api::Subject>> {
    let mut values: Vec<Value> = vec![page.after.as_str().into()];
    let mut conditions = vec![String::from("uscc > $1")];
    // Names are kept as registered; brackets are asked for in either width.
    const NAME: &str = "lower(replace(replace(name, '（', '('), '）', ')'))";
    const OTHERS: &str = "lower(replace(replace(other_names, '（', '('), '）', ')'))";
    let mut like = |column: &str, pattern: String| {
        values.push(pattern.into());
        format!("{column} LIKE ${} ESCAPE '!'", values.len())
    };
    if !filter.name.is_empty() {
        let pattern = format!("%{}%", escaped(&filter.name));
        let mut either = vec![like(NAME, pattern.clone()), like(OTHERS, pattern)];
        if !filter.code.is_empty() {
            either.push(like("uscc", format!("{}%", filter.code)));
        }
        conditions.push(format!("({})", either.join(" OR ")));
    }
    if !filter.region.is_empty() {
        conditions.push(like("region", format!("{}%", filter.region)));
    }
    if !filter.industries.is_empty() {
        let any: Vec<String> =
            filter.industries.iter().map(|prefix| like("industry", format!("{prefix}%"))).collect();
        conditions.push(format!("({})", any.join(" OR ")));
    }
    if !filter.domain.is_empty() {
        conditions.push(like("domains", format!("%,{},%", filter.domain)));
    }
    let text = format!(
        "SELECT {} FROM subjects WHERE {} ORDER BY uscc LIMIT {}",
        COLUMNS.join(", "),
        conditions.join(" AND "),
        page.fetch()
    );
    let rows = Row::find_by_statement(sql(db, &text, values)).all(db).await?;
    Ok(rows.into_iter().map(api::Subject::from).collect())
}

fn escaped(text: &str) -> String {
    text.replace('!', "!!").replace('%', "!%").replace('_', "!_")
}
