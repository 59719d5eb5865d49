//! What is doubtful in a draft, by example; and that what is said to be impossible never happens.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]
use std::{cell::RefCell, collections::BTreeMap};

use contract::grading::v1::{Band, DecayStep, Explanation, Grade, Indicator, Model, Veto};
use jiff::civil::{Date, date};
use proptest::{prelude::*, test_runner::TestRunner};
use scoring::{
    Change, Compiled, Decimal, Fact, FactSheet, FieldType, Limits, Schemas, Value, Warning, WarningCode,
    warnings,
};

mod support;

const FROM: Date = date(2026, 1, 1);

fn schemas() -> Schemas {
    let mut schemas = Schemas::new();
    let fields = [
        ("kind", FieldType::Text),
        ("days", FieldType::Number),
        ("paid", FieldType::Bool),
        ("paidOn", FieldType::Date),
        ("grade", FieldType::Text),
    ];
    schemas.insert("penalty", fields);
    schemas.insert("licence", [("level", FieldType::Number), ("grade", FieldType::Text)]);
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let vocabulary = words(&["罚款", "警告", "没收违法所得、没收非法财物", "其他"]);
    schemas.limit("penalty", "kind", Limits { vocabulary, ..Limits::default() });
    let (minimum, maximum) = ("0".to_owned(), "30".to_owned());
    schemas.limit("penalty", "days", Limits { minimum, maximum, ..Limits::default() });
    schemas.limit("licence", "grade", Limits { vocabulary: words(&["A", "B"]), ..Limits::default() });
    schemas
}

fn told(model: &Model) -> Vec<Warning> {
    warnings(model, &schemas(), FROM).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn told_of(yaml: &str) -> Vec<(String, WarningCode)> {
    let model = support::model(support::yaml::<serde_yaml_ng::Value>(yaml));
    told(&model).into_iter().map(|warning| (warning.path, warning.code)).collect()
}

/// A model of one indicator, a per-unit count of penalties, with this filter; nothing else of it is doubtful.
fn filtered(filter: &str) -> String {
    format!(
        "{{ baseScore: 100, minScore: 0, maxScore: 100,
           indicators: [{{ id: i, name: i, items: [penalty], filter: {filter:?}, measure: COUNT, pointsPerUnit: -1 }}],
           grades: [{{ grade: A, minScore: 90 }}, {{ grade: B, minScore: 0 }}] }}"
    )
}

#[test]
fn contradictory_filters_never_fire() {
    for filter in [
        "severity > 3 && severity < 2",
        "severity > 3 && severity < 4",
        "amount > 1 && amount < 1.0001",
        "severity == 1 && severity != 1",
        "severity in [1, 2] && severity in [3]",
        "severity in [1, 2] && !(severity < 3)",
        "severity > 1 && (severity < 1 || severity == 0) && true",
        "occurredOn > '2025-01-31' && occurredOn < '2025-02-01'",
        "kind == '罚金'",
        "kind in ['罚金', '拘役']",
        "kind == '罚款' && kind == '警告'",
        "kind == '罚款' && kind.startsWith('警')",
        "kind.startsWith('罚') && kind.startsWith('警')",
        "kind.contains('罚') && !kind.contains('罚') && has(kind)",
        "kind > 'b' && kind < 'a'",
        "kind >= 'b' && kind <= 'b' && kind != 'b'",
        "days > 30",
        "days < 0",
        "paid && !paid",
        "paid == true && paid == false",
        "has(amount) && !has(amount)",
        "!has(amount) && amount > 0",
        "amount < amount",
        "1 > 2",
        "false",
        "!(severity >= 1 || severity < 1)",
    ] {
        let expected = ("model.indicators[0].filter".to_owned(), WarningCode::IndicatorNeverFires);
        assert!(told_of(&filtered(filter)).contains(&expected), "{filter}: {:?}", told_of(&filtered(filter)));
    }
}

