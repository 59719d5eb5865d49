//! The figures that are kept are those of a count of all draws and visits, whatever happened to them.
use chassis::{Store, storage::sql, trial::reason};
use contract::{grading::v1::scheme::Disclosure, sampling::v1 as api, r#type::v1::Step};
use sea_orm::ConnectionTrait;

use super::world::{World, code, plan, wrong_fields};

async fn figures(world: &World, from: &str, to: &str, step: Step) -> api::GetInspectionFiguresResponse {
    let request = api::GetInspectionFiguresRequest {
        from: from.to_owned(),
        to: to.to_owned(),
        step: step.into(),
        ..Default::default()
    };
    world.figures(world.transport()).get_inspection_figures(request).await.unwrap().into_inner()
}

/// Forgets what was kept, so that the next start counts anew.
pub async fn forget(store: &Store, figure: &str) {
    let tx = store.begin().await.unwrap();
    for text in ["DELETE FROM figures", &format!("DELETE FROM cursors WHERE feed = 'figures:{figure}'")] {
        tx.execute_raw(sql(&*tx, text, [])).await.unwrap();
    }
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn what_is_kept_is_what_a_count_of_all_gives() {
    let mut world = World::new(Disclosure::Departments).await;
    let draw = world.drawn(plan("p")).await;
    let visits = world.visits_of(&draw.draw_id).await;
    // Recorded once, again with another finding and day, published in time and late, given to the next ticket.
    for (visit, result) in visits.iter().zip(["R01", "R06", "R02", "R08"]) {
        world.record(&visit.visit_id, "2026-03-02", result).await.unwrap();
    }
    world.publish(&visits[0].visit_id).await.unwrap();
    world.set_clock("2026-03-04T01:00:00Z");
    world.record(&visits[1].visit_id, "2026-03-04", "R01").await.unwrap();
    world.record(&visits[2].visit_id, "2026-03-03", "R03").await.unwrap();
    world.replace(&visits[5].visit_id, "已注销").await.unwrap();
    world.set_clock("2026-06-04T01:00:00Z");
    world.publish(&visits[1].visit_id).await.unwrap();
    let directed = api::Plan { kind: api::plan::Kind::Complaint as i32, quotas: Vec::new(), ..plan("c") };
    world.create_plan(directed).await;
    let subjects = vec![api::OrderedSubject { uscc: code(7), reason: "投诉单1号".into() }];
    let request = api::OrderVisitsRequest { plan: "c".into(), subjects, ..Default::default() };
    let order = world.visits(world.transport()).order_visits(request).await.unwrap().into_inner();
    world.record(&order.visits[0].visit_id, "2026-06-04", "R03").await.unwrap();

    let all = figures(&world, "", "", Step::Unspecified).await;
    let of = |version: i32, grade: &str| {
        let found = all.inspections.iter().find(|one| one.scheme_version == version && one.grade == grade);
        found.map(|one| {
            (one.draws, one.drawn, one.visited, one.found, one.published_in_time, one.published_late)
        })
    };
    let version = draw.scheme_version;
    assert_eq!(of(version, ""), Some((1, 0, 0, 0, 0, 0)));
    // Three As: R01, then R01 in place of R06, then R03 in place of R02; six Bs of which one was visited with a finding.
    assert_eq!(of(version, "A"), Some((0, 3, 3, 1, 1, 1)));
    assert_eq!(of(version, "B"), Some((0, 6, 1, 1, 0, 0)));
    assert_eq!(
        all.inspections.iter().filter(|one| one.scheme_version == 0).map(|one| one.visited).sum::<i32>(),
        1
    );
    let total = all.effects[0].total.unwrap();
    assert_eq!((total.visited, total.found), (4, 2), "what was ordered is no find of the draw");
    let days = figures(&world, "2026-03-01", "2026-03-31", Step::Day).await;
    let visited: Vec<_> = days
        .inspections
        .iter()
        .filter(|one| one.visited > 0)
        .map(|one| (one.span.as_str(), one.grade.as_str(), one.visited))
        .collect();
    assert_eq!(
        visited,
        [("2026-03-02", "A", 1), ("2026-03-02", "B", 1), ("2026-03-03", "A", 1), ("2026-03-04", "A", 1)]
    );

    for round in 0..2 {
        let mut kept = Vec::new();
        for (from, to, step) in [
            ("", "", Step::Unspecified),
            ("2026-03-01", "2026-06-30", Step::Day),
            ("2026-01-01", "2026-12-31", Step::Month),
            ("2025-01-01", "", Step::Year),
            ("2026-03-03", "2026-03-04", Step::Unspecified),
        ] {
            kept.push((from, to, step, figures(&world, from, to, step).await));
        }
        if round == 0 {
            forget(&world.store, "visits").await;
        }
        world.restart().await;
        for (from, to, step, expected) in kept {
            assert_eq!(
                figures(&world, from, to, step).await,
                expected,
                "{from}..{to} {step:?}, round {round}"
            );
        }
    }
}

#[tokio::test]
async fn figures_are_for_departments_and_of_days_in_order() {
    let world = World::new(Disclosure::Departments).await;
    let empty = figures(&world, "", "", Step::Month).await;
    assert_eq!((empty.inspections.len(), empty.effects.len(), empty.to.as_str()), (0, 0, "2026-03-02"));
    let own = world.figures(world.enterprise(&code(1)));
    let refused =
        { own }.get_inspection_figures(api::GetInspectionFiguresRequest::default()).await.unwrap_err();
    assert_eq!(reason(&refused), "NOT_DISCLOSED");
    let mute = world.trial.token("transport", "credit.read");
    let refused = world
        .figures(mute)
        .get_inspection_figures(api::GetInspectionFiguresRequest::default())
        .await
        .unwrap_err();
    assert_eq!(reason(&refused), "SCOPE_MISSING");
    let backwards = api::GetInspectionFiguresRequest {
        from: "2026-03-02".into(),
        to: "2026-03-01".into(),
        ..Default::default()
    };
    let refused = world.figures(world.transport()).get_inspection_figures(backwards).await.unwrap_err();
    assert_eq!(wrong_fields(&refused), ["to"]);
}
