//! What follows from a finding: put right, checked again, handed over; never a case by itself.
use chassis::trial::reason;
use contract::{
    grading::v1::scheme::Disclosure,
    sampling::v1::{self as api, case_suggestion, rectification::State},
};
use tonic::Code;

use super::world::{World, inspector, plan, wrong_fields};

/// A city with a draw, whose first visit found something.
async fn city() -> (World, Vec<api::Visit>) {
    let world = World::new(Disclosure::Departments).await;
    for id in ["i1", "i2", "i3"] {
        world.put_inspector(inspector(id)).await;
    }
    let draw = world.drawn(plan("p")).await;
    let visits = world.visits_of(&draw.draw_id).await;
    world.record(&visits[0].visit_id, "2026-03-02", "R07").await.unwrap();
    (world, visits)
}

fn order(visit: &str, due_on: &str) -> api::OrderRectificationRequest {
    api::OrderRectificationRequest {
        visit: visit.to_owned(),
        document_number: "虚责改〔2026〕1号".to_owned(),
        text: "补齐安全台账".to_owned(),
        due_on: due_on.to_owned(),
        ..Default::default()
    }
}

async fn ordered(
    world: &World,
    request: api::OrderRectificationRequest,
) -> Result<api::Visit, tonic::Status> {
    Ok(world.fieldwork(world.transport()).order_rectification(request).await?.into_inner())
}

async fn report(world: &World, visit: &str, on: &str) -> Result<api::Visit, tonic::Status> {
    let request = api::ReportRectificationRequest {
        visit: visit.to_owned(),
        reported_on: on.to_owned(),
        ..Default::default()
    };
    Ok(world.fieldwork(world.transport()).report_rectification(request).await?.into_inner())
}

fn recheck(visit: &str, on: &str, corrected: bool) -> api::RecheckVisitRequest {
    api::RecheckVisitRequest {
        visit: visit.to_owned(),
        rechecked_on: on.to_owned(),
        corrected,
        text: "已现场核对".to_owned(),
        inspectors: vec!["i1".to_owned(), "i2".to_owned()],
        next_due_on: if corrected { String::new() } else { "2026-03-31".to_owned() },
        ..Default::default()
    }
}

async fn rechecked(world: &World, request: api::RecheckVisitRequest) -> Result<api::Visit, tonic::Status> {
    Ok(world.fieldwork(world.transport()).recheck_visit(request).await?.into_inner())
}

