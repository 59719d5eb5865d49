//! Transcoding against the reference: prost-reflect's own JSON, on random messages; and what callers get wrong.
use chassis::{fault::Fault, language::Language};
use http::{HeaderMap, HeaderValue, Method};
use proptest::prelude::*;
use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind as Described, MapKey, MessageDescriptor,
    ReflectMessage, SerializeOptions, Value,
};
use serde_json::json;

use super::*;

pub(crate) fn pool() -> DescriptorPool {
    let here = env!("CARGO_MANIFEST_DIR");
    let includes = [format!("{here}/src/transcode"), format!("{here}/../../proto")];
    let mut compiler = protox::Compiler::new(includes).expect("the include folders");
    compiler.include_imports(true).open_file("trial.proto").expect("the trial's proto");
    DescriptorPool::decode(compiler.encode_file_descriptor_set().as_slice()).expect("a pool")
}

// Turns random bytes into a message, so that proptest can shrink it.
struct Source<'b>(&'b [u8]);

impl Source<'_> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    fn bits(&mut self) -> u64 {
        // Small numbers and extremes are more telling than the vast middle.
        match self.byte() % 6 {
            0 => 0,
            1 => u64::MAX,
            2 => u64::from(self.byte()),
            3 => 1 << 63,
            4 => u64::from(i32::MAX as u32),
            _ => (0..8).fold(0, |bits, _| bits << 8 | u64::from(self.byte())),
        }
    }

    fn text(&mut self) -> String {
        let letters = ['a', '"', '\\', '\n', '\u{1}', '信', '😀', 'Z', '/', '\u{7f}'];
        (0..self.byte() % 6).map(|_| letters[usize::from(self.byte()) % letters.len()]).collect()
    }

    fn message(&mut self, descriptor: &MessageDescriptor, depth: usize) -> DynamicMessage {
        let mut message = DynamicMessage::new(descriptor.clone());
        match descriptor.full_name() {
            "google.protobuf.Timestamp" => {
                // From year 1 to 9999.
                let seconds = (self.bits() % 315_537_897_599) as i64 - 62_135_596_800;
                message.set_field_by_name("seconds", Value::I64(seconds));
                message.set_field_by_name("nanos", Value::I32(self.nanos()));
            }
            "google.protobuf.Duration" => {
                let seconds = (self.bits() % 315_576_000_000) as i64;
                let sign = if self.byte().is_multiple_of(2) { 1 } else { -1 };
                message.set_field_by_name("seconds", Value::I64(sign * seconds));
                message.set_field_by_name("nanos", Value::I32(sign as i32 * self.nanos()));
            }
            "google.protobuf.FieldMask" => {
                let paths = ["a", "legal_basis", "inner.below_it", "x1"];
                let chosen = (0..self.byte() % 4).map(|_| paths[usize::from(self.byte()) % 4]);
                message.set_field_by_name(
                    "paths",
                    Value::List(chosen.map(|path| Value::String(path.to_owned())).collect()),
                );
            }
            "google.protobuf.Any" => {
                let names = [
                    "trial.v1.Echo",
                    "trial.v1.Inner",
                    "google.protobuf.Timestamp",
                    "google.protobuf.Struct",
                ];
                let name = names[usize::from(self.byte()) % if depth < 3 { 4 } else { 1 }];
                let inner = descriptor.parent_pool().get_message_by_name(name).expect("a type of the trial");
                let inner = self.message(&inner, depth + 1);
                message.set_field_by_name("type_url", Value::String(format!("type.googleapis.com/{name}")));
                message.set_field_by_name("value", Value::Bytes(inner.encode_to_vec().into()));
            }
            "google.protobuf.Value" => self.value(&mut message, depth),
            _ => {
                let double = descriptor.full_name() == "google.protobuf.DoubleValue";
                for field in descriptor.fields() {
                    if double {
                        // The reference writes null for NaN in a wrapper, which would read back as nothing at all.
                        message.set_field(&field, Value::F64(f64::from(self.byte()) / 3.0));
                    } else if self.byte().is_multiple_of(3) {
                        let value = self.field(&field, depth);
                        message.set_field(&field, value);
                    }
                }
            }
        }
        message
    }

    fn nanos(&mut self) -> i32 {
        [0, 500_000_000, 120_000, 999_999_999, 1][usize::from(self.byte()) % 5]
    }

    // A Value holds exactly one thing, and no number that JSON lacks.
    fn value(&mut self, message: &mut DynamicMessage, depth: usize) {
        match self.byte() % if depth < 4 { 6 } else { 4 } {
            0 => message.set_field_by_name("null_value", Value::EnumNumber(0)),
            1 => message.set_field_by_name("bool_value", Value::Bool(self.byte().is_multiple_of(2))),
            2 => message.set_field_by_name("number_value", Value::F64(self.bits() as i32 as f64 / 8.0)),
            3 => message.set_field_by_name("string_value", Value::String(self.text())),
            place => {
                let name = if place == 4 { "struct_value" } else { "list_value" };
                let field = message.descriptor().get_field_by_name(name).expect("a field of Value");
                let inner = self.field(&field, depth);
                message.set_field(&field, inner);
            }
        }
    }

    fn field(&mut self, field: &FieldDescriptor, depth: usize) -> Value {
        let count = if depth < 4 { self.byte() % 4 } else { 0 };
        if field.is_map() {
            let Described::Message(entry) = field.kind() else { panic!("a map without entries") };
            let key_kind = entry.map_entry_key_field().kind();
            let value_kind = entry.map_entry_value_field().kind();
            return Value::Map(
                (0..count)
                    .map(|_| {
                        let key = match key_kind {
                            Described::Bool => MapKey::Bool(self.byte().is_multiple_of(2)),
                            Described::Int32 => MapKey::I32(self.bits() as i32),
                            Described::Sint64 => MapKey::I64(self.bits() as i64),
                            _ => MapKey::String(self.text()),
                        };
                        (key, self.scalar(&value_kind, depth))
                    })
                    .collect(),
            );
        }
        match field.is_list() {
            true => Value::List((0..count).map(|_| self.scalar(&field.kind(), depth)).collect()),
            false => self.scalar(&field.kind(), depth),
        }
    }

    fn scalar(&mut self, kind: &Described, depth: usize) -> Value {
        match kind {
            Described::Double => Value::F64(f64::from_bits(self.bits())),
            Described::Float => Value::F32(f32::from_bits(self.bits() as u32)),
            Described::Int32 | Described::Sint32 | Described::Sfixed32 => Value::I32(self.bits() as i32),
            Described::Int64 | Described::Sint64 | Described::Sfixed64 => Value::I64(self.bits() as i64),
            Described::Uint32 | Described::Fixed32 => Value::U32(self.bits() as u32),
            Described::Uint64 | Described::Fixed64 => Value::U64(self.bits()),
            Described::Bool => Value::Bool(self.byte().is_multiple_of(2)),
            Described::String => Value::String(self.text()),
            Described::Bytes => Value::Bytes(self.text().into_bytes().into()),
            Described::Enum(found) if found.full_name() == "google.protobuf.NullValue" => {
                Value::EnumNumber(0)
            }
            Described::Enum(_) => Value::EnumNumber([0, 1, 2, -3][usize::from(self.byte()) % 4]),
            Described::Message(inner) if depth < 5 || inner.full_name() == "google.protobuf.Any" => {
                Value::Message(self.message(inner, depth + 1))
            }
            Described::Message(inner) => {
                let mut message = DynamicMessage::new(inner.clone());
                if inner.full_name() == "google.protobuf.Value" {
                    message.set_field_by_name("null_value", Value::EnumNumber(0));
                }
                Value::Message(message)
            }
        }
    }
}

