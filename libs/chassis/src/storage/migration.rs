//! The tables as SQL, the same text for both databases.
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, MigratorTrait, SchemaManager, async_trait};

use super::sql;

/// Applies the migrations that are not applied yet. During a roll-out a newer release may have applied its own already: since migrations
/// only add what a release before them needs not know of, this one serves on beside it.
pub(super) async fn bring_up<M: MigratorTrait>(db: &DatabaseConnection) -> Result<(), DbErr> {
    M::install(db).await?;
    let rows = db.query_all_raw(sql(db, "SELECT version FROM seaql_migrations", [])).await?;
    let applied: Vec<String> = rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?;
    let own = M::migrations();
    if own.iter().all(|migration| applied.iter().any(|name| name == migration.name())) {
        if applied.len() > own.len() {
            tracing::info!(
                "the tables are of a newer release; this one serves beside it until it is replaced"
            );
        }
        return Ok(());
    }
    M::up(db, None).await
}

/// A migration written as SQL. `{blob}` and `{serial}` stand for the two types that the databases spell differently; a line that begins with
/// `{postgresql}` is for PostgreSQL alone, which keeps keys that SQLite has for nothing.
struct SqlMigration {
    name: &'static str,
    text: &'static str,
}

impl MigrationName for SqlMigration {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for SqlMigration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        let postgres = db.get_database_backend() == DbBackend::Postgres;
        let (blob, serial) = if postgres {
            ("BYTEA", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY")
        } else {
            ("BLOB", "INTEGER PRIMARY KEY AUTOINCREMENT")
        };
        let lines = self.text.lines().filter(|line| postgres || !line.starts_with("{postgresql}"));
        let text = lines.collect::<Vec<_>>().join("\n");
        let text = text.replace("{postgresql}", "").replace("{blob}", blob).replace("{serial}", serial);
        db.execute_unprepared(&text).await?;
        Ok(())
    }

    // SQLite would otherwise keep half of a migration that failed.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

/// The migrations of a service: the chassis' own tables first, then the service's, in the order given.
pub fn migrations(own: &[(&'static str, &'static str)]) -> Vec<Box<dyn MigrationTrait>> {
    let chassis = [
        ("chassis_0001_base", include_str!("../../migrations/0001_base.sql")),
        ("chassis_0002_outbox_key", include_str!("../../migrations/0002_outbox_key.sql")),
        ("chassis_0003_figures", include_str!("../../migrations/0003_figures.sql")),
    ];
    chassis
        .iter()
        .chain(own)
        .map(|&(name, text)| Box::new(SqlMigration { name, text }) as Box<dyn MigrationTrait>)
        .collect()
}
