//! What conditions may rest on: the typed fields of the catalogue's items.
use std::collections::{BTreeMap, BTreeSet};

use contract::credit::v1::{CatalogueField, CatalogueItem, catalogue_item::Nature};
use prost_types::value::Kind;

use crate::{decimal::Decimal, facts::Value, text::Bilingual};

/// The type of a field 数据项类型.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// A whole or decimal number: the two compare with each other exactly.
    Number,
    /// Text.
    Text,
    /// Yes or no.
    Bool,
    /// A date.
    Date,
}

impl FieldType {
    /// The type that a catalogue's item names: STRING, INTEGER, DECIMAL, BOOLEAN or DATE, in either case;
    /// empty is STRING.
    pub fn parse(name: &str) -> Option<Self> {
        match name.to_ascii_uppercase().as_str() {
            "" | "STRING" => Some(Self::Text),
            "INTEGER" | "DECIMAL" => Some(Self::Number),
            "BOOLEAN" => Some(Self::Bool),
            "DATE" => Some(Self::Date),
            _ => None,
        }
    }

    /// Reads a record's value as this type; a number may stand as a decimal string, as money does. None if it
    /// is no such value, or a number that is no [`Decimal`].
    pub fn read(self, value: &prost_types::Value) -> Option<Value> {
        match (self, value.kind.as_ref()?) {
            (Self::Number, Kind::NumberValue(number)) => Decimal::from_f64(*number).ok().map(Value::Number),
            (Self::Number, Kind::StringValue(text)) => Decimal::parse(text).ok().map(Value::Number),
            (Self::Text, Kind::StringValue(text)) => Some(Value::Text(text.clone())),
            (Self::Bool, Kind::BoolValue(flag)) => Some(Value::Bool(*flag)),
            (Self::Date, Kind::StringValue(text)) => text.parse().ok().map(Value::Date),
            _ => None,
        }
    }

    /// What the type is called in messages.
    pub(crate) fn noun(self) -> Bilingual {
        match self {
            Self::Number => Bilingual::new("a number", "数字"),
            Self::Text => Bilingual::new("text", "文本"),
            Self::Bool => Bilingual::new("true or false", "真假值"),
            Self::Date => Bilingual::new("a date", "日期"),
        }
    }
}

/// The items of the catalogue, each with its fields, and which of them need the subject's grant 授权.
#[derive(Clone, Debug, Default)]
pub struct Schemas {
    items: BTreeMap<String, BTreeMap<String, FieldType>>,
    authorized: BTreeSet<String>,
    /// By item and key.
    limits: BTreeMap<(String, String), Limits>,
}

/// What values a field may have, beyond its type.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    /// The words that a text is made of 值域; empty: any.
    pub vocabulary: Vec<String>,
    /// The least number or earliest date, as it is written; empty: any.
    pub minimum: String,
    /// The greatest number or latest date.
    pub maximum: String,
}

impl Schemas {
    /// A catalogue without items.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes an item in, with its fields by key; replaces what was known of it.
    pub fn insert<K: Into<String>>(
        &mut self,
        item: impl Into<String>,
        fields: impl IntoIterator<Item = (K, FieldType)>,
    ) {
        self.items.insert(item.into(), fields.into_iter().map(|(key, kind)| (key.into(), kind)).collect());
    }

    /// Notes what values a field of an item may have: warnings rest on it.
    pub fn limit(&mut self, item: impl Into<String>, key: impl Into<String>, limits: Limits) {
        self.limits.insert((item.into(), key.into()), limits);
    }

    pub(crate) fn limits(&self, item: &str, key: &str) -> Option<&Limits> {
        self.limits.get(&(item.to_owned(), key.to_owned()))
    }