// 1 and 1.0 are the same number, though serde_json tells them apart.
fn plain(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Number(number) => number.as_f64().into(),
        serde_json::Value::Array(items) => items.into_iter().map(plain).collect(),
        serde_json::Value::Object(members) => {
            members.into_iter().map(|(key, value)| (key, plain(value))).collect()
        }
        other => other,
    }
}

fn reference(message: &DynamicMessage) -> serde_json::Value {
    let options = SerializeOptions::new().skip_default_fields(false);
    // By way of text, where a float has its own shortest digits.
    let mut text = Vec::new();
    message
        .serialize_with_options(&mut serde_json::Serializer::new(&mut text), &options)
        .expect("the reference");
    serde_json::from_slice(&text).expect("the reference's JSON")
}

fn everything(transcoder: &Transcoder) -> Index {
    transcoder.plans.index("trial.v1.Everything").expect("a message of the trial")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn answers_are_the_reference_s(bytes in proptest::collection::vec(any::<u8>(), 0..1500)) {
        let pool = pool_once();
        let transcoder = transcoder_once();
        let descriptor = pool.get_message_by_name("trial.v1.Everything").expect("a message");
        let message = Source(&bytes).message(&descriptor, 0);
        let (mut out, wire) = (Vec::new(), message.encode_to_vec());
        response::write(&transcoder.plans, everything(transcoder), &wire, &mut out).expect("our own bytes");
        let ours: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
        prop_assert_eq!(plain(ours), plain(reference(&message)));

        // And back: what was written is read as the same message.
        let json = json::Json::parse(&out).expect("JSON");
        let wire = encode::encode(&transcoder.plans, everything(transcoder), &json)
            .map_err(|violations| TestCaseError::fail(format!("{violations:?}")))?;
        let read = DynamicMessage::decode(descriptor, wire.as_slice()).expect("our own bytes");
        prop_assert_eq!(plain(reference(&read)), plain(reference(&message)));
    }

    #[test]
    fn no_bytes_and_no_text_bring_it_down(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in ".{0,80}") {
        let transcoder = transcoder_once();
        let _ = response::write(&transcoder.plans, everything(transcoder), &bytes, &mut Vec::new());
        let _ = submit(text.as_bytes());
        let _ = get("GET", "/v1/things/x", &text, &[]);
        let _ = transcoder.find(&Method::GET, &text).is_ok();
    }
}

