//! The filter language by example: what it takes, what it refuses and where.
use jiff::civil::date;
use proptest::prelude::*;

use super::*;
use crate::{
    facts::{Change, Fact, FactSheet, Value},
    schema::{FieldType, Schemas},
};

fn schemas() -> Schemas {
    let mut schemas = Schemas::new();
    schemas.insert(
        "penalty",
        [
            ("kind", FieldType::Text),
            ("days", FieldType::Number),
            ("appealed", FieldType::Bool),
            ("paidOn", FieldType::Date),
            ("case-number", FieldType::Text),
            ("mixed", FieldType::Text),
            ("amount", FieldType::Text),
        ],
    );
    schemas.insert("licence", [("level", FieldType::Number), ("mixed", FieldType::Number)]);
    schemas
}

fn compile(source: &str) -> Result<Condition, ConditionFault> {
    Condition::compile(source, &Schema::of(&schemas(), ["penalty", "licence"]))
}

fn fact() -> Fact {
    let fields = [
        ("kind", Value::Text("罚款".into())),
        ("days", Value::Number(Decimal::parse("12.5").unwrap())),
        ("appealed", Value::Bool(false)),
        ("paidOn", Value::Date(date(2026, 3, 1))),
        ("case-number", Value::Text("宁'A\n1".into())),
        ("amount", Value::Text("field".into())),
    ];
    Fact {
        record: "r".into(),
        version: 1,
        item: "penalty".into(),
        occurred_on: date(2026, 2, 28),
        severity: 2,
        amount: Some(Decimal::parse("10000.01").unwrap()),
        fields: fields.map(|(key, value)| (key.to_owned(), value)).into(),
        order: 1,
        effective_from: None,
        effective_until: None,
    }
}

fn judge(condition: &Condition, fact: Fact) -> bool {
    let mut sheet = FactSheet::new();
    sheet.apply(Change::Put(fact)).unwrap();
    first_row_holds(condition, &sheet)
}

pub(super) fn first_row_holds(condition: &Condition, sheet: &FactSheet) -> bool {
    let group = sheet.group(0).unwrap();
    let row = group.rows().next().unwrap();
    let holds = condition.holds(&row);
    assert_eq!(holds, condition.judge(&condition.root, &row), "what is judged is the tree: {condition:?}");
    holds
}

fn holds(source: &str) -> bool {
    judge(&compile(source).unwrap_or_else(|fault| panic!("{source}: {fault:?}")), fact())
}

#[test]
fn true_of_the_record() {
    for source in [
        "",
        "  \n ",
        "true",
        "severity >= 2 && amount > 10000.0",
        "severity == 2.0",
        "10000.01 <= amount",
        "severity > -1",
        "kind == '罚款'",
        "kind == \"\\u7f5a款\"",
        "fields[\"case-number\"] == '宁\\'A\\n1'",
        "fields.days == 12.5 && days < 13",
        "fields.amount == 'field'",
        "!appealed",
        "appealed == false",
        "appealed != true",
        "false || !(appealed || severity < 2)",
        // && binds tighter than ||.
        "true || true && false",
        "!appealed && !!has(kind)",
        "occurredOn < '2026-03-01' && '2026-02-28' <= occurredOn",
        "occurredOn < paidOn",
        "paidOn in ['2026-03-01']",
        "severity in [1, 2.0, 3]",
        "kind in ['警告', '罚款']",
        "kind.startsWith('罚') && kind.endsWith('款') && kind.contains('罚款')",
        "has(kind) && has(fields.days) && has(severity) && has(amount)",
        "((severity)) > (1)",
    ] {
        assert!(holds(source), "{source}");
    }
}

#[test]
fn false_of_the_record() {
    for source in [
        "false",
        "severity > 2",
        "amount > 10000.01",
        "kind == '罚'",
        "appealed",
        "occurredOn > '2026-02-28'",
        "(true || true) && false",
        "kind in ['警告']",
        "kind.startsWith('款')",
        "paidOn != '2026-03-01'",
    ] {
        assert!(!holds(source), "{source}");
    }
}

/// The record is a penalty: it has no `level`, which only licences have.
#[test]
fn whatever_compares_an_absent_field_is_false() {
    for source in ["level == 1", "level != 1", "level < 1", "level >= 1", "level in [1]", "has(level)"] {
        assert!(!holds(source), "{source}");
        assert!(holds(&format!("!({source})")), "!({source})");
    }
    let without = Fact { amount: None, fields: Vec::new(), ..fact() };
    for source in
        ["amount > 0", "amount <= 0", "kind.contains('')", "appealed", "paidOn < '2030-01-01'", "has(amount)"]
    {
        assert!(!judge(&compile(source).unwrap(), without.clone()), "{source}");
    }
}

