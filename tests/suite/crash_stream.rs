//! `kill -9` in the middle of a stream of records: what was acknowledged is there once, what was not is taken when it is sent again, and each
//! subject's records stand in the order sent.
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use chassis::{trial::Postgres, upstream::Upstream};
use contract::credit::v1::{
    self as api, feed_client::FeedClient, outcome::Status as Ended, records_client::RecordsClient,
};
use suites::{process::Suite, world};
use tonic::{Request, service::interceptor::InterceptedService};

const BATCHES: u32 = 60;
const ROWS: u32 = 400;
const SUBJECTS: u32 = 50;

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_survives_on_sqlite() {
    survives(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_survives_on_postgresql() {
    let postgres = Postgres::start();
    survives(&["--database", &postgres.url("crash_stream")]).await;
}

fn batches() -> Vec<api::StreamRecordsRequest> {
    let row = |batch: u32, row: u32| api::RecordInput {
        uscc: world::code((batch + row) % SUBJECTS + 1),
        item: String::from("administrative-penalty"),
        source_id: format!("虚罚{batch:03}-{row:03}"),
        occurred_on: String::from("2025-06-01"),
        severity: 1,
        ..Default::default()
    };
    let batch = |number: u32| api::StreamRecordsRequest {
        batch: number.to_string(),
        records: (0..ROWS).map(|place| row(number, place)).collect(),
    };
    (0..BATCHES).map(batch).collect()
}

type Signed<T> = InterceptedService<Upstream, T>;

async fn signed(
    suite: &Suite,
) -> Signed<impl FnMut(Request<()>) -> Result<Request<()>, tonic::Status> + Clone + use<>> {
    let office = suite.office().await;
    let bearer = format!("Bearer {}", office.token().unwrap());
    InterceptedService::new(Upstream::remote(&suite.base).unwrap(), move |mut request: Request<()>| {
        request.metadata_mut().insert("authorization", bearer.parse().unwrap());
        Ok(request)
    })
}

// The records of the feed, in its order.
async fn fed(suite: &Suite) -> Vec<api::Record> {
    let request = api::WatchRequest { until_caught_up: true, ..Default::default() };
    let mut changes = FeedClient::new(signed(suite).await).watch(request).await.unwrap().into_inner();
    let mut records = Vec::new();
    while let Some(change) = changes.message().await.unwrap() {
        records.extend(change.record);
    }
    records
}

async fn survives(flags: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let data: &Path = &folder.path().join("data");
    let mut suite = Suite::up(data, flags).await;
    suite
        .office()
        .await
        .post("/credit/v1/subjects:batchUpsert", world::subjects(1..SUBJECTS + 1))
        .await
        .unwrap();

    let mut acknowledged: Vec<api::StreamRecordsResponse> = Vec::new();
    let mut client = RecordsClient::new(signed(&suite).await);
    let mut answers = client.stream_records(futures::stream::iter(batches())).await.unwrap().into_inner();
    while acknowledged.len() < 5 {
        acknowledged.push(answers.message().await.unwrap().expect("the stream goes on"));
    }
    suite.kill_and_restart().await;
    while let Ok(Some(answer)) = answers.message().await {
        acknowledged.push(answer);
    }
    assert!(acknowledged.len() < BATCHES as usize, "the stream ended before it was killed; make it longer");

    let sent = (BATCHES * ROWS) as usize;
    let there: Vec<String> = fed(&suite).await.into_iter().map(|record| record.record).collect();
    let known: BTreeSet<&String> = there.iter().collect();
    assert!(known.len() < sent, "the kill came too late to lose anything");
    assert_eq!(known.len(), there.len(), "records stand twice in the feed");
    for outcome in acknowledged.iter().flat_map(|answer| &answer.outcomes) {
        assert_eq!(outcome.status(), Ended::Accepted);
        assert!(known.contains(&outcome.record), "an acknowledged record is lost");
    }

    let mut client = RecordsClient::new(signed(&suite).await);
    let mut answers = client.stream_records(futures::stream::iter(batches())).await.unwrap().into_inner();
    let (mut accepted, mut duplicates, mut place) = (0, 0, 0);
    while let Some(answer) = answers.message().await.unwrap() {
        assert_eq!(answer.rejected, 0);
        accepted += answer.accepted as usize;
        duplicates += answer.duplicates as usize;
        if let Some(before) = acknowledged.get(place) {
            let records = |answer: &api::StreamRecordsResponse| -> Vec<String> {
                answer.outcomes.iter().map(|outcome| outcome.record.clone()).collect()
            };
            assert_eq!(records(&answer), records(before));
            assert_eq!(answer.duplicates as u32, ROWS);
        }
        place += 1;
    }
    assert_eq!((place, accepted, duplicates), (BATCHES as usize, sent - known.len(), known.len()));

    let mut order: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for record in fed(&suite).await {
        order.entry(record.uscc).or_default().push(record.source_id);
    }
    let mut expected: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in batches().into_iter().flat_map(|batch| batch.records) {
        expected.entry(row.uscc).or_default().push(row.source_id);
    }
    assert_eq!(order, expected);
}
