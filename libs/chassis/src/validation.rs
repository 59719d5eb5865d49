//! The field rules of the contract, judged on the wire bytes by a plan compiled once from the descriptors.
use std::{collections::HashMap, sync::LazyLock};

use contract::{Encoded, r#type::v1::ErrorReason as Common};
use jiff::civil::Date;
use prost::{
    Message, Name,
    encoding::{WireType, decode_key, decode_varint},
};
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};

use crate::fault::{Answer, Fault, Violation};

/// The contract's descriptors.
pub static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(contract::DESCRIPTOR_SET).unwrap_or_else(|_| DescriptorPool::new())
});

static PLANS: LazyLock<Plans> = LazyLock::new(|| plans(&POOL));

/// The plans of all messages, each at its place.
struct Plans {
    places: HashMap<String, usize>,
    plans: Vec<Plan>,
}

// A flood of violations helps nobody.
const REPORTED_MOST: usize = 50;

#[derive(Default)]
struct Plan {
    fields: Vec<Field>,
    // Whether anything in it or below has a rule: most answers and some requests have none.
    judged: bool,
}

struct Field {
    number: u32,
    json_name: String,
    rule: Rule,
    shape: Shape,
    repeated: bool,
    // The place of the plan of what is in it.
    inner: Option<usize>,
}

#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Text,
    Bytes,
    Message,
    Varint,
    Double,
    Other,
}

#[derive(Clone, Default)]
struct Rule {
    required: bool,
    max_length: u32,
    max_items: u32,
    format: i32,
    minimum: Option<f64>,
    maximum: Option<f64>,
}

fn plans(pool: &DescriptorPool) -> Plans {
    let messages = pool.all_messages().enumerate();
    let places: HashMap<String, usize> =
        messages.map(|(place, message)| (message.full_name().to_owned(), place)).collect();
    let mut plans: Vec<Plan> = pool.all_messages().map(|message| plan(&message, &places)).collect();
    // What lies below counts too; nesting is shallow, so a few rounds reach the ground.
    loop {
        let below = |field: &Field| field.inner.is_some_and(|inner| plans[inner].judged);
        let grown: Vec<usize> = (0..plans.len())
            .filter(|&place| !plans[place].judged && plans[place].fields.iter().any(below))
            .collect();
        if grown.is_empty() {
            return Plans { places, plans };
        }
        for place in grown {
            plans[place].judged = true;
        }
    }
}

fn plan(message: &MessageDescriptor, places: &HashMap<String, usize>) -> Plan {
    let mut plan = Plan::default();
    for field in message.fields() {
        let rule = rule(&field);
        plan.judged |= rule.is_some();
        let kind = field.kind();
        let inner = kind.as_message().filter(|_| !field.is_map());
        let shape = match kind {
            Kind::String => Shape::Text,
            Kind::Bytes => Shape::Bytes,
            Kind::Message(_) => Shape::Message,
            Kind::Double => Shape::Double,
            Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 | Kind::Bool | Kind::Enum(_) => {
                Shape::Varint
            }
            _ => Shape::Other,
        };
        plan.fields.push(Field {
            number: field.number(),
            json_name: field.json_name().to_owned(),
            rule: rule.unwrap_or_default(),
            shape,
            repeated: field.is_list() || field.is_map(),
            inner: inner.and_then(|inner| places.get(inner.full_name()).copied()),
        });
    }
    plan
}

