//! What an item may say, and what a record's fields must say by it.
use std::collections::BTreeSet;

use chassis::{fault::Violation, validation::is_decimal};
use contract::credit::v1::{self as api, catalogue_item::Nature};
use prost_types::{Struct, Value, value::Kind};

use crate::{
    outcomes::{clean_text, free_text, refusal, shown},
    subjects::day,
};

/// The type of a field 数据项类型.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// An exact decimal number.
    Decimal,
    /// Yes or no.
    Boolean,
    /// A date.
    Date,
}

impl FieldType {
    /// Reads a type in either case; catalogues of other systems call some of them otherwise.
    pub fn parse(given: &str) -> Option<Self> {
        let names: [(&[&str], Self); 5] = [
            (&["", "STRING", "TEXT"], Self::String),
            (&["INTEGER", "INT"], Self::Integer),
            (&["DECIMAL", "NUMBER", "MONEY"], Self::Decimal),
            (&["BOOLEAN", "BOOL"], Self::Boolean),
            (&["DATE"], Self::Date),
        ];
        let given = given.trim();
        let found =
            names.into_iter().find(|(names, _)| names.iter().any(|name| name.eq_ignore_ascii_case(given)));
        found.map(|(_, kind)| kind)
    }

    /// The contract's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "STRING",
            Self::Integer => "INTEGER",
            Self::Decimal => "DECIMAL",
            Self::Boolean => "BOOLEAN",
            Self::Date => "DATE",
        }
    }

    /// The type of a field that was judged when its item was put.
    pub fn of(field: &api::CatalogueField) -> Self {
        let kinds = [Self::String, Self::Integer, Self::Decimal, Self::Boolean, Self::Date];
        kinds.into_iter().find(|kind| kind.as_str() == field.r#type).unwrap_or(Self::String)
    }
}

/// Judges an item. Its types are put into the contract's names; a name that is one already keeps its case.
pub fn judge(mut item: api::CatalogueItem) -> Result<api::CatalogueItem, Violation> {
    item.name = free_text("catalogueItem.name", &item.name, 200)?;
    item.category = free_text("catalogueItem.category", &item.category, 100)?;
    item.legal_basis = free_text("catalogueItem.legalBasis", &item.legal_basis, 1_000)?;
    if item.nature() == Nature::Unspecified {
        return Err(Violation::new(
            "catalogueItem.nature",
            "is required: PUBLIC, SHARED or AUTHORIZED",
            "为必填项：PUBLIC（社会公开）、SHARED（政务共享）或 AUTHORIZED（授权查询）",
        ));
    }
    for department in &mut item.departments {
        *department = free_text("catalogueItem.departments", department, 100)?;
    }
    item.departments.retain(|department| !department.is_empty());
    let mut keys = BTreeSet::new();
    for (index, field) in item.fields.iter_mut().enumerate() {
        judge_field(index, field)?;
        if !keys.insert(field.key.clone()) {
            return Err(Violation::new(
                format!("catalogueItem.fields[{index}].key"),
                format!("\"{}\" stands there twice; give each field its own key", field.key),
                format!("“{}”重复；每个数据项应有各自的键", field.key),
            ));
        }
    }
    judge_days("catalogueItem.effectiveTo", &item.effective_from, &item.effective_to)?;
    for (index, rule) in item.publication_rules.iter_mut().enumerate() {
        judge_rule(index, rule)?;
    }
    for (index, class) in item.severity_classes.iter_mut().enumerate() {
        let path = |part: &str| format!("catalogueItem.severityClasses[{index}].{part}");
        class.name = free_text(&path("name"), &class.name, 100)?;
        class.basis = free_text(&path("basis"), &class.basis, 1_000)?;
        judge_days(&path("effectiveTo"), &class.effective_from, &class.effective_to)?;
    }
    if !item
        .severity_classes
        .is_sorted_by(|a, b| (a.severity, &a.effective_from) < (b.severity, &b.effective_from))
    {
        return Err(Violation::new(
            "catalogueItem.severityClasses",
            "must stand by growing severity, those of one severity by their days",
            "须按严重程度由轻到重排列，同一等级按生效日期排列",
        ));
    }
    Ok(item)
}

