//! The procedure, from proposal to listing: its order, its terms, who may take which step.
use chassis::{access::Claims, trial::reason};
use contract::discipline::v1::{
    self as api,
    case::{Outcome, State},
    step::Kind,
};
use tonic::Code;

use super::world::{LIST, World, code, decide, in_chinese, list, metadata, propose, put_list, step};

fn next(case: &api::Case) -> Vec<Kind> {
    case.next_steps().collect()
}

#[tokio::test]
async fn the_contract_s_example_from_proposal_to_listing() {
    let world = World::at("2026-02-13T01:00:00Z").await;
    let (mut clerk, mut chief) = (world.of("hrss", "clerk"), world.of("hrss", "chief"));
    let case = clerk.cases.create_case(propose(LIST, &code(1))).await.unwrap().into_inner();
    assert_eq!((case.state(), case.name.as_str()), (State::Proposed, "虚构劳务1号有限公司"));
    assert_eq!(next(&case), [Kind::Notify, Kind::Drop]);
    assert_eq!(case.earliest_decision_on, "");
    let case = clerk.cases.notify_case(step(&case, "2026-02-13")).await.unwrap().into_inner();
    assert_eq!((case.state(), case.earliest_decision_on.as_str()), (State::Notified, "2026-02-28"));
    assert!(!case.provisional);

    // Spring Festival lies between: five working days end with 27 February.
    for day in ["2026-02-20T01:00:00Z", "2026-02-27T15:59:59Z"] {
        world.trial.boot.clock.set(day.parse().unwrap());
        let refused = chief.cases.decide_case(decide(&case, "", Outcome::List)).await.unwrap_err();
        assert_eq!(
            (refused.code(), reason(&refused)),
            (Code::FailedPrecondition, "STEP_TOO_EARLY".into()),
            "{day}"
        );
        assert!(refused.message().contains("2026-02-28"), "{}", refused.message());
        assert_eq!(metadata(&refused, "earliestDate"), "2026-02-28");
    }
    let chinese = chief.cases.decide_case(in_chinese(decide(&case, "", Outcome::List))).await.unwrap_err();
    assert!(chinese.message().contains("最早可于2026-02-28"), "{}", chinese.message());

    // Midnight in Asia/Shanghai.
    world.trial.boot.clock.set("2026-02-27T16:00:00Z".parse().unwrap());
    let dated_back = chief.cases.decide_case(decide(&case, "2026-02-27", Outcome::List)).await.unwrap_err();
    assert_eq!(reason(&dated_back), "STEP_TOO_EARLY");
    let case =
        chief.cases.decide_case(decide(&case, "2026-02-28", Outcome::List)).await.unwrap().into_inner();
    assert_eq!(
        (case.state(), case.outcome(), next(&case)),
        (State::Decided, Outcome::List, vec![Kind::Serve])
    );
    let case = clerk.cases.serve_case(step(&case, "")).await.unwrap().into_inner();
    let case = clerk.cases.publish_case(step(&case, "")).await.unwrap().into_inner();
    let listing = case.listing.clone().expect("a listing");
    assert_eq!((listing.from.as_str(), listing.until.as_str()), ("2026-02-28", "2029-02-28"));
    assert_eq!(listing.document_number, "虚构人社决〔2026〕1号");

    let seen = get(&mut clerk, &case.case_id).await;
    assert_eq!(seen.steps, case.steps, "every answer says the same");
    let kinds: Vec<Kind> = seen.steps.iter().map(|step| step.kind()).collect();
    assert_eq!(kinds, [Kind::Propose, Kind::Notify, Kind::Decide, Kind::Serve, Kind::Publish]);
    assert!(seen.steps.iter().all(|step| step.recorded_at.is_some() && step.department == "hrss"));
    assert_eq!(seen.steps[2].by, "chief");
}

