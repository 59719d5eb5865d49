//! Connections at hand. The driver's pool asks each connection that comes back whether it is well, which costs as much as the statement that it
//! was taken for; one that has just answered in full is well, and is kept here for the next. What was broken off, failed, rested or was here
//! for long goes back to the pool and by its rules.
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use sea_orm::{
    DbErr, ExecResult, QueryResult, RuntimeErr, Statement, Values,
    sqlx::{
        self, Connection as _, Database, Executor as _, Pool, Postgres, Sqlite, pool::PoolConnection,
        query_with,
    },
};
use sea_query_sqlx::SqlxValues;
use tracing::Instrument as _;

use super::undisturbed;
use crate::fault::Answer;

// One that rested for longer may have been cut meanwhile, and nobody needs it.
const RESTED: Duration = Duration::from_secs(1);
// After this long the pool judges a connection's age and health by its own rules.
const HELD: Duration = Duration::from_secs(60);

/// The connections of a pool, with those at hand.
pub(crate) struct Hand<DB: Database>(Arc<Inner<DB>>);

struct Inner<DB: Database> {
    pool: Pool<DB>,
    state: Mutex<State<DB>>,
}

struct State<DB: Database> {
    // The one used last is used next.
    rested: Vec<Rested<DB>>,
    // Who waits for the pool: what comes back goes there.
    waiting: usize,
    swept: bool,
    closed: bool,
}

struct Rested<DB: Database> {
    connection: PoolConnection<DB>,
    from_pool: Instant,
    since: Instant,
}

impl<DB: Database> Clone for Hand<DB> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<DB: Database> Hand<DB> {
    pub(crate) fn of(pool: Pool<DB>) -> Self {
        let state = State { rested: Vec::new(), waiting: 0, swept: false, closed: false };
        Self(Arc::new(Inner { pool, state: Mutex::new(state) }))
    }

    pub(crate) fn pool(&self) -> &Pool<DB> {
        &self.0.pool
    }

    /// A connection, which comes back by itself.
    pub(crate) async fn take(&self) -> Result<Lent<DB>, sqlx::Error> {
        let lent = |connection, from_pool| Lent {
            connection: Some(connection),
            from_pool,
            sound: true,
            inner: self.0.clone(),
        };
        let _waits = {
            let mut state = self.0.state();
            if let Some(rested) = state.rested.pop() {
                return Ok(lent(rested.connection, rested.from_pool));
            }
            state.waiting += 1;
            Waits(&self.0)
        };
        Ok(lent(self.0.pool.acquire().await?, Instant::now()))
    }

    /// Closes the pool, and what is at hand with it.
    pub(crate) async fn close(&self) {
        let rested = {
            let mut state = self.0.state();
            state.closed = true;
            std::mem::take(&mut state.rested)
        };
        drop(rested);
        self.0.pool.close().await;
    }
}

struct Waits<'a, DB: Database>(&'a Inner<DB>);

impl<DB: Database> Drop for Waits<'_, DB> {
    fn drop(&mut self) {
        self.0.state().waiting -= 1;
    }
}

impl<DB: Database> Inner<DB> {
    fn state(&self) -> MutexGuard<'_, State<DB>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put_back(self: &Arc<Self>, connection: PoolConnection<DB>, from_pool: Instant) {
        let mut state = self.state();
        if state.closed || state.waiting > 0 || from_pool.elapsed() > HELD {
            // The pool's own affairs want no lock of ours.
            drop(state);
            drop(connection);
            return;
        }
        state.rested.push(Rested { connection, from_pool, since: Instant::now() });
        if !state.swept
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            state.swept = true;
            runtime.spawn(self.clone().sweep());
        }
    }

    // Gives back what rested, until nothing is at hand.
    async fn sweep(self: Arc<Self>) {
        loop {
            tokio::time::sleep(RESTED).await;
            let mut state = self.state();
            // Those below rest for longer.
            let rested = state.rested.iter().take_while(|one| one.since.elapsed() >= RESTED).count();
            let rested: Vec<_> = state.rested.drain(..rested).collect();
            let ends = state.rested.is_empty();
            state.swept = !ends;
            drop(state);
            drop(rested);
            if ends {
                return;
            }
        }
    }
}

/// A database that statements are sent to.
pub(crate) trait Spoken: Database {
    /// As telemetry names it.
    const SYSTEM: &'static str;

    /// Runs a statement.
    fn execute(connection: &mut Self::Connection, statement: Statement) -> Answered<'_, ExecResult>;
    /// Runs statements that have no values.
    fn unprepared(connection: &mut Self::Connection, text: String) -> Answered<'_, ExecResult>;
    /// The first row of a query.
    fn one(connection: &mut Self::Connection, statement: Statement) -> Answered<'_, Option<QueryResult>>;
    /// The rows of a query.
    fn all(connection: &mut Self::Connection, statement: Statement) -> Answered<'_, Vec<QueryResult>>;
}

type Answered<'a, T> = BoxFuture<'a, Result<T, sqlx::Error>>;

