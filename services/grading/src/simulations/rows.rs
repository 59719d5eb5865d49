//! The table of shadows, and their grades beside those in force.
use chassis::{
    Answer, Tx,
    clock::{from_micros, wire},
    storage::{corrupt, sql, unique_violation},
};
use contract::grading::v1::{Shadow, SimulationResponse};
use jiff::civil::Date;
use prost::Message;
use sea_orm::{ConnectionTrait, FromQueryResult, Value};

/// One shadow; the columns are told in the migration.
#[derive(Clone, FromQueryResult)]
pub struct Row {
    pub scheme: String,
    pub number: i32,
    pub version: i32,
    pub etag: String,
    pub started_at: i64,
    pub started_by: String,
    pub until: String,
    pub ended_at: Option<i64>,
    pub comparison: Option<Vec<u8>>,
}

const COLUMNS: &str = "scheme, number, version, etag, started_at, started_by, until, ended_at, comparison";

impl Row {
    /// The key under which it evaluates.
    pub fn key(&self) -> String {
        format!("{}~{}", self.scheme, self.number)
    }

    /// As the contract shows it, with the comparison of its end.
    pub fn told(&self) -> Answer<Shadow> {
        let comparison = self.comparison.as_deref().map(SimulationResponse::decode).transpose();
        Ok(Shadow {
            scheme: self.scheme.clone(),
            version: self.version,
            etag: self.etag.clone(),
            start_time: Some(wire(from_micros(self.started_at))),
            started_by: self.started_by.clone(),
            until: self.until.clone(),
            end_time: self.ended_at.map(|at| wire(from_micros(at))),
            comparison: comparison.map_err(|error| corrupt("comparison", error))?,
        })
    }
}

/// Keeps a new shadow under the next number; whether none was running.
pub async fn insert(tx: &Tx, row: &mut Row) -> Answer<bool> {
    let text = "SELECT COALESCE(MAX(number), 0) + 1 AS next FROM shadows WHERE scheme = $1";
    let next = tx.query_one_raw(sql(&**tx, text, [row.scheme.as_str().into()])).await?;
    row.number = next.map_or(Ok(1), |next| next.try_get("", "next"))?;
    let text = "INSERT INTO shadows (scheme, number, version, etag, started_at, started_by, until) \
                VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let values: [Value; 7] = [
        row.scheme.as_str().into(),
        row.number.into(),
        row.version.into(),
        row.etag.as_str().into(),
        row.started_at.into(),
        row.started_by.as_str().into(),
        row.until.as_str().into(),
    ];
    match tx.execute_raw(sql(&**tx, text, values)).await {
        Ok(_) => Ok(true),
        Err(error) if unique_violation(&error).is_some() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The newest shadow of a scheme.
pub async fn newest(db: &impl ConnectionTrait, scheme: &str) -> Answer<Option<Row>> {
    let text = format!("SELECT {COLUMNS} FROM shadows WHERE scheme = $1 ORDER BY number DESC LIMIT 1");
    Ok(Row::find_by_statement(sql(db, &text, [scheme.into()])).one(db).await?)
}

/// The running ones whose last day is past.
pub async fn due(db: &impl ConnectionTrait, today: Date) -> Answer<Vec<Row>> {
    let text = format!("SELECT {COLUMNS} FROM shadows WHERE ended_at IS NULL AND until < $1 ORDER BY scheme");
    Ok(Row::find_by_statement(sql(db, &text, [today.to_string().into()])).all(db).await?)
}

/// Ends a running one; whether it still ran.
pub async fn end(tx: &Tx, row: &Row) -> Answer<bool> {
    let text = "UPDATE shadows SET ended_at = $3, comparison = $4 WHERE scheme = $1 AND number = $2 AND ended_at IS NULL";
    let values: [Value; 4] =
        [row.scheme.as_str().into(), row.number.into(), row.ended_at.into(), row.comparison.clone().into()];
    Ok(tx.execute_raw(sql(&**tx, text, values)).await?.rows_affected() == 1)
}

/// How many have one grade in force and another in shadow.
#[derive(FromQueryResult)]
pub struct Cell {
    pub before: String,
    pub after: String,
    pub count: i64,
}

/// The matrix of a shadow's grades against those in force.
pub async fn matrix(db: &impl ConnectionTrait, key: &str, scheme: &str) -> Answer<Vec<Cell>> {
    let text = "SELECT COALESCE(g.grade, 'UNGRADED') AS before, s.grade AS after, COUNT(*) AS count FROM grades s \
                LEFT JOIN grades g ON g.uscc = s.uscc AND g.scheme = $2 WHERE s.scheme = $1 GROUP BY 1, 2";
    Ok(Cell::find_by_statement(sql(db, text, [key.into(), scheme.into()])).all(db).await?)
}

/// A subject whose grade or score in shadow is another.
#[derive(FromQueryResult)]
pub struct Differing {
    pub uscc: String,
    pub name: String,
    pub before: String,
    pub after: String,
    pub score_before: Option<String>,
    pub score_after: Option<String>,
}

/// The next of those who differ, in the order of their codes.
pub async fn differing(
    db: &impl ConnectionTrait,
    key: &str,
    scheme: &str,
    after: &str,
    limit: usize,
) -> Answer<Vec<Differing>> {
    let text = format!(
        "SELECT s.uscc, f.name, COALESCE(g.grade, 'UNGRADED') AS before, s.grade AS after, g.score AS score_before, \
         s.score AS score_after FROM grades s JOIN sheets f ON f.uscc = s.uscc \
         LEFT JOIN grades g ON g.uscc = s.uscc AND g.scheme = $2 WHERE s.scheme = $1 AND s.uscc > $3 \
         AND (g.grade IS NULL OR g.grade <> s.grade OR COALESCE(g.score, '') <> COALESCE(s.score, '')) \
         ORDER BY s.uscc LIMIT {limit}"
    );
    let values: [Value; 3] = [key.into(), scheme.into(), after.into()];
    Ok(Differing::find_by_statement(sql(db, &text, values)).all(db).await?)
}
