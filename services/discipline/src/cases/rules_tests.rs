//! The procedure's rules, case by case; `model` walks through them whole.
use calendar::Calendar;
use contract::discipline::v1::{
    Consequences, List, Notice, Procedure, ProcedureRequirement, ProcedureTerm, Step,
    case::{Outcome, State},
    procedure::Hearing,
    step::{Kind, Review, Service},
};
use jiff::civil::Date;

use super::{
    course::Course,
    rules::{Earliest, Refusal, Standing, after, until},
};

const TODAY: &str = "2026-03-31";
const PROPOSER: &str = "clerk";

fn day(text: &str) -> Date {
    text.parse().expect("a date")
}

fn list() -> List {
    List { defence_working_days: 5, publication_months: 36, measures: vec!["m".into()], ..Default::default() }
}

fn consequences(publication_months: i32) -> Consequences {
    Consequences { publication_months, measures: vec!["m".into()] }
}

fn notice() -> Notice {
    Notice {
        facts: "事实".into(),
        basis: "依据".into(),
        consequences: Some(consequences(24)),
        remedies: "权利".into(),
        removal: "移出条件".into(),
    }
}

// A step of somebody other than the proposer that says all that it has to.
fn step(kind: Kind, on: &str) -> Step {
    Step {
        kind: kind.into(),
        on: on.into(),
        by: "chief".into(),
        notice: matches!(kind, Kind::Notify | Kind::Publicize).then(notice),
        outcome: if kind == Kind::Decide { Outcome::List.into() } else { 0 },
        consequences: (kind == Kind::Decide).then(|| consequences(24)),
        hearing_on: if kind == Kind::CallHearing { "2026-03-20".into() } else { String::new() },
        review: if kind == Kind::ReviewLegality { Review::Passed.into() } else { 0 },
        ..Default::default()
    }
}

fn steps(done: &[(Kind, &str)]) -> Vec<Step> {
    done.iter().map(|&(kind, on)| step(kind, on)).collect()
}

// A case as its steps leave it, for a list.
struct Case {
    course: Course,
    steps: Vec<Step>,
    state: State,
    hearing_requested: bool,
}

impl Case {
    fn of(list: &List, done: &[(Kind, &str)]) -> Self {
        let steps = steps(done);
        let state =
            steps.iter().fold(State::Proposed, |state, step| after(step.kind(), step.outcome(), state));
        Self { course: Course::of(list), steps, state, hearing_requested: false }
    }

    fn standing(&self) -> Standing<'_> {
        let Self { course, steps, state, hearing_requested } = self;
        Standing {
            state: *state,
            steps,
            hearing_requested: *hearing_requested,
            course,
            calendar: Calendar::national(),
        }
    }

    fn judge(&self, step: &Step, today: &str) -> Result<(), Refusal> {
        self.standing().judge(step, PROPOSER, day(today))
    }

    fn take(&self, kind: Kind, on: &str) -> Result<(), Refusal> {
        self.judge(&step(kind, on), TODAY)
    }
}

fn earliest(on: &str) -> Earliest {
    Earliest { on: day(on), provisional: false }
}

#[test]
fn the_contract_s_own_example() {
    let case = Case::of(&list(), &[(Kind::Propose, "2026-02-12"), (Kind::Notify, "2026-02-13")]);
    assert_eq!(case.standing().earliest_decision(), Some(earliest("2026-02-28")));
    let judge = |on, today| case.judge(&step(Kind::Decide, on), today);
    assert_eq!(judge("2026-02-27", TODAY), Err(Refusal::TooEarly(earliest("2026-02-28"))));
    assert_eq!(judge("2026-02-28", "2026-02-27"), Err(Refusal::TooEarly(earliest("2026-02-28"))));
    assert_eq!(judge("2026-02-28", "2026-02-28"), Ok(()));
}

#[test]
fn a_statement_does_not_shorten_the_term_and_a_waiver_ends_it() {
    let first = |done: &[(Kind, &str)]| {
        Case::of(&list(), done).standing().earliest_decision().map(|earliest| earliest.on)
    };
    let notified = (Kind::Notify, "2026-02-13");
    assert_eq!(first(&[notified, (Kind::RecordDefence, "2026-02-24")]), Some(day("2026-02-28")));
    assert_eq!(first(&[notified, (Kind::WaiveDefence, "2026-02-14")]), Some(day("2026-02-14")));
    // A waiver after the term changes nothing.
    assert_eq!(first(&[notified, (Kind::WaiveDefence, "2026-03-05")]), Some(day("2026-02-28")));
    let waived = Case::of(&list(), &[notified, (Kind::WaiveDefence, "2026-02-14")]);
    assert_eq!(waived.judge(&step(Kind::Decide, "2026-02-14"), "2026-02-14"), Ok(()));
    assert!(!waived.standing().next_steps().contains(&Kind::RecordDefence));
}