macro_rules! spoken {
    ($database:ty, $system:literal) => {
        impl Spoken for $database {
            const SYSTEM: &'static str = $system;

            fn execute(connection: &mut Self::Connection, statement: Statement) -> Answered<'_, ExecResult> {
                let query = query_with(sqlx::AssertSqlSafe(statement.sql), values(statement.values));
                Box::pin(async move { query.execute(connection).await.map(ExecResult::from) })
            }

            fn unprepared(connection: &mut Self::Connection, text: String) -> Answered<'_, ExecResult> {
                Box::pin(
                    async move { connection.execute(sqlx::AssertSqlSafe(text)).await.map(ExecResult::from) },
                )
            }

            fn one(
                connection: &mut Self::Connection,
                statement: Statement,
            ) -> Answered<'_, Option<QueryResult>> {
                let query = query_with(sqlx::AssertSqlSafe(statement.sql), values(statement.values));
                Box::pin(async move { Ok(query.fetch_optional(connection).await?.map(QueryResult::from)) })
            }

            fn all(
                connection: &mut Self::Connection,
                statement: Statement,
            ) -> Answered<'_, Vec<QueryResult>> {
                let query = query_with(sqlx::AssertSqlSafe(statement.sql), values(statement.values));
                Box::pin(async move {
                    Ok(query.fetch_all(connection).await?.into_iter().map(QueryResult::from).collect())
                })
            }
        }
    };
}

spoken!(Postgres, "postgresql");
spoken!(Sqlite, "sqlite");

fn values(values: Option<Values>) -> SqlxValues {
    SqlxValues(values.unwrap_or(Values(Vec::new())))
}

/// A fault of the driver as sea-orm tells it.
pub(crate) fn told(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error.into()))
}

/// The span of a statement.
pub(super) fn span<DB: Spoken>(text: &str) -> tracing::Span {
    tracing::info_span!(
        target: "sea_orm::database", "statement", otel.kind = "client", db.system = DB::SYSTEM, db.statement = text
    )
}

/// A connection on loan. Dropped, it is kept at hand if the last that was asked of it was answered well.
pub(crate) struct Lent<DB: Database> {
    connection: Option<PoolConnection<DB>>,
    from_pool: Instant,
    sound: bool,
    inner: Arc<Inner<DB>>,
}

impl<DB: Database> Lent<DB> {
    /// To ask something of it; whoever does says when it was answered.
    pub(crate) fn asked(&mut self) -> Result<&mut DB::Connection, sqlx::Error> {
        self.sound = false;
        self.connection.as_deref_mut().ok_or(sqlx::Error::WorkerCrashed)
    }

    /// It was answered well, to the end.
    pub(crate) fn answered(&mut self) {
        self.sound = true;
    }

    /// Whether it is there.
    pub(crate) async fn ping(&mut self) -> Result<(), DbErr> {
        self.asked().map_err(told)?.ping().await.map_err(told)?;
        self.answered();
        Ok(())
    }

    /// Ends it when it is dropped.
    pub(crate) fn close(&mut self) {
        self.sound = false;
        if let Some(connection) = &mut self.connection {
            connection.close_on_drop();
        }
    }
}

impl<DB: Spoken> Lent<DB> {
    pub(crate) async fn execute(&mut self, statement: Statement) -> Result<ExecResult, DbErr> {
        let span = span::<DB>(&statement.sql);
        let done = DB::execute(self.asked().map_err(told)?, statement).instrument(span).await;
        self.heard(done)
    }

    pub(crate) async fn unprepared(&mut self, text: &str) -> Result<ExecResult, DbErr> {
        let span = span::<DB>(text);
        let done = DB::unprepared(self.asked().map_err(told)?, text.to_owned()).instrument(span).await;
        self.heard(done)
    }

    pub(crate) async fn one(&mut self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let span = span::<DB>(&statement.sql);
        let row = DB::one(self.asked().map_err(told)?, statement).instrument(span).await;
        self.heard(row)
    }

    pub(crate) async fn all(&mut self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let span = span::<DB>(&statement.sql);
        let rows = DB::all(self.asked().map_err(told)?, statement).instrument(span).await;
        self.heard(rows)
    }

    fn heard<T>(&mut self, answer: Result<T, sqlx::Error>) -> Result<T, DbErr> {
        let answer = answer.map_err(told)?;
        self.answered();
        Ok(answer)
    }
}

impl<DB: Database> Drop for Lent<DB> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && self.sound
        {
            self.inner.put_back(connection, self.from_pool);
        }
    }
}

/// A transaction; it is gone while something is sent that must not be cut off, and for good where who waited for that was.
pub(crate) struct Held<DB: Spoken>(Option<Lent<DB>>);

impl<DB: Spoken> Held<DB> {
    /// Begins one.
    pub(crate) async fn begin(hand: &Hand<DB>, begin: &'static str) -> Answer<Self> {
        let hand = hand.clone();
        let begun = undisturbed(async move {
            let mut held = Self(Some(hand.take().await.map_err(told)?));
            held.open()?.unprepared(begin).await?;
            Ok::<_, DbErr>(held)
        });
        Ok(begun.await??)
    }

