//! The streaming intake: acknowledged in order, once, no faster than it is written.
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use chassis::trial::{Bearer, reason};
use contract::credit::v1 as api;
use futures::{Stream, StreamExt, stream};
use tonic::{Code, Status};

use crate::world::{MORNING, World, code, ends, penalty};

fn batch(name: &str, records: Vec<api::RecordInput>) -> api::StreamRecordsRequest {
    api::StreamRecordsRequest { batch: name.to_owned(), records }
}

impl World {
    async fn stream_to_end(
        &self,
        who: &Bearer,
        batches: impl Stream<Item = api::StreamRecordsRequest> + Send + 'static,
    ) -> (Vec<api::StreamRecordsResponse>, Option<Status>) {
        let mut answers = Vec::new();
        let mut stream = match self.records(who).stream_records(batches).await {
            Ok(stream) => stream.into_inner(),
            Err(status) => return (answers, Some(status)),
        };
        loop {
            match stream.message().await {
                Ok(Some(answer)) => answers.push(answer),
                Ok(None) => return (answers, None),
                Err(status) => return (answers, Some(status)),
            }
        }
    }
}

#[tokio::test]
async fn each_batch_is_acknowledged_in_order_and_each_subject_keeps_its_own() {
    let world = World::open(MORNING).await;
    world.register(1..9).await;
    let who = world.department("transport");
    // Eight subjects, each with its facts in rising order across batches.
    let batches: Vec<_> = (0..6)
        .map(|turn| {
            let rows = (0..40).map(|row| penalty(1 + row % 8, &format!("P-{turn}-{row}")));
            batch(&format!("b{turn}"), rows.chain([penalty(99, "P-x")]).collect())
        })
        .collect();
    let (answers, end) = world.stream_to_end(&who, stream::iter(batches.clone())).await;
    assert!(end.is_none(), "{end:?}");
    let names: Vec<&str> = answers.iter().map(|answer| answer.batch.as_str()).collect();
    assert_eq!(names, ["b0", "b1", "b2", "b3", "b4", "b5"]);
    for answer in &answers {
        assert_eq!((answer.accepted, answer.duplicates, answer.rejected), (40, 0, 1));
        let ends = ends(&answer.outcomes);
        assert!(ends[..40].iter().all(|end| end == "ACCEPTED"), "{ends:?}");
        assert_eq!(ends[40], "SUBJECT_UNKNOWN");
    }
    let mut order: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for record in world.changes(&who, "").await.into_iter().filter_map(|change| change.record) {
        order.entry(record.uscc).or_default().push(record.source_id);
    }
    for serial in 1..9_u32 {
        let sent = batches.iter().flat_map(|batch| &batch.records).filter(|row| row.uscc == code(serial));
        let sent: Vec<String> = sent.map(|row| row.source_id.clone()).collect();
        assert_eq!(order[&code(serial)], sent);
    }
    // What was acknowledged is in the feed up to the acknowledged position; sent again, nothing is doubled.
    assert!(world.changes(&who, &answers[5].position).await.is_empty());
    let (again, end) = world.stream_to_end(&who, stream::iter(batches)).await;
    assert!(end.is_none(), "{end:?}");
    assert!(again.iter().all(|answer| (answer.accepted, answer.duplicates) == (0, 40)));
    assert_eq!(again[0].outcomes[0].record, answers[0].outcomes[0].record);
    assert_eq!(again[0].position, answers[5].position);
}

