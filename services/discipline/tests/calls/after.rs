//! After a listing: objections, repairs, marks and revocation, here and in credit.
use chassis::trial::reason;
use contract::{
    credit::v1::record::{Mark as Told, Status},
    discipline::v1::{self as api, ListingMark as Mark, listing::State, listing_event::Kind},
};
use tonic::Code;

use super::world::{Client, LIST, World, code, eventually, metadata};

const NOW: &str = "2026-03-02T01:00:00Z";

// A listing of subject 1 from 2026-02-26 on, once credit has its record; and the record's id.
async fn listed(world: &World) -> (String, String) {
    let case = world.listed(LIST, &code(1), "2026-02-13", "2026-02-26").await;
    let has = || async { !world.records(&code(1), "serious-dishonesty-listing").await.is_empty() };
    eventually("the record", has).await;
    let record = world.records(&code(1), "serious-dishonesty-listing").await.remove(0).record;
    (case.case_id, record)
}

fn object(listing: &str) -> api::CreateObjectionRequest {
    api::CreateObjectionRequest {
        listing: listing.into(),
        reason: "工资已在期限内付清".into(),
        evidence: "银行回单".into(),
        ..Default::default()
    }
}

fn repair(listing: &str) -> api::CreateRepairRequest {
    api::CreateRepairRequest {
        listing: listing.into(),
        reason: "已全部履行".into(),
        evidence: "履行证明".into(),
        commitment: "信用承诺书".into(),
        ..Default::default()
    }
}

fn decide_objection(id: &str, outcome: api::objection::State) -> api::DecideObjectionRequest {
    api::DecideObjectionRequest {
        objection_id: id.into(),
        outcome: outcome.into(),
        explanation: "经核查".into(),
        ..Default::default()
    }
}

fn decide_repair(id: &str, outcome: api::repair::State) -> api::DecideRepairRequest {
    api::DecideRepairRequest {
        repair_id: id.into(),
        outcome: outcome.into(),
        explanation: "符合条件".into(),
        ..Default::default()
    }
}

fn mark(listing: &str, mark: Mark) -> api::MarkListingRequest {
    api::MarkListingRequest {
        listing: listing.into(),
        mark: mark.into(),
        document_number: "虚构行复〔2026〕1号".into(),
        text: "已受理".into(),
        ..Default::default()
    }
}

fn revoke(listing: &str, on: &str) -> api::RevokeListingRequest {
    api::RevokeListingRequest {
        listing: listing.into(),
        on: on.into(),
        document_number: "虚构行复决〔2026〕1号".into(),
        text: "复议撤销原决定".into(),
        ..Default::default()
    }
}

async fn listing(client: &mut Client, listing: &str) -> api::Listing {
    let request = api::GetListingRequest { listing: listing.into(), ..Default::default() };
    client.listings.get_listing(request).await.unwrap().into_inner()
}

async fn public(client: &mut Client) -> usize {
    let request = api::ListPublicListingsRequest { q: code(1), ..Default::default() };
    client.listings.list_public_listings(request).await.unwrap().into_inner().listings.len()
}

async fn told(world: &World, record: &str, marks: &[Told]) {
    let marks: Vec<i32> = marks.iter().map(|mark| (*mark).into()).collect();
    eventually("credit to know the marks", || async { world.record(record).await.marks == marks }).await;
}

