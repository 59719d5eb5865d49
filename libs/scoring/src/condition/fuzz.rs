//! Random conditions of the right types over random records: each compiles, and is judged as its own tree says.
use jiff::{
    ToSpan,
    civil::{Date, date},
};
use proptest::prelude::*;

use super::*;
use crate::{
    facts::{Change, Fact, FactSheet, Value},
    schema::{FieldType, Schemas},
};

/// A condition with its meaning, apart from the crate's own.
#[derive(Clone, Debug)]
enum Tree {
    Numbers(&'static str, &'static str, i64),
    Fields(&'static str),
    Days(&'static str, &'static str, Date),
    Text(&'static str, &'static str),
    Words(Vec<&'static str>),
    Truth,
    Has(&'static str),
    Not(Box<Tree>),
    All(Vec<Tree>),
    Any(Vec<Tree>),
}

#[derive(Clone, Debug)]
struct Record {
    severity: i32,
    on: Date,
    amount: Option<i64>,
    days: Option<i64>,
    kind: Option<&'static str>,
    paid: Option<bool>,
    paid_on: Option<Date>,
}

const WORDS: [&str; 5] = ["", "罚款", "罚", "款", "a'b"];

fn shown(number: i64) -> String {
    format!("{}{}.{:04}", if number < 0 { "-" } else { "" }, number.abs() / 10_000, number.abs() % 10_000)
}

impl Tree {
    fn source(&self) -> String {
        let join = |trees: &[Tree], sign: &str| trees.iter().map(Tree::source).collect::<Vec<_>>().join(sign);
        let quoted = |word: &str| format!("\"{word}\"");
        match self {
            Self::Numbers(name, sign, number) => format!("{name} {sign} {}", shown(*number)),
            Self::Fields(sign) => format!("amount {sign} fields.days"),
            Self::Days(name, sign, day) => format!("'{day}' {sign} {name}"),
            Self::Text(test, part) if test.len() == 2 => format!("kind {test} {}", quoted(part)),
            Self::Text(test, part) => format!("kind.{test}({})", quoted(part)),
            Self::Words(words) => {
                format!("kind in [{}]", words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(", "))
            }
            Self::Truth => "paid".to_owned(),
            Self::Has(name) => format!("has({name})"),
            Self::Not(tree) => format!("!({})", tree.source()),
            Self::All(trees) => format!("({})", join(trees, " && ")),
            Self::Any(trees) => format!("({})", join(trees, " || ")),
        }
    }

    fn holds(&self, of: &Record) -> bool {
        fn compare<T: Ord>(a: Option<T>, sign: &str, b: Option<T>) -> bool {
            let (Some(a), Some(b)) = (a, b) else { return false };
            match sign {
                "==" => a == b,
                "!=" => a != b,
                "<" => a < b,
                "<=" => a <= b,
                ">" => a > b,
                _ => a >= b,
            }
        }
        let number = |name: &str| match name {
            "severity" => Some(i64::from(of.severity) * 10_000),
            "amount" => of.amount,
            _ => of.days,
        };
        let day = |name: &str| if name == "occurredOn" { Some(of.on) } else { of.paid_on };
        match self {
            Self::Numbers(name, sign, other) => compare(number(name), sign, Some(*other)),
            Self::Fields(sign) => compare(of.amount, sign, of.days),
            Self::Days(name, sign, other) => compare(Some(*other), sign, day(name)),
            Self::Text("startsWith", part) => of.kind.is_some_and(|kind| kind.starts_with(part)),
            Self::Text("endsWith", part) => of.kind.is_some_and(|kind| kind.ends_with(part)),
            Self::Text("contains", part) => of.kind.is_some_and(|kind| kind.contains(part)),
            Self::Text(sign, part) => compare(of.kind, sign, Some(*part)),
            Self::Words(words) => of.kind.is_some_and(|kind| words.contains(&kind)),
            Self::Truth => of.paid == Some(true),
            Self::Has(name) => match *name {
                "amount" => of.amount.is_some(),
                "fields.days" => of.days.is_some(),
                "kind" => of.kind.is_some(),
                _ => of.paid.is_some(),
            },
            Self::Not(tree) => !tree.holds(of),
            Self::All(trees) => trees.iter().all(|tree| tree.holds(of)),
            Self::Any(trees) => trees.iter().any(|tree| tree.holds(of)),
        }
    }
}

fn sign() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="])
}

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![(-3..4_i64).prop_map(|number| number * 10_000), -30_000..40_000_i64]
}

fn any_day() -> impl Strategy<Value = Date> {
    (0..40_i32).prop_map(|days| date(2024, 2, 10).saturating_add(days.days()))
}

fn any_tree() -> impl Strategy<Value = Tree> {
    let named = prop::sample::select(vec!["severity", "amount", "days"]);
    let tests = prop::sample::select(vec!["startsWith", "endsWith", "contains", "==", "!=", "<=", ">="]);
    let leaf = prop_oneof![
        (named, sign(), number()).prop_map(|(name, sign, number)| Tree::Numbers(name, sign, number)),
        sign().prop_map(Tree::Fields),
        (prop::sample::select(vec!["occurredOn", "paidOn"]), sign(), any_day())
            .prop_map(|(name, sign, day)| Tree::Days(name, sign, day)),
        (tests, prop::sample::select(&WORDS[..])).prop_map(|(test, part)| Tree::Text(test, part)),
        prop::sample::subsequence(&WORDS[..], 1..4).prop_map(Tree::Words),
        Just(Tree::Truth),
        prop::sample::select(vec!["amount", "fields.days", "kind", "paid"]).prop_map(Tree::Has),
    ];
    leaf.prop_recursive(5, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|tree| Tree::Not(Box::new(tree))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Tree::All),
            prop::collection::vec(inner, 2..4).prop_map(Tree::Any),
        ]
    })
}

