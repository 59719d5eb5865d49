//! Transactions that write.
use std::{
    ops::Deref,
    sync::{Arc, PoisonError},
};

use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement, Value,
    sqlx::{Postgres, Sqlite},
};
use sea_orm_migration::async_trait;
use tokio::sync::Mutex;

use super::{Committed, Store, Writers, hand::Held, insert_rows, undisturbed};
use crate::{
    fault::{Answer, Fault},
    feed::Position,
};

/// A transaction that writes.
pub struct Tx {
    inner: Connection,
    committed: Arc<Committed>,
    appended: std::sync::Mutex<Option<Position>>,
}

/// What a transaction runs its statements on; each needs it to itself.
pub struct Connection(Inner);

enum Inner {
    Postgres(Mutex<Held<Postgres>>),
    Sqlite(Mutex<Held<Sqlite>>),
}

/// A place within a transaction.
pub struct Mark {
    appended: Option<Position>,
}

impl Store {
    /// Begins a transaction that writes.
    pub async fn begin(&self) -> Answer<Tx> {
        let inner = match &self.write {
            Writers::Postgres(ways) => Connection::postgres(Held::begin(&ways.sure, "BEGIN").await?),
            Writers::Sqlite(file) => Connection::sqlite(Held::begin(&file.writer, "BEGIN").await?),
        };
        Ok(Tx { inner, committed: self.committed.clone(), appended: std::sync::Mutex::default() })
    }
}

impl Connection {
    pub(super) fn postgres(held: Held<Postgres>) -> Self {
        Self(Inner::Postgres(Mutex::new(held)))
    }

    pub(super) fn sqlite(held: Held<Sqlite>) -> Self {
        Self(Inner::Sqlite(Mutex::new(held)))
    }
}

impl Tx {
    /// Commits, and wakes who follows: also where the caller is cut off before he learns of it.
    pub async fn commit(self) -> Answer<()> {
        let appended = self.position();
        let Self { inner, committed, .. } = self;
        let committing = async move {
            match inner.0 {
                Inner::Postgres(held) => held.into_inner().commit().await?,
                Inner::Sqlite(held) => held.into_inner().commit().await?,
            }
            committed.tell(appended);
            Ok(())
        };
        undisturbed(committing).await?
    }

    /// Adds rows that the caller knows to be new, by the locks that it holds: by COPY on PostgreSQL, at a third of what an INSERT costs.
    pub async fn add(&self, table: &str, columns: &[&str], rows: Vec<Vec<Value>>) -> Answer<()> {
        // A few are there before a COPY would have begun.
        if rows.len() > 100
            && let Inner::Postgres(held) = &self.inner.0
        {
            let mut held = held.lock().await;
            if held.copy(table, columns, rows, |row, cells| cells.values(&row)).await? {
                return Ok(());
            }
            return Err(Fault::internal(anyhow::anyhow!("rows for {table} were there already")));
        }
        insert_rows(&self.inner, table, columns, rows, "").await?;
        Ok(())
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

#[async_trait::async_trait]
impl ConnectionTrait for Connection {
    fn get_database_backend(&self) -> DbBackend {
        match self.0 {
            Inner::Postgres(_) => DbBackend::Postgres,
            Inner::Sqlite(_) => DbBackend::Sqlite,
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        match &self.0 {
            Inner::Postgres(held) => held.lock().await.open()?.execute(statement).await,
            Inner::Sqlite(held) => held.lock().await.open()?.execute(statement).await,
        }
    }

    async fn execute_unprepared(&self, text: &str) -> Result<ExecResult, DbErr> {
        match &self.0 {
            Inner::Postgres(held) => held.lock().await.open()?.unprepared(text).await,
            Inner::Sqlite(held) => held.lock().await.open()?.unprepared(text).await,
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        match &self.0 {
            Inner::Postgres(held) => held.lock().await.open()?.one(statement).await,
            Inner::Sqlite(held) => held.lock().await.open()?.one(statement).await,
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match &self.0 {
            Inner::Postgres(held) => held.lock().await.open()?.all(statement).await,
            Inner::Sqlite(held) => held.lock().await.open()?.all(statement).await,
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
