//! Nobody steers a draw: times of reveal, clocks, reveals at once, rosters and inspectors that change meanwhile; and what is told before.
use std::time::Duration;

use chassis::trial::reason;
use contract::{
    credit::v1::{self as credit, records_client::RecordsClient},
    grading::v1::{self as grading, grades_client::GradesClient, scheme::Disclosure},
    sampling::v1::{self as api, draw::State, skipped_inspector::Reason},
};
use futures::StreamExt as _;
use prost_types::Timestamp;
use tonic::Code;

use super::{
    bundles::{public, readable},
    world::{World, code, inspector, plan, quota, wrong_fields},
};

fn instant(text: &str) -> Timestamp {
    let at: jiff::Timestamp = text.parse().unwrap();
    Timestamp { seconds: at.as_second(), nanos: 0 }
}

async fn commit_until(world: &World, at: &str) -> Result<api::Draw, tonic::Status> {
    let request = api::CommitPlanRequest {
        plan: "p".into(),
        entropy_source: "福利彩票双色球下一期".into(),
        reveal_not_before: Some(instant(at)),
        ..Default::default()
    };
    Ok(world.plans(world.transport()).commit_plan(request).await?.into_inner())
}

#[tokio::test]
async fn a_reveal_before_its_time_is_refused_and_names_the_time() {
    let world = World::new(Disclosure::Public).await;
    world.put_item("operation", &[]).await;
    world.create_plan(plan("p")).await;
    let past = commit_until(&world, "2026-03-02T00:59:00Z").await.unwrap_err();
    assert_eq!(wrong_fields(&past), ["revealNotBefore"]);
    let draw = commit_until(&world, "2026-03-03T01:00:00Z").await.unwrap();
    assert_eq!(draw.reveal_not_before, Some(instant("2026-03-03T01:00:00Z")));
    let early = world.reveal(&draw.draw_id, "x").await.unwrap_err();
    assert_eq!((early.code(), reason(&early).as_str()), (Code::FailedPrecondition, "REVEAL_TOO_EARLY"));
    assert!(early.message().contains("2026-03-03T01:00:00Z"), "{}", early.message());
    // A clock that jumps by a day moves the day, and nothing else: what was committed stays.
    world.set_clock("2026-03-03T00:59:00Z");
    assert_eq!(reason(&world.reveal(&draw.draw_id, "x").await.unwrap_err()), "REVEAL_TOO_EARLY");
    world.set_clock("2026-03-03T01:00:00Z");
    let revealed = world.reveal(&draw.draw_id, "x").await.unwrap();
    let bundle = public(&world, &draw.draw_id).await;
    assert_eq!(bundle.reveal_not_before, Some(instant("2026-03-03T01:00:00Z")));
    assert_eq!((bundle.committed_at, bundle.revealed_at), (draw.committed_at, revealed.revealed_at));
    draw::verify(&readable(&bundle)).unwrap();
}

#[tokio::test]
async fn a_clock_set_back_reveals_nothing() {
    let world = World::new(Disclosure::Public).await;
    world.put_item("operation", &[]).await;
    world.create_plan(plan("p")).await;
    let draw = world.commit("p").await.unwrap();
    world.set_clock("2026-03-01T01:00:00Z");
    let refused = world.reveal(&draw.draw_id, "x").await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "CLOCK_BEHIND"));
    world.set_clock("2026-03-03T01:00:00Z");
    assert_eq!(world.reveal(&draw.draw_id, "x").await.unwrap().state(), State::Revealed);
}

#[tokio::test]
async fn of_reveals_at_once_one_holds() {
    let world = World::new(Disclosure::Public).await;
    world.put_item("operation", &[]).await;
    world.create_plan(plan("p")).await;
    let draw = world.commit("p").await.unwrap();
    let id = draw.draw_id.as_str();
    let (one, two, three) =
        tokio::join!(world.reveal(id, "one"), world.reveal(id, "two"), world.reveal(id, "three"));
    let (held, refused): (Vec<_>, Vec<_>) = [one, two, three].into_iter().partition(Result::is_ok);
    assert_eq!((held.len(), refused.len()), (1, 2));
    for refusal in refused {
        assert_eq!(reason(&refusal.unwrap_err()), "DRAW_ALREADY_REVEALED");
    }
    assert_eq!(world.draw(id).await, held.into_iter().next().unwrap().unwrap());
    assert_eq!(world.visits_of(id).await.len(), 9, "visits of one reveal only");
}

