//! Usage: what departments send and look at, counted where it happens.
use std::time::Duration;

use chassis::trial::{Bearer, reason};
use contract::credit::v1 as api;
use futures::stream;
use tonic::Code;

use crate::world::{MORNING, World, code, penalty};

const PENALTY: &str = "administrative-penalty";

async fn rows(world: &World, who: &Bearer, request: api::ListUsageRequest) -> Vec<api::UsageRow> {
    world.usage(who).list_usage(request).await.unwrap().into_inner().rows
}

// What stands under an item of a department: taken in, known, refused.
fn sent(rows: &[api::UsageRow], department: &str, item: &str) -> Option<[i64; 3]> {
    let row = rows.iter().find(|row| row.department == department && row.item == item)?;
    Some([row.accepted, row.duplicates, row.rejected])
}

#[tokio::test]
async fn rows_are_counted_by_item_whichever_way_they_come() {
    let world = World::open(MORNING).await;
    world.register(1..4).await;
    let transport = world.department("transport");
    let all = api::ListUsageRequest::default;
    assert_eq!(sent(&rows(&world, &transport, all()).await, "transport", PENALTY), None);
    let batch = vec![
        penalty(1, "P-1"),
        penalty(1, "P-1"),
        penalty(9, "P-2"),
        api::RecordInput { item: String::from("honour"), fields: None, ..penalty(1, "H-1") },
        api::RecordInput { item: String::from("nothing-of-ours"), ..penalty(1, "N-1") },
        api::RecordInput { uscc: String::from("1"), item: String::from("nor-this"), ..penalty(1, "N-2") },
    ];
    let once = api::SubmitRecordsRequest { records: batch, request_id: String::from("once") };
    for _ in 0..2 {
        world.records(&transport).submit_records(once.clone()).await.unwrap();
    }
    let counted = rows(&world, &transport, all()).await;
    assert_eq!(sent(&counted, "transport", PENALTY), Some([1, 1, 1]), "{counted:?}");
    assert_eq!(counted.iter().filter(|row| row.department == "transport").count(), 3, "{counted:?}");
    // What is not in the catalogue is counted, under no name of its own.
    assert_eq!(sent(&counted, "transport", ""), Some([0, 0, 2]));

    let batch = |name: &str, first: u32| api::StreamRecordsRequest {
        batch: name.to_owned(),
        records: (first..first + 30).map(|n| penalty(1 + n % 4, &format!("S-{n}"))).collect(),
    };
    let batches = stream::iter([batch("a", 0), batch("b", 30), batch("a again", 0)]);
    let mut answers = world.records(&transport).stream_records(batches).await.unwrap().into_inner();
    let mut told = [0, 0, 0];
    while let Some(answer) = answers.message().await.unwrap() {
        told[0] += i64::from(answer.accepted);
        told[1] += i64::from(answer.duplicates);
        told[2] += i64::from(answer.rejected);
    }
    // Serial 4 is not registered.
    assert!(told[0] >= 44 && told[1] >= 22 && told[2] >= 21 && told.iter().sum::<i64>() == 90, "{told:?}");
    let counted = rows(&world, &transport, all()).await;
    assert_eq!(sent(&counted, "transport", PENALTY), Some([1 + told[0], 1 + told[1], 1 + told[2]]));

    let file = format!(
        "uscc,sourceId,occurredOn,penaltyType\n{0},F-1,2026-01-15,罚款\n{0},F-2,2026-01-15,罚款\n{0},F-1,2026-01-15,罚款\n1,F-3,2026-01-15,罚款\n{0},F-4,never,罚款\n",
        code(1)
    );
    let health = world.department("health");
    let done = world.import(&health, "records", PENALTY, file.as_bytes()).await;
    let progress = done.progress.unwrap();
    assert_eq!((progress.accepted, progress.duplicates, progress.rejected), (2, 1, 2));
    let judged = api::CreateImportRequest {
        kind: String::from("records"),
        item: String::from(PENALTY),
        validate_only: true,
        ..Default::default()
    };
    world.import_with(&health, file.as_bytes(), judged).await.unwrap();
    let counted = rows(&world, &health, all()).await;
    assert_eq!(sent(&counted, "health", PENALTY), Some([2, 1, 2]), "a judgement alone counts nothing");
    assert_eq!(sent(&counted, "transport", PENALTY), None, "a department sees its own");
}

