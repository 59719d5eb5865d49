//! Random sheets against a second reading of CONTRACT §4.1, written from its text alone, with the calendar
//! library's own subtraction of months and plain integers for decimals.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]
use contract::grading::v1::{Band, DecayStep, Grade, Indicator, Model, Veto, indicator::Measure};
use jiff::{ToSpan, civil::Date, civil::date};
use proptest::prelude::*;
use scoring::{Change, Compiled, Decimal, Fact, FactSheet, FieldType, Schemas, Value};

/// The filters in use, each with what it means.
type Filter = (&'static str, fn(&Fact) -> bool);
const FILTERS: &[Filter] = &[
    ("", |_| true),
    ("severity >= 2", |fact| fact.severity >= 2),
    ("amount > 10.5 || has(grade)", |fact| {
        amount(fact).is_some_and(|amount| amount > 105_000) || grade(fact).is_some()
    }),
    ("!(grade in ['A', 'B']) && occurredOn < '2025-01-01'", |fact| {
        !matches!(grade(fact), Some("A" | "B")) && fact.occurred_on < date(2025, 1, 1)
    }),
];
const ITEMS: [&str; 3] = ["alpha", "beta", "gamma"];
const GRADES: [(&str, f64); 4] = [("A", 90.0), ("B", 75.5), ("C", 60.0), ("D", 0.0)];

fn amount(fact: &Fact) -> Option<i128> {
    fact.amount.map(|amount| scaled(amount.to_f64()))
}

/// Ten-thousandths, the test's own way.
fn scaled(number: f64) -> i128 {
    (number * 10_000.0).round() as i128
}

fn grade(fact: &Fact) -> Option<&str> {
    fact.fields.iter().find_map(|(key, value)| match value {
        Value::Text(grade) if key == "grade" => Some(grade.as_str()),
        _ => None,
    })
}

/// The records that count, each with its percent in ten-thousandths.
fn counted<'f>(
    facts: &'f [Fact],
    items: &[String],
    filter: &str,
    decay: &[DecayStep],
    as_of: Date,
) -> Vec<(&'f Fact, i128)> {
    let meaning = FILTERS.iter().find(|(source, _)| *source == filter).unwrap().1;
    let counts = |fact: &'f Fact| {
        let effective = fact.effective_from.is_none_or(|from| from <= as_of)
            && fact.effective_until.is_none_or(|until| as_of < until);
        if !effective || !items.contains(&fact.item) || !meaning(fact) || fact.occurred_on > as_of {
            return None;
        }
        let within =
            |step: &&DecayStep| as_of.checked_sub(step.within_months.months()).unwrap() < fact.occurred_on;
        match decay {
            [] => Some((fact, 1_000_000)),
            _ => decay.iter().find(within).map(|step| (fact, scaled(step.percent))),
        }
    };
    facts.iter().filter_map(counts).collect()
}

/// The points of an indicator in 10^-14, by §4.1.2 and 3.
fn points(indicator: &Indicator, counted: &[(&Fact, i128)]) -> i128 {
    const POINT: i128 = 10_i128.pow(10);
    let value = match indicator.measure() {
        Measure::Count => counted.iter().map(|(_, percent)| percent * 10_i128.pow(4)).sum::<i128>(),
        Measure::SumAmount => counted.iter().map(|(fact, percent)| amount(fact).unwrap_or(0) * percent).sum(),
        Measure::Exists => i128::from(!counted.is_empty()) * POINT,
        _ => {
            let latest =
                counted.iter().map(|(fact, _)| fact).max_by_key(|fact| (fact.occurred_on, fact.order));
            let given = latest.and_then(|fact| indicator.grade_points.get(grade(fact)?));
            return clamped(given.map_or(0, |points| scaled(*points) * POINT), indicator, POINT);
        }
    };
    // The value is in 10^-10 here.
    let points = if indicator.bands.is_empty() {
        value * scaled(indicator.points_per_unit.unwrap())
    } else {
        let reached = indicator.bands.iter().filter(|band| scaled(band.at_least) * 1_000_000 <= value);
        reached.max_by_key(|band| scaled(band.at_least)).map_or(0, |band| scaled(band.points) * POINT)
    };
    clamped(points, indicator, POINT)
}

fn clamped(points: i128, indicator: &Indicator, point: i128) -> i128 {
    let points = indicator.min_points.map_or(points, |min| points.max(scaled(min) * point));
    indicator.max_points.map_or(points, |max| points.min(scaled(max) * point))
}

