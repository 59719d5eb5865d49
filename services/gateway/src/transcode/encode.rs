//! From JSON to wire bytes by the plan. What does not fit is named by its JSON path, every place at once.
use std::borrow::Cow;

use base64::{
    Engine,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use chassis::{fault::Violation, language::Text};

use super::{
    json::Json,
    nearest::nearest,
    plan::{Field, Form, Index, Kind, Message, Plans, Shape},
    wire::{put_bytes, put_sized, put_tag, put_varint, zigzag},
};

// A file of ten thousand wrong rows need not answer with ten thousand lines.
const VIOLATIONS_MAX: usize = 50;

// Padding is optional, as proto3's mapping wants it.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);

/// Encodes a message, or says what is wrong with its JSON.
pub fn encode(plans: &Plans, message: Index, json: &Json<'_>) -> Result<Vec<u8>, Vec<Violation>> {
    let mut encoder = Encoder { plans, path: Vec::new(), violations: Vec::new() };
    let mut out = Vec::new();
    encoder.message(message, json, &mut out);
    if encoder.violations.is_empty() { Ok(out) } else { Err(encoder.violations) }
}

enum Step<'j> {
    Member(&'j str),
    Element(usize),
}

struct Encoder<'p, 'j> {
    plans: &'p Plans,
    path: Vec<Step<'j>>,
    violations: Vec<Violation>,
}

impl<'j> Encoder<'_, 'j> {
    fn refuse(&mut self, text: Text) {
        if self.violations.len() < VIOLATIONS_MAX {
            let field = render(&self.path);
            self.violations.push(Violation::new(field, text.en, text.zh));
        }
    }

    fn expected(&mut self, en: &str, zh: &str, json: &Json<'_>) {
        let got = json.what();
        self.refuse(Text::new(format!("expected {en}, got {}", got.en), format!("应为{zh}，实为{}", got.zh)));
    }

    fn within(&mut self, step: Step<'j>, work: impl FnOnce(&mut Self)) {
        self.path.push(step);
        work(self);
        self.path.pop();
    }

    fn message(&mut self, index: Index, json: &'j Json<'j>, out: &mut Vec<u8>) {
        let plan = self.plans.message(index);
        match (plan.form, json) {
            (Form::Fields, Json::Object(members)) => self.fields(plan, members.iter(), out),
            (Form::Fields, _) => self.expected("an object", "对象", json),
            (Form::Timestamp, Json::Text(text)) => match text.parse::<prost_types::Timestamp>() {
                Ok(at) => put_moment(out, at.seconds, at.nanos),
                Err(_) => self.refuse(Text::new(
                    "expected an RFC 3339 instant, for example 2026-02-13T08:00:00+08:00",
                    "应为 RFC 3339 时刻，例如 2026-02-13T08:00:00+08:00",
                )),
            },
            (Form::Timestamp, _) => {
                self.expected("an RFC 3339 instant in a string", "RFC 3339 时刻字符串", json)
            }
            (Form::Duration, Json::Text(text)) => match text.parse::<prost_types::Duration>() {
                Ok(span) => put_moment(out, span.seconds, span.nanos),
                Err(_) => self.refuse(Text::new(
                    "expected seconds with an s, for example 3.5s",
                    "应为以 s 结尾的秒数，例如 3.5s",
                )),
            },
            (Form::Duration, _) => {
                self.expected("seconds in a string, for example \"3.5s\"", "秒数字符串，例如 \"3.5s\"", json);
            }
            (Form::FieldMask, Json::Text(text)) => {
                for path in text.split(',').map(str::trim).filter(|path| !path.is_empty()) {
                    put_tag(out, 1, 2);
                    put_bytes(out, snake(path).as_bytes());
                }
            }
            (Form::FieldMask, _) => {
                self.expected(
                    "field names separated by commas, in a string",
                    "以逗号分隔的字段名字符串",
                    json,
                );
            }
            (Form::Struct, Json::Object(_)) | (Form::ListValue, Json::List(_)) => {
                self.only_field(plan, json, out);
            }
            (Form::Struct, _) => self.expected("an object", "对象", json),
            (Form::ListValue, _) => self.expected("a list", "数组", json),
            (Form::Value, _) => self.value(plan, json, out),
            (Form::Wrapper, _) => self.only_field(plan, json, out),
            (Form::Any, _) => self.any(json, out),
        }
    }

    fn fields(
        &mut self,
        plan: &Message,
        members: impl Iterator<Item = &'j (Cow<'j, str>, Json<'j>)>,
        out: &mut Vec<u8>,
    ) {
        let mut seen = vec![false; plan.fields.len()];
        let mut oneofs: Vec<usize> = Vec::new();
        for (name, value) in members {
            let Some((place, field)) = plan.field(name) else {
                self.within(Step::Member(name), |own| own.refuse(unknown(plan, name)));
                continue;
            };
            let twice = std::mem::replace(&mut seen[place], true);
            let excluded = field.oneof.filter(|_| !is_absent(self.plans, field, value));
            let excluded = excluded.is_some_and(|oneof| {
                let held = oneofs.contains(&oneof);
                oneofs.push(oneof);
                held
            });
            self.within(Step::Member(name), |own| match (twice, excluded) {
                (true, _) => own.refuse(Text::new("is given twice; give it once", "重复出现；请只保留一处")),
                (_, true) => own.refuse(Text::new(
                    "excludes another field that is given too; give one of them",
                    "与另一个已填写的字段互斥；请只填其一",
                )),
                _ => own.field(field, value, out),
            });
        }
    }

    fn field(&mut self, field: &Field, json: &'j Json<'j>, out: &mut Vec<u8>) {
        // null stands for "not given", except where null is a value.
        if is_absent(self.plans, field, json) {
            return;
        }
        match (field.shape, json) {
            (Shape::Single, _) => {
                put_tag(out, field.number, field.kind.wire_type());
                self.single(field.kind, json, out);
            }
            (Shape::List, Json::List(items)) if field.packed => {
                put_tag(out, field.number, 2);
                put_sized(out, |out| self.items(field, items, false, out));
            }
            (Shape::List, Json::List(items)) => self.items(field, items, true, out),
            (Shape::List, _) => self.expected("a list", "数组", json),
            (Shape::Map, Json::Object(members)) => self.map(field, members, out),
            (Shape::Map, _) => self.expected("an object", "对象", json),
        }
    }

    fn items(&mut self, field: &Field, items: &'j [Json<'j>], tagged: bool, out: &mut Vec<u8>) {
        for (place, item) in items.iter().enumerate() {
            self.path.push(Step::Element(place));
            if tagged {
                put_tag(out, field.number, field.kind.wire_type());
            }
            self.single(field.kind, item, out);
            self.path.pop();
        }
    }

    fn map(&mut self, field: &Field, members: &'j [(Cow<'j, str>, Json<'j>)], out: &mut Vec<u8>) {
        let Kind::Message(entry) = field.kind else { return };
        let [key_field, value_field] = &self.plans.message(entry).fields[..] else { return };
        let mut seen = std::collections::HashSet::with_capacity(members.len());
        for (key, value) in members {
            self.path.push(Step::Member(key));
            if !seen.insert(key.as_ref()) {
                self.refuse(Text::new("is given twice; give it once", "重复出现；请只保留一处"));
            }
            put_tag(out, field.number, 2);
            put_sized(out, |out| {
                put_tag(out, 1, key_field.kind.wire_type());
                self.map_key(key_field.kind, key, out);
                put_tag(out, 2, value_field.kind.wire_type());
                self.single(value_field.kind, value, out);
            });
            self.path.pop();
        }
    }

    fn map_key(&mut self, kind: Kind, key: &str, out: &mut Vec<u8>) {
        let done = match kind {
            Kind::String => {
                put_bytes(out, key.as_bytes());
                true
            }
            Kind::Bool => key.parse().map(|truth: bool| out.push(u8::from(truth))).is_ok(),
            _ => key.parse().ok().and_then(|whole| put_whole(kind, whole, out)).is_some(),
        };
        if !done {
            self.refuse(Text::new("is not a key of this map: expected a number", "不是该映射的键：应为数字"));
        }
    }

    fn single(&mut self, kind: Kind, json: &'j Json<'j>, out: &mut Vec<u8>) {
        match (kind, json) {
            (Kind::Message(index), _) => put_sized(out, |out| self.message(index, json, out)),
            (Kind::Enum(index), _) => self.enumeration(index, json, out),
            (Kind::Bool, Json::Bool(truth)) => out.push(u8::from(*truth)),
            (Kind::Bool, _) => self.expected("true or false", "true 或 false", json),
            (Kind::String, Json::Text(text)) => put_bytes(out, text.as_bytes()),
            (Kind::String, _) => self.expected("a string", "字符串", json),
            (Kind::Bytes, Json::Text(text)) => {
                match BASE64.decode(&**text).or_else(|_| BASE64_URL.decode(&**text)) {
                    Ok(bytes) => put_bytes(out, &bytes),
                    Err(_) => self.refuse(Text::new("is not base64", "不是有效的 base64")),
                }
            }
            (Kind::Bytes, _) => self.expected("base64 in a string", "base64 字符串", json),
            (Kind::Double | Kind::Float, _) => self.real(kind, json, out),
            _ => self.whole(kind, json, out),
        }
    }

    fn enumeration(&mut self, index: Index, json: &Json<'_>, out: &mut Vec<u8>) {
        let plan = self.plans.enumeration(index);
        let number = match json {
            Json::Null if plan.is_null => Some(0),
            Json::Text(name) => plan.number(name),
            Json::Whole(number) => i32::try_from(*number).ok().filter(|&number| plan.name(number).is_some()),
            _ => None,
        };
        match number {
            // Negative numbers take ten bytes: the format extends the sign.
            Some(number) => put_varint(out, i64::from(number) as u64),
            None => {
                let choices = plan.choices().collect::<Vec<_>>().join(", ");
                let near = match json {
                    Json::Text(name) => nearest(name, plan.choices()),
                    _ => None,
                };
                let (near_en, near_zh) = did_you_mean(near);
                self.refuse(Text::new(
                    format!("expected one of {choices}{near_en}"),
                    format!("应为以下之一：{choices}{near_zh}"),
                ));
            }
        }
    }

    fn real(&mut self, kind: Kind, json: &Json<'_>, out: &mut Vec<u8>) {
        let value = match json {
            Json::Whole(whole) => Some(*whole as f64),
            Json::Real(real) => Some(*real),
            Json::Text(text) => match &**text {
                "NaN" => Some(f64::NAN),
                "Infinity" => Some(f64::INFINITY),
                "-Infinity" => Some(f64::NEG_INFINITY),
                // Rust would read "inf" and the like, which are no JSON.
                text => text.parse().ok().filter(|real: &f64| real.is_finite()),
            },
            _ => None,
        };
        match (value, kind) {
            (Some(value), Kind::Double) => out.extend_from_slice(&value.to_le_bytes()),
            (Some(value), _) if !value.is_finite() || value.abs() <= f64::from(f32::MAX) => {
                out.extend_from_slice(&(value as f32).to_le_bytes());
            }
            _ => self.expected("a number", "数字", json),
        }
    }

    fn whole(&mut self, kind: Kind, json: &Json<'_>, out: &mut Vec<u8>) {
        let value = match json {
            Json::Whole(whole) => Some(*whole),
            Json::Text(text) => text.parse().ok(),
            // 1.0 and 1e3 are whole, too; beyond 2^53 a double no longer says which.
            Json::Real(real) if real.fract() == 0.0 && real.abs() <= 9_007_199_254_740_992.0 => {
                Some(*real as i128)
            }
            _ => None,
        };
        if value.and_then(|whole| put_whole(kind, whole, out)).is_none() {
            let (least, most) = bounds(kind);
            let (en, zh) =
                (format!("a whole number from {least} to {most}"), format!("{least}至{most}的整数"));
            self.expected(&en, &zh, json);
        }
    }

    fn only_field(&mut self, plan: &Message, json: &'j Json<'j>, out: &mut Vec<u8>) {
        if let Some(field) = plan.fields.first() {
            self.field(field, json, out);
        }
    }

    fn value(&mut self, plan: &Message, json: &'j Json<'j>, out: &mut Vec<u8>) {
        let name = match json {
            Json::Null => "null_value",
            Json::Bool(_) => "bool_value",
            Json::Whole(_) | Json::Real(_) => "number_value",
            Json::Text(_) => "string_value",
            Json::List(_) => "list_value",
            Json::Object(_) => "struct_value",
        };
        if let Some((_, field)) = plan.field(name) {
            put_tag(out, field.number, field.kind.wire_type());
            self.single(field.kind, json, out);
        }
    }

    fn any(&mut self, json: &'j Json<'j>, out: &mut Vec<u8>) {
        let Json::Object(members) = json else {
            return self.expected("an object with @type", "带 @type 的对象", json);
        };
        let url = members.iter().find_map(|(name, value)| match value {
            Json::Text(text) if name == "@type" => Some(text.as_ref()),
            _ => None,
        });
        let known = url.and_then(|url| Some((url, self.plans.index(url.rsplit('/').next()?)?)));
        let Some((url, index)) = known else {
            return self.refuse(Text::new(
                "needs an \"@type\" that this contract knows",
                "缺少本接口契约已知的“@type”",
            ));
        };
        put_tag(out, 1, 2);
        put_bytes(out, url.as_bytes());
        put_tag(out, 2, 2);
        put_sized(out, |out| {
            let plan = self.plans.message(index);
            if plan.form == Form::Fields {
                self.fields(plan, members.iter().filter(|(name, _)| name != "@type"), out);
            } else if let Some((name, value)) = members.iter().find(|(name, _)| name == "value") {
                self.path.push(Step::Member(name));
                self.message(index, value, out);
                self.path.pop();
            }
        });
    }
}

