//! The steps of one case, called by many at once for random rounds.
use std::{collections::BTreeMap, time::Duration};

use chassis::{storage::sql, trial::reason};
use contract::discipline::v1::{
    self as api,
    case::{Outcome, State},
    procedure::Hearing,
    step::{Answer, Kind, Review},
};
use jiff::{Timestamp, ToSpan};
use sea_orm::ConnectionTrait;
use tonic::{Code, Status};

use super::{Chance, learnt, officers, replicas};
use crate::calls::world::{Client, LIST, World, code, decide, in_chinese, list, propose, put_list, step};

const START: &str = "2026-03-02T01:00:00Z";

const KINDS: [Kind; 12] = [
    Kind::Notify,
    Kind::Publicize,
    Kind::RecordDefence,
    Kind::AnswerDefence,
    Kind::WaiveDefence,
    Kind::CallHearing,
    Kind::HoldHearing,
    Kind::ReviewLegality,
    Kind::Decide,
    Kind::Serve,
    Kind::Publish,
    Kind::Drop,
];

fn term(days: i32) -> Option<api::ProcedureTerm> {
    Some(api::ProcedureTerm { days, basis: "虚构办法第三条".into(), ..Default::default() })
}

fn required() -> Option<api::ProcedureRequirement> {
    Some(api::ProcedureRequirement {
        required: true, basis: "虚构办法第四条".into(), ..Default::default()
    })
}

// The contract's example, a list that asks for all that there is, and rewards.
fn variants() -> [api::List; 3] {
    let strict = api::Procedure {
        hearing: Hearing::OnRequest.into(),
        hearing_request: term(5),
        hearing_notice: term(1),
        answer: required(),
        legal_review: required(),
        ..Default::default()
    };
    let publicised = api::Procedure {
        hearing: Hearing::None.into(),
        publicity: required(),
        publicity_term: term(5),
        ..Default::default()
    };
    let reward = api::List {
        kind: api::list::Kind::Reward.into(),
        procedure: Some(publicised),
        measures: vec![],
        publication_months: 12,
        ..list("model")
    };
    [list(LIST), api::List { procedure: Some(strict), ..list("strict") }, reward]
}

// What one officer calls in one round; the number tells it from all others.
#[derive(Clone, Debug)]
struct Call {
    kind: Kind,
    number: String,
    hearing_on: String,
    asks: bool,
    outcome: Outcome,
    review: Review,
}

impl Call {
    // Mostly what may follow, so that a case gets on; now and then whatever there is; hardly ever the end of it. Late in a case nobody states
    // anything more, so that it comes to its end.
    fn draw(chance: &mut Chance, next: &[Kind], late: bool, number: String, hearing_on: String) -> Self {
        let stated = |kind: Kind| late && kind == Kind::RecordDefence;
        let onward: Vec<Kind> =
            next.iter().copied().filter(|kind| *kind != Kind::Drop && !stated(*kind)).collect();
        let onward = if onward.is_empty() { next.to_vec() } else { onward };
        let kind = match chance.below(400) {
            0 => Kind::Drop,
            1..320 => chance.of(&onward),
            _ => chance.of(&KINDS[..11]),
        };
        let kind = if stated(kind) { Kind::Serve } else { kind };
        let outcome = if chance.below(8) == 0 { Outcome::Drop } else { Outcome::List };
        let review = if chance.below(4) == 0 { Review::Failed } else { Review::Passed };
        Self { kind, number, hearing_on, asks: chance.below(3) == 0, outcome, review }
    }

    async fn take(&self, client: &mut Client, case: &api::Case) -> Result<api::Case, Status> {
        let (cases, id) = (&mut client.cases, case.case_id.clone());
        let (document_number, text) = (self.number.clone(), format!("内容{}", self.number));
        let plain = api::CaseStepRequest {
            hearing_requested: self.asks && self.kind == Kind::RecordDefence,
            document_number: document_number.clone(),
            ..step(case, "")
        };
        let answer = match self.kind {
            Kind::Notify => cases.notify_case(plain).await,
            Kind::Publicize => cases.publicize_case(plain).await,
            Kind::RecordDefence => cases.record_defence(plain).await,
            Kind::WaiveDefence => cases.waive_defence(plain).await,
            Kind::HoldHearing => cases.hold_hearing(plain).await,
            Kind::Serve => cases.serve_case(plain).await,
            Kind::Publish => cases.publish_case(plain).await,
            Kind::Drop => cases.drop_case(plain).await,
            Kind::AnswerDefence => {
                let answer = Answer::NotAdopted.into();
                let request = api::AnswerDefenceRequest {
                    case: id,
                    document_number,
                    text,
                    answer,
                    ..Default::default()
                };
                cases.answer_defence(request).await
            }
            Kind::CallHearing => {
                let hearing_on = self.hearing_on.clone();
                let request = api::CallHearingRequest {
                    case: id,
                    document_number,
                    text,
                    hearing_on,
                    ..Default::default()
                };
                cases.call_hearing(request).await
            }
            Kind::ReviewLegality => {
                let review = self.review.into();
                let request = api::ReviewLegalityRequest {
                    case: id,
                    document_number,
                    text,
                    review,
                    ..Default::default()
                };
                cases.review_legality(request).await
            }
            Kind::Decide => {
                let request = api::DecideCaseRequest { document_number, ..decide(case, "", self.outcome) };
                cases.decide_case(request).await
            }
            Kind::Unspecified | Kind::Propose => panic!("not a step"),
        };
        answer.map(tonic::Response::into_inner)
    }
}

