//! Visits: recorded, published, replaced, and what they add up to.
use chassis::trial::reason;
use contract::{
    grading::v1::scheme::Disclosure,
    sampling::v1::{self as api, visit::Status},
};
use tonic::Code;

use super::world::{World, code, finding, inspector, plan, quota, wrong_fields};

async fn results(world: &World, request: api::ListPublicResultsRequest) -> api::ListPublicResultsResponse {
    world.anybody_visits().list_public_results(request).await.unwrap().into_inner()
}

async fn results_of(world: &World, uscc: &str) -> Vec<api::PublicResult> {
    results(world, api::ListPublicResultsRequest { uscc: uscc.to_owned(), ..Default::default() })
        .await
        .results
}

#[tokio::test]
async fn a_visit_is_recorded_then_published() {
    let world = World::new(Disclosure::Departments).await;
    let draw = world.drawn(plan("p")).await;
    let visit = world.visits_of(&draw.draw_id).await[0].clone();
    assert_eq!((visit.status(), visit.publish_due_on.as_str()), (Status::Planned, ""));
    let early = world.publish(&visit.visit_id).await.unwrap_err();
    assert_eq!((early.code(), reason(&early).as_str()), (Code::FailedPrecondition, "VISIT_STATE"));
    let recorded = world.record(&visit.visit_id, "2026-03-02", "R08").await.unwrap();
    assert_eq!(recorded.status(), Status::Recorded);
    assert_eq!(
        (recorded.inspected_on.as_str(), recorded.publish_due_on.as_str(), recorded.overdue),
        ("2026-03-02", "2026-03-30", false)
    );
    // Nothing is public yet, and a mistake can be mended.
    assert!(results_of(&world, &visit.uscc).await.is_empty());
    let mended = world.record(&visit.visit_id, "2026-03-02", "R07").await.unwrap();
    assert_eq!(mended.findings, [finding("operation", "R07")]);
    let figures = world.draw(&draw.draw_id).await;
    assert_eq!((figures.drawn, figures.visited, figures.found), (9, 1, 1));

    // After the term it shows as overdue, until it is published.
    world.trial.boot.clock.set("2026-03-30T16:00:00Z".parse().unwrap());
    assert!(world.visits_of(&draw.draw_id).await[0].overdue);
    let published = world.publish(&visit.visit_id).await.unwrap();
    assert_eq!((published.status(), published.overdue), (Status::Published, false));
    for late in
        [world.publish(&visit.visit_id).await, world.record(&visit.visit_id, "2026-03-02", "R01").await]
    {
        assert_eq!(reason(&late.unwrap_err()), "VISIT_STATE");
    }
    let public = results_of(&world, &visit.uscc.to_lowercase()).await;
    assert_eq!(public.len(), 1);
    assert_eq!(
        (public[0].visit_id.as_str(), public[0].draw_id.as_str()),
        (visit.visit_id.as_str(), draw.draw_id.as_str())
    );
    assert_eq!(
        (public[0].name.as_str(), public[0].departments.as_slice()),
        (visit.name.as_str(), ["transport".to_owned()].as_slice())
    );
    assert_eq!(public[0].findings, [finding("operation", "R07")]);
}