/// The inputs of an evaluation and what it comes to: what time alone may change.
#[derive(Debug, PartialEq)]
struct Reference<'f> {
    inputs: Vec<Vec<(&'f str, i128)>>,
    cents: i128,
    grade: &'static str,
}

fn reference<'f>(model: &Model, facts: &'f [Fact], as_of: Date) -> Reference<'f> {
    let mut inputs = Vec::new();
    let mut score = scaled(model.base_score.unwrap()) * 10_i128.pow(10);
    let mut take = |counted: &[(&'f Fact, i128)]| {
        inputs.push(counted.iter().map(|(fact, percent)| (fact.record.as_str(), *percent)).collect());
    };
    for indicator in &model.indicators {
        let counted = counted(facts, &indicator.items, &indicator.filter, &indicator.decay, as_of);
        score += points(indicator, &counted);
        take(&counted);
    }
    let score = score.clamp(
        scaled(model.min_score.unwrap()) * 10_i128.pow(10),
        scaled(model.max_score.unwrap()) * 10_i128.pow(10),
    );
    let cent = 10_i128.pow(12);
    let cents = (score.abs() + cent / 2) / cent * score.signum();
    let mut grade = GRADES.iter().position(|(_, min)| scaled(*min) <= cents * 100).unwrap();
    for veto in &model.vetoes {
        let window = [DecayStep { within_months: veto.within_months, percent: 100.0 }];
        let decay = if veto.within_months == 0 { &[][..] } else { &window[..] };
        let counted = counted(facts, &veto.items, &veto.filter, decay, as_of);
        let own = GRADES.iter().position(|(name, _)| *name == veto.grade).unwrap();
        if !counted.is_empty() && own > grade {
            grade = own;
        }
        take(&counted);
    }
    Reference { inputs, cents, grade: GRADES[grade].0 }
}

fn schemas() -> Schemas {
    let mut schemas = Schemas::new();
    for item in ITEMS {
        schemas.insert(item, [("grade", FieldType::Text)]);
    }
    schemas
}

fn any_date() -> impl Strategy<Value = Date> {
    // Months' ends more often than chance would have them.
    (2021..2029_i16, 1..=12_i8, prop_oneof![1..=31_i8, 27..=31_i8]).prop_map(|(year, month, day)| {
        date(year, month, 1).last_of_month().min(date(year, month, 1).checked_add((day - 1).days()).unwrap())
    })
}

fn any_filter() -> impl Strategy<Value = String> {
    prop::sample::select(FILTERS).prop_map(|(source, _)| source.to_owned())
}

fn any_items() -> impl Strategy<Value = Vec<String>> {
    prop::sample::subsequence(&ITEMS[..], 1..=ITEMS.len())
        .prop_map(|items| items.into_iter().map(str::to_owned).collect())
}

fn any_points() -> impl Strategy<Value = f64> {
    (-200_000..200_000_i32).prop_map(|points| f64::from(points) / 10_000.0)
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
    fn any_model()(
        mut indicators in prop::collection::vec(any_indicator(), 0..6),
        vetoes in prop::collection::vec((any_items(), any_filter(), prop_oneof![Just(0), 1..30], 0..4_usize), 0..3),
    ) -> Model {
        for (index, indicator) in indicators.iter_mut().enumerate() {
            indicator.id = format!("i{index}");
        }
        let veto = |(index, (items, filter, within_months, grade)): (usize, (Vec<String>, String, i32, usize))| Veto {
            id: format!("v{index}"), items, filter, within_months, grade: GRADES[grade].0.into(), reason: String::new(),
        };
        Model {
            base_score: Some(80.0), min_score: Some(0.0), max_score: Some(100.125), indicators,
            vetoes: vetoes.into_iter().enumerate().map(veto).collect(),
            grades: GRADES.map(|(grade, min_score)| Grade { grade: grade.into(), min_score, label: String::new() }).into(),
        }
    }
}

prop_compose! {
    fn any_fact()(
        item in prop::sample::select(&ITEMS[..]), occurred_on in any_date(), severity in 0..4, order in 0..3_u64,
        amount in prop::option::of(0..400_000_i32), grade in prop::option::of("[A-D]"),
        from in prop::option::weighted(0.2, any_date()), until in prop::option::weighted(0.2, any_date()),
    ) -> Fact {
        Fact {
            record: String::new(), version: 1, item: item.into(), occurred_on, severity, order,
            amount: amount.map(|amount| Decimal::from_f64(f64::from(amount) / 10_000.0).unwrap()),
            fields: grade.map(|grade| ("grade".to_owned(), Value::Text(grade))).into_iter().collect(),
            effective_from: from, effective_until: until,
        }
    }
}

