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
async fn forget(store: &Store) {
    let tx = store.begin().await.unwrap();
    for text in ["DELETE FROM figures", "DELETE FROM cursors WHERE feed LIKE 'figures:%'"] {
        tx.execute_raw(sql(&*tx, text, [])).await.unwrap();
    }
    tx.commit().await.unwrap();
}

// What came of each draw, and how often each enterprise was visited, are those of a count of all visits.
async fn single_ones_agree(world: &World) {
    let db = world.store.read();
    let rows = |text: String| async move { db.query_all_raw(sql(db, &text, [])).await.unwrap() };
    let number = |row: &sea_orm::QueryResult, column: &str| row.try_get::<i64>("", column).unwrap();
    let text = "SELECT draw, COUNT(CASE WHEN replaces = '' THEN 1 END) AS drawn, COUNT(CASE WHEN inspected_on <> '' THEN 1 END) AS visited, \
                COUNT(CASE WHEN found THEN 1 END) AS found FROM visits GROUP BY draw";
    let mut counted = std::collections::BTreeMap::new();
    for row in rows(text.to_owned()).await {
        let draw: String = row.try_get("", "draw").unwrap();
        counted.insert(draw, ["drawn", "visited", "found"].map(|column| number(&row, column)));
    }
    let draws = world.draws(world.transport()).list_draws(api::ListDrawsRequest::default()).await.unwrap();
    let draws = draws.into_inner().draws;
    assert!(!draws.is_empty());
    for draw in draws {
        let told = [draw.drawn, draw.visited, draw.found].map(i64::from);
        assert_eq!(told, counted[&draw.draw_id], "{}", draw.draw_id);
    }
    for (version, of) in [(0, "1 = 1"), (1, "d.scheme_version = 1"), (2, "d.scheme_version = 2")] {
        for (from, to, years) in [
            ("", "", "1 = 1"),
            ("2026-03-03", "2026-03-03", "year = '2026'"),
            ("2026-12-31", "2027-01-01", "year IN ('2026', '2027')"),
            ("2027-02-01", "", "year = '2027'"),
        ] {
            let text = format!(
                "SELECT year, visits, COUNT(*) AS enterprises FROM (SELECT SUBSTR(v.inspected_on, 1, 4) AS year, v.uscc, COUNT(*) AS visits \
                 FROM visits v LEFT JOIN draws d ON d.draw_id = v.draw WHERE v.inspected_on <> '' AND {of} \
                 GROUP BY SUBSTR(v.inspected_on, 1, 4), v.uscc) AS one WHERE {years} GROUP BY year, visits ORDER BY year DESC, visits DESC"
            );
            let expected: Vec<api::Burden> = rows(text)
                .await
                .iter()
                .map(|row| api::Burden {
                    visits: number(row, "visits").try_into().unwrap(),
                    enterprises: number(row, "enterprises").try_into().unwrap(),
                    year: row.try_get::<String>("", "year").unwrap().parse().unwrap(),
                })
                .collect();
            let request = api::GetEffectRequest {
                scheme: "s".into(),
                scheme_version: version,
                from: from.into(),
                to: to.into(),
            };
            let effect = world.effects(world.transport()).get_effect(request).await.unwrap().into_inner();
            assert_eq!(effect.burdens, expected, "version {version}, {from}..{to}");
        }
    }
}

#[tokio::test]
async fn single_draws_and_enterprises_are_kept_over_two_years() {
    let mut world = World::new(Disclosure::Departments).await;
    let period = Some(api::Period { from: "2026-03-01".to_owned(), to: "2027-02-28".to_owned() });
    let long = |id: &str| api::Plan { period: period.clone(), ..plan(id) };
    let first = world.drawn(long("first")).await;
    let second = world.drawn(long("second")).await;
    single_ones_agree(&world).await;
    let (one, two) = (world.visits_of(&first.draw_id).await, world.visits_of(&second.draw_id).await);
    for (visit, result) in one.iter().zip(["R01", "R03", "R06"]) {
        world.record(&visit.visit_id, "2026-03-02", result).await.unwrap();
    }
    // All are visited, some of them for the second time in the year.
    for visit in &two {
        world.record(&visit.visit_id, "2026-03-02", "R03").await.unwrap();
    }
    single_ones_agree(&world).await;
    // Into the next year, and back.
    world.set_clock("2027-01-05T01:00:00Z");
    for (visit, on, result) in [(0, "2027-01-04", "R01"), (1, "2027-01-05", "R03"), (0, "2026-12-31", "R03")]
    {
        world.record(&one[visit].visit_id, on, result).await.unwrap();
        single_ones_agree(&world).await;
    }
    forget(&world.store).await;
    world.restart().await;
    single_ones_agree(&world).await;
}

#[tokio::test]
async fn a_department_sees_the_schemes_that_its_own_plans_draw_by() {
    let world = World::new(Disclosure::Departments).await;
    let draw = world.drawn(plan("p")).await;
    let asked =
        |scheme: &str| api::GetInspectionFiguresRequest { scheme: scheme.into(), ..Default::default() };
    let mut transport = world.figures(world.transport());
    let own = transport.get_inspection_figures(asked("")).await.unwrap().into_inner();
    assert!(own.inspections.iter().any(|one| one.draws == 1));
    assert_eq!(transport.get_inspection_figures(asked(&draw.scheme)).await.unwrap().into_inner(), own);
    let office = world
        .figures(world.office("sampling.read"))
        .get_inspection_figures(asked(""))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(office, own);
    // A department that plans nothing by the scheme sees nothing of it, and is told so where it asks for it.
    let mut stranger = world.figures(world.trial.token("grain", "sampling.read"));
    let nothing = stranger.get_inspection_figures(asked("")).await.unwrap().into_inner();
    assert_eq!((nothing.inspections.len(), nothing.effects.len()), (0, 0));
    let refused = stranger.get_inspection_figures(asked(&draw.scheme)).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (tonic::Code::PermissionDenied, "OTHER_DEPARTMENT")
    );
    assert_eq!(wrong_fields(&refused), ["scheme"]);
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
    single_ones_agree(&world).await;

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
            forget(&world.store).await;
        }
        world.restart().await;
        single_ones_agree(&world).await;
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
