//! The feed: in order, from a cursor, as it happens, and without what a follower may not see.
use std::time::Duration;

use chassis::trial::reason;
use contract::credit::v1::{self as api, catalogue_item::Nature};
use tonic::Code;

use crate::world::{MORNING, World, code, penalty, subject};

#[tokio::test]
async fn a_follower_goes_on_from_its_cursor_and_hears_what_happens() {
    let world = World::open(MORNING).await;
    world.register(1..4).await;
    let who = world.department("transport");
    let all = world.changes(&who, "").await;
    assert_eq!(all.len(), 3);
    let rest = world.changes(&who, &all[0].position).await;
    assert_eq!(rest, all[1..]);
    let request = api::WatchRequest { cursor: all[2].position.clone(), until_caught_up: false, ..Default::default() };
    let mut live = world.feed(&who).watch(request).await.unwrap().into_inner();
    let sent = world.submit(&who, vec![penalty(2, "P-1")]).await;
    let heard = tokio::time::timeout(Duration::from_secs(5), live.message()).await.unwrap().unwrap().unwrap();
    assert_eq!((heard.position, heard.uscc), (sent.position, code(2)));
    assert_eq!(heard.record.map(|record| record.record), Some(sent.outcomes[0].record.clone()));
    let bad = api::WatchRequest { cursor: String::from("x"), until_caught_up: true, ..Default::default() };
    assert_eq!(reason(&world.feed(&who).watch(bad).await.unwrap_err()), "CURSOR_INVALID");
    let own = world.enterprise(&code(1));
    let denied = world.feed(&own).watch(api::WatchRequest::default()).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn what_needs_a_grant_leaves_the_feed_of_departments() {
    let world = World::open(MORNING).await;
    world.register(1..2).await;
    let who = world.department("transport");
    world.submit(&who, vec![penalty(1, "P-1")]).await;
    let get = api::GetItemRequest { item: String::from("administrative-penalty"), ..Default::default() };
    let mut item = world.items(&who).get_item(get).await.unwrap().into_inner();
    item.nature = Nature::Authorized.into();
    let put = api::PutItemRequest { catalogue_item: Some(item), ..Default::default() };
    world.items(&world.office()).put_item(put).await.unwrap();
    assert_eq!(world.changes(&who, "").await.len(), 1);
    assert_eq!(world.changes(&world.office(), "").await.len(), 2);
}

#[tokio::test]
async fn concurrent_batches_leave_no_gap_and_end_as_the_feed_says() {
    let world = World::open(MORNING).await;
    let batches = (0..8_u32).map(|batch| {
        let (world, who) = (&world, world.department(&format!("department-{batch}")));
        async move {
            let rows = |round: u32| {
                let row = move |serial| api::SubjectInput {
                    name: format!("虚构{batch}之{round}公司"),
                    ..subject(serial)
                };
                (0..20).map(row).collect()
            };
            for round in 0..5 {
                // A caller that is told of another's change sends its batch again.
                loop {
                    let request =
                        api::BatchUpsertSubjectsRequest { subjects: rows(round), ..Default::default() };
                    match world.subjects(&who).batch_upsert_subjects(request).await {
                        Ok(_) => break,
                        Err(status) => assert_eq!(status.code(), Code::Aborted, "{status:?}"),
                    }
                }
            }
        }
    });
    futures::future::join_all(batches).await;
    let changes = world.changes(&world.office(), "").await;
    assert_eq!(changes.len(), 8 * 5 * 20);
    for serial in 0..20 {
        let last = changes
            .iter()
            .rfind(|change| change.uscc == code(serial))
            .and_then(|change| change.subject.clone());
        let get = api::GetSubjectRequest { uscc: code(serial), ..Default::default() };
        let kept = world.subjects(&world.office()).get_subject(get).await.unwrap().into_inner();
        assert_eq!(last.map(|subject| subject.name), Some(kept.name));
    }
}
