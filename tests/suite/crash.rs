//! `kill -9` in the middle of an import: what was acknowledged is there after the restart, the work goes on, nothing is doubled.
use std::time::Duration;

use chassis::trial::Postgres;
use http::Method;
use serde_json::json;
use suites::{process::Suite, world};

const ROWS: u32 = 40_000;

#[tokio::test(flavor = "multi_thread")]
async fn an_import_survives_on_sqlite() {
    survives(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_survives_on_postgresql() {
    let postgres = Postgres::start();
    survives(&["--database", &postgres.url("crash")]).await;
}

async fn survives(flags: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let mut suite = Suite::up(&folder.path().join("data"), flags).await;
    let office = suite.office().await;
    let acknowledged =
        office.post("/credit/v1/subjects:batchUpsert", world::subjects(100_000..100_500)).await.unwrap();
    assert_eq!(acknowledged["outcomes"].as_array().unwrap().len(), 500);

    let file = world::register(1..ROWS + 1);
    let path = "/credit/v1/imports?kind=subjects&format=csv";
    let reply = office.send(Method::POST, path, "text/csv", file.clone().into(), &[]).await.unwrap();
    assert!(reply.status.is_success(), "{}", reply.text());
    let operation = reply.json();
    let id = operation["name"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let state_path = format!("/credit/v1/operations/{id}");
    // Killed once some rows are in and others are not.
    let mut seen = 0;
    for _ in 0..4_000 {
        let state = office.get(&state_path).await.unwrap();
        seen = state["metadata"]["progress"]["accepted"].as_u64().unwrap_or(0);
        assert_ne!(state["done"], true, "the import ended before it could be killed; make the file longer");
        if seen > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(seen > 0, "no row came in");
    suite.kill_and_restart().await;

    let office = suite.office().await;
    let taken_up = office.get(&state_path).await.unwrap();
    let after = taken_up["metadata"]["progress"]["accepted"].as_u64().unwrap();
    assert!(after >= seen, "rows that were acknowledged are lost: {seen} before, {after} after");
    let ended = tokio::time::timeout(Duration::from_secs(120), office.wait("credit", &operation, |_| {}))
        .await
        .unwrap()
        .unwrap();
    let progress = &ended["metadata"]["progress"];
    assert_eq!(
        (&progress["rows"], &progress["accepted"], &progress["duplicates"]),
        (&json!(ROWS), &json!(ROWS), &json!(0)),
        "{ended}"
    );

    let again = office.import("kind=subjects&format=csv", file.into(), |_| {}).await.unwrap();
    let progress = &again["metadata"]["progress"];
    assert_eq!((&progress["accepted"], &progress["duplicates"]), (&json!(0), &json!(ROWS)), "{again}");
    let figures = office.get("/credit/v1/figures?exact=true").await.unwrap();
    assert_eq!(figures["subjects"], ROWS + 500);
}
