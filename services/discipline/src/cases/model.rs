//! The procedure walked through whole, for each variant: every state that can be reached, every step, every day before and after a boundary,
//! either officer; and at random, by clocks and orders that nobody thought of.
use std::collections::BTreeSet;

use contract::discipline::v1::{
    Consequences, List, Notice, Procedure, ProcedureRequirement, ProcedureTerm, Step,
    case::{Outcome, State},
    procedure::Hearing,
    step::{Answer, Kind, Review, Service},
};
use jiff::{ToSpan, civil::Date};
use proptest::prelude::*;

use super::{
    course::{Course, within},
    rules::{Standing, after},
};

const STEPS: [Kind; 12] = [
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
const PROPOSER: &str = "clerk";

// The days off between 2026-02-13 and 2026-05-10, by hand: Spring Festival from 15 to 23 February, Qingming from 4 to 6 April, Labour Day from 1 to 5
// May, and the weekends that are not worked.
const OFF: [&str; 36] = [
    "2026-02-15",
    "2026-02-16",
    "2026-02-17",
    "2026-02-18",
    "2026-02-19",
    "2026-02-20",
    "2026-02-21",
    "2026-02-22",
    "2026-02-23",
    "2026-03-01",
    "2026-03-07",
    "2026-03-08",
    "2026-03-14",
    "2026-03-15",
    "2026-03-21",
    "2026-03-22",
    "2026-03-28",
    "2026-03-29",
    "2026-04-04",
    "2026-04-05",
    "2026-04-06",
    "2026-04-11",
    "2026-04-12",
    "2026-04-18",
    "2026-04-19",
    "2026-04-25",
    "2026-04-26",
    "2026-05-01",
    "2026-05-02",
    "2026-05-03",
    "2026-05-04",
    "2026-05-05",
    "2026-05-10",
    "2026-05-16",
    "2026-05-17",
    "2026-05-23",
];

fn day(text: &str) -> Date {
    text.parse().expect("a date")
}

fn is_off(date: Date) -> bool {
    OFF.contains(&date.to_string().as_str())
}

// A second reading of the terms, sharing nothing with the calendar: the last of so many days that are worked after the first.
fn last_day_of_term(first: Date, working_days: u16) -> Date {
    let (mut last, mut left) = (first, working_days);
    while left > 0 {
        last = last.tomorrow().expect("a day");
        if !is_off(last) {
            left -= 1;
        }
    }
    last
}

// The same for calendar days: a day off at the end is not the end.
fn last_calendar_day(first: Date, days: u16) -> Date {
    let mut last = first + i64::from(days).days();
    while days > 0 && is_off(last) {
        last = last.tomorrow().expect("a day");
    }
    last
}

// A way in which a list's cases may go, as its maker would say it.
#[derive(Clone, Copy, Debug, Default)]
struct Variant {
    defence: u16,
    calendar_days: bool,
    formal_hearing: bool,
    no_hearing: bool,
    answer: bool,
    legal_review: bool,
    publicity: Option<u16>,
    announcement: u16,
}

impl Variant {
    fn list(self) -> List {
        let term = |days: u16, calendar_days| {
            Some(ProcedureTerm { days: days.into(), calendar_days, ..Default::default() })
        };
        let required = |required| Some(ProcedureRequirement { required, ..Default::default() });
        let hearing = match (self.formal_hearing, self.no_hearing) {
            (true, _) => Hearing::OnRequest,
            (_, true) => Hearing::None,
            _ => Hearing::Unspecified,
        };
        let procedure = Procedure {
            defence: if self.calendar_days { term(self.defence, true) } else { None },
            hearing: hearing.into(),
            hearing_request: if self.formal_hearing { term(2, false) } else { None },
            hearing_notice: if self.formal_hearing { term(1, false) } else { None },
            answer: required(self.answer),
            legal_review: required(self.legal_review),
            publicity: required(self.publicity.is_some()),
            publicity_term: term(self.publicity.unwrap_or_default(), false),
            announcement: term(self.announcement, true),
            ..Default::default()
        };
        List {
            defence_working_days: self.defence.into(),
            publication_months: 36,
            measures: vec!["m".into()],
            procedure: Some(procedure),
            ..Default::default()
        }
    }
}

#[derive(Clone, Debug)]
struct Reached {
    state: State,
    steps: Vec<Step>,
    hearing_requested: bool,
    today: Date,
}

impl Reached {
    fn proposed(today: Date, proposed_on: Date) -> Self {
        let proposal = Step {
            kind: Kind::Propose.into(),
            by: PROPOSER.into(),
            on: proposed_on.to_string(),
            ..Default::default()
        };
        Self { state: State::Proposed, steps: vec![proposal], hearing_requested: false, today }
    }

    // What a judgement can depend on; more than that tells two cases apart only by their past.
    fn key(&self) -> String {
        let first = |kind| self.steps.iter().find(|step| step.kind() == kind);
        let told = first(Kind::Notify).or(first(Kind::Publicize));
        let told = told.map(|step| {
            let months = step.notice.as_ref().and_then(|notice| notice.consequences.as_ref());
            (step.served_on.clone(), months.map(|consequences| consequences.publication_months))
        });
        let last = |kind| self.steps.iter().rposition(|step| step.kind() == kind);
        let call = last(Kind::CallHearing).map(|at| self.steps[at].hearing_on.clone());
        let review = last(Kind::ReviewLegality).map(|at| self.steps[at].review);
        let mut order: Vec<(Option<usize>, Kind)> =
            [Kind::RecordDefence, Kind::AnswerDefence, Kind::HoldHearing, Kind::ReviewLegality]
                .map(|kind| (last(kind), kind))
                .to_vec();
        order.sort_by_key(|(at, _)| *at);
        let order: Vec<_> = order.into_iter().map(|(at, kind)| (at.is_some(), kind)).collect();
        format!(
            "{:?} {told:?} {:?} {:?} {:?} {call:?} {review:?} {order:?} {} {}",
            self.state,
            first(Kind::WaiveDefence).map(|step| &step.on),
            first(Kind::Serve).map(|step| &step.served_on),
            self.steps.last().map(|step| &step.on),
            self.hearing_requested,
            self.today
        )
    }

    fn standing<'a>(&'a self, course: &'a Course) -> Standing<'a> {
        let calendar = calendar::Calendar::national();
        let Self { state, steps, hearing_requested, .. } = self;
        Standing { state: *state, steps, hearing_requested: *hearing_requested, course, calendar }
    }

    // Takes a step if it may be taken.
    fn take(&self, course: &Course, mut step: Step) -> Option<Self> {
        let standing = self.standing(course);
        if matches!(step.kind(), Kind::Notify | Kind::Serve) {
            let on: Date = step.on.parse().ok()?;
            step.served_on = standing.counts_from(step.service(), on).to_string();
        }
        standing.judge(&step, PROPOSER, self.today).ok()?;
        let mut next = self.clone();
        next.state = after(step.kind(), step.outcome(), self.state);
        next.hearing_requested |= step.hearing_requested;
        next.steps.push(step);
        Some(next)
    }
}

fn consequences(publication_months: i32) -> Consequences {
    Consequences { publication_months, measures: vec!["m".into()] }
}

fn notice(publication_months: i32) -> Notice {
    let text = || String::from("有");
    Notice {
        facts: text(),
        basis: text(),
        consequences: Some(consequences(publication_months)),
        remedies: text(),
        removal: text(),
    }
}

// What must be true of every case that lists somebody, read from its steps alone and reckoned anew.
fn lawful(case: &Reached, variant: Variant) {
    let told = || {
        let step = |step: &Step| format!("{:?} {} {}", step.kind(), step.on, step.by);
        format!("{variant:?} {:?}", case.steps.iter().map(step).collect::<Vec<_>>())
    };
    let at = |kind| case.steps.iter().position(|step| step.kind() == kind);
    let last = |kind| case.steps.iter().rposition(|step| step.kind() == kind);
    let place = |kind| at(kind).unwrap_or_else(|| panic!("listed without {kind:?}: {}", told()));
    let opening = if variant.publicity.is_some() { Kind::Publicize } else { Kind::Notify };
    let order = [Kind::Propose, opening, Kind::Decide, Kind::Serve, Kind::Publish].map(place);
    assert!(order.is_sorted(), "{}", told());
    let on = |kind| day(&case.steps[place(kind)].on);
    let served = |kind| {
        let step = &case.steps[place(kind)];
        let announced = step.service() == Service::Announcement;
        let on = day(&step.on);
        if announced { last_calendar_day(on, variant.announcement).tomorrow().expect("a day") } else { on }
    };
    // All of the notice, and its full time.
    let notice = case.steps[place(opening)].notice.as_ref().expect("a notice");
    let parts = [&notice.facts, &notice.basis, &notice.remedies, &notice.removal];
    assert!(parts.iter().all(|part| !part.trim().is_empty()), "{}", told());
    let notified = notice.consequences.as_ref().expect("consequences");
    let decided = on(Kind::Decide);
    match variant.publicity {
        Some(days) => assert!(days == 0 || decided > last_day_of_term(on(opening), days), "{}", told()),
        None => {
            let from = served(opening);
            let term = match variant.calendar_days {
                true => last_calendar_day(from, variant.defence),
                false => last_day_of_term(from, variant.defence),
            };
            let asking = if variant.formal_hearing { last_day_of_term(from, 2) } else { from };
            let waived = at(Kind::WaiveDefence).is_some_and(|at| day(&case.steps[at].on) <= decided);
            let over = |last: Date, days: bool| decided > last || (!days && decided >= last);
            let full = over(term, variant.defence > 0) && over(asking, variant.formal_hearing);
            assert!(waived || full, "decided within the term: {}", told());
        }
    }
    // Another officer, whom no defence made harsher.
    let decision = &case.steps[place(Kind::Decide)];
    assert_ne!(decision.by, PROPOSER, "{}", told());
    let follows = decision.consequences.as_ref().expect("consequences");
    assert!(within(follows, notified) && within(notified, &consequences(36)), "{}", told());
    // What was asked for was done, in its order.
    if case.hearing_requested {
        assert!(!variant.no_hearing && place(Kind::HoldHearing) < place(Kind::Decide), "{}", told());
    }
    if let Some(hearing) = at(Kind::HoldHearing).filter(|_| variant.formal_hearing) {
        let call = case.steps[..hearing].iter().rfind(|step| step.kind() == Kind::CallHearing);
        let call = call.unwrap_or_else(|| panic!("not called: {}", told()));
        assert!(day(&call.hearing_on) > last_day_of_term(day(&call.on), 1), "{}", told());
        assert!(day(&case.steps[hearing].on) >= day(&call.hearing_on), "{}", told());
        assert_ne!(case.steps[hearing].by, PROPOSER, "{}", told());
    }
    if variant.answer || variant.publicity.is_some() {
        assert!(last(Kind::RecordDefence) <= last(Kind::AnswerDefence), "unanswered: {}", told());
    }
    if variant.legal_review {
        let review = last(Kind::ReviewLegality).unwrap_or_else(|| panic!("not reviewed: {}", told()));
        assert!(review < place(Kind::Decide), "{}", told());
        assert_eq!(case.steps[review].review(), Review::Passed, "{}", told());
        assert_ne!(case.steps[review].by, PROPOSER, "{}", told());
        for later in [Kind::RecordDefence, Kind::AnswerDefence, Kind::HoldHearing] {
            assert!(last(later) < Some(review), "reviewed before {later:?}: {}", told());
        }
    }
    assert!(on(Kind::Publish) >= served(Kind::Serve), "published before it counts as served: {}", told());
    let days: Vec<Date> = case.steps[1..].iter().map(|step| day(&step.on)).collect();
    assert!(days.is_sorted() && days.last() <= Some(&case.today), "{}", told());
}

// All that a step of a kind may say: lawful things, and such as the rules have to refuse.
fn sayings(kind: Kind, on: Date, days: &[Date]) -> Vec<Step> {
    let bare = Step { kind: kind.into(), on: on.to_string(), ..Default::default() };
    let of = |step: Step| vec![step];
    match kind {
        Kind::Notify | Kind::Publicize => {
            let said = |notice, service: Service| Step { notice, service: service.into(), ..bare.clone() };
            let cut = Notice { removal: String::new(), ..notice(24) };
            vec![
                said(Some(notice(24)), Service::Direct),
                said(Some(notice(24)), Service::Announcement),
                said(Some(notice(48)), Service::Direct),
                said(Some(cut), Service::Direct),
                said(None, Service::Direct),
            ]
        }
        Kind::RecordDefence => {
            [false, true].map(|hearing_requested| Step { hearing_requested, ..bare.clone() }).to_vec()
        }
        Kind::AnswerDefence => of(Step { answer: Answer::NotAdopted.into(), ..bare }),
        Kind::CallHearing => {
            days.iter().map(|for_day| Step { hearing_on: for_day.to_string(), ..bare.clone() }).collect()
        }
        Kind::ReviewLegality => [Review::Passed, Review::Failed]
            .map(|review| Step { review: review.into(), ..bare.clone() })
            .to_vec(),
        Kind::Decide => {
            let said = |outcome: Outcome, months: Option<i32>| Step {
                outcome: outcome.into(),
                consequences: months.map(consequences),
                ..bare.clone()
            };
            vec![
                said(Outcome::List, Some(24)),
                said(Outcome::List, Some(36)),
                said(Outcome::List, None),
                said(Outcome::Drop, None),
            ]
        }
        Kind::Serve => [Service::Direct, Service::Announcement]
            .map(|service| Step { service: service.into(), ..bare.clone() })
            .to_vec(),
        _ => of(bare),
    }
}

// Everything that can be reached from a proposal; gives how many cases were seen, how many were listed and dropped.
fn walk(variant: Variant, days: &[Date]) -> (usize, usize, usize) {
    let course = Course::of(&variant.list());
    let mut open: Vec<Reached> = days.iter().map(|&today| Reached::proposed(today, days[0])).collect();
    let (mut seen, mut listed, mut dropped) = (BTreeSet::new(), 0, 0);
    while let Some(case) = open.pop() {
        if !seen.insert(case.key()) {
            continue;
        }
        match case.state {
            State::Listed => {
                lawful(&case, variant);
                listed += 1;
            }
            State::Dropped => dropped += 1,
            _ => {}
        }
        let next = case.standing(&course).next_steps();
        for kind in STEPS {
            // What does not follow at all does not follow on any day.
            let days_on = if next.contains(&kind) { days } else { &days[..1] };
            for &on in days_on {
                for said in sayings(kind, on, days) {
                    for by in [PROPOSER, "chief"] {
                        let step = Step { by: by.into(), ..said.clone() };
                        let Some(next) = case.take(&course, step) else { continue };
                        // The next step may be taken on the same day or any later one.
                        let later = days.iter().filter(|&&later| later >= case.today);
                        open.extend(later.map(|&today| Reached { today, ..next.clone() }));
                    }
                }
            }
        }
    }
    (seen.len(), listed, dropped)
}

// The days about each boundary: notice, the terms' last days, the first of a decision, and one within.
fn boundaries(variant: Variant) -> Vec<Date> {
    let notice = day("2026-02-13");
    let announced = last_calendar_day(notice, variant.announcement) + 1.day();
    let last = match (variant.publicity, variant.calendar_days) {
        (Some(days), _) => last_day_of_term(notice, days),
        (None, true) => last_calendar_day(notice, variant.defence),
        (None, false) => last_day_of_term(notice, variant.defence),
    };
    let asking = if variant.formal_hearing { last_day_of_term(notice, 2) } else { notice };
    let days = [notice, last, last + 1.day(), announced, asking + 1.day()];
    let days: BTreeSet<Date> = days.into_iter().filter(|&day| day >= notice).collect();
    days.into_iter().collect()
}

#[test]
fn no_path_lists_anybody_without_notice_full_defence_a_second_officer_and_service() {
    let plain = |defence| Variant { defence, announcement: 2, ..Default::default() };
    let variants = [
        plain(0),
        plain(1),
        plain(3),
        plain(5),
        Variant { calendar_days: true, ..plain(5) },
        Variant { answer: true, ..plain(1) },
        Variant { legal_review: true, ..plain(1) },
        Variant { no_hearing: true, answer: true, legal_review: true, ..plain(1) },
        Variant { formal_hearing: true, ..plain(1) },
        Variant { formal_hearing: true, answer: true, legal_review: true, ..plain(0) },
        Variant { publicity: Some(3), ..plain(0) },
        Variant { publicity: Some(0), legal_review: true, ..plain(0) },
    ];
    for variant in variants {
        let (seen, listed, dropped) = walk(variant, &boundaries(variant));
        println!("{variant:?}: {seen} seen, {listed} listed, {dropped} dropped");
        assert!(
            seen > 60 && listed > 1 && dropped > 10,
            "{variant:?}: {seen} seen, {listed} listed, {dropped} dropped"
        );
    }
}

#[test]
fn the_model_s_own_terms_are_the_published_ones() {
    for (notice, days, last) in
        [("2026-02-13", 5, "2026-02-27"), ("2026-02-10", 3, "2026-02-13"), ("2026-02-13", 1, "2026-02-14")]
    {
        assert_eq!(last_day_of_term(day(notice), days), day(last));
    }
    assert_eq!(last_calendar_day(day("2026-02-13"), 5), day("2026-02-24"));
}

fn variants() -> impl Strategy<Value = Variant> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (0_u16..6, flags, proptest::option::of(0_u16..6), 1_u16..12).prop_map(
        |(
            defence,
            (calendar_days, formal_hearing, no_hearing, answer, legal_review),
            publicity,
            announcement,
        )| {
            let no_hearing = no_hearing && !formal_hearing;
            // A publicised reward has neither defence nor hearing of its own.
            let (calendar_days, formal_hearing) = match publicity {
                Some(_) => (false, false),
                None => (calendar_days && defence > 0, formal_hearing),
            };
            Variant {
                defence,
                calendar_days,
                formal_hearing,
                no_hearing,
                answer,
                legal_review,
                publicity,
                announcement,
            }
        },
    )
}

