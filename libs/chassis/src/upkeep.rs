//! A service's database as it lies, for the operator's commands: looked at, copied and put back without being served or changed.
use std::{path::Path, time::Duration};

use anyhow::Context as _;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, SqlxPostgresConnector, SqlxSqliteConnector,
    sqlx::{
        self, ConnectOptions as _,
        postgres::{PgConnectOptions, PgPoolOptions},
        sqlite::{SqliteConnectOptions, SqlitePoolOptions},
    },
};
use sea_orm_migration::{MigrationName, MigratorTrait};

use crate::{
    feed::Position,
    storage::{Place, create_database, database_now, sql},
};

/// A database that is there.
pub struct Lying(DatabaseConnection);

/// How far a service has followed another's feed.
pub struct Cursor {
    /// The feed, which has the name of the service that it comes from.
    pub feed: String,
    /// Up to which position.
    pub position: String,
}

/// The names of a service's migrations, in their order.
pub fn migrations<M: MigratorTrait>() -> Vec<String> {
    M::migrations().iter().map(|migration| MigrationName::name(&**migration).to_owned()).collect()
}

impl Lying {
    /// Opens a database for reading; none where it has not been made yet.
    pub async fn open(place: &Place<'_>) -> anyhow::Result<Option<Self>> {
        if !place.url.is_empty() {
            return Self::open_postgres(&place.url.replace("{service}", place.service)).await;
        }
        let file = place.data_dir.join(format!("{}.sqlite", place.service));
        if file.exists() { Self::open_file(&file).await.map(Some) } else { Ok(None) }
    }