#[test]
fn a_hearing_that_was_asked_for_comes_first() {
    let done = [(Kind::Notify, "2026-01-05"), (Kind::RecordDefence, "2026-01-06")];
    let mut asked = Case::of(&list(), &done);
    asked.hearing_requested = true;
    assert_eq!(asked.take(Kind::Decide, "2026-03-01"), Err(Refusal::OutOfOrder));
    assert_eq!(asked.take(Kind::HoldHearing, "2026-01-20"), Ok(()));
    asked.state = State::Heard;
    assert_eq!(asked.take(Kind::Decide, "2026-03-01"), Ok(()));
}

#[test]
fn every_state_takes_its_own_steps_only() {
    let every = (2..=13).map(|kind| Kind::try_from(kind).expect("a kind"));
    let every: Vec<Kind> = every.collect();
    for (state, allowed) in [
        (State::Proposed, vec![Kind::Notify, Kind::Drop]),
        (State::Notified, vec![Kind::RecordDefence, Kind::WaiveDefence, Kind::Decide, Kind::Drop]),
        (
            State::Defended,
            vec![Kind::RecordDefence, Kind::WaiveDefence, Kind::HoldHearing, Kind::Decide, Kind::Drop],
        ),
        (State::Heard, vec![Kind::Decide, Kind::Drop]),
        (State::Decided, vec![Kind::Serve]),
        (State::Served, vec![Kind::Publish]),
        (State::Listed, vec![]),
        (State::Dropped, vec![]),
    ] {
        let mut case = Case::of(&list(), &[(Kind::Notify, "2026-01-05")]);
        case.state = state;
        for &kind in &every {
            let expected = if allowed.contains(&kind) { Ok(()) } else { Err(Refusal::OutOfOrder) };
            assert_eq!(case.take(kind, "2026-03-01"), expected, "{state:?} {kind:?}");
        }
        assert_eq!(case.standing().next_steps(), allowed, "{state:?}");
    }
}

#[test]
fn days_go_forward_and_not_beyond_today() {
    let case = Case::of(&list(), &[(Kind::Propose, "2026-03-30"), (Kind::Notify, "2026-02-13")]);
    let stated = |on| case.take(Kind::RecordDefence, on);
    assert_eq!(stated("2026-02-12"), Err(Refusal::BeforePrevious(day("2026-02-13"))));
    assert_eq!(stated("2026-02-13"), Ok(()));
    assert_eq!(stated("2026-04-01"), Err(Refusal::InFuture(day(TODAY))));
    // The notice may be older than the case's entry here.
    let fresh = Case::of(&list(), &[(Kind::Propose, "2026-03-30")]);
    assert_eq!(fresh.take(Kind::Notify, "2026-02-13"), Ok(()));
}

#[test]
fn terms_in_months_end_on_the_same_day_or_the_month_s_last() {
    assert_eq!(until(day("2026-02-28"), 36), Some(day("2029-02-28")));
    assert_eq!(until(day("2026-08-31"), 6), Some(day("2027-02-28")));
    assert_eq!(until(day("2026-08-31"), 0), None);
}

#[test]
fn a_term_beyond_the_published_calendar_is_provisional() {
    let case = Case::of(&list(), &[(Kind::Notify, "2031-05-05")]);
    assert!(case.standing().earliest_decision().expect("a day").provisional);
}

#[test]
fn a_notice_leaves_nothing_out_and_goes_no_further_than_the_list() {
    let case = Case::of(&list(), &[(Kind::Propose, "2026-02-12")]);
    let with =
        |notice: Option<Notice>| case.judge(&Step { notice, ..step(Kind::Notify, "2026-02-13") }, TODAY);
    assert_eq!(with(Some(notice())), Ok(()));
    assert_eq!(with(None), Err(Refusal::Incomplete("notice")));
    let blank = || String::from(" ");
    for (left_out, part) in [
        (Notice { facts: blank(), ..notice() }, "notice.facts"),
        (Notice { basis: blank(), ..notice() }, "notice.basis"),
        (Notice { remedies: blank(), ..notice() }, "notice.remedies"),
        (Notice { removal: blank(), ..notice() }, "notice.removal"),
        (Notice { consequences: None, ..notice() }, "notice.consequences"),
    ] {
        assert_eq!(with(Some(left_out)), Err(Refusal::Incomplete(part)));
    }
    let harsher = Notice { consequences: Some(consequences(37)), ..notice() };
    assert_eq!(with(Some(harsher)), Err(Refusal::Exceeds));
    let other = Consequences { publication_months: 12, measures: vec!["n".into()] };
    assert_eq!(with(Some(Notice { consequences: Some(other), ..notice() })), Err(Refusal::Exceeds));
}