/// The class of a severity that an item's records may have on a day; none where the item knows none of it.
pub fn severity_class<'a>(
    item: &'a api::CatalogueItem,
    severity: i32,
    day: &str,
) -> Option<&'a api::ItemSeverity> {
    classes(item, day).find(|class| class.severity == severity)
}

fn classes<'a>(item: &'a api::CatalogueItem, day: &str) -> impl Iterator<Item = &'a api::ItemSeverity> {
    item.severity_classes.iter().filter(move |class| {
        class.effective_from.as_str() <= day
            && (class.effective_to.is_empty() || day <= class.effective_to.as_str())
    })
}

/// Refuses a severity that is none of the item's classes 失信行为等级 on a day, and names those that are; 0, not told, is none and passes.
pub fn judge_severity(item: &api::CatalogueItem, severity: i32, day: &str) -> Result<(), Violation> {
    if severity == 0 || item.severity_classes.is_empty() || severity_class(item, severity, day).is_some() {
        return Ok(());
    }
    let named: Vec<String> =
        classes(item, day).map(|class| format!("{} {}", class.severity, class.name)).collect();
    Err(refusal(
        api::ErrorReason::SeverityUnknown,
        "severity",
        format!(
            "{severity} is no class of item \"{}\"; give {}, or 0 where it is not known",
            item.item,
            named.join(", ")
        ),
        format!("{severity}不是事项“{}”的严重程度等级；可填：{}，未定级的填0", item.name, named.join("、")),
    ))
}

// Dates of this form compare as text; each was judged by the contract's own rule.
fn judge_days(field: &str, from: &str, to: &str) -> Result<(), Violation> {
    if to.is_empty() || from <= to {
        return Ok(());
    }
    Err(Violation::new(
        field,
        format!("\"{to}\" is before effectiveFrom, {from}"),
        format!("“{to}”早于生效日期{from}"),
    ))
}

fn judge_rule(index: usize, rule: &mut api::PublicationRule) -> Result<(), Violation> {
    let path = |part: &str| format!("catalogueItem.publicationRules[{index}].{part}");
    rule.basis = free_text(&path("basis"), &rule.basis, 1_000)?;
    judge_days(&path("effectiveTo"), &rule.effective_from, &rule.effective_to)?;
    if !rule.classes.is_sorted_by(|a, b| a.severity < b.severity) {
        return Err(Violation::new(
            path("classes"),
            "must have growing severities, the least class first",
            "各等级的严重程度须逐级递增，由轻到重排列",
        ));
    }
    for class in &mut rule.classes {
        class.name = free_text(&path("classes.name"), &class.name, 100)?;
        if class.maximum_months > 0 && class.minimum_months > class.maximum_months {
            return Err(Violation::new(
                path("classes.minimumMonths"),
                format!("{} is above maximumMonths, {}", class.minimum_months, class.maximum_months),
                format!("最短公示期{}个月长于最长公示期{}个月", class.minimum_months, class.maximum_months),
            ));
        }
    }
    Ok(())
}