async fn get(client: &mut super::world::Client, case: &str) -> api::Case {
    let request = api::GetCaseRequest { case: case.into(), ..Default::default() };
    client.cases.get_case(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn steps_keep_their_order_and_their_dates() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let (mut clerk, mut chief) = (world.of("hrss", "clerk"), world.of("hrss", "chief"));
    let case = clerk.cases.create_case(propose(LIST, &code(1))).await.unwrap().into_inner();
    let refused = chief.cases.decide_case(decide(&case, "", Outcome::List)).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::FailedPrecondition, "STEP_OUT_OF_ORDER".into()));
    assert!(
        refused.message().contains("PROPOSED") && refused.message().contains("notify"),
        "{}",
        refused.message()
    );
    let refused = clerk.cases.publish_case(step(&case, "")).await.unwrap_err();
    assert_eq!(metadata(&refused, "nextSteps"), "notify, drop");
    let refused = clerk.cases.notify_case(step(&case, "2026-03-03")).await.unwrap_err();
    assert_eq!(reason(&refused), "STEP_DATE_INVALID");
    let mut bare = step(&case, "2026-02-24");
    bare.document_number.clear();
    assert_eq!(reason(&clerk.cases.notify_case(bare).await.unwrap_err()), "FIELD_INVALID");
    let no_day = api::CaseStepRequest { on: "2026-02-30".into(), ..step(&case, "") };
    assert_eq!(reason(&clerk.cases.notify_case(no_day).await.unwrap_err()), "FIELD_INVALID");

    // The notice may be older than its entry here; a second notice does not follow.
    clerk.cases.notify_case(step(&case, "2026-02-24")).await.unwrap();
    let refused = clerk.cases.notify_case(step(&case, "2026-02-25")).await.unwrap_err();
    assert_eq!(reason(&refused), "STEP_OUT_OF_ORDER");
    assert_eq!(metadata(&refused, "earliestDate"), "2026-03-03");
    let refused = clerk.cases.record_defence(step(&case, "2026-02-23")).await.unwrap_err();
    assert_eq!(
        (reason(&refused), metadata(&refused, "earliestDate")),
        ("STEP_DATE_INVALID".into(), "2026-02-24".into())
    );

    // A statement does not shorten the term, and with a hearing asked for there is none without it.
    let stated = api::CaseStepRequest { hearing_requested: true, ..step(&case, "2026-02-25") };
    let stated = clerk.cases.record_defence(stated).await.unwrap().into_inner();
    assert_eq!((stated.state(), stated.earliest_decision_on.as_str()), (State::Defended, "2026-03-03"));
    world.trial.boot.clock.set("2026-03-05T01:00:00Z".parse().unwrap());
    let refused = chief.cases.decide_case(decide(&case, "", Outcome::List)).await.unwrap_err();
    assert_eq!(reason(&refused), "STEP_OUT_OF_ORDER");
    assert!(refused.message().contains("hearing"), "{}", refused.message());
    let heard = clerk.cases.hold_hearing(step(&case, "2026-03-04")).await.unwrap().into_inner();
    assert_eq!(heard.state(), State::Heard);
    let ended = chief.cases.decide_case(decide(&case, "", Outcome::Drop)).await.unwrap().into_inner();
    assert_eq!((ended.state(), ended.outcome(), next(&ended)), (State::Dropped, Outcome::Drop, vec![]));
    let refused = clerk.cases.drop_case(step(&case, "")).await.unwrap_err();
    assert!(refused.message().contains("no step follows"), "{}", refused.message());
}

#[tokio::test]
async fn a_waiver_ends_the_wait() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let (mut clerk, mut chief) = (world.of("hrss", "clerk"), world.of("hrss", "chief"));
    let case = clerk.cases.create_case(propose(LIST, &code(1))).await.unwrap().into_inner();
    clerk.cases.notify_case(step(&case, "")).await.unwrap();
    assert!(chief.cases.decide_case(decide(&case, "", Outcome::List)).await.is_err());
    let waived = clerk.cases.waive_defence(step(&case, "")).await.unwrap().into_inner();
    assert_eq!(waived.earliest_decision_on, "2026-03-02");
    let decided = chief.cases.decide_case(decide(&case, "", Outcome::List)).await.unwrap().into_inner();
    assert_eq!(decided.state(), State::Decided);
    let refused = clerk.cases.drop_case(step(&case, "")).await.unwrap_err();
    assert_eq!(metadata(&refused, "nextSteps"), "serve");
}