async fn get(client: &mut Client, case: &str) -> api::Case {
    let request = api::GetCaseRequest { case: case.into(), ..Default::default() };
    client.cases.get_case(request).await.unwrap().into_inner()
}

// Each caller who was told yes finds its step where it was told, once; there is no step that nobody was told of.
fn each_once(before: &api::Case, after: &api::Case, told: &[(Call, Result<api::Case, Status>)]) {
    assert_eq!(after.steps[..before.steps.len()], before.steps[..], "what was done stays");
    let mut taken = Vec::new();
    for (call, answer) in told {
        let Ok(answer) = answer else { continue };
        let last = answer.steps.last().unwrap();
        assert_eq!((last.kind(), last.document_number.as_str()), (call.kind, call.number.as_str()));
        let number = answer.steps.len();
        assert_eq!(answer.steps[..], after.steps[..number], "{call:?} was told of what came to be");
        taken.push(number);
    }
    taken.sort_unstable();
    let expected: Vec<usize> = (before.steps.len() + 1..=after.steps.len()).collect();
    assert_eq!(taken, expected, "{told:?}\n{:?}", after.steps);
}

// A reading of the law of its own: what may stand before what, whoever called when.
fn lawful(case: &api::Case, list: &api::List) {
    let kinds: Vec<Kind> = case.steps.iter().map(api::Step::kind).collect();
    let told = format!("{kinds:?}");
    let first = |kind| kinds.iter().position(|done| *done == kind);
    let last = |kind| kinds.iter().rposition(|done| *done == kind);
    let reward = list.kind() == api::list::Kind::Reward;
    let (opening, other) =
        if reward { (Kind::Publicize, Kind::Notify) } else { (Kind::Notify, Kind::Publicize) };
    assert_eq!(kinds[0], Kind::Propose, "{told}");
    let once = [opening, Kind::WaiveDefence, Kind::HoldHearing, Kind::Decide, Kind::Serve, Kind::Publish];
    for kind in once.into_iter().chain([Kind::Propose, Kind::Drop]) {
        assert!(kinds.iter().filter(|done| **done == kind).count() <= 1, "{kind:?} twice: {told}");
    }
    assert!(
        first(other).is_none() && (kinds.len() < 2 || [opening, Kind::Drop].contains(&kinds[1])),
        "{told}"
    );
    if let Some(dropped) = first(Kind::Drop) {
        assert_eq!((dropped + 1, first(Kind::Decide)), (kinds.len(), None), "nothing follows: {told}");
    }
    if let (Some(waived), Some(stated)) = (first(Kind::WaiveDefence), last(Kind::RecordDefence)) {
        assert!(stated < waived, "who waived states nothing more: {told}");
    }
    if let (Some(heard), Some(stated)) = (first(Kind::HoldHearing), last(Kind::RecordDefence)) {
        assert!(stated < heard, "{told}");
    }
    let Some(decided) = first(Kind::Decide) else { return };
    let after: &[Kind] = match case.outcome() {
        Outcome::List => &[Kind::Serve, Kind::Publish],
        _ => &[],
    };
    assert!(after.starts_with(&kinds[decided + 1..]), "{told}");
    let decision = &case.steps[decided];
    assert_ne!(decision.by, case.proposer, "{told}");
    let (notified, waived) = (&case.steps[1], first(Kind::WaiveDefence));
    // Five working days have seven calendar days at the least, and nobody waives what the public may object to.
    let waited: jiff::civil::Date = notified.served_on.parse().or_else(|_| notified.on.parse()).unwrap();
    let full = decision.on >= (waited + 7.days()).to_string();
    assert!(full || (waived.is_some() && !reward), "{told}: {} {}", notified.on, decision.on);
    let procedure = list.procedure.clone().unwrap_or_default();
    let stated = last(Kind::RecordDefence);
    if reward || procedure.answer.is_some() {
        assert!(stated <= last(Kind::AnswerDefence), "answered before it was decided: {told}");
    }
    if case.hearing_requested {
        assert!(last(Kind::HoldHearing).is_some(), "heard before it was decided: {told}");
    }
    if procedure.legal_review.is_some() && case.outcome() == Outcome::List {
        let reviewed = last(Kind::ReviewLegality).unwrap();
        assert_eq!(case.steps[reviewed].review(), Review::Passed, "{told}");
        let known = [stated, last(Kind::AnswerDefence), last(Kind::HoldHearing)];
        assert!(known.into_iter().all(|at| at < Some(reviewed)), "{told}");
    }
}

