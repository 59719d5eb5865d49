//! Long work is cancelled through the gateway: an import and a run end where they stand, and what they did stays.
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use suites::{process::Suite, world};

const ROWS: u32 = 40_000;

fn id(operation: &Value) -> String {
    operation["name"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_and_a_run_end_where_they_stand() {
    let folder = tempfile::tempdir().unwrap();
    let suite = Suite::up(&folder.path().join("data"), &[]).await;
    let office = suite.office().await;
    let path = "/credit/v1/imports?kind=subjects&format=csv";
    let file = world::register(1..ROWS + 1);
    let reply = office.send(Method::POST, path, "text/csv", file.clone().into(), &[]).await.unwrap();
    let import = id(&reply.json());
    let state = format!("/credit/v1/operations/{import}");
    for _ in 0..4_000 {
        let now = office.get(&state).await.unwrap();
        if now["metadata"]["progress"]["accepted"].as_u64().unwrap_or(0) > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let cancelled = office.in_chinese().post(&format!("{state}:cancel"), json!({})).await.unwrap();
    assert_eq!((&cancelled["done"], &cancelled["error"]["code"]), (&json!(true), &json!(1)), "{cancelled}");
    assert!(cancelled["error"]["message"].as_str().unwrap().contains("已由admin取消"), "{cancelled}");
    let accepted = cancelled["metadata"]["progress"]["accepted"].as_u64().unwrap();
    assert!(accepted > 0 && accepted < u64::from(ROWS), "{cancelled}");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(office.get(&state).await.unwrap(), cancelled, "it stays as it ended");
    let figures = office.get("/credit/v1/figures?exact=true").await.unwrap();
    assert_eq!(figures["subjects"].as_u64(), Some(accepted), "what was told is what is there");

    // The same file again takes in what is missing.
    let ended = office.import("kind=subjects&format=csv", file.into(), |_| {}).await.unwrap();
    let progress = &ended["metadata"]["progress"];
    assert_eq!(progress["duplicates"].as_u64(), Some(accepted), "{ended}");
    assert_eq!(progress["accepted"].as_u64(), Some(u64::from(ROWS) - accepted));

    office.post("/grading/v1/schemes", world::scheme("cancel", "PUBLIC")).await.unwrap();
    office.post("/grading/v1/schemes/cancel:publish", json!({})).await.unwrap();
    let run = office.post("/grading/v1/runs", json!({ "scheme": "cancel" })).await.unwrap();
    let path = format!("/grading/v1/operations/{}", id(&run));
    let cancelled = office.post(&format!("{path}:cancel"), json!({})).await.unwrap();
    assert_eq!((&cancelled["done"], &cancelled["error"]["code"]), (&json!(true), &json!(1)), "{cancelled}");
    let unknown =
        office.try_call(Method::POST, "/grading/v1/operations/none:cancel", &json!({})).await.unwrap();
    assert_eq!((unknown.status.as_u16(), unknown.reason().as_str()), (404, "NOT_FOUND"));
}