#[tokio::test]
async fn the_proposer_does_not_decide_and_strangers_do_nothing() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let (mut clerk, mut taxation) = (world.of("hrss", "clerk"), world.of("taxation", "t"));
    let refused = taxation.cases.create_case(propose(LIST, &code(1))).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::PermissionDenied, "DECIDER_NOT_ENTITLED".into()));
    let case = clerk.cases.create_case(propose(LIST, &code(1))).await.unwrap().into_inner();
    let refused = taxation.cases.notify_case(step(&case, "")).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::PermissionDenied, "NOT_OF_DEPARTMENT".into()));
    clerk.cases.notify_case(step(&case, "2026-02-13")).await.unwrap();
    let refused = clerk.cases.decide_case(decide(&case, "", Outcome::List)).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::PermissionDenied, "DECIDER_IS_PROPOSER".into()));
    let refused = taxation.cases.decide_case(decide(&case, "", Outcome::List)).await.unwrap_err();
    assert_eq!(reason(&refused), "DECIDER_NOT_ENTITLED");
    let scoped = world.claims("hrss", "other", "discipline.read discipline.write discipline.propose");
    let refused = world.client(scoped).cases.decide_case(decide(&case, "", Outcome::List)).await.unwrap_err();
    assert_eq!(reason(&refused), "SCOPE_MISSING");
    let undecided =
        world.office().cases.decide_case(decide(&case, "", Outcome::Unspecified)).await.unwrap_err();
    assert_eq!(reason(&undecided), "FIELD_INVALID");
    let unknown = api::DecideCaseRequest { outcome: 9, ..decide(&case, "", Outcome::List) };
    assert_eq!(reason(&world.office().cases.decide_case(unknown).await.unwrap_err()), "FIELD_INVALID");
    let decided =
        world.office().cases.decide_case(decide(&case, "", Outcome::List)).await.unwrap().into_inner();
    assert_eq!(decided.state(), State::Decided);
    let missing =
        clerk.cases.notify_case(api::CaseStepRequest { case: "none".into(), ..Default::default() }).await;
    assert_eq!(missing.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_case_is_of_a_known_subject_with_facts_and_evidence() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let mut clerk = world.of("hrss", "clerk");
    let good = propose(LIST, &code(1));
    let personal = "11010519491231002X";
    for (wrong, expected, code) in [
        (propose("none", &code(1)), "LIST_UNKNOWN", Code::NotFound),
        (propose(LIST, &code(999)), "SUBJECT_UNKNOWN", Code::NotFound),
        (propose(LIST, "91640399MA"), "CODE_LENGTH", Code::InvalidArgument),
        (propose(LIST, personal), "PERSONAL_IDENTITY_NUMBER", Code::InvalidArgument),
        (
            api::CreateCaseRequest { facts: " ".into(), ..good.clone() },
            "FIELD_INVALID",
            Code::InvalidArgument,
        ),
        (api::CreateCaseRequest { evidence: vec![], ..good.clone() }, "FIELD_INVALID", Code::InvalidArgument),
        (
            api::CreateCaseRequest { facts: format!("负责人{personal}"), ..good.clone() },
            "PERSONAL_IDENTITY_NUMBER",
            Code::InvalidArgument,
        ),
    ] {
        let refused = clerk.cases.create_case(wrong).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (code, expected));
        assert!(!refused.message().contains(personal));
    }
    // Codes are normalised, and the same request id gives the same case.
    let written = format!(" {} ", code(1).to_lowercase());
    let once = api::CreateCaseRequest { uscc: written, request_id: "r1".into(), ..good };
    let first = clerk.cases.create_case(once.clone()).await.unwrap().into_inner();
    let second = clerk.cases.create_case(once).await.unwrap().into_inner();
    assert_eq!((&first.case_id, first.uscc.as_str()), (&second.case_id, code(1).as_str()));
    let all = clerk.cases.list_cases(api::ListCasesRequest::default()).await.unwrap().into_inner();
    assert_eq!(all.cases.len(), 1);
}

#[tokio::test]
async fn a_case_keeps_the_wording_that_it_began_with() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let (mut clerk, mut chief) = (world.of("hrss", "clerk"), world.of("hrss", "chief"));
    let case = clerk.cases.create_case(propose(LIST, &code(1))).await.unwrap().into_inner();
    let harsher = api::List { publication_months: 60, defence_working_days: 3, ..list(LIST) };
    world.office().lists.put_list(put_list(harsher)).await.unwrap();
    let case = clerk.cases.notify_case(step(&case, "2026-02-13")).await.unwrap().into_inner();
    assert_eq!(case.earliest_decision_on, "2026-02-28");
    chief.cases.decide_case(decide(&case, "", Outcome::List)).await.unwrap();
    clerk.cases.serve_case(step(&case, "")).await.unwrap();
    let case = clerk.cases.publish_case(step(&case, "")).await.unwrap().into_inner();
    assert_eq!(case.listing.expect("a listing").until, "2029-03-02");
}

