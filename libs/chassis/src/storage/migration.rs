//! The tables as SQL, the same text for both databases.
use sea_orm::{ConnectionTrait, DbBackend, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

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