#[test]
fn a_decision_goes_no_further_than_the_notice() {
    let case = Case::of(&list(), &[(Kind::Notify, "2026-02-13")]);
    let decide = |months| {
        let decided = Step { consequences: Some(consequences(months)), ..step(Kind::Decide, "2026-03-02") };
        case.judge(&decided, TODAY)
    };
    assert_eq!((decide(24), decide(12)), (Ok(()), Ok(())));
    // The list would let 36 months follow; 24 were notified.
    assert_eq!(
        (decide(25), decide(36), decide(0)),
        (Err(Refusal::Exceeds), Err(Refusal::Exceeds), Err(Refusal::Exceeds))
    );
    let own = Step { by: PROPOSER.into(), ..step(Kind::Decide, "2026-03-02") };
    assert_eq!(case.judge(&own, TODAY), Err(Refusal::DeciderIsProposer));
}

fn term(days: i32) -> Option<ProcedureTerm> {
    Some(ProcedureTerm { days, ..Default::default() })
}

fn required() -> Option<ProcedureRequirement> {
    Some(ProcedureRequirement { required: true, ..Default::default() })
}

fn under(procedure: Procedure) -> List {
    List { procedure: Some(procedure), ..list() }
}

#[test]
fn a_formal_hearing_has_its_terms() {
    let formal = under(Procedure {
        hearing: Hearing::OnRequest.into(),
        hearing_request: term(5),
        hearing_notice: term(7),
        ..Default::default()
    });
    let formal = List { defence_working_days: 3, ..formal };
    let case = Case::of(&formal, &[(Kind::Notify, "2026-03-02")]);
    // Three working days for the defence end with the 5th, five for asking with the 9th.
    assert_eq!(case.standing().earliest_decision(), Some(earliest("2026-03-10")));
    let asking = |on| Step { hearing_requested: true, ..step(Kind::RecordDefence, on) };
    assert_eq!(case.judge(&asking("2026-03-09"), TODAY), Ok(()));
    assert_eq!(case.judge(&asking("2026-03-10"), TODAY), Err(Refusal::TooLate(day("2026-03-09"))));
    let mut asked = Case::of(&formal, &[(Kind::Notify, "2026-03-02"), (Kind::RecordDefence, "2026-03-09")]);
    asked.hearing_requested = true;
    assert_eq!(asked.take(Kind::HoldHearing, "2026-03-20"), Err(Refusal::OutOfOrder), "it was not called");
    // Called on the 10th, seven working days end with the 19th.
    let call = |on: &str, for_day: &str| {
        asked.judge(&Step { hearing_on: for_day.into(), ..step(Kind::CallHearing, on) }, "2026-03-11")
    };
    assert_eq!(call("2026-03-10", "2026-03-19"), Err(Refusal::HearingTooSoon(earliest("2026-03-20"))));
    assert_eq!(call("2026-03-10", ""), Err(Refusal::Incomplete("hearingOn")));
    assert_eq!(call("2026-03-10", "2026-03-20"), Ok(()));
    asked.steps.push(step(Kind::CallHearing, "2026-03-10"));
    assert_eq!(asked.take(Kind::HoldHearing, "2026-03-19"), Err(Refusal::TooEarly(earliest("2026-03-20"))));
    assert_eq!(asked.take(Kind::HoldHearing, "2026-03-20"), Ok(()));
    let own = Step { by: PROPOSER.into(), ..step(Kind::HoldHearing, "2026-03-20") };
    assert_eq!(asked.judge(&own, TODAY), Err(Refusal::OfficerIsProposer));
    let none = under(Procedure { hearing: Hearing::None.into(), ..Default::default() });
    let case = Case::of(&none, &[(Kind::Notify, "2026-03-02"), (Kind::RecordDefence, "2026-03-03")]);
    assert_eq!(case.judge(&asking("2026-03-04"), TODAY), Err(Refusal::HearingNotOffered));
    assert_eq!(case.take(Kind::HoldHearing, "2026-03-05"), Err(Refusal::OutOfOrder));
}