#[tokio::test]
async fn a_batch_that_cannot_be_taken_ends_the_stream_and_keeps_what_was_acknowledged() {
    let world = World::open(MORNING).await;
    world.register(1..3).await;
    let who = world.department("transport");
    let too_many = (0..5_001).map(|row| penalty(1, &format!("M-{row}"))).collect();
    for (bad, code) in [(Vec::new(), Code::InvalidArgument), (too_many, Code::InvalidArgument)] {
        let batches = vec![batch("good", vec![penalty(1, "P-1")]), batch("bad", bad), batch("later", vec![])];
        let (answers, end) = world.stream_to_end(&who, stream::iter(batches)).await;
        assert_eq!(answers.len(), 1);
        assert_eq!(answers[0].accepted + answers[0].duplicates, 1);
        let end = end.unwrap();
        assert_eq!((end.code(), reason(&end).as_str()), (code, "FIELD_INVALID"));
    }
    let (answers, end) = world.stream_to_end(&who, stream::iter(Vec::new())).await;
    assert!(answers.is_empty() && end.is_none());
    let reader = world.trial.token("transport", "credit.read");
    let (_, end) =
        world.stream_to_end(&reader, stream::iter(vec![batch("b", vec![penalty(1, "P-2")])])).await;
    assert_eq!(end.unwrap().code(), Code::PermissionDenied);
    let own = world.enterprise(&code(1));
    let (_, end) = world.stream_to_end(&own, stream::iter(vec![batch("b", vec![penalty(1, "P-2")])])).await;
    assert_eq!(end.unwrap().code(), Code::PermissionDenied);
}

#[tokio::test]
async fn streams_beside_each_other_take_every_number_once() {
    let world = World::open(MORNING).await;
    world.register(1..51).await;
    let who = world.department("transport");
    // The same numbers in opposite orders, for the same subjects.
    let there: Vec<u32> = (0..2_000).collect();
    let back: Vec<u32> = there.iter().rev().copied().collect();
    let send = |numbers: Vec<u32>| {
        let rows: Vec<_> =
            numbers.into_iter().map(|number| penalty(1 + number % 50, &format!("P-{number}"))).collect();
        let batches: Vec<_> = rows.chunks(250).map(|rows| batch("b", rows.to_vec())).collect();
        world.stream_to_end(&who, stream::iter(batches))
    };
    let (first, second) = tokio::join!(send(there), send(back));
    let mut taken = BTreeSet::new();
    for (answers, end) in [&first, &second] {
        assert!(end.is_none(), "{end:?}");
        assert_eq!(answers.iter().map(|answer| answer.accepted + answer.duplicates).sum::<i32>(), 2_000);
        taken
            .extend(answers.iter().flat_map(|answer| &answer.outcomes).map(|outcome| outcome.record.clone()));
    }
    let accepted = first.0.iter().chain(&second.0).map(|answer| answer.accepted).sum::<i32>();
    assert_eq!((accepted, taken.len()), (2_000, 2_000));
    let records = world.changes(&who, "").await.into_iter().filter_map(|change| change.record);
    let numbers: Vec<String> = records.map(|record| record.source_id).collect();
    assert_eq!((numbers.len(), numbers.into_iter().collect::<BTreeSet<_>>().len()), (2_000, 2_000));
}

#[tokio::test]
async fn a_sender_that_reads_no_acknowledgement_is_held_back() {
    let world = World::open(MORNING).await;
    world.register(1..2).await;
    let who = world.department("transport");
    let pulled = Arc::new(AtomicUsize::new(0));
    let counter = pulled.clone();
    let batches = stream::iter(0..200).map(move |turn| {
        counter.fetch_add(1, Ordering::Relaxed);
        batch(&turn.to_string(), (0..10).map(|row| penalty(1, &format!("P-{turn}-{row}"))).collect())
    });
    let mut answers = world.records(&who).stream_records(batches).await.unwrap().into_inner();
    let mut before = usize::MAX;
    while pulled.load(Ordering::Relaxed) != before {
        before = pulled.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert!(before < 100, "{before} batches were read before one acknowledgement was");
    let mut acknowledged = 0;
    while let Some(answer) = answers.message().await.unwrap() {
        assert_eq!((answer.batch.as_str(), answer.accepted), (acknowledged.to_string().as_str(), 10));
        acknowledged += 1;
    }
    assert_eq!(acknowledged, 200);
}
