//! The crate against a second reading of the contract, on a hundred thousand random evaluations and day by day.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]
use std::{cell::RefCell, collections::BTreeMap};

use contract::grading::v1::{Model, indicator::Measure};
use jiff::{ToSpan, civil::Date, civil::date};
use proptest::{prelude::*, test_runner::TestRunner};
use scoring::Compiled;

mod support;
use support::{
    random::{any_date, any_model, any_subject, compiled, look},
    reference::{Reference, Subject, exact, reference},
};

const MODELS: u32 = 2_500;
const SUBJECTS: usize = 8;
const DAYS: usize = 5;

/// Everything that happened in the run, so that a run in which something never happens fails.
#[derive(Default)]
struct Seen(RefCell<BTreeMap<&'static str, u32>>);

impl Seen {
    fn note(&self, what: &'static str, happened: bool) {
        *self.0.borrow_mut().entry(what).or_default() += u32::from(happened);
    }

    fn notes(&self, model: &Model, subject: &Subject, day: Date, found: &Reference<'_>) {
        self.note("triple", true);
        self.note("empty sheet", subject.records.is_empty());
        self.note("leap day", day.month() == 2 && day.day() == 29);
        self.note("month's end", day == day.last_of_month());
        self.note("score clamped", found.clamped);
        self.note("lowered by a veto", found.grade != found.score_grade);
        for (indicator, inputs) in model.indicators.iter().zip(&found.inputs) {
            let days: Vec<_> = inputs
                .iter()
                .filter_map(|(name, _)| subject.records.iter().find(|r| r.name == *name))
                .map(|r| r.on)
                .collect();
            let last = days.iter().max();
            let tie = days.iter().filter(|day| Some(*day) == last).count() > 1;
            self.note(
                "latest grade decided between two of a day",
                tie && indicator.measure() == Measure::LatestGrade,
            );
            self.note(
                "bands",
                !indicator.bands.is_empty()
                    && indicator.measure() != Measure::LatestGrade
                    && !inputs.is_empty(),
            );
            self.note("a lesser step of decay", inputs.iter().any(|(_, percent)| *percent < 1_000_000));
        }
    }
}

#[test]
fn a_hundred_thousand_triples_agree() {
    let seen = Seen::default();
    let edge = (any::<prop::sample::Index>(), 0..40, -1..=1);
    let days = prop::collection::vec((any_date(), edge), DAYS);
    let inputs = (any_model(), prop::collection::vec((any_subject(), days), SUBJECTS));
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(MODELS) };
    TestRunner::new(config)
        .run(&inputs, |(model, subjects)| {
            let compiled = compiled(&model);
            for (subject, days) in &subjects {
                let sheet = subject.sheet();
                for (any, edge) in days {
                    let day = look(subject, *any, *edge);
                    let expected = reference(&model, subject, day);
                    let found = compiled.grade(&sheet, day);
                    prop_assert_eq!(found.grade, expected.grade, "{}", day);
                    let cents = exact(found.score.unwrap().to_f64()) / 10_i128.pow(12);
                    prop_assert_eq!(cents, expected.cents, "{}", day);
                    seen.notes(&model, subject, day, &expected);
                }
            }
            Ok(())
        })
        .unwrap();
    let seen = seen.0.into_inner();
    assert_eq!(seen["triple"], 100_000);
    println!("{seen:#?}");
    assert!(seen.values().all(|times| *times >= 500), "{seen:#?}");
}

/// The days from one to another on which the reference finds another grade or score than the day before.
fn changes(model: &Model, subject: &Subject, from: Date, to: Date) -> Vec<Date> {
    let told = |day| {
        let found = reference(model, subject, day);
        (found.grade, found.cents)
    };
    let days =
        std::iter::successors(from.tomorrow().ok(), |day| day.tomorrow().ok()).take_while(|day| *day <= to);
    let mut before = told(from);
    days.filter(|day| std::mem::replace(&mut before, told(*day)) != before).collect()
}

fn announced(compiled: &Compiled, subject: &Subject, from: Date, to: Date) -> Vec<Date> {
    let sheet = subject.sheet();
    let next = |day: &Date| compiled.grade(&sheet, *day).next_change_on;
    std::iter::successors(next(&from), next).take_while(|day| *day <= to).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    /// Looking at every day of three years finds no change that was not announced the time before.
    #[test]
    fn no_day_of_three_years_changes_unannounced(model in any_model(), subject in any_subject(), from in any_date()) {
        let to = from.checked_add(3.years()).unwrap();
        let announced = announced(&compiled(&model), &subject, from, to);
        prop_assert!(announced.is_sorted_by(|a, b| a < b));
        for day in changes(&model, &subject, from, to) {
            prop_assert!(announced.contains(&day), "{} of {:?}", day, announced);
        }
    }

    /// Between the date and the next change no record counts otherwise, on any day; on that day one does.
    #[test]
    fn the_next_change_is_the_first(model in any_model(), subject in any_subject(), as_of in any_date()) {
        let now = reference(&model, &subject, as_of);
        let next = compiled(&model).grade(&subject.sheet(), as_of).next_change_on;
        // All records and their longest windows end before 2034.
        let end = next.unwrap_or(date(2034, 1, 1));
        let mut day = as_of;
        while let Some(tomorrow) = day.tomorrow().ok().filter(|tomorrow| *tomorrow < end) {
            day = tomorrow;
            prop_assert_eq!(&reference(&model, &subject, day).inputs, &now.inputs, "{} of {:?}", day, next);
        }
        if let Some(next) = next {
            prop_assert!(next > as_of);
            prop_assert_ne!(reference(&model, &subject, next).inputs, now.inputs, "{}", next);
        }
    }
}
