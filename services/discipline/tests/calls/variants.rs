//! The procedure's variants: what a list's own procedure asks for beside the contract's example.
use chassis::trial::reason;
use contract::{
    credit::v1 as credit,
    discipline::v1::{
        self as api,
        case::{Outcome, State},
        procedure::Hearing,
        step::{Answer, Kind, Review, Service},
    },
};
use tonic::Code;

use super::world::{LIST, World, code, decide, list, metadata, propose, put_list, step};

fn term(days: i32, calendar_days: bool) -> Option<api::ProcedureTerm> {
    Some(api::ProcedureTerm {
        days, calendar_days, basis: "虚构办法第三条".into(), ..Default::default()
    })
}

fn required() -> Option<api::ProcedureRequirement> {
    Some(api::ProcedureRequirement {
        required: true, basis: "虚构办法第四条".into(), ..Default::default()
    })
}

fn strict() -> api::Procedure {
    api::Procedure {
        hearing: Hearing::OnRequest.into(),
        hearing_request: term(5, false),
        hearing_notice: term(7, false),
        answer: required(),
        legal_review: required(),
        decision: term(90, true),
        service: term(7, false),
        publication: term(7, false),
        announcement: term(30, true),
        ..Default::default()
    }
}

async fn put(world: &World, list: api::List) -> api::List {
    world.office().lists.put_list(put_list(list)).await.unwrap().into_inner()
}

fn answer(case: &api::Case, on: &str) -> api::AnswerDefenceRequest {
    api::AnswerDefenceRequest {
        case: case.case_id.clone(),
        on: on.into(),
        document_number: "虚构人社复〔2026〕1号".into(),
        text: "凭证与工资表不符".into(),
        answer: Answer::NotAdopted.into(),
        ..Default::default()
    }
}

fn call(case: &api::Case, on: &str, hearing_on: &str) -> api::CallHearingRequest {
    api::CallHearingRequest {
        case: case.case_id.clone(),
        on: on.into(),
        document_number: "虚构人社听〔2026〕1号".into(),
        text: "第一会议室".into(),
        hearing_on: hearing_on.into(),
        ..Default::default()
    }
}