fn is_absent(plans: &Plans, field: &Field, json: &Json<'_>) -> bool {
    let null_is_a_value = match field.kind {
        Kind::Message(index) => plans.message(index).form == Form::Value,
        Kind::Enum(index) => plans.enumeration(index).is_null,
        _ => false,
    };
    *json == Json::Null && !(null_is_a_value && field.shape == Shape::Single)
}

fn unknown(plan: &Message, name: &str) -> Text {
    let known = || plan.fields.iter().map(|field| field.json.as_str());
    let (near_en, near_zh) = match nearest(name, known()) {
        Some(near) => did_you_mean(Some(near)),
        None => {
            let mut names: Vec<&str> = known().take(12).collect();
            if plan.fields.len() > names.len() {
                names.push("…");
            }
            let names = names.join(", ");
            match plan.fields.len() {
                0 => (String::from("; none is expected here"), String::from("；此处不需要任何字段")),
                _ => (format!("; known here: {names}"), format!("；此处可用：{names}")),
            }
        }
    };
    Text::new(format!("unknown field{near_en}"), format!("未知字段{near_zh}"))
}

fn did_you_mean(near: Option<&str>) -> (String, String) {
    match near {
        Some(near) => (format!("; did you mean {near}?"), format!("；是否应为 {near}？")),
        None => (String::new(), String::new()),
    }
}