// An order of calls: which step, which of its sayings, dated how many days back, by whom, and how far the clock goes on before it.
type Call = (usize, usize, i64, bool, i64);

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let call = (0_usize..STEPS.len(), 0_usize..8, 0_i64..3, any::<bool>(), 0_i64..5);
    proptest::collection::vec(call, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn no_order_of_calls_under_any_clock_lists_anybody_unlawfully(variant in variants(), calls in calls()) {
        let course = Course::of(&variant.list());
        let mut case = Reached::proposed(day("2026-02-13"), day("2026-02-13"));
        for (kind, saying, back, own, forward) in calls {
            case.today = (case.today + forward.days()).min(day("2026-04-30"));
            let on = case.today - back.days();
            // Half of the calls go straight on, so that many reach the end.
            let next = case.standing(&course).next_steps();
            let kind = match next.get(kind % (2 * next.len().max(1))) {
                Some(&next) if next != Kind::Drop => next,
                _ => STEPS[kind],
            };
            let said = sayings(kind, on, &[case.today, case.today + 5.days()]);
            let step = Step { by: if own { PROPOSER } else { "chief" }.into(), ..said[saying % said.len()].clone() };
            if kind == Kind::Drop && saying > 0 {
                continue;
            }
            if let Some(next) = case.take(&course, step) {
                case = next;
            }
            if case.state == State::Listed {
                lawful(&case, variant);
            }
        }
    }
}

// The property above says nothing if hardly anything is listed.
#[test]
fn random_calls_do_reach_listings() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let mut listed = 0;
    for _ in 0..2_000 {
        let (variant, calls) = (variants(), calls()).new_tree(&mut runner).expect("a case").current();
        let course = Course::of(&variant.list());
        let mut case = Reached::proposed(day("2026-02-13"), day("2026-02-13"));
        for (kind, saying, back, own, forward) in calls {
            case.today = (case.today + forward.days()).min(day("2026-04-30"));
            let on = case.today - back.days();
            let kind = if kind + 1 == STEPS.len() { Kind::Decide } else { STEPS[kind] };
            let said = sayings(kind, on, &[case.today, case.today + 5.days()]);
            let step =
                Step { by: if own { PROPOSER } else { "chief" }.into(), ..said[saying % said.len()].clone() };
            case = case.take(&course, step).unwrap_or(case);
        }
        listed += usize::from(case.state == State::Listed);
    }
    assert!(listed > 20, "{listed} of 2000");
}
