//! Files and their refused rows in the tables.
use chassis::{
    Answer, Store, Tx,
    clock::micros,
    fault::Violation,
    storage::{corrupt, insert_rows, sql},
};
use jiff::Timestamp;
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::{cells::masked, sheet::Line};

/// Stores a part of a file.
pub async fn put_chunk(store: &Store, import: &str, seq: i32, bytes: Vec<u8>, now: Timestamp) -> Answer<()> {
    let text = "INSERT INTO import_chunks (import, seq, bytes, received_at) VALUES ($1, $2, $3, $4)";
    let tx = store.begin().await?;
    tx.execute_raw(sql(&*tx, text, [import.into(), seq.into(), bytes.into(), micros(now).into()])).await?;
    tx.commit().await
}

/// A part of a file; none after the last.
pub async fn chunk(store: &Store, import: &str, seq: i32) -> Answer<Option<Vec<u8>>> {
    let text = "SELECT bytes FROM import_chunks WHERE import = $1 AND seq = $2";
    let row = store.read().query_one_raw(sql(store.read(), text, [import.into(), seq.into()])).await?;
    Ok(row.map(|row| row.try_get("", "bytes")).transpose()?)
}

/// Removes a file that is through, or that never came whole.
pub async fn discard(store: &Store, import: &str) -> Answer<()> {
    let tx = store.begin().await?;
    tx.execute_raw(sql(&*tx, "DELETE FROM import_chunks WHERE import = $1", [import.into()])).await?;
    tx.commit().await
}

/// Removes files whose work is done, and those whose sending broke off before `before`.
pub async fn sweep(store: &Store, before: Timestamp) -> Answer<()> {
    let text = "DELETE FROM import_chunks WHERE import IN (SELECT id FROM operations WHERE done = TRUE) \
                OR (received_at < $1 AND import NOT IN (SELECT id FROM operations))";
    let tx = store.begin().await?;
    tx.execute_raw(sql(&*tx, text, [micros(before).into()])).await?;
    tx.commit().await
}

/// Keeps a file's headings for its list of refused rows; where the first line is a row, no identity number of a person.
pub async fn put_headings(store: &Store, import: &str, headings: &[String]) -> Answer<()> {
    let text = "INSERT INTO import_headings (import, cells) VALUES ($1, $2) ON CONFLICT (import) DO NOTHING";
    let tx = store.begin().await?;
    tx.execute_raw(sql(&*tx, text, [import.into(), json(&masked(headings))?.into()])).await?;
    tx.commit().await
}

/// A file's headings; none where they were not read yet.
pub async fn headings(store: &Store, import: &str) -> Answer<Vec<String>> {
    let text = "SELECT cells FROM import_headings WHERE import = $1";
    let row = store.read().query_one_raw(sql(store.read(), text, [import.into()])).await?;
    row.map_or_else(|| Ok(Vec::new()), |row| unjson(&row.try_get::<String>("", "cells")?))
}

/// Keeps refused rows, without identity numbers of persons.
pub async fn put_rejects(tx: &Tx, import: &str, refused: Vec<(&Line, Violation)>) -> Answer<()> {
    let columns = ["import", "row_number", "line", "reason", "field", "message_en", "message_zh", "cells"];
    let mut rows = Vec::with_capacity(refused.len());
    for (line, violation) in refused {
        rows.push(vec![
            import.into(),
            line.number.into(),
            line.line.into(),
            violation.reason.into(),
            violation.field.into(),
            violation.text.en.into(),
            violation.text.zh.into(),
            json(&masked(&line.cells))?.into(),
        ]);
    }
    insert_rows(&**tx, "import_rejects", &columns, rows, "").await?;
    Ok(())
}

/// A refused row.
#[derive(FromQueryResult)]
pub struct Reject {
    /// Its number among the rows of the file.
    pub row_number: i64,
    /// Its line in the file.
    pub line: i64,
    /// Why.
    pub reason: String,
    /// Which field.
    pub field: String,
    /// The same in words.
    pub message_en: String,
    /// 拒收说明.
    pub message_zh: String,
    cells: String,
}

impl Reject {
    /// The cells as they were sent.
    pub fn cells(&self) -> Answer<Vec<String>> {
        unjson(&self.cells)
    }
}

/// Refused rows after a number, in the order of the file.
pub async fn rejects(store: &Store, import: &str, after: i64) -> Answer<Vec<Reject>> {
    let text = "SELECT row_number, line, reason, field, message_en, message_zh, cells FROM import_rejects \
                WHERE import = $1 AND row_number > $2 ORDER BY row_number LIMIT 1000";
    let statement = sql(store.read(), text, [import.into(), after.into()]);
    Ok(Reject::find_by_statement(statement).all(store.read()).await?)
}

// The database knows no NUL in text; as JSON it is written out.
fn json(cells: &[String]) -> Answer<String> {
    serde_json::to_string(cells).map_err(chassis::Fault::internal)
}

fn unjson(text: &str) -> Answer<Vec<String>> {
    serde_json::from_str(text).map_err(|error| corrupt("row of a file", error))
}