fn judge_field(index: usize, field: &mut api::CatalogueField) -> Result<(), Violation> {
    let path = |part: &str| format!("catalogueItem.fields[{index}].{part}");
    field.name = free_text(&path("name"), &field.name, 200)?;
    // The form of an identifier of the condition language, in which schemes name the field.
    let begins = field.key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !begins || !field.key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err(Violation::new(
            path("key"),
            "must be letters, digits and underscores and begin with a letter, for example documentNumber",
            "只能由字母、数字和下划线组成，并以字母开头，例如 documentNumber",
        ));
    }
    let Some(kind) = FieldType::parse(&field.r#type) else {
        let shown = shown(&field.r#type);
        return Err(Violation::new(
            path("type"),
            format!("\"{shown}\" is no type; give STRING, INTEGER, DECIMAL, BOOLEAN or DATE"),
            format!("“{shown}”不是数据项类型；请填写 STRING、INTEGER、DECIMAL、BOOLEAN 或 DATE"),
        ));
    };
    if !field.r#type.eq_ignore_ascii_case(kind.as_str()) {
        kind.as_str().clone_into(&mut field.r#type);
    }
    if kind != FieldType::String && !field.vocabulary.is_empty() {
        return Err(Violation::new(
            path("vocabulary"),
            "is for texts; bound numbers and dates by minimum and maximum",
            "仅适用于文本；数字和日期请用 minimum、maximum 限定",
        ));
    }
    for word in &mut field.vocabulary {
        *word = free_text(&path("vocabulary"), word, 200)?;
    }
    for (name, bound) in [("minimum", &mut field.minimum), ("maximum", &mut field.maximum)] {
        *bound = bound.trim().to_owned();
        let holds = match kind {
            FieldType::Integer | FieldType::Decimal => is_decimal(bound),
            FieldType::Date => day(name, bound).is_ok(),
            FieldType::String | FieldType::Boolean => false,
        };
        if !bound.is_empty() && !holds {
            return Err(Violation::new(
                path(name),
                format!("must be a value of type {}, which must be a number or a date", kind.as_str()),
                format!("应为{}类型的值，且该类型应为数字或日期", kind.as_str()),
            ));
        }
    }
    Ok(())
}

/// Whether records of the item are taken in on a day.
pub fn in_force(item: &api::CatalogueItem, day: &str) -> Result<(), Violation> {
    let (from, to) = (item.effective_from.as_str(), item.effective_to.as_str());
    if from <= day && (to.is_empty() || day <= to) {
        return Ok(());
    }
    let until = if to.is_empty() { "…" } else { to };
    Err(refusal(
        api::ErrorReason::ItemNotInForce,
        "item",
        format!("records of item \"{}\" are taken in from {from} to {until} only", item.item),
        format!("事项“{}”仅在{from}至{until}期间归集", item.name),
    ))
}

/// A field whose type a new wording changes: published schemes were checked against the present one.
pub fn retyped<'a>(before: &api::CatalogueItem, after: &'a api::CatalogueItem) -> Option<&'a str> {
    let changed = after.fields.iter().find(|new| {
        before.fields.iter().any(|old| old.key == new.key && FieldType::of(old) != FieldType::of(new))
    });
    changed.map(|field| field.key.as_str())
}

/// Judges a record's fields by the item's schema; what is null or an empty text is taken as absent.
pub fn judge_fields(item: &api::CatalogueItem, given: Option<Struct>) -> Result<Struct, Violation> {
    let mut judged = given.unwrap_or_default();
    let mut wrong = None;
    judged.fields.retain(|key, value| {
        if wrong.is_some() {
            return false;
        }
        let field = item.fields.iter().find(|field| field.key == *key);
        match field.map_or_else(|| Err(unknown_field(item, key)), |field| judge_value(field, value)) {
            Ok(is_given) => is_given,
            Err(violation) => {
                wrong = Some(violation);
                false
            }
        }
    });
    if let Some(violation) = wrong {
        return Err(violation);
    }
    match item.fields.iter().find(|field| field.required && !judged.fields.contains_key(&field.key)) {
        None => Ok(judged),
        Some(missing) => {
            let name = if missing.name.is_empty() { &missing.key } else { &missing.name };
            Err(nonconforming(
                &missing.key,
                format!("is required by item \"{}\" ({name})", item.item),
                format!("为事项“{}”的必填数据项（{name}）", item.name),
            ))
        }
    }
}

