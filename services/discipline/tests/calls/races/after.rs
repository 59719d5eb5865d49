//! What is done about one listing, by many at once: objections, repairs, marks, revocation, measures.
use std::collections::BTreeMap;

use chassis::access::Claims;
use contract::discipline::v1::{
    self as api, ListingMark as Mark, application::Outcome as Applied, listing::State,
    listing_event::Kind as Happened,
};
use tonic::Status;

use super::{Chance, learnt, officers, replicas};
use crate::calls::world::{ALL, Client, LIST, World, code, eventually, list, put_list};

const NOW: &str = "2026-03-02T01:00:00Z";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    Object,
    AskRepair,
    DecideObjection(api::objection::State),
    DecideRepair(api::repair::State),
    Mark(Mark),
    Unmark(Mark),
    Revoke,
    Apply,
}

const ACTS: [Act; 13] = [
    Act::Object,
    Act::AskRepair,
    Act::DecideObjection(api::objection::State::Rejected),
    Act::DecideObjection(api::objection::State::Rejected),
    Act::DecideObjection(api::objection::State::Upheld),
    Act::DecideRepair(api::repair::State::Rejected),
    Act::DecideRepair(api::repair::State::Rejected),
    Act::DecideRepair(api::repair::State::Approved),
    Act::Mark(Mark::InLitigation),
    Act::Mark(Mark::Suspended),
    Act::Unmark(Mark::Suspended),
    Act::Apply,
    Act::Revoke,
];

// What is open when a round begins.
#[derive(Clone, Default)]
struct Open {
    listing: String,
    objection: String,
    repair: String,
}

async fn take(act: Act, mut client: Client, open: Open) -> Result<(), Status> {
    let listing = open.listing;
    let marking = |mark: Mark| api::MarkListingRequest {
        listing: listing.clone(),
        mark: mark.into(),
        document_number: "虚构行复〔2026〕1号".into(),
        text: "已受理".into(),
        ..Default::default()
    };
    match act {
        Act::Object => {
            let (reason, evidence) = ("工资已付清".into(), "银行回单".into());
            let request = api::CreateObjectionRequest { listing, reason, evidence, ..Default::default() };
            client.objections.create_objection(request).await.map(drop)
        }
        Act::AskRepair => {
            let request = api::CreateRepairRequest {
                listing,
                reason: "已履行".into(),
                evidence: "凭证".into(),
                commitment: "承诺书".into(),
                ..Default::default()
            };
            client.repairs.create_repair(request).await.map(drop)
        }
        Act::DecideObjection(outcome) => {
            let request = api::DecideObjectionRequest {
                objection_id: open.objection,
                outcome: outcome.into(),
                explanation: "经核查".into(),
                ..Default::default()
            };
            client.objections.decide_objection(request).await.map(drop)
        }
        Act::DecideRepair(outcome) => {
            let request = api::DecideRepairRequest {
                repair_id: open.repair,
                outcome: outcome.into(),
                explanation: "经核查".into(),
                ..Default::default()
            };
            client.repairs.decide_repair(request).await.map(drop)
        }
        Act::Mark(mark) => client.listings.mark_listing(marking(mark)).await.map(drop),
        Act::Unmark(mark) => client.listings.unmark_listing(marking(mark)).await.map(drop),
        Act::Revoke => {
            let (document_number, text) = ("虚构行复决〔2026〕1号".into(), "撤销原决定".into());
            let request = api::RevokeListingRequest { listing, document_number, text, ..Default::default() };
            client.listings.revoke_listing(request).await.map(drop)
        }
        Act::Apply => {
            let application = api::Application {
                listing,
                measure: "key-supervision".into(),
                applied_on: "2026-03-02".into(),
                outcome: Applied::Applied.into(),
                ..Default::default()
            };
            let request =
                api::CreateApplicationRequest { application: Some(application), ..Default::default() };
            client.applications.create_application(request).await.map(drop)
        }
    }
}

