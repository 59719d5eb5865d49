//! Transcoding between REST and gRPC, from the descriptors alone. Adding a call to the contract changes nothing here.
use std::{collections::HashMap, sync::Arc};

use anyhow::{Context, Result, ensure};
use chassis::call::REQUEST_ID;
use http::Method;
use prost_reflect::{DescriptorPool, MethodDescriptor, prost_types::method_options::IdempotencyLevel};

mod encode;
mod json;
mod nearest;
mod plan;
pub mod refusal;
mod request;
mod response;
mod routes;
mod template;
#[cfg(test)]
mod templates;
mod wire;

#[cfg(test)]
pub(crate) mod tests;

use crate::limits::Class;
use plan::{Index, Kind, Plans, Shape};
pub use refusal::Refusal;
pub use request::{Incoming, Variables};
use routes::Outcome;
pub use routes::{HttpRule, http_rules};
pub use wire::{Malformed, Reader, Wire, put_bytes, put_sized, put_tag};

const HTTP_BODY: &str = "google.api.HttpBody";

/// The contract, ready to transcode.
pub struct Transcoder {
    plans: Plans,
    tree: routes::Routes,
    routes: Vec<Arc<Route>>,
    classes: HashMap<String, Class>,
}

/// One route of a method.
pub struct Route {
    /// The HTTP method.
    pub method: Method,
    /// The path template, as written.
    pub template: String,
    /// The gRPC method behind it.
    pub call: Arc<Call>,
    /// What the HTTP body fills.
    pub body: Body,
    // The response field that is answered in place of the whole.
    response_field: Option<usize>,
    // Where the request holds the etag of what it changes, for If-Match.
    if_match: Option<String>,
}

/// What the HTTP body of a route fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// Nothing: the call takes no body.
    None,
    /// The request.
    Whole,
    /// A field of it, by place.
    Field(usize),
    /// A field that is a google.api.HttpBody, by number: the body is taken as it is.
    File(u32),
}

/// One gRPC method.
pub struct Call {
    /// Its path, `/package.Service/Method`.
    pub path: String,
    /// Its package, by which the service that serves it is found.
    pub package: String,
    /// Whether the request is a stream.
    pub client_streaming: bool,
    /// Whether the answer is a stream.
    pub server_streaming: bool,
    /// Whether the answer is a google.api.HttpBody, which goes out as it is.
    pub raw: bool,
    /// What it is when not all calls fit.
    pub class: Class,
    /// Whether it changes nothing, by the contract's own word; what comes by GET does not either.
    pub no_side_effects: bool,
    // The request's field `request_id`, by number, where the same id is done once.
    once: Option<u32>,
    // The answer's field `etag`, by number.
    etag: Option<u32>,
    input: Index,
    output: Index,
    request_id: Option<usize>,
    update_mask: Option<usize>,
}

impl Transcoder {
    /// Compiles the contract; what can't be routed is refused with its name.
    pub fn new(pool: &DescriptorPool) -> Result<Self> {
        let plans = Plans::new(pool);
        let (mut tree, mut routes) = (routes::Routes::default(), Vec::new());
        let mut classes = HashMap::new();
        for method in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
            add_routes(&plans, &method, &mut tree, &mut routes)
                .with_context(|| format!("the method {}", method.full_name()))?;
            let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
            let class = Class::of(&path, method.is_client_streaming(), method.is_server_streaming());
            classes.insert(path, class);
        }
        Ok(Self { plans, tree, routes, classes })
    }

    /// What a gRPC method is when not all calls fit.
    pub fn class_of(&self, path: &str) -> Class {
        self.classes.get(path).copied().unwrap_or(Class::Other)
    }

    /// All routes.
    pub fn routes(&self) -> &[Arc<Route>] {
        &self.routes
    }

    /// Finds the route of a request.
    pub fn find(&self, method: &Method, path: &str) -> Result<(&Arc<Route>, Variables<'_>), Refusal> {
        // HEAD is GET without the body, which the server leaves out.
        let asked = if method == Method::HEAD { &Method::GET } else { method };
        match self.tree.find(asked, path) {
            Outcome::Found { route, variables } => Ok((&self.routes[route], variables)),
            Outcome::MethodNotAllowed(known) => {
                Err(refusal::method_not_allowed(method.as_str(), &allowed(known)))
            }
            Outcome::NotFound => Err(refusal::route_unknown(method.as_str(), path)),
        }
    }

    /// The methods of a path, as the header Allow lists them.
    pub fn options(&self, path: &str) -> Result<String, Refusal> {
        match self.tree.find(&Method::OPTIONS, path) {
            Outcome::MethodNotAllowed(known) => Ok(allowed(known).join(", ")),
            Outcome::Found { .. } | Outcome::NotFound => Err(refusal::route_unknown("OPTIONS", path)),
        }
    }

    /// Binds a request to its wire bytes.
    pub fn request(&self, route: &Route, incoming: Incoming<'_>) -> Result<Vec<u8>, Refusal> {
        request::bind(&self.plans, &route.call, route, incoming)
    }

    /// Appends an answer as JSON.
    pub fn response(&self, route: &Route, wire: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        match route.response_field {
            None => response::write(&self.plans, route.call.output, wire, out),
            Some(place) => response::write_field(&self.plans, route.call.output, place, wire, out),
        }
    }

    /// Appends any message of the contract as JSON; nothing is known of others.
    pub fn message(&self, full_name: &str, wire: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        response::write(&self.plans, self.plans.index(full_name).ok_or(Malformed)?, wire, out)
    }
}