fn review(case: &api::Case, on: &str, review: Review) -> api::ReviewLegalityRequest {
    api::ReviewLegalityRequest {
        case: case.case_id.clone(),
        on: on.into(),
        text: "事实清楚、依据充分".into(),
        review: review.into(),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_strict_list_goes_through_answer_hearing_review_and_announcement() {
    let world = World::at("2026-04-20T01:00:00Z").await;
    let declared = put(&world, api::List { procedure: Some(strict()), ..list("l1") }).await;
    let decision = declared.procedure.as_ref().unwrap().decision.clone().unwrap();
    assert_eq!(decision.status(), api::BasisStatus::Declared, "who puts it answers for each part");
    let (mut clerk, mut chief, mut lawyer) =
        (world.of("hrss", "clerk"), world.of("hrss", "chief"), world.of("hrss", "lawyer"));
    let case = clerk.cases.create_case(propose("l1", &code(1))).await.unwrap().into_inner();
    let due = case.due.clone().unwrap();
    // Ninety calendar days after 20 April end on a Sunday.
    assert_eq!((due.step(), due.due_on.as_str(), due.overdue), (Kind::Decide, "2026-07-20", false));
    let notified = clerk.cases.notify_case(step(&case, "2026-03-02")).await.unwrap().into_inner();
    let told = notified.steps[1].notice.clone().unwrap();
    assert_eq!((told.facts.as_str(), told.basis.as_str()), ("逾期未支付工资", "人社部令第45号"));
    assert!(told.remedies.contains("5个工作日内书面申请听证"), "{}", told.remedies);
    let follows = told.consequences.clone().unwrap();
    assert_eq!((follows.publication_months, follows.measures.len()), (36, 2));
    assert!(told.removal.contains("列入满6个月"), "{}", told.removal);
    assert_eq!(notified.steps[1].service(), Service::Direct);

    let asking = |on: &str| api::CaseStepRequest { hearing_requested: true, ..step(&case, on) };
    let late = clerk.cases.record_defence(asking("2026-03-10")).await.unwrap_err();
    assert_eq!((reason(&late), metadata(&late, "latestDate")), ("STEP_TOO_LATE".into(), "2026-03-09".into()));
    clerk.cases.record_defence(asking("2026-03-09")).await.unwrap();
    let soon = clerk.cases.call_hearing(call(&case, "2026-03-10", "2026-03-19")).await.unwrap_err();
    assert_eq!(
        (reason(&soon), metadata(&soon, "earliestDate")),
        ("STEP_TOO_EARLY".into(), "2026-03-20".into())
    );
    let uncalled = chief.cases.hold_hearing(step(&case, "2026-03-20")).await.unwrap_err();
    assert_eq!(reason(&uncalled), "STEP_OUT_OF_ORDER");
    clerk.cases.call_hearing(call(&case, "2026-03-10", "2026-03-20")).await.unwrap();
    let own = clerk.cases.hold_hearing(step(&case, "2026-03-20")).await.unwrap_err();
    assert_eq!((own.code(), reason(&own)), (Code::PermissionDenied, "OFFICER_IS_PROPOSER".into()));
    let heard = chief.cases.hold_hearing(step(&case, "2026-03-20")).await.unwrap().into_inner();
    assert_eq!(heard.next_steps().collect::<Vec<_>>(), [Kind::AnswerDefence, Kind::Drop]);
    let unread = api::AnswerDefenceRequest { answer: 0, ..answer(&case, "") };
    assert_eq!(reason(&clerk.cases.answer_defence(unread).await.unwrap_err()), "FIELD_INVALID");
    let bare = api::AnswerDefenceRequest { text: " ".into(), ..answer(&case, "") };
    assert_eq!(reason(&clerk.cases.answer_defence(bare).await.unwrap_err()), "FIELD_INVALID");
    let answered = clerk.cases.answer_defence(answer(&case, "2026-03-23")).await.unwrap().into_inner();
    assert_eq!(answered.steps.last().unwrap().answer(), Answer::NotAdopted);
    let unreviewed = chief.cases.decide_case(decide(&case, "", Outcome::List)).await.unwrap_err();
    assert!(unreviewed.message().contains("reviewLegality"), "{}", unreviewed.message());
    let own = clerk.cases.review_legality(review(&case, "2026-03-24", Review::Passed)).await.unwrap_err();
    assert_eq!(reason(&own), "OFFICER_IS_PROPOSER");
    lawyer.cases.review_legality(review(&case, "2026-03-24", Review::Failed)).await.unwrap();
    let failed = chief.cases.decide_case(decide(&case, "", Outcome::List)).await.unwrap_err();
    assert_eq!((failed.code(), reason(&failed)), (Code::FailedPrecondition, "LEGAL_REVIEW_FAILED".into()));
    lawyer.cases.review_legality(review(&case, "2026-03-25", Review::Passed)).await.unwrap();
    let decided =
        chief.cases.decide_case(decide(&case, "2026-04-01", Outcome::List)).await.unwrap().into_inner();
    assert_eq!(decided.due.unwrap().due_on, "2026-04-13");

    // Announced on 2 April: thirty days end on 2 May, a day off, and so on 6 May.
    let announced =
        api::CaseStepRequest { service: Service::Announcement.into(), ..step(&case, "2026-04-02") };
    let served = clerk.cases.serve_case(announced).await.unwrap().into_inner();
    let last = served.steps.last().unwrap();
    assert_eq!(
        (last.served_on.as_str(), last.due_on.as_str(), last.late),
        ("2026-05-07", "2026-04-13", false)
    );
    let early = clerk.cases.publish_case(step(&case, "")).await.unwrap_err();
    assert_eq!(
        (reason(&early), metadata(&early, "earliestDate")),
        ("STEP_TOO_EARLY".into(), "2026-05-07".into())
    );
    world.trial.boot.clock.set("2026-05-07T01:00:00Z".parse().unwrap());
    let listed = clerk.cases.publish_case(step(&case, "")).await.unwrap().into_inner();
    assert_eq!((listed.state(), listed.due), (State::Listed, None));
    let kept = clerk.cases.get_case(api::GetCaseRequest { case: case.case_id, ..Default::default() }).await;
    assert_eq!(kept.unwrap().into_inner().steps, listed.steps, "every answer says the same");
}

#[tokio::test]
async fn what_is_decided_is_never_more_than_what_was_notified() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let (mut clerk, mut chief, mut finance) =
        (world.of("hrss", "clerk"), world.of("hrss", "chief"), world.of("finance", "f"));
    let case = clerk.cases.create_case(propose(LIST, &code(1))).await.unwrap().into_inner();
    let of = |publication_months, measures: &[&str]| {
        let measures = measures.iter().map(|&measure| measure.into()).collect();
        Some(api::Consequences { publication_months, measures })
    };
    let notice = |consequences| api::CaseStepRequest {
        notice: Some(api::Notice { consequences, ..Default::default() }),
        ..step(&case, "2026-02-13")
    };
    for more in [of(37, &["key-supervision"]), of(0, &[]), of(12, &["another"])] {
        let refused = clerk.cases.notify_case(notice(more)).await.unwrap_err();
        assert_eq!(
            (refused.code(), reason(&refused)),
            (Code::FailedPrecondition, "CONSEQUENCES_EXCEEDED".into())
        );
        assert_eq!(metadata(&refused, "publicationMonths"), "36");
    }
    clerk.cases.notify_case(notice(of(24, &["key-supervision"]))).await.unwrap();
    let decision = |consequences| api::DecideCaseRequest { consequences, ..decide(&case, "", Outcome::List) };
    // The list would allow both.
    for more in [of(36, &["key-supervision"]), of(24, &["key-supervision", "procurement-ban"])] {
        let refused = chief.cases.decide_case(decision(more)).await.unwrap_err();
        assert_eq!(reason(&refused), "CONSEQUENCES_EXCEEDED");
        assert_eq!(metadata(&refused, "publicationMonths"), "24");
    }
    let decided = chief.cases.decide_case(decision(of(12, &["key-supervision"]))).await.unwrap().into_inner();
    assert_eq!(decided.steps.last().unwrap().consequences, of(12, &["key-supervision"]));
    clerk.cases.serve_case(step(&case, "")).await.unwrap();
    let listed = clerk.cases.publish_case(step(&case, "")).await.unwrap().into_inner().listing.unwrap();
    assert_eq!(
        (listed.until.as_str(), listed.consequences.clone()),
        ("2027-03-02", of(12, &["key-supervision"]))
    );
    // The check tells what was decided, and another measure of the list is none of this listing's.
    let found = world.check(&mut finance, &[&code(1)]).await;
    let bound: Vec<&str> = found[0].measures.iter().map(|measure| measure.measure_id.as_str()).collect();
    assert_eq!(bound, ["key-supervision"]);
    let application = api::Application {
        listing: listed.listing,
        measure: "procurement-ban".into(),
        applied_on: "2026-03-02".into(),
        ..Default::default()
    };
    let request = api::CreateApplicationRequest { application: Some(application), ..Default::default() };
    let refused = finance.applications.create_application(request).await.unwrap_err();
    assert_eq!(reason(&refused), "MEASURE_NOT_OF_LISTING");

    // Without a word of it the decision lets follow what was notified.
    let case = clerk.cases.create_case(propose(LIST, &code(2))).await.unwrap().into_inner();
    let less = api::Notice { consequences: of(24, &[]), ..Default::default() };
    let request = api::CaseStepRequest { notice: Some(less), ..step(&case, "2026-02-13") };
    clerk.cases.notify_case(request).await.unwrap();
    let decided = chief.cases.decide_case(decide(&case, "", Outcome::List)).await.unwrap().into_inner();
    assert_eq!(decided.steps.last().unwrap().consequences, of(24, &[]));
}

#[tokio::test]
async fn a_reward_is_publicised_first_and_objections_are_answered() {
    let world = World::at("2026-03-16T01:00:00Z").await;
    let publicised = api::Procedure {
        hearing: Hearing::None.into(),
        publicity: required(),
        publicity_term: term(5, false),
        ..Default::default()
    };
    let reward = api::List {
        kind: api::list::Kind::Reward.into(),
        procedure: Some(publicised.clone()),
        measures: vec![],
        publication_months: 12,
        ..list("model")
    };
    put(&world, reward.clone()).await;
    let mut office = world.office();
    let punitive = api::List { kind: api::list::Kind::Punitive.into(), ..reward.clone() };
    let refused = office.lists.put_list(put_list(punitive)).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::InvalidArgument, "PROCEDURE_INVALID".into()));
    let (mut clerk, mut chief) = (world.of("hrss", "clerk"), world.of("hrss", "chief"));
    let case = clerk.cases.create_case(propose("model", &code(1))).await.unwrap().into_inner();
    assert_eq!(case.next_steps().collect::<Vec<_>>(), [Kind::Publicize, Kind::Drop]);
    assert_eq!(reason(&clerk.cases.notify_case(step(&case, "")).await.unwrap_err()), "STEP_OUT_OF_ORDER");
    let shown = clerk.cases.publicize_case(step(&case, "2026-03-09")).await.unwrap().into_inner();
    assert_eq!((shown.state(), shown.earliest_decision_on.as_str()), (State::Notified, "2026-03-17"));
    assert!(shown.steps[1].notice.as_ref().unwrap().remedies.contains("任何单位和个人"), "{shown:?}");
    let early = chief.cases.decide_case(decide(&case, "", Outcome::List)).await.unwrap_err();
    assert_eq!(
        (reason(&early), metadata(&early, "earliestDate")),
        ("STEP_TOO_EARLY".into(), "2026-03-17".into())
    );
    let heard = api::CaseStepRequest { hearing_requested: true, ..step(&case, "2026-03-12") };
    assert_eq!(reason(&clerk.cases.record_defence(heard).await.unwrap_err()), "HEARING_NOT_OFFERED");
    clerk.cases.record_defence(step(&case, "2026-03-12")).await.unwrap();
    world.trial.boot.clock.set("2026-03-17T01:00:00Z".parse().unwrap());
    let open = chief.cases.decide_case(decide(&case, "", Outcome::List)).await.unwrap_err();
    assert_eq!(reason(&open), "STEP_OUT_OF_ORDER");
    assert!(open.message().contains("answerDefence"), "{}", open.message());
    clerk.cases.answer_defence(answer(&case, "")).await.unwrap();
    chief.cases.decide_case(decide(&case, "", Outcome::List)).await.unwrap();
    clerk.cases.serve_case(step(&case, "")).await.unwrap();
    let listed = clerk.cases.publish_case(step(&case, "")).await.unwrap().into_inner().listing.unwrap();
    assert_eq!((listed.kind(), listed.until.as_str()), (api::list::Kind::Reward, "2027-03-17"));
}

