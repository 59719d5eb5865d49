//! Profiles by audience, and the access log.
use contract::credit::v1::{self as api, profile::Audience, profiles_client::ProfilesClient};
use tonic::Code;

use crate::world::{MORNING, World, code, fields, penalty};

fn ask(serial: u32) -> api::GetProfileRequest {
    api::GetProfileRequest {
        uscc: code(serial), purpose: String::from("行政许可审查"), ..Default::default()
    }
}

async fn public(world: &World, serial: u32) -> api::Profile {
    let request = api::GetPublicProfileRequest { uscc: code(serial) };
    ProfilesClient::new(world.upstream.clone()).get_public_profile(request).await.unwrap().into_inner()
}

fn items(profile: &api::Profile) -> Vec<&str> {
    profile.records.iter().map(|record| record.item.as_str()).collect()
}

#[tokio::test]
async fn each_audience_sees_what_it_may() {
    let world = World::open(MORNING).await;
    world.register(1..3).await;
    let who = world.department("transport");
    let evaluation = api::RecordInput {
        item: String::from("national-evaluation"),
        fields: Some(fields(&[("grade", "A")])),
        ..penalty(1, "E-1")
    };
    let listing = api::RecordInput {
        item: String::from("serious-dishonesty-listing"),
        fields: None,
        valid_until: String::from("2026-02-28"),
        occurred_on: String::from("2026-01-16"),
        ..penalty(1, "L-1")
    };
    world.submit(&who, vec![penalty(1, "P-1"), evaluation, listing]).await;
    let shown = public(&world, 1).await;
    assert_eq!(items(&shown), ["serious-dishonesty-listing", "administrative-penalty"]);
    assert_eq!((shown.audience(), shown.as_of.as_str()), (Audience::Public, "2026-02-13"));
    let counts: Vec<(&str, i32)> =
        shown.counts.iter().map(|count| (count.name.as_str(), count.count)).collect();
    assert_eq!(counts, [("行政处罚", 1), ("严重失信主体名单列入", 1)]);
    let profile = world.profiles(&who).get_profile(ask(1)).await.unwrap().into_inner();
    assert_eq!((profile.audience(), profile.records.len()), (Audience::Department, 3));
    let profile = world.profiles(&world.office()).get_profile(ask(1)).await.unwrap().into_inner();
    assert_eq!((profile.audience(), profile.records.len()), (Audience::Office, 3));
    let own = world.enterprise(&code(1));
    let profile = world.profiles(&own).get_profile(ask(1)).await.unwrap().into_inner();
    assert_eq!((profile.audience(), profile.records.len()), (Audience::Subject, 3));
    let denied = world.profiles(&own).get_profile(ask(2)).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_term_ends_with_its_last_day() {
    let world = World::open(MORNING).await;
    world.register(1..2).await;
    let who = world.department("transport");
    // Published for 36 months: to the end of 2026-02-28, there being no 29th.
    let old = api::RecordInput { occurred_on: String::from("2023-02-28"), ..penalty(1, "P-1") };
    let listing = api::RecordInput {
        item: String::from("serious-dishonesty-listing"),
        fields: None,
        valid_until: String::from("2026-03-01"),
        ..penalty(1, "L-1")
    };
    world.submit(&who, vec![old, listing]).await;
    let at = |instant: &str| world.trial.boot.clock.set(instant.parse().unwrap());
    at("2026-02-28T15:59:00Z");
    assert_eq!(items(&public(&world, 1).await), ["serious-dishonesty-listing", "administrative-penalty"]);
    at("2026-02-28T16:00:00Z");
    assert_eq!(items(&public(&world, 1).await), ["serious-dishonesty-listing"]);
    let profile = world.profiles(&who).get_profile(ask(1)).await.unwrap().into_inner();
    assert_eq!(profile.records.len(), 2, "departments go on sharing what holds");
    at("2026-03-01T16:00:00Z");
    assert!(public(&world, 1).await.records.is_empty());
    let profile = world.profiles(&who).get_profile(ask(1)).await.unwrap().into_inner();
    assert_eq!(items(&profile), ["administrative-penalty"]);
}

#[tokio::test]
async fn every_look_is_written_down_and_the_subject_reads_it() {
    let world = World::open(MORNING).await;
    world.register(1..2).await;
    let who = world.department("transport");
    let records =
        api::ListRecordsRequest { uscc: code(1), item: String::from("honour"), ..Default::default() };
    world.records(&who).list_records(records).await.unwrap();
    world.trial.boot.clock.set("2026-02-13T02:00:00Z".parse().unwrap());
    world.profiles(&who).get_profile(ask(1)).await.unwrap();
    public(&world, 1).await;
    let own = world.enterprise(&code(1));
    world.profiles(&own).get_profile(ask(1)).await.unwrap();
    let request = |page_token: String| api::ListAccessesRequest {
        uscc: code(1),
        page_size: 1,
        page_token,
        ..Default::default()
    };
    let first = world.accesses(&own).list_accesses(request(String::new())).await.unwrap().into_inner();
    let latest = &first.accesses[0];
    assert_eq!((latest.what.as_str(), latest.purpose.as_str()), ("profile", "行政许可审查"));
    assert_eq!((latest.by.as_str(), latest.department.as_str()), ("transport-client", "transport"));
    let second =
        world.accesses(&own).list_accesses(request(first.next_page_token)).await.unwrap().into_inner();
    assert_eq!(
        (second.accesses[0].what.as_str(), second.accesses[0].purpose.as_str()),
        ("records:honour", "test")
    );
    assert!(second.next_page_token.is_empty());
    let stranger = world.enterprise(&code(2));
    let denied = world.accesses(&stranger).list_accesses(request(String::new())).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let personal = api::GetProfileRequest { purpose: String::from("核查11010519491231002X"), ..ask(1) };
    let refused = world.profiles(&who).get_profile(personal).await.unwrap_err();
    assert_eq!(chassis::trial::reason(&refused), "PERSONAL_IDENTITY_NUMBER");
}

#[tokio::test]
async fn many_at_once_are_answered_as_each_alone() {
    let world = World::open(MORNING).await;
    world.register(1..31).await;
    let who = world.department("transport");
    let mut records = Vec::new();
    // From none to six each, spread over the days that are asked for.
    for serial in 1..31 {
        for number in 0..serial % 7 {
            let occurred_on = format!("2026-01-{:02}", 1 + (serial * 5 + number * 11) % 31);
            records
                .push(api::RecordInput { occurred_on, ..penalty(serial, &format!("P-{serial}-{number}")) });
        }
    }
    world.submit(&who, records).await;
    // The last few are registered nowhere, and some are asked for in both ways.
    let questions: Vec<api::GetProfileRequest> = (1..35)
        .flat_map(|serial| ["", "2026-01-15", "2025-12-31"].map(|as_of| (serial, as_of)))
        .map(|(serial, as_of)| api::GetProfileRequest { as_of: as_of.to_owned(), ..ask(serial) })
        .collect();
    let answer = async |question: &api::GetProfileRequest| {
        let answer = world.profiles(&who).get_profile(question.clone()).await;
        answer.map(tonic::Response::into_inner).map_err(|status| (status.code(), status.message().to_owned()))
    };
    let mut alone = Vec::new();
    for question in &questions {
        alone.push(answer(question).await);
    }
    assert_eq!(alone.iter().filter(|answer| answer.is_err()).count(), 4 * 3);
    let records = |as_of| {
        let of = |(question, answer): (&api::GetProfileRequest, &Result<api::Profile, _>)| {
            answer
                .as_ref()
                .map_or(0, |profile| if question.as_of == as_of { profile.records.len() } else { 0 })
        };
        questions.iter().zip(&alone).map(of).sum::<usize>()
    };
    let known = (1..31).map(|serial| serial % 7).sum::<u32>() as usize;
    assert_eq!((records(""), records("2025-12-31")), (known, 0));
    assert!((1..known).contains(&records("2026-01-15")));
    let together = futures::future::join_all(questions.iter().map(answer)).await;
    for ((question, together), alone) in questions.iter().zip(together).zip(alone) {
        assert_eq!(together, alone, "{question:?}");
    }
    // Each look once, alone and together, whoever was written down with it.
    for serial in [1, 6, 30] {
        let request = api::ListAccessesRequest { uscc: code(serial), page_size: 100, ..Default::default() };
        let own = world.enterprise(&code(serial));
        let looks = world.accesses(&own).list_accesses(request).await.unwrap().into_inner().accesses;
        assert_eq!(looks.len(), 2 * 3);
    }
}
