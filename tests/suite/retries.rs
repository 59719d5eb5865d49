//! A service that is killed and comes back, behind the gateway: who reads sees nothing of it, who writes under a key neither, and a write
//! without one is told at once.
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use suites::{
    roles::{Roles, secret},
    world,
};
use xinheng::client::Client;

const READERS: u32 = 4;

// Reads until it is enough; how many reads there were, the longest among them, and those that failed.
async fn reader(client: Client, serial: u32, enough: Arc<AtomicBool>) -> (u32, Duration, Vec<String>) {
    let (mut reads, mut longest, mut failed) = (0, Duration::ZERO, Vec::new());
    while !enough.load(Ordering::Relaxed) {
        let begun = Instant::now();
        // By GET, and by a POST that the contract says changes nothing.
        let reply = if reads % 2 == 0 {
            client.try_get(&format!("/credit/v1/subjects/{}", world::code(serial))).await.unwrap()
        } else {
            let names = json!({ "names": [format!("虚构第{serial}有限公司")] });
            client.try_call(Method::POST, "/credit/v1/subjects:match", &names).await.unwrap()
        };
        if reply.status != StatusCode::OK {
            failed.push(format!("{} after {:?}: {}", reply.status, begun.elapsed(), reply.text()));
        }
        longest = longest.max(begun.elapsed());
        reads += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (reads, longest, failed)
}

fn penalty(source: &str) -> Value {
    json!({ "records": [{
        "uscc": world::code(1), "item": "administrative-penalty", "severity": 2, "sourceId": source,
        "occurredOn": "2026-01-15", "amount": "20000", "fields": { "penaltyType": "罚款" },
    }] })
}

async fn write(client: &Client, source: &str, key: Option<&str>) -> (StatusCode, String, Duration) {
    let begun = Instant::now();
    let keyed = key.map(|key| ("idempotency-key", key));
    let body = Bytes::from(penalty(source).to_string());
    let reply = client
        .send(Method::POST, "/credit/v1/records:submit", "application/json", body, keyed.as_slice())
        .await
        .unwrap();
    (reply.status, reply.reason(), begun.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_do_not_see_a_service_that_comes_back() {
    let mut roles = Roles::start("http", |_, _| Vec::new()).await;
    let office = Client::new(roles.url("gateway")).sign_in("admin", &secret("admin")).await.unwrap();
    office.post("/credit/v1/subjects:batchUpsert", world::subjects(1..READERS + 1)).await.unwrap();
    assert_eq!(write(&office, "虚罚-0", None).await.0, StatusCode::OK, "all are there");

    let enough = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> =
        (0..READERS).map(|number| tokio::spawn(reader(office.clone(), number + 1, enough.clone()))).collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let down = Instant::now();
    roles.kill("credit");
    // While nobody is there.
    let (status, reason, took) = write(&office, "虚罚-1", None).await;
    assert_eq!((status, reason.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "UPSTREAM_UNAVAILABLE"));
    assert!(took < Duration::from_secs(1), "told at once: {took:?}");
    let keyed = {
        let office = office.clone();
        tokio::spawn(async move { write(&office, "虚罚-2", Some("key-2")).await })
    };
    roles.begin("credit").await;
    let down = down.elapsed();
    let (status, reason, _) = keyed.await.unwrap();
    assert_eq!(status, StatusCode::OK, "the key makes it safe: {reason}");
    tokio::time::sleep(Duration::from_millis(500)).await;
    enough.store(true, Ordering::Relaxed);
    let (mut reads, mut longest) = (0, Duration::ZERO);
    for reader in readers {
        let (count, slowest, failed) = reader.await.unwrap();
        assert!(failed.is_empty(), "credit was away for {down:?}: {failed:?}");
        reads += count;
        longest = longest.max(slowest);
    }
    println!("credit was away for {down:?}: {reads} reads, the longest {longest:?}");
    assert!(reads >= 2 * READERS && longest > Duration::from_millis(50), "{reads} reads, {longest:?}");

    // What was sent without a key is not there, what had one is there once.
    let path = format!("/credit/v1/subjects/{}/records?purpose=check", world::code(1));
    let records = office.get(&path).await.unwrap();
    let mut sources: Vec<&str> =
        records["records"].as_array().unwrap().iter().map(|one| one["sourceId"].as_str().unwrap()).collect();
    sources.sort_unstable();
    assert_eq!(sources, ["虚罚-0", "虚罚-2"], "{records}");
    let figures = Client::new(roles.admin("gateway")).try_get("/metrics").await.unwrap().text();
    let figure = |outcome: &str| {
        let name = format!("xinheng_gateway_retries_total{{outcome=\"{outcome}\"}} ");
        figures.lines().find_map(|line| line.strip_prefix(&name)?.parse::<u32>().ok()).unwrap_or_default()
    };
    assert!(figure("again") >= figure("answered") && figure("answered") >= 1, "{figures}");
}
