//! Storage on sea-orm: SQLite files by default, PostgreSQL by a URL, the same statements on both.
mod filters;
mod fold;
mod hand;
mod journal;
mod migration;
mod pool;
mod reader;
mod scan;
mod swift;
mod transaction;

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, SqlxPostgresConnector, SqlxSqliteConnector, Statement,
    TransactionTrait, Value,
    sea_query::ArrayType,
    sqlx::{
        ConnectOptions as _, Postgres, Sqlite,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
    },
};
use sea_orm_migration::MigratorTrait;
use tokio::sync::watch;

pub use self::{
    filters::Filters,
    journal::journals,
    migration::migrations,
    reader::Reader,
    scan::Line,
    swift::{Adding, Swift, Swiftly},
    transaction::{Connection, Mark, Tx},
};
use self::{hand::Hand, journal::Journal};
pub(crate) use self::{
    hand::{Held, Lent, told},
    pool::create_database,
};
use crate::{
    fault::{Answer, Fault},
    feed::Position,
};

/// The database of one service. On SQLite one connection writes and others read, which is how its WAL likes it;
/// on PostgreSQL both are the same pool.
#[derive(Clone)]
pub struct Store {
    read: Reader,
    write: Writers,
    committed: Arc<Committed>,
}

#[derive(Clone)]
enum Writers {
    Postgres(Ways),
    Sqlite(Arc<OneFile>),
}

// How to write: so that a commit waits for the disk, and swiftly, so that it does not.
#[derive(Clone)]
struct Ways {
    sure: Hand<Postgres>,
    swift: Hand<Postgres>,
}

// A SQLite file has one writer; what need not wait for him goes into files beside it.
struct OneFile {
    writer: Hand<Sqlite>,
    fold: Hand<Sqlite>,
    journal: Arc<Journal>,
}

/// Who is woken by the transactions that this process commits: the count of all of them, and the last place in the feed that they appended to.
#[derive(Default)]
pub(crate) struct Committed {
    all: watch::Sender<u64>,
    appended: watch::Sender<Position>,
}

impl Committed {
    pub(crate) fn tell(&self, appended: Option<Position>) {
        self.all.send_modify(|count| *count += 1);
        if let Some(position) = appended {
            self.appended.send_modify(|last| *last = position.max(*last));
        }
    }
}

/// Where a service's data lives.
pub struct Place<'a> {
    /// The service's name, which names the file or fills `{service}` in the URL.
    pub service: &'a str,
    /// The data folder.
    pub data_dir: &'a Path,
    /// A PostgreSQL URL, or empty for SQLite.
    pub url: &'a str,
}

impl Store {
    /// Opens the database, makes it where it is missing, and brings it to the newest schema.
    pub async fn open<M: MigratorTrait>(place: Place<'_>) -> anyhow::Result<Self> {
        let store = if place.url.is_empty() {
            Self::open_sqlite(&place).await?
        } else {
            Self::open_postgres(&place.url.replace("{service}", place.service)).await?
        };
        store.migrate::<M>().await.with_context(|| format!("the tables of {}", place.service))?;
        Ok(store)
    }

    async fn open_sqlite(place: &Place<'_>) -> anyhow::Result<Self> {
        let file = place.data_dir.join(format!("{}.sqlite", place.service));
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // What was acknowledged survives a power cut, not only a crash of ours.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10))
            .foreign_keys(true)
            .pragma("temp_store", "memory")
            // The chassis logs faults where they are handled; a bulk statement's text helps nobody.
            .disable_statement_logging();
        let named = || format!("the SQLite file {}", file.display());
        let writer = options
            .clone()
            // Keys that scatter touch pages all over the indexes; what does not fit is written out and read again.
            .pragma("cache_size", "-32768")
            .pragma("wal_autocheckpoint", fold::TOO_LONG);
        let one = || {
            SqlitePoolOptions::new()
                .max_connections(1)
                // A file does not break off; to ask before each statement whether it is there costs as much as the statement.
                .test_before_acquire(false)
        };
        let write = one().connect_with(writer.clone()).await.with_context(named)?;
        let fold = Hand::of(one().connect_lazy_with(writer));
        let read = SqlitePoolOptions::new()
            .max_connections(4)
            .min_connections(0)
            .idle_timeout(Duration::from_secs(60))
            .test_before_acquire(false)
            .connect_lazy_with(options.read_only(true));
        let (writer, committed) = (Hand::of(write), Arc::<Committed>::default());
        tokio::spawn(fold::follow(fold.clone(), writer.clone(), committed.all.subscribe()));
        let journal = Arc::new(Journal::open(place.data_dir, place.service).with_context(named)?);
        Ok(Self {
            read: Reader::sqlite(Hand::of(read)),
            write: Writers::Sqlite(Arc::new(OneFile { writer, fold, journal })),
            committed,
        })
    }

