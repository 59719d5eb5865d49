//! The tables of grades and of their history.
use std::collections::{BTreeMap, HashMap};

use chassis::{
    Answer, Store, Tx,
    storage::{Line, among, insert_rows, sql},
};
use jiff::civil::Date;
use sea_orm::{ConnectionTrait, FromQueryResult};

/// The grade of a subject under a scheme, as of its last evaluation.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Row {
    pub uscc: String,
    pub scheme: String,
    pub version: i32,
    pub grade: String,
    /// A decimal.
    pub score: Option<String>,
    pub as_of: String,
    pub next_change_on: Option<String>,
    /// Of the sheet that it was evaluated from.
    pub revision: i32,
}

const COLUMNS: &str = "uscc, scheme, version, grade, score, as_of, next_change_on, revision";

/// The grades of subjects, under every scheme, ordered by code and scheme.
pub async fn of_subjects(db: &impl ConnectionTrait, codes: &[&str]) -> Answer<Vec<Row>> {
    if codes.is_empty() {
        return Ok(Vec::new());
    }
    let (of_codes, list) = among(db, "uscc", 1, codes);
    let text = format!("SELECT {COLUMNS} FROM grades WHERE {of_codes} ORDER BY uscc, scheme");
    Ok(Row::find_by_statement(sql(db, &text, [list])).all(db).await?)
}

/// The same by code and scheme.
pub async fn standing(db: &impl ConnectionTrait, codes: &[&str]) -> Answer<HashMap<(String, String), Row>> {
    let rows = of_subjects(db, codes).await?;
    Ok(rows.into_iter().map(|row| ((row.uscc.clone(), row.scheme.clone()), row)).collect())
}

/// The grades under a scheme of the subjects after a code and up to another, as far as new ones are compared with them: code, version, grade, score,
/// day of the next change, day that it is of, the sheet's revision. Apart from their sheets: of two such ranges joined, a database that has not counted them yet looks one through for
/// each row of the other.
pub async fn between(store: &Store, scheme: &str, (after, until): (&str, &str)) -> Answer<Vec<Line>> {
    let text = "SELECT uscc, version, grade, score, next_change_on, as_of, revision FROM grades WHERE scheme = $1 AND uscc > $2 AND uscc <= $3";
    store.scan(text, [scheme.into(), after.into(), until.into()]).await
}

/// Stores grades, new ones and changed ones.
pub async fn put(db: &impl ConnectionTrait, rows: &[Row]) -> Answer<()> {
    let conflict = "ON CONFLICT (uscc, scheme) DO UPDATE SET version = excluded.version, grade = excluded.grade, \
                    score = excluded.score, as_of = excluded.as_of, next_change_on = excluded.next_change_on, \
                    revision = excluded.revision";
    insert_rows(db, "grades", &columns(), rows.iter().map(stored).collect(), conflict).await?;
    Ok(())
}

/// Stores grades of subjects that have none under the scheme.
pub async fn add(tx: &Tx, rows: &[Row]) -> Answer<()> {
    tx.add("grades", &columns(), rows.iter().map(stored).collect()).await
}

fn columns() -> Vec<&'static str> {
    COLUMNS.split(", ").collect()
}

fn stored(row: &Row) -> Vec<sea_orm::Value> {
    let mut values = told(row);
    values.extend([row.next_change_on.clone().into(), row.revision.into()]);
    values
}

fn told(row: &Row) -> Vec<sea_orm::Value> {
    vec![
        row.uscc.as_str().into(),
        row.scheme.as_str().into(),
        row.version.into(),
        row.grade.as_str().into(),
        row.score.clone().into(),
        row.as_of.as_str().into(),
    ]
}

/// Takes grades away, by code and scheme, where the subject is no longer the scheme's.
pub async fn remove(db: &impl ConnectionTrait, keys: &[(String, String)]) -> Answer<()> {
    let mut of_scheme = BTreeMap::<&str, Vec<&str>>::new();
    for (uscc, scheme) in keys {
        of_scheme.entry(scheme).or_default().push(uscc);
    }
    for (scheme, codes) in of_scheme {
        let (of_codes, list) = among(db, "uscc", 2, &codes);
        let text = format!("DELETE FROM grades WHERE scheme = $1 AND {of_codes}");
        db.execute_raw(sql(db, &text, [scheme.into(), list])).await?;
    }
    Ok(())
}

const HISTORY: [&str; 7] = ["uscc", "scheme", "version", "grade", "score", "as_of", "recorded_at"];

fn history(rows: &[Row], recorded_at: i64) -> Vec<Vec<sea_orm::Value>> {
    let values = |row: &Row| {
        let mut values = told(row);
        values.push(recorded_at.into());
        values
    };
    rows.iter().map(values).collect()
}

/// Appends changes to the history.
pub async fn remember(tx: &Tx, rows: &[Row], recorded_at: i64) -> Answer<()> {
    tx.add("grade_history", &HISTORY, history(rows, recorded_at)).await
}

#[derive(FromQueryResult)]
struct Code {
    uscc: String,
}

/// Whether the passing of days may have changed any grade under a scheme by a day. The smallest day stands first in its index: asked for the
/// subjects in the order of their codes, a database would look all grades through for none.
pub async fn any_due(db: &impl ConnectionTrait, scheme: &str, today: Date) -> Answer<bool> {
    let text = "SELECT MIN(next_change_on) AS first FROM grades WHERE scheme = $1";
    let row = db.query_one_raw(sql(db, text, [scheme.into()])).await?;
    let first: Option<String> = row.map(|row| row.try_get("", "first")).transpose()?.flatten();
    Ok(first.is_some_and(|first| first <= today.to_string()))
}

/// The subjects whose grade under a scheme the passing of days may have changed by a day, those first whose day came first.
pub async fn due(db: &impl ConnectionTrait, scheme: &str, today: Date, limit: usize) -> Answer<Vec<String>> {
    let text = format!(
        "SELECT uscc FROM grades WHERE scheme = $1 AND next_change_on <= $2 ORDER BY next_change_on LIMIT {limit}"
    );
    let values = [scheme.into(), today.to_string().into()];
    let codes = Code::find_by_statement(sql(db, &text, values)).all(db).await?;
    Ok(codes.into_iter().map(|code| code.uscc).collect())
}
