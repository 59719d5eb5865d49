//! The contract's style, judged over the descriptors: what a reviewer would otherwise have to remember.
use std::collections::BTreeMap;

use chassis::{call::REQUEST_ID, validation::POOL};
use contract::DESCRIPTOR_SET;
use prost::Message;
use prost_reflect::{
    DescriptorPool, Kind, MessageDescriptor, MethodDescriptor, Value,
    prost_types::method_options::IdempotencyLevel,
};

fn pool() -> &'static DescriptorPool {
    &POOL
}

fn ours(name: &str) -> bool {
    name.starts_with("xinheng.")
}

pub(crate) fn methods() -> Vec<MethodDescriptor> {
    pool()
        .services()
        .filter(|service| ours(service.full_name()))
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .collect()
}

// Verb, path and body.
pub(crate) fn http(method: &MethodDescriptor) -> Option<(String, String, String)> {
    let extension = pool().get_extension_by_name("google.api.http").unwrap();
    let options = method.options();
    if !options.has_extension(&extension) {
        return None;
    }
    let rule = options.get_extension(&extension).as_message()?.clone();
    let body = rule.get_field_by_name("body").unwrap().as_str().unwrap().to_owned();
    ["get", "put", "post", "delete", "patch"].into_iter().find_map(|verb| {
        rule.has_field_by_name(verb).then(|| {
            (
                verb.to_owned(),
                rule.get_field_by_name(verb).unwrap().as_str().unwrap().to_owned(),
                body.clone(),
            )
        })
    })
}

fn access(method: &MethodDescriptor) -> Option<(String, bool, bool)> {
    let extension = pool().get_extension_by_name("xinheng.type.v1.access").unwrap();
    let options = method.options();
    if !options.has_extension(&extension) {
        return None;
    }
    let rule = options.get_extension(&extension).as_message()?.clone();
    let flag = |name: &str| rule.get_field_by_name(name).unwrap().as_bool().unwrap();
    let scope = rule.get_field_by_name("scope").unwrap().as_str().unwrap().to_owned();
    Some((scope, flag("public"), flag("any_client")))
}

