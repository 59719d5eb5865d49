//! OpenAPI 3.1 from the same descriptors as the routes: what is documented is what is served.
mod comments;
mod headers;
mod schemas;

use std::collections::{BTreeMap, HashMap};

use http::Method;
use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor,
};
use serde_json::{Map, Value, json};

use crate::transcode::{HttpRule, http_rules};
pub use comments::Comments;
use schemas::Schemas;

const HTTP_BODY: &str = "google.api.HttpBody";
// Query parameters of nested messages are listed so deep; deeper ones work all the same.
const NESTED_MAX: usize = 2;

/// The document.
pub fn document(pool: &DescriptorPool) -> anyhow::Result<Value> {
    let mut writer = Writer {
        comments: Comments::of(pool),
        schemas: Schemas::new(pool),
        paths: BTreeMap::new(),
        ids: HashMap::new(),
        shapes: HashMap::new(),
    };
    let mut tags = Vec::new();
    for service in pool.services() {
        let mut routed = false;
        for method in service.methods() {
            for rule in http_rules(&method.options())? {
                writer.operation(&method, &rule);
                routed = true;
            }
        }
        if routed {
            let description = writer.comments.about(service.parent_file().name(), service.path());
            tags.push(json!({ "name": tag(service.full_name()), "description": description }));
        }
    }
    let paths: Map<String, Value> =
        writer.paths.into_iter().map(|(path, verbs)| (path, Value::Object(verbs))).collect();
    Ok(json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Xinheng 信衡",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Credit-based supervision of enterprises 企业信用监管. Get a token at POST /oauth2/token and send it as \
                            Authorization: Bearer. Errors are {\"error\": {code, status, message, details}}, in the language of \
                            Accept-Language (en, zh-CN). 先通过 POST /oauth2/token 获取令牌，并以 Authorization: Bearer 发送；错误信息的语言\
                            由 Accept-Language 决定。",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": writer.schemas.into_components(&writer.comments),
            "responses": { "Error": {
                "description": "Refused or failed 请求被拒绝或失败",
                "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } },
            } },
            "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" } },
        },
    }))
}

// "credit · Subjects"
fn tag(full_name: &str) -> String {
    let parts: Vec<&str> = full_name.split('.').collect();
    match parts[..] {
        [.., package, _, service] => format!("{package} · {service}"),
        _ => full_name.to_owned(),
    }
}

struct Writer {
    comments: Comments,
    schemas: Schemas,
    paths: BTreeMap<String, Map<String, Value>>,
    // How many routes each method has so far.
    ids: HashMap<String, usize>,
    // By the path without its variables' names: paths that differ in those only are one, under the names that came first.
    shapes: HashMap<String, (String, Vec<String>)>,
}

impl Writer {
    fn operation(&mut self, method: &MethodDescriptor, rule: &HttpRule) {
        let input = method.input();
        let description = self.comments.about(method.parent_service().parent_file().name(), method.path());
        let (path, variables) = path_of(&rule.template);
        let (path, names) = self.named(&path, &variables);
        let mut operation = json!({
            "operationId": self.id(method),
            "tags": [tag(method.parent_service().full_name())],
            "summary": first_sentence(&description),
            "description": description,
        });
        let (security, scope) = security(&method.options());
        operation["security"] = security;
        if let Some(scope) = scope {
            operation["x-scope"] = scope.into();
        }
        operation["parameters"] = self.parameters(&input, rule, &variables, &names);
        let conditions = headers::parameters(method, rule);
        if let Some(list) = operation["parameters"].as_array_mut() {
            list.extend(conditions);
        }
        if let Some(body) = self.body(&input, rule, &variables) {
            operation["requestBody"] = body;
        }
        let content = self.answer(method, rule);
        operation["responses"] = headers::responses(method, rule, content);
        self.paths.entry(path).or_default().insert(rule.method.as_str().to_lowercase(), operation);
    }