/// Facts of different recording order, as real ones are.
fn any_facts() -> impl Strategy<Value = Vec<Fact>> {
    prop::collection::vec(any_fact(), 0..14).prop_map(|mut facts| {
        for (index, fact) in facts.iter_mut().enumerate() {
            fact.record = format!("r{index}");
            fact.order = fact.order * 100 + index as u64;
        }
        facts
    })
}

fn sheet(facts: &[Fact]) -> FactSheet {
    let mut sheet = FactSheet::new();
    for fact in facts {
        sheet.apply(Change::Put(fact.clone())).unwrap();
    }
    sheet
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn agrees_with_the_contracts_text(model in any_model(), facts in any_facts(), as_of in any_date()) {
        let compiled = Compiled::model(&model, &schemas()).unwrap();
        let sheet = sheet(&facts);
        let expected = reference(&model, &facts, as_of);
        let quick = compiled.grade(&sheet, as_of);
        prop_assert_eq!(quick.grade, expected.grade);
        prop_assert_eq!(scaled(quick.score.unwrap().to_f64()), expected.cents * 100);

        // The explanation is of the same walk, and names the very records that count.
        let explained = compiled.explain(&sheet, as_of);
        prop_assert_eq!(explained.grade.as_str(), quick.grade);
        prop_assert_eq!(explained.score, quick.score.map(Decimal::to_f64));
        let named = |records: &[String]| { let mut records = records.to_vec(); records.sort(); records };
        let inputs = |inputs: &[(&str, i128)]| named(&inputs.iter().map(|(record, _)| (*record).to_owned()).collect::<Vec<_>>());
        for (indicator, expected) in explained.indicators.iter().zip(&expected.inputs) {
            prop_assert_eq!(named(&indicator.records), inputs(expected));
        }
        let vetoes = &expected.inputs[model.indicators.len()..];
        let held: Vec<_> = vetoes.iter().filter(|records| !records.is_empty()).map(|records| inputs(records)).collect();
        prop_assert_eq!(explained.vetoes.iter().map(|veto| named(&veto.records)).collect::<Vec<_>>(), held);
    }

    /// Between the date and the next change nothing changes, on any day; on that day something does.
    #[test]
    fn nothing_changes_before_the_next_change(model in any_model(), facts in any_facts(), as_of in any_date()) {
        let compiled = Compiled::model(&model, &schemas()).unwrap();
        let now = reference(&model, &facts, as_of);
        let next = compiled.grade(&sheet(&facts), as_of).next_change_on;
        // All facts and their longest windows end before 2034.
        let end = next.unwrap_or(date(2034, 1, 1));
        let mut day = as_of;
        while let Some(tomorrow) = day.tomorrow().ok().filter(|tomorrow| *tomorrow < end) {
            day = tomorrow;
            prop_assert_eq!(&reference(&model, &facts, day), &now, "{} of {:?}", day, next);
        }
        // A version that takes effect when its record has left every window changes nothing; else the day is
        // exact.
        if let Some(next) = next.filter(|_| facts.iter().all(|fact| fact.effective_from.is_none())) {
            prop_assert!(next > as_of);
            prop_assert_ne!(reference(&model, &facts, next).inputs, now.inputs, "{}", next);
        }
    }

    #[test]
    fn a_sheet_is_read_back_as_it_was(facts in any_facts()) {
        let sheet = sheet(&facts);
        prop_assert_eq!(FactSheet::decode(&sheet.encode()), Ok(sheet));
    }

    #[test]
    fn any_bytes_are_a_sheet_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), facts in any_facts(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let compiled = Compiled::direct();
        let mut broken = sheet(&facts).encode();
        let at = at.index(broken.len());
        broken[at] = byte;
        for bytes in [bytes, broken] {
            if let Ok(sheet) = FactSheet::decode(&bytes) {
                compiled.grade(&sheet, date(2026, 1, 1));
            }
        }
    }

    /// The order in which the feed brings records does not matter, nor that one comes twice.
    #[test]
    fn order_and_repetition_do_not_matter(model in any_model(), facts in any_facts(), as_of in any_date(), seed in any::<prop::sample::Index>()) {
        let compiled = Compiled::model(&model, &schemas()).unwrap();
        let mut other = facts.clone();
        other.reverse();
        let turn = seed.index(other.len() + 1);
        other.rotate_left(turn);
        other.extend(facts.iter().take(3).cloned());
        let (one, two) = (sheet(&facts), sheet(&other));
        prop_assert_eq!(compiled.explain(&one, as_of), compiled.explain(&two, as_of));
    }
}
