//! A record's fields as JSON text, which is how the table keeps them, and back.
use std::fmt::Write as _;

use prost_types::{ListValue, Struct, Value, value::Kind};

/// The room for most records' fields.
pub const TYPICAL_BYTES: usize = 256;

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
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text)?;
    Ok(read_object(object))
}

fn read_object(object: serde_json::Map<String, serde_json::Value>) -> Struct {
    Struct { fields: object.into_iter().map(|(key, value)| (key, read_value(value))).collect() }
}

fn read_value(value: serde_json::Value) -> Value {
    use serde_json::Value as Json;
    let kind = match value {
        Json::Null => Kind::NullValue(0),
        Json::Bool(flag) => Kind::BoolValue(flag),
        Json::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Json::String(text) => Kind::StringValue(text),
        Json::Array(values) => {
            Kind::ListValue(ListValue { values: values.into_iter().map(read_value).collect() })
        }
        Json::Object(object) => Kind::StructValue(read_object(object)),
    };
    Value { kind: Some(kind) }
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