#[tokio::test]
async fn records_that_are_evidence_are_there_and_in_force_to_the_decision() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let (mut clerk, mut chief) = (world.of("hrss", "clerk"), world.of("hrss", "chief"));
    let wanted =
        api::Procedure { evidence_items: vec!["administrative-penalty".into()], ..Default::default() };
    put(&world, api::List { procedure: Some(wanted), ..list("l1") }).await;
    let record = world.penalty(1, "p1", "2026-01-15").await;
    let with = |evidence: &[String]| api::CreateCaseRequest {
        evidence: evidence.to_vec(),
        ..propose("l1", &code(1))
    };
    let named = format!("records/{record}");
    let other = format!("records/{}", world.penalty(2, "p2", "2026-01-15").await);
    for (wrong, expected) in [
        (with(&["records/none".into()]), "EVIDENCE_NOT_EFFECTIVE"),
        (with(&[named.clone(), other]), "EVIDENCE_NOT_EFFECTIVE"),
        (with(&["责令改正决定书".into()]), "EVIDENCE_UNSUITABLE"),
    ] {
        let refused = clerk.cases.create_case(wrong).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, expected));
    }
    let case = clerk.cases.create_case(with(&["责令改正决定书".into(), named])).await.unwrap().into_inner();
    clerk.cases.notify_case(step(&case, "2026-02-13")).await.unwrap();
    // The penalty is annulled before the decision: it carries no listing any more, and not to list is still possible.
    let request =
        credit::WithdrawRecordRequest { record, reason: "复议撤销".into(), ..Default::default() };
    world.transport().withdraw_record(request).await.unwrap();
    let mut stranger = world.of("taxation", "t");
    let denied = stranger.cases.decide_case(decide(&case, "", Outcome::List)).await.unwrap_err();
    assert_eq!(reason(&denied), "DECIDER_NOT_ENTITLED", "a stranger does not learn of the evidence");
    let refused = chief.cases.decide_case(decide(&case, "", Outcome::List)).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused)),
        (Code::FailedPrecondition, "EVIDENCE_NOT_EFFECTIVE".into())
    );
    let dropped = chief.cases.decide_case(decide(&case, "", Outcome::Drop)).await.unwrap().into_inner();
    assert_eq!(dropped.state(), State::Dropped);
}

