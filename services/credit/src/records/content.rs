//! A record's fields as JSON text, which is how the table keeps them, and back.
use std::fmt::{self, Write as _};

use prost_types::{ListValue, Struct, Value, value::Kind};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};

/// Writes fields as a JSON object, keys in order, so that the same fields are the same text.
pub fn write_json(fields: &Struct, out: &mut String) {
    write_object(fields, out, write_value);
}

/// Writes fields as a JSON object, each value by `write`.
pub fn write_object(fields: &Struct, out: &mut String, mut write: impl FnMut(&Value, &mut String)) {
    out.push('{');
    for (index, (key, value)) in fields.fields.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_text(key, out);
        out.push(':');
        write(value, out);
    }
    out.push('}');
}

/// Writes a value.
pub fn write_value(value: &Value, out: &mut String) {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => out.push_str("null"),
        Some(Kind::BoolValue(flag)) => out.push_str(if *flag { "true" } else { "false" }),
        // What JSON has no number for stands as null; the schema refuses it before.
        Some(Kind::NumberValue(number)) if !number.is_finite() => out.push_str("null"),
        Some(Kind::NumberValue(number)) => {
            let _ = write!(out, "{number}");
        }
        Some(Kind::StringValue(text)) => write_text(text, out),
        Some(Kind::StructValue(fields)) => write_json(fields, out),
        Some(Kind::ListValue(list)) => {
            out.push('[');
            for (index, value) in list.values.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_value(value, out);
            }
            out.push(']');
        }
    }
}

/// Writes a text.
pub fn write_text(text: &str, out: &mut String) {
    // All bytes are looked at, so that many are at once.
    let special = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
    if !text.bytes().fold(false, |found, byte| found | special(byte)) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&serde_json::Value::from(text).to_string());
    }
}

/// Reads fields back.
pub fn read_json(text: &str) -> Result<Struct, serde_json::Error> {
    let Object(fields) = serde_json::from_str(text)?;
    Ok(fields)
}

// Read without a tree of JSON between: a profile reads those of each of its records.
struct Object(Struct);
struct Any(Value);

struct ObjectVisitor;
struct AnyVisitor;

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(ObjectVisitor).map(Self)
    }
}

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let kind = from.deserialize_any(AnyVisitor)?;
        Ok(Self(Value { kind: Some(kind) }))
    }
}

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Struct;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Struct, A::Error> {
        let mut fields = Struct::default();
        while let Some((key, Any(value))) = map.next_entry()? {
            fields.fields.insert(key, value);
        }
        Ok(fields)
    }
}

impl<'de> Visitor<'de> for AnyVisitor {
    type Value = Kind;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::NullValue(0))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Kind, E> {
        Ok(Kind::BoolValue(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Kind, E> {
        Ok(Kind::NumberValue(number as f64))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Kind, E> {
        Ok(Kind::NumberValue(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Kind, E> {
        Ok(Kind::NumberValue(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Kind, E> {
        Ok(Kind::StringValue(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Kind, E> {
        Ok(Kind::StringValue(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Kind, A::Error> {
        let mut values = Vec::new();
        while let Some(Any(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(Kind::ListValue(ListValue { values }))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Kind, A::Error> {
        ObjectVisitor.visit_map(map).map(Kind::StructValue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let text = r#"{"a":"\"引号\"\n","b":[1.5,true,null,[],12345678901],"c":{"d":-3,"e":{}}}"#;
        let fields = read_json(text).unwrap();
        let mut again = String::new();
        write_json(&fields, &mut again);
        assert_eq!(again, text);
        for wrong in ["[]", "1", "", "{\"a\":1", "{} {}"] {
            assert!(read_json(wrong).is_err(), "{wrong}");
        }
    }
}