prop_compose! {
    fn any_record()(
        severity in -3..4_i32, on in any_day(), amount in prop::option::of(number()), days in prop::option::of(number()),
        kind in prop::option::of(prop::sample::select(&WORDS[..])), paid in prop::option::of(any::<bool>()),
        paid_on in prop::option::of(any_day()),
    ) -> Record {
        Record { severity, on, amount, days, kind, paid, paid_on }
    }
}

fn schemas() -> Schemas {
    let mut schemas = Schemas::new();
    let fields = [
        ("days", FieldType::Number),
        ("kind", FieldType::Text),
        ("paid", FieldType::Bool),
        ("paidOn", FieldType::Date),
    ];
    schemas.insert("penalty", fields);
    schemas
}

fn judged(condition: &Condition, record: &Record) -> bool {
    let decimal = |scaled| Decimal::from_scaled(scaled).unwrap();
    let fields = [
        record.days.map(|days| ("days", Value::Number(decimal(days)))),
        record.kind.map(|kind| ("kind", Value::Text(kind.to_owned()))),
        record.paid.map(|paid| ("paid", Value::Bool(paid))),
        record.paid_on.map(|day| ("paidOn", Value::Date(day))),
    ];
    let mut sheet = FactSheet::new();
    sheet
        .apply(Change::Put(Fact {
            record: "r".into(),
            version: 1,
            item: "penalty".into(),
            occurred_on: record.on,
            severity: record.severity,
            amount: record.amount.map(decimal),
            fields: fields.into_iter().flatten().map(|(key, value)| (key.to_owned(), value)).collect(),
            order: 1,
            effective_from: None,
            effective_until: None,
        }))
        .unwrap();
    super::tests::first_row_holds(condition, &sheet)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn conditions_of_the_right_types_compile_and_mean_what_they_say(
        tree in any_tree(),
        records in prop::collection::vec(any_record(), 6),
    ) {
        let source = tree.source();
        let schemas = schemas();
        match Condition::compile(&source, &Schema::of(&schemas, ["penalty"])) {
            Ok(condition) => {
                for record in &records {
                    prop_assert_eq!(judged(&condition, record), tree.holds(record), "{} of {:?}", source, record);
                    // What is true of a record is never said to be impossible, nor what is false of it.
                    let question = || Question::of(&schemas, "penalty");
                    let asked = if tree.holds(record) { question().holds(&condition) } else { question().fails(&condition) };
                    prop_assert!(asked.is_possible(), "{} of {:?}", source, record);
                }
            }
            Err(fault) => prop_assert!(source.chars().count() > MAX_LENGTH, "{}: {:?}", source, fault),
        }
    }
}