#[tokio::test]
async fn a_record_is_refused_with_its_field_and_reason() {
    let world = World::new(Disclosure::Departments).await;
    let draw = world.drawn(plan("p")).await;
    let visit = world.visits_of(&draw.draw_id).await[0].visit_id.clone();
    let future = world.record(&visit, "2026-03-03", "R01").await.unwrap_err();
    assert_eq!(
        (future.code(), wrong_fields(&future)),
        (Code::InvalidArgument, vec!["inspectedOn".to_owned()])
    );
    assert_eq!(wrong_fields(&world.record(&visit, "2026-02-28", "R01").await.unwrap_err()), ["inspectedOn"]);
    assert_eq!(wrong_fields(&world.record(&visit, "2026-02-30", "R01").await.unwrap_err()), ["inspectedOn"]);
    let code_unknown = world.record(&visit, "2026-03-02", "Z99").await.unwrap_err();
    assert_eq!(
        (reason(&code_unknown).as_str(), wrong_fields(&code_unknown)),
        ("RESULT_CODE_UNKNOWN", vec!["findings[0].resultCode".to_owned()])
    );
    let foreign = world.record_all(&visit, "2026-03-02", vec![finding("hygiene", "R01")]).await.unwrap_err();
    assert_eq!(
        (reason(&foreign).as_str(), wrong_fields(&foreign)),
        ("INSPECTION_ITEM_UNKNOWN", vec!["findings[0].inspectionItem".to_owned()])
    );
    let nothing = world.record_all(&visit, "2026-03-02", Vec::new()).await.unwrap_err();
    assert_eq!(wrong_fields(&nothing), ["findings"]);
    let person =
        api::Finding { text: "负责人 11010519491231002X 在场".into(), ..finding("operation", "R01") };
    let person = world.record_all(&visit, "2026-03-02", vec![person]).await.unwrap_err();
    assert_eq!(reason(&person), "PERSONAL_IDENTITY_NUMBER");
    assert_eq!(world.record("none", "2026-03-02", "R01").await.unwrap_err().code(), Code::NotFound);
    let request = api::RecordVisitRequest {
        visit: visit.clone(),
        inspected_on: "2026-03-02".into(),
        findings: vec![finding("operation", "R01")],
        ..Default::default()
    };
    let denied = world
        .visits(world.trial.token("water", "sampling.write"))
        .record_visit(request.clone())
        .await
        .unwrap_err();
    assert_eq!(reason(&denied), "OTHER_DEPARTMENT");
    let denied = world
        .visits(world.trial.token("transport", "sampling.read"))
        .record_visit(request)
        .await
        .unwrap_err();
    assert_eq!(reason(&denied), "SCOPE_MISSING");
    assert_eq!(world.visits_of(&draw.draw_id).await[0].status(), Status::Planned, "nothing of it was kept");
}

#[tokio::test]
async fn the_next_ticket_takes_a_place() {
    let world = World::new(Disclosure::Public).await;
    for id in ["i1", "i2", "i3"] {
        world.put_inspector(inspector(id)).await;
    }
    let draw = world.drawn(api::Plan { quotas: vec![quota("B", 0.0, 10)], ..plan("p") }).await;
    let visits = world.visits_of(&draw.draw_id).await;
    assert_eq!(visits.len(), 10);
    let bs: Vec<String> = (1..=12).map(|number| code(number * 5)).collect();
    let mut rest: Vec<(String, String)> = bs
        .iter()
        .filter(|uscc| visits.iter().all(|visit| visit.uscc != **uscc))
        .map(|uscc| (draw::digest(&format!("{}\n{uscc}", draw.seed)), uscc.clone()))
        .collect();
    rest.sort();
    let first = world.replace(&visits[3].visit_id, "已注销").await.unwrap();
    assert_eq!((first.uscc.as_str(), first.replaces.as_str()), (rest[0].1.as_str(), visits[3].uscc.as_str()));
    assert_eq!((first.status(), first.inspectors.len()), (Status::Planned, 2));
    assert!(first.name.starts_with("试验企业"));
    let second = world.replace(&first.visit_id, "迁出").await.unwrap();
    assert_eq!(second.uscc, rest[1].1);
    let exhausted = world.replace(&visits[0].visit_id, "停业").await.unwrap_err();
    assert_eq!(
        (exhausted.code(), reason(&exhausted).as_str()),
        (Code::FailedPrecondition, "STRATUM_EXHAUSTED")
    );
    let again = world.replace(&visits[3].visit_id, "停业").await.unwrap_err();
    assert_eq!(reason(&again), "VISIT_STATE");
    let after = world.visits_of(&draw.draw_id).await;
    let states: Vec<Status> = after.iter().map(api::Visit::status).collect();
    assert_eq!(
        (states.len(), states[3], states[10], states[11]),
        (12, Status::Replaced, Status::Replaced, Status::Planned)
    );
    let told = world.draw(&draw.draw_id).await;
    assert_eq!((told.selected.len(), told.replacements.len(), told.drawn), (10, 2, 10));
    assert_eq!(told.replacements[0].stratum(), "B");
    world.record(&second.visit_id, "2026-03-02", "R01").await.unwrap();
    assert_eq!(reason(&world.replace(&second.visit_id, "停业").await.unwrap_err()), "VISIT_STATE");
    let reasonless = world.replace(&visits[0].visit_id, "").await.unwrap_err();
    assert_eq!(wrong_fields(&reasonless), ["reason"]);
    let request = api::ReplaceVisitRequest {
        visit: visits[0].visit_id.clone(),
        reason: "停业".into(),
        ..Default::default()
    };
    let denied =
        world.visits(world.trial.token("water", "sampling.draw")).replace_visit(request).await.unwrap_err();
    assert_eq!(reason(&denied), "OTHER_DEPARTMENT");
}