    async fn open_postgres(url: &str) -> anyhow::Result<Self> {
        let pool = pool::open(url).await?;
        let swift = Hand::of(pool::swift(&pool));
        let sure = Hand::of(pool);
        Ok(Self {
            read: Reader::postgres(sure.clone()),
            write: Writers::Postgres(Ways { sure, swift }),
            committed: Arc::default(),
        })
    }

    // Replicas start together: the lock lets one of them migrate while the others wait.
    async fn migrate<M: MigratorTrait>(&self) -> Result<(), DbErr> {
        let ways = match &self.write {
            Writers::Sqlite(file) => {
                let one = SqlxSqliteConnector::from_sqlx_sqlite_pool(file.writer.pool().clone());
                return migration::bring_up::<M>(&one).await;
            }
            Writers::Postgres(ways) => ways,
        };
        // An index over all records takes longer than any call may.
        let patient = SqlxPostgresConnector::from_sqlx_postgres_pool(pool::patient(ways.sure.pool()));
        let lock = patient.begin().await?;
        lock.execute_unprepared("SELECT pg_advisory_xact_lock(640300)").await?;
        migration::bring_up::<M>(&patient).await?;
        lock.commit().await?;
        patient.close().await
    }

    /// The connections to read with.
    pub fn read(&self) -> &Reader {
        &self.read
    }

    /// A view of the data as they stand at its first read, whatever is written meanwhile. It holds a connection: let it go soon.
    pub async fn view(&self) -> Answer<Connection> {
        self.read.view().await
    }

    /// Changes whenever this process commits a transaction. Lines that [`Swift`] commits on PostgreSQL change nothing that others wait for.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.committed.all.subscribe()
    }

    /// How many commits there have been, where this process alone makes them; none on PostgreSQL, which replicas share. A commit is counted before
    /// its caller is answered.
    pub fn commits_of_all(&self) -> Option<u64> {
        self.is_sqlite().then(|| *self.committed.all.borrow())
    }

    /// The last place in its feed that this process has committed a change at.
    pub fn appends(&self) -> watch::Receiver<Position> {
        self.committed.appended.subscribe()
    }

    /// Whether it is a SQLite file.
    pub fn is_sqlite(&self) -> bool {
        matches!(self.write, Writers::Sqlite(..))
    }

    // The connections and whom a commit wakes, on PostgreSQL.
    pub(crate) fn postgres(&self) -> Option<(&Hand<Postgres>, Arc<Committed>)> {
        match &self.write {
            Writers::Postgres(ways) => Some((&ways.sure, self.committed.clone())),
            Writers::Sqlite(..) => None,
        }
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), DbErr> {
        self.read.ping().await
    }

    /// Closes the pools; SQLite brings what lies beside the file and its log into it.
    pub async fn close(&self) {
        if let Err(fault) = self.settle().await {
            tracing::warn!(%fault, "what lies beside a SQLite file is brought in at the next start");
        }
        self.read.close().await;
        match &self.write {
            Writers::Postgres(ways) => {
                ways.swift.close().await;
                ways.sure.close().await;
            }
            Writers::Sqlite(file) => {
                file.fold.close().await;
                file.writer.close().await;
            }
        }
    }
}

/// Does something with a connection to its end, whatever becomes of who waits for it. The driver leaves a connection in a state that it
/// does not know of where it is cut off between `BEGIN` or `COPY` and the answer; its next user would find itself in a transaction that
/// nobody commits. Here it gets its answer, and what is dropped then is a transaction that the driver knows and rolls back.
pub(crate) async fn undisturbed<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Answer<T> {
    tokio::spawn(work).await.map_err(Fault::internal)
}

/// Where the columns of a row are put, in their order: values of a statement, or bytes of a COPY.
pub trait Cells {
    /// A text.
    fn text(&mut self, text: &str);
    /// A whole number of four bytes.
    fn int(&mut self, number: i32);
    /// A whole number of eight bytes.
    fn bigint(&mut self, number: i64);
}

impl Cells for Vec<Value> {
    fn text(&mut self, text: &str) {
        self.push(text.into());
    }

    fn int(&mut self, number: i32) {
        self.push(number.into());
    }

    fn bigint(&mut self, number: i64) {
        self.push(number.into());
    }
}

/// The database's own time in microseconds since 1970, as an expression. Leases are judged by it: a drill that moves the suite's clock
/// makes none run out, and replicas whose clocks differ agree.
pub fn database_now(db: &impl ConnectionTrait) -> &'static str {
    if db.get_database_backend() == DbBackend::Sqlite {
        "CAST(unixepoch('subsec') * 1000000 AS INTEGER)"
    } else {
        "(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::bigint"
    }
}