/// A catalogue that changes the type of a field leaves records of the former type: they compare as absent
/// ones do.
#[test]
fn a_value_of_another_type_than_the_schemas_is_false() {
    let changed = Fact { fields: vec![("kind".into(), Value::Number(Decimal::whole(1)))], ..fact() };
    for source in ["kind == '1'", "kind != '1'", "kind in ['1']", "kind.contains('1')"] {
        assert!(!judge(&compile(source).unwrap(), changed.clone()), "{source}");
    }
}

#[test]
fn faults_tell_the_column_and_what_to_do() {
    for (source, column, en, zh) in [
        ("severity >= 'x'", 10, "a number cannot be compared with text", "数字与文本不能比较"),
        ("severity = 2", 10, "write ==", "请写 =="),
        ("severity == 2 & true", 15, "write &&", "请写 &&"),
        ("severity == 2 and true", 15, "expected an operator", "此处应为运算符"),
        ("not appealed", 1, "write !", "请写 !"),
        ("severity ＞ 2", 10, "write >", "请写 >"),
        ("kind == “罚款”", 9, "write \"", "请写 \""),
        ("罚款 == kind", 1, "put text into quotes", "文本请加引号"),
        ("kind == '罚款", 9, "never ends", "没有结束"),
        ("kind == '罚\\x'", 11, "unknown escape", "无法识别的转义"),
        ("kind == '\\u12'", 10, "unknown escape", "无法识别的转义"),
        ("kind == '\\ud800'", 10, "unknown escape", "无法识别的转义"),
        ("amount > 0.00001", 10, "more than four decimal places", "小数超过四位"),
        ("amount > 1e3", 10, "not a decimal number", "不是十进制数"),
        ("amount > 5x", 10, "not a decimal number", "不是十进制数"),
        ("amount > 100000000000000", 10, "too large", "数值过大"),
        ("amuont > 1", 1, "unknown field amuont", "未知字段 amuont"),
        ("fields.nothing == 1", 1, "unknown field nothing", "未知字段 nothing"),
        ("true && mixed == 1", 9, "make an indicator for each", "请分设指标"),
        ("severity", 1, "compare it with something", "请写成比较"),
        ("true && kind", 9, "this is text", "此处为文本"),
        ("!severity", 2, "this is a number", "此处为数字"),
        ("(severity > 1) == true", 1, "a condition, not a value", "条件而不是值"),
        ("severity > (1 < 2)", 12, "a condition, not a value", "条件而不是值"),
        ("1 < severity < 3", 14, "cannot be chained", "不能连写"),
        ("appealed < true", 10, "no order", "没有大小之分"),
        ("occurredOn > '2026-02-30'", 14, "not a date", "不是日期"),
        ("occurredOn > '20260228'", 14, "not a date", "不是日期"),
        ("occurredOn > kind", 12, "a date cannot be compared with text", "日期与文本不能比较"),
        ("severity in [1, '2']", 17, "a number cannot be compared with text", "数字与文本不能比较"),
        ("severity in [days]", 14, "literal values only", "只能写常量"),
        ("severity in 1", 13, "expected [", "此处应为["),
        ("severity in []", 14, "expected a field", "此处应为字段"),
        ("severity in [1", 15, "expected ]", "此处应为]"),
        ("severity.startsWith('2')", 1, "only text can be tested so", "只用于文本"),
        ("kind.startsWith(2)", 17, "only text can be tested so", "只用于文本"),
        ("kind.matches('x')", 6, "expected startsWith", "此处应为startsWith"),
        ("size(kind) > 2", 1, "no function size", "没有函数 size"),
        ("has(1)", 5, "name one", "请写字段名"),
        ("has(level", 10, "expected )", "此处应为)"),
        ("(true", 6, "expected ), found the end", "实为 结尾"),
        ("true)", 5, "expected an operator", "此处应为运算符"),
        ("true &&", 8, "found the end", "实为 结尾"),
        ("&& true", 1, "expected a field", "此处应为字段"),
        ("fields[kind] == 1", 8, "key in quotes", "带引号的字段键"),
        ("severity > 1 # two", 14, "is not part of the language", "不支持符号"),
    ] {
        let fault = compile(source).expect_err(source);
        assert_eq!(fault.column, column, "{source}: {fault:?}");
        assert!(fault.message.en.contains(en), "{source}: {}", fault.message.en);
        assert!(fault.message.zh.contains(zh), "{source}: {}", fault.message.zh);
    }
}