#[tokio::test]
async fn an_inspectors_cap_holds_for_replacements() {
    let world = World::new(Disclosure::Public).await;
    for id in ["i1", "i2"] {
        world.put_inspector(inspector(id)).await;
    }
    let capped = api::Plan { quotas: vec![quota("B", 0.0, 2)], visits_per_inspector: 2, ..plan("p") };
    let draw = world.drawn(capped).await;
    let visits = world.visits_of(&draw.draw_id).await;
    assert!(visits.iter().all(|visit| visit.inspectors.len() == 2));
    // The visit that falls away frees its inspectors.
    let next = world.replace(&visits[0].visit_id, "已注销").await.unwrap();
    assert_eq!(next.inspectors.len(), 2, "{next:?}");
}

#[tokio::test]
async fn public_results_page_from_the_latest() {
    let world = World::new(Disclosure::Departments).await;
    let draw = world.drawn(plan("p")).await;
    let visits = world.visits_of(&draw.draw_id).await;
    for (minute, visit) in visits.iter().take(3).enumerate() {
        world.trial.boot.clock.set(format!("2026-03-02T02:0{minute}:00Z").parse().unwrap());
        world.record(&visit.visit_id, "2026-03-02", "R01").await.unwrap();
        world.publish(&visit.visit_id).await.unwrap();
    }
    let first = results(&world, api::ListPublicResultsRequest { page_size: 2, ..Default::default() }).await;
    let rest =
        api::ListPublicResultsRequest { page_token: first.next_page_token.clone(), ..Default::default() };
    let rest = results(&world, rest).await;
    let order: Vec<&str> =
        first.results.iter().chain(&rest.results).map(|one| one.visit_id.as_str()).collect();
    assert_eq!(order, [visits[2].visit_id.as_str(), &visits[1].visit_id, &visits[0].visit_id]);
    assert_eq!(rest.next_page_token, "");
    let request = api::ListPublicResultsRequest { page_token: "bm8".into(), ..Default::default() };
    assert_eq!(
        reason(&world.anybody_visits().list_public_results(request).await.unwrap_err()),
        "PAGE_TOKEN_INVALID"
    );
    let request = api::ListPublicResultsRequest { uscc: "91*".into(), ..Default::default() };
    assert_eq!(
        reason(&world.anybody_visits().list_public_results(request).await.unwrap_err()),
        "CODE_MASKED"
    );
}