#[tokio::test]
async fn cases_are_read_for_a_purpose_and_by_those_whom_they_concern() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let mut clerk = world.of("hrss", "clerk");
    let mut ids = Vec::new();
    for serial in [1, 2, 1] {
        let case = clerk.cases.create_case(propose(LIST, &code(serial))).await.unwrap().into_inner();
        ids.push(case.case_id);
    }
    clerk.cases.drop_case(api::CaseStepRequest { case: ids[0].clone(), ..Default::default() }).await.unwrap();
    let aimless =
        Claims { default_purpose: String::new(), ..world.claims("hrss", "aimless", "discipline.read") };
    let mut aimless = world.client(aimless);
    let request = api::GetCaseRequest { case: ids[0].clone(), ..Default::default() };
    assert_eq!(reason(&aimless.cases.get_case(request.clone()).await.unwrap_err()), "PURPOSE_REQUIRED");
    let told = api::GetCaseRequest { purpose: "复核".into(), ..request.clone() };
    assert_eq!(aimless.cases.get_case(told).await.unwrap().into_inner().state(), State::Dropped);

    let mut filter = api::ListCasesRequest { uscc: code(1), page_size: 1, ..Default::default() };
    let page = clerk.cases.list_cases(filter.clone()).await.unwrap().into_inner();
    assert_eq!(page.cases[0].case_id, ids[2]);
    filter.page_token = page.next_page_token;
    let page = clerk.cases.list_cases(filter.clone()).await.unwrap().into_inner();
    assert_eq!((page.cases[0].case_id.as_str(), page.next_page_token.as_str()), (ids[0].as_str(), ""));
    filter = api::ListCasesRequest { state: State::Proposed.into(), list: LIST.into(), ..Default::default() };
    assert_eq!(clerk.cases.list_cases(filter).await.unwrap().into_inner().cases.len(), 2);

    let own = Claims { uscc: code(2), ..world.claims("", "enterprise", "discipline.read") };
    let mut enterprise = world.client(own);
    assert_eq!(enterprise.cases.get_case(request).await.unwrap_err().code(), Code::NotFound);
    let seen =
        enterprise.cases.list_cases(api::ListCasesRequest::default()).await.unwrap().into_inner().cases;
    assert_eq!(seen.into_iter().map(|case| case.uscc).collect::<Vec<_>>(), [code(2)]);
    let others = api::ListCasesRequest { uscc: code(1), ..Default::default() };
    assert!(enterprise.cases.list_cases(others).await.unwrap().into_inner().cases.is_empty());
}

#[tokio::test]
async fn of_two_deciders_at_once_one_wins_and_the_other_learns_it() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let mut clerk = world.of("hrss", "clerk");
    for serial in 1..=5 {
        let case = clerk.cases.create_case(propose(LIST, &code(serial))).await.unwrap().into_inner();
        clerk.cases.notify_case(step(&case, "2026-02-13")).await.unwrap();
        let (mut chief, mut deputy) = (world.of("hrss", "chief"), world.of("hrss", "deputy"));
        let (first, second) = tokio::join!(
            chief.cases.decide_case(decide(&case, "", Outcome::List)),
            deputy.cases.decide_case(decide(&case, "", Outcome::Drop)),
        );
        let (won, lost) = match (first, second) {
            (Ok(won), Err(lost)) | (Err(lost), Ok(won)) => (won.into_inner(), lost),
            other => panic!("both or neither decided: {other:?}"),
        };
        assert!(["CONCURRENT_CHANGE", "STEP_OUT_OF_ORDER"].contains(&reason(&lost).as_str()), "{lost:?}");
        let kept = get(&mut clerk, &case.case_id).await;
        assert_eq!((kept.state(), kept.outcome()), (won.state(), won.outcome()));
        assert_eq!(kept.steps.iter().filter(|step| step.kind() == Kind::Decide).count(), 1);
    }
}