fn rule(field: &FieldDescriptor) -> Option<Rule> {
    let extension = POOL_EXTENSION.as_ref()?;
    let options = field.options();
    if !options.has_extension(extension) {
        return None;
    }
    let value = options.get_extension(extension);
    let message: &DynamicMessage = value.as_message()?;
    let number =
        |name: &str| message.get_field_by_name(name).and_then(|value| value.as_u32()).unwrap_or_default();
    let bound = |name: &str| {
        message
            .has_field_by_name(name)
            .then(|| message.get_field_by_name(name).and_then(|v| v.as_f64()))
            .flatten()
    };
    Some(Rule {
        required: message.get_field_by_name("required").and_then(|value| value.as_bool()).unwrap_or_default(),
        max_length: number("max_length"),
        max_items: number("max_items"),
        format: match message.get_field_by_name("format").as_deref() {
            Some(Value::EnumNumber(format)) => *format,
            _ => 0,
        },
        minimum: bound("minimum"),
        maximum: bound("maximum"),
    })
}

static POOL_EXTENSION: LazyLock<Option<prost_reflect::ExtensionDescriptor>> =
    LazyLock::new(|| POOL.get_extension_by_name("xinheng.type.v1.rule"));

/// Judges a message by the rules of its fields; every violation is named, up to fifty.
pub fn check<M: Message + Name>(message: &M) -> Answer<()> {
    let plan = PLANS.places.get(&M::full_name()).map(|&place| &PLANS.plans[place]);
    let Some(plan) = plan.filter(|plan| plan.judged) else { return Ok(()) };
    let bytes = message.encode_to_vec();
    let mut found = Found::default();
    // Our own encoding of a decoded message always reads back.
    if walk(plan, &bytes, &Path::Root, &mut found).is_none() {
        return Err(Fault::internal(anyhow::anyhow!("{} can't be read back", M::full_name())));
    }
    if found.violations.is_empty() { Ok(()) } else { Err(Fault::fields(found.violations)) }
}

/// Reads a message and judges it.
pub fn read<M: Message + Name + Default>(encoded: &Encoded<M>) -> Answer<M> {
    let message = encoded.read().map_err(|error| {
        let name = M::full_name();
        Fault::invalid(
            Common::BodyMalformed.as_str_name(),
            format!("these bytes are no {name} ({error}); build the client from the contract"),
            format!("收到的内容不是有效的{name}消息（{error}）；请按接口定义生成客户端"),
        )
    })?;
    check_as_sent(encoded.bytes(), &message)?;
    Ok(message)
}

// Judges a message that came as these bytes, which spares writing it anew where nothing is wrong with it.
fn check_as_sent<M: Message + Name>(bytes: &[u8], message: &M) -> Answer<()> {
    let plan = PLANS.places.get(&M::full_name()).map(|&place| &PLANS.plans[place]);
    let Some(plan) = plan.filter(|plan| plan.judged) else { return Ok(()) };
    let mut found = Found { as_sent: true, ..Default::default() };
    match walk(plan, bytes, &Path::Root, &mut found) {
        Some(()) if found.violations.is_empty() => Ok(()),
        // What is wrong is said of the message as it was understood.
        _ => check(message),
    }
}

#[derive(Default)]
struct Found {
    violations: Vec<Violation>,
    // Another's encoding may hold a field twice, of which the last counts, or write out what an absent field says. Neither is judged here.
    as_sent: bool,
}

// The path is only written out when something is wrong.
enum Path<'a> {
    Root,
    Below(&'a Path<'a>, &'a str, Option<usize>),
}

impl Path<'_> {
    fn text(&self, out: &mut String) {
        if let Path::Below(above, name, index) = self {
            above.text(out);
            if !out.is_empty() {
                out.push('.');
            }
            out.push_str(name);
            if let Some(index) = index {
                out.push_str(&format!("[{index}]"));
            }
        }
    }

    fn written(&self) -> String {
        let mut out = String::new();
        self.text(&mut out);
        out
    }
}

enum Seen<'a> {
    Bytes(&'a [u8]),
    Number(f64),
}

