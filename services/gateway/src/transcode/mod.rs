//! Transcoding between REST and gRPC, from the descriptors alone. Adding a call to the contract changes nothing here.
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use http::Method;
use prost_reflect::{DescriptorPool, MethodDescriptor};

mod encode;
mod json;
mod nearest;
mod plan;
pub mod refusal;
mod request;
mod response;
mod routes;
mod template;
mod wire;

#[cfg(test)]
pub(crate) mod tests;

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
        for method in pool.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
            add_routes(&plans, &method, &mut tree, &mut routes)
                .with_context(|| format!("the method {}", method.full_name()))?;
        }
        Ok(Self { plans, tree, routes })
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
            Outcome::MethodNotAllowed(allowed) => Err(refusal::method_not_allowed(method.as_str(), &allowed)),
            Outcome::NotFound => Err(refusal::route_unknown(method.as_str(), path)),
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
        Ok(Self {
            path: format!("/{}/{}", service.full_name(), method.name()),
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
        Ok(Self { method: rule.method, template: rule.template, call: call.clone(), body, response_field })
    }
}
