//! What an item may say, and what a record's fields must say by it.
use std::collections::BTreeSet;

use chassis::{fault::Violation, validation::is_decimal};
use contract::credit::v1::{self as api, catalogue_item::Nature};
use prost_types::{Struct, Value, value::Kind};

use crate::{
    outcomes::{free_text, refusal, shown},
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
        Some(match given.trim().to_ascii_uppercase().as_str() {
            "" | "STRING" | "TEXT" => Self::String,
            "INTEGER" | "INT" => Self::Integer,
            "DECIMAL" | "NUMBER" | "MONEY" => Self::Decimal,
            "BOOLEAN" | "BOOL" => Self::Boolean,
            "DATE" => Self::Date,
            _ => return None,
        })
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
        Self::parse(&field.r#type).unwrap_or(Self::String)
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
    Ok(item)
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
    Ok(())
}

/// A field whose type a new wording changes: published schemes were checked against the present one.
pub fn retyped<'a>(before: &api::CatalogueItem, after: &'a api::CatalogueItem) -> Option<&'a str> {
    let changed = after.fields.iter().find(|new| {
        before.fields.iter().any(|old| old.key == new.key && FieldType::of(old) != FieldType::of(new))
    });
    changed.map(|field| field.key.as_str())
}

/// Judges a record's fields by the item's schema; what is null or an empty text is taken as absent.
pub fn judge_fields(item: &api::CatalogueItem, given: Option<&Struct>) -> Result<Struct, Violation> {
    let mut judged = Struct::default();
    for (key, value) in given.into_iter().flat_map(|fields| &fields.fields) {
        let Some(field) = item.fields.iter().find(|field| field.key == *key) else {
            return Err(unknown_field(item, key));
        };
        if let Some(value) = judge_value(field, value)? {
            judged.fields.insert(key.clone(), value);
        }
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

fn judge_value(field: &api::CatalogueField, value: &Value) -> Result<Option<Value>, Violation> {
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
    let holds = match (kind, &value.kind) {
        (_, None | Some(Kind::NullValue(_))) => return Ok(None),
        (_, Some(Kind::StringValue(text))) if text.trim().is_empty() => return Ok(None),
        (FieldType::String, Some(Kind::StringValue(text))) => {
            let text = free_text(&path(&field.key), text, 4_000)?;
            return Ok(Some(Value { kind: Some(Kind::StringValue(text)) }));
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
    if holds { Ok(Some(value.clone())) } else { wrong() }
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
        api::CatalogueField { key: key.to_owned(), name: String::new(), r#type: kind.to_owned(), required }
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
            let judged = judge_fields(&item(vec![field("f", kind, true)]), Some(&given));
            assert_eq!(judged.is_ok(), holds, "{kind} {given:?}");
            if let Err(refused) = judged {
                assert_eq!((refused.reason, refused.field.as_str()), ("FIELDS_NONCONFORMING", "fields.f"));
            }
        }
    }

    #[test]
    fn what_is_unknown_or_missing_is_named() {
        let schema = item(vec![field("grade", "", true)]);
        assert_eq!(judge_fields(&schema, None).unwrap_err().field, "fields.grade");
        let empty = Struct { fields: [(String::from("grade"), text(" "))].into() };
        assert_eq!(judge_fields(&schema, Some(&empty)).unwrap_err().field, "fields.grade");
        let stranger = Struct { fields: [(String::from("rank"), text("A"))].into() };
        let refused = judge_fields(&schema, Some(&stranger)).unwrap_err();
        assert_eq!(refused.field, "fields.rank");
        assert!(refused.text.en.contains("grade"), "{}", refused.text.en);
        let personal = Struct { fields: [(String::from("grade"), text("11010519491231002X"))].into() };
        assert_eq!(judge_fields(&schema, Some(&personal)).unwrap_err().reason, "PERSONAL_IDENTITY_NUMBER");
    }
}
