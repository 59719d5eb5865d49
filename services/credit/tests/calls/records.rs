//! Records: submitted, corrected, withdrawn, listed.
use chassis::trial::reason;
use contract::credit::v1::{self as api, change::Kind, record::Status};
use tonic::Code;

use crate::world::{MORNING, World, code, ends, fields, penalty};

fn list(serial: u32, item: &str) -> api::ListRecordsRequest {
    api::ListRecordsRequest { uscc: code(serial), item: item.to_owned(), ..Default::default() }
}

#[tokio::test]
async fn each_row_has_its_own_outcome() {
    let world = World::open(MORNING).await;
    world.register(1..3).await;
    let who = world.department("transport");
    let other = |item: &str| api::RecordInput { item: item.to_owned(), fields: None, ..penalty(1, "x") };
    let rows = vec![
        penalty(1, "P-1"),
        penalty(1, "P-1"),
        api::RecordInput { amount: String::from("10000.5"), ..penalty(1, "P-1") },
        api::RecordInput { severity: 3, ..penalty(1, "P-1") },
        penalty(7, "P-2"),
        other("no-such-item"),
        other("water-payment"),
        other("national-evaluation"),
        api::RecordInput { fields: Some(fields(&[("colour", "red")])), ..penalty(1, "P-3") },
        api::RecordInput { occurred_on: String::from("2026-02-14"), ..penalty(1, "P-4") },
        api::RecordInput { amount: String::from("1,000"), ..penalty(1, "P-5") },
        api::RecordInput { uscc: String::from("1"), ..penalty(1, "P-6") },
        api::RecordInput {
            fields: Some(fields(&[("content", "当事人11010519491231002X")])),
            ..penalty(1, "P-7")
        },
        penalty(2, "P-8"),
    ];
    let answer = world.submit(&who, rows.clone()).await;
    assert_eq!(
        ends(&answer.outcomes),
        [
            "ACCEPTED",
            "DUPLICATE",
            "DUPLICATE",
            "SOURCE_ID_REUSED",
            "SUBJECT_UNKNOWN",
            "ITEM_UNKNOWN",
            "AUTHORIZATION_REQUIRED",
            "FIELDS_NONCONFORMING",
            "FIELDS_NONCONFORMING",
            "FIELD_INVALID",
            "FIELD_INVALID",
            "CODE_LENGTH",
            "PERSONAL_IDENTITY_NUMBER",
            "ACCEPTED",
        ]
    );
    assert_eq!(answer.outcomes[0].record, answer.outcomes[1].record);
    assert!(answer.outcomes[0].record < answer.outcomes[13].record, "ids grow");
    let named: Vec<&str> =
        answer.outcomes.iter().filter_map(|outcome| Some(outcome.error.as_ref()?.field.as_str())).collect();
    assert_eq!(
        named,
        [
            "sourceId",
            "uscc",
            "item",
            "item",
            "fields.grade",
            "fields.colour",
            "occurredOn",
            "amount",
            "uscc",
            "fields.content"
        ]
    );
    // Sent again: nothing doubled, the same ids; another department's number is its own.
    let again = world.submit(&who, rows).await;
    assert_eq!(again.outcomes[0].record, answer.outcomes[0].record);
    assert_eq!(ends(&again.outcomes)[0], "DUPLICATE");
    assert_eq!(again.position, answer.position);
    let health = world.department("health");
    assert_eq!(ends(&world.submit(&health, vec![penalty(1, "P-1")]).await.outcomes), ["ACCEPTED"]);
    let listed = world.records(&who).list_records(list(1, "")).await.unwrap().into_inner().records;
    assert_eq!(listed.len(), 2);
    assert_eq!((listed[1].amount.as_str(), listed[1].severity, listed[1].version), ("10000.50", 2, 1));
    assert_eq!(listed[1].fields, Some(fields(&[("penaltyType", "罚款")])));
    assert_eq!(listed[1].published_until, "2029-01-15");
}