#[test]
fn what_can_be_is_not_doubted() {
    for filter in [
        "",
        "severity > 3 || severity < 2",
        "severity >= 2 && severity <= 2",
        "!(days > 30)",
        // Absent, or of a type that the catalogue had before.
        "!(severity == 1) && !(paid == true) && !(paid == false)",
        "amount > 1 && amount < 1.0002",
        "occurredOn > '2025-01-31' && occurredOn < '2025-02-02'",
        "kind == '罚款;警告'",
        "kind == '没收违法所得、没收非法财物'",
        "kind == '其他-责令改正'",
        "kind.startsWith('罚') && kind.endsWith('告')",
        "kind > 'a' && kind < 'b'",
        "days == 30 && paidOn >= occurredOn",
        "amount <= amount",
        "!has(kind) || kind != '罚款'",
    ] {
        assert_eq!(told_of(&filtered(filter)), [], "{filter}");
    }
}

#[test]
fn each_doubt_is_told_at_its_place() {
    use WarningCode::*;
    let sound = "
baseScore: 80
minScore: 0
maxScore: 100
indicators:
  - { id: a, name: a, dimension: 监管, items: [penalty], measure: COUNT, bands: [{ atLeast: 1, points: -5 }, { atLeast: 3, points: -10 }] }
  - { id: b, name: b, dimension: 守信, items: [licence, penalty], measure: LATEST_GRADE, gradePoints: { A: 15, D: -20 } }
vetoes:
  - { id: v, items: [penalty], filter: severity >= 3, withinMonths: 36, grade: D, reason: 严重 }
grades: [{ grade: A, minScore: 90 }, { grade: B, minScore: 75 }, { grade: C, minScore: 60 }, { grade: D, minScore: 0 }]
";
    assert_eq!(told_of(sound), []);
    let at = |path: &str, code| vec![(format!("model.{path}"), code)];
    for (from, to, expected) in [
        (
            "atLeast: 3, points: -10",
            "atLeast: 3, points: -5",
            at("indicators[0].bands[1].atLeast", BandRepeats),
        ),
        // Between 2 and 3 a whole count has no place.
        (
            "atLeast: 1, points: -5 }, {",
            "atLeast: 2.1, points: -5 }, {",
            at("indicators[0].bands[0].atLeast", BandUnreachable),
        ),
        ("atLeast: 3,", "atLeast: 100001,", at("indicators[0].bands[1].atLeast", BandUnreachable)),
        (
            "[penalty], measure: COUNT",
            "[penalty], decay: [{ withinMonths: 9, percent: 0 }], measure: COUNT",
            at("indicators[0].decay", DecayCountsNothing),
        ),
        (
            "filter: severity >= 3",
            "filter: severity >= 3 && occurredOn < '2022-12-01'",
            at("vetoes[0].withinMonths", WindowClosed),
        ),
        (
            "filter: severity >= 3",
            "filter: severity >= 3 && severity == 2",
            at("vetoes[0].filter", VetoNeverFires),
        ),
        (
            "withinMonths: 36, grade: D",
            "withinMonths: 36, grade: A",
            at("vetoes[0].grade", VetoLowersNothing),
        ),
        ("maxScore: 100", "maxScore: 89.99", at("maxScore", MaxScoreBelowBestGrade)),
        ("A: 15,", "A: 9.99,", at("grades[0].minScore", GradeUnreachable)),
        // Nothing is doubtful where everybody begins at the top.
        ("baseScore: 80", "baseScore: 100", Vec::new()),
    ] {
        assert_eq!(sound.matches(from).count(), 1, "{from}");
        let found = told_of(&sound.replace(from, to));
        assert!(expected.iter().all(|expected| found.contains(expected)), "{to}: {found:?}");
        assert!(to != "baseScore: 100" || found.is_empty(), "{found:?}");
    }
}

#[test]
fn items_dimensions_and_grades_of_the_catalogue() {
    use WarningCode::*;
    let found = told_of(
        "
baseScore: 80
minScore: 0
maxScore: 100
indicators:
  - { id: a, name: a, dimension: 许可, items: [licence, penalty], filter: level >= 2, measure: COUNT, pointsPerUnit: 1 }
  - { id: b, name: b, dimension: 评级, items: [licence], measure: LATEST_GRADE, gradePoints: { A: 15, Ａ: 20 } }
  - { id: c, name: c, dimension: 空, items: [penalty], measure: COUNT, pointsPerUnit: -1, minPoints: 0 }
  - { id: d, name: d, dimension: 空, items: [penalty], filter: severity > amount && false, measure: COUNT, pointsPerUnit: 1 }
grades: [{ grade: A, minScore: 90 }, { grade: B, minScore: 0 }]
",
    );
    let expected = [
        ("indicators[0].items", ItemNeverCounts),
        ("indicators[1].gradePoints[\"Ａ\"]", GradePointsUnused),
        ("indicators[2]", PointsConstant),
        ("indicators[3].filter", IndicatorNeverFires),
        ("indicators[2].dimension", DimensionWithoutEffect),
    ];
    assert_eq!(found, expected.map(|(path, code)| (format!("model.{path}"), code)));
}