#[tokio::test]
async fn looks_are_counted_by_day_and_in_total_and_listed_in_pages() {
    let world = World::open(MORNING).await;
    world.register(1..3).await;
    let transport = world.department("transport");
    world.submit(&transport, vec![penalty(1, "P-1")]).await;
    let look = async |who: &Bearer| {
        let profile = api::GetProfileRequest { uscc: code(1), ..Default::default() };
        world.profiles(who).get_profile(profile).await.unwrap();
        for item in ["", PENALTY] {
            let records =
                api::ListRecordsRequest { uscc: code(1), item: item.to_owned(), ..Default::default() };
            world.records(who).list_records(records).await.unwrap();
        }
        let report = api::CreateReportRequest { uscc: code(1), ..Default::default() };
        world.reports(who).create_report(report).await.unwrap();
        let accesses = api::ListAccessesRequest { uscc: code(1), ..Default::default() };
        world.accesses(who).list_accesses(accesses).await.unwrap();
    };
    look(&transport).await;
    look(&world.office()).await;
    // The subject's own looks are nobody's usage.
    let own = api::GetProfileRequest { uscc: code(1), ..Default::default() };
    world.profiles(&world.enterprise(&code(1))).get_profile(own).await.unwrap();
    world.at("2026-02-14T01:00:00Z");
    look(&transport).await;
    let names = api::MatchSubjectsRequest {
        names: vec![String::from("虚构甲有限公司"), String::from("虚构乙有限公司")],
        ..Default::default()
    };
    world.subjects(&transport).match_subjects(names).await.unwrap();
    let changes = world.changes(&transport, "").await.len();
    assert_eq!(changes, 3);

    let looks = |row: &api::UsageRow| [row.profiles, row.records, row.reports, row.others];
    let mut counted = Vec::new();
    for _ in 0..100 {
        counted = rows(&world, &transport, api::ListUsageRequest::default()).await;
        if counted.iter().map(|row| row.feed).sum::<i64>() == 3 {
            break;
        }
        // Of a stream it is counted when it ends.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let of = |item: &str| counted.iter().find(|row| row.item == item).unwrap();
    assert_eq!((looks(of("")), of("").feed), ([2, 2, 2, 2], 2));
    assert_eq!((of("").matches, of("").subjects), (2, 0));
    assert_eq!((looks(of(PENALTY)), of(PENALTY).feed, of(PENALTY).accepted), ([0, 2, 0, 0], 1, 1));
    assert!(counted.iter().all(|row| row.day.is_empty()));
    let daily = api::ListUsageRequest { daily: true, ..Default::default() };
    let days = rows(&world, &world.office(), daily.clone()).await;
    // Who registers subjects is counted for it.
    let registrar = days.iter().find(|row| row.department == "market-regulation").unwrap();
    assert_eq!((registrar.subjects, registrar.accepted, registrar.matches), (2, 0, 0));
    let keys: Vec<[&str; 3]> = days.iter().map(|row| [&*row.day, &*row.department, &*row.item]).collect();
    assert_eq!(
        keys,
        [
            ["2026-02-13", "credit-office", ""],
            ["2026-02-13", "credit-office", PENALTY],
            ["2026-02-13", "market-regulation", ""],
            ["2026-02-13", "transport", ""],
            ["2026-02-13", "transport", PENALTY],
            ["2026-02-14", "transport", ""],
            ["2026-02-14", "transport", PENALTY],
        ]
    );
    let (mut token, mut paged) = (String::new(), Vec::new());
    loop {
        let page = api::ListUsageRequest { page_size: 4, page_token: token, ..daily.clone() };
        let answer = world.usage(&world.office()).list_usage(page).await.unwrap().into_inner();
        paged.extend(answer.rows);
        token = answer.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(paged, days);
    let second = api::ListUsageRequest {
        from: String::from("2026-02-14"),
        to: String::from("2026-02-14"),
        department: String::from("transport"),
        ..Default::default()
    };
    let total = rows(&world, &world.service(), second.clone()).await;
    assert_eq!((total.len(), looks(&total[0])), (2, [1, 1, 1, 1]));

    let denied = |request| async { world.usage(&transport).list_usage(request).await.unwrap_err() };
    let foreign = api::ListUsageRequest { department: String::from("health"), ..Default::default() };
    assert_eq!(denied(foreign).await.code(), Code::PermissionDenied);
    let backwards = api::ListUsageRequest { to: String::from("2026-02-13"), ..second.clone() };
    let backwards = api::ListUsageRequest { department: String::new(), ..backwards };
    assert_eq!(reason(&denied(backwards).await), "FIELD_INVALID");
    let nonsense = api::ListUsageRequest { from: String::from("yesterday"), ..Default::default() };
    assert_eq!(reason(&denied(nonsense).await), "FIELD_INVALID");
    let own = world.usage(&world.enterprise(&code(1))).list_usage(second).await.unwrap_err();
    assert_eq!(own.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn those_who_count_beside_each_other_lose_nothing() {
    let world = World::open(MORNING).await;
    world.register(1..3).await;
    let sends = (0..12_u32).map(|sender| {
        let (world, who) = (&world, world.department("transport"));
        async move {
            for round in 0..5 {
                world.submit(&who, vec![penalty(1 + sender % 2, &format!("P-{sender}-{round}"))]).await;
            }
        }
    });
    futures::future::join_all(sends).await;
    let counted = rows(&world, &world.office(), api::ListUsageRequest::default()).await;
    assert_eq!(sent(&counted, "transport", PENALTY), Some([60, 0, 0]));
}
