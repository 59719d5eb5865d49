//! The tables of grades and of their history.
use std::collections::HashMap;

use chassis::{
    Answer, Tx,
    storage::{insert_rows, placeholders, sql},
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
}

const COLUMNS: &str = "uscc, scheme, version, grade, score, as_of, next_change_on";

/// The grades of subjects, under every scheme, ordered by code and scheme.
pub async fn of_subjects(db: &impl ConnectionTrait, codes: &[&str]) -> Answer<Vec<Row>> {
    if codes.is_empty() {
        return Ok(Vec::new());
    }
    let list = placeholders(1, codes.len());
    let text = format!("SELECT {COLUMNS} FROM grades WHERE uscc IN ({list}) ORDER BY uscc, scheme");
    let values = codes.iter().map(|code| (*code).into());
    Ok(Row::find_by_statement(sql(db, &text, values)).all(db).await?)
}

/// The same by code and scheme.
pub async fn standing(db: &impl ConnectionTrait, codes: &[&str]) -> Answer<HashMap<(String, String), Row>> {
    let rows = of_subjects(db, codes).await?;
    Ok(rows.into_iter().map(|row| ((row.uscc.clone(), row.scheme.clone()), row)).collect())
}

/// Stores grades, new ones and changed ones.
pub async fn put(tx: &Tx, rows: &[Row]) -> Answer<()> {
    let conflict = "ON CONFLICT (uscc, scheme) DO UPDATE SET version = excluded.version, grade = excluded.grade, \
                    score = excluded.score, as_of = excluded.as_of, next_change_on = excluded.next_change_on";
    let columns: Vec<&str> = COLUMNS.split(", ").collect();
    let values = |row: &Row| {
        let mut values = own(row);
        values.push(row.next_change_on.clone().into());
        values
    };
    insert_rows(&**tx, "grades", &columns, rows.iter().map(values).collect(), conflict).await?;
    Ok(())
}

fn own(row: &Row) -> Vec<sea_orm::Value> {
    vec![
        row.uscc.as_str().into(),
        row.scheme.as_str().into(),
        row.version.into(),
        row.grade.as_str().into(),
        row.score.clone().into(),
        row.as_of.as_str().into(),
    ]
}

/// Takes a grade away, where the subject is no longer the scheme's.
pub async fn remove(tx: &Tx, row: &Row) -> Answer<()> {
    let text = "DELETE FROM grades WHERE uscc = $1 AND scheme = $2";
    tx.execute_raw(sql(&**tx, text, [row.uscc.as_str().into(), row.scheme.as_str().into()])).await?;
    Ok(())
}

/// Appends changes to the history.
pub async fn remember(tx: &Tx, rows: &[Row], recorded_at: i64) -> Answer<()> {
    let columns = ["uscc", "scheme", "version", "grade", "score", "as_of", "recorded_at"];
    let values = |row: &Row| {
        let mut values = own(row);
        values.push(recorded_at.into());
        values
    };
    insert_rows(&**tx, "grade_history", &columns, rows.iter().map(values).collect(), "").await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct Code {
    uscc: String,
}

/// The subjects whose grade under a scheme the passing of days may have changed by a day.
pub async fn due(db: &impl ConnectionTrait, scheme: &str, today: Date, limit: usize) -> Answer<Vec<String>> {
    let text = format!(
        "SELECT uscc FROM grades WHERE scheme = $1 AND next_change_on <= $2 ORDER BY uscc LIMIT {limit}"
    );
    let values = [scheme.into(), today.to_string().into()];
    let codes = Code::find_by_statement(sql(db, &text, values)).all(db).await?;
    Ok(codes.into_iter().map(|code| code.uscc).collect())
}