#[test]
fn vetoes_beside_each_other() {
    use WarningCode::*;
    let model = |vetoes: &str| {
        format!(
            "{{ baseScore: 100, minScore: 0, maxScore: 100, vetoes: [{vetoes}],
               indicators: [{{ id: i, name: i, items: [penalty], measure: COUNT, pointsPerUnit: -1 }}],
               grades: [{{ grade: A, minScore: 90 }}, {{ grade: B, minScore: 75 }}, {{ grade: C, minScore: 60 }}, {{ grade: D, minScore: 0 }}] }}"
        )
    };
    for (vetoes, expected) in [
        (
            "{ id: a, items: [penalty], filter: severity >= 2, grade: C }, { id: b, items: [penalty], filter: 2 <= severity, grade: D }",
            Some((0, ".grade", VetoesContradict)),
        ),
        (
            "{ id: a, items: [penalty, licence], withinMonths: 36, grade: D }, { id: b, items: [penalty], filter: severity >= 2, withinMonths: 12, grade: C }",
            Some((1, "", VetoShadowed)),
        ),
        (
            "{ id: a, items: [penalty], grade: C }, { id: b, items: [penalty], grade: C }",
            Some((1, "", VetoShadowed)),
        ),
        // The weaker reaches further back, or to another item, or to lesser records.
        (
            "{ id: a, items: [penalty], withinMonths: 12, grade: D }, { id: b, items: [penalty], withinMonths: 36, grade: C }",
            None,
        ),
        ("{ id: a, items: [penalty], grade: D }, { id: b, items: [penalty, licence], grade: C }", None),
        (
            "{ id: a, items: [penalty], filter: severity >= 3, grade: D }, { id: b, items: [penalty], filter: severity >= 2, grade: C }",
            None,
        ),
        (
            "{ id: a, items: [penalty], filter: \"days < 5\", grade: D }, { id: b, items: [penalty], filter: \"!(days >= 5)\", grade: C }",
            None,
        ),
    ] {
        let expected = expected.map(|(index, path, code)| (format!("model.vetoes[{index}]{path}"), code));
        assert_eq!(told_of(&model(vetoes)), expected.into_iter().collect::<Vec<_>>(), "{vetoes}");
    }
}

#[test]
fn a_model_that_does_not_compile_has_problems_instead() {
    assert!(warnings(&Model::default(), &schemas(), FROM).is_err());
    let words = told(&support::model(support::yaml::<serde_yaml_ng::Value>(&filtered("false"))));
    assert!(words.iter().all(|warning| !warning.message.en.is_empty() && !warning.message.zh.is_empty()));
    assert!(
        words.iter().all(|warning| warning.code.name().chars().all(|c| c.is_ascii_uppercase() || c == '_'))
    );
}

/// Small conditions that exclude each other often.
fn any_filter() -> impl Strategy<Value = String> {
    let number = (0..4_i32, prop::sample::select(vec!["<", "<=", ">", ">=", "==", "!="]))
        .prop_map(|(number, sign)| format!("severity {sign} {number}"));
    let amount =
        (-1..3_i32, prop::sample::select(vec!["<", ">="])).prop_map(|(n, sign)| format!("amount {sign} {n}"));
    let fixed = prop::sample::select(vec![
        "has(amount)",
        "paid",
        "paid == false",
        "kind == '罚款'",
        "kind in ['警告', '罚金']",
        "kind.startsWith('罚')",
        "has(kind)",
        "grade == 'A'",
        "grade in ['B', 'C']",
        "days > 10",
        "days <= 10",
        "paidOn > occurredOn",
        "occurredOn < '2023-06-01'",
        "occurredOn >= '2025-06-01'",
        "grade != 'A'",
    ])
    .prop_map(str::to_owned);
    let atom = prop_oneof![4 => number, 2 => amount, 4 => fixed];
    atom.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            3 => prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" && "))),
            1 => prop::collection::vec(inner.clone(), 2..3).prop_map(|parts| format!("({})", parts.join(" || "))),
            1 => inner.prop_map(|part| format!("!({part})")),
        ]
    })
}