fn pool_once() -> &'static DescriptorPool {
    static POOL: std::sync::LazyLock<DescriptorPool> = std::sync::LazyLock::new(pool);
    &POOL
}

fn transcoder_once() -> &'static Transcoder {
    static TRANSCODER: std::sync::LazyLock<Transcoder> =
        std::sync::LazyLock::new(|| Transcoder::new(pool_once()).expect("the trial's routes"));
    &TRANSCODER
}

fn send(
    method: &str,
    path: &str,
    query: &str,
    headers: &[(&'static str, &str)],
    body: &[u8],
) -> Result<serde_json::Value, Refusal> {
    let transcoder = transcoder_once();
    let (route, variables) = transcoder.find(&method.parse().expect("a method"), path)?;
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, HeaderValue::from_str(value).expect("a header"));
    }
    let wire = transcoder.request(route, Incoming { variables, query, headers: &map, body })?;
    let pool = pool_once();
    let input = &transcoder.plans.message(route.call.input).name;
    let read = DynamicMessage::decode(pool.get_message_by_name(input).expect("an input"), wire.as_slice());
    Ok(serde_json::to_value(read.expect("our own bytes")).expect("JSON"))
}

fn get(
    method: &str,
    path: &str,
    query: &str,
    headers: &[(&'static str, &str)],
) -> Result<serde_json::Value, Refusal> {
    send(method, path, query, headers, b"")
}

fn submit(body: &[u8]) -> Result<serde_json::Value, Refusal> {
    send("POST", "/v1/things:submit", "", &[], body)
}

// The refused fields with their messages.
fn violations(refused: Result<serde_json::Value, Refusal>, language: Language) -> Vec<(String, String)> {
    use tonic_types::StatusExt;
    let fault: Fault = refused.expect_err("a refusal").fault;
    let status = fault.into_status(language);
    let found = status.get_details_bad_request().map(|bad| bad.field_violations).unwrap_or_default();
    found.into_iter().map(|violation| (violation.field, violation.description)).collect()
}

#[test]
fn the_address_fills_the_request() {
    let query = "pageSize=5&tags=a&tags=b%26c&colour=RED&flag=true&since=2026-02-13T08:00:00%2B08:00&limit=9&inner.below.name=x+y";
    assert_eq!(
        get("GET", "/v1/things/%E4%BF%A1", query, &[("idempotency-key", "k1")]).expect("a request"),
        json!({
            "name": "信", "pageSize": 5, "tags": ["a", "b&c"], "colour": "RED", "flag": true,
            "since": "2026-02-13T00:00:00Z", "limit": "9", "inner": {"below": {"name": "x y"}}, "requestId": "k1",
        })
    );
    assert_eq!(
        get("GET", "/v1/shelves/s/things/n", "page_size=1&colour=2", &[]).expect("a request"),
        json!({"name": "n", "inner": {"name": "s"}, "pageSize": 1, "colour": "GREEN"})
    );
}

#[test]
fn what_is_wrong_in_the_address_is_named() {
    for (query, field, says) in [
        ("pagesise=1", "pagesise", "did you mean pageSize"),
        ("zzz=1", "zzz", "known here: name, pageSize"),
        ("pageSize=many", "pageSize", "whole number from -2147483648 to 2147483647"),
        ("pageSize=99999999999", "pageSize", "whole number"),
        ("pageSize=1&pageSize=2", "pageSize", "given twice"),
        ("colour=REDD", "colour", "did you mean RED"),
        ("colour=7", "colour", "one of DARK, RED, GREEN"),
        ("flag=yes", "flag", "true or false"),
        ("since=yesterday", "since", "RFC 3339"),
        ("inner=x", "inner", "give it in the body"),
        ("name=other", "name", "different values"),
        ("tags=%ff", "tags", "percent-encoded"),
    ] {
        let found = violations(get("GET", "/v1/things/x", query, &[]), Language::En);
        assert!(found.iter().any(|(at, text)| at == field && text.contains(says)), "{query}: {found:?}");
        let chinese = violations(get("GET", "/v1/things/x", query, &[]), Language::Zh);
        assert_ne!(found, chinese, "{query}");
    }
    let refused = get("GET", "/v1/things/%ff", "", &[]);
    assert_eq!(violations(refused, Language::En)[0].0, "name");
}

#[test]
fn what_is_wrong_in_the_body_is_named_by_its_path() {
    for (body, field, says) in [
        (
            json!({"records": [{}, {"occuredOn": "2026-01-01"}]}),
            "records[1].occuredOn",
            "did you mean occurredOn",
        ),
        (
            json!({"records": [{"occurredOn": 20260101}]}),
            "records[0].occurredOn",
            "expected a string, got a number",
        ),
        (json!({"records": [{"severity": "high"}]}), "records[0].severity", "whole number"),
        (json!({"records": [{"severity": 1.5}]}), "records[0].severity", "whole number"),
        (json!({"records": [{"amount": "12,5"}]}), "records[0].amount", "expected a number, got a string"),
        (json!({"records": [{"fields": []}]}), "records[0].fields", "expected an object, got a list"),
        (json!({"records": [null]}), "records[0]", "expected an object, got null"),
        (json!({"records": {}}), "records", "expected a list, got an object"),
        (json!({"nonsense": 1}), "nonsense", "known here: records, requestId"),
    ] {
        let found = violations(submit(body.to_string().as_bytes()), Language::En);
        assert_eq!(found.len(), 1, "{body}: {found:?}");
        assert_eq!(found[0].0, field, "{body}");
        assert!(found[0].1.contains(says), "{body}: {found:?}");
    }
    let twice = br#"{"records": [], "records": []}"#;
    assert!(violations(submit(twice), Language::En)[0].1.contains("given twice"));
    let all = submit(br#"{"records": [{"a": 1}, {"severity": []}], "c": 2}"#);
    assert_eq!(violations(all, Language::En).len(), 3, "every place is named at once");
}

#[test]
fn bodies_that_are_none_are_refused() {
    let reason = |refused: Result<serde_json::Value, Refusal>| {
        let refusal = refused.expect_err("a refusal");
        (refusal.status.map(|status| status.as_u16()), refusal.fault.reason())
    };
    for body in ["{", "[1]", "\"x\"", "{\"records\": [}", "nonsense", "{} {}", &"[".repeat(10_000)] {
        assert_eq!(reason(submit(body.as_bytes())), (Some(400), "BODY_MALFORMED"), "{body:.40}");
    }
    assert_eq!(reason(send("GET", "/v1/things/x", "", &[], b"{\"a\":1}")).1, "BODY_MALFORMED");
    let other = send("POST", "/v1/things:submit", "", &[("content-type", "text/xml")], b"<a/>");
    assert_eq!(reason(other), (Some(415), "MEDIA_TYPE_UNSUPPORTED"));
    let mistaken = send(
        "POST",
        "/v1/things:submit",
        "",
        &[("content-type", "application/x-www-form-urlencoded")],
        b"{}",
    );
    assert_eq!(reason(mistaken), (Some(415), "MEDIA_TYPE_UNSUPPORTED"));
    assert_eq!(reason(get("GET", "/v2/things", "", &[])), (None, "ROUTE_UNKNOWN"));
    let refusal = get("POST", "/v1/things/x", "", &[]).expect_err("a refusal");
    assert_eq!(
        (refusal.status.map(|status| status.as_u16()), refusal.allow.as_deref()),
        (Some(405), Some("GET, HEAD, OPTIONS, PATCH, PUT"))
    );
}

#[test]
fn bodies_fill_requests() {
    let body = json!({"records": [{"uscc": "U", "severity": 2, "amount": 0, "fields": {"a": [1, null, {"b": "x"}]}}]});
    let sent =
        send("POST", "/v1/things:submit", "", &[("idempotency-key", "k")], body.to_string().as_bytes());
    let fields = json!({"a": [1.0, null, {"b": "x"}]});
    let expected =
        json!({"records": [{"uscc": "U", "severity": 2, "amount": 0.0, "fields": fields}], "requestId": "k"});
    assert_eq!(sent.expect("a request"), expected);
    assert_eq!(submit(b"").expect("an empty body stands for {}"), json!({}));

    let form = [("content-type", "application/x-www-form-urlencoded")];
    let sent = send("POST", "/v1/things:submit", "", &form, b"request_id=a%20b");
    assert_eq!(sent.expect("a form"), json!({"requestId": "a b"}));

    let put = |body: &[u8]| send("PUT", "/v1/things/n", "", &[], body);
    assert_eq!(
        put(b"{\"boolField\": true}").expect("a request"),
        json!({"thing": {"stringField": "n", "boolField": true}})
    );
    assert_eq!(
        put(b"{\"stringField\": \"n\"}").expect("the same again"),
        json!({"thing": {"stringField": "n"}})
    );
    assert_eq!(violations(put(b"{\"stringField\": \"m\"}"), Language::En)[0].0, "thing.stringField");
    assert_eq!(put(b"").expect("no body"), json!({"thing": {"stringField": "n"}}));
    assert_eq!(violations(put(b"[]"), Language::En)[0].0, "thing");
}

#[test]
fn a_patch_without_a_mask_covers_what_it_gives() {
    let patch =
        |query: &str, body: &[u8]| send("PATCH", "/v1/things/n", query, &[], body).expect("a request");
    assert_eq!(
        patch("", br#"{"stringField": "n", "boolField": false, "maybe_number": null}"#)["updateMask"],
        json!("boolField,maybeNumber")
    );
    assert_eq!(
        patch("updateMask=inner.name,colour", br#"{"boolField": true}"#)["updateMask"],
        json!("inner.name,colour")
    );
    let asked = transcoder_once().find(&Method::PATCH, "/v1/things/n").expect("a route");
    let wire = DynamicMessage::deserialize(
        pool_once().get_message_by_name("trial.v1.Everything").expect("a message"),
        json!({"strings": ["a", "b"], "boolField": true}),
    );
    let mut out = Vec::new();
    transcoder_once()
        .response(asked.0, &wire.expect("a message").encode_to_vec(), &mut out)
        .expect("an answer");
    assert_eq!(out, br#"["a","b"]"#, "response_body answers the field alone");
}

#[test]
fn numbers_and_pieces_read_as_the_format_says() {
    let transcoder = transcoder_once();
    let write = |wire: &[u8]| {
        let mut out = Vec::new();
        response::write(&transcoder.plans, everything(transcoder), wire, &mut out).expect("bytes");
        serde_json::from_slice::<serde_json::Value>(&out).expect("JSON")
    };
    // The last of a oneof and of a single field holds; messages merge; lists may be packed, loose or mixed.
    let wire = b"\x92\x03\x01a\x98\x03\x05\x18\x01\x18\x02\x8a\x01\x03\x0a\x01n\x8a\x01\x04\x12\x02\x0a\x00\xf0\x01\x07\xf2\x01\x02\x08\x09";
    let read = write(wire);
    assert_eq!(read["chosenNumber"], "5");
    assert!(read.get("chosenText").is_none());
    assert_eq!(read["int32Field"], 2);
    assert_eq!(read["inner"], json!({"name": "n", "below": {"name": "", "beside": []}, "beside": []}));
    assert_eq!(read["numbers"], json!([7, 8, 9]));
    let mut out = Vec::new();
    let mut wire = vec![0x09];
    wire.extend_from_slice(&95.0_f64.to_le_bytes());
    response::write(&transcoder.plans, everything(transcoder), &wire, &mut out).expect("bytes");
    assert!(
        String::from_utf8_lossy(&out).starts_with("{\"doubleField\":95,\"floatField\":0,"),
        "whole doubles have no fraction"
    );
}

#[test]
fn ambiguous_contracts_are_refused_at_start() {
    let here = env!("CARGO_MANIFEST_DIR");
    let source = "syntax = \"proto3\"; package bad.v1; import \"google/api/annotations.proto\"; message M { string a = 1; string b = 2; }
        service S {
          rpc A(M) returns (M) { option (google.api.http) = { get: \"/v1/{a}\" }; }
          rpc B(M) returns (M) { option (google.api.http) = { get: \"/v1/{b}\" }; }
        }";
    let folder = std::env::temp_dir().join(format!("xinheng-gateway-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("bad.proto"), source).expect("a file");
    let mut compiler =
        protox::Compiler::new([folder.clone(), format!("{here}/../../proto").into()]).expect("folders");
    compiler.include_imports(true).open_file("bad.proto").expect("the proto");
    let pool = DescriptorPool::decode(compiler.encode_file_descriptor_set().as_slice()).expect("a pool");
    let refusal = format!("{:#}", Transcoder::new(&pool).err().expect("a refusal"));
    assert!(refusal.contains("bad.v1.S.B") && refusal.contains("/v1/{b}"), "{refusal}");
    std::fs::remove_dir_all(folder).expect("the folder");
}

#[test]
fn the_real_contract_has_routes_for_every_unary_call() {
    let transcoder = Transcoder::new(&chassis::validation::POOL).expect("the contract");
    for path in ["/credit/v1/subjects:batchUpsert", "/oauth2/token", "/credit/v1/records:submit"] {
        assert!(transcoder.find(&Method::POST, path).is_ok(), "{path}");
    }
    for path in
        ["/grading/v1/subjects/U/grades/S:explain", "/.well-known/jwks.json", "/credit/v1/changes:watch"]
    {
        assert!(transcoder.find(&Method::GET, path).is_ok(), "{path}");
    }
}