#[tokio::test]
async fn an_objection_is_marked_at_once_and_decided_by_another() {
    let world = World::at(NOW).await;
    let (id, record) = listed(&world).await;
    let (mut own, mut clerk, mut chief) =
        (world.enterprise(&code(1)), world.of("hrss", "clerk"), world.of("hrss", "chief"));
    let filed = own.objections.create_objection(object(&id)).await.unwrap().into_inner();
    assert_eq!((filed.state(), filed.due_on.as_str()), (api::objection::State::Open, "2026-03-11"));
    let seen = listing(&mut own, &id).await;
    assert_eq!(
        (seen.state(), seen.marks().collect::<Vec<_>>()),
        (State::UnderObjection, vec![Mark::UnderObjection])
    );
    let checked = world.check(&mut clerk, &[&code(1)]).await;
    assert!(checked[0].listings[0].under_objection, "it still counts, and says so");
    told(&world, &record, &[Told::UnderObjection]).await;

    let again = own.objections.create_objection(object(&id)).await.unwrap_err();
    assert_eq!((again.code(), reason(&again)), (Code::FailedPrecondition, "FILING_OPEN".into()));
    let rejected = decide_objection(&filed.objection_id, api::objection::State::Rejected);
    let mut stranger = world.of("finance", "chief");
    let unknown = stranger.objections.decide_objection(rejected.clone()).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound, "whose it is not does not learn that it is there");
    let by_itself = own.objections.decide_objection(rejected.clone()).await.unwrap_err();
    assert_eq!((by_itself.code(), reason(&by_itself)), (Code::PermissionDenied, "NOT_OF_DEPARTMENT".into()));
    let open = decide_objection(&filed.objection_id, api::objection::State::Open);
    assert_eq!(reason(&chief.objections.decide_objection(open).await.unwrap_err()), "FIELD_INVALID");
    let decided = chief.objections.decide_objection(rejected.clone()).await.unwrap().into_inner();
    assert_eq!((decided.state(), decided.decided_by.as_str()), (api::objection::State::Rejected, "chief"));
    let twice = chief.objections.decide_objection(rejected).await.unwrap_err();
    assert_eq!(reason(&twice), "FILING_DECIDED");
    assert_eq!(listing(&mut own, &id).await.state(), State::Active);
    told(&world, &record, &[]).await;

    // At the window, by a clerk, who then does not decide.
    let filed = clerk.objections.create_objection(object(&id)).await.unwrap().into_inner();
    let upheld = decide_objection(&filed.objection_id, api::objection::State::Upheld);
    let same = clerk.objections.decide_objection(upheld.clone()).await.unwrap_err();
    assert_eq!((same.code(), reason(&same)), (Code::PermissionDenied, "FOUR_EYES".into()));
    chief.objections.decide_objection(upheld).await.unwrap();
    let seen = listing(&mut clerk, &id).await;
    assert_eq!((seen.state(), seen.ended_on.as_str()), (State::Revoked, "2026-03-02"));
    let happened: Vec<Kind> = seen.events.iter().map(api::ListingEvent::kind).collect();
    assert_eq!(happened, [Kind::Marked, Kind::Unmarked, Kind::Marked, Kind::Revoked]);
    assert!(world.check(&mut clerk, &[&code(1)]).await[0].listings.is_empty());
    assert_eq!(public(&mut clerk).await, 0);
    let withdrawn = || async { world.record(&record).await.status() == Status::Withdrawn };
    eventually("the record's withdrawal", withdrawn).await;
    let ended = own.objections.create_objection(object(&id)).await.unwrap_err();
    assert_eq!(reason(&ended), "LISTING_NOT_ACTIVE");
}