async fn seen(client: &Client, listing: &str) -> api::Listing {
    let request = api::GetListingRequest { listing: listing.into(), ..Default::default() };
    client.clone().listings.get_listing(request).await.unwrap().into_inner()
}

// The filings of a listing by their states, and the one that is open of each kind.
async fn filings(
    client: &Client,
    uscc: &str,
    listing: &str,
) -> (Open, Vec<api::Objection>, Vec<api::Repair>) {
    let mut client = client.clone();
    let asked = api::ListObjectionsRequest { uscc: uscc.into(), page_size: 1_000, ..Default::default() };
    let objections = client.objections.list_objections(asked).await.unwrap().into_inner().objections;
    let asked = api::ListRepairsRequest { uscc: uscc.into(), page_size: 1_000, ..Default::default() };
    let repairs = client.repairs.list_repairs(asked).await.unwrap().into_inner().repairs;
    let open: Vec<&api::Objection> =
        objections.iter().filter(|one| one.state() == api::objection::State::Open).collect();
    let asking: Vec<&api::Repair> =
        repairs.iter().filter(|one| one.state() == api::repair::State::Open).collect();
    assert!(open.len() <= 1 && asking.len() <= 1, "two are open: {open:?} {asking:?}");
    let last = |found: Option<String>| found.unwrap_or_default();
    let open = Open {
        listing: listing.into(),
        objection: last(open.first().copied().or(objections.first()).map(|one| one.objection_id.clone())),
        repair: last(asking.first().copied().or(repairs.first()).map(|one| one.repair_id.clone())),
    };
    (open, objections, repairs)
}

