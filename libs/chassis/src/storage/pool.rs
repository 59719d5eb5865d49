//! PostgreSQL's connections: to a server that takes writes, each within limits, looked at after a rest.
use std::time::Duration;

use anyhow::Context as _;
use sea_orm::sqlx::{
    self, ConnectOptions as _, Connection as _, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

// What runs longer is a fault, and is ended before it holds everybody up. Who needs others says so in the URL:
// `?options=-c%20statement_timeout%3D1h`.
//
// A replica that is cut off closes nothing: without the last four its transactions would hold their locks for minutes, the others waiting.
const LIMITS: [(&str, &str); 7] = [
    ("statement_timeout", "5min"),
    ("lock_timeout", "1min"),
    ("idle_in_transaction_session_timeout", "5min"),
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "25s"),
];

// Statements are compiled where their cost is guessed high, as of a table that has just grown, and are so short that this takes ten times as
// long as to run them.
const UNCOMPILED: (&str, &str) = ("jit", "off");

// Sixteen for a role in all, which the manifests reckon with.
const SURE: u32 = 14;
const SWIFT: u32 = 2;

// A connection that was idle for longer may have been cut meanwhile.
const RESTED: Duration = Duration::from_secs(1);

// For how long a connection that rested is waited for: one to a server that is gone without a word would say nothing for a quarter of an hour.
const LOOK: Duration = Duration::from_secs(2);

/// Connects to a database, made where it is missing.
pub(super) async fn open(url: &str) -> anyhow::Result<PgPool> {
    let options: PgConnectOptions = url.parse().context("the database URL can't be read")?;
    let options = options.disable_statement_logging();
    create_database(&options).await?;
    let given = options.get_options().unwrap_or_default().to_owned();
    let options =
        options.options(LIMITS.into_iter().chain([UNCOMPILED]).filter(|(name, _)| !given.contains(name)));
    limited(SURE).connect_with(options).await.context("PostgreSQL does not answer")
}

fn limited(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(10))
        .after_connect(|connection, _| Box::pin(takes_writes(connection)))
        // A connection that was in use a moment ago is there still; only one that rested is asked before it is given out.
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > RESTED {
                    let looked = tokio::time::timeout(LOOK, connection.ping()).await;
                    looked.map_err(|_| sqlx::Error::PoolTimedOut)??;
                }
                Ok(true)
            })
        })
}

// While a standby takes over, the primary's address may lead to one that is not promoted yet: it would answer from what is old and refuse
// each write (25006) for as long as its connections are kept. So such a connection is none, and the next try a moment later. A primary
// becomes a standby only by starting anew, which ends its connections.
async fn takes_writes(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let read_only: String = sqlx::query_scalar("SHOW transaction_read_only").fetch_one(connection).await?;
    if read_only == "off" {
        return Ok(());
    }
    let told = "the server takes no writes: it is a standby, or set to read only; the database's address must lead to the primary";
    Err(sqlx::Error::Io(std::io::Error::other(told)))
}

/// Connections to the same database whose commits do not wait for the disk.
pub(super) fn swift(pool: &PgPool) -> PgPool {
    let options = pool.connect_options().as_ref().clone();
    limited(SWIFT).connect_lazy_with(options.options([("synchronous_commit", "off")]))
}

/// Connections to the same database that may take as long as they need.
pub(super) fn patient(pool: &PgPool) -> PgPool {
    let options = pool.connect_options().as_ref().clone();
    let options = options.options(LIMITS.map(|(name, _)| (name, "0")));
    PgPoolOptions::new().max_connections(2).connect_lazy_with(options)
}

pub(crate) async fn create_database(options: &PgConnectOptions) -> anyhow::Result<()> {
    let Some(name) = options.get_database().map(str::to_owned) else { return Ok(()) };
    let maintenance = options.clone().database("postgres");
    // A role that may not look there simply expects its database to exist.
    let Ok(pool) = PgPoolOptions::new().max_connections(1).connect_with(maintenance).await else {
        return Ok(());
    };
    let exists: Option<i32> = sqlx::query_scalar("SELECT 1 FROM pg_database WHERE datname = $1")
        .bind(&name)
        .fetch_optional(&pool)
        .await?;
    if exists.is_none() {
        let quoted = name.replace('"', "\"\"");
        let made =
            sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE \"{quoted}\""))).execute(&pool).await;
        // 42P04: another replica made it in the same moment.
        let beaten =
            made.as_ref().err().and_then(sqlx::Error::as_database_error).and_then(|error| error.code());
        if beaten.as_deref() != Some("42P04") && beaten.as_deref() != Some("23505") {
            made.with_context(|| format!("the database {name}"))?;
        }
    }
    pool.close().await;
    Ok(())
}