    // The path with its variables named, and the names.
    fn named(&mut self, path: &str, variables: &[String]) -> (String, Vec<String>) {
        let known = self.shapes.entry(path.to_owned()).or_insert_with(|| {
            let names = names_of(variables);
            let named = names
                .iter()
                .fold(path.to_owned(), |path, name| path.replacen("{}", &format!("{{{name}}}"), 1));
            (named, names)
        });
        known.clone()
    }

    // A further route to the same method needs a name of its own.
    fn id(&mut self, method: &MethodDescriptor) -> String {
        let base = format!("{}_{}", method.parent_service().full_name().replace('.', "_"), method.name());
        let count = self.ids.entry(base.clone()).or_default();
        *count += 1;
        if *count == 1 { base } else { format!("{base}_{count}") }
    }

    fn parameters(
        &mut self,
        input: &MessageDescriptor,
        rule: &HttpRule,
        variables: &[String],
        names: &[String],
    ) -> Value {
        let mut parameters = Vec::new();
        for (variable, name) in variables.iter().zip(names) {
            if let Some(field) = field_at(input, variable) {
                let (mut schema, description) = self.told(&field);
                // A segment that is empty is another path.
                schema["minLength"] = 1.into();
                parameters.push(json!({
                    "name": name, "in": "path", "required": true, "schema": schema, "description": description,
                }));
            }
        }
        if rule.body != "*" {
            self.query(input, "", rule, variables, &mut parameters);
        }
        if input.get_field_by_name("request_id").is_some() {
            parameters.push(json!({
                "name": "Idempotency-Key", "in": "header", "schema": { "type": "string", "maxLength": 128 },
                "description": "The same key gives the same answer, once done 幂等键",
            }));
        }
        Value::Array(parameters)
    }

    fn query(
        &mut self,
        message: &MessageDescriptor,
        above: &str,
        rule: &HttpRule,
        variables: &[String],
        into: &mut Vec<Value>,
    ) {
        let depth = above.matches('.').count();
        for field in message.fields() {
            let path = format!("{above}{}", field.name());
            let bound = variables.contains(&path)
                || (above.is_empty() && (field.name() == rule.body || field.name() == "request_id"));
            if bound || field.is_map() {
                continue;
            }
            match field.kind() {
                Kind::Message(inner) if !schemas::is_plain(&inner) => {
                    if field.cardinality() != Cardinality::Repeated
                        && depth < NESTED_MAX
                        && !schemas::is_open(&inner)
                    {
                        self.query(&inner, &format!("{path}."), rule, variables, into);
                    }
                }
                _ => {
                    let (schema, description) = self.told(&field);
                    let required = above.is_empty() && self.schemas.rule(&field).required;
                    let name = format!("{}{}", camel_path(above), field.json_name());
                    into.push(json!({ "name": name, "in": "query", "required": required, "schema": schema, "description": description }));
                }
            }
        }
    }

    fn told(&mut self, field: &FieldDescriptor) -> (Value, String) {
        let description = self.comments.about(field.parent_file().name(), field.path());
        (self.schemas.field(field), description)
    }

    fn body(&mut self, input: &MessageDescriptor, rule: &HttpRule, variables: &[String]) -> Option<Value> {
        let content = match rule.body.as_str() {
            "" => return None,
            "*" => {
                let omitted: Vec<&str> = variables.iter().map(String::as_str).chain(["request_id"]).collect();
                let schema = self.schemas.object(input, &omitted, &self.comments);
                // OAuth's own form, for the one call that OAuth defines.
                let mut content = json!({ "application/json": { "schema": schema } });
                if rule.template.starts_with("/oauth2/") {
                    content["application/x-www-form-urlencoded"] = content["application/json"].clone();
                }
                content
            }
            name => {
                let field = input.get_field_by_name(name)?;
                match field.kind() {
                    Kind::Message(inner) if inner.full_name() == HTTP_BODY => {
                        json!({ "application/octet-stream": {} })
                    }
                    Kind::Message(inner) => {
                        let prefix = format!("{name}.");
                        let omitted: Vec<&str> =
                            variables.iter().filter_map(|path| path.strip_prefix(&prefix)).collect();
                        json!({ "application/json": { "schema": self.schemas.object(&inner, &omitted, &self.comments) } })
                    }
                    _ => json!({ "application/json": { "schema": self.schemas.field(&field) } }),
                }
            }
        };
        Some(json!({ "required": rule.method != Method::DELETE, "content": content }))
    }

