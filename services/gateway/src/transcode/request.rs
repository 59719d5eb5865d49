//! From path, query and body to the request's wire bytes: all of it becomes one JSON tree, which is encoded, and judged, once.
use std::borrow::Cow;

use chassis::fault::{Fault, Violation};
use http::{HeaderMap, Method, header};

use super::{
    Body, Call, Route,
    encode::encode,
    json::Json,
    nearest::nearest,
    plan::{Field, Form, Index, Kind, Plans, Shape},
    refusal::{self, Refusal},
    routes::percent_decode,
};

/// The path's variables: field paths and values; nothing where a value's escapes are broken.
pub type Variables<'a> = Vec<(&'a str, Option<String>)>;

/// What of an HTTP request fills the message.
pub struct Incoming<'a> {
    /// The path's variables.
    pub variables: Variables<'a>,
    /// What follows the question mark.
    pub query: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body, whole.
    pub body: &'a [u8],
}

/// Binds a request; what is wrong with it is told by field.
pub fn bind(plans: &Plans, call: &Call, route: &Route, incoming: Incoming<'_>) -> Result<Vec<u8>, Refusal> {
    let mut tree = Tree { plans, input: call.input, root: Json::Object(Vec::new()), violations: Vec::new() };
    match route.body {
        Body::None => {
            if !incoming.body.trim_ascii().is_empty() && incoming.body.trim_ascii() != b"{}" {
                return Err(refusal::body_unexpected());
            }
        }
        Body::Whole => match media_type(incoming.headers) {
            Media::Json => tree.root = parse(incoming.body)?,
            Media::Form if incoming.body.trim_ascii_start().starts_with(b"{") => {
                return Err(refusal::media_type_mistaken());
            }
            Media::Form => tree.pairs(&String::from_utf8_lossy(incoming.body)),
            Media::Other(given) => return Err(refusal::media_type_unsupported(&given)),
        },
        Body::Field(place) => match media_type(incoming.headers) {
            Media::Json if incoming.body.trim_ascii().is_empty() => {}
            Media::Json => tree.member(place, parse_any(incoming.body)?),
            Media::Form => return Err(refusal::media_type_unsupported("application/x-www-form-urlencoded")),
            Media::Other(given) => return Err(refusal::media_type_unsupported(&given)),
        },
        // The file follows the fields, as it came.
        Body::File(_) => {}
    }
    if let (Body::Field(place), Some(mask), &Method::PATCH) = (&route.body, call.update_mask, &route.method) {
        tree.derive_mask(*place, mask, &incoming);
    }
    tree.pairs(incoming.query);
    for (path, value) in &incoming.variables {
        match value {
            Some(value) => tree.text(path, value.clone()),
            None => tree.undecodable(path),
        }
    }
    tree.idempotency_key(call, incoming.headers);
    tree.if_match(route, incoming.headers)?;
    tree.encode()
}

enum Media {
    Json,
    Form,
    Other(String),
}

fn media_type(headers: &HeaderMap) -> Media {
    let Some(given) = headers.get(header::CONTENT_TYPE) else { return Media::Json };
    let given =
        given.to_str().unwrap_or("?").split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match given.as_str() {
        "" | "application/json" | "text/json" => Media::Json,
        "application/x-www-form-urlencoded" => Media::Form,
        other if other.starts_with("application/") && other.ends_with("+json") => Media::Json,
        _ => Media::Other(given),
    }
}

fn parse(body: &[u8]) -> Result<Json<'_>, Refusal> {
    if body.trim_ascii().is_empty() {
        return Ok(Json::Object(Vec::new()));
    }
    match parse_any(body)? {
        object @ Json::Object(_) => Ok(object),
        other => Err(refusal::body_no_object(&other.what())),
    }
}

fn parse_any(body: &[u8]) -> Result<Json<'_>, Refusal> {
    Json::parse(body).map_err(|error| refusal::body_malformed(&error))
}

struct Tree<'a> {
    plans: &'a Plans,
    input: Index,
    root: Json<'a>,
    violations: Vec<Violation>,
}