    /// Opens a SQLite file for reading.
    pub async fn open_file(file: &Path) -> anyhow::Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .read_only(true)
            .busy_timeout(Duration::from_secs(10))
            .disable_statement_logging();
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await;
        let pool = pool.with_context(|| format!("the SQLite file {}", file.display()))?;
        Ok(Self(SqlxSqliteConnector::from_sqlx_sqlite_pool(pool)))
    }

    async fn open_postgres(url: &str) -> anyhow::Result<Option<Self>> {
        let options: PgConnectOptions = url.parse().context("the database URL can't be read")?;
        let options = options.disable_statement_logging();
        let waiting = PgPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_secs(5));
        match waiting.connect_with(options).await {
            Ok(pool) => Ok(Some(Self(SqlxPostgresConnector::from_sqlx_postgres_pool(pool)))),
            // 3D000: there is no such database.
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("3D000") => Ok(None),
            Err(error) => Err(error).context("PostgreSQL does not answer"),
        }
    }

    /// Makes a PostgreSQL database where it is missing, without a table.
    pub async fn make(url: &str) -> anyhow::Result<()> {
        create_database(&url.parse().context("the database URL can't be read")?).await
    }

    async fn text(&self, statement: &str) -> anyhow::Result<Option<String>> {
        let row = self.0.query_one_raw(sql(&self.0, statement, [])).await?;
        Ok(row.map(|row| row.try_get_by_index(0)).transpose()?)
    }

    async fn number(&self, statement: &str) -> anyhow::Result<i64> {
        let row = self.0.query_one_raw(sql(&self.0, statement, [])).await?;
        Ok(row.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or_default())
    }

    fn is_sqlite(&self) -> bool {
        self.0.get_database_backend() == DbBackend::Sqlite
    }

    /// Which database it is, with its release.
    pub async fn release(&self) -> anyhow::Result<String> {
        let ask = if self.is_sqlite() { "SELECT sqlite_version()" } else { "SHOW server_version" };
        let told = self.text(ask).await?.unwrap_or_default();
        Ok(format!("{} {told}", if self.is_sqlite() { "SQLite" } else { "PostgreSQL" }))
    }

    /// Whether it can hold the feed, which asks for transactions of 64 bits on PostgreSQL.
    pub async fn is_recent(&self) -> anyhow::Result<bool> {
        if self.is_sqlite() {
            return Ok(true);
        }
        Ok(self.number("SELECT current_setting('server_version_num')::bigint").await? >= 130_000)
    }

    /// Its own time, microseconds since 1970.
    pub async fn now(&self) -> anyhow::Result<i64> {
        self.number(&format!("SELECT {}", database_now(&self.0))).await
    }

    /// The tables, sorted.
    pub async fn tables(&self) -> anyhow::Result<Vec<String>> {
        let ask = if self.is_sqlite() {
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
        } else {
            "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename"
        };
        let rows = self.0.query_all_raw(sql(&self.0, ask, [])).await?;
        Ok(rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?)
    }

    async fn has(&self, table: &str) -> anyhow::Result<bool> {
        Ok(self.tables().await?.iter().any(|found| found == table))
    }

    /// The migrations that have been applied, sorted; none where there are no tables yet.
    pub async fn applied(&self) -> anyhow::Result<Vec<String>> {
        if !self.has("seaql_migrations").await? {
            return Ok(Vec::new());
        }
        let ask = "SELECT version FROM seaql_migrations ORDER BY version";
        let rows = self.0.query_all_raw(sql(&self.0, ask, [])).await?;
        Ok(rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?)
    }

    /// How far other services' feeds have been followed.
    pub async fn cursors(&self) -> anyhow::Result<Vec<Cursor>> {
        if !self.has("cursors").await? {
            return Ok(Vec::new());
        }
        let ask = "SELECT feed, position FROM cursors ORDER BY feed";
        let rows = self.0.query_all_raw(sql(&self.0, ask, [])).await?;
        let read = |row: &sea_orm::QueryResult| -> Result<Cursor, sea_orm::DbErr> {
            Ok(Cursor { feed: row.try_get_by_index(0)?, position: row.try_get_by_index(1)? })
        };
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }

    /// How many changes of its own feed lie after a position, and the last position of all.
    pub async fn behind(&self, position: &str) -> anyhow::Result<(i64, String)> {
        if !self.has("outbox").await? {
            return Ok((0, String::new()));
        }
        let at = Position::parse(position).map_err(|fault| anyhow::anyhow!("{fault}"))?;
        let (xid, seq) = at.parts();
        // Counted through the index; there is none to be named by hand.
        let ask = "SELECT count(*) FROM outbox WHERE (xid, seq) > ($1, $2)";
        let row = self.0.query_one_raw(sql(&self.0, ask, [xid.into(), seq.into()])).await?;
        let behind = row.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or_default();
        let ask = "SELECT xid, seq FROM outbox ORDER BY xid DESC, seq DESC LIMIT 1";
        let last = self.0.query_one_raw(sql(&self.0, ask, [])).await?;
        let last = match last {
            Some(row) => Position::new(row.try_get_by_index(0)?, row.try_get_by_index(1)?).to_string(),
            None => String::new(),
        };
        Ok((behind, last))
    }

    /// How many long-running operations are not done, and how many of these nobody works on, although their lease has run out.
    pub async fn operations(&self) -> anyhow::Result<(i64, i64)> {
        if !self.has("operations").await? {
            return Ok((0, 0));
        }
        let open = self.number("SELECT count(*) FROM operations WHERE done = FALSE").await?;
        let idle = format!(
            "SELECT count(*) FROM operations WHERE done = FALSE AND lease_until < {}",
            database_now(&self.0)
        );
        Ok((open, self.number(&idle).await?))
    }

    /// The seed of the signing key, in the gateway's database.
    pub async fn signing_seed(&self) -> anyhow::Result<Option<String>> {
        if !self.has("signing_keys").await? {
            return Ok(None);
        }
        self.text("SELECT seed FROM signing_keys WHERE id = 1").await
    }

    /// Copies a SQLite database into a new file as it stands at one moment, whoever writes to it meanwhile.
    pub async fn copy_to(&self, file: &Path) -> anyhow::Result<()> {
        let path = file.to_str().context("the path is not UTF-8")?;
        self.0.execute_raw(sql(&self.0, "VACUUM INTO $1", [path.into()])).await?;
        Ok(())
    }

    /// What SQLite finds amiss in the file.
    pub async fn damage(&self) -> anyhow::Result<Option<String>> {
        Ok(self.text("PRAGMA quick_check(1)").await?.filter(|told| told != "ok"))
    }

    /// Brings PostgreSQL's count of transactions beyond what the feed's positions name. Those of a database that was restored into another
    /// cluster were counted there; a feed would wait for them, and followers would take what is new for old. Returns how many were passed.
    pub async fn pass_transactions(&self) -> anyhow::Result<i64> {
        if self.is_sqlite() || !self.has("outbox").await? {
            return Ok(0);
        }
        let last = self.number("SELECT COALESCE(max(xid), 0) FROM outbox").await?;
        let now = "SELECT pg_current_xact_id()::text::bigint";
        let mut passed = 0;
        loop {
            let missing = last - self.number(now).await?;
            if missing < 0 {
                return Ok(passed);
            }
            let part = missing.clamp(1, 100_000);
            self.spend_transactions(part).await?;
            passed += part;
        }
    }

    /// Lets PostgreSQL count so many transactions that do nothing.
    pub async fn spend_transactions(&self, count: i64) -> anyhow::Result<()> {
        let spend = format!(
            "DO $$ BEGIN FOR i IN 1..{count} LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
        );
        self.0.execute_unprepared("SET synchronous_commit = off").await?;
        self.0.execute_unprepared(&spend).await?;
        Ok(())
    }

    /// Lets it go.
    pub async fn close(self) {
        let _ = self.0.close().await;
    }
}
