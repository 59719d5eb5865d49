//! Files and their refused rows in the tables.
use std::collections::BTreeMap;

use chassis::{
    Answer, Store, Tx,
    clock::micros,
    fault::Violation,
    storage::{among, corrupt, insert_rows, sql},
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

/// The form in which a file came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// csv or xlsx.
    pub format: String,
    /// Of CSV: its encoding.
    pub encoding: String,
    /// Of CSV: what separates its cells.
    pub delimiter: String,
    /// Its headings, without the columns of natural persons.
    pub headings: Vec<String>,
}

/// Keeps a file's form for its list of refused rows; where the first line is a row, no identity number of a person.
pub async fn put_form(store: &Store, import: &str, form: &Form) -> Answer<()> {
    let text = "INSERT INTO import_headings (import, cells, format, encoding, delimiter) VALUES ($1, $2, $3, $4, $5) \
                ON CONFLICT (import) DO NOTHING";
    let values = [
        import.into(),
        json(&masked(&form.headings))?.into(),
        form.format.as_str().into(),
        form.encoding.as_str().into(),
        form.delimiter.as_str().into(),
    ];
    let tx = store.begin().await?;
    tx.execute_raw(sql(&*tx, text, values)).await?;
    tx.commit().await
}

/// A file's form; empty where its headings were not read yet.
pub async fn form(store: &Store, import: &str) -> Answer<Form> {
    let text = "SELECT cells, format, encoding, delimiter FROM import_headings WHERE import = $1";
    let row = store.read().query_one_raw(sql(store.read(), text, [import.into()])).await?;
    let Some(row) = row else { return Ok(Form::default()) };
    Ok(Form {
        format: row.try_get("", "format")?,
        encoding: row.try_get("", "encoding")?,
        delimiter: row.try_get("", "delimiter")?,
        headings: unjson(&row.try_get::<String>("", "cells")?)?,
    })
}

/// Keeps refused rows, of each what may be kept.
pub async fn put_rejects(tx: &Tx, import: &str, refused: Vec<(&Line, Violation, Vec<String>)>) -> Answer<()> {
    let columns = ["import", "row_number", "line", "reason", "field", "message_en", "message_zh", "cells"];
    let mut rows = Vec::with_capacity(refused.len());
    for (line, violation, cells) in refused {
        rows.push(vec![
            import.into(),
            line.number.into(),
            line.line.into(),
            violation.reason.into(),
            violation.field.into(),
            violation.text.en.into(),
            violation.text.zh.into(),
            json(&cells)?.into(),
        ]);
    }
    insert_rows(&**tx, "import_rejects", &columns, rows, "").await?;
    Ok(())
}

/// Whose records a department's numbers are.
pub async fn holders(
    tx: &Tx,
    department: &str,
    item: &str,
    numbers: &[&str],
) -> Answer<Vec<(String, String)>> {
    let (condition, numbers) = among(&**tx, "source_id", 3, numbers);
    let text =
        format!("SELECT source_id, uscc FROM records WHERE department = $1 AND item = $2 AND {condition}");
    let rows = tx.query_all_raw(sql(&**tx, &text, [department.into(), item.into(), numbers])).await?;
    rows.into_iter().map(|row| Ok((row.try_get("", "source_id")?, row.try_get("", "uscc")?))).collect()
}

// Ids of one batch differ in their last four places only.
const PREFIX: usize = 28;

/// Notes which records an import took in.
pub async fn note_records(tx: &Tx, import: &str, records: &[&str]) -> Answer<()> {
    let mut prefixes: BTreeMap<&str, i32> = BTreeMap::new();
    for record in records {
        *prefixes.entry(record.get(..PREFIX).unwrap_or(record)).or_default() += 1;
    }
    let rows = prefixes.into_iter().map(|(prefix, count)| vec![import.into(), prefix.into(), count.into()]);
    insert_rows(&**tx, "import_records", &["import", "prefix", "records"], rows.collect(), "").await?;
    Ok(())
}

/// The first note after a prefix: what the records' ids begin with, and how many there are.
pub async fn noted(store: &Store, import: &str, after: &str) -> Answer<Option<(String, i32)>> {
    let text = "SELECT prefix, records FROM import_records WHERE import = $1 AND prefix > $2 ORDER BY prefix LIMIT 1";
    let row = store.read().query_one_raw(sql(store.read(), text, [import.into(), after.into()])).await?;
    row.map(|row| Ok((row.try_get("", "prefix")?, row.try_get("", "records")?))).transpose()
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

/// How many rows of a file were refused.
pub async fn count_rejects(store: &Store, import: &str) -> Answer<i64> {
    let text = "SELECT COUNT(*) AS refused FROM import_rejects WHERE import = $1";
    let row = store.read().query_one_raw(sql(store.read(), text, [import.into()])).await?;
    Ok(row.map(|row| row.try_get("", "refused")).transpose()?.unwrap_or_default())
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