    pub(crate) fn open(&mut self) -> Result<&mut Lent<DB>, DbErr> {
        self.0.as_mut().ok_or_else(cut_off)
    }

    /// Takes the transaction away, for what must not be cut off.
    pub(crate) fn away(&mut self) -> Result<Self, DbErr> {
        self.0.take().map(|lent| Self(Some(lent))).ok_or_else(cut_off)
    }

    /// Commits.
    pub(crate) async fn commit(mut self) -> Result<(), DbErr> {
        // Who is cut off here learns nothing of it, and the rest is rolled back or was committed.
        self.open()?.unprepared("COMMIT").await?;
        self.0 = None;
        Ok(())
    }
}

impl<DB: Spoken> Drop for Held<DB> {
    fn drop(&mut self) {
        let Some(mut lent) = self.0.take() else { return };
        match tokio::runtime::Handle::try_current() {
            // Until this is answered the connection is nobody's.
            Ok(runtime) => {
                runtime.spawn(async move {
                    if lent.unprepared("ROLLBACK").await.is_err() {
                        lent.close();
                    }
                });
            }
            Err(_) => lent.close(),
        }
    }
}

fn cut_off() -> DbErr {
    told(sqlx::Error::Protocol(String::from(
        "the transaction is gone: who waited for a part of it was cut off",
    )))
}

#[cfg(test)]
mod tests {
    use sea_orm::sqlx::sqlite::SqlitePoolOptions;

    use super::*;

    fn two() -> Hand<Sqlite> {
        let pool = SqlitePoolOptions::new().max_connections(2).acquire_timeout(Duration::from_secs(20));
        Hand::of(pool.connect_lazy("sqlite::memory:").unwrap())
    }

    fn at_hand(hand: &Hand<Sqlite>) -> usize {
        hand.0.state().rested.len()
    }

    async fn answered(hand: &Hand<Sqlite>) -> Lent<Sqlite> {
        let mut lent = hand.take().await.unwrap();
        lent.unprepared("SELECT 1").await.unwrap();
        lent
    }

    #[tokio::test]
    async fn what_answered_well_is_kept_and_what_did_not_is_not() {
        let hand = two();
        drop(answered(&hand).await);
        assert_eq!(at_hand(&hand), 1);
        let mut lent = hand.take().await.unwrap();
        assert_eq!(at_hand(&hand), 0, "the one at hand is taken");
        assert!(lent.unprepared("SELECT nothing").await.is_err());
        drop(lent);
        assert_eq!(at_hand(&hand), 0, "the pool looks at it");
        let mut lent = answered(&hand).await;
        drop(lent.unprepared("SELECT 1"));
        drop(lent);
        assert_eq!(at_hand(&hand), 1, "a question that was never put");
    }

    #[tokio::test]
    async fn who_waits_gets_what_comes_back() {
        let hand = two();
        for _ in 0..50 {
            let (one, other) = (answered(&hand).await, answered(&hand).await);
            let waiting: Vec<_> = (0..8)
                .map(|_| {
                    let hand = hand.clone();
                    tokio::spawn(async move { drop(answered(&hand).await) })
                })
                .collect();
            tokio::task::yield_now().await;
            drop((one, other));
            for one in waiting {
                tokio::time::timeout(Duration::from_secs(10), one)
                    .await
                    .expect("somebody waits for ever")
                    .unwrap();
            }
        }
    }

    #[tokio::test]
    async fn what_rested_is_the_pools_again() {
        let hand = two();
        drop((answered(&hand).await, answered(&hand).await));
        assert_eq!((at_hand(&hand), hand.pool().num_idle()), (2, 0));
        tokio::time::sleep(RESTED * 5 / 2).await;
        assert_eq!((at_hand(&hand), hand.pool().num_idle()), (0, 2));
        drop(answered(&hand).await);
        assert_eq!(at_hand(&hand), 1);
        tokio::time::timeout(Duration::from_secs(10), hand.close())
            .await
            .expect("what is at hand is closed as well");
        drop(hand.take().await);
        assert_eq!(at_hand(&hand), 0);
    }

    #[tokio::test]
    async fn a_transaction_that_is_dropped_is_rolled_back() {
        let pool = SqlitePoolOptions::new().max_connections(1).connect_lazy("sqlite::memory:").unwrap();
        let hand = Hand::of(pool);
        hand.take().await.unwrap().unprepared("CREATE TABLE things (id INTEGER)").await.unwrap();
        let count = async || {
            let row = Statement::from_string(sea_orm::DbBackend::Sqlite, "SELECT COUNT(*) FROM things");
            let row = hand.take().await.unwrap().one(row).await.unwrap().unwrap();
            row.try_get_by_index::<i64>(0).unwrap()
        };
        for (commits, expected) in [(false, 0), (true, 1), (false, 1)] {
            let mut held = Held::begin(&hand, "BEGIN").await.unwrap();
            held.open().unwrap().unprepared("INSERT INTO things VALUES (1)").await.unwrap();
            if commits {
                held.commit().await.unwrap();
            } else {
                drop(held);
            }
            assert_eq!(count().await, expected);
        }
    }
}
