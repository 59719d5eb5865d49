//! Roll-outs: a newer release has brought its tables, and this one starts anew and serves beside it; and the release before this one, its own
//! binary, serves beside it under load until it is replaced.
use std::{collections::BTreeSet, io::Write as _, path::PathBuf, time::Duration};

use chassis::trial::Postgres;
use sea_orm::sqlx::{Connection as _, Executor as _, PgConnection, Row as _, SqliteConnection};
use suites::{
    process::{Machine, Suite, binary},
    world,
};
use tokio::time::sleep;

use crate::replicas::{Cluster, Load, SERVICES};

// What a newer release would do: a column that this one does not fill, a table that it does not know, and their migration.
const NEWER: &str = "ALTER TABLE subjects ADD COLUMN next_release TEXT NOT NULL DEFAULT ''; \
    CREATE TABLE of_the_next_release (id TEXT NOT NULL PRIMARY KEY); \
    INSERT INTO seaql_migrations (version, applied_at) VALUES ('credit_9999_next_release', 0)";

#[tokio::test(flavor = "multi_thread")]
async fn this_release_serves_on_newer_tables_of_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let suite = Suite::up(&data, &[]).await;
    let file = data.join("credit.sqlite");
    serves_beside(suite, async || {
        let mut database = SqliteConnection::connect(&format!("sqlite:{}", file.display())).await.unwrap();
        database.execute(NEWER).await.unwrap();
        database.close().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn this_release_serves_on_newer_tables_of_postgresql() {
    let postgres = Postgres::start();
    let url = postgres.url("rollout");
    let folder = tempfile::tempdir().unwrap();
    let suite = Suite::up(&folder.path().join("data"), &["--database", &url]).await;
    serves_beside(suite, async || {
        let mut database = PgConnection::connect(&url.replace("{service}", "credit")).await.unwrap();
        database.execute(NEWER).await.unwrap();
    })
    .await;
}

async fn serves_beside(mut suite: Suite, bring_newer: impl AsyncFnOnce()) {
    let office = suite.office().await;
    office.post("/credit/v1/subjects:batchUpsert", world::subjects(1..101)).await.unwrap();
    bring_newer().await;
    // Who runs goes on.
    office.post("/credit/v1/subjects:batchUpsert", world::subjects(101..201)).await.unwrap();
    // Who dies meanwhile starts anew.
    suite.kill_and_restart().await;
    let office = suite.office().await;
    office.post("/credit/v1/subjects:batchUpsert", world::subjects(151..301)).await.unwrap();
    let figures = office.get("/credit/v1/figures?exact=true").await.unwrap();
    assert_eq!(figures["subjects"], 300);
    let path = format!("/credit/v1/subjects/{}/profile?purpose=check", world::code(150));
    assert_eq!(office.get(&path).await.unwrap()["uscc"], world::code(150));
}

// Names the binary of the release before; tests/previous.sh builds it.
const PREVIOUS: &str = "PREVIOUS_XINHENG";

fn previous() -> Option<PathBuf> {
    let named = std::env::var_os(PREVIOUS).filter(|named| !named.is_empty())?;
    let file = PathBuf::from(named);
    assert!(
        file.is_file(),
        "{PREVIOUS} names {}, which is no file; build it by tests/previous.sh",
        file.display()
    );
    assert_ne!(
        std::fs::read(&file).unwrap(),
        std::fs::read(binary()).unwrap(),
        "{PREVIOUS} names this release's own binary"
    );
    Some(file)
}

// What has been applied, of all services.
async fn migrations(url: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for service in SERVICES {
        let mut database = PgConnection::connect(&url.replace("{service}", service)).await.unwrap();
        let rows = database.fetch_all("SELECT version FROM seaql_migrations").await.unwrap();
        all.extend(rows.iter().map(|row| format!("{service}: {}", row.get::<String, _>(0))));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn the_release_before_serves_beside_this_one_until_it_is_replaced() {
    let Some(previous) = previous() else {
        let told = format!(
            "the_release_before…: SKIPPED, {PREVIOUS} names no binary of it: PREVIOUS_XINHENG=$(tests/previous.sh) builds one\n"
        );
        // What goes through the macros is shown of tests that fail only.
        std::io::stderr().write_all(told.as_bytes()).unwrap();
        return;
    };
    let postgres = Postgres::start();
    let url = postgres.url("releases");
    let old = Machine { release: Some(previous), ..Machine::here() };
    let mut cluster = Cluster::start(url.clone(), "127.0.0.1", [old.clone(), old]).await;
    let before = migrations(&url).await;
    let load = Load::begin(&cluster).await;
    sleep(Duration::from_secs(1)).await;
    // The first replica of each service is this release from now on, and brings its tables; the second is the one before.
    cluster.machines[0] = Machine::here();
    for service in 0..SERVICES.len() {
        cluster.replace(service, 0).await;
    }
    let after = migrations(&url).await;
    assert!(after.is_superset(&before), "this release knows nothing of {before:?}");
    sleep(Duration::from_secs(2)).await;
    // Of the old ones that die meanwhile each starts anew on the tables of the newer release.
    for service in 0..SERVICES.len() {
        cluster.kill(service, 1);
        cluster.begin(service, 1).await;
    }
    sleep(Duration::from_secs(2)).await;
    cluster.machines[1] = Machine::here();
    for service in 0..SERVICES.len() {
        cluster.replace(service, 1).await;
    }
    let acknowledged = load.end().await;
    let brought: Vec<_> = after.difference(&before).collect();
    println!(
        "{acknowledged} records acknowledged by two releases; migrations brought meanwhile: {brought:?}"
    );
    drop((cluster, postgres));
}