// What the events say must be what the callers were told, each once; and nothing happens to what has ended.
fn tells_each_once(listing: &api::Listing, won: &[Act]) {
    let count = |kind: Happened, mark: Mark| {
        listing.events.iter().filter(|event| event.kind() == kind && event.mark() == mark).count()
    };
    let told = |act: Act| won.iter().filter(|one| **one == act).count();
    for mark in [Mark::InLitigation, Mark::Suspended] {
        assert_eq!(count(Happened::Marked, mark), told(Act::Mark(mark)), "{won:?} {:?}", listing.events);
        assert_eq!(count(Happened::Unmarked, mark), told(Act::Unmark(mark)), "{won:?} {:?}", listing.events);
    }
    assert_eq!(count(Happened::Marked, Mark::UnderObjection), told(Act::Object), "{won:?}");
    assert_eq!(count(Happened::Marked, Mark::UnderRepair), told(Act::AskRepair), "{won:?}");
    let upheld = told(Act::DecideObjection(api::objection::State::Upheld));
    let approved = told(Act::DecideRepair(api::repair::State::Approved));
    assert_eq!(count(Happened::Revoked, Mark::Unspecified), told(Act::Revoke) + upheld, "{won:?}");
    assert_eq!(count(Happened::Repaired, Mark::Unspecified), approved, "{won:?}");
    let ended = [State::Revoked, State::Repaired].contains(&listing.state());
    assert_eq!(told(Act::Revoke) + upheld + approved, usize::from(ended), "one end, or none: {won:?}");
    let at = listing
        .events
        .iter()
        .position(|event| [Happened::Revoked, Happened::Repaired].contains(&event.kind()));
    assert_eq!(at.map(|at| at + 1), ended.then_some(listing.events.len()), "{:?}", listing.events);
    // On and off in turn, each mark by itself.
    for mark in [Mark::InLitigation, Mark::Suspended, Mark::UnderObjection, Mark::UnderRepair] {
        let of_mark: Vec<Happened> =
            listing.events.iter().filter(|event| event.mark() == mark).map(api::ListingEvent::kind).collect();
        let turns = of_mark.iter().enumerate();
        let expected = |at: usize| if at.is_multiple_of(2) { Happened::Marked } else { Happened::Unmarked };
        assert!(turns.clone().all(|(at, kind)| *kind == expected(at)), "{mark:?}: {of_mark:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_listing_ends_once_and_what_is_about_it_is_decided_once() {
    let world = World::at(NOW).await;
    world
        .office()
        .lists
        .put_list(put_list(api::List { repair_after_months: 0, ..list(LIST) }))
        .await
        .unwrap();
    let replicas = replicas(&world).await;
    let officers = officers(&world, &replicas);
    let own = |serial| {
        let claims = Claims { uscc: code(serial), ..world.claims("", "enterprise", ALL) };
        world.client_of(replicas.last().unwrap(), claims)
    };
    let (mut learned, mut ends) = (BTreeMap::<String, usize>::new(), BTreeMap::<&str, usize>::new());
    for serial in 1..=5 {
        let listing = world.listed(LIST, &code(serial), "2026-02-13", "2026-02-26").await.case_id;
        let mut chance = Chance(0xD1B5_4A32_D192_ED03_u64.wrapping_mul(u64::from(serial)));
        let mut won = Vec::new();
        // What an enterprise files, its department decides.
        for act in [Act::Object, Act::AskRepair] {
            take(act, own(serial), Open { listing: listing.clone(), ..Open::default() }).await.unwrap();
            won.push(act);
        }
        for turn in 0..12 {
            let (open, _, _) = filings(&officers[0], &code(serial), &listing).await;
            // The last round is for its end, by whatever way.
            let ending = [
                Act::Revoke,
                Act::DecideObjection(api::objection::State::Upheld),
                Act::DecideRepair(api::repair::State::Approved),
            ];
            let mut running = tokio::task::JoinSet::new();
            for (at, officer) in officers.iter().enumerate() {
                let act = match turn {
                    11 => ending[at % 3],
                    _ => chance.of(&ACTS[..ACTS.len() - usize::from(turn < 4)]),
                };
                let filed = matches!(act, Act::Object | Act::AskRepair);
                let client = if filed { own(serial) } else { officer.clone() };
                let open = open.clone();
                running.spawn(async move { (act, take(act, client, open).await) });
            }
            for (act, outcome) in running.join_all().await {
                match outcome {
                    Ok(()) => won.push(act),
                    Err(lost) => {
                        let told = learnt(&lost, &format!("listing {serial}, turn {turn}, {act:?}"));
                        *learned.entry(told).or_default() += 1;
                    }
                }
            }
            let kept = seen(&officers[0], &listing).await;
            assert_eq!(kept, seen(&officers[1], &listing).await, "the replicas disagree");
            tells_each_once(&kept, &won);
        }
        let kept = seen(&officers[0], &listing).await;
        *ends.entry(kept.state().as_str_name()).or_default() += 1;
        assert!([State::Revoked, State::Repaired].contains(&kept.state()), "{kept:?}");
        // Each filing has the one end that its decider was told of, or was closed with the listing.
        let (_, objections, repairs) = filings(&officers[0], &code(serial), &listing).await;
        for (state, act) in [api::objection::State::Upheld, api::objection::State::Rejected]
            .map(|state| (state, Act::DecideObjection(state)))
        {
            let found = objections.iter().filter(|one| one.state() == state).count();
            assert_eq!(found, won.iter().filter(|one| **one == act).count(), "{state:?}");
        }
        for (state, act) in [api::repair::State::Approved, api::repair::State::Rejected]
            .map(|state| (state, Act::DecideRepair(state)))
        {
            let found = repairs.iter().filter(|one| one.state() == state).count();
            assert_eq!(found, won.iter().filter(|one| **one == act).count(), "{state:?}");
        }
        assert!(objections.iter().all(|one| one.state() != api::objection::State::Open));
        assert!(repairs.iter().all(|one| one.state() != api::repair::State::Open));
        let mut finance = world.of("finance", "f");
        assert!(world.check(&mut finance, &[&code(serial)]).await[0].listings.is_empty());
        // Credit hears of all of it in the order in which it came to be.
        let gone = || async { world.records(&code(serial), "serious-dishonesty-listing").await.is_empty() };
        eventually("the record's end", gone).await;
        let applied = won.iter().filter(|act| **act == Act::Apply).count();
        let asked = api::ListApplicationsRequest {
            listing: listing.clone(),
            to_lift: true,
            page_size: 1_000,
            ..Default::default()
        };
        let to_lift = finance.applications.list_applications(asked).await.unwrap().into_inner().applications;
        assert_eq!(to_lift.len(), applied, "what was applied is to be lifted");
        lifted_once(&officers, &to_lift).await;
    }
    println!("{} replicas, refusals {learned:?}, ends {ends:?}", replicas.len());
    assert!(learned.values().sum::<usize>() > 50, "{learned:?}");
    let figures = api::GetListingFiguresRequest::default();
    let counted = officers[6].clone().figures.get_listing_figures(figures).await.unwrap().into_inner();
    let (listed, ended) = counted.listings.iter().fold((0, 0), |(listed, ended), one| {
        (listed + one.listed, ended + one.revoked + one.repaired + one.expired)
    });
    assert_eq!((listed, ended), (5, 5), "{counted:?}");
    let measures = officers[6].clone().figures.count_measures(api::CountMeasuresRequest::default()).await;
    let measures = measures.unwrap().into_inner().measures;
    assert!(measures.iter().all(|one| one.applied == one.lifted && one.to_lift == 0), "{measures:?}");
}

// Everybody of the office and of the department confirms the same; one is taken.
async fn lifted_once(officers: &[Client], applications: &[api::Application]) {
    for application in applications {
        let mut running = tokio::task::JoinSet::new();
        for (at, mut client) in officers.iter().cloned().enumerate() {
            let request = api::LiftApplicationRequest {
                application: application.application_id.clone(),
                text: format!("由第{at}人登记解除"),
                ..Default::default()
            };
            let theirs = application.department == "hrss" || at >= 6;
            if theirs {
                running.spawn(async move { client.applications.lift_application(request).await.map(drop) });
            }
        }
        let told = running.join_all().await;
        assert_eq!(told.iter().filter(|one| one.is_ok()).count(), 1, "{told:?}");
        for lost in told.iter().filter_map(|one| one.as_ref().err()) {
            assert!(
                ["NOTHING_TO_LIFT", "CONCURRENT_CHANGE"].contains(&learnt(lost, "lift").as_str()),
                "{lost:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_term_ends_once_whichever_replica_marks_it() {
    let world = World::at(NOW).await;
    let replicas = replicas(&world).await;
    let officers = officers(&world, &replicas);
    let mut listings = Vec::new();
    for serial in 1..=5 {
        listings.push(world.listed(LIST, &code(serial), "2026-02-13", "2026-02-26").await.case_id);
    }
    // Past midnight every replica marks what has run out, while officers still try to change it.
    world.trial.boot.clock.set("2029-02-26T16:00:00Z".parse().unwrap());
    let mut running = tokio::task::JoinSet::new();
    for listing in &listings {
        for (officer, act) in officers.iter().zip([Act::Revoke, Act::Mark(Mark::Suspended), Act::Revoke]) {
            let open = Open { listing: listing.clone(), ..Open::default() };
            running.spawn(take(act, officer.clone(), open));
        }
    }
    for told in running.join_all().await {
        assert_eq!(learnt(&told.unwrap_err(), "after the term"), "LISTING_NOT_ACTIVE");
    }
    for listing in &listings {
        let marked = || async {
            let kept = seen(&officers[0], listing).await;
            kept.events.last().is_some_and(|event| event.kind() == Happened::Expired)
        };
        eventually("the end to be marked", marked).await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    for listing in &listings {
        let kept = seen(&officers[1], listing).await;
        assert_eq!(kept.events.len(), 1, "once: {:?}", kept.events);
        let request = api::GetPapersRequest { case: listing.clone(), ..Default::default() };
        let papers = officers[0].clone().papers.get_papers(request).await.unwrap().into_inner().papers;
        let exits = papers.iter().filter(|paper| paper.kind() == api::paper::Kind::ExitNotice).count();
        assert_eq!(exits, 1, "one notice");
    }
}
