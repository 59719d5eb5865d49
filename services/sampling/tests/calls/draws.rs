//! Draws: the arithmetic recomputed here from the contract's text alone, without the library.
use std::collections::BTreeMap;

use chassis::trial::reason;
use contract::{
    grading::v1::scheme::Disclosure,
    sampling::v1::{self as api, draw::State, skipped_inspector::Reason},
};
use sha2::{Digest, Sha256};
use tonic::Code;

use super::world::{GRADE_B, SUBJECTS, World, code, inspector, plan, quota};

fn hash(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

// The codes of the city with their grades, as a roster.
fn roster() -> String {
    let mut lines: Vec<String> = (1..=SUBJECTS)
        .map(|serial| format!("{},{}\n", code(serial), if serial % 5 == 0 { "B" } else { "A" }))
        .collect();
    lines.sort();
    lines.concat()
}

// Who is drawn by the contract's words: stratum, ticket, code.
fn selection(seed: &str, roster: &str, quota_text: &str) -> Vec<(String, String, String)> {
    let mut strata: BTreeMap<&str, Vec<(String, &str)>> = BTreeMap::new();
    for line in roster.lines() {
        let (uscc, stratum) = line.split_once(',').unwrap();
        strata.entry(stratum).or_default().push((hash(&format!("{seed}\n{uscc}")), uscc));
    }
    let mut drawn = Vec::new();
    for line in quota_text.lines() {
        let (stratum, k) = line.split_once(',').unwrap();
        let mut tickets = strata.remove(stratum).unwrap();
        tickets.sort();
        let smallest = tickets.into_iter().take(k.parse().unwrap());
        drawn.extend(smallest.map(|(ticket, uscc)| (stratum.to_owned(), ticket, uscc.to_owned())));
    }
    drawn
}

#[tokio::test]
async fn a_draw_is_what_the_contract_says_to_the_byte() {
    let world = World::new(Disclosure::Public).await;
    world.put_item("operation", &[]).await;
    world.create_plan(plan("p")).await;
    let committed = world.commit("p").await.unwrap();
    assert_eq!(committed.state(), State::Committed);
    assert_eq!((committed.roster_size, committed.quota_text.as_str()), (60, "A,3\nB,6\n"));
    assert_eq!(committed.roster_digest, hash(&roster()));
    assert_eq!((committed.secret.as_str(), committed.seed.as_str(), committed.selected.len()), ("", "", 0));
    // Nobody sees the secret before the reveal.
    let request = api::GetDrawRequest { draw: committed.draw_id.clone(), ..Default::default() };
    let read = world.draws(world.transport()).get_draw(request.clone()).await.unwrap().into_inner();
    assert_eq!(read, committed);
    let bundle = world.bundle(world.office("sampling.audit"), &committed.draw_id, "", "").await.unwrap();
    assert_eq!((bundle.secret.as_str(), bundle.seed.as_str(), bundle.roster), ("", "", Some(roster())));

    // Spaces and line feeds of the entropy count.
    let entropy = " 03 08\n15 ";
    let revealed = world.reveal(&committed.draw_id, entropy).await.unwrap();
    assert_eq!(revealed.state(), State::Revealed);
    assert_eq!(hash(&revealed.secret), committed.commitment);
    assert_eq!(revealed.secret.len(), 64);
    assert_eq!(revealed.entropy, entropy);
    let seed = hash(&format!(
        "{}\n{entropy}\n{}\n{}",
        revealed.secret, committed.roster_digest, committed.quota_text
    ));
    assert_eq!(revealed.seed, seed);
    let expected = selection(&seed, &roster(), "A,3\nB,6\n");
    let stated: Vec<_> = revealed
        .selected
        .iter()
        .map(|one| (one.stratum().to_owned(), one.ticket.clone(), one.uscc.clone()))
        .collect();
    assert_eq!(stated, expected);
    assert_eq!((revealed.drawn, revealed.visited, revealed.found), (9, 0, 0));
    let visits = world.visits_of(&revealed.draw_id).await;
    let order: Vec<&str> = visits.iter().map(|visit| visit.uscc.as_str()).collect();
    assert_eq!(order, expected.iter().map(|(_, _, uscc)| uscc.as_str()).collect::<Vec<_>>());
    assert!(
        visits.iter().all(|visit| visit.name.starts_with("试验企业")),
        "names come from the frozen roster"
    );
    let own = (1..=SUBJECTS).find(|serial| code(*serial) == visits[0].uscc).unwrap();
    assert_eq!(visits[0].name, format!("试验企业{own}"));
    assert_eq!(world.draws(world.transport()).get_draw(request).await.unwrap().into_inner(), revealed);
}

#[tokio::test]
async fn a_plans_region_and_quotas_bound_the_draw() {
    let world = World::new(Disclosure::Public).await;
    world.put_item("operation", &[]).await;
    let quotas = vec![quota("A", 0.0, 1000), quota("UNGRADED", 100.0, 5)];
    world.create_plan(api::Plan { region: "640302".into(), quotas, ..plan("p") }).await;
    let draw = world.commit("p").await.unwrap();
    // Every second subject; of the tens all are Bs, for whom there is no quota.
    assert_eq!((draw.roster_size, draw.quota_text.as_str()), (30, "A,24\nB,0\n"));
    world.create_plan(api::Plan { region: "110000".into(), ..plan("q") }).await;
    let empty = world.commit("q").await.unwrap_err();
    assert_eq!((empty.code(), reason(&empty).as_str()), (Code::FailedPrecondition, "ROSTER_EMPTY"));
    world.create_plan(api::Plan { industries: vec!["A".into()], ..plan("r") }).await;
    assert_eq!(reason(&world.commit("r").await.unwrap_err()), "ROSTER_EMPTY");
}

#[tokio::test]
async fn a_draw_goes_one_way() {
    let world = World::new(Disclosure::Public).await;
    world.put_item("operation", &[]).await;
    world.create_plan(plan("p")).await;
    let early = world.reveal("none", "x").await.unwrap_err();
    assert_eq!(early.code(), Code::NotFound);
    assert!(early.message().contains(":commit"), "{}", early.message());
    assert_eq!(world.commit("none").await.unwrap_err().code(), Code::NotFound);
    let first = world.commit("p").await.unwrap();
    let second = world.commit("p").await.unwrap_err();
    assert_eq!((second.code(), reason(&second).as_str()), (Code::FailedPrecondition, "DRAW_PENDING"));
    let blank = world.reveal(&first.draw_id, " ").await.unwrap_err();
    assert_eq!(blank.code(), Code::InvalidArgument);
    let abandon = |draw: &str| api::AbandonDrawRequest {
        draw: draw.to_owned(),
        reason: "计划调整".into(),
        ..Default::default()
    };
    let given_up =
        world.draws(world.transport()).abandon_draw(abandon(&first.draw_id)).await.unwrap().into_inner();
    assert_eq!((given_up.state(), given_up.abandon_reason.as_str()), (State::Abandoned, "计划调整"));
    let late = world.reveal(&first.draw_id, "x").await.unwrap_err();
    assert_eq!((late.code(), reason(&late).as_str()), (Code::FailedPrecondition, "DRAW_NOT_COMMITTED"));
    assert_eq!(
        world.bundle(world.office("sampling.audit"), &first.draw_id, "", "").await.unwrap().secret,
        ""
    );

    let next = world.commit("p").await.unwrap();
    assert_ne!(next.commitment, first.commitment, "each draw has a secret of its own");
    world.reveal(&next.draw_id, "x").await.unwrap();
    for entropy in ["x", "y"] {
        let again = world.reveal(&next.draw_id, entropy).await.unwrap_err();
        assert_eq!(
            (again.code(), reason(&again).as_str()),
            (Code::FailedPrecondition, "DRAW_ALREADY_REVEALED")
        );
    }
    let late = world.draws(world.transport()).abandon_draw(abandon(&next.draw_id)).await.unwrap_err();
    assert_eq!(reason(&late), "DRAW_ALREADY_REVEALED");
    // A revealed plan may be drawn once more; both stay on record, the latest first.
    let third = world.commit("p").await.unwrap();
    let list = |request: api::ListDrawsRequest| async {
        world.draws(world.transport()).list_draws(request).await.unwrap().into_inner().draws
    };
    let listed = list(api::ListDrawsRequest { plan: "p".into(), ..Default::default() }).await;
    let ids: Vec<&str> = listed.iter().map(|draw| draw.draw_id.as_str()).collect();
    assert_eq!(ids, [third.draw_id.as_str(), &next.draw_id, &first.draw_id]);
    assert_eq!((listed[1].drawn, listed[1].selected.len(), listed[0].secret.as_str()), (9, 0, ""));
    for (from, to, count) in [("2026-03-02", "2026-03-02", 3), ("2026-03-03", "", 0), ("", "2026-03-01", 0)] {
        let request = api::ListDrawsRequest {
            from: from.into(),
            to: to.into(),
            scheme: "s".into(),
            ..Default::default()
        };
        assert_eq!(list(request).await.len(), count, "{from} {to}");
    }
}

#[tokio::test]
async fn a_commit_is_done_once_for_its_request_id() {
    let world = World::new(Disclosure::Public).await;
    world.put_item("operation", &[]).await;
    world.create_plan(plan("p")).await;
    let request = api::CommitPlanRequest {
        plan: "p".into(),
        entropy_source: "彩票".into(),
        request_id: "key".into(),
        ..Default::default()
    };
    let first = world.plans(world.transport()).commit_plan(request.clone()).await.unwrap().into_inner();
    let again = world.plans(world.transport()).commit_plan(request.clone()).await.unwrap().into_inner();
    assert_eq!(first, again);
    world.reveal(&first.draw_id, "x").await.unwrap();
    let later = world.plans(world.transport()).commit_plan(request).await.unwrap().into_inner();
    assert_eq!(later, first, "the same id never draws anew");
}

#[tokio::test]
async fn commits_at_once_make_one_draw() {
    let world = World::new(Disclosure::Public).await;
    world.put_item("operation", &[]).await;
    world.create_plan(plan("p")).await;
    let (one, two, three) = tokio::join!(world.commit("p"), world.commit("p"), world.commit("p"));
    let (made, refused): (Vec<_>, Vec<_>) = [one, two, three].into_iter().partition(Result::is_ok);
    assert_eq!((made.len(), refused.len()), (1, 2));
    for refusal in refused {
        assert_eq!(reason(&refusal.unwrap_err()), "DRAW_PENDING");
    }
}

#[tokio::test]
async fn only_the_plans_departments_draw() {
    let world = World::new(Disclosure::Public).await;
    world.put_item("operation", &[]).await;
    world.create_plan(plan("p")).await;
    let commit =
        || api::CommitPlanRequest { plan: "p".into(), entropy_source: "彩票".into(), ..Default::default() };
    let water = world.trial.token("water", super::world::ALL);
    let denied = world.plans(water.clone()).commit_plan(commit()).await.unwrap_err();
    assert_eq!((denied.code(), reason(&denied).as_str()), (Code::PermissionDenied, "OTHER_DEPARTMENT"));
    let undrawing = world.trial.token("transport", "sampling.read sampling.write");
    let denied = world.plans(undrawing).commit_plan(commit()).await.unwrap_err();
    assert_eq!(reason(&denied), "SCOPE_MISSING");
    let sourceless = api::CommitPlanRequest { entropy_source: String::new(), ..commit() };
    assert_eq!(
        world.plans(world.transport()).commit_plan(sourceless).await.unwrap_err().code(),
        Code::InvalidArgument
    );
    let draw = world.plans(world.office("sampling.draw")).commit_plan(commit()).await.unwrap().into_inner();
    let reveal =
        api::RevealDrawRequest { draw: draw.draw_id.clone(), entropy: "x".into(), ..Default::default() };
    let denied = world.draws(water).reveal_draw(reveal).await.unwrap_err();
    assert_eq!(reason(&denied), "OTHER_DEPARTMENT");
    let get = api::GetDrawRequest { draw: draw.draw_id.clone(), ..Default::default() };
    let denied = world.draws(world.enterprise(&code(1))).get_draw(get.clone()).await.unwrap_err();
    assert_eq!(reason(&denied), "NOT_DISCLOSED");
    let claims = chassis::access::Claims {
        department: "transport".into(),
        scope: "sampling.read".into(),
        ..world.trial.claims()
    };
    let purposeless = world.trial.token_of(claims);
    let refused = world.draws(purposeless.clone()).get_draw(get).await.unwrap_err();
    assert_eq!(reason(&refused), "PURPOSE_REQUIRED");
    let visits = api::ListVisitsRequest { draw: draw.draw_id, ..Default::default() };
    assert_eq!(reason(&world.visits(purposeless).list_visits(visits).await.unwrap_err()), "PURPOSE_REQUIRED");
}

// Who inspects by the contract's words, of candidates with a cap.
fn teams(seed: &str, visits: &[api::Visit], pool: &[(&str, Vec<String>)], cap: usize) -> Vec<Vec<String>> {
    let mut load: BTreeMap<&str, usize> = BTreeMap::new();
    let mut teams = Vec::new();
    for visit in visits {
        let may = |(id, conflicts): &&(&str, Vec<String>)| {
            !conflicts.contains(&visit.uscc) && load.get(id).copied().unwrap_or(0) < cap
        };
        let mut tickets: Vec<(String, &str)> = pool
            .iter()
            .filter(may)
            .map(|(id, _)| (hash(&format!("{seed}\n{}\n{id}", visit.uscc)), *id))
            .collect();
        tickets.sort();
        tickets.truncate(2);
        for (_, id) in &tickets {
            *load.entry(id).or_default() += 1;
        }
        teams.push(tickets.into_iter().map(|(_, id)| id.to_owned()).collect());
    }
    teams
}

#[tokio::test]
async fn inspectors_are_drawn_by_ticket_among_those_who_may() {
    let world = World::new(Disclosure::Public).await;
    world.put_item("operation", &["road"]).await;
    let all: Vec<String> = (1..=SUBJECTS).filter(|serial| serial % 2 == 0).map(code).collect();
    let pool = [("i1", Vec::new()), ("i2", all.clone()), ("i3", Vec::new()), ("i4", Vec::new()), ("i5", all)];
    for (id, conflicts) in &pool {
        world.put_inspector(api::Inspector { conflicts: conflicts.clone(), ..inspector(id) }).await;
    }
    world.put_inspector(api::Inspector { skills: vec!["food".into()], ..inspector("unskilled") }).await;
    world
        .put_inspector(api::Inspector { available_until: "2026-06-29".into(), ..inspector("leaving") })
        .await;
    world.put_inspector(api::Inspector { region: "640100".into(), ..inspector("elsewhere") }).await;
    let water = api::PutInspectorRequest {
        inspector: Some(api::Inspector { department: "water".into(), ..inspector("foreign") }),
        ..Default::default()
    };
    world.inspectors(world.office("sampling.write")).put_inspector(water).await.unwrap();

    let cap = 5;
    let capped = api::Plan { visits_per_inspector: 5, region: "640300".into(), ..plan("p") };
    world.create_plan(capped).await;
    let draw = world.commit("p").await.unwrap();
    let draw = world.reveal(&draw.draw_id, "x").await.unwrap();
    let visits = world.visits_of(&draw.draw_id).await;
    let expected = teams(&draw.seed, &visits, &pool, cap);
    let stated: Vec<_> = visits.iter().map(|visit| visit.inspectors.clone()).collect();
    assert_eq!(stated, expected);
    let always: Vec<_> = draw
        .skipped_inspectors
        .iter()
        .map(|one| (one.inspector_id.as_str(), one.reason(), one.skill.as_str()))
        .collect();
    assert_eq!(always, [("leaving", Reason::NotAvailable, ""), ("unskilled", Reason::LacksSkill, "road")]);
    for visit in &visits {
        let kept: Vec<&str> = visit.skipped_inspectors.iter().map(|one| one.inspector_id.as_str()).collect();
        let evens = pool[1].1.contains(&visit.uscc);
        assert_eq!(evens, kept.contains(&"i2") && kept.contains(&"i5"), "recusals are told: {visit:?}");
        assert_eq!(visit.inspectors.len() < 2, !visit.shortage.is_empty(), "{visit:?}");
    }
    let short = visits.iter().any(|visit| visit.inspectors.len() < 2);
    assert_eq!(short, !draw.warnings.is_empty());
}

#[tokio::test]
async fn without_inspectors_the_draw_stands_and_warns() {
    let world = World::new(Disclosure::Public).await;
    let draw = world.drawn(plan("p")).await;
    assert_eq!(draw.warnings.len(), 1);
    assert!(draw.warnings[0].starts_with("9 visits have fewer than 2 inspectors"), "{:?}", draw.warnings);
    let visits = world.visits_of(&draw.draw_id).await;
    assert_eq!(visits.len() as u32, 3 + GRADE_B / 2);
    assert!(
        visits
            .iter()
            .all(|visit| visit.inspectors.is_empty() && visit.shortage.starts_with("0 of 2 inspectors"))
    );
    // Pages walk the same order.
    let (mut token, mut walked) = (String::new(), Vec::new());
    loop {
        let request = api::ListVisitsRequest {
            draw: draw.draw_id.clone(),
            page_size: 4,
            page_token: token,
            ..Default::default()
        };
        let page = world.visits(world.transport()).list_visits(request).await.unwrap().into_inner();
        walked.extend(page.visits);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(walked, visits);
}