// Whether a value is one, which a text is without the blanks around it.
fn judge_value(field: &api::CatalogueField, value: &mut Value) -> Result<bool, Violation> {
    let kind = FieldType::of(field);
    let wrong = || {
        let (en, zh) = match kind {
            FieldType::String => ("must be a text", "应为文本"),
            FieldType::Integer => ("must be a whole number", "应为整数"),
            FieldType::Decimal => (
                "must be a number, or a decimal string with at most four decimal places",
                "应为数字，或小数至多四位的数字字符串",
            ),
            FieldType::Boolean => ("must be true or false", "应为 true 或 false"),
            FieldType::Date => ("must be a date, written as 2026-02-13", "应为日期，写作 2026-02-13"),
        };
        Err(nonconforming(&field.key, en, zh))
    };
    let holds = match (kind, &mut value.kind) {
        (_, None | Some(Kind::NullValue(_))) => return Ok(false),
        (_, Some(Kind::StringValue(text))) if text.trim().is_empty() => return Ok(false),
        (FieldType::String, Some(Kind::StringValue(text))) => {
            let trimmed = clean_text(text, 4_000).map_err(|fault| fault.at(&path(&field.key)))?;
            in_vocabulary(field, trimmed)?;
            if trimmed.len() < text.len() {
                *text = trimmed.to_owned();
            }
            return Ok(true);
        }
        (FieldType::Integer, Some(Kind::NumberValue(number))) => {
            is_decimal(&number.to_string()) && number.fract() == 0.0
        }
        (FieldType::Decimal, Some(Kind::NumberValue(number))) => is_decimal(&number.to_string()),
        (FieldType::Integer, Some(Kind::StringValue(text))) => is_decimal(text) && !text.contains('.'),
        (FieldType::Decimal, Some(Kind::StringValue(text))) => is_decimal(text),
        (FieldType::Boolean, Some(Kind::BoolValue(_))) => true,
        (FieldType::Date, Some(Kind::StringValue(text))) => day(&field.key, text).is_ok(),
        _ => false,
    };
    if !holds {
        return wrong();
    }
    in_range(field, kind, value)?;
    Ok(true)
}

fn in_vocabulary(field: &api::CatalogueField, text: &str) -> Result<(), Violation> {
    let known = |word: &str| {
        let word = word.trim();
        let noted = word.split_once(['-', '－', '—']).map_or(word, |(word, _)| word.trim_end());
        field.vocabulary.iter().any(|allowed| allowed == word || allowed == noted)
    };
    if field.vocabulary.is_empty() || known(text) {
        return Ok(());
    }
    let strange =
        text.split([';', '；', ',', '，', '、']).find(|word| !word.trim().is_empty() && !known(word));
    match strange {
        None => Ok(()),
        Some(strange) => {
            let strange = shown(strange.trim());
            Err(nonconforming(
                &field.key,
                format!("\"{strange}\" is none of its values; give {}", field.vocabulary.join(", ")),
                format!("“{strange}”不在值域内；可填：{}", field.vocabulary.join("、")),
            ))
        }
    }
}

fn in_range(field: &api::CatalogueField, kind: FieldType, value: &Value) -> Result<(), Violation> {
    let (least, most) = (&field.minimum, &field.maximum);
    if least.is_empty() && most.is_empty() {
        return Ok(());
    }
    let text = match &value.kind {
        Some(Kind::StringValue(text)) => text.trim().to_owned(),
        Some(Kind::NumberValue(number)) => number.to_string(),
        _ => return Ok(()),
    };
    // Dates of this form compare as text; decimals of our form have at most four places and are compared exactly.
    let below = |a: &str, b: &str| match (kind, scoring::Decimal::parse(a), scoring::Decimal::parse(b)) {
        (FieldType::Date, _, _) => a < b,
        (_, Ok(a), Ok(b)) => a < b,
        _ => false,
    };
    if (!least.is_empty() && below(&text, least)) || (!most.is_empty() && below(most, &text)) {
        let bound = |bound: &str| if bound.is_empty() { String::from("…") } else { bound.to_owned() };
        let (least, most) = (bound(least), bound(most));
        return Err(nonconforming(
            &field.key,
            format!("must lie between {least} and {most}"),
            format!("应在{least}至{most}之间"),
        ));
    }
    Ok(())
}

fn unknown_field(item: &api::CatalogueItem, key: &str) -> Violation {
    let known: Vec<&str> = item.fields.iter().map(|field| field.key.as_str()).collect();
    let (en, zh) = match known.as_slice() {
        [] => (String::from("it has none"), String::from("该事项没有数据项")),
        known => (format!("it has {}", known.join(", ")), format!("现有：{}", known.join("、"))),
    };
    let key = shown(key);
    nonconforming(
        &key,
        format!("is no field of item \"{}\"; {en}", item.item),
        format!("不是事项“{}”的数据项；{zh}", item.name),
    )
}