/// The examples of the language's page, the first block of it, are in the language.
#[test]
fn the_documented_examples_compile() {
    let mut schemas = Schemas::new();
    schemas.insert("penalty", [("kind", FieldType::Text), ("grade", FieldType::Text)]);
    let page = include_str!("../../CONDITIONS.md").lines();
    let examples: Vec<_> = page.filter(|line| line.starts_with("    ")).take(3).collect();
    assert!(examples[2].contains("has("), "{examples:?}");
    for example in examples {
        Condition::compile(example, &Schema::of(&schemas, ["penalty"])).expect(example);
    }
}

#[test]
fn limits_hold() {
    let nested = |depth: usize| format!("{}true{}", "(".repeat(depth), ")".repeat(depth));
    assert!(compile(&nested(MAX_DEPTH as usize)).is_ok());
    assert_eq!(compile(&nested(MAX_DEPTH as usize + 1)).unwrap_err().column, MAX_DEPTH + 2);
    assert!(compile(&format!("{}true", "!".repeat(1_900))).is_err());
    assert!(compile(&"kind.contains(".repeat(140)).is_err());

    let long = "true && ".repeat(249) + "true";
    assert!(compile(&long).is_ok(), "length costs no depth");
    assert_eq!(compile(&(long + " && true")).unwrap_err().column, MAX_LENGTH as u32 + 1);

    let list = |count: usize| format!("severity in [{}]", vec!["1"; count].join(","));
    assert!(compile(&list(200)).is_ok());
    assert!(compile(&list(201)).unwrap_err().message.en.contains("more than 200 values"));

    let mut schemas = Schemas::new();
    let keys: Vec<_> = (0..=MAX_FIELDS).map(|key| format!("f{key}")).collect();
    schemas.insert("wide", keys.iter().map(|key| (key, FieldType::Bool)));
    let wide = |count: usize| {
        let source = keys[..count].iter().map(String::as_str).chain(["f0"]).collect::<Vec<_>>().join(" || ");
        Condition::compile(&source, &Schema::of(&schemas, ["wide"]))
    };
    assert!(wide(MAX_FIELDS).is_ok());
    assert!(wide(MAX_FIELDS + 1).unwrap_err().message.en.contains("more than 16 fields"));
}

fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "severity",
        "amount",
        "occurredOn",
        "kind",
        "days",
        "appealed",
        "level",
        "paidOn",
        "fields",
        ".",
        "[",
        "]",
        "(",
        ")",
        "!",
        "==",
        "!=",
        "<",
        ">=",
        "&&",
        "||",
        "in",
        "has",
        "startsWith",
        "contains",
        ",",
        "true",
        "1",
        "-2.5",
        "'罚款'",
        "'2026-01-01'",
        "\"",
        "\\",
    ])
}

proptest! {
    #[test]
    fn any_text_is_compiled_or_refused(source in "\\PC{0,80}") {
        let _ = compile(&source);
    }

    /// Words of the language in any order reach deeper into the parser; what compiles judges without failing,
    /// and a fault points into the text.
    #[test]
    fn any_words_are_compiled_or_refused(words in prop::collection::vec(word(), 0..24)) {
        let source = words.join(" ");
        match compile(&source) {
            Ok(condition) => {
                judge(&condition, fact());
            }
            Err(fault) => prop_assert!(fault.column >= 1 && fault.column as usize <= source.chars().count() + 1),
        }
    }

    /// Comparisons agree with the numbers', whatever they are.
    #[test]
    fn numbers_compare_exactly(severity in any::<i32>(), cents in 0..10_i64.pow(9), limit in -10_i64.pow(9)..10_i64.pow(9)) {
        let amount = Decimal::from_scaled(cents).unwrap();
        let limit = Decimal::from_scaled(limit).unwrap();
        let fact = Fact { severity, amount: Some(amount), ..fact() };
        prop_assert_eq!(judge(&compile(&format!("amount >= {limit}")).unwrap(), fact.clone()), amount >= limit);
        prop_assert_eq!(judge(&compile(&format!("severity < {limit}")).unwrap(), fact), Decimal::whole(severity) < limit);
    }
}