/// A statement for either database; parameters are `$1`, `$2`, ….
pub fn sql(db: &impl ConnectionTrait, text: &str, values: impl IntoIterator<Item = Value>) -> Statement {
    Statement::from_sql_and_values(db.get_database_backend(), text, values)
}

/// Inserts many rows in few statements. `conflict` is what follows the values, for example `ON CONFLICT (uscc) DO NOTHING`.
/// Returns how many rows were written.
pub async fn insert_rows(
    db: &impl ConnectionTrait,
    table: &str,
    columns: &[&str],
    rows: Vec<Vec<Value>>,
    conflict: &str,
) -> Result<u64, DbErr> {
    let sqlite = db.get_database_backend() == DbBackend::Sqlite;
    let types = if sqlite || rows.len() < 2 { None } else { column_types(&rows) };
    // PostgreSQL takes columns as arrays: a statement of a few parameters for ten thousand rows, where VALUES would have it read
    // and plan a hundred thousand. SQLite takes 32,766 parameters a statement.
    let most = if types.is_some() { 10_000 } else { (32_000 / columns.len().max(1)).min(1_000) };
    let mut written = 0;
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let part: Vec<_> = rows.by_ref().take(most).collect();
        let (source, values) = match &types {
            Some(types) => unnested(types, part),
            None => listed(sqlite, part),
        };
        let text = format!("INSERT INTO {table} ({}) {source} {conflict}", columns.join(", "));
        written += db.execute_raw(sql(db, &text, values)).await?.rows_affected();
    }
    Ok(written)
}

// To SQLite `$1` is a name, which it looks up among all the others: thousands of them cost seconds a statement.
fn listed(sqlite: bool, rows: Vec<Vec<Value>>) -> (String, Vec<Value>) {
    let mut text = String::from("VALUES ");
    let mut values = Vec::new();
    for (index, row) in rows.into_iter().enumerate() {
        text.push_str(if index > 0 { ", (" } else { "(" });
        for (place, value) in row.into_iter().enumerate() {
            if place > 0 {
                text.push_str(", ");
            }
            values.push(value);
            if sqlite {
                text.push('?');
            } else {
                text.push('$');
                text.push_str(&values.len().to_string());
            }
        }
        text.push(')');
    }
    (text, values)
}

// A column as an array: its type, and whether some of its values are null.
struct Column {
    name: &'static str,
    kind: ArrayType,
    nullable: bool,
}

fn column_of(value: &Value) -> Option<Column> {
    let (name, kind, nullable) = match value {
        Value::Bool(value) => ("boolean", ArrayType::Bool, value.is_none()),
        Value::Int(value) => ("int", ArrayType::Int, value.is_none()),
        Value::BigInt(value) => ("bigint", ArrayType::BigInt, value.is_none()),
        Value::String(value) => ("text", ArrayType::String, value.is_none()),
        Value::Bytes(value) => ("bytea", ArrayType::Bytes, value.is_none()),
        _ => return None,
    };
    Some(Column { name, kind, nullable })
}

// The types of the columns; none where a value is of a type that is written row by row.
fn column_types(rows: &[Vec<Value>]) -> Option<Vec<Column>> {
    let mut columns: Vec<Column> = rows.first()?.iter().map(column_of).collect::<Option<_>>()?;
    for row in rows {
        if row.len() != columns.len() {
            return None;
        }
        for (value, column) in row.iter().zip(&mut columns) {
            let found = column_of(value).filter(|found| found.kind == column.kind)?;
            column.nullable |= found.nullable;
        }
    }
    Some(columns)
}

// The rows by columns, each column an array. An array here holds no nulls: where there are any, a second one says which they are.
fn unnested(types: &[Column], rows: Vec<Vec<Value>>) -> (String, Vec<Value>) {
    let mut columns: Vec<Vec<Value>> = types.iter().map(|_| Vec::with_capacity(rows.len())).collect();
    let mut nulls: Vec<Vec<Value>> = vec![Vec::new(); types.len()];
    for row in rows {
        for (place, value) in row.into_iter().enumerate() {
            let null = column_of(&value).is_none_or(|column| column.nullable);
            if types[place].nullable {
                nulls[place].push(null.into());
            }
            columns[place].push(if null { blank(&types[place].kind) } else { value });
        }
    }
    let (mut values, mut casts, mut names, mut taken) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for ((column, of), absent) in columns.into_iter().zip(types).zip(nulls) {
        values.push(Value::Array(of.kind.clone(), Some(Box::new(column))));
        let at = values.len();
        casts.push(format!("${at}::{}[]", of.name));
        names.push(format!("c{at}"));
        if of.nullable {
            values.push(Value::Array(ArrayType::Bool, Some(Box::new(absent))));
            casts.push(format!("${}::boolean[]", at + 1));
            names.push(format!("c{}", at + 1));
            taken.push(format!("CASE WHEN c{} THEN NULL ELSE c{at} END", at + 1));
        } else {
            taken.push(format!("c{at}"));
        }
    }
    let (taken, casts, names) = (taken.join(", "), casts.join(", "), names.join(", "));
    (format!("SELECT {taken} FROM unnest({casts}) AS given({names})"), values)
}

