//! `kill -9` while clients look at profiles: each look that was answered is in the access log after the restart, once, and counted once.
use std::time::Duration;

use chassis::trial::Postgres;
use suites::{process::Suite, world};

const SUBJECTS: u32 = 20;
const CLIENTS: u32 = 6;
const KILLS: u32 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn looks_survive_on_sqlite() {
    survive(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn looks_survive_on_postgresql() {
    let postgres = Postgres::start();
    survive(&["--database", &postgres.url("crash_looks")]).await;
}

async fn survive(flags: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let mut suite = Suite::up(&folder.path().join("data"), flags).await;
    let subjects = world::subjects(1..SUBJECTS + 1);
    suite.office().await.post("/credit/v1/subjects:batchUpsert", subjects).await.unwrap();
    // Of all lives: how many looks were answered, and how many asked for.
    let (mut answered, mut asked) = (0, 0);
    for _ in 0..KILLS {
        let office = suite.office().await;
        let looking = (0..CLIENTS).map(|client| {
            let office = office.clone();
            tokio::spawn(async move {
                for turn in 0.. {
                    let code = world::code((client + turn) % SUBJECTS + 1);
                    let path = format!("/credit/v1/subjects/{code}/profile?purpose=inspection");
                    if office.get(&path).await.is_err() {
                        return turn;
                    }
                }
                0
            })
        });
        let looking: Vec<_> = looking.collect();
        // Longer than lines lie beside the database, and not a whole number of such times.
        tokio::time::sleep(Duration::from_millis(650)).await;
        suite.kill_and_restart().await;
        for client in looking {
            let looks = client.await.unwrap();
            assert!(looks > 0, "a client was never answered");
            answered += looks;
            asked += looks + 1;
        }
    }
    let office = suite.office().await;
    let mut logged = 0;
    for serial in 1..=SUBJECTS {
        let path =
            format!("/credit/v1/subjects/{}/accesses?purpose=audit&pageSize=1000", world::code(serial));
        let mut page = String::new();
        loop {
            let log = office.get(&format!("{path}&pageToken={page}")).await.unwrap();
            let lines = log["accesses"].as_array().unwrap();
            logged += lines.iter().filter(|line| line["what"] == "profile").count() as u32;
            page = log["nextPageToken"].as_str().unwrap_or_default().to_owned();
            if page.is_empty() {
                break;
            }
        }
    }
    assert!(
        (answered..=asked).contains(&logged),
        "{answered} were answered, {asked} asked, {logged} are in the log"
    );
    let usage = office.get("/credit/v1/usage").await.unwrap();
    let counted = usage["rows"].as_array().unwrap().iter().map(|row| {
        let profiles = &row["profiles"];
        profiles.as_str().map_or_else(|| profiles.as_u64().unwrap_or(0), |text| text.parse().unwrap())
    });
    assert_eq!(counted.sum::<u64>(), u64::from(logged), "{usage}");
}
