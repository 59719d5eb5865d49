//! Random models and subjects, months' ends, ties and windows' edges more often than chance would have them.
use contract::grading::v1::{Band, DecayStep, Grade, Indicator, Model, Veto};
use jiff::{ToSpan, civil::Date, civil::date};
use proptest::prelude::*;
use scoring::{Compiled, FieldType, Schemas};

use super::reference::{AUTHORIZED, DEPARTMENT, FILTERS, GRADES, ITEMS, Record, Subject};

pub fn schemas() -> Schemas {
    let mut schemas = Schemas::new();
    for item in ITEMS {
        schemas.insert(item, [("grade", FieldType::Text)]);
    }
    schemas.need_grant(AUTHORIZED);
    schemas
}

pub fn compiled(model: &Model) -> Compiled {
    let problems = |problems: Vec<_>| panic!("{problems:#?}");
    Compiled::model(model, &schemas()).unwrap_or_else(problems).of_department(DEPARTMENT)
}

pub fn any_date() -> impl Strategy<Value = Date> {
    let day = prop_oneof![1..=31_i8, 27..=31_i8];
    let any = (2021..2029_i16, 1..=12_i8, day).prop_map(|(year, month, day)| {
        let first = date(year, month, 1);
        first.last_of_month().min(first.checked_add((day - 1).days()).unwrap())
    });
    prop_oneof![15 => any, 1 => prop::sample::select(vec![date(2024, 2, 29), date(2028, 2, 29)])]
}

fn any_filter() -> impl Strategy<Value = String> {
    prop::sample::select(FILTERS).prop_map(|(source, _)| source.to_owned())
}

fn any_items() -> impl Strategy<Value = Vec<String>> {
    prop::sample::subsequence(&ITEMS[..], 1..=ITEMS.len())
        .prop_map(|items| items.into_iter().map(str::to_owned).collect())
}

fn any_points() -> impl Strategy<Value = f64> {
    let half_cents = (-4_000..4_000_i32).prop_map(|points| f64::from(points) / 200.0);
    prop_oneof![(-200_000..200_000_i32).prop_map(|points| f64::from(points) / 10_000.0), half_cents]
}

prop_compose! {
    fn any_decay()(months in prop::sample::subsequence((1..40).collect::<Vec<i32>>(), 0..4)) -> Vec<DecayStep> {
        let percents = [100.0, 62.5, 33.3333, 0.0];
        months.into_iter().zip(percents).map(|(within_months, percent)| DecayStep { within_months, percent }).collect()
    }
}

prop_compose! {
    fn any_indicator()(
        measure in 1..=4_i32, items in any_items(), filter in any_filter(), decay in any_decay(), per_unit in any_points(),
        bands in prop::collection::btree_map(-5..40_i32, any_points(), 0..4),
        grades in prop::collection::btree_map("[A-C]", any_points(), 1..3),
        bounds in prop::option::of((any_points(), any_points())),
    ) -> Indicator {
        Indicator {
            name: "i".into(), items, filter, measure, decay, points_per_unit: Some(per_unit), grade_points: grades,
            bands: bands.into_iter().map(|(at, points)| Band { at_least: f64::from(at) / 2.0, points }).collect(),
            min_points: bounds.map(|(a, b)| a.min(b)), max_points: bounds.map(|(a, b)| a.max(b)),
            ..Indicator::default()
        }
    }
}

prop_compose! {
    pub fn any_model()(
        mut indicators in prop::collection::vec(any_indicator(), 0..6),
        vetoes in prop::collection::vec((any_items(), any_filter(), prop_oneof![Just(0), 1..30], 0..4_usize), 0..3),
        base in prop_oneof![Just(80.0), Just(75.495), Just(0.0)],
    ) -> Model {
        for (index, indicator) in indicators.iter_mut().enumerate() {
            indicator.id = format!("i{index}");
        }
        let veto = |(index, (items, filter, within_months, grade)): (usize, (Vec<String>, String, i32, usize))| Veto {
            id: format!("v{index}"), items, filter, within_months, grade: GRADES[grade].0.into(), reason: String::new(),
        };
        Model {
            base_score: Some(base), min_score: Some(0.0), max_score: Some(100.125), indicators,
            vetoes: vetoes.into_iter().enumerate().map(veto).collect(),
            grades: GRADES.map(|(grade, min_score)| Grade { grade: grade.into(), min_score, label: String::new() }).into(),
        }
    }
}

prop_compose! {
    fn any_record()(
        item in prop::sample::select(&ITEMS[..]), on in any_date(), severity in 0..4, order in 0..3_u64,
        amount in prop::option::of(-20_000..400_000_i64), grade in prop::option::of("[A-D]"),
        from in prop::option::weighted(0.2, any_date()), until in prop::option::weighted(0.2, any_date()),
    ) -> Record {
        Record { name: String::new(), item, on, severity, amount, grade, order, from, until }
    }
}

fn any_grants() -> impl Strategy<Value = Vec<(&'static str, &'static str, Date, Option<Date>)>> {
    let item = prop::sample::select(vec![AUTHORIZED, AUTHORIZED, AUTHORIZED, "alpha"]);
    let department = prop::sample::select(vec![DEPARTMENT, DEPARTMENT, DEPARTMENT, "虚构市电力局"]);
    prop::collection::vec((item, department, any_date(), prop::option::weighted(0.8, any_date())), 0..4)
}

/// Records of different recording order, as real ones are; some on the day of another, which ties.
pub fn any_subject() -> impl Strategy<Value = Subject> {
    let tied = prop::collection::vec(prop::bool::weighted(0.2), 14);
    (prop::collection::vec(any_record(), 0..14), tied, any_grants()).prop_map(
        |(mut records, tied, grants)| {
            for index in 0..records.len() {
                if index > 0 && tied[index] {
                    records[index].on = records[index - 1].on;
                }
                records[index].name = format!("r{index}");
                records[index].order = records[index].order * 100 + index as u64;
            }
            Subject { records, grants }
        },
    )
}

/// A day on which to look: any, or one near a record's day or the end of a window that began there.
pub fn look(subject: &Subject, any: Date, edge: (prop::sample::Index, i32, i32)) -> Date {
    let (record, months, days) = edge;
    match subject.records.get(record.index(subject.records.len() * 2 + 1)) {
        Some(record) => record.on.saturating_add(months.months()).saturating_add(days.days()),
        None => any,
    }
}