fn blank(kind: &ArrayType) -> Value {
    match kind {
        ArrayType::Bool => false.into(),
        ArrayType::Int => 0_i32.into(),
        ArrayType::BigInt => 0_i64.into(),
        ArrayType::Bytes => Vec::<u8>::new().into(),
        _ => "".into(),
    }
}

/// The condition that a column is one of many texts, and its one parameter, `$at`: however many they are, the statement is short and
/// the index of the column answers it.
pub fn among(db: &impl ConnectionTrait, column: &str, at: usize, texts: &[&str]) -> (String, Value) {
    if db.get_database_backend() == DbBackend::Sqlite {
        let list = serde_json::Value::from(texts.to_vec()).to_string();
        return (format!("{column} IN (SELECT value FROM json_each(${at}))"), list.into());
    }
    let texts = texts.iter().map(|&text| Value::from(text)).collect();
    (format!("{column} = ANY(${at}::text[])"), Value::Array(ArrayType::String, Some(Box::new(texts))))
}

// To plan and to look for more texts than this costs more than the rows between them.
const TEXTS_APART: usize = 64;

/// The condition that a column is one of some texts or, where these are many, lies between the least and the greatest of them; and its parameters from
/// `$at` on. For tables of few rows, whose reader looks up among them what it needs.
pub fn among_or_between(
    db: &impl ConnectionTrait,
    column: &str,
    at: usize,
    texts: &[&str],
) -> (String, Vec<Value>) {
    match (texts.iter().min(), texts.iter().max()) {
        (Some(&least), Some(&greatest)) if texts.len() > TEXTS_APART => {
            (format!("{column} >= ${at} AND {column} <= ${}", at + 1), vec![least.into(), greatest.into()])
        }
        _ => {
            let (condition, list) = among(db, column, at, texts);
            (condition, vec![list])
        }
    }
}

/// The condition that a column is one of many numbers, and its one parameter, `$at`.
pub fn among_numbers(db: &impl ConnectionTrait, column: &str, at: usize, numbers: &[i64]) -> (String, Value) {
    if db.get_database_backend() == DbBackend::Sqlite {
        let list = serde_json::Value::from(numbers.to_vec()).to_string();
        return (format!("{column} IN (SELECT value FROM json_each(${at}))"), list.into());
    }
    let numbers = numbers.iter().map(|&number| Value::from(number)).collect();
    (format!("{column} = ANY(${at}::bigint[])"), Value::Array(ArrayType::BigInt, Some(Box::new(numbers))))
}

/// A table `asked` of one column `value` made of many texts, and its one parameter, `$at`.
pub fn each_of(db: &impl ConnectionTrait, at: usize, texts: &[&str]) -> (String, Value) {
    let (_, list) = among(db, "", at, texts);
    let source = if db.get_database_backend() == DbBackend::Sqlite {
        format!("json_each(${at}) AS asked")
    } else {
        format!("unnest(${at}::text[]) AS asked(value)")
    };
    (source, list)
}

/// A table `told` made of the parameter `$at`, a JSON array of objects, with columns of these names and types: however many rows it has, the
/// statement is the same, and its plan is kept.
pub fn told_as(backend: DbBackend, at: usize, columns: &[(&str, &str)]) -> String {
    if backend == DbBackend::Sqlite {
        let columns: Vec<String> =
            columns.iter().map(|(name, _)| format!("json_extract(value, '$.{name}') AS {name}")).collect();
        return format!("(SELECT {} FROM json_each(${at})) AS told", columns.join(", "));
    }
    let columns: Vec<String> = columns.iter().map(|(name, kind)| format!("{name} {kind}")).collect();
    format!("json_to_recordset(CAST(${at} AS JSON)) AS told ({})", columns.join(", "))
}

/// `$from, $from+1, …` for an IN list of `count` values.
pub fn placeholders(from: usize, count: usize) -> String {
    let numbers: Vec<String> = (from..from + count).map(|number| format!("${number}")).collect();
    numbers.join(", ")
}

/// The value of a unique violation's constraint, to be said in the caller's words.
pub fn unique_violation(error: &DbErr) -> Option<String> {
    match error.sql_err() {
        Some(sea_orm::SqlErr::UniqueConstraintViolation(text)) => Some(text),
        _ => None,
    }
}

/// A row that can't be read back is a fault of ours.
pub fn corrupt(what: &str, error: impl std::fmt::Display) -> Fault {
    Fault::internal(anyhow::anyhow!("a stored {what} can't be read: {error}"))
}
