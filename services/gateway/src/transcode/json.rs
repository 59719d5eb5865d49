//! JSON as it came: borrowed where it can be, members in their order, so that a doubled key is seen.
use std::{borrow::Cow, fmt};

use chassis::language::Text;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json<'a> {
    /// null.
    Null,
    /// true or false.
    Bool(bool),
    /// A number without a fraction or exponent.
    Whole(i128),
    /// Any other number.
    Real(f64),
    /// A string.
    Text(Cow<'a, str>),
    /// A list.
    List(Vec<Json<'a>>),
    /// An object.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

impl<'a> Json<'a> {
    /// Parses a text; the error is serde_json's, with line and column.
    pub fn parse(text: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(text)
    }

    /// A string.
    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Json::Text(text.into())
    }

    /// What it is, for a message; never its content, which may be a natural person's.
    pub fn what(&self) -> Text {
        match self {
            Json::Null => Text::new("null", "null"),
            Json::Bool(_) => Text::new("true or false", "布尔值"),
            Json::Whole(_) | Json::Real(_) => Text::new("a number", "数字"),
            Json::Text(_) => Text::new("a string", "字符串"),
            Json::List(_) => Text::new("a list", "数组"),
            Json::Object(_) => Text::new("an object", "对象"),
        }
    }

    /// Whether a value given again, as text, says the same.
    pub fn says(&self, text: &str) -> bool {
        match self {
            Json::Text(own) => own == text,
            Json::Bool(own) => own.to_string() == text,
            Json::Whole(own) => own.to_string() == text,
            Json::Real(own) => text.parse() == Ok(*own),
            Json::Null | Json::List(_) | Json::Object(_) => false,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Json<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Build)
    }
}

struct Build;

impl<'de> Visitor<'de> for Build {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json<'de>, E> {
        Ok(Json::Whole(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json<'de>, E> {
        Ok(Json::Whole(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json<'de>, E> {
        Ok(Json::Real(value))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json<'de>, A::Error> {
        let mut object = Vec::new();
        while let Some((Key(key), value)) = members.next_entry()? {
            object.push((key, value));
        }
        Ok(Json::Object(object))
    }
}

// A plain `Cow` would copy every key.
struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_str(Build)? {
            Json::Text(text) => Ok(Key(text)),
            _ => Err(serde::de::Error::custom("a key is not a string")),
        }
    }
}