fn any_items() -> impl Strategy<Value = Vec<String>> {
    Just(vec!["penalty".to_owned()])
}

prop_compose! {
    fn any_indicator()(
        measure in 1..=4_i32, items in any_items(), filter in prop_oneof![1 => Just(String::new()), 3 => any_filter()],
        decay in prop::sample::select(vec![vec![], vec![(12, 100.0)], vec![(12, 100.0), (36, 50.0)], vec![(24, 0.0)]]),
        points in -20..20_i32, bands in prop::collection::btree_map(-2..6_i32, -20..20_i32, 0..4),
        grades in prop::collection::btree_map("[A-C]", -30..30_i32, 1..3), bounds in prop::option::of((-15..15_i32, 0..15_i32)),
    ) -> Indicator {
        Indicator {
            name: "i".into(), items, filter, measure, points_per_unit: Some(points.into()),
            decay: decay.into_iter().map(|(within_months, percent)| DecayStep { within_months, percent }).collect(),
            bands: bands.into_iter().map(|(at, points)| Band { at_least: f64::from(at) / 2.0, points: points.into() }).collect(),
            grade_points: grades.into_iter().map(|(grade, points)| (grade, points.into())).collect(),
            min_points: bounds.map(|(min, _)| min.into()), max_points: bounds.map(|(min, more)| (min + more).into()),
            ..Indicator::default()
        }
    }
}

prop_compose! {
    fn any_model()(
        mut indicators in prop::collection::vec(any_indicator(), 1..4), base in 0..110_i32, max in 60..110_i32,
        vetoes in prop::collection::vec((any_items(), any_filter(), prop_oneof![Just(0), Just(12), Just(36)], 0..4_usize), 0..4),
    ) -> Model {
        for (index, indicator) in indicators.iter_mut().enumerate() {
            indicator.id = format!("i{index}");
        }
        let grades = ["A", "B", "C", "D"];
        let veto = |(index, (items, filter, within_months, grade)): (usize, (Vec<String>, String, i32, usize))| Veto {
            id: format!("v{index}"), items, filter, within_months, grade: grades[grade].into(), reason: String::new(),
        };
        Model {
            base_score: Some(base.into()), min_score: Some(0.0), max_score: Some(max.into()), indicators,
            vetoes: vetoes.into_iter().enumerate().map(veto).collect(),
            grades: [("A", 90.0), ("B", 75.0), ("C", 60.0), ("D", 0.0)]
                .map(|(grade, min_score)| Grade { grade: grade.into(), min_score, label: String::new() }).into(),
        }
    }
}

prop_compose! {
    /// What the catalogue would take of a penalty.
    fn any_fact()(
        severity in 0..5_i32, amount in prop::option::of(-2..4_i32), day in 0..1_900_i32, paid in prop::option::of(any::<bool>()),
        kind in prop::option::of(prop::sample::select(vec!["罚款", "警告", "罚款;警告", "其他-罚"])),
        days in prop::option::of(0..31_i32), grade in prop::option::of("[A-D]"), paid_after in prop::option::of(-3..3_i32),
    ) -> Fact {
        let on = date(2022, 1, 1).saturating_add(jiff::Span::new().days(day));
        let fields = [
            paid.map(|paid| ("paid", Value::Bool(paid))),
            kind.map(|kind| ("kind", Value::Text(kind.into()))),
            days.map(|days| ("days", Value::Number(Decimal::whole(days)))),
            grade.map(|grade| ("grade", Value::Text(grade))),
            paid_after.map(|days| ("paidOn", Value::Date(on.saturating_add(jiff::Span::new().days(days))))),
        ];
        Fact {
            record: String::new(), version: 1, item: "penalty".into(), occurred_on: on, severity,
            amount: amount.map(Decimal::whole), order: 0, effective_from: None, effective_until: None,
            fields: fields.into_iter().flatten().map(|(key, value)| (key.to_owned(), value)).collect(),
        }
    }
}

fn sheet(facts: &[Fact]) -> FactSheet {
    let mut sheet = FactSheet::new();
    for (index, fact) in facts.iter().enumerate() {
        let fact = Fact { record: format!("r{index}"), order: index as u64, ..fact.clone() };
        sheet.apply(Change::Put(fact)).unwrap();
    }
    sheet
}

