//! Runs shared by workers, taken over and cancelled; a history that does not depend on how changes were batched.
use std::{collections::BTreeMap, time::Duration};

use chassis::{storage::sql, trial::reason};
use contract::{
    google::longrunning::{Operation, operation},
    grading::v1 as api,
};
use prost::Message;
use sea_orm::{ConnectionTrait, QueryResult};
use tonic::Code;

use super::city::{City, code, record, scheme, subject};

const SUBJECTS: u32 = 8_000;

fn run() -> api::CreateRunRequest {
    api::CreateRunRequest { scheme: "s".to_owned(), ..Default::default() }
}

async fn populated() -> City {
    let city = City::at("2026-02-01T02:00:00Z").await;
    for first in (1..=SUBJECTS).step_by(4_000) {
        let subjects = (first..first + 4_000).map(|serial| subject(serial, &["D09"]));
        city.register(subjects.collect()).await;
    }
    let penalties = (1..=SUBJECTS).filter(|serial| serial.is_multiple_of(7));
    let penalties = penalties.map(|serial| record(serial, "penalty", &format!("P-{serial}"), "2026-01-01"));
    city.arrive(&city.submit(penalties.collect()).await.1).await;
    city
}

fn metadata(operation: &Operation) -> api::RunMetadata {
    api::RunMetadata::decode(operation.metadata.as_ref().unwrap().value.as_slice()).unwrap()
}

fn response(operation: &Operation) -> api::RunResponse {
    match operation.result.as_ref().unwrap() {
        operation::Result::Response(any) => api::RunResponse::decode(any.value.as_slice()).unwrap(),
        operation::Result::Error(error) => panic!("{error:?}"),
    }
}

async fn state(city: &City, id: &str) -> Operation {
    let request = api::GetOperationRequest { id: id.to_owned() };
    city.operations(city.office()).get_operation(request).await.unwrap().into_inner()
}

fn id(operation: &Operation) -> String {
    operation.name.strip_prefix("operations/").unwrap().to_owned()
}

fn spread() -> BTreeMap<String, i32> {
    [("A".to_owned(), 6_858), ("B".to_owned(), 1_142)].into()
}

// Publishing lets a run grade everybody; it is found by what the database knows of it.
async fn published(city: &City) {
    city.publish(scheme("s")).await;
}

