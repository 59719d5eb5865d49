//! The operator's commands: what stands and what is amiss, migrations, backups.
mod backup;
mod doctor;
mod feeds;
mod moving;
mod postgres;
mod restore;

use std::{collections::BTreeMap, path::Path};

use anyhow::Context as _;
use chassis::{
    settings::Settings,
    storage::{Place, Store},
    upkeep::{Lying, migrations},
};
use sea_orm_migration::MigratorTrait;
use serde::{Deserialize, Serialize};

use crate::{command::RoleName, suite};

pub use backup::backup;
pub use doctor::doctor;
pub use feeds::lag;
pub use moving::moved;
pub use restore::restore;

/// Roles with their databases' URLs, empty for SQLite. Without roles all of them, as `up` finds them; with roles as `serve` finds each.
pub struct Databases<'a> {
    settings: &'a Settings,
    url: String,
    roles: Vec<RoleName>,
}

impl<'a> Databases<'a> {
    /// Those of the roles given.
    pub fn of(settings: &'a Settings, roles: &[RoleName]) -> anyhow::Result<Self> {
        if roles.is_empty() {
            let url = suite::database_each(&settings.database);
            return Ok(Self { settings, url, roles: RoleName::ALL.to_vec() });
        }
        let url = settings.database.clone();
        anyhow::ensure!(
            roles.len() == 1 || url.is_empty() || url.contains("{service}"),
            "the database URL names one database for {} roles; put {{service}} where its name stands, or name one role",
            roles.len()
        );
        Ok(Self { settings, url, roles: roles.to_vec() })
    }

    fn is_sqlite(&self) -> bool {
        self.url.is_empty()
    }

    fn place(&self, role: RoleName) -> Place<'_> {
        Place { service: role.name(), data_dir: &self.settings.data_dir, url: &self.url }
    }

    fn url(&self, role: RoleName) -> String {
        self.url.replace("{service}", role.name())
    }

    async fn open(&self, role: RoleName) -> anyhow::Result<Option<Lying>> {
        Lying::open(&self.place(role)).await.with_context(|| format!("the database of {}", role.name()))
    }
}

// The tables that this release knows of a role.
fn known(role: RoleName) -> Vec<String> {
    match role {
        RoleName::Credit => migrations::<credit::Migrator>(),
        RoleName::Grading => migrations::<grading::Migrator>(),
        RoleName::Sampling => migrations::<sampling::Migrator>(),
        RoleName::Discipline => migrations::<discipline::Migrator>(),
        RoleName::Reporting => migrations::<reporting::Migrator>(),
        RoleName::Gateway => migrations::<gateway::identity::Migrator>(),
    }
}

/// Brings databases to this release's tables, one after the other.
pub async fn migrate(settings: &Settings, roles: &[RoleName]) -> anyhow::Result<()> {
    let databases = Databases::of(settings, roles)?;
    suite::make_folder(&settings.data_dir)?;
    for &role in &databases.roles {
        let before = match databases.open(role).await? {
            Some(lying) => {
                let applied = lying.applied().await?;
                lying.close().await;
                applied
            }
            None => Vec::new(),
        };
        let strange: Vec<&String> = before.iter().filter(|name| !known(role).contains(name)).collect();
        anyhow::ensure!(
            strange.is_empty(),
            "the database of {} has tables of a newer release ({strange:?}); run that release, or restore a backup of this one",
            role.name()
        );
        let store = open(&databases.place(role), role).await?;
        store.close().await;
        println!(
            "{:<11} {} migrations, {} of them new",
            role.name(),
            known(role).len(),
            known(role).len() - before.len()
        );
    }
    Ok(())
}

async fn open(place: &Place<'_>, role: RoleName) -> anyhow::Result<Store> {
    async fn with<M: MigratorTrait>(place: &Place<'_>) -> anyhow::Result<Store> {
        Store::open::<M>(Place { ..*place }).await
    }
    match role {
        RoleName::Credit => with::<credit::Migrator>(place).await,
        RoleName::Grading => with::<grading::Migrator>(place).await,
        RoleName::Sampling => with::<sampling::Migrator>(place).await,
        RoleName::Discipline => with::<discipline::Migrator>(place).await,
        RoleName::Reporting => with::<reporting::Migrator>(place).await,
        RoleName::Gateway => with::<gateway::identity::Migrator>(place).await,
    }
}

// Followers before what they follow, callers before whom they deliver to: what is copied later knows all that was known before, so that no
// cursor points beyond a copy, and a delivery is at worst repeated.
const COPIED_IN_ORDER: [RoleName; 6] = [
    RoleName::Reporting,
    RoleName::Sampling,
    RoleName::Discipline,
    RoleName::Grading,
    RoleName::Credit,
    RoleName::Gateway,
];

// Beside the databases: the secrets of the suite's own clients and of the office.
const SECRETS: [&str; 5] =
    ["services.json", "admin.json", "system-admin.json", "security-admin.json", "audit-admin.json"];

const MANIFEST: &str = "manifest.json";

/// What a backup says of itself.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    format: u32,
    /// The release that made it.
    release: String,
    /// When, RFC 3339.
    made_at: String,
    /// `SQLite` or `PostgreSQL`.
    database: String,
    files: Vec<Kept>,
    /// Migrations by role, sorted.
    migrations: BTreeMap<String, Vec<String>>,
}

/// A file of a backup.
#[derive(Serialize, Deserialize)]
struct Kept {
    name: String,
    bytes: u64,
    sha256: String,
}

fn digest(file: &Path) -> anyhow::Result<(u64, String)> {
    use sha2::{Digest, Sha256};
    use std::io::Read as _;
    let mut source =
        std::fs::File::open(file).with_context(|| format!("{} can't be read", file.display()))?;
    let (mut hash, mut bytes, mut part) = (Sha256::new(), 0_u64, vec![0; 1 << 16]);
    loop {
        let read = source.read(&mut part)?;
        if read == 0 {
            let hex = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            return Ok((bytes, hex));
        }
        bytes += read as u64;
        hash.update(&part[..read]);
    }
}

// What was written is on the disk, and found there after a power cut.
fn sync(path: &Path) -> anyhow::Result<()> {
    let file = std::fs::File::open(path).with_context(|| format!("{} can't be opened", path.display()))?;
    file.sync_all().with_context(|| format!("{} can't be written out", path.display()))
}