#[tokio::test]
async fn service_says_how_and_a_personal_number_is_refused_everywhere() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    let mut clerk = world.of("hrss", "clerk");
    let case = clerk.cases.create_case(propose(LIST, &code(1))).await.unwrap().into_inner();
    let electronic = |text: &str| api::CaseStepRequest {
        service: Service::Electronic.into(),
        text: text.into(),
        ..step(&case, "2026-02-13")
    };
    assert_eq!(reason(&clerk.cases.notify_case(electronic(" ")).await.unwrap_err()), "FIELD_INVALID");
    let strange = api::CaseStepRequest { service: 9, ..step(&case, "2026-02-13") };
    assert_eq!(reason(&clerk.cases.notify_case(strange).await.unwrap_err()), "FIELD_INVALID");
    let personal = "11010519491231002X";
    for notice in [
        api::Notice { facts: personal.into(), ..Default::default() },
        api::Notice { removal: personal.into(), ..Default::default() },
    ] {
        let request = api::CaseStepRequest { notice: Some(notice), ..step(&case, "") };
        let refused = clerk.cases.notify_case(request).await.unwrap_err();
        assert_eq!(reason(&refused), "PERSONAL_IDENTITY_NUMBER");
    }
    let notified = clerk.cases.notify_case(electronic("送达确认书2026-01-05")).await.unwrap().into_inner();
    let step = notified.steps.last().unwrap();
    assert_eq!((step.service(), step.served_on.as_str()), (Service::Electronic, "2026-02-13"));
}

#[tokio::test]
async fn of_two_reviewers_or_servers_at_once_one_wins() {
    let world = World::at("2026-03-02T01:00:00Z").await;
    put(
        &world,
        api::List {
            procedure: Some(api::Procedure { legal_review: required(), ..Default::default() }),
            ..list("l1")
        },
    )
    .await;
    let (mut clerk, mut chief) = (world.of("hrss", "clerk"), world.of("hrss", "chief"));
    for serial in 1..=3 {
        let case = clerk.cases.create_case(propose("l1", &code(serial))).await.unwrap().into_inner();
        clerk.cases.notify_case(step(&case, "2026-02-13")).await.unwrap();
        let (mut first, mut second) = (world.of("hrss", "lawyer"), world.of("hrss", "jurist"));
        let (one, other) = tokio::join!(
            first.cases.review_legality(review(&case, "", Review::Passed)),
            second.cases.review_legality(review(&case, "", Review::Passed)),
        );
        assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
        chief.cases.decide_case(decide(&case, "", Outcome::List)).await.unwrap();
        let mut deputy = world.of("hrss", "deputy");
        let (one, other) =
            tokio::join!(clerk.cases.serve_case(step(&case, "")), deputy.cases.serve_case(step(&case, "")),);
        assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    }
}
