//! Records and profiles as they were known, and what is published on which day.
use chassis::trial::reason;
use contract::credit::v1::{
    self as api,
    profiles_client::ProfilesClient,
    record::{Mark, Status},
    repair,
};
use tonic::Code;

use crate::world::{MORNING, World, code, ends, fields, penalty};

fn set(world: &World, instant: &str) {
    world.trial.boot.clock.set(instant.parse().unwrap());
}

async fn known(world: &World, as_of: &str, known_at: &str) -> Vec<api::Record> {
    let request = api::ListRecordsRequest {
        uscc: code(1),
        as_of: as_of.to_owned(),
        known_at: known_at.to_owned(),
        ..Default::default()
    };
    let listed = world.records(&world.department("taxation")).list_records(request).await.unwrap();
    listed.into_inner().records
}

fn get(record: &str, known_at: &str) -> api::GetRecordRequest {
    api::GetRecordRequest {
        record: record.to_owned(),
        known_at: known_at.to_owned(),
        purpose: String::from("复核"),
    }
}

#[tokio::test]
async fn what_was_known_can_be_shown_again() {
    let world = World::open(MORNING).await;
    world.register(1..3).await;
    let who = world.department("transport");
    set(&world, "2026-02-13T02:00:00Z");
    let id = world.submit(&who, vec![penalty(1, "P-1")]).await.outcomes[0].record.clone();
    set(&world, "2026-02-13T03:00:00Z");
    let correction = api::CorrectRecordRequest {
        record: id.clone(),
        amount: Some(String::from("8000")),
        reason: String::from("笔误"),
        ..Default::default()
    };
    world.records(&who).correct_record(correction).await.unwrap();
    set(&world, "2026-02-13T04:00:00Z");
    let objection = api::CreateObjectionRequest {
        record: id.clone(),
        reason: String::from("金额仍有误"),
        evidence: String::from("决定书"),
        ..Default::default()
    };
    world.objections(&world.enterprise(&code(1))).create_objection(objection).await.unwrap();
    set(&world, "2026-02-13T05:00:00Z");
    let withdrawal = api::WithdrawRecordRequest {
        record: id.clone(),
        reason: String::from("决定被撤销"),
        ..Default::default()
    };
    world.records(&who).withdraw_record(withdrawal).await.unwrap();
    set(&world, "2026-02-14T00:00:00Z");
    // The moved clock runs on: a minute later is safely after.
    // By hand: the record came at two, said 8000 from three, was objected to at four and is gone since five.
    for (at, said) in [
        ("2026-02-13T01:59:59Z", None),
        ("2026-02-13T02:01:00Z", Some(("10000.50", 1, 0))),
        ("2026-02-13T10:59:59+08:00", Some(("10000.50", 1, 0))),
        ("2026-02-13T03:01:00Z", Some(("8000", 2, 0))),
        ("2026-02-13T04:01:00Z", Some(("8000", 2, 1))),
        ("2026-02-13T05:01:00Z", None),
        ("", None),
    ] {
        let found = known(&world, "", at).await;
        let found: Vec<_> = found.iter().map(|r| (r.amount.as_str(), r.version, r.marks.len())).collect();
        assert_eq!(found, said.into_iter().collect::<Vec<_>>(), "{at}");
        let request = api::GetProfileRequest { uscc: code(1), known_at: at.to_owned(), ..Default::default() };
        let profile = world.profiles(&world.department("taxation")).get_profile(request).await.unwrap();
        assert_eq!(profile.into_inner().records.len(), found.len(), "{at}");
    }
    assert_eq!(known(&world, "2026-01-14", "2026-02-13T02:01:00Z").await.len(), 0, "it had not happened");
    let one = |who, request| {
        let mut client = world.records(who);
        async move { client.get_record(request).await.map(tonic::Response::into_inner) }
    };
    let (office, own) = (world.office(), world.enterprise(&code(1)));
    let (tax, stranger) = (world.department("taxation"), world.enterprise(&code(2)));
    for near in [&who, &office, &own] {
        assert_eq!(one(near, get(&id, "")).await.unwrap().status(), Status::Withdrawn);
    }
    assert_eq!(one(&tax, get(&id, "")).await.unwrap_err().code(), Code::NotFound);
    let then = one(&tax, get(&id, "2026-02-13T04:30:00Z")).await.unwrap();
    assert_eq!((then.amount.as_str(), then.status()), ("8000", Status::Effective));
    assert_eq!(then.marks, [i32::from(Mark::UnderObjection)]);
    assert_eq!(one(&stranger, get(&id, "")).await.unwrap_err().code(), Code::PermissionDenied);
    let request = api::ListRecordVersionsRequest { record: id.clone(), ..Default::default() };
    assert_eq!(
        world.records(&tax).list_record_versions(request.clone()).await.unwrap_err().code(),
        Code::NotFound
    );
    let mut paged = Vec::new();
    let mut next = api::ListRecordVersionsRequest { page_size: 1, ..request.clone() };
    loop {
        let page = world.records(&own).list_record_versions(next.clone()).await.unwrap().into_inner();
        paged.extend(page.versions);
        if page.next_page_token.is_empty() {
            break;
        }
        next.page_token = page.next_page_token;
    }
    let strange = api::ListRecordVersionsRequest { page_token: String::from("bm8"), ..request.clone() };
    let strange = world.records(&own).list_record_versions(strange).await.unwrap_err();
    assert_eq!(reason(&strange), "PAGE_TOKEN_INVALID");
    let versions = world.records(&own).list_record_versions(request).await.unwrap().into_inner().versions;
    assert_eq!(paged, versions, "page by page as at once");
    let told: Vec<_> = versions
        .iter()
        .map(|version| {
            let record = version.record.as_ref().unwrap();
            (record.version, record.status(), record.amount.as_str(), version.reason.as_str())
        })
        .collect();
    assert_eq!(
        told,
        [
            (3, Status::Withdrawn, "8000", ""),
            (2, Status::Effective, "8000", "决定被撤销"),
            (1, Status::Corrected, "10000.50", "笔误"),
        ]
    );
    assert_eq!(versions[2].replaced_at, versions[1].record.as_ref().unwrap().recorded_at);
    // The suite's own services show decisions again: everything that was said by an instant, page by page; nobody else asks.
    let service = world.service();
    for (at, said) in [
        ("2026-02-13T01:59:59Z", vec![]),
        ("2026-02-13T02:01:00Z", vec![(1, Status::Effective)]),
        ("2026-02-13T03:01:00Z", vec![(1, Status::Corrected), (2, Status::Effective)]),
        ("", vec![(1, Status::Corrected), (2, Status::Effective), (3, Status::Withdrawn)]),
    ] {
        let (mut found, mut token) = (Vec::new(), String::new());
        loop {
            let request = api::ListSubjectVersionsRequest {
                uscc: code(1),
                known_at: at.to_owned(),
                page_size: 2,
                page_token: token,
                purpose: String::from("等级追溯"),
            };
            let page = world.records(&service).list_subject_versions(request).await.unwrap().into_inner();
            found.extend(page.versions.iter().filter_map(|version| version.record.clone()));
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        let found: Vec<_> = found.iter().map(|record| (record.version, record.status())).collect();
        assert_eq!(found, said, "{at}");
    }
    for other in [&who, &office, &own] {
        let request = api::ListSubjectVersionsRequest { uscc: code(1), ..Default::default() };
        let denied = world.records(other).list_subject_versions(request).await.unwrap_err();
        assert_eq!(denied.code(), Code::PermissionDenied);
    }
    let looks = api::ListAccessesRequest { uscc: code(1), ..Default::default() };
    let looks = world.accesses(&own).list_accesses(looks).await.unwrap().into_inner().accesses;
    let look = format!("record:{id}@2026-02-13T04:30:00Z");
    assert!(looks.iter().any(|access| access.what == look && access.purpose == "复核"), "{looks:?}");
}

#[tokio::test]
async fn a_wrong_time_is_told() {
    let world = World::open(MORNING).await;
    world.register(1..2).await;
    let who = world.department("transport");
    for (as_of, known_at) in
        [("13.2.2026", ""), ("2026-02-30", ""), ("", "yesterday"), ("", "2026-02-13T09:00:00Z")]
    {
        let (as_of, known_at) = (as_of.to_owned(), known_at.to_owned());
        let request = api::ListRecordsRequest {
            uscc: code(1),
            as_of: as_of.clone(),
            known_at: known_at.clone(),
            ..Default::default()
        };
        let refused = world.records(&who).list_records(request).await.unwrap_err();
        assert_eq!(reason(&refused), "FIELD_INVALID", "{as_of}{known_at}");
        let request = api::GetProfileRequest { uscc: code(1), as_of, known_at, ..Default::default() };
        assert_eq!(reason(&world.profiles(&who).get_profile(request).await.unwrap_err()), "FIELD_INVALID");
    }
}

#[tokio::test]
async fn what_was_repaired_is_known_as_it_was_and_shown_no_more() {
    let world = World::open("2026-04-20T01:00:00Z").await;
    world.register(1..2).await;
    let who = world.department("transport");
    let id = world.submit(&who, vec![penalty(1, "P-1")]).await.outcomes[0].record.clone();
    let asking = api::CreateRepairRequest {
        record: id.clone(),
        reason: String::from("已缴清罚款"),
        evidence: String::from("缴款凭证"),
        ..Default::default()
    };
    let filed = world.repairs(&world.enterprise(&code(1))).create_repair(asking).await.unwrap().into_inner();
    set(&world, "2026-04-21T01:00:00Z");
    let decide = api::DecideRepairRequest {
        repair_id: filed.repair_id,
        outcome: repair::State::Approved.into(),
        explanation: String::from("义务履行完毕"),
        ..Default::default()
    };
    let chief = world.trial.token("transport", "credit.read credit.write credit.decide");
    world.repairs(&chief).decide_repair(decide).await.unwrap();
    assert!(known(&world, "", "").await.is_empty());
    assert_eq!(known(&world, "", "2026-04-20T12:00:00Z").await.len(), 1);
}

async fn published(world: &World) -> Vec<String> {
    let request = api::GetPublicProfileRequest { uscc: code(1) };
    let profile =
        ProfilesClient::new(world.upstream.clone()).get_public_profile(request).await.unwrap().into_inner();
    let mut numbers: Vec<_> = profile.records.into_iter().map(|record| record.source_id).collect();
    numbers.sort_unstable();
    numbers
}

#[tokio::test]
async fn each_rule_publishes_while_it_holds_to_the_minute() {
    let world = World::open("2026-03-31T01:00:00Z").await;
    world.register(1..2).await;
    let kind = |severity: i32, number: &str, what: &str| api::RecordInput {
        occurred_on: String::from("2026-01-15"),
        severity,
        fields: Some(fields(&[("penaltyType", what)])),
        ..penalty(1, number)
    };
    let who = world.department("transport");
    let rows = vec![kind(1, "slight", "罚款"), kind(2, "ordinary", "罚款"), kind(3, "grave", "吊销许可证件")];
    assert_eq!(ends(&world.submit(&who, rows).await.outcomes), ["ACCEPTED", "ACCEPTED", "ACCEPTED"]);
    let market = world.department("market-regulation");
    let rows = vec![kind(1, "market-fine", "罚款"), kind(1, "market-warning", "警告")];
    assert_eq!(ends(&world.submit(&market, rows).await.outcomes), ["ACCEPTED", "ACCEPTED"]);
    let all = ["grave", "market-fine", "ordinary", "slight"];
    // Order 58 publishes to the end of March 31 in Shanghai, Order 36 from then on; slight ones of the market's own rule for
    // three months, ordinary ones for one year, grave ones for three.
    for (instant, shown) in [
        ("2026-03-31T15:59:59Z", &all[..]),
        ("2026-03-31T16:00:00Z", &all[..3]),
        ("2026-04-15T15:59:59Z", &["grave", "market-fine", "ordinary"][..]),
        ("2026-04-15T16:00:00Z", &["grave", "ordinary"][..]),
        ("2027-01-15T15:59:59Z", &["grave", "ordinary"][..]),
        ("2027-01-15T16:00:00Z", &["grave"][..]),
        ("2029-01-15T15:59:59Z", &["grave"][..]),
        ("2029-01-15T16:00:00Z", &[][..]),
    ] {
        set(&world, instant);
        assert_eq!(published(&world).await, shown, "{instant}");
    }
    set(&world, "2026-04-01T01:00:00Z");
    let request = api::GetProfileRequest { uscc: code(1), ..Default::default() };
    let profile = world.profiles(&who).get_profile(request).await.unwrap().into_inner();
    let told = |number: &str| {
        let record = profile.records.iter().find(|record| record.source_id == number).unwrap();
        (record.published_until.as_str(), record.unpublished, record.publication_basis.as_str())
    };
    assert_eq!(told("ordinary"), ("2027-01-15", false, "信用修复管理办法（国家发展改革委令第36号）"));
    assert!(told("slight").1 && told("market-warning").1, "departments still share them");
    let section = &profile.sections[0];
    assert_eq!((section.number, section.title.as_str(), section.count), (1, "行政管理", 5));
    assert_eq!(section.records.len(), 5);
    assert_eq!(profile.sections.len(), 10);
    assert_eq!(profile.sections.iter().map(|section| section.count).sum::<i32>(), 5);
}

#[tokio::test]
async fn a_changed_term_counts_at_once_and_a_shifted_column_is_caught() {
    let world = World::open("2026-04-20T01:00:00Z").await;
    world.register(1..2).await;
    let who = world.department("transport");
    world.submit(&who, vec![penalty(1, "P-1")]).await;
    assert_eq!(published(&world).await, ["P-1"]);
    let get = api::GetItemRequest { item: String::from("administrative-penalty"), ..Default::default() };
    let mut item = world.items(&who).get_item(get).await.unwrap().into_inner();
    assert_eq!(item.publication_rules.len(), 5);
    item.publication_months = 3;
    let put = api::PutItemRequest { catalogue_item: Some(item.clone()), ..Default::default() };
    world.items(&world.office()).put_item(put).await.unwrap();
    assert!(published(&world).await.is_empty(), "the shorter term holds, at once");
    let mut wrong = item;
    wrong.publication_rules[0].classes[0].minimum_months = 99;
    let put = api::PutItemRequest { catalogue_item: Some(wrong), ..Default::default() };
    let refused = world.items(&world.office()).put_item(put).await.unwrap_err();
    assert!(refused.message().contains("publicationRules[0].classes.minimumMonths"), "{refused:?}");
    let shifted =
        api::RecordInput { fields: Some(fields(&[("penaltyType", "2026-01-15")])), ..penalty(1, "P-2") };
    let answer = world.submit(&who, vec![shifted]).await;
    assert_eq!(ends(&answer.outcomes), ["FIELDS_NONCONFORMING"]);
    let message = &answer.outcomes[0].error.as_ref().unwrap().message;
    assert!(message.contains("2026-01-15") && message.contains("罚款"), "{message}");
}

#[tokio::test]
async fn an_item_is_taken_on_its_days() {
    let world = World::open(MORNING).await;
    world.register(1..2).await;
    let item = api::CatalogueItem {
        item: String::from("dated-item"),
        name: String::from("限期归集事项"),
        nature: api::catalogue_item::Nature::Public.into(),
        legal_basis: String::from("测试依据"),
        effective_from: String::from("2026-02-14"),
        ..Default::default()
    };
    let put = api::PutItemRequest { catalogue_item: Some(item), ..Default::default() };
    world.items(&world.office()).put_item(put).await.unwrap();
    let row = api::RecordInput { item: String::from("dated-item"), fields: None, ..penalty(1, "D-1") };
    let who = world.department("transport");
    assert_eq!(ends(&world.submit(&who, vec![row.clone()]).await.outcomes), ["ITEM_NOT_IN_FORCE"]);
    set(&world, "2026-02-13T16:00:00Z");
    assert_eq!(ends(&world.submit(&who, vec![row]).await.outcomes), ["ACCEPTED"]);
}