#[tokio::test]
async fn the_effect_tells_whether_grades_foretell() {
    let world = World::new(Disclosure::Departments).await;
    let draw = world.drawn(plan("p")).await;
    let visits = world.visits_of(&draw.draw_id).await;
    // Three As come first, then six Bs: one A of three and three Bs of four are found.
    for (visit, result) in visits.iter().zip(["R01", "R06", "R02", "R08", "R08", "R03", "R01"]) {
        world.record(&visit.visit_id, "2026-03-02", result).await.unwrap();
    }
    let effect = async |scheme: &str, from: &str, to: &str| {
        let request = api::GetEffectRequest {
            scheme: scheme.to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
            ..Default::default()
        };
        world.effects(world.transport()).get_effect(request).await.map(|answer| answer.into_inner().strata)
    };
    let strata = effect("s", "", "").await.unwrap();
    let counts: Vec<_> = strata.iter().map(|one| (one.grade.as_str(), one.visited, one.found)).collect();
    assert_eq!(counts, [("A", 3, 1), ("B", 4, 3)]);
    // 1/3, 3/4; of all 4/7.
    assert_eq!((strata[0].rate, strata[1].rate), (0.3333, 0.75));
    assert_eq!((strata[0].lift, strata[1].lift), (0.5833, 1.3125));
    assert_eq!(effect("s", "2026-03-02", "2026-03-02").await.unwrap().len(), 2);
    assert_eq!(effect("s", "2026-03-03", "").await.unwrap().len(), 0);
    assert_eq!(effect("s", "", "2026-03-01").await.unwrap().len(), 0);
    let unknown = effect("none", "", "").await.unwrap_err();
    assert_eq!((unknown.code(), reason(&unknown).as_str()), (Code::NotFound, "SCHEME_UNKNOWN"));
    assert_eq!(wrong_fields(&effect("s", "2026-03-03", "2026-03-02").await.unwrap_err()), ["to"]);
}

#[tokio::test]
async fn the_effect_is_told_against_a_uniform_sample_and_by_version() {
    let world = World::new(Disclosure::Departments).await;
    let draw = world.drawn(plan("p")).await;
    let visits = world.visits_of(&draw.draw_id).await;
    // One A of three and three Bs of four are found; the roster has 48 As and 12 Bs.
    for (visit, result) in visits.iter().zip(["R01", "R06", "R02", "R08", "R08", "R03", "R01"]) {
        world.record(&visit.visit_id, "2026-03-02", result).await.unwrap();
    }
    let effect = async |version: i32| {
        let request =
            api::GetEffectRequest { scheme: "s".into(), scheme_version: version, ..Default::default() };
        world.effects(world.transport()).get_effect(request).await.unwrap().into_inner()
    };
    let all = effect(0).await;
    let interval: Vec<_> = all.strata.iter().map(|one| (one.members, one.rate_low, one.rate_high)).collect();
    assert_eq!(interval, [(48, 0.0615, 0.7923), (12, 0.3006, 0.9544)]);
    let total = all.total.unwrap();
    assert_eq!((total.visited, total.found, total.rate), (7, 4, 0.5714));
    // 0.8 x 1/3 + 0.2 x 3/4 = 5/12; 4/7 over that; 4 finds take 9.6 visits.
    assert_eq!((total.uniform_rate, total.lift, total.visits_saved), (Some(0.4167), Some(1.3714), Some(3)));
    assert_eq!(all.versions.len(), 1);
    assert_eq!((all.versions[0].scheme_version, all.versions[0].total), (draw.scheme_version, Some(total)));
    assert_eq!(all.burdens, [api::Burden { visits: 1, enterprises: 7, year: 2026 }]);
    let same = effect(draw.scheme_version).await;
    assert_eq!((same.total, same.burdens), (Some(total), all.burdens));
    let none = effect(draw.scheme_version + 1).await;
    assert_eq!((none.strata.len(), none.versions.len(), none.burdens.len()), (0, 0, 0));

    // A visit that was ordered is a burden, and no find of the draw.
    let directed = api::Plan { kind: api::plan::Kind::Complaint as i32, quotas: Vec::new(), ..plan("c") };
    world.create_plan(directed).await;
    let subjects = vec![api::OrderedSubject { uscc: visits[0].uscc.clone(), reason: "投诉单1号".into() }];
    let request = api::OrderVisitsRequest { plan: "c".into(), subjects, ..Default::default() };
    let order = world.visits(world.transport()).order_visits(request).await.unwrap().into_inner();
    world.record(&order.visits[0].visit_id, "2026-03-02", "R03").await.unwrap();
    let after = effect(0).await;
    assert_eq!(after.total, Some(total));
    let burdens =
        [(2, 1), (1, 6)].map(|(visits, enterprises)| api::Burden { visits, enterprises, year: 2026 });
    assert_eq!(after.burdens, burdens);
}
