//! Golden tables, worked by hand: one file a kind of measure and a rule of the arithmetic.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use contract::grading::v1::{Explanation, IndicatorExplanation, indicator::Measure};
use jiff::civil::Date;
use prost_types::value::Kind;
use scoring::{Change, Compiled, Decimal, Fact, FactSheet, FieldType, Grant, Schemas, Value};
use serde::{Deserialize, Deserializer};

mod support;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(default)]
    items: BTreeMap<String, BTreeMap<String, String>>,
    /// Absent for the national result applied directly.
    model: Option<serde_yaml_ng::Value>,
    /// The items that need the subject's grant, and the department whose scheme it is.
    #[serde(default)]
    authorized: Vec<String>,
    #[serde(default)]
    department: String,
    facts: Vec<FactRow>,
    #[serde(default)]
    grants: Vec<GrantRow>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FactRow {
    record: String,
    #[serde(default = "one")]
    version: u32,
    item: String,
    on: String,
    #[serde(default)]
    severity: i32,
    amount: Option<String>,
    #[serde(default)]
    fields: BTreeMap<String, String>,
    #[serde(default)]
    order: u64,
    from: Option<String>,
    until: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantRow {
    grant: String,
    item: String,
    department: String,
    from: String,
    until: Option<String>,
}

/// What is not given is not looked at; what is given as null must be absent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Case {
    #[serde(default)]
    why: String,
    as_of: String,
    grade: Option<String>,
    score_grade: Option<String>,
    #[serde(default, deserialize_with = "given")]
    score: Option<Option<f64>>,
    #[serde(default, deserialize_with = "given")]
    next: Option<Option<String>>,
    indicators: Option<Vec<Expected>>,
    vetoes: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    value: serde_yaml_ng::Value,
    points: f64,
    uncapped: Option<f64>,
    records: Vec<String>,
}

fn one() -> u32 {
    1
}

fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

fn date(text: &str) -> Date {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

impl FactRow {
    fn fact(&self) -> Fact {
        Fact {
            record: self.record.clone(),
            version: self.version,
            item: self.item.clone(),
            occurred_on: date(&self.on),
            severity: self.severity,
            amount: self.amount.as_deref().map(|amount| Decimal::parse(amount).unwrap()),
            fields: self.fields.iter().map(|(key, text)| (key.clone(), Value::Text(text.clone()))).collect(),
            order: self.order,
            effective_from: self.from.as_deref().map(date),
            effective_until: self.until.as_deref().map(date),
        }
    }
}

impl GrantRow {
    fn grant(&self) -> Grant {
        let (from, until) = (date(&self.from), self.until.as_deref().map(date));
        let (grant, item, department) = (self.grant.clone(), self.item.clone(), self.department.clone());
        Grant { grant, item, department, from, until }
    }
}

fn compiled(table: &Table) -> Compiled {
    let Some(model) = &table.model else { return Compiled::direct() };
    let mut schemas = Schemas::new();
    for (item, fields) in &table.items {
        schemas.insert(item, fields.iter().map(|(key, kind)| (key, FieldType::parse(kind).unwrap())));
    }
    for item in &table.authorized {
        schemas.need_grant(item);
    }
    let problems = |problems: Vec<_>| panic!("{problems:#?}");
    let compiled = Compiled::model(&support::model(model.clone()), &schemas).unwrap_or_else(problems);
    compiled.of_department(&table.department)
}

fn check(file: &str, table: &Table, compiled: &Compiled, sheet: &FactSheet) {
    for case in &table.cases {
        let at = format!("{file}, {} {}", case.as_of, case.why);
        let as_of = date(&case.as_of);
        let explained = compiled.explain(sheet, as_of);
        let quick = compiled.grade(sheet, as_of);
        let next = (!explained.next_change_on.is_empty()).then(|| explained.next_change_on.clone());
        assert_eq!(quick.grade, explained.grade, "{at}");
        assert_eq!(quick.score.map(Decimal::to_f64), explained.score, "{at}");
        assert_eq!(quick.next_change_on.map(|date| date.to_string()), next, "{at}");
        assert_eq!(explained.as_of, case.as_of, "{at}");
        if let Some(grade) = &case.grade {
            assert_eq!(&explained.grade, grade, "{at}");
        }
        if let Some(grade) = &case.score_grade {
            assert_eq!(&explained.score_grade, grade, "{at}");
        }
        if let Some(score) = case.score {
            assert_eq!(explained.score, score, "{at}");
        }
        if let Some(expected) = &case.next {
            assert_eq!(&next, expected, "{at}");
        }
        check_parts(&at, case, &explained);
    }
}

fn check_parts(at: &str, case: &Case, explained: &Explanation) {
    if let Some(expected) = &case.indicators {
        assert_eq!(explained.indicators.len(), expected.len(), "{at}");
        for (expected, indicator) in expected.iter().zip(&explained.indicators) {
            check_indicator(&format!("{at} {}", indicator.id), expected, indicator);
        }
    }
    if let Some(expected) = &case.vetoes {
        let ids: Vec<_> = explained.vetoes.iter().map(|veto| veto.id.clone()).collect();
        assert_eq!(&ids, expected, "{at}");
    }
}

fn check_indicator(at: &str, expected: &Expected, indicator: &IndicatorExplanation) {
    match indicator.value.as_ref().and_then(|value| value.kind.clone()) {
        Some(Kind::NumberValue(number)) => assert_eq!(Some(number), expected.value.as_f64(), "{at}"),
        Some(Kind::StringValue(text)) => assert_eq!(Some(text.as_str()), expected.value.as_str(), "{at}"),
        Some(Kind::NullValue(_)) => assert!(expected.value.is_null(), "{at}"),
        other => panic!("{at}: {other:?}"),
    }
    assert_eq!(indicator.points, expected.points, "{at}");
    assert_eq!(indicator.uncapped_points, expected.uncapped.unwrap_or(expected.points), "{at}");
    assert_eq!(indicator.records, expected.records, "{at}");
}

#[test]
fn golden_tables() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut cases = 0;
    let mut measures = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let table: Table = support::yaml(&fs::read_to_string(&path).unwrap());
        let compiled = compiled(&table);
        let mut sheet = FactSheet::new();
        for fact in &table.facts {
            sheet.apply(Change::Put(fact.fact())).unwrap();
        }
        for grant in &table.grants {
            sheet.apply(Change::Grant(grant.grant())).unwrap();
        }
        let stored = FactSheet::decode(&sheet.encode()).unwrap();
        assert_eq!(stored, sheet, "{file}");
        check(&file, &table, &compiled, &stored);
        cases += table.cases.len();
        measures.extend(
            table
                .model
                .iter()
                .flat_map(|model| support::model(model.clone()).indicators)
                .map(|i| i.measure()),
        );
    }
    assert!(cases >= 40, "only {cases} cases were found");
    // MEASURE_UNSPECIFIED and the kinds: one that the contract adds needs its table.
    assert!((1..).map_while(|number| Measure::try_from(number).ok()).all(|kind| measures.contains(&kind)));
}
