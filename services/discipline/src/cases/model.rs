//! The procedure walked through whole: every state that can be reached, every step, every day before and after a boundary, either officer.
use std::collections::BTreeSet;

use contract::discipline::v1::{
    Step,
    case::{Outcome, State},
    step::Kind,
};
use jiff::{ToSpan, civil::Date};

use super::rules::{Standing, after};

const STEPS: [Kind; 8] = [
    Kind::Notify,
    Kind::RecordDefence,
    Kind::WaiveDefence,
    Kind::HoldHearing,
    Kind::Decide,
    Kind::Serve,
    Kind::Publish,
    Kind::Drop,
];
const PROPOSER: &str = "clerk";

// The days off between the walk's first day and its last, by hand: Spring Festival 2026 from 15 to 23 February, and the weekends that are not worked.
const OFF: [&str; 14] = [
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
];

fn day(text: &str) -> Date {
    text.parse().expect("a date")
}

// A second reading of the term, sharing nothing with the calendar: the last of so many days that are worked after the notice.
fn last_day_of_term(notice: Date, working_days: u16) -> Date {
    let (mut last, mut left) = (notice, working_days);
    while left > 0 {
        last = last.tomorrow().expect("a day");
        if !OFF.map(day).contains(&last) {
            left -= 1;
        }
    }
    last
}

#[derive(Clone)]
struct Reached {
    state: State,
    steps: Vec<Step>,
    hearing_requested: bool,
    today: Date,
}

impl Reached {
    // What a judgement can depend on; more than that tells two cases apart only by their past.
    fn key(&self) -> String {
        let on = |kind| self.steps.iter().find(|step| step.kind() == kind).map(|step| step.on.clone());
        let heard = on(Kind::HoldHearing).is_some();
        let last = self.steps.last().map(|step| step.on.clone());
        format!(
            "{:?} {:?} {:?} {last:?} {heard} {} {}",
            self.state,
            on(Kind::Notify),
            on(Kind::WaiveDefence),
            self.hearing_requested,
            self.today
        )
    }
}

// What must be true of every case that lists somebody, read from its steps alone.
fn lawful(case: &Reached, working_days: u16) {
    let at = |kind| case.steps.iter().position(|step| step.kind() == kind);
    let told = || {
        case.steps.iter().map(|step| format!("{:?} {} {}", step.kind(), step.on, step.by)).collect::<Vec<_>>()
    };
    let place = |kind| at(kind).unwrap_or_else(|| panic!("listed without {kind:?}: {:?}", told()));
    let order = [Kind::Propose, Kind::Notify, Kind::Decide, Kind::Serve, Kind::Publish].map(place);
    assert!(order.is_sorted(), "{:?}", told());
    let on = |kind| day(&case.steps[place(kind)].on);
    let waived = at(Kind::WaiveDefence).is_some_and(|at| day(&case.steps[at].on) <= on(Kind::Decide));
    let full = on(Kind::Decide) > last_day_of_term(on(Kind::Notify), working_days)
        || (working_days == 0 && on(Kind::Decide) >= on(Kind::Notify));
    assert!(waived || full, "decided within the term: {:?}", told());
    assert_ne!(case.steps[place(Kind::Decide)].by, PROPOSER, "{:?}", told());
    if case.hearing_requested {
        assert!(place(Kind::HoldHearing) < place(Kind::Decide), "without the hearing: {:?}", told());
    }
    let days: Vec<Date> = case.steps[1..].iter().map(|step| day(&step.on)).collect();
    assert!(days.is_sorted(), "{:?}", told());
}

// Everything that can be reached from a proposal; gives how many cases were seen, how many were listed and dropped.
fn walk(working_days: u16, days: &[Date]) -> (usize, usize, usize) {
    let calendar = calendar::Calendar::national();
    let proposal = Step {
        kind: Kind::Propose.into(),
        by: PROPOSER.into(),
        on: days[0].to_string(),
        ..Default::default()
    };
    let mut open: Vec<Reached> = days
        .iter()
        .map(|&today| Reached {
            state: State::Proposed,
            steps: vec![proposal.clone()],
            hearing_requested: false,
            today,
        })
        .collect();
    let (mut seen, mut listed, mut dropped) = (BTreeSet::new(), 0, 0);
    while let Some(case) = open.pop() {
        if !seen.insert(case.key()) {
            continue;
        }
        match case.state {
            State::Listed => {
                lawful(&case, working_days);
                listed += 1;
            }
            State::Dropped => dropped += 1,
            _ => {}
        }
        let standing = Standing {
            state: case.state,
            steps: &case.steps,
            hearing_requested: case.hearing_requested,
            defence_working_days: working_days,
            calendar,
        };
        for kind in STEPS {
            for &on in days {
                for by in [PROPOSER, "chief"] {
                    if standing.judge_by(kind, (by, PROPOSER), on, case.today).is_err() {
                        continue;
                    }
                    let asks = if kind == Kind::RecordDefence { vec![false, true] } else { vec![false] };
                    let ends = if kind == Kind::Decide {
                        vec![Outcome::List, Outcome::Drop]
                    } else {
                        vec![Outcome::Unspecified]
                    };
                    for (ask, end) in asks.iter().flat_map(|&ask| ends.iter().map(move |&end| (ask, end))) {
                        let step = Step {
                            kind: kind.into(),
                            by: by.into(),
                            on: on.to_string(),
                            ..Default::default()
                        };
                        let mut next = case.clone();
                        next.steps.push(step);
                        next.state = after(kind, end);
                        next.hearing_requested |= ask;
                        // The next step may be taken on the same day or any later one.
                        open.extend(
                            days.iter()
                                .filter(|&&later| later >= case.today)
                                .map(|&today| Reached { today, ..next.clone() }),
                        );
                    }
                }
            }
        }
    }
    (seen.len(), listed, dropped)
}

#[test]
fn no_path_lists_anybody_without_notice_full_defence_a_second_officer_and_service() {
    for working_days in [0, 1, 3, 5] {
        let notice = day("2026-02-13");
        let last = last_day_of_term(notice, working_days);
        // The days about each boundary: notice, the term's last day, the first of a decision, and one within.
        let days: BTreeSet<Date> =
            [notice, notice + 1.day(), last - 1.day(), last, last + 1.day(), last + 2.days()]
                .into_iter()
                .filter(|&day| day >= notice)
                .collect();
        let days: Vec<Date> = days.into_iter().collect();
        let (seen, listed, dropped) = walk(working_days, &days);
        assert!(
            seen > 200 && listed > 3 && dropped > 20,
            "{working_days}: {seen} seen, {listed} listed, {dropped} dropped"
        );
    }
}

#[test]
fn the_model_s_own_term_is_the_published_one() {
    for (notice, days, last) in
        [("2026-02-13", 5, "2026-02-27"), ("2026-02-10", 3, "2026-02-13"), ("2026-02-13", 1, "2026-02-14")]
    {
        assert_eq!(last_day_of_term(day(notice), days), day(last));
    }
}