// What the contract's routes know, and what HTTP adds to it.
fn allowed(mut known: Vec<String>) -> Vec<String> {
    if known.iter().any(|method| method == "GET") {
        known.push(String::from("HEAD"));
    }
    known.push(String::from("OPTIONS"));
    known.sort_unstable();
    known.dedup();
    known
}

fn add_routes(
    plans: &Plans,
    method: &MethodDescriptor,
    tree: &mut routes::Routes,
    routes: &mut Vec<Arc<Route>>,
) -> Result<()> {
    let call = Arc::new(Call::new(plans, method)?);
    for rule in http_rules(&method.options())? {
        let route = Route::new(plans, &call, rule)?;
        if let Err(error) = tree.add(&route.method, &route.template, routes.len()) {
            let others: Vec<&str> = routes.iter().map(|other| other.template.as_str()).collect();
            return Err(error.context(format!("routes so far: {}", others.join(", "))));
        }
        routes.push(Arc::new(route));
    }
    Ok(())
}

impl Call {
    fn new(plans: &Plans, method: &MethodDescriptor) -> Result<Self> {
        let index =
            |name: &str| plans.index(name).with_context(|| format!("the message {name} is not known"));
        let (input, output) = (index(method.input().full_name())?, index(method.output().full_name())?);
        let place = |name: &str| plans.message(input).field(name).map(|(place, _)| place);
        let service = method.parent_service();
        let path = format!("/{}/{}", service.full_name(), method.name());
        let tag = plans.message(output).field("etag").map(|(_, field)| field);
        Ok(Self {
            class: Class::of(&path, method.is_client_streaming(), method.is_server_streaming()),
            no_side_effects: has_no_side_effects(method),
            once: done_once(method),
            etag: tag.filter(|field| field.is_text()).map(|field| field.number),
            path,
            package: service.package_name().to_owned(),
            client_streaming: method.is_client_streaming(),
            server_streaming: method.is_server_streaming(),
            raw: method.output().full_name() == HTTP_BODY,
            input,
            output,
            request_id: place("request_id"),
            update_mask: place("update_mask"),
        })
    }
}

impl Call {
    /// The entity tag of an answer: its field `etag`, where it has one and that is not empty.
    pub fn etag_of(&self, wire: &[u8]) -> Result<Option<String>, Malformed> {
        text_at(self.etag, wire)
    }

    /// Whether this request may be sent twice without being done twice, by which HTTP method it came.
    pub fn is_repeatable(&self, method: &Method, wire: &[u8]) -> bool {
        let reads = self.no_side_effects || matches!(*method, Method::GET | Method::HEAD);
        !self.client_streaming && (reads || text_at(self.once, wire).is_ok_and(|id| id.is_some()))
    }
}

// The text of a field, where it is not empty.
fn text_at(number: Option<u32>, wire: &[u8]) -> Result<Option<String>, Malformed> {
    let Some(number) = number else { return Ok(None) };
    let (mut reader, mut found) = (Reader(wire), None);
    while let Some((field, value)) = reader.field()? {
        if let (true, Wire::Bytes(bytes)) = (field == number, value) {
            found = Some(std::str::from_utf8(bytes).map_err(|_| Malformed)?.to_owned());
        }
    }
    Ok(found.filter(|text| !text.is_empty()))
}

fn has_no_side_effects(method: &MethodDescriptor) -> bool {
    let options = method.method_descriptor_proto().options.as_ref();
    options.is_some_and(|options| options.idempotency_level() == IdempotencyLevel::NoSideEffects)
}

// Services keep the answer of a request id and give it again. The issuer of secrets keeps none of its answers.
fn done_once(method: &MethodDescriptor) -> Option<u32> {
    let issuer = method.parent_service().package_name() == "xinheng.identity.v1";
    let field = method.input().get_field(REQUEST_ID)?;
    (!issuer && field.name() == "request_id").then_some(REQUEST_ID)
}

impl Route {
    fn new(plans: &Plans, call: &Arc<Call>, rule: routes::HttpRule) -> Result<Self> {
        let input = plans.message(call.input);
        let body = match rule.body.as_str() {
            "" => Body::None,
            "*" => Body::Whole,
            name => {
                let (place, field) =
                    input.field(name).with_context(|| format!("the body field {name} is missing"))?;
                match field.kind {
                    Kind::Message(inner)
                        if field.shape == Shape::Single && plans.message(inner).name == HTTP_BODY =>
                    {
                        Body::File(field.number)
                    }
                    _ => Body::Field(place),
                }
            }
        };
        let file = matches!(body, Body::File(_));
        ensure!(
            file || !call.client_streaming,
            "a stream of requests over HTTP needs a body field of type {HTTP_BODY}"
        );
        let response_field = match rule.response_body.as_str() {
            "" => None,
            name => {
                let found = plans.message(call.output).field(name);
                Some(found.with_context(|| format!("the response field {name} is missing"))?.0)
            }
        };
        let text =
            |index: Index| plans.message(index).field("etag").is_some_and(|(_, field)| field.is_text());
        let if_match = match body {
            _ if text(call.input) => Some(String::from("etag")),
            Body::Field(place) => match input.fields[place].kind {
                Kind::Message(inner) if input.fields[place].shape == Shape::Single && text(inner) => {
                    Some(format!("{}.etag", input.fields[place].name))
                }
                _ => None,
            },
            _ => None,
        };
        let (method, template, call) = (rule.method, rule.template, call.clone());
        Ok(Self { method, template, call, body, response_field, if_match })
    }
}