async fn all_graded(city: &City) {
    for _ in 0..1_200 {
        if city.number("SELECT COUNT(*) FROM operations WHERE done = FALSE").await == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the run does not end");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_workers_and_the_death_of_one_change_nothing() {
    let mut seen = Vec::new();
    for others in [0_usize, 1, 4] {
        let mut city = populated().await;
        match (others, city.grading_store.is_sqlite()) {
            (0, _) => published(&city).await,
            // A SQLite file has one process: there the one is cut off and goes on.
            (_, true) => cut_off(&mut city).await,
            (_, false) => killed(&mut city, others).await,
        }
        all_graded(&city).await;
        let grades = "SELECT COUNT(*) FROM grades";
        let history = "SELECT COUNT(*) FROM grade_history";
        assert_eq!((city.number(grades).await, city.number(history).await), (8_000, 8_000), "{others}");
        let evaluated = city.number("SELECT SUM(evaluated) FROM run_shards").await;
        assert_eq!(evaluated, 8_000, "{others}");
        let again = city.run(run()).await.unwrap();
        assert_eq!((again.evaluated, again.changed, again.distribution), (8_000, 0, spread()), "{others}");
        let request = api::ExportGradesRequest { scheme: "s".to_owned(), ..Default::default() };
        let export = city.export(request).await;
        seen.push(export.into_iter().map(|line| (line.uscc, line.grade, line.score)).collect::<Vec<_>>());
    }
    assert!(seen.iter().all(|export| *export == seen[0]));
}

// A process that divides a run and holds parts of it dies, before others that have come meanwhile. What it holds is sure, since nobody
// writes a grade while the test holds the sheets.
async fn killed(city: &mut City, others: usize) {
    city.stop();
    let sheets = city.grading_store.begin().await.unwrap();
    sheets.execute_raw(sql(&sheets, "SELECT pg_advisory_xact_lock(640302)", [])).await.unwrap();
    let victim = city.hire().await;
    published(city).await;
    let held = "SELECT shard, lease_owner FROM run_shards WHERE done = FALSE AND lease_owner <> ''";
    let mut holding = BTreeMap::new();
    for _ in 0..2_000 {
        holding = owners(city, held).await;
        if !holding.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(!holding.is_empty(), "nobody takes up the run");
    for _ in 0..others {
        city.hire().await;
    }
    victim.kill();
    drop(sheets);
    all_graded(city).await;
    let ended = owners(city, "SELECT shard, lease_owner FROM run_shards WHERE done = TRUE").await;
    assert_eq!(ended.len(), 8);
    for (shard, victim) in holding {
        assert_ne!(ended[&shard], victim, "part {shard} was ended by who was killed");
    }
}

async fn owners(city: &City, text: &str) -> BTreeMap<i32, String> {
    let db = city.grading_store.read();
    let rows = db.query_all_raw(sql(db, text, [])).await.unwrap();
    let pair = |row: &QueryResult| (row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap());
    rows.iter().map(pair).collect()
}

// The one connection that writes is given in the order in which it is asked for: no two parts end between two looks.
async fn cut_off(city: &mut City) {
    published(city).await;
    loop {
        let tx = city.grading_store.begin().await.unwrap();
        let ended = "SELECT COUNT(*) FROM run_shards WHERE done = TRUE";
        let ended: i64 =
            tx.query_one_raw(sql(&tx, ended, [])).await.unwrap().unwrap().try_get_by_index(0).unwrap();
        if ended > 0 {
            assert!(ended < 8, "the run ended before it could be cut off");
            city.stop();
            break;
        }
    }
    city.restart().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_ends_at_once_and_what_it_did_stays() {
    let city = populated().await;
    published(&city).await;
    all_graded(&city).await;
    let mut client = city.operations(city.transport());
    let started = city.runs(city.transport()).create_run(run()).await.unwrap().into_inner();
    let request = |id: &str| api::CancelOperationRequest { id: id.to_owned(), ..Default::default() };
    let cancelled = client.cancel_operation(request(&id(&started))).await.unwrap().into_inner();
    assert!(cancelled.done);
    let Some(operation::Result::Error(error)) = &cancelled.result else { panic!("{cancelled:?}") };
    assert_eq!(error.code, Code::Cancelled as i32);
    assert!(error.message.contains("transport-client"), "{}", error.message);
    let done = metadata(&cancelled).progress.unwrap().evaluated;
    assert!(done < 8_000, "it ended before it could be cancelled");
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(state(&city, &id(&started)).await, cancelled, "nothing of it takes effect any more");
    assert_eq!(client.cancel_operation(request(&id(&started))).await.unwrap().into_inner(), cancelled);

    // The scheme is free for the next run.
    let next = city.runs(city.transport()).create_run(run()).await.unwrap().into_inner();
    let ended = city.finish(&next).await;
    assert_eq!(response(&ended).evaluated, 8_000);
    let progress = metadata(&ended).progress.unwrap();
    assert_eq!(
        (progress.total, progress.evaluated, progress.shards, progress.shards_done),
        (8_000, 8_000, 8, 8)
    );
    assert!(progress.per_second > 0);
    assert_eq!(progress.remaining_seconds, 0);
    assert_eq!(
        client.cancel_operation(request(&id(&next))).await.unwrap().into_inner(),
        ended,
        "what has ended stays as it ended"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_may_see_work_may_cancel_it() {
    let city = City::at("2026-02-01T02:00:00Z").await;
    published(&city).await;
    let started = city.runs(city.transport()).create_run(run()).await.unwrap().into_inner();
    let request = |id: &str| api::CancelOperationRequest { id: id.to_owned(), ..Default::default() };
    let other = city.trial.token("taxation", super::city::ALL);
    let refused = city.operations(other).cancel_operation(request(&id(&started))).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::NotFound, "NOT_FOUND"));
    let reader = city.trial.token("transport", "grading.read");
    let refused = city.operations(reader).cancel_operation(request(&id(&started))).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::PermissionDenied, "SCOPE_MISSING"));
    let mut client = city.operations(city.transport());
    let none = client.cancel_operation(request("none")).await.unwrap_err();
    assert_eq!(none.code(), Code::NotFound);
    let nameless = client.cancel_operation(request("")).await.unwrap_err();
    assert_eq!(super::city::wrong_fields(&nameless)[0].0, "id");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_a_drill_moves_makes_no_lease_run_out() {
    let city = populated().await;
    let hired =
        if city.grading_store.is_sqlite() { Vec::new() } else { vec![city.hire().await, city.hire().await] };
    published(&city).await;
    for _ in 0..20 {
        for day in ["2026-02-01T02:00:00Z", "2031-02-01T02:00:00Z"] {
            city.set_clock(day);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    city.set_clock("2026-02-01T02:00:00Z");
    all_graded(&city).await;
    assert_eq!(city.number("SELECT SUM(evaluated) FROM run_shards").await, 8_000);
    // Whom no day changes is graded once, whatever the clock said.
    assert_eq!(city.history(&code(1), "s").await.len(), 1);
    assert_eq!(city.number("SELECT COUNT(*) FROM grades").await, 8_000);
    drop(hired);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_tells_each_change_however_they_came() {
    let city = City::at("2026-02-01T02:00:00Z").await;
    published(&city).await;
    city.arrive(&city.register(vec![subject(1, &["D09"]), subject(2, &["D09"])]).await).await;
    let penalty = |serial: u32, n: u32| record(serial, "penalty", &format!("P-{serial}-{n}"), "2026-01-01");
    // One after the other, and all in one batch.
    for n in 0..3 {
        city.arrive(&city.submit(vec![penalty(1, n)]).await.1).await;
    }
    city.arrive(&city.submit((0..3).map(|n| penalty(2, n)).collect()).await.1).await;
    let told = async |serial: u32| -> Vec<(String, Option<f64>)> {
        let changes = city.history(&code(serial), "s").await;
        changes.into_iter().map(|change| (change.grade, change.score)).collect()
    };
    let expected = [("C", 60.0), ("C", 70.0), ("B", 85.0), ("A", 100.0)];
    assert_eq!(told(1).await, expected.map(|(grade, score)| (grade.to_owned(), Some(score))));
    assert_eq!(told(1).await, told(2).await);
}