impl<'a> Tree<'a> {
    fn encode(self) -> Result<Vec<u8>, Refusal> {
        match encode(self.plans, self.input, &self.root) {
            Ok(wire) if self.violations.is_empty() => Ok(wire),
            Ok(_) => Err(Fault::fields(self.violations).into()),
            Err(found) => Err(Fault::fields(self.violations.into_iter().chain(found).collect()).into()),
        }
    }

    fn refuse(&mut self, field: &str, en: impl Into<String>, zh: impl Into<String>) {
        self.violations.push(Violation::new(field.chars().take(200).collect::<String>(), en, zh));
    }

    fn member(&mut self, place: usize, value: Json<'a>) {
        let field = &self.plans.message(self.input).fields[place];
        if let Json::Object(members) = &mut self.root {
            members.push((Cow::Borrowed(&field.json), value));
        }
    }

    // `a=1&b.c=2`, of a query or a form.
    fn pairs(&mut self, text: &str) {
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let plain = |part: &str| percent_decode(&part.replace('+', " "));
            match (plain(name), plain(value)) {
                (Some(name), Some(value)) => self.text(&name, value),
                (Some(name), None) => self.undecodable(&name),
                (None, _) => self.undecodable(name),
            }
        }
    }

    fn undecodable(&mut self, path: &str) {
        let path = self.resolve(path).map_or_else(|| path.to_owned(), |found| json_path(&found));
        self.refuse(
            &path,
            "the value in the address is not percent-encoded UTF-8; encode it anew",
            "地址中的取值不是有效的 UTF-8 百分号编码；请重新编码",
        );
    }

    // Puts a value that came as text where its field is.
    fn text(&mut self, path: &str, text: String) {
        let Some(found) = self.resolve(path) else { return self.unknown(path) };
        let shown = json_path(&found);
        let Some((leaf, above)) = found.split_last() else { return };
        let Some(value) = from_text(self.plans, leaf.kind, text.clone()).filter(|_| leaf.shape != Shape::Map)
        else {
            return self.refuse(
                &shown,
                "is a structure and can't be given in the address; give it in the body",
                "是结构化字段，不能写在地址中；请放在请求体内",
            );
        };
        let mut slot = &mut self.root;
        for field in above.iter().chain([leaf]) {
            match member_of(slot, field) {
                Some(inner) => slot = inner,
                // What stands above is no object: the encoder says so.
                None => return,
            }
        }
        match (leaf.shape, &mut *slot) {
            (Shape::List, Json::List(items)) => items.push(value),
            (Shape::List, Json::Null) => *slot = Json::List(vec![value]),
            (Shape::Single, Json::Null) => *slot = value,
            (Shape::Single, given) if given.says(&text) => {}
            _ => self.refuse(
                &shown,
                "is given twice with different values; give it once, or the same",
                "两处取值不一致；请只填一处，或保持一致",
            ),
        }
    }

    fn resolve(&self, path: &str) -> Option<Vec<&'a Field>> {
        let mut found: Vec<&'a Field> = Vec::new();
        let mut index = Some(self.input);
        for name in path.split('.') {
            let plan = self.plans.message(index?);
            if plan.form != Form::Fields {
                return None;
            }
            let (_, field) = plan.field(name)?;
            index = match (field.shape, field.kind) {
                (Shape::Single, Kind::Message(inner)) => Some(inner),
                _ => None,
            };
            found.push(field);
        }
        Some(found)
    }

    fn unknown(&mut self, path: &str) {
        let plans = self.plans;
        let fields = &plans.message(self.input).fields;
        let plain = |field: &&Field| match field.kind {
            Kind::Message(index) => plans.message(index).form != Form::Fields,
            _ => true,
        };
        let known = || fields.iter().filter(plain).map(|field| field.json.as_str());
        let (en, zh) = match nearest(path, known()) {
            Some(near) => (format!("; did you mean {near}?"), format!("；是否应为 {near}？")),
            None => {
                let names = known().take(12).collect::<Vec<_>>().join(", ");
                match names.as_str() {
                    "" => (String::from("; this call takes none"), String::from("；本接口不需要参数")),
                    _ => (format!("; known here: {names}"), format!("；此处可用：{names}")),
                }
            }
        };
        self.refuse(path, format!("unknown parameter{en}"), format!("未知参数{zh}"));
    }

    // AIP-134: a mask that is not given covers the fields that the body gives.
    fn derive_mask(&mut self, body: usize, mask: usize, incoming: &Incoming<'_>) {
        let plans = self.plans;
        let fields = &plans.message(self.input).fields;
        let (body, mask) = (&fields[body], &fields[mask]);
        let given = incoming.query.split('&').filter_map(|pair| pair.split('=').next());
        if given.into_iter().any(|name| name == mask.name || name == mask.json) {
            return;
        }
        let Kind::Message(index) = body.kind else { return };
        let Json::Object(members) = &self.root else { return };
        let Some(Json::Object(inner)) =
            members.iter().find(|(name, _)| *name == body.json).map(|(_, value)| value)
        else {
            return;
        };
        let in_path = |field: &Field| {
            incoming.variables.iter().any(|(path, _)| **path == format!("{}.{}", body.name, field.name))
        };
        let names: Vec<&str> = inner
            .iter()
            .filter_map(|(name, _)| plans.message(index).field(name))
            .filter(|(_, field)| !in_path(field))
            .map(|(_, field)| field.json.as_str())
            .collect();
        let names = Json::text(names.join(","));
        if let Json::Object(members) = &mut self.root {
            members.push((Cow::Borrowed(&mask.json), names));
        }
    }

    // The etag of what is changed, as HTTP sends it. What can't be kept is refused: a condition that is overlooked is worse than none.
    fn if_match(&mut self, route: &Route, headers: &HeaderMap) -> Result<(), Refusal> {
        if route.method == Method::GET {
            return Ok(());
        }
        let mut given = headers.get_all(header::IF_MATCH).iter();
        let (Some(first), second) = (given.next(), given.next()) else { return Ok(()) };
        let tag = first.to_str().unwrap_or_default().trim();
        if tag == "*" && second.is_none() {
            return Ok(());
        }
        let strong =
            tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).filter(|tag| !tag.contains('"'));
        match (strong, second, &route.if_match) {
            (Some(tag), None, Some(path)) => {
                self.text(path, tag.to_owned());
                Ok(())
            }
            _ => Err(refusal::precondition_unknown()),
        }
    }

    fn idempotency_key(&mut self, call: &Call, headers: &HeaderMap) {
        let (Some(place), Some(key)) = (call.request_id, headers.get("idempotency-key")) else { return };
        let name = self.plans.message(self.input).fields[place].name.as_str();
        match key.to_str() {
            Ok(key) => self.text(name, key.trim().to_owned()),
            Err(_) => self.refuse(
                name,
                "the header Idempotency-Key may only hold visible ASCII characters",
                "请求头 Idempotency-Key 只能包含可见的 ASCII 字符",
            ),
        }
    }
}

