//! A process killed in the middle of a file: the next one goes on at the next row.
use std::{
    process::{Command, Stdio},
    time::Duration,
};

use chassis::{access::Verifier, serve::Boot, settings::Settings, trial::Trial, upstream::Upstream};
use contract::credit::v1 as api;
use jiff::SignedDuration;
use prost::Message;

use crate::{
    workbooks::{row, text, workbook},
    world::{World, code},
};

const ROWS: u32 = 30_000;
const DRILL: &str = "CREDIT_DRILL_FOLDER";
const DATABASE: &str = "CREDIT_DRILL_DATABASE";

// Not a test of its own: what the killed process runs.
#[tokio::test]
#[ignore = "runs as the process that the other test kills"]
async fn a_process_to_be_killed() {
    let Some(folder) = std::env::var_os(DRILL) else { return };
    let database = std::env::var_os(DATABASE).unwrap_or_default().into_string().unwrap();
    let flags = serde_json::json!({ "data_dir": std::path::PathBuf::from(folder), "database": database });
    let boot = Boot::new(Settings::load(None, &flags).unwrap(), Verifier::new("", "", None), None).unwrap();
    let role = credit::open(&boot).await.unwrap();
    futures::future::join_all(role.background).await;
}

#[tokio::test]
async fn a_killed_process_leaves_no_row_lost_and_none_doubled() {
    let rows: String = (0..ROWS).map(|serial| format!("{},虚构{serial}号公司\n", code(serial))).collect();
    drill(format!("uscc,name\n{rows}").as_bytes()).await;
}

#[tokio::test]
async fn a_workbook_is_gone_on_with_as_well() {
    let row = |at: u32, code: &str, name: &str| row(at, &[&text("", code), &text("", name)]);
    let rows: String =
        (0..ROWS).map(|serial| row(serial + 2, &code(serial), &format!("虚构{serial}号公司"))).collect();
    drill(&workbook(&[("a", &(row(1, "uscc", "name") + &rows), "")])).await;
}

async fn drill(file: &[u8]) {
    let trial = Trial::at("");
    // Accepted here, but nobody works on it yet.
    let role = credit::open(&trial.boot).await.unwrap();
    let waiting = World { upstream: Upstream::local(role.router), trial };
    drop(role.background);
    let who = waiting.department("market-regulation");
    let operation = waiting.send(&who, "subjects", "", file).await.unwrap();
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "resume::a_process_to_be_killed", "--ignored"])
        .env(DRILL, waiting.trial.folder.path())
        .env(DATABASE, &waiting.trial.boot.settings.database)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut reached = 0;
    for _ in 0..6_000 {
        let metadata = waiting.poll(&who, &operation).await.metadata.unwrap();
        reached = api::ImportMetadata::decode(metadata.value.as_slice()).unwrap().progress.unwrap().rows;
        if reached > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(reached > 0 && reached < i32::try_from(ROWS).unwrap(), "killed at row {reached}");
    // The dead process's lease runs out.
    let clock = &waiting.trial.boot.clock;
    clock.set(clock.now() + SignedDuration::from_secs(30));
    let role = credit::open(&waiting.trial.boot).await.unwrap();
    let upstream = waiting.trial.run(role);
    let world = World { upstream, ..waiting };
    let done = world.finish(&who, &operation).await.unwrap();
    let all = i32::try_from(ROWS).unwrap();
    let expected = api::ImportProgress { rows: all, accepted: all, ..Default::default() };
    assert_eq!(done.progress, Some(expected));
    let mut changed: Vec<String> =
        world.changes(&world.office(), "").await.into_iter().map(|change| change.uscc).collect();
    changed.sort_unstable();
    let mut codes: Vec<String> = (0..ROWS).map(code).collect();
    codes.sort_unstable();
    assert!(changed == codes, "{} changes of {ROWS} subjects", changed.len());
    let again = world.import(&who, "subjects", "", file).await;
    let expected = api::ImportProgress { rows: all, duplicates: all, ..Default::default() };
    assert_eq!(again.progress, Some(expected));
}