fn report(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_method_has_a_route_and_an_access_rule() {
    let mut faults = Vec::new();
    let methods = methods();
    assert!(methods.len() > 50, "only {} methods", methods.len());
    for method in methods {
        let name = method.full_name();
        let service = name.split('.').nth(1).unwrap();
        let bidirectional = method.is_client_streaming() && method.is_server_streaming();
        match http(&method) {
            None if !bidirectional => faults.push(format!("{name} has no HTTP rule")),
            Some((_, path, _)) if service != "identity" && !path.starts_with(&format!("/{service}/v1/")) => {
                faults.push(format!("{name}: {path} is not below /{service}/v1/"));
            }
            _ => {}
        }
        match access(&method) {
            None => faults.push(format!("{name} has no access rule")),
            Some((scope, public, any)) => {
                let granted = [!scope.is_empty(), public, any].into_iter().filter(|way| *way).count();
                if granted != 1 {
                    faults.push(format!("{name}: exactly one of scope, public, any_client must be set"));
                }
                if !scope.is_empty() && !scope.starts_with(&format!("{service}.")) {
                    faults.push(format!("{name}: the scope {scope} is another service's"));
                }
            }
        }
    }
    report(&faults);
}

#[test]
fn routes_are_unique() {
    let mut seen: BTreeMap<(String, String), String> = BTreeMap::new();
    let mut faults = Vec::new();
    for method in methods() {
        let Some((verb, path, _)) = http(&method) else { continue };
        // Two templates that differ in a variable's name only are the same route.
        let shape = path
            .split('/')
            .map(|part| if part.starts_with('{') { part.split('}').next_back().unwrap_or("") } else { part });
        let shape = shape.collect::<Vec<_>>().join("/");
        if let Some(other) = seen.insert((verb.clone(), shape), method.full_name().to_owned()) {
            faults.push(format!("{} and {other} share {verb} {path}", method.full_name()));
        }
    }
    report(&faults);
}

#[test]
fn path_variables_and_bodies_name_fields() {
    let mut faults = Vec::new();
    for method in methods() {
        let Some((verb, path, body)) = http(&method) else { continue };
        let input = method.input();
        for variable in path.split('{').skip(1).filter_map(|rest| rest.split(['}', '=']).next()) {
            if !has_field(&input, variable) {
                faults.push(format!(
                    "{}: {{{variable}}} is no field of {}",
                    method.full_name(),
                    input.name()
                ));
            }
        }
        if !body.is_empty() && body != "*" && input.get_field_by_name(&body).is_none() {
            faults.push(format!("{}: body \"{body}\" is no field of {}", method.full_name(), input.name()));
        }
        if matches!(verb.as_str(), "get" | "delete") && !body.is_empty() {
            faults.push(format!("{}: {verb} has a body", method.full_name()));
        }
    }
    report(&faults);
}

fn has_field(message: &MessageDescriptor, path: &str) -> bool {
    let (head, rest) = path.split_once('.').map_or((path, None), |(head, rest)| (head, Some(rest)));
    message.get_field_by_name(head).is_some_and(|field| match (rest, field.kind()) {
        (None, _) => true,
        (Some(rest), Kind::Message(inner)) => has_field(&inner, rest),
        _ => false,
    })
}

// The gateway asks again for what is marked so, and only for that.
fn has_no_side_effects(method: &MethodDescriptor) -> bool {
    let options = method.method_descriptor_proto().options.as_ref();
    options.is_some_and(|options| options.idempotency_level() == IdempotencyLevel::NoSideEffects)
}

#[test]
fn mutations_carry_a_request_id_and_lists_page() {
    let mut faults = Vec::new();
    for method in methods() {
        let Some((verb, _, _)) = http(&method) else { continue };
        let input = method.input();
        // A token is given to who asks, again and again, and nothing is kept of it.
        let reads = verb == "get" || has_no_side_effects(&method) || method.name() == "IssueToken";
        let id = input.get_field(REQUEST_ID);
        if !reads
            && !method.is_client_streaming()
            && id.as_ref().is_none_or(|field| field.name() != "request_id")
        {
            faults.push(format!("{} mutates without request_id = {REQUEST_ID}", method.full_name()));
        }
        if method.name().starts_with("List")
            && method.output().get_field_by_name("next_page_token").is_none()
            && !method.is_server_streaming()
        {
            faults.push(format!("{} lists without pages", method.full_name()));
        }
        if method.output().get_field_by_name("next_page_token").is_some()
            && (input.get_field_by_name("page_size").is_none()
                || input.get_field_by_name("page_token").is_none())
        {
            faults.push(format!("{} pages without page_size and page_token", method.full_name()));
        }
    }
    report(&faults);
}

#[test]
fn every_text_that_a_caller_sends_is_bounded() {
    let rule = pool().get_extension_by_name("xinheng.type.v1.rule").unwrap();
    let mut faults = Vec::new();
    for message in pool().all_messages().filter(|message| ours(message.full_name())) {
        let sent = message.name().ends_with("Request") || message.name().ends_with("Input");
        for field in message.fields().filter(|_| sent) {
            let options = field.options();
            let extension = options.get_extension(&rule);
            let limit = |name: &str| match extension
                .as_message()
                .and_then(|rule| rule.get_field_by_name(name))
                .as_deref()
            {
                Some(Value::U32(limit)) => *limit,
                _ => 0,
            };
            if field.kind() == Kind::String && limit("max_length") == 0 {
                faults.push(format!("{} has no max_length", field.full_name()));
            }
            if field.is_list() && limit("max_items") == 0 {
                faults.push(format!("{} has no max_items", field.full_name()));
            }
        }
    }
    report(&faults);
}

#[test]
fn enums_begin_with_their_unspecified_value() {
    let mut faults = Vec::new();
    for kind in pool().all_enums().filter(|kind| ours(kind.full_name())) {
        let zero = kind.get_value(0);
        if !zero.as_ref().is_some_and(|zero| zero.name().ends_with("_UNSPECIFIED")) {
            faults.push(format!("{} has no …_UNSPECIFIED = 0", kind.full_name()));
        }
    }
    report(&faults);
}

#[test]
fn packages_import_no_other_service() {
    let mut faults = Vec::new();
    for file in pool().files().filter(|file| ours(file.package_name())) {
        for import in file.dependencies() {
            let package = import.package_name().to_owned();
            let allowed = package == file.package_name()
                || package == "xinheng.type.v1"
                || package.starts_with("google.");
            if !allowed {
                faults.push(format!("{} imports {}", file.name(), import.name()));
            }
        }
    }
    report(&faults);
}

#[test]
fn every_element_has_a_comment() {
    let set = prost_types_set();
    let mut faults = Vec::new();
    for file in set.file.iter().filter(|file| ours(file.package())) {
        let info = file.source_code_info.as_ref().expect("the set keeps its comments");
        let commented: Vec<&[i32]> = info
            .location
            .iter()
            .filter(|place| !place.leading_comments().trim().is_empty())
            .map(|place| place.path.as_slice())
            .collect();
        let mut judge = |path: &[i32], name: String| {
            if !commented.contains(&path) {
                faults.push(format!("{}: {name} has no comment", file.name()));
            }
        };
        for (index, message) in (0..).zip(&file.message_type) {
            judge_message(&[4, index], message, &mut judge);
        }
        for (index, kind) in (0..).zip(&file.enum_type) {
            judge_enum(&[5, index], kind, &mut judge);
        }
        for (index, service) in (0..).zip(&file.service) {
            judge(&[6, index], service.name().to_owned());
            for (place, method) in (0..).zip(&service.method) {
                judge(&[6, index, 2, place], format!("{}.{}", service.name(), method.name()));
            }
        }
    }
    report(&faults);
}

// The contract is read in either language: whatever has a comment says it in English, with the field's Chinese term.
#[test]
fn every_comment_is_in_both_languages() {
    let set = prost_types_set();
    let (mut judged, mut faults) = (0, Vec::new());
    for file in set.file.iter().filter(|file| ours(file.package())) {
        for place in &file.source_code_info.as_ref().expect("the set keeps its comments").location {
            // Two numbers are an element of the file, four and more what is in one; the file's own head is none.
            let text = place.leading_comments().trim();
            if place.path.len() < 2 || text.is_empty() {
                continue;
            }
            judged += 1;
            let chinese = text.chars().any(|letter| ('\u{4e00}'..='\u{9fff}').contains(&letter));
            if !chinese || !text.chars().any(|letter| letter.is_ascii_alphabetic()) {
                faults.push(format!("{}: \"{text}\" lacks a language", file.name()));
            }
        }
    }
    assert!(judged > 4_000, "only {judged} comments");
    report(&faults);
}

type Set = prost_reflect::prost_types::FileDescriptorSet;

fn prost_types_set() -> Set {
    Set::decode(DESCRIPTOR_SET).unwrap()
}

fn judge_message(
    path: &[i32],
    message: &prost_reflect::prost_types::DescriptorProto,
    judge: &mut impl FnMut(&[i32], String),
) {
    if message.options.as_ref().is_some_and(|options| options.map_entry()) {
        return;
    }
    judge(path, message.name().to_owned());
    for (index, field) in (0..).zip(&message.field) {
        judge(&[path, &[2, index]].concat(), format!("{}.{}", message.name(), field.name()));
    }
    for (index, inner) in (0..).zip(&message.nested_type) {
        judge_message(&[path, &[3, index]].concat(), inner, judge);
    }
    for (index, kind) in (0..).zip(&message.enum_type) {
        judge_enum(&[path, &[4, index]].concat(), kind, judge);
    }
}

fn judge_enum(
    path: &[i32],
    kind: &prost_reflect::prost_types::EnumDescriptorProto,
    judge: &mut impl FnMut(&[i32], String),
) {
    judge(path, kind.name().to_owned());
    for (index, value) in (0..).zip(&kind.value) {
        judge(&[path, &[2, index]].concat(), format!("{}.{}", kind.name(), value.name()));
    }
}
