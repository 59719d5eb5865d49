//! The feed of the lists: who follows it hears of every entry, mark and exit of the lists that concern it, and goes on where it stopped.
use chassis::trial::{Authorized, reason};
use contract::discipline::v1::{
    self as api, ListingMark as Mark, change::Kind, feed_client::FeedClient, listing::State,
};
use tonic::Code;

use super::world::{ALL, LIST, World, code, eventually, list, put_list};

fn follower(world: &World, department: &str) -> FeedClient<Authorized> {
    let token = world.trial.token_of(world.claims(department, "follower", ALL));
    FeedClient::with_interceptor(world.upstream.clone(), token)
}

async fn heard(world: &World, cursor: &str, lists: &[&str]) -> Vec<api::Change> {
    let lists = lists.iter().map(|&list| list.into()).collect();
    let request = api::WatchRequest { cursor: cursor.into(), until_caught_up: true, lists };
    let mut stream = follower(world, "finance").watch(request).await.unwrap().into_inner();
    let mut changes = Vec::new();
    while let Some(change) = stream.message().await.unwrap() {
        changes.push(change);
    }
    changes
}

fn told(changes: &[api::Change]) -> Vec<(Kind, State, Vec<Mark>)> {
    let one = |change: &api::Change| {
        let listing = change.listing.clone().unwrap();
        (change.kind(), listing.state(), listing.marks().collect())
    };
    changes.iter().map(one).collect()
}

fn marking(listing: &str, mark: Mark) -> api::MarkListingRequest {
    api::MarkListingRequest {
        listing: listing.into(),
        mark: mark.into(),
        document_number: "虚构民破〔2026〕1号".into(),
        text: "裁定批准重整计划".into(),
        ..Default::default()
    }
}

#[tokio::test]
async fn entries_marks_and_exits_come_on_one_channel() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let mut chief = world.of("hrss", "chief");
    let first = world.listed(LIST, &code(1), "2026-02-13", "2026-02-26").await.case_id;
    chief.listings.mark_listing(marking(&first, Mark::Shielded)).await.unwrap();
    chief.listings.unmark_listing(marking(&first, Mark::Shielded)).await.unwrap();
    let revoke = api::RevokeListingRequest {
        listing: first.clone(),
        document_number: "虚构行复决〔2026〕1号".into(),
        text: "撤销原决定".into(),
        ..Default::default()
    };
    chief.listings.revoke_listing(revoke).await.unwrap();
    let second = world.listed(LIST, &code(2), "2026-02-13", "2026-02-26").await.case_id;
    let changes = heard(&world, "", &[]).await;
    let expected = [
        (Kind::Listed, State::Active, vec![]),
        (Kind::Marked, State::Active, vec![Mark::Shielded]),
        (Kind::Marked, State::Active, vec![]),
        (Kind::Ended, State::Revoked, vec![]),
        (Kind::Listed, State::Active, vec![]),
    ];
    assert_eq!(told(&changes), expected);
    assert!(changes.iter().all(|change| change.recorded_at.is_some()));
    assert!(changes[..4].iter().all(|change| change.uscc == code(1)) && changes[4].uscc == code(2));
    // Who stopped anywhere goes on there, and hears nothing twice.
    for at in 0..changes.len() {
        assert_eq!(heard(&world, &changes[at].position, &[]).await, changes[at + 1..], "from {at}");
    }
    // A term's end comes on the same channel as the entry did, to those who wait for it.
    let request = api::WatchRequest { cursor: changes[4].position.clone(), ..Default::default() };
    let mut stream = follower(&world, "transport").watch(request).await.unwrap().into_inner();
    world.trial.boot.clock.set("2029-02-26T16:00:00Z".parse().unwrap());
    let ended = tokio::time::timeout(std::time::Duration::from_secs(20), stream.message()).await;
    let ended = ended.expect("within twenty seconds").unwrap().unwrap();
    assert_eq!(told(std::slice::from_ref(&ended)), [(Kind::Ended, State::Expired, vec![])]);
    assert_eq!(ended.listing.unwrap().listing, second);
}

