//! Transactions that write.
use std::{
    ops::Deref,
    sync::{Arc, PoisonError},
};

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult,
    RuntimeErr, Statement, TransactionTrait, Value, Values,
    sqlx::{self, Executor as _, Sqlite, pool::PoolConnection, query_with},
};
use sea_orm_migration::async_trait;
use sea_query_sqlx::SqlxValues;
use tokio::sync::Mutex;
use tracing::Instrument as _;

use super::{Committed, Store, insert_rows, undisturbed};
use crate::{
    bulk::Held,
    fault::{Answer, Fault},
    feed::Position,
};

/// A transaction that writes.
pub struct Tx {
    inner: Connection,
    committed: Arc<Committed>,
    appended: std::sync::Mutex<Option<Position>>,
    // SQLite's one writer, while another connection writes in its turn.
    _turn: Option<PoolConnection<Sqlite>>,
}

/// What a transaction runs its statements on. PostgreSQL's is the driver's own, since it copies rows in as well; a statement needs it to itself.
pub enum Connection {
    /// On PostgreSQL.
    Copying(Copying),
    /// On SQLite.
    Inserting(DatabaseTransaction),
}

/// A connection that copies.
pub struct Copying(Mutex<Held>);

/// A place within a transaction.
pub struct Mark {
    appended: Option<Position>,
}

impl Store {
    /// Begins a transaction that writes.
    pub async fn begin(&self) -> Answer<Tx> {
        let inner = match self.postgres() {
            Some((pool, _)) => Connection::copying(Held::begin(pool).await?),
            None => Connection::inserting(&self.write).await?,
        };
        Ok(self.tx(inner, None))
    }

    /// Begins a transaction whose commit does not wait for the disk (asynchronous commit): what it wrote outlives the process at once, and a
    /// power cut after some tenths of a second.
    pub async fn begin_asynchronous(&self) -> Answer<Tx> {
        let Some(swift) = &self.swift else {
            let tx = self.begin().await?;
            tx.execute_unprepared("SET LOCAL synchronous_commit = off").await?;
            return Ok(tx);
        };
        let turn = self.write.get_sqlite_connection_pool().acquire().await.map_err(told)?;
        Ok(self.tx(Connection::inserting(swift).await?, Some(turn)))
    }

    fn tx(&self, inner: Connection, turn: Option<PoolConnection<Sqlite>>) -> Tx {
        Tx { inner, committed: self.committed.clone(), appended: std::sync::Mutex::default(), _turn: turn }
    }
}

impl Connection {
    fn copying(held: Held) -> Self {
        Self::Copying(Copying(Mutex::new(held)))
    }

    async fn inserting(writer: &DatabaseConnection) -> Answer<Self> {
        let writer = writer.clone();
        Ok(Self::Inserting(undisturbed(async move { writer.begin().await }).await??))
    }
}

impl Tx {
    /// Commits, and wakes who follows.
    pub async fn commit(self) -> Answer<()> {
        let appended = self.position();
        match self.inner {
            Connection::Copying(Copying(held)) => held.into_inner().commit().await?,
            Connection::Inserting(inner) => inner.commit().await?,
        }
        self.committed.tell(appended);
        Ok(())
    }

    /// Adds rows that the caller knows to be new, by the locks that it holds: by COPY on PostgreSQL, at a third of what an INSERT costs.
    pub async fn add(&self, table: &str, columns: &[&str], rows: Vec<Vec<Value>>) -> Answer<()> {
        match &self.inner {
            // A few are there before a COPY would have begun.
            Connection::Copying(Copying(held)) if rows.len() > 100 => {
                let mut held = held.lock().await;
                if held.copy(table, columns, rows, |row, cells| cells.values(&row)).await? {
                    return Ok(());
                }
                Err(Fault::internal(anyhow::anyhow!("rows for {table} were there already")))
            }
            inner => {
                insert_rows(inner, table, columns, rows, "").await?;
                Ok(())
            }
        }
    }