fn json_path(found: &[&Field]) -> String {
    found.iter().map(|field| field.json.as_str()).collect::<Vec<_>>().join(".")
}

fn member_of<'t, 'a>(json: &'t mut Json<'a>, field: &'a Field) -> Option<&'t mut Json<'a>> {
    if *json == Json::Null {
        *json = Json::Object(Vec::new());
    }
    let Json::Object(members) = json else { return None };
    let place = members.iter().position(|(name, _)| *name == field.json || *name == field.name);
    let place = place.unwrap_or_else(|| {
        members.push((Cow::Borrowed(&field.json), Json::Null));
        members.len() - 1
    });
    members.get_mut(place).map(|(_, value)| value)
}

// A text of the address as the JSON that its field takes; nothing where the field is a structure.
fn from_text<'a>(plans: &Plans, kind: Kind, text: String) -> Option<Json<'a>> {
    Some(match kind {
        Kind::Bool => match text.as_str() {
            "true" => Json::Bool(true),
            "false" => Json::Bool(false),
            _ => Json::text(text),
        },
        Kind::Enum(_) => text.parse().map_or_else(|_| Json::text(text), Json::Whole),
        Kind::Message(index) => {
            let plan = plans.message(index);
            match plan.form {
                Form::Timestamp | Form::Duration | Form::FieldMask => Json::text(text),
                Form::Wrapper => return from_text(plans, plan.fields.first()?.kind, text),
                _ => return None,
            }
        }
        _ => Json::text(text),
    })
}