    /// The catalogue as credit gives it, its items of the nature AUTHORIZED under the subject's grant. A field of
    /// a type that is none of ours is left out, and so refused where a condition names it.
    pub fn of_catalogue(items: &[CatalogueItem]) -> Self {
        let mut schemas = Self::new();
        for item in items {
            let typed = |field: &CatalogueField| Some((field.key.clone(), FieldType::parse(&field.r#type)?));
            schemas.insert(item.item.as_str(), item.fields.iter().filter_map(typed));
            for field in &item.fields {
                let (vocabulary, minimum, maximum) =
                    (field.vocabulary.clone(), field.minimum.clone(), field.maximum.clone());
                schemas.limit(&item.item, &field.key, Limits { vocabulary, minimum, maximum });
            }
            if item.nature() == Nature::Authorized {
                schemas.need_grant(item.item.as_str());
            }
        }
        schemas
    }

    /// The fields of an item; none if the item is not in the catalogue.
    pub fn item(&self, item: &str) -> Option<&BTreeMap<String, FieldType>> {
        self.items.get(item)
    }

    /// Notes that the records of an item count for a department only under the subject's grant to it.
    pub fn need_grant(&mut self, item: impl Into<String>) {
        self.authorized.insert(item.into());
    }

    /// Whether the records of an item need the subject's grant.
    pub fn needs_grant(&self, item: &str) -> bool {
        self.authorized.contains(item)
    }
}

/// What a condition over some items may name: the fields of all of them.
pub(crate) struct Schema<'a>(BTreeMap<&'a str, Vec<(&'a str, FieldType)>>);

impl<'a> Schema<'a> {
    /// The union over the items; unknown ones are told elsewhere.
    pub(crate) fn of(schemas: &'a Schemas, items: impl IntoIterator<Item = &'a str>) -> Self {
        let mut fields = BTreeMap::<&str, Vec<(&str, FieldType)>>::new();
        for item in items {
            for (key, kind) in schemas.item(item).into_iter().flatten() {
                fields.entry(key).or_default().push((item, *kind));
            }
        }
        Self(fields)
    }

    /// Under which items, and with which types, the key stands.
    pub(crate) fn field(&self, key: &str) -> &[(&'a str, FieldType)] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }

    /// The keys that there are, for a message: at most twelve.
    pub(crate) fn keys(&self) -> String {
        let keys: Vec<_> = self.0.keys().copied().take(12).collect();
        let more = if self.0.len() > keys.len() { ", …" } else { "" };
        keys.join(", ") + more
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn types_by_the_catalogues_names() {
        for (name, kind) in [
            ("", Some(FieldType::Text)),
            ("string", Some(FieldType::Text)),
            ("INTEGER", Some(FieldType::Number)),
            ("Decimal", Some(FieldType::Number)),
            ("BOOLEAN", Some(FieldType::Bool)),
            ("date", Some(FieldType::Date)),
            ("MONEY", None),
            (" STRING", None),
        ] {
            assert_eq!(FieldType::parse(name), kind, "{name:?}");
        }
    }

    #[test]
    fn a_catalogues_natures_and_types_are_taken_over() {
        let field = |key: &str, kind: &str| CatalogueField {
            key: key.to_owned(),
            r#type: kind.to_owned(),
            ..CatalogueField::default()
        };
        let item = |item: &str, nature: Nature, fields: Vec<CatalogueField>| CatalogueItem {
            item: item.to_owned(),
            nature: nature as i32,
            fields,
            ..CatalogueItem::default()
        };
        let schemas = Schemas::of_catalogue(&[
            item("water", Nature::Authorized, vec![field("months", "INTEGER"), field("odd", "MONEY")]),
            item("penalty", Nature::Public, Vec::new()),
            item("tax", Nature::Shared, Vec::new()),
        ]);
        let fields: Vec<_> = schemas.item("water").unwrap().iter().collect();
        assert_eq!(fields, [(&"months".to_owned(), &FieldType::Number)]);
        let needs = ["water", "penalty", "tax", "unknown"].map(|item| schemas.needs_grant(item));
        assert_eq!(needs, [true, false, false, false]);
    }

    #[test]
    fn reads_what_is_of_the_type_and_nothing_else() {
        let number = |number: f64| Kind::NumberValue(number);
        let text = |text: &str| Kind::StringValue(text.to_owned());
        let decimal = |text| Some(Value::Number(Decimal::parse(text).unwrap()));
        for (kind, given, read) in [
            (FieldType::Number, number(2.5), decimal("2.5")),
            (FieldType::Number, text("12000.50"), decimal("12000.5")),
            (FieldType::Number, text("many"), None),
            (FieldType::Number, number(f64::NAN), None),
            (FieldType::Number, number(0.12345), None),
            (FieldType::Number, Kind::BoolValue(true), None),
            (FieldType::Text, text("A"), Some(Value::Text("A".into()))),
            (FieldType::Text, number(1.0), None),
            (FieldType::Bool, Kind::BoolValue(false), Some(Value::Bool(false))),
            (FieldType::Bool, text("false"), None),
            (FieldType::Date, text("2026-02-28"), Some(Value::Date(date(2026, 2, 28)))),
            (FieldType::Date, text("2026-02-30"), None),
            (FieldType::Date, Kind::NullValue(0), None),
        ] {
            assert_eq!(
                kind.read(&prost_types::Value { kind: Some(given.clone()) }),
                read,
                "{kind:?} {given:?}"
            );
        }
        assert_eq!(FieldType::Text.read(&prost_types::Value::default()), None);
    }
}