fn bounds(kind: Kind) -> (i128, i128) {
    match kind {
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => (i32::MIN.into(), i32::MAX.into()),
        Kind::Uint32 | Kind::Fixed32 => (0, u32::MAX.into()),
        Kind::Uint64 | Kind::Fixed64 => (0, u64::MAX.into()),
        _ => (i64::MIN.into(), i64::MAX.into()),
    }
}

fn put_whole(kind: Kind, whole: i128, out: &mut Vec<u8>) -> Option<()> {
    let (least, most) = bounds(kind);
    if whole < least || whole > most {
        return None;
    }
    let bits = whole as u64;
    match kind {
        Kind::Fixed64 | Kind::Sfixed64 => out.extend_from_slice(&bits.to_le_bytes()),
        Kind::Fixed32 | Kind::Sfixed32 => out.extend_from_slice(&(bits as u32).to_le_bytes()),
        Kind::Sint32 | Kind::Sint64 => put_varint(out, zigzag(whole as i64)),
        _ => put_varint(out, bits),
    }
    Some(())
}

fn put_moment(out: &mut Vec<u8>, seconds: i64, nanos: i32) {
    put_tag(out, 1, 0);
    put_varint(out, seconds as u64);
    put_tag(out, 2, 0);
    put_varint(out, i64::from(nanos) as u64);
}

fn snake(path: &str) -> String {
    let mut out = String::with_capacity(path.len() + 4);
    for letter in path.chars() {
        if letter.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

fn render(path: &[Step<'_>]) -> String {
    let mut out = String::new();
    for step in path {
        match step {
            Step::Element(place) => out.push_str(&format!("[{place}]")),
            Step::Member(name) => {
                if !out.is_empty() {
                    out.push('.');
                }
                // A name of a caller's making may be of any length.
                out.extend(name.chars().take(80));
            }
        }
    }
    out
}
