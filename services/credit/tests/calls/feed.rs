//! The feed: in order, from a cursor, as it happens, and without what a follower may not see.
use std::time::Duration;

use chassis::trial::reason;
use contract::credit::v1::{self as api, catalogue_item::Nature, change::Kind};
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
    let request =
        api::WatchRequest { cursor: all[2].position.clone(), until_caught_up: false, ..Default::default() };
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
    assert_eq!(world.changes(&world.office(), "").await.len(), 1);
    assert_eq!(world.changes(&world.service(), "").await.len(), 2);
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

#[tokio::test]
async fn a_follower_of_items_and_a_region_gets_those_and_its_cursor_goes_on() {
    let world = World::open(MORNING).await;
    let registrar = world.department("market-regulation");
    let placed =
        |serial: u32, region: &str| api::SubjectInput { region: region.to_owned(), ..subject(serial) };
    let subjects = vec![placed(1, "640302"), placed(2, "640303"), placed(3, "640302105"), placed(4, "")];
    let request = api::BatchUpsertSubjectsRequest { subjects, ..Default::default() };
    world.subjects(&registrar).batch_upsert_subjects(request).await.unwrap();
    let who = world.department("transport");
    let honour = |serial, source: &str| api::RecordInput {
        item: String::from("honour"),
        fields: None,
        ..penalty(serial, source)
    };
    world.submit(&who, vec![penalty(1, "P-1"), penalty(2, "P-2"), honour(3, "H-3"), penalty(3, "P-3")]).await;
    let sources = |changes: &[api::Change]| {
        let of = |change: &api::Change| change.record.as_ref().map(|record| record.source_id.clone());
        changes.iter().filter_map(of).collect::<Vec<_>>()
    };
    let kinds = |changes: &[api::Change]| changes.iter().map(api::Change::kind).collect::<Vec<_>>();
    let of_item = |item: &str| api::WatchRequest { items: vec![item.to_owned()], ..Default::default() };
    let of_region = |region: &str| api::WatchRequest { region: region.to_owned(), ..Default::default() };

    let all = world.changes(&who, "").await;
    assert_eq!(all.len(), 8);
    let changes = world.changes_of(&who, of_item("honour")).await;
    assert_eq!(kinds(&changes), [Kind::RecordAccepted, Kind::Progress]);
    assert_eq!((sources(&changes), &changes[1].position), (vec![String::from("H-3")], &all[7].position));
    // The last change is one that was asked for, so that there is nothing to add.
    let changes = world.changes_of(&who, of_item("administrative-penalty")).await;
    assert_eq!(sources(&changes), ["P-1", "P-2", "P-3"]);
    assert_eq!(changes.len(), 3);
    for (region, expected) in [
        ("640302", &["P-1", "H-3", "P-3"][..]),
        ("640302105", &["H-3", "P-3"]),
        ("640303", &["P-2"]),
        ("640300", &["P-1", "P-2", "H-3", "P-3"]),
        ("64", &["P-1", "P-2", "H-3", "P-3"]),
        ("640399", &[]),
    ] {
        let changes = world.changes_of(&who, of_region(region)).await;
        assert_eq!(sources(&changes), expected, "{region}");
        let registered = changes.iter().filter(|change| change.subject.is_some());
        assert!(registered.clone().all(|change| change.record.is_none()));
        assert_eq!(changes.last().map(|change| &change.position), Some(&all[7].position), "{region}");
    }
    let both = api::WatchRequest { region: String::from("640302"), ..of_item("administrative-penalty") };
    assert_eq!(sources(&world.changes_of(&who, both.clone()).await), ["P-1", "P-3"]);
    // A subject that has moved is followed where it is now.
    let moved = api::BatchUpsertSubjectsRequest { subjects: vec![placed(1, "640303")], ..Default::default() };
    world.subjects(&registrar).batch_upsert_subjects(moved).await.unwrap();
    assert_eq!(sources(&world.changes_of(&who, both).await), ["P-3"]);

    let unknown = world.feed(&who).watch(of_item("nothing")).await.unwrap_err();
    assert_eq!(reason(&unknown), "ITEM_UNKNOWN");
    let nowhere = world.feed(&who).watch(of_region("64x")).await.unwrap_err();
    assert_eq!(reason(&nowhere), "FIELD_INVALID");
}

#[tokio::test]
async fn a_follower_of_what_is_rare_need_not_look_through_all_again() {
    let world = World::open(MORNING).await;
    world.register(1..2).await;
    let who = world.department("transport");
    let rows: Vec<_> = (0..2_500).map(|n| penalty(1, &format!("P-{n}"))).collect();
    let newest = world.submit(&who, rows).await.position;
    let watch = |cursor: &str, caught_up| api::WatchRequest {
        cursor: cursor.to_owned(),
        until_caught_up: caught_up,
        items: vec![String::from("honour")],
        ..Default::default()
    };
    let changes = world.changes_of(&who, watch("", true)).await;
    assert!(changes.iter().all(|change| change.kind() == Kind::Progress && change.record.is_none()));
    assert_eq!(changes.len(), 3, "one each thousand, and one at the end");
    assert_eq!(changes[2].position, newest);
    assert!(world.changes_of(&who, watch(&newest, true)).await.is_empty());
    // While it waits it is told as well, after a second at the latest.
    let mut live = world.feed(&who).watch(watch(&newest, false)).await.unwrap().into_inner();
    let mut told = newest.clone();
    for n in 0..100 {
        world.submit(&who, vec![penalty(1, &format!("Q-{n}"))]).await;
        let heard = tokio::time::timeout(Duration::from_millis(100), live.message()).await;
        if let Ok(heard) = heard {
            let heard = heard.unwrap().unwrap();
            assert_eq!(heard.kind(), Kind::Progress);
            told = heard.position;
            break;
        }
    }
    assert_ne!(told, newest);
    let honour = api::RecordInput { item: String::from("honour"), fields: None, ..penalty(1, "H-1") };
    world.submit(&who, vec![honour]).await;
    let heard = tokio::time::timeout(Duration::from_secs(5), live.message()).await.unwrap().unwrap().unwrap();
    assert_eq!(heard.record.map(|record| record.source_id), Some(String::from("H-1")));
    let rest = world.changes_of(&who, watch(&told, true)).await;
    assert_eq!(rest.len(), 1, "taken up again it begins where it was told");
}