async fn late(world: &World) -> api::ListAssignmentsResponse {
    let request = api::ListAssignmentsRequest { rectification_overdue: true, ..Default::default() };
    world.fieldwork(world.transport()).list_assignments(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn what_was_found_is_put_right_and_checked_again() {
    let (world, visits) = city().await;
    let id = visits[0].visit_id.clone();
    let visit = ordered(&world, order(&id, "2026-03-10")).await.unwrap();
    let of = visit.rectification.unwrap();
    assert_eq!((of.state(), of.ordered_on.as_str(), of.overdue), (State::Ordered, "2026-03-02", false));
    world.publish(&id).await.unwrap();
    world.set_clock("2026-03-11T01:00:00Z");
    assert_eq!((late(&world).await.visits.len(), late(&world).await.rectification_overdue), (1, 1));
    // A report stops that clock and starts the other: ten working days from Wednesday 11 March.
    let of = report(&world, &id, "2026-03-11").await.unwrap().rectification.unwrap();
    assert_eq!((of.state(), of.recheck_due_on.as_str(), of.overdue), (State::Reported, "2026-03-25", false));
    assert!(
        of.recheck_basis.contains("特种设备") && of.recheck_basis.ends_with("[VERIFIED]"),
        "{}",
        of.recheck_basis
    );
    assert_eq!(late(&world).await.rectification_overdue, 0);
    world.set_clock("2026-03-26T01:00:00Z");
    assert_eq!(late(&world).await.visits[0].rectification.as_ref().map(|of| of.overdue), Some(true));
    let of = rechecked(&world, recheck(&id, "2026-03-26", false)).await.unwrap().rectification.unwrap();
    assert_eq!(
        (of.state(), of.due_on.as_str(), of.recheck_due_on.as_str()),
        (State::NotCorrected, "2026-03-31", "")
    );
    let of = rechecked(&world, recheck(&id, "2026-03-26", true)).await.unwrap().rectification.unwrap();
    assert_eq!((of.state(), of.rechecks.len(), of.rechecks[1].corrected), (State::Corrected, 2, true));
    let again = rechecked(&world, recheck(&id, "2026-03-26", true)).await.unwrap_err();
    assert_eq!((again.code(), reason(&again).as_str()), (Code::FailedPrecondition, "RECTIFICATION_STATE"));
    assert_eq!(reason(&report(&world, &id, "2026-03-26").await.unwrap_err()), "RECTIFICATION_STATE");
    // The public sees that it was put right.
    let request = api::ListPublicResultsRequest { uscc: visits[0].uscc.clone(), ..Default::default() };
    let public = world.anybody_visits().list_public_results(request).await.unwrap().into_inner().results;
    assert_eq!(
        (public[0].rectification(), public[0].corrected_on.as_str()),
        (State::Corrected, "2026-03-26")
    );
}

#[tokio::test]
async fn rectifications_are_refused_with_field_and_reason() {
    let (world, visits) = city().await;
    let id = visits[0].visit_id.clone();
    let planned = ordered(&world, order(&visits[1].visit_id, "2026-03-10")).await.unwrap_err();
    assert_eq!(reason(&planned), "VISIT_STATE");
    world.record(&visits[2].visit_id, "2026-03-02", "R01").await.unwrap();
    let clean = ordered(&world, order(&visits[2].visit_id, "2026-03-10")).await.unwrap_err();
    assert_eq!((clean.code(), reason(&clean).as_str()), (Code::FailedPrecondition, "NOTHING_FOUND"));
    assert_eq!(wrong_fields(&ordered(&world, order(&id, "2026-03-01")).await.unwrap_err()), ["dueOn"]);
    assert_eq!(reason(&report(&world, &id, "2026-03-02").await.unwrap_err()), "RECTIFICATION_STATE");
    let unordered = rechecked(&world, recheck(&id, "2026-03-02", true)).await.unwrap_err();
    assert_eq!(reason(&unordered), "RECTIFICATION_STATE");
    let person = api::OrderRectificationRequest {
        text: "由 11010519491231002X 整改".into(),
        ..order(&id, "2026-03-10")
    };
    assert_eq!(reason(&ordered(&world, person).await.unwrap_err()), "PERSONAL_IDENTITY_NUMBER");
    let water = world.trial.token("water", "sampling.write");
    let denied = world.fieldwork(water).order_rectification(order(&id, "2026-03-10")).await.unwrap_err();
    assert_eq!(reason(&denied), "OTHER_DEPARTMENT");

    ordered(&world, order(&id, "2026-03-10")).await.unwrap();
    assert_eq!(reason(&ordered(&world, order(&id, "2026-03-10")).await.unwrap_err()), "RECTIFICATION_STATE");
    for day in ["2026-03-01", "2026-03-03"] {
        assert_eq!(wrong_fields(&report(&world, &id, day).await.unwrap_err()), ["reportedOn"]);
        assert_eq!(
            wrong_fields(&rechecked(&world, recheck(&id, day, true)).await.unwrap_err()),
            ["recheckedOn"]
        );
    }
    let fine = || recheck(&id, "2026-03-02", true);
    for (wrong, field) in [
        (api::RecheckVisitRequest { inspectors: vec!["i1".into()], ..fine() }, "inspectors"),
        (api::RecheckVisitRequest { inspectors: vec!["i1".into(), "i9".into()], ..fine() }, "inspectors[1]"),
        (api::RecheckVisitRequest { next_due_on: "2026-03-31".into(), ..fine() }, "nextDueOn"),
        (api::RecheckVisitRequest { corrected: false, ..fine() }, "nextDueOn"),
        (
            api::RecheckVisitRequest { corrected: false, next_due_on: "2026-03-01".into(), ..fine() },
            "nextDueOn",
        ),
    ] {
        assert_eq!(wrong_fields(&rechecked(&world, wrong).await.unwrap_err()), [field]);
    }
}

async fn hand_over(world: &World, visit: &str, to: &str) -> Result<api::CaseSuggestion, tonic::Status> {
    let request = api::HandOverVisitRequest {
        visit: visit.to_owned(),
        to_department: to.to_owned(),
        reason: "涉嫌超出许可范围经营".to_owned(),
        ..Default::default()
    };
    Ok(world.fieldwork(world.transport()).hand_over_visit(request).await?.into_inner())
}

#[tokio::test]
async fn a_finding_is_handed_over_as_a_suggestion() {
    let (world, visits) = city().await;
    let id = visits[0].visit_id.clone();
    let made = hand_over(&world, &id, "market").await.unwrap();
    assert_eq!(
        (made.state(), made.findings.len(), made.from_department.as_str()),
        (case_suggestion::State::Open, 1, "transport")
    );
    let twice = hand_over(&world, &id, "market").await.unwrap_err();
    assert_eq!((twice.code(), reason(&twice).as_str()), (Code::FailedPrecondition, "SUGGESTION_STATE"));
    hand_over(&world, &id, "water").await.unwrap();
    let planned = hand_over(&world, &visits[1].visit_id, "market").await.unwrap_err();
    assert_eq!(reason(&planned), "VISIT_STATE");

    let list = async |to: &str, state: case_suggestion::State| {
        let request = api::ListCaseSuggestionsRequest {
            to_department: to.to_owned(),
            state: state as i32,
            ..Default::default()
        };
        world
            .fieldwork(world.transport())
            .list_case_suggestions(request)
            .await
            .unwrap()
            .into_inner()
            .suggestions
    };
    assert_eq!(list("market", case_suggestion::State::Unspecified).await, std::slice::from_ref(&made));
    assert_eq!(list("", case_suggestion::State::Open).await.len(), 2);
    let answer = |taken: bool, number: &str| api::AnswerCaseSuggestionRequest {
        suggestion: made.suggestion_id.clone(),
        taken,
        document_number: number.to_owned(),
        answer: "已另行立案".to_owned(),
        ..Default::default()
    };
    let market = || world.trial.token("market", "sampling.read sampling.write");
    let numberless = world.fieldwork(market()).answer_case_suggestion(answer(true, "")).await.unwrap_err();
    assert_eq!(wrong_fields(&numberless), ["documentNumber"]);
    let own = world.fieldwork(world.transport()).answer_case_suggestion(answer(true, "1")).await.unwrap_err();
    assert_eq!(reason(&own), "OTHER_DEPARTMENT");
    let request = answer(true, "虚立〔2026〕3号");
    let taken = world.fieldwork(market()).answer_case_suggestion(request.clone()).await.unwrap().into_inner();
    assert_eq!(
        (taken.state(), taken.document_number.as_str()),
        (case_suggestion::State::Taken, "虚立〔2026〕3号")
    );
    let again = world.fieldwork(market()).answer_case_suggestion(request).await.unwrap_err();
    assert_eq!(reason(&again), "SUGGESTION_STATE");
    assert_eq!(list("", case_suggestion::State::Taken).await, [taken]);
    let missing = api::AnswerCaseSuggestionRequest { suggestion: "none".into(), ..answer(false, "") };
    let missing = world.fieldwork(market()).answer_case_suggestion(missing).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
}