#[tokio::test]
async fn a_repair_waits_for_the_least_time_of_publicity() {
    let world = World::at(NOW).await;
    let (id, record) = listed(&world).await;
    let (mut own, mut chief) = (world.enterprise(&code(1)), world.of("hrss", "chief"));
    assert_eq!(listing(&mut own, &id).await.repair_from, "2026-08-27");
    for day in [NOW, "2026-08-26T15:59:59Z"] {
        world.trial.boot.clock.set(day.parse().unwrap());
        let early = own.repairs.create_repair(repair(&id)).await.unwrap_err();
        assert_eq!((early.code(), reason(&early)), (Code::FailedPrecondition, "REPAIR_TOO_EARLY".into()));
        assert_eq!(metadata(&early, "earliestDate"), "2026-08-27", "{day}");
    }
    world.trial.boot.clock.set("2026-08-26T16:00:00Z".parse().unwrap());
    let bare = api::CreateRepairRequest { evidence: String::new(), ..repair(&id) };
    assert_eq!(reason(&own.repairs.create_repair(bare).await.unwrap_err()), "FIELD_INVALID");
    let filed = own.repairs.create_repair(repair(&id)).await.unwrap().into_inner();
    assert_eq!((filed.due_on.as_str(), filed.commitment.as_str()), ("2026-09-10", "信用承诺书"));
    told(&world, &record, &[Told::UnderRepair]).await;
    // Both may be open; the end of the listing closes what is left.
    let objection = own.objections.create_objection(object(&id)).await.unwrap().into_inner();
    let approved = decide_repair(&filed.repair_id, api::repair::State::Approved);
    let decided = chief.repairs.decide_repair(approved).await.unwrap().into_inner();
    assert_eq!(decided.state(), api::repair::State::Approved);
    assert_eq!(listing(&mut own, &id).await.state(), State::Repaired);
    assert!(world.check(&mut chief, &[&code(1)]).await[0].listings.is_empty());
    eventually("the repaired record", || async { world.record(&record).await.status() == Status::Repaired })
        .await;
    let request = api::GetObjectionRequest { objection_id: objection.objection_id, ..Default::default() };
    let closed = own.objections.get_objection(request).await.unwrap().into_inner();
    assert_eq!(closed.state(), api::objection::State::Closed);
    let list = api::ListListingsRequest { state: State::Repaired.into(), ..Default::default() };
    assert_eq!(chief.listings.list_listings(list).await.unwrap().into_inner().listings.len(), 1);
}

#[tokio::test]
async fn what_is_suspended_is_neither_shown_nor_checked() {
    let world = World::at(NOW).await;
    let (id, record) = listed(&world).await;
    let (mut clerk, mut finance) = (world.of("hrss", "clerk"), world.of("finance", "clerk"));
    let reviewed = clerk.listings.mark_listing(mark(&id, Mark::UnderReview)).await.unwrap().into_inner();
    assert_eq!(reviewed.marks().collect::<Vec<_>>(), [Mark::UnderReview]);
    assert_eq!(
        world.check(&mut finance, &[&code(1)]).await[0].listings.len(),
        1,
        "a review alone does not suspend"
    );
    clerk.listings.mark_listing(mark(&id, Mark::Suspended)).await.unwrap();
    clerk.listings.mark_listing(mark(&id, Mark::Shielded)).await.unwrap();
    assert!(world.check(&mut finance, &[&code(1)]).await[0].listings.is_empty());
    assert_eq!(public(&mut finance).await, 0);
    told(&world, &record, &[Told::UnderReview, Told::Suspended]).await;
    assert!(world.public_records(&code(1)).await.is_empty());
    assert_eq!(
        world.records(&code(1), "serious-dishonesty-listing").await.len(),
        1,
        "departments see it with its mark"
    );

    let twice = clerk.listings.mark_listing(mark(&id, Mark::Suspended)).await.unwrap_err();
    assert_eq!(reason(&twice), "MARK_UNCHANGED");
    clerk.listings.unmark_listing(mark(&id, Mark::Suspended)).await.unwrap();
    assert!(
        world.check(&mut finance, &[&code(1)]).await[0].listings.is_empty(),
        "the other mark hides it still"
    );
    clerk.listings.unmark_listing(mark(&id, Mark::Shielded)).await.unwrap();
    assert_eq!(world.check(&mut finance, &[&code(1)]).await[0].listings.len(), 1);
    told(&world, &record, &[Told::UnderReview]).await;
    assert_eq!(world.public_records(&code(1)).await.len(), 1);

    for wrong in [Mark::UnderObjection, Mark::UnderRepair] {
        assert_eq!(
            reason(&clerk.listings.mark_listing(mark(&id, wrong)).await.unwrap_err()),
            "FIELD_INVALID"
        );
    }
    let denied = finance.listings.mark_listing(mark(&id, Mark::InLitigation)).await.unwrap_err();
    assert_eq!((denied.code(), reason(&denied)), (Code::PermissionDenied, "NOT_OF_DEPARTMENT".into()));
    let future = api::MarkListingRequest { on: "2026-03-03".into(), ..mark(&id, Mark::InLitigation) };
    assert_eq!(reason(&clerk.listings.mark_listing(future).await.unwrap_err()), "STEP_DATE_INVALID");
    let mut other = world.enterprise(&code(2));
    let request = api::GetListingRequest { listing: id, ..Default::default() };
    let unseen = other.listings.get_listing(request).await.unwrap_err();
    assert_eq!(unseen.code(), Code::NotFound);
}