#[tokio::test]
async fn a_department_hears_of_the_lists_that_concern_it() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    for id in ["l1", "l2"] {
        world.office().lists.put_list(put_list(list(id))).await.unwrap();
    }
    for (serial, id) in [(1, "l1"), (2, "l2"), (3, LIST), (4, "l1")] {
        world.listed(id, &code(serial), "2026-02-13", "2026-02-26").await;
    }
    let codes = async |lists: &[&str]| {
        let changes = heard(&world, "", lists).await;
        changes.into_iter().map(|change| change.uscc).collect::<Vec<_>>()
    };
    assert_eq!(codes(&["l1"]).await, [code(1), code(4)]);
    assert_eq!(codes(&["l2", LIST]).await, [code(2), code(3)]);
    assert_eq!(codes(&[]).await.len(), 4);
    assert!(codes(&["none"]).await.is_empty());
    // A wrong cursor, a stranger, and an enterprise, whose own listings are to be had otherwise.
    let wrong = api::WatchRequest { cursor: "soon".into(), ..Default::default() };
    let refused = follower(&world, "finance").watch(wrong).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::InvalidArgument, "CURSOR_INVALID".into()));
    let token = world.trial.token_of(world.claims("finance", "f", "credit.read"));
    let mut mute = FeedClient::with_interceptor(world.upstream.clone(), token);
    let refused = mute.watch(api::WatchRequest::default()).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::PermissionDenied, "SCOPE_MISSING".into()));
    let claims = chassis::access::Claims { uscc: code(1), ..world.claims("", "enterprise", ALL) };
    let mut own = FeedClient::with_interceptor(world.upstream.clone(), world.trial.token_of(claims));
    let refused = own.watch(api::WatchRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_bankruptcy_s_shield_hides_a_listing_everywhere_until_it_is_taken_off() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let (mut chief, mut finance) = (world.of("hrss", "chief"), world.of("finance", "f"));
    let listing = world.listed(LIST, &code(1), "2026-02-13", "2026-02-26").await.case_id;
    eventually("the record", || async { world.public_records(&code(1)).await.len() == 1 }).await;
    // On a court's ruling, by whoever decided or the office; the subject itself and partners ask them for it.
    for mut stranger in [finance.clone(), world.enterprise(&code(1))] {
        let denied = stranger.listings.mark_listing(marking(&listing, Mark::Shielded)).await.unwrap_err();
        assert_eq!((denied.code(), reason(&denied)), (Code::PermissionDenied, "NOT_OF_DEPARTMENT".into()));
    }
    let applying = |on: &str| {
        let application = api::Application {
            listing: listing.clone(),
            measure: "procurement-ban".into(),
            applied_on: on.into(),
            ..Default::default()
        };
        api::CreateApplicationRequest { application: Some(application), ..Default::default() }
    };
    chief.listings.mark_listing(marking(&listing, Mark::Shielded)).await.unwrap();
    assert!(world.check(&mut finance, &[&code(1)]).await[0].measures.is_empty());
    let public = api::ListPublicListingsRequest { q: code(1), ..Default::default() };
    let seen = async |client: &mut super::world::Client| {
        client.listings.list_public_listings(public.clone()).await.unwrap().into_inner().listings.len()
    };
    assert_eq!(seen(&mut finance).await, 0);
    eventually("credit to hide it", || async { world.public_records(&code(1)).await.is_empty() }).await;
    // Meanwhile no measure rests on it; one of before may still be reported.
    let refused = finance.applications.create_application(applying("2026-03-02")).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::FailedPrecondition, "LISTING_NOT_ACTIVE".into()));
    assert!(refused.message().contains("2026-03-02"), "{}", refused.message());
    finance.applications.create_application(applying("2026-03-01")).await.unwrap();
    // The plan is carried out: repaired for good, as far as the list lets it be. It is not: the shield comes off.
    chief.listings.unmark_listing(marking(&listing, Mark::Shielded)).await.unwrap();
    assert_eq!(world.check(&mut finance, &[&code(1)]).await[0].measures.len(), 2);
    assert_eq!(seen(&mut finance).await, 1);
    eventually("credit to show it", || async { world.public_records(&code(1)).await.len() == 1 }).await;
    finance.applications.create_application(applying("2026-03-02")).await.unwrap();
    // Under the shield its term runs on, and ends.
    chief.listings.mark_listing(marking(&listing, Mark::Shielded)).await.unwrap();
    world.trial.boot.clock.set("2029-02-26T16:00:00Z".parse().unwrap());
    let get = api::GetListingRequest { listing, ..Default::default() };
    let ended = chief.listings.get_listing(get).await.unwrap().into_inner();
    assert_eq!(ended.state(), State::Expired);
}