#[tokio::test]
async fn only_the_items_departments_submit() {
    let world = World::open(MORNING).await;
    world.register(1..2).await;
    let mut item = world
        .items(&world.office())
        .get_item(api::GetItemRequest { item: String::from("honour"), ..Default::default() })
        .await
        .unwrap()
        .into_inner();
    item.departments = vec![String::from("health")];
    let put = api::PutItemRequest { catalogue_item: Some(item), ..Default::default() };
    world.items(&world.office()).put_item(put).await.unwrap();
    let honour = || api::RecordInput { item: String::from("honour"), fields: None, ..penalty(1, "H-1") };
    let end = async |who: chassis::trial::Bearer| {
        ends(&world.submit(&who, vec![honour()]).await.outcomes).remove(0)
    };
    assert_eq!(end(world.department("transport")).await, "ITEM_NOT_OF_DEPARTMENT");
    assert_eq!(end(world.department("health")).await, "ACCEPTED");
    assert_eq!(end(world.office()).await, "ACCEPTED");
}

#[tokio::test]
async fn a_correction_is_a_new_version() {
    let world = World::open(MORNING).await;
    world.register(1..2).await;
    let who = world.department("transport");
    let record = world.submit(&who, vec![penalty(1, "P-1")]).await.outcomes.remove(0).record;
    let correct = |severity: Option<i32>, amount: Option<&str>| api::CorrectRecordRequest {
        record: record.clone(),
        severity,
        amount: amount.map(str::to_owned),
        reason: String::from("复核更正"),
        ..Default::default()
    };
    let denied =
        world.records(&world.department("health")).correct_record(correct(Some(3), None)).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let nothing = world.records(&who).correct_record(correct(Some(2), None)).await.unwrap_err();
    assert_eq!(reason(&nothing), "FIELD_INVALID");
    let wrong = world.records(&who).correct_record(correct(None, Some("-5"))).await.unwrap_err();
    assert!(wrong.message().starts_with("amount"), "{}", wrong.message());
    let corrected =
        world.records(&who).correct_record(correct(Some(3), Some(""))).await.unwrap().into_inner();
    assert_eq!((corrected.severity, corrected.amount.as_str(), corrected.version), (3, "", 2));
    assert_eq!(corrected.status(), Status::Effective);
    let last = world.changes(&who, "").await.pop().unwrap();
    assert_eq!((last.kind(), &last.position), (Kind::RecordCorrected, &corrected.position));
    assert_eq!(last.record.map(|record| record.version), Some(2));
    // What the source sends again is known, as it first was and as it stands now; a third wording is refused.
    let now = api::RecordInput { severity: 3, amount: String::new(), ..penalty(1, "P-1") };
    let third = api::RecordInput { severity: 1, ..penalty(1, "P-1") };
    let answer = world.submit(&who, vec![penalty(1, "P-1"), now, third]).await;
    assert_eq!(ends(&answer.outcomes), ["DUPLICATE", "DUPLICATE", "SOURCE_ID_REUSED"]);
    let unknown = api::CorrectRecordRequest { record: String::from("0000"), ..correct(Some(1), None) };
    assert_eq!(world.records(&who).correct_record(unknown).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_withdrawn_record_is_gone_but_not_forgotten() {
    let world = World::open(MORNING).await;
    world.register(1..2).await;
    let who = world.department("transport");
    let record = world.submit(&who, vec![penalty(1, "P-1")]).await.outcomes.remove(0).record;
    let withdraw = || api::WithdrawRecordRequest {
        record: record.clone(),
        reason: String::from("行政复议决定撤销"),
        ..Default::default()
    };
    let reasonless = api::WithdrawRecordRequest { reason: String::new(), ..withdraw() };
    assert_eq!(reason(&world.records(&who).withdraw_record(reasonless).await.unwrap_err()), "FIELD_INVALID");
    let withdrawn = world.records(&world.office()).withdraw_record(withdraw()).await.unwrap().into_inner();
    assert_eq!((withdrawn.status(), withdrawn.version), (Status::Withdrawn, 2));
    let refused = world.records(&who).withdraw_record(withdraw()).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::FailedPrecondition, "RECORD_NOT_EFFECTIVE")
    );
    assert!(world.records(&who).list_records(list(1, "")).await.unwrap().into_inner().records.is_empty());
    let kinds: Vec<Kind> = world.changes(&who, "").await.iter().map(api::Change::kind).collect();
    assert_eq!(kinds, [Kind::SubjectUpserted, Kind::RecordAccepted, Kind::RecordWithdrawn]);
    assert_eq!(ends(&world.submit(&who, vec![penalty(1, "P-1")]).await.outcomes), ["DUPLICATE"]);
}