#[tokio::test]
async fn an_annulled_decision_is_withdrawn_within_its_term_or_shows_as_late() {
    let world = World::at("2026-03-12T01:00:00Z").await;
    let (id, record) = listed(&world).await;
    let (mut clerk, mut office) = (world.of("finance", "clerk"), world.office());
    let denied = clerk.listings.revoke_listing(revoke(&id, "")).await.unwrap_err();
    assert_eq!(reason(&denied), "NOT_OF_DEPARTMENT");
    // Annulled on a Friday; three working days end with the Wednesday before today.
    let revoked = office.listings.revoke_listing(revoke(&id, "2026-03-06")).await.unwrap().into_inner();
    assert_eq!((revoked.state(), revoked.events.last().unwrap().late), (State::Revoked, true));
    eventually("the withdrawal", || async { world.record(&record).await.status() == Status::Withdrawn })
        .await;
    let again = office.listings.revoke_listing(revoke(&id, "")).await.unwrap_err();
    assert_eq!((again.code(), reason(&again)), (Code::FailedPrecondition, "LISTING_NOT_ACTIVE".into()));
    assert_eq!(metadata(&again, "state"), "REVOKED");
}

#[tokio::test]
async fn the_end_of_the_term_closes_what_is_open() {
    let world = World::at(NOW).await;
    let (id, _) = listed(&world).await;
    let mut own = world.enterprise(&code(1));
    let by_name = |part: &str| api::ListPublicListingsRequest { q: part.into(), ..Default::default() };
    let named = own.listings.list_public_listings(by_name("劳务1号")).await.unwrap().into_inner().listings;
    assert_eq!((named.len(), public(&mut own).await), (1, 1), "by name and by code");
    // What everybody sees names the enterprise and the department that decided, and nobody who handled it.
    let shown = format!("{named:?}");
    assert!(named[0].events.is_empty() && !shown.contains("clerk") && !shown.contains("chief"), "{shown}");
    let filed = own.objections.create_objection(object(&id)).await.unwrap().into_inner();
    world.trial.boot.clock.set("2029-02-26T16:00:00Z".parse().unwrap());
    assert_eq!(listing(&mut own, &id).await.state(), State::Expired, "at midnight, whoever has looked");
    let named = own.listings.list_public_listings(by_name("劳务1号")).await.unwrap().into_inner().listings;
    assert_eq!((named.len(), public(&mut own).await), (0, 0), "history ends with the term");
    eventually("the filing to be closed", || async {
        let request =
            api::GetObjectionRequest { objection_id: filed.objection_id.clone(), ..Default::default() };
        let mut own = world.enterprise(&code(1));
        own.objections.get_objection(request).await.unwrap().into_inner().state()
            == api::objection::State::Closed
    })
    .await;
    assert_eq!(listing(&mut own, &id).await.events.last().unwrap().kind(), Kind::Expired);
}

#[tokio::test]
async fn credit_hears_of_acts_in_their_order_whatever_gets_lost() {
    let world = World::at(NOW).await;
    world.answers_to_lose.store(1, std::sync::atomic::Ordering::SeqCst);
    let case = world.listed(LIST, &code(1), "2026-02-13", "2026-02-26").await;
    let mut clerk = world.of("hrss", "clerk");
    clerk.listings.mark_listing(mark(&case.case_id, Mark::InLitigation)).await.unwrap();
    world.of("hrss", "chief").listings.revoke_listing(revoke(&case.case_id, "")).await.unwrap();
    let gone = || async {
        let kept = world.records(&code(1), "serious-dishonesty-listing").await;
        let request = api::GetCaseRequest { case: case.case_id.clone(), ..Default::default() };
        let case = world.of("hrss", "clerk").cases.get_case(request).await.unwrap().into_inner();
        !case.position.is_empty() && kept.is_empty()
    };
    eventually("the record to come and go", gone).await;
}