    /// How a query ends whose rows nobody else changes, nor holds, before the transaction ends. SQLite has one writer and needs no words.
    pub fn hold(&self) -> &'static str {
        self.locking("FOR UPDATE")
    }

    /// How a query ends whose rows nobody changes before the transaction ends, though others may hold them so as well.
    pub fn share(&self) -> &'static str {
        self.locking("FOR SHARE")
    }

    fn locking(&self, clause: &'static str) -> &'static str {
        if self.inner.get_database_backend() == DbBackend::Sqlite { "" } else { clause }
    }

    /// A place in the transaction to go back to.
    pub async fn mark(&self) -> Answer<Mark> {
        self.inner.execute_unprepared("SAVEPOINT mark").await?;
        Ok(Mark { appended: self.position() })
    }

    /// Undoes what was written since the newest mark, which stays.
    pub async fn rewind(&self, mark: &Mark) -> Answer<()> {
        self.inner.execute_unprepared("ROLLBACK TO SAVEPOINT mark").await?;
        self.set(mark.appended);
        Ok(())
    }

    /// The position of the last change appended in this transaction.
    pub fn position(&self) -> Option<Position> {
        *self.appended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn note(&self, position: Position) {
        self.set(Some(position));
    }

    fn set(&self, position: Option<Position>) {
        *self.appended.lock().unwrap_or_else(PoisonError::into_inner) = position;
    }
}

impl Deref for Tx {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.inner
    }
}

// A prepared statement, with a span as those of the other connections have.
fn prepared(statement: Statement) -> (tracing::Span, Prepared) {
    let span = span(&statement.sql);
    let values = SqlxValues(statement.values.unwrap_or(Values(Vec::new())));
    (span, query_with(sqlx::AssertSqlSafe(statement.sql), values))
}

type Prepared = sqlx::query::Query<'static, sqlx::Postgres, SqlxValues>;

pub(super) fn span(text: &str) -> tracing::Span {
    tracing::info_span!(
        target: "sea_orm::database", "statement", otel.kind = "client", db.system = "postgresql", db.statement = text
    )
}

/// A fault of the driver as those of the other connections are told.
pub(crate) fn told(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error.into()))
}

#[async_trait::async_trait]
impl ConnectionTrait for Connection {
    fn get_database_backend(&self) -> DbBackend {
        match self {
            Self::Copying(_) => DbBackend::Postgres,
            Self::Inserting(inner) => inner.get_database_backend(),
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        match self {
            Self::Copying(Copying(held)) => {
                let (span, query) = prepared(statement);
                let run = async { query.execute(held.lock().await.open()?).await };
                let done = run.instrument(span).await.map_err(told)?;
                Ok(done.into())
            }
            Self::Inserting(inner) => inner.execute_raw(statement).await,
        }
    }

    async fn execute_unprepared(&self, text: &str) -> Result<ExecResult, DbErr> {
        match self {
            Self::Copying(Copying(held)) => {
                let run =
                    async { held.lock().await.open()?.execute(sqlx::AssertSqlSafe(text.to_owned())).await };
                Ok(run.instrument(span(text)).await.map_err(told)?.into())
            }
            Self::Inserting(inner) => inner.execute_unprepared(text).await,
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        match self {
            Self::Copying(Copying(held)) => {
                let (span, query) = prepared(statement);
                let run = async { query.fetch_optional(held.lock().await.open()?).await };
                let row = run.instrument(span).await.map_err(told)?;
                Ok(row.map(QueryResult::from))
            }
            Self::Inserting(inner) => inner.query_one_raw(statement).await,
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match self {
            Self::Copying(Copying(held)) => {
                let (span, query) = prepared(statement);
                let run = async { query.fetch_all(held.lock().await.open()?).await };
                let rows = run.instrument(span).await.map_err(told)?;
                Ok(rows.into_iter().map(QueryResult::from).collect())
            }
            Self::Inserting(inner) => inner.query_all_raw(statement).await,
        }
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Tx {
    fn get_database_backend(&self) -> DbBackend {
        self.inner.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.inner.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, text: &str) -> Result<ExecResult, DbErr> {
        self.inner.execute_unprepared(text).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.inner.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.inner.query_all_raw(statement).await
    }
}