#[test]
fn what_was_stated_is_answered_and_the_legality_reviewed_before_a_decision() {
    let strict = under(Procedure { answer: required(), legal_review: required(), ..Default::default() });
    let mut done = vec![(Kind::Notify, "2026-02-13"), (Kind::RecordDefence, "2026-02-24")];
    let take = |done: &[(Kind, &str)], kind| Case::of(&strict, done).take(kind, "2026-03-02");
    assert_eq!(
        take(&done, Kind::ReviewLegality),
        Err(Refusal::OutOfOrder),
        "the statement waits for its answer"
    );
    assert_eq!(take(&done, Kind::Decide), Err(Refusal::OutOfOrder));
    done.push((Kind::AnswerDefence, "2026-02-25"));
    assert_eq!(take(&done, Kind::Decide), Err(Refusal::OutOfOrder), "the review is missing");
    let early = Case::of(&strict, &done).take(Kind::ReviewLegality, "2026-02-27");
    assert_eq!(early, Err(Refusal::TooEarly(earliest("2026-02-28"))), "it reviews what is whole");
    let own = Step { by: PROPOSER.into(), ..step(Kind::ReviewLegality, "2026-03-02") };
    assert_eq!(Case::of(&strict, &done).judge(&own, TODAY), Err(Refusal::OfficerIsProposer));
    done.push((Kind::ReviewLegality, "2026-02-28"));
    assert_eq!(take(&done, Kind::Decide), Ok(()));
    // Another statement makes the review old.
    done.push((Kind::RecordDefence, "2026-03-01"));
    assert_eq!(take(&done, Kind::Decide), Err(Refusal::OutOfOrder));
    done.push((Kind::AnswerDefence, "2026-03-01"));
    assert_eq!(take(&done, Kind::Decide), Err(Refusal::OutOfOrder));
    done.push((Kind::ReviewLegality, "2026-03-01"));
    let mut failed = Case::of(&strict, &done);
    assert_eq!(failed.take(Kind::Decide, "2026-03-02"), Ok(()));
    failed.steps.last_mut().expect("the review").set_review(Review::Failed);
    assert_eq!(failed.take(Kind::Decide, "2026-03-02"), Err(Refusal::ReviewFailed));
    let drop = Step { outcome: Outcome::Drop.into(), consequences: None, ..step(Kind::Decide, "2026-03-02") };
    assert_eq!(failed.judge(&drop, TODAY), Ok(()), "not to list is always possible");
    assert_eq!(failed.take(Kind::ReviewLegality, "2026-03-02"), Ok(()), "and so is another review");
}

#[test]
fn an_announcement_counts_as_service_after_its_term() {
    let mut case = Case::of(&list(), &[(Kind::Notify, "2026-02-02")]);
    let counts = |service| case.standing().counts_from(service, day("2026-02-02"));
    assert_eq!(
        (counts(Service::Post), counts(Service::Announcement)),
        (day("2026-02-02"), day("2026-03-05"))
    );
    case.steps[0].served_on = String::from("2026-03-05");
    // Five working days after that: 6, 9, 10, 11, 12 March.
    assert_eq!(case.standing().earliest_decision(), Some(earliest("2026-03-13")));
    let mut served = Case::of(
        &list(),
        &[(Kind::Notify, "2026-01-05"), (Kind::Decide, "2026-02-02"), (Kind::Serve, "2026-02-02")],
    );
    assert_eq!(served.take(Kind::Publish, "2026-02-02"), Ok(()));
    served.steps[2].served_on = String::from("2026-03-05");
    assert_eq!(served.take(Kind::Publish, "2026-03-04"), Err(Refusal::TooEarly(earliest("2026-03-05"))));
    assert_eq!(served.take(Kind::Publish, "2026-03-05"), Ok(()));
}

#[test]
fn a_reward_is_publicised_in_full_before_it_is_decided() {
    let reward = under(Procedure { publicity: required(), publicity_term: term(5), ..Default::default() });
    let take = |done: &[(Kind, &str)], kind, on| Case::of(&reward, done).take(kind, on);
    assert_eq!(take(&[], Kind::Notify, "2026-03-02"), Err(Refusal::OutOfOrder));
    assert_eq!(take(&[], Kind::Publicize, "2026-03-02"), Ok(()));
    let mut done = vec![(Kind::Publicize, "2026-03-02")];
    assert_eq!(take(&done, Kind::WaiveDefence, "2026-03-02"), Err(Refusal::OutOfOrder), "nobody waives it");
    assert_eq!(take(&done, Kind::Decide, "2026-03-09"), Err(Refusal::TooEarly(earliest("2026-03-10"))));
    assert_eq!(take(&done, Kind::Decide, "2026-03-10"), Ok(()));
    done.push((Kind::RecordDefence, "2026-03-05"));
    assert_eq!(take(&done, Kind::Decide, "2026-03-10"), Err(Refusal::OutOfOrder), "an objection is answered");
    done.push((Kind::AnswerDefence, "2026-03-06"));
    assert_eq!(take(&done, Kind::Decide, "2026-03-10"), Ok(()));
}