// One round: everybody at once.
async fn round(
    case: &api::Case,
    officers: &[Client],
    calls: Vec<Call>,
) -> Vec<(Call, Result<api::Case, Status>)> {
    let mut running = tokio::task::JoinSet::new();
    for (call, mut client) in calls.into_iter().zip(officers.iter().cloned()) {
        let case = case.clone();
        running.spawn(async move {
            let answer = call.take(&mut client, &case).await;
            (call, answer)
        });
    }
    running.join_all().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_case_has_one_lawful_course_however_many_call_at_once() {
    let world = World::at(START).await;
    for list in variants() {
        world.office().lists.put_list(put_list(list)).await.unwrap();
    }
    let replicas = replicas(&world).await;
    let officers = officers(&world, &replicas);
    let (mut learned, mut ends) = (BTreeMap::<String, usize>::new(), BTreeMap::<String, usize>::new());
    for seed in 1..=9 {
        world.trial.boot.clock.set(START.parse().unwrap());
        let list = &variants()[seed % 3];
        let mut chance = Chance(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed as u64));
        let mut clerk = officers[0].clone();
        let mut case = clerk.cases.create_case(propose(&list.list_id, &code(1))).await.unwrap().into_inner();
        for turn in 0..90 {
            let next: Vec<Kind> = case.next_steps().collect();
            if next.is_empty() {
                break;
            }
            // Midday, so that a round does not go over midnight.
            let now: Timestamp = START.parse().unwrap();
            let now = now + (24 * 3 * i64::from(turn) + 3).hours();
            world.trial.boot.clock.set(now);
            let hearing_on = (now + (24 * 7).hours()).to_string()[..10].to_owned();
            let number = |at| format!("虚构〔{seed}〕{turn}—{at}号");
            let draw = |at| Call::draw(&mut chance, &next, turn > 8, number(at), hearing_on.clone());
            let calls = (0..officers.len()).map(draw).collect();
            let told = round(&case, &officers, calls).await;
            // Every replica reads the same.
            let mut seen = Vec::new();
            for office in &officers[officers.len() - 2..] {
                let read = get(&mut office.clone(), &case.case_id).await;
                // Where the listing lies in credit's feed comes from credit, between two looks perhaps.
                seen.push(api::Case { position: String::new(), ..read });
            }
            assert_eq!(seen[0], seen[1], "the replicas disagree");
            let after = seen.swap_remove(0);
            each_once(&case, &after, &told);
            lawful(&after, list);
            for (call, lost) in told.iter().filter_map(|(call, answer)| Some((call, answer.as_ref().err()?)))
            {
                *learned.entry(learnt(lost, &format!("seed {seed}, turn {turn}, {call:?}"))).or_default() +=
                    1;
            }
            case = after;
        }
        *ends.entry(case.state().as_str_name().to_owned()).or_default() += 1;
    }
    println!("{} replicas, refusals {learned:?}, ends {ends:?}", replicas.len());
    for told in ["STEP_OUT_OF_ORDER", "MATTER_CHANGED"] {
        assert!(learned.contains_key(told), "nobody was told {told}: {learned:?}");
    }
    let ended = [State::Listed, State::Dropped].map(|state| ends.get(state.as_str_name()).copied());
    assert_eq!(ended.into_iter().flatten().sum::<usize>(), 9, "each case comes to an end: {ends:?}");
    assert!(ends.contains_key("LISTED"), "{ends:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_take_the_same_step_one_takes_it() {
    let world = World::at(START).await;
    let replicas = replicas(&world).await;
    let officers = officers(&world, &replicas);
    let mut clerk = officers[0].clone();
    let case = clerk.cases.create_case(propose(LIST, &code(1))).await.unwrap().into_inner();
    let mut case = case;
    for (turn, kind) in
        [Kind::Notify, Kind::WaiveDefence, Kind::Decide, Kind::Serve, Kind::Publish].into_iter().enumerate()
    {
        let call = |at| Call {
            kind,
            number: format!("虚构〔2026〕{turn}—{at}号"),
            hearing_on: String::new(),
            asks: false,
            outcome: if at % 2 == 0 { Outcome::List } else { Outcome::Drop },
            review: Review::Passed,
        };
        // Who may not decide anyway does not take part in that.
        let callers = if kind == Kind::Decide { &officers[1..] } else { &officers[..] };
        let calls = (0..callers.len()).map(call).collect();
        let mut told = round(&case, callers, calls).await;
        let after = get(&mut clerk, &case.case_id).await;
        each_once(&case, &after, &told);
        assert_eq!(after.steps.len(), case.steps.len() + 1, "{kind:?}");
        for (call, answer) in &told {
            let Err(lost) = answer else { continue };
            assert_eq!(learnt(lost, &format!("{call:?}")), "STEP_OUT_OF_ORDER", "{call:?}");
        }
        case = after;
        if case.state() == State::Dropped {
            told.retain(|(_, answer)| answer.is_ok());
            assert_eq!(told[0].0.outcome, Outcome::Drop);
            return;
        }
    }
    assert_eq!(case.state(), State::Listed);
    // Published once: one listing here, and one record in credit.
    let of = api::ListListingsRequest { uscc: code(1), ..Default::default() };
    assert_eq!(clerk.listings.list_listings(of).await.unwrap().into_inner().listings.len(), 1);
    let recorded = || async { world.records(&code(1), "serious-dishonesty-listing").await.len() == 1 };
    crate::calls::world::eventually("the record", recorded).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(recorded().await, "it is sent by one replica, or twice to no effect");
}

// Holds the case, or on SQLite the only writer, so that what is called meanwhile waits in the order in which it came.
async fn gate(world: &World, case: &str) -> chassis::Tx {
    let gate = world.store.begin().await.unwrap();
    let text = format!("SELECT case_id FROM cases WHERE case_id = $1 {}", gate.hold());
    gate.query_one_raw(sql(&*gate, &text, [case.into()])).await.unwrap().expect("the case");
    gate
}

fn answering(case: &api::Case) -> api::AnswerDefenceRequest {
    api::AnswerDefenceRequest {
        case: case.case_id.clone(),
        document_number: "虚构人社复〔2026〕1号".into(),
        text: "凭证与工资表不符".into(),
        answer: Answer::NotAdopted.into(),
        ..Default::default()
    }
}

// The paper of `kind` is being printed when a statement is recorded that it would have to tell of; gives what its officer was told, or
// nothing where the machine was too slow for it.
async fn overtaken(world: &World, kind: Kind, wait: Duration) -> Option<(Status, api::Case)> {
    let replicas = replicas(world).await;
    let (mut clerk, chief) =
        (world.of("hrss", "clerk"), world.claims("hrss", "chief", crate::calls::world::ALL));
    let mut chief = world.client_of(replicas.last().unwrap(), chief);
    let case = clerk.cases.create_case(propose(LIST, &code(1))).await.unwrap().into_inner();
    clerk.cases.notify_case(step(&case, "2026-02-13")).await.unwrap();
    clerk.cases.record_defence(step(&case, "2026-02-14")).await.unwrap();
    let gate = gate(world, &case.case_id).await;
    let (stated, stepped) = (step(&case, "2026-02-24"), case.clone());
    let stating = tokio::spawn(async move { clerk.cases.record_defence(stated).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let deciding = tokio::spawn(async move {
        match kind {
            Kind::Decide => chief.cases.decide_case(in_chinese(decide(&stepped, "", Outcome::List))).await,
            _ => chief.cases.answer_defence(in_chinese(answering(&stepped))).await,
        }
    });
    tokio::time::sleep(wait).await;
    drop(gate);
    stating.await.unwrap().unwrap();
    let told = deciding.await.unwrap().err()?;
    Some((told, case))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_paper_whose_matter_changed_while_it_was_printed_is_not_kept() {
    let world = World::at(START).await;
    for kind in [Kind::Decide, Kind::AnswerDefence] {
        let mut told = None;
        for wait in [400, 800, 1_600, 3_200, 6_400] {
            told = overtaken(&world, kind, Duration::from_millis(wait)).await;
            if told.is_some() {
                break;
            }
        }
        let (lost, case) = told.expect("a paper is printed within six seconds");
        assert_eq!((lost.code(), reason(&lost).as_str()), (Code::Aborted, "MATTER_CHANGED"), "{kind:?}");
        assert!(lost.message().contains("重新办理"), "{}", lost.message());
        let mut chief = world.of("hrss", "chief");
        let kept = get(&mut chief, &case.case_id).await;
        let kinds: Vec<Kind> = kept.steps.iter().map(api::Step::kind).collect();
        assert_eq!(kinds, [Kind::Propose, Kind::Notify, Kind::RecordDefence, Kind::RecordDefence]);
        // Sent again, having looked, it is taken, and its paper is kept.
        let again = match kind {
            Kind::Decide => chief.cases.decide_case(decide(&case, "", Outcome::List)).await,
            _ => chief.cases.answer_defence(answering(&case)).await,
        };
        assert!(!again.unwrap().into_inner().steps.last().unwrap().papers.is_empty());
    }
}