fn nonconforming(key: &str, en: impl Into<String>, zh: impl Into<String>) -> Violation {
    refusal(api::ErrorReason::FieldsNonconforming, &path(key), en, zh)
}

fn path(key: &str) -> String {
    format!("fields.{key}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(key: &str, kind: &str, required: bool) -> api::CatalogueField {
        let (key, kind) = (key.to_owned(), kind.to_owned());
        api::CatalogueField { key, r#type: kind, required, ..Default::default() }
    }

    fn item(fields: Vec<api::CatalogueField>) -> api::CatalogueItem {
        api::CatalogueItem {
            item: String::from("test-item"),
            name: String::from("测试事项"),
            nature: Nature::Public.into(),
            legal_basis: String::from("测试依据"),
            fields,
            ..Default::default()
        }
    }

    fn value(kind: Kind) -> Value {
        Value { kind: Some(kind) }
    }

    fn text(text: &str) -> Value {
        value(Kind::StringValue(text.to_owned()))
    }

    #[test]
    fn types_are_read_in_either_case() {
        let judged = judge(item(vec![field("a", "string", false), field("b", "number", false)])).unwrap();
        assert_eq!(judged.fields[0].r#type, "string");
        assert_eq!(judged.fields[1].r#type, "DECIMAL");
    }

    #[test]
    fn a_wrong_item_is_told_where() {
        for (fields, at) in [
            (vec![field("a", "blob", false)], "catalogueItem.fields[0].type"),
            (vec![field("a b", "", false)], "catalogueItem.fields[0].key"),
            (vec![field("a", "", false), field("a", "DATE", false)], "catalogueItem.fields[1].key"),
        ] {
            assert_eq!(judge(item(fields)).unwrap_err().field, at);
        }
        let natureless = api::CatalogueItem { nature: 0, ..item(Vec::new()) };
        assert_eq!(judge(natureless).unwrap_err().field, "catalogueItem.nature");
    }

    #[test]
    fn a_changed_type_is_found() {
        let before = item(vec![field("a", "STRING", false), field("b", "DATE", false)]);
        assert_eq!(retyped(&before, &item(vec![field("a", "text", true), field("c", "DATE", false)])), None);
        assert_eq!(retyped(&before, &item(vec![field("b", "STRING", false)])), Some("b"));
    }

    #[test]
    fn values_are_judged_by_their_types() {
        for (kind, given, holds) in [
            ("STRING", text("文"), true),
            ("STRING", value(Kind::NumberValue(1.0)), false),
            ("INTEGER", value(Kind::NumberValue(-3.0)), true),
            ("INTEGER", value(Kind::NumberValue(3.5)), false),
            ("INTEGER", text("12"), true),
            ("INTEGER", text("12.0"), false),
            ("DECIMAL", value(Kind::NumberValue(0.1)), true),
            ("DECIMAL", value(Kind::NumberValue(0.1 + 0.2)), false),
            ("DECIMAL", value(Kind::NumberValue(f64::NAN)), false),
            ("DECIMAL", text("10000.01"), true),
            ("DECIMAL", text("1e3"), false),
            ("BOOLEAN", value(Kind::BoolValue(false)), true),
            ("BOOLEAN", text("是"), false),
            ("DATE", text("2024-02-29"), true),
            ("DATE", text("2023-02-29"), false),
        ] {
            let given = Struct { fields: [(String::from("f"), given)].into() };
            let judged = judge_fields(&item(vec![field("f", kind, true)]), Some(given.clone()));
            assert_eq!(judged.is_ok(), holds, "{kind} {given:?}");
            if let Err(refused) = judged {
                assert_eq!((refused.reason, refused.field.as_str()), ("FIELDS_NONCONFORMING", "fields.f"));
            }
        }
    }

    #[test]
    fn words_and_bounds_are_kept() {
        let one = |field: api::CatalogueField, given: Value| {
            let given = Struct { fields: [(String::from("f"), given)].into() };
            judge_fields(&item(vec![field]), Some(given)).is_ok()
        };
        let words = api::CatalogueField {
            vocabulary: ["罚款", "警告", "没收违法所得、没收非法财物", "其他"].map(String::from).into(),
            ..field("f", "", false)
        };
        for (given, holds) in [
            ("罚款", true),
            ("警告;罚款", true),
            ("警告； 罚款", true),
            ("没收违法所得、没收非法财物", true),
            ("其他-责令改正", true),
            ("罚款;责令改正", false),
            ("2026-01-15", false),
        ] {
            assert_eq!(one(words.clone(), text(given)), holds, "{given}");
        }
        let bounded = |kind: &str, least: &str, most: &str| api::CatalogueField {
            minimum: least.to_owned(),
            maximum: most.to_owned(),
            ..field("f", kind, false)
        };
        for (field, given, holds) in [
            (bounded("DECIMAL", "0", ""), text("-0.0001"), false),
            (bounded("DECIMAL", "0", "100"), text("100.0000"), true),
            (bounded("DECIMAL", "0", "100"), value(Kind::NumberValue(100.5)), false),
            (bounded("INTEGER", "9", ""), text("10"), true),
            (bounded("DATE", "2020-01-01", ""), text("2019-12-31"), false),
        ] {
            assert_eq!(one(field, given.clone()), holds, "{given:?}");
        }
        assert!(judge(item(vec![bounded("STRING", "1", "")])).is_err());
        assert!(judge(item(vec![bounded("DATE", "1", "")])).is_err());
    }

    #[test]
    fn rules_of_publication_are_judged() {
        let class = |severity, minimum_months, maximum_months| api::SeverityClass {
            severity,
            minimum_months,
            maximum_months,
            ..Default::default()
        };
        let with = |classes: Vec<api::SeverityClass>, to: &str| {
            let rule = api::PublicationRule {
                basis: String::from("测试规定"),
                effective_from: String::from("2026-04-01"),
                effective_to: to.to_owned(),
                classes,
                ..Default::default()
            };
            judge(api::CatalogueItem { publication_rules: vec![rule], ..item(Vec::new()) })
        };
        assert!(with(vec![class(1, 0, 3), class(2, 3, 12)], "").is_ok());
        for (classes, to, at) in [
            (vec![class(2, 0, 3), class(2, 3, 12)], "", "classes"),
            (vec![class(1, 4, 3)], "", "classes.minimumMonths"),
            (vec![class(1, 0, 3)], "2026-03-31", "effectiveTo"),
        ] {
            let refused = with(classes, to).unwrap_err();
            assert_eq!(refused.field, format!("catalogueItem.publicationRules[0].{at}"));
        }
    }

    #[test]
    fn an_item_is_taken_on_its_days_only() {
        let dated = api::CatalogueItem {
            effective_from: String::from("2026-04-01"),
            effective_to: String::from("2026-12-31"),
            ..item(Vec::new())
        };
        for (day, holds) in
            [("2026-03-31", false), ("2026-04-01", true), ("2026-12-31", true), ("2027-01-01", false)]
        {
            assert_eq!(in_force(&dated, day).is_ok(), holds, "{day}");
        }
        assert!(in_force(&item(Vec::new()), "2026-01-01").is_ok());
    }

    #[test]
    fn what_is_unknown_or_missing_is_named() {
        let schema = item(vec![field("grade", "", true)]);
        assert_eq!(judge_fields(&schema, None).unwrap_err().field, "fields.grade");
        let empty = Struct { fields: [(String::from("grade"), text(" "))].into() };
        assert_eq!(judge_fields(&schema, Some(empty)).unwrap_err().field, "fields.grade");
        let stranger = Struct { fields: [(String::from("rank"), text("A"))].into() };
        let refused = judge_fields(&schema, Some(stranger)).unwrap_err();
        assert_eq!(refused.field, "fields.rank");
        assert!(refused.text.en.contains("grade"), "{}", refused.text.en);
        let personal = Struct { fields: [(String::from("grade"), text("11010519491231002X"))].into() };
        assert_eq!(judge_fields(&schema, Some(personal)).unwrap_err().reason, "PERSONAL_IDENTITY_NUMBER");
    }
}