    fn answer(&mut self, method: &MethodDescriptor, rule: &HttpRule) -> Value {
        let output = method.output();
        // A file has the type that it says.
        if output.full_name() == HTTP_BODY {
            return json!({ "*/*": {} });
        }
        let schema = match output.get_field_by_name(&rule.response_body) {
            Some(field) => self.schemas.field(&field),
            None => self.schemas.message(&output),
        };
        if method.is_server_streaming() {
            let events = json!({ "schema": { "type": "string", "description": "data: one message as JSON 每条消息一个 JSON" } });
            return json!({ "application/x-ndjson": { "schema": schema }, "text/event-stream": events });
        }
        json!({ "application/json": { "schema": schema } })
    }
}

// "/v1/{a.b=c/*}:verb" as "/v1/{}:verb", and the field paths of its variables.
fn path_of(template: &str) -> (String, Vec<String>) {
    let (mut path, mut variables) = (String::new(), Vec::new());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (inner, behind) = after.split_once('}').unwrap_or((after, ""));
        path.push_str(before);
        path.push_str("{}");
        variables.push(inner.split('=').next().unwrap_or_default().to_owned());
        rest = behind;
    }
    path.push_str(rest);
    (path, variables)
}

// A variable is named by its field alone, without the message that holds it: many programs read a dot in a name as something else.
fn names_of(variables: &[String]) -> Vec<String> {
    let leaf = |variable: &String| camel_path(variable.rsplit('.').next().unwrap_or_default());
    let names: Vec<String> = variables.iter().map(leaf).collect();
    let doubled = |name: &String| names.iter().filter(|other| *other == name).count() > 1;
    let whole = |variable: &String| camel_path(&variable.replace('.', "_"));
    variables
        .iter()
        .zip(&names)
        .map(|(variable, name)| if doubled(name) { whole(variable) } else { name.clone() })
        .collect()
}

// Names of variables in paths are those that the query would use.
fn camel_path(path: &str) -> String {
    let mut raise = false;
    path.chars()
        .filter_map(|letter| match letter {
            '_' => {
                raise = true;
                None
            }
            _ if std::mem::take(&mut raise) => Some(letter.to_ascii_uppercase()),
            _ => Some(letter),
        })
        .collect()
}

fn field_at(input: &MessageDescriptor, path: &str) -> Option<FieldDescriptor> {
    let (mut message, mut found) = (Some(input.clone()), None);
    for name in path.split('.') {
        let field = message?.get_field_by_name(name)?;
        message = match field.kind() {
            Kind::Message(inner) => Some(inner),
            _ => None,
        };
        found = Some(field);
    }
    found
}

/// What stands before the first full stop.
pub fn first_sentence(text: &str) -> &str {
    text.split_inclusive(['.', '。']).next().unwrap_or_default().trim().trim_end_matches('.')
}

fn security(options: &DynamicMessage) -> (Value, Option<String>) {
    use prost_reflect::ReflectMessage;
    let pool = options.descriptor().parent_pool().clone();
    let bearer = json!([{ "bearer": [] }]);
    let Some(extension) = pool.get_extension_by_name("xinheng.type.v1.access") else { return (bearer, None) };
    let value = options.get_extension(&extension);
    let Some(access) = value.as_message() else { return (bearer, None) };
    let public = access.get_field_by_name("public").and_then(|flag| flag.as_bool()).unwrap_or_default();
    let scope = access.get_field_by_name("scope").and_then(|scope| scope.as_str().map(str::to_owned));
    match public {
        true => (json!([]), None),
        false => (bearer, scope.filter(|scope| !scope.is_empty())),
    }
}

#[cfg(test)]
mod tests;