fn index_of(path: &str) -> usize {
    path.split(['[', ']']).nth(1).and_then(|index| index.parse().ok()).unwrap_or_default()
}

fn without_veto(model: &Model, index: usize) -> Compiled {
    let mut model = model.clone();
    model.vetoes.remove(index);
    Compiled::model(&model, &schemas()).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// What is said to be impossible of a model does not happen to a sheet.
fn refuted(
    model: &Model,
    compiled: &Compiled,
    explained: &Explanation,
    warning: &Warning,
    sheet: &FactSheet,
    day: Date,
) -> bool {
    let index = index_of(&warning.path);
    let band = |explained: &Explanation| {
        let number = explained.indicators[index].value.as_ref().unwrap().kind.clone();
        let Some(prost_types::value::Kind::NumberValue(value)) = number else { return None };
        let place = warning.path.split(['[', ']']).nth(3)?.parse::<usize>().ok()?;
        let own = model.indicators[index].bands[place].at_least;
        let mut above: Vec<_> =
            model.indicators[index].bands.iter().map(|band| band.at_least).filter(|at| *at > own).collect();
        above.sort_by(f64::total_cmp);
        Some(own <= value && above.first().is_none_or(|above| value < *above))
    };
    match warning.code {
        WarningCode::IndicatorNeverFires => !explained.indicators[index].records.is_empty(),
        WarningCode::WindowClosed if warning.path.contains("indicators") => {
            !explained.indicators[index].records.is_empty()
        }
        WarningCode::VetoNeverFires | WarningCode::WindowClosed => {
            explained.vetoes.iter().any(|veto| veto.id == format!("v{index}"))
        }
        WarningCode::DecayCountsNothing | WarningCode::PointsConstant => {
            let nobody = compiled.explain(&FactSheet::new(), day);
            explained.indicators[index].points != nobody.indicators[index].points
        }
        WarningCode::BandUnreachable => band(explained) == Some(true),
        WarningCode::GradeUnreachable => explained.grade == model.grades[index].grade,
        WarningCode::MaxScoreBelowBestGrade => explained.grade == model.grades[0].grade,
        WarningCode::VetoLowersNothing | WarningCode::VetoShadowed | WarningCode::VetoesContradict => {
            without_veto(model, index).grade(sheet, day).grade != explained.grade
        }
        WarningCode::GradePointsUnused => {
            let grade = warning.path.split('"').nth(1).unwrap_or_default();
            let value = explained.indicators[index].value.as_ref().and_then(|value| value.kind.clone());
            value == Some(prost_types::value::Kind::StringValue(grade.to_owned()))
        }
        WarningCode::ItemNeverCounts | WarningCode::BandRepeats | WarningCode::DimensionWithoutEffect => {
            false
        }
    }
}

#[test]
fn what_is_said_to_be_impossible_never_happens() {
    let seen = RefCell::new(BTreeMap::<WarningCode, u32>::new());
    let days = prop::collection::vec(0..1_000_i32, 3);
    let facts = prop::collection::vec(prop::collection::vec(any_fact(), 0..8), 12);
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) };
    TestRunner::new(config)
        .run(&(any_model(), facts, days), |(model, facts, days)| {
            let told = told(&model);
            for warning in &told {
                *seen.borrow_mut().entry(warning.code).or_default() += 1;
            }
            let compiled =
                Compiled::model(&model, &schemas()).unwrap_or_else(|problems| panic!("{problems:#?}"));
            for facts in facts.iter().filter(|_| !told.is_empty()) {
                let sheet = sheet(facts);
                for day in &days {
                    let day = FROM.saturating_add(jiff::Span::new().days(*day));
                    let explained = compiled.explain(&sheet, day);
                    for warning in &told {
                        let refuted = refuted(&model, &compiled, &explained, warning, &sheet, day);
                        prop_assert!(!refuted, "{:?} on {} of {:?}", warning, day, facts);
                    }
                }
            }
            Ok(())
        })
        .unwrap();
    let seen = seen.into_inner();
    let kinds = seen.values().filter(|times| **times >= 10).count();
    assert!(kinds >= 10, "the models give too few kinds of doubt: {seen:?}");
}