impl Seen<'_> {
    // Whether it is what an absent field says.
    fn says_nothing(&self, shape: Shape) -> bool {
        match self {
            Self::Bytes(bytes) => bytes.is_empty() && shape != Shape::Message,
            Self::Number(number) => *number == 0.0,
        }
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "rules bound small numbers; a huge one is out of bounds either way"
)]
fn walk(plan: &Plan, mut bytes: &[u8], path: &Path<'_>, out: &mut Found) -> Option<()> {
    let mut counts = vec![0_usize; plan.fields.len()];
    while !bytes.is_empty() {
        let (tag, wire) = decode_key(&mut bytes).ok()?;
        let place = plan.fields.iter().position(|field| field.number == tag);
        let seen = match wire {
            WireType::Varint => {
                let raw = decode_varint(&mut bytes).ok()?;
                Seen::Number(i64::from_ne_bytes(raw.to_ne_bytes()) as f64)
            }
            WireType::SixtyFourBit => {
                let (head, rest) = bytes.split_at_checked(8)?;
                bytes = rest;
                Seen::Number(f64::from_le_bytes(head.try_into().ok()?))
            }
            WireType::ThirtyTwoBit => {
                bytes = bytes.get(4..)?;
                Seen::Number(0.0)
            }
            WireType::LengthDelimited => {
                let length = usize::try_from(decode_varint(&mut bytes).ok()?).ok()?;
                let (head, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                Seen::Bytes(head)
            }
            _ => return None,
        };
        let Some(place) = place else { continue };
        let field = &plan.fields[place];
        if out.as_sent && !field.repeated && (counts[place] > 0 || seen.says_nothing(field.shape)) {
            return None;
        }
        let index = field.repeated.then_some(counts[place]);
        counts[place] += 1;
        let here = Path::Below(path, &field.json_name, index);
        judge(field, seen, &here, out)?;
        if out.violations.len() >= REPORTED_MOST {
            return Some(());
        }
    }
    for (field, count) in plan.fields.iter().zip(counts) {
        let here = Path::Below(path, &field.json_name, None);
        if field.rule.required && count == 0 {
            out.violations.push(Violation::new(here.written(), "is required", "为必填项"));
        }
        let most = field.rule.max_items;
        if most > 0 && count > most as usize {
            out.violations.push(Violation::new(
                here.written(),
                format!("has {count} elements, at most {most} are taken at once; send them in several calls"),
                format!("共{count}项，每次至多{most}项；请分批提交"),
            ));
        }
    }
    Some(())
}

fn judge(field: &Field, seen: Seen<'_>, path: &Path<'_>, out: &mut Found) -> Option<()> {
    match (field.shape, seen) {
        (Shape::Message, Seen::Bytes(bytes)) => {
            let below = field.inner.map(|inner| &PLANS.plans[inner]).filter(|plan| plan.judged);
            below.map_or(Some(()), |plan| walk(plan, bytes, path, out))
        }
        (Shape::Text, Seen::Bytes(bytes)) => {
            if out.as_sent && is_plain(&field.rule, bytes) {
                return Some(());
            }
            if let Some((en, zh)) = text_fault(&field.rule, std::str::from_utf8(bytes).ok()?) {
                out.violations.push(Violation::new(path.written(), en, zh));
            }
            Some(())
        }
        (Shape::Bytes, Seen::Bytes(bytes)) => {
            if field.rule.max_length > 0 && bytes.len() > field.rule.max_length as usize {
                let most = field.rule.max_length;
                out.violations.push(Violation::new(
                    path.written(),
                    format!("is longer than {most} bytes"),
                    format!("超过{most}字节"),
                ));
            }
            Some(())
        }
        (Shape::Varint | Shape::Double, Seen::Number(number)) => {
            number_fault(&field.rule, number, path, &mut out.violations);
            Some(())
        }
        _ => Some(()),
    }
}

fn number_fault(rule: &Rule, number: f64, path: &Path<'_>, out: &mut Vec<Violation>) {
    if !number.is_finite() {
        out.push(Violation::new(path.written(), "must be a number", "必须是数字"));
    }
    if let Some(minimum) = rule.minimum.filter(|minimum| number < *minimum) {
        out.push(Violation::new(
            path.written(),
            format!("must be at least {minimum}"),
            format!("不得小于{minimum}"),
        ));
    }
    if let Some(maximum) = rule.maximum.filter(|maximum| number > *maximum) {
        out.push(Violation::new(
            path.written(),
            format!("must be at most {maximum}"),
            format!("不得大于{maximum}"),
        ));
    }
}

// Nothing is wrong with most texts, as their bytes tell at once: they begin with a letter or digit, and no character has less than a byte. That
// they are text, reading the message has found.
fn is_plain(rule: &Rule, bytes: &[u8]) -> bool {
    rule.format == 0
        && bytes.first().is_some_and(u8::is_ascii_graphic)
        && (rule.max_length == 0 || bytes.len() <= rule.max_length as usize)
        && !bytes.contains(&0)
}

fn text_fault(rule: &Rule, text: &str) -> Option<(String, String)> {
    // On the wire an empty element of a list is present and empty.
    if text.trim().is_empty() {
        return rule.required.then(|| (String::from("is required"), String::from("为必填项")));
    }
    if text.contains('\0') {
        return Some((String::from("must not hold a NUL character"), String::from("不能含有 NUL 字符")));
    }
    let most = rule.max_length as usize;
    if most > 0 && text.len() > most && text.chars().count() > most {
        return Some((format!("is longer than {most} characters"), format!("超过{most}个字符")));
    }
    let (holds, en, zh) = form(rule.format, text)?;
    (!holds).then(|| (format!("\"{}\" {en}", shown(text)), format!("“{}”{zh}", shown(text))))
}

fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

fn form(format: i32, text: &str) -> Option<(bool, &'static str, &'static str)> {
    use contract::r#type::v1::field_rule::Format;
    let answer = match Format::try_from(format).ok()? {
        Format::Unspecified => return None,
        Format::Date => {
            (is_date(text), "is not a date; write it as 2026-02-13", "不是日期；请写作 2026-02-13")
        }
        Format::Decimal => (
            is_decimal(text),
            "is not an exact decimal; write it as 12000.50, with at most four decimal places",
            "不是十进制数；请写作 12000.50，小数至多四位",
        ),
        Format::Identifier => (
            is_identifier(text),
            "is not an identifier: lower-case letters, digits and hyphens, starting with a letter or digit, at most 63",
            "不是标识符：只能用小写字母、数字和连字符，以字母或数字开头，至多63个字符",
        ),
        Format::Region => (
            text.len() <= 12 && matches!(text.len(), 2 | 4 | 6 | 9 | 12) && all_digits(text),
            "is not a region code of GB/T 2260, for example 640302",
            "不是 GB/T 2260 行政区划代码，例如 640302",
        ),
        Format::Industry => (
            is_industry(text),
            "is not an industry code of GB/T 4754, for example F5211",
            "不是 GB/T 4754 行业代码，例如 F5211",
        ),
        Format::Domain => {
            (is_domain(text), "is not one of the domains D01 to D22", "不是重点领域代码 D01 至 D22")
        }
        Format::Url => (
            text.starts_with("https://") || text.starts_with("http://"),
            "is not an http or https address",
            "不是 http 或 https 地址",
        ),
    };
    Some(answer)
}

/// Whether a text is a date in the contract's form, which is exactly YYYY-MM-DD.
pub fn is_date(text: &str) -> bool {
    text.len() == 10 && text.parse::<Date>().is_ok()
}

/// Whether a text is a decimal in the contract's form.
pub fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, part) = digits.split_once('.').map_or((digits, None), |(whole, part)| (whole, Some(part)));
    let whole_holds = (1..=15).contains(&whole.len()) && all_digits(whole);
    whole_holds && part.is_none_or(|part| (1..=4).contains(&part.len()) && all_digits(part))
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_identifier(text: &str) -> bool {
    text.len() <= 63
        && !text.starts_with('-')
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn is_industry(text: &str) -> bool {
    let digits = text.strip_prefix(|first: char| ('A'..='T').contains(&first)).unwrap_or(text);
    let lettered = digits.len() < text.len();
    all_digits(digits) && ((lettered && digits.is_empty()) || (2..=4).contains(&digits.len()))
}

fn is_domain(text: &str) -> bool {
    text.strip_prefix('D')
        .filter(|digits| digits.len() == 2)
        .and_then(|digits| digits.parse().ok())
        .is_some_and(|number: u8| (1..=22).contains(&number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_hold_at_their_edges() {
        for (yes, no) in
            [("2026-02-28", "2026-02-29"), ("2026-12-01", "2026-12-1"), ("2024-02-29", "20240229")]
        {
            assert!(is_date(yes) && !is_date(no), "{yes} {no}");
        }
        for (yes, no) in
            [("0", ""), ("12000.50", "1.23456"), ("-3.1", "1."), ("7.0001", ".5"), ("1", "1e3"), ("9", "+9")]
        {
            assert!(is_decimal(yes) && !is_decimal(no), "{yes} {no}");
        }
        for (yes, no) in [("a-1", "-a"), ("0", "A"), ("x", "a_b"), ("x", "a b")] {
            assert!(is_identifier(yes) && !is_identifier(no), "{yes} {no}");
        }
        for (yes, no) in [("F", "U"), ("52", "5"), ("F5211", "F52111"), ("5211", "f52")] {
            assert!(is_industry(yes) && !is_industry(no), "{yes} {no}");
        }
        for (yes, no) in [("D01", "D00"), ("D22", "D23"), ("D09", "D9")] {
            assert!(is_domain(yes) && !is_domain(no), "{yes} {no}");
        }
    }

    #[test]
    fn bytes_are_judged_as_the_message_they_are() {
        use contract::credit::v1::{RecordInput, StreamRecordsRequest};
        let row = |day: &str| RecordInput { occurred_on: day.to_owned(), ..Default::default() };
        let of = |batch: &str, rows: Vec<RecordInput>| {
            StreamRecordsRequest { batch: batch.to_owned(), records: rows }.encode_to_vec()
        };
        let (long, good) = ("一".repeat(129), of("1", vec![row("2026-02-13"), row("")]));
        let wrong = of(&long, vec![row(&long)]);
        // A batch's name stands in field 1; field 127 is nobody's.
        let table = [
            (good.clone(), true),
            (wrong.clone(), false),
            (Vec::new(), false),
            // The last of two counts, whichever is wrong.
            ([of(&long, Vec::new()), good.clone()].concat(), true),
            ([good.clone(), of(&long, Vec::new())].concat(), false),
            // What says nothing, and what nobody knows.
            ([&good[..], b"\x0a\x00", b"\xf8\x07\x01"].concat(), true),
            (b"\x0a\x00".to_vec(), false),
            // Too many rows, in one message and in two that are one.
            (of("1", vec![row("2026-02-13"); 5_001]), false),
            ([of("1", vec![row(""); 3_000]), of("", vec![row(""); 3_000])].concat(), false),
        ];
        for (bytes, holds) in table {
            let message = StreamRecordsRequest::decode(&*bytes).expect("a message");
            let (as_sent, as_understood) = (check_as_sent(&bytes, &message), check(&message));
            assert_eq!(as_sent.is_ok(), holds, "{} bytes", bytes.len());
            let told = |answer: Answer<()>| answer.map_err(|fault| format!("{fault:?}"));
            assert_eq!(told(as_sent), told(as_understood));
        }
        let strange = Encoded::<StreamRecordsRequest>::decode(&b"\x0a\x05a"[..]).expect("any bytes");
        assert_eq!(read(&strange).expect_err("no batch").reason(), "BODY_MALFORMED");
    }
}
