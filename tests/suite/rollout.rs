//! A roll-out: a newer release has brought its tables, and this one starts anew and serves beside it.
use chassis::trial::Postgres;
use sea_orm::sqlx::{Connection as _, Executor as _, PgConnection, SqliteConnection};
use suites::{process::Suite, world};

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