#[tokio::test]
async fn draws_of_a_plan_are_numbered_those_given_up_among_them() {
    let world = World::new(Disclosure::Public).await;
    world.put_item("operation", &[]).await;
    world.create_plan(plan("p")).await;
    let first = world.commit("p").await.unwrap();
    let abandon = api::AbandonDrawRequest {
        draw: first.draw_id.clone(),
        reason: "录入有误".into(),
        ..Default::default()
    };
    world.draws(world.transport()).abandon_draw(abandon).await.unwrap();
    let second = world.commit("p").await.unwrap();
    world.reveal(&second.draw_id, "x").await.unwrap();
    let third = world.commit("p").await.unwrap();
    assert_eq!([first.attempt, second.attempt, third.attempt], [1, 2, 3]);
    assert_eq!(public(&world, &second.draw_id).await.attempt, 2, "everybody sees it");
    assert_eq!(world.draw(&first.draw_id).await.abandon_reason, "录入有误");
}

#[tokio::test]
async fn a_roster_that_changes_after_the_freeze_changes_nothing() {
    let world = World::new(Disclosure::Public).await;
    world.put_item("operation", &[]).await;
    world.create_plan(plan("p")).await;
    let draw = world.commit("p").await.unwrap();
    let penalty = credit::RecordInput {
        uscc: code(1),
        item: "administrative-penalty".into(),
        source_id: "late".into(),
        occurred_on: "2026-02-15".into(),
        severity: 2,
        ..Default::default()
    };
    let request = credit::SubmitRecordsRequest { records: vec![penalty], ..Default::default() };
    let mut client = RecordsClient::with_interceptor(world.credit.clone(), world.office("credit.write"));
    let position = client.submit_records(request).await.unwrap().into_inner().position;
    let mut regraded = false;
    for _ in 0..600 {
        let request = grading::BatchGetGradesRequest {
            uscc: vec![code(1)],
            scheme: "s".into(),
            min_position: position.clone(),
            ..Default::default()
        };
        let mut client = GradesClient::with_interceptor(world.grading.clone(), world.office("grading.read"));
        if let Ok(answer) = client.batch_get_grades(request).await
            && answer.into_inner().results[0].grades.iter().any(|grade| grade.grade == "B")
        {
            regraded = true;
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(regraded);
    world.reveal(&draw.draw_id, "x").await.unwrap();
    let bundle = public(&world, &draw.draw_id).await;
    assert!(bundle.roster().contains(&format!("{},A\n", code(1))), "as it was frozen");
    assert_eq!((&bundle.roster_digest, &bundle.quota_text), (&draw.roster_digest, &draw.quota_text));
    draw::verify(&readable(&bundle)).unwrap();
}

#[tokio::test]
async fn inspectors_who_left_meanwhile_are_passed_over_with_the_reason() {
    let world = World::new(Disclosure::Public).await;
    world.put_item("operation", &[]).await;
    for id in ["i1", "i2", "removed", "away", "expiring"] {
        world.put_inspector(inspector(id)).await;
    }
    world.create_plan(plan("p")).await;
    let draw = world.commit("p").await.unwrap();
    assert_eq!((draw.warnings.len(), draw.skipped_inspectors.len()), (0, 0));
    world.put_inspector(api::Inspector { inactive: true, ..inspector("removed") }).await;
    let leave = vec![api::Leave { from: "2026-06-30".into(), to: "2026-07-31".into() }];
    world.put_inspector(api::Inspector { leaves: leave, ..inspector("away") }).await;
    world
        .put_inspector(api::Inspector { certificate_until: "2026-06-29".into(), ..inspector("expiring") })
        .await;
    let revealed = world.reveal(&draw.draw_id, "x").await.unwrap();
    let skipped: Vec<_> =
        revealed.skipped_inspectors.iter().map(|one| (one.inspector_id.as_str(), one.reason())).collect();
    assert_eq!(
        skipped,
        [("away", Reason::OnLeave), ("expiring", Reason::CertificateExpired), ("removed", Reason::Inactive)]
    );
    for visit in world.visits_of(&draw.draw_id).await {
        let mut team = visit.inspectors.clone();
        team.sort();
        assert_eq!(team, ["i1", "i2"]);
    }
    let backwards = vec![api::Leave { from: "2026-07-31".into(), to: "2026-07-01".into() }];
    let request = api::PutInspectorRequest {
        inspector: Some(api::Inspector { leaves: backwards, ..inspector("i1") }),
        ..Default::default()
    };
    let refused = world.inspectors(world.transport()).put_inspector(request).await.unwrap_err();
    assert_eq!(wrong_fields(&refused), ["inspector.leaves[0].to"]);
}

#[tokio::test]
async fn impossible_teams_are_told_before_the_commit() {
    let world = World::new(Disclosure::Public).await;
    world.put_item("operation", &["road"]).await;
    world.create_plan(plan("p")).await;
    let preview = async || {
        let request = api::PreviewPlanRequest { plan: "p".into(), ..Default::default() };
        world.plans(world.transport()).preview_plan(request).await.unwrap().into_inner()
    };
    world.put_inspector(inspector("i1")).await;
    world.put_inspector(api::Inspector { skills: vec!["food".into()], ..inspector("unskilled") }).await;
    let looked = preview().await;
    assert_eq!((looked.roster_size, looked.eligible_inspectors), (60, 1));
    assert!(
        looked.warnings[0].starts_with("no team of 2 can be made: of 2 inspectors"),
        "{:?}",
        looked.warnings
    );
    assert_eq!(
        looked.skipped_inspectors.iter().map(|one| (one.reason(), one.skill.as_str())).collect::<Vec<_>>(),
        [(Reason::LacksSkill, "road")]
    );
    world.put_inspector(api::Inspector { conflicts: vec![code(1), code(999)], ..inspector("i2") }).await;
    let looked = preview().await;
    assert_eq!(looked.warnings.len(), 1);
    assert!(
        looked.warnings[0].contains(&format!("for 1 subjects on the roster, for example 1 for {}", code(1)))
    );
    world.put_inspector(inspector("i3")).await;
    assert_eq!(preview().await.warnings, Vec::<String>::new());
    // The commit says the same, and draws nobody for it.
    world.put_inspector(api::Inspector { inactive: true, ..inspector("i3") }).await;
    let draw = world.commit("p").await.unwrap();
    assert_eq!(draw.warnings, preview().await.warnings);
    assert_eq!(world.draw(&draw.draw_id).await, draw);
    let request = api::PreviewPlanRequest { plan: "none".into(), ..Default::default() };
    assert_eq!(
        world.plans(world.transport()).preview_plan(request.clone()).await.unwrap_err().code(),
        Code::NotFound
    );
    let denied = world.plans(world.enterprise(&code(1))).preview_plan(request).await.unwrap_err();
    assert_eq!(reason(&denied), "NOT_DISCLOSED");
}

async fn downloaded(
    world: &World,
    token: Option<chassis::trial::Bearer>,
    draw: &str,
    uscc: &str,
) -> draw::Bundle {
    tagged(world, token, draw, uscc).await.1
}

// The file's tag, and the bundle that it is.
async fn tagged(
    world: &World,
    token: Option<chassis::trial::Bearer>,
    draw: &str,
    uscc: &str,
) -> (String, draw::Bundle) {
    let request =
        api::GetBundleRequest { draw: draw.to_owned(), uscc: uscc.to_owned(), purpose: "核验".to_owned() };
    let answer = match token {
        Some(token) => world.draws(token).download_bundle(request).await.unwrap(),
        None => world.anybody_draws().download_bundle(request).await.unwrap(),
    };
    let tag = chassis::trial::told(&answer).0;
    let mut pieces = answer.into_inner();
    let mut file = Vec::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.unwrap();
        assert_eq!(piece.content_type, "application/json");
        file.extend(piece.data);
    }
    (tag, draw::Bundle::from_json(&file).unwrap())
}

#[tokio::test]
async fn a_bundle_has_a_tag_for_each_state_and_each_sight() {
    let world = World::new(Disclosure::Subject).await;
    let draw = world.drawn(plan("p")).await;
    let (id, auditor) = (draw.draw_id.as_str(), || Some(world.office("sampling.audit")));
    let bare = tagged(&world, None, id, "").await.0;
    let whole = tagged(&world, auditor(), id, "").await.0;
    let line = tagged(&world, Some(world.enterprise(&code(1))), id, &code(1)).await.0;
    let other = tagged(&world, Some(world.enterprise(&code(2))), id, &code(2)).await.0;
    assert_eq!(bare.len(), 64);
    let all = std::collections::BTreeSet::from([&bare, &whole, &line, &other]);
    assert_eq!(all.len(), 4, "nobody goes on with another's file");
    assert_eq!(tagged(&world, auditor(), id, "").await.0, whole, "an unchanged draw is the same file");
    let visits = world.visits_of(id).await;
    world.replace(&visits[0].visit_id, "已注销").await.unwrap();
    let after = tagged(&world, auditor(), id, "").await;
    assert!(after.0 != whole && after.1.replacements.len() == 1, "a replacement makes it another");
}

#[tokio::test]
async fn the_file_in_pieces_is_the_same_bundle() {
    for disclosure in [Disclosure::Public, Disclosure::Subject] {
        let world = World::new(disclosure).await;
        let exempt = vec![api::PlanExemption { uscc: code(9), reason: "新设 \"甲\"".into() }];
        let draw = world.drawn(api::Plan { exemptions: exempt, ..plan("p") }).await;
        let visits = world.visits_of(&draw.draw_id).await;
        world.replace(&visits[0].visit_id, "已注销").await.unwrap();
        let (id, auditor) = (draw.draw_id.as_str(), || world.office("sampling.audit"));
        assert_eq!(downloaded(&world, None, id, "").await, readable(&public(&world, id).await));
        let whole = world.bundle(auditor(), id, "", "核验").await.unwrap();
        let file = downloaded(&world, Some(auditor()), id, "").await;
        assert_eq!(file, readable(&whole));
        assert_eq!((file.roster.lines().count(), file.exclusions.lines().count()), (59, 1));
        assert_eq!(draw::verify(&file).unwrap().roster_size, Some(59));
        if disclosure == Disclosure::Subject {
            let own = downloaded(&world, Some(world.enterprise(&code(1))), id, &code(1)).await;
            assert_eq!(own.roster, format!("{},A\n", code(1)));
            assert_eq!((own.exclusions.as_str(), own.exclusions_digest.len()), ("", 64));
            draw::verify(&own).unwrap();
        }
    }
}

#[tokio::test]
async fn a_quota_above_all_and_a_stratum_of_nobody_are_told() {
    let world = World::new(Disclosure::Public).await;
    world.put_item("operation", &[]).await;
    let over = world
        .try_plan(world.transport(), api::Plan { quotas: vec![quota("A", 100.0001, 0)], ..plan("p") })
        .await
        .unwrap_err();
    assert_eq!(
        (over.code(), wrong_fields(&over)),
        (Code::InvalidArgument, vec!["plan.quotas[0].percent".into()])
    );
    // Nobody is ungraded: the stratum has no line. All of a stratum may be asked for, and more than all are all.
    let quotas = vec![quota("A", 0.0, 0), quota("B", 100.0, 5000), quota("UNGRADED", 50.0, 3)];
    world.create_plan(api::Plan { quotas, ..plan("p") }).await;
    let draw = world.commit("p").await.unwrap();
    assert_eq!(draw.quota_text, "A,0\nB,12\n");
    let draw = world.reveal(&draw.draw_id, "x").await.unwrap();
    assert_eq!(draw.selected.len(), 12);
    // Nobody of B is left to take a place.
    let visits = world.visits_of(&draw.draw_id).await;
    let refused = world.replace(&visits[0].visit_id, "已注销").await.unwrap_err();
    assert_eq!(reason(&refused), "STRATUM_EXHAUSTED");
    assert_eq!(world.frequency(&visits[0].uscc).await.drawn, 1, "what was refused is not counted away");
}