#[tokio::test]
async fn lists_page_the_latest_first() {
    let world = World::open(MORNING).await;
    world.register(1..2).await;
    let who = world.department("transport");
    let rows = (1..=25).map(|day| api::RecordInput {
        occurred_on: format!("2026-01-{:02}", day % 10 + 1),
        ..penalty(1, &format!("P-{day}"))
    });
    world.submit(&who, rows.collect()).await;
    let mut seen = Vec::new();
    let mut page_token = String::new();
    loop {
        let request =
            api::ListRecordsRequest { page_size: 4, page_token, ..list(1, "administrative-penalty") };
        let page = world.records(&who).list_records(request).await.unwrap().into_inner();
        seen.extend(page.records.into_iter().map(|record| (record.occurred_on, record.record)));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen.len(), 25);
    assert!(seen.is_sorted_by(|before, after| before > after), "{seen:?}");
}

#[tokio::test]
async fn a_look_at_records_needs_a_purpose_and_a_right() {
    let world = World::open(MORNING).await;
    world.register(1..3).await;
    let who = world.department("transport");
    world.submit(&who, vec![penalty(1, "P-1")]).await;
    let purposeless = world.trial.token_of(chassis::access::Claims {
        department: String::from("transport"),
        scope: String::from("credit.read"),
        ..world.trial.claims()
    });
    let refused = world.records(&purposeless).list_records(list(1, "")).await.unwrap_err();
    assert_eq!(reason(&refused), "PURPOSE_REQUIRED");
    let withheld = world.records(&who).list_records(list(1, "water-payment")).await.unwrap_err();
    assert_eq!(
        (withheld.code(), reason(&withheld).as_str()),
        (Code::PermissionDenied, "AUTHORIZATION_REQUIRED")
    );
    let unknown = world.records(&who).list_records(list(1, "no-such-item")).await.unwrap_err();
    assert_eq!(reason(&unknown), "ITEM_UNKNOWN");
    let own =
        world.records(&world.enterprise(&code(1))).list_records(list(1, "")).await.unwrap().into_inner();
    assert_eq!(own.records.len(), 1);
    let others = world.records(&world.enterprise(&code(2))).list_records(list(1, "")).await.unwrap_err();
    assert_eq!(others.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_full_batch_is_taken_and_a_fuller_one_is_not() {
    let world = World::open(MORNING).await;
    world.register(1..3).await;
    let who = world.department("transport");
    let rows = |count: u32| (0..count).map(|n| penalty(1 + n % 2, &format!("B-{n}"))).collect::<Vec<_>>();
    let answer = world.submit(&who, rows(5_000)).await;
    assert!(ends(&answer.outcomes).iter().all(|end| end == "ACCEPTED"));
    let request = api::SubmitRecordsRequest { records: rows(5_001), ..Default::default() };
    let refused = world.records(&who).submit_records(request).await.unwrap_err();
    assert_eq!(reason(&refused), "FIELD_INVALID");
    let figures = api::GetFiguresRequest {
        domain: String::from("D09"),
        from: String::from("2026-01-15"),
        to: String::from("2026-01-15"),
        exact: false,
    };
    let counted = world.figures(&who).get_figures(figures.clone()).await.unwrap().into_inner();
    assert_eq!((counted.subjects, counted.records), (2, 5_000));
    assert_eq!((counted.items.len(), counted.items[0].name.as_str()), (1, "行政处罚"));
    let later =
        api::GetFiguresRequest { from: String::from("2026-01-16"), to: String::new(), ..figures.clone() };
    assert_eq!(world.figures(&who).get_figures(later).await.unwrap().into_inner().records, 0);
    let elsewhere = api::GetFiguresRequest { domain: String::from("D01"), ..figures };
    assert_eq!(world.figures(&who).get_figures(elsewhere).await.unwrap().into_inner().subjects, 0);
}
