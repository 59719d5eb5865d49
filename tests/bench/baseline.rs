//! What the database alone takes for rows that are there: PostgreSQL's binary COPY, and a prepared multi-row insert in one transaction on
//! SQLite, into a table of the same columns and indexes beside them.
use std::{
    path::Path,
    time::{Duration, Instant},
};

use futures::TryStreamExt as _;
use sea_orm::sqlx::{
    self, Connection as _, Executor as _, PgConnection, Row as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteRow, SqliteSynchronous},
};

/// Rows of a table.
pub struct Rows<'a> {
    /// The table.
    pub table: &'a str,
    /// Which of its rows.
    pub condition: &'a str,
    /// How many there are.
    pub count: u64,
}

/// Copies them, the client reading nothing but bytes that are ready.
pub async fn copy(url: &str, rows: &Rows<'_>) -> anyhow::Result<Duration> {
    let Rows { table, condition, count } = rows;
    let mut database = PgConnection::connect(url).await?;
    let like = format!("CREATE TABLE IF NOT EXISTS {table}_copied (LIKE {table} INCLUDING ALL)");
    database.execute(sqlx::AssertSqlSafe(like)).await?;
    let out = format!("COPY (SELECT * FROM {table} WHERE {condition}) TO STDOUT (FORMAT binary)");
    let parts: Vec<_> = database.copy_out_raw(&out).await?.try_collect().await?;
    let bytes = parts.concat();
    drop(parts);
    let started = Instant::now();
    let text = format!("COPY {table}_copied FROM STDIN (FORMAT binary)");
    let mut into = database.copy_in_raw(&text).await?;
    for part in bytes.chunks(1 << 20) {
        into.send(part).await?;
    }
    let copied = into.finish().await?;
    let took = started.elapsed();
    anyhow::ensure!(copied == *count, "{copied} rows were copied");
    database.close().await?;
    Ok(took)
}

// As many rows are read at once, outside of the time taken.
const READ: usize = 50_000;

/// Inserts them, with the settings that the service itself gives its connection.
pub async fn insert(from: &Path, to: &Path, rows: &Rows<'_>) -> anyhow::Result<Duration> {
    let Rows { table, condition, count } = rows;
    let mut source = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(from)).await?;
    let options = SqliteConnectOptions::new()
        .filename(to)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("cache_size", "-32768")
        .pragma("wal_autocheckpoint", "8192");
    let mut database = SqliteConnection::connect_with(&options).await?;
    let there = "SELECT 1 FROM sqlite_master WHERE name = $1";
    if sqlx::query(there).bind(*table).fetch_optional(&mut database).await?.is_none() {
        let schema =
            "SELECT sql FROM sqlite_master WHERE tbl_name = $1 AND sql IS NOT NULL ORDER BY type DESC";
        for row in sqlx::query(schema).bind(*table).fetch_all(&mut source).await? {
            database.execute(sqlx::AssertSqlSafe(row.get::<String, _>(0))).await?;
        }
    }
    let (mut took, mut inserted, mut last) = (Duration::ZERO, 0, 0_i64);
    let mut transaction = database.begin().await?;
    loop {
        let text = format!(
            "SELECT *, rowid FROM {table} WHERE {condition} AND rowid > {last} ORDER BY rowid LIMIT {READ}"
        );
        let read = sqlx::query(sqlx::AssertSqlSafe(text)).fetch_all(&mut source).await?;
        let Some(row) = read.last() else { break };
        let columns = row.len() - 1;
        last = row.get(columns);
        inserted += read.len() as u64;
        let started = Instant::now();
        // As many as a statement takes parameters for.
        for part in read.chunks(32_000 / columns) {
            insert_part(&mut transaction, table, part, columns).await?;
        }
        took += started.elapsed();
    }
    let started = Instant::now();
    transaction.commit().await?;
    took += started.elapsed();
    anyhow::ensure!(inserted == *count, "{inserted} rows were inserted");
    Ok(took)
}

async fn insert_part(
    database: &mut SqliteConnection,
    table: &str,
    part: &[SqliteRow],
    columns: usize,
) -> anyhow::Result<()> {
    let place = format!("({})", vec!["?"; columns].join(", "));
    let text = format!("INSERT INTO {table} VALUES {}", vec![place; part.len()].join(", "));
    let mut statement = sqlx::query(sqlx::AssertSqlSafe(text));
    for row in part {
        for column in 0..columns {
            statement = match row.try_get::<&str, _>(column) {
                Ok(text) => statement.bind(text),
                Err(_) => statement.bind(row.try_get_unchecked::<i64, _>(column)?),
            };
        }
    }
    statement.execute(database).await?;
    Ok(())
}
