//! The routes of the contract and the tree that finds them. Ambiguous routes are refused at start, not at the first call.
use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context, Result, bail};
use http::Method;
use prost_reflect::{DynamicMessage, ReflectMessage};

use super::{
    request::Variables,
    template::{Segment, Template, Variable},
};

/// What a request's method and path lead to.
#[derive(Debug)]
pub enum Outcome<'t> {
    /// A route, by its place, and the values of its variables.
    Found {
        /// The place that it was added with.
        route: usize,
        /// The path's variables.
        variables: Variables<'t>,
    },
    /// The path exists with these methods only.
    MethodNotAllowed(Vec<String>),
    /// There is no such path.
    NotFound,
}

/// The tree of routes.
#[derive(Default)]
pub struct Routes {
    root: Node,
    verbs: BTreeSet<String>,
}

#[derive(Default)]
struct Node {
    literals: HashMap<String, Node>,
    one: Option<Box<Node>>,
    rest: Option<Box<Node>>,
    // By verb, then by HTTP method.
    ends: HashMap<Option<String>, BTreeMap<String, End>>,
}

struct End {
    route: usize,
    variables: Vec<Variable>,
}

impl Routes {
    /// Adds a route; one that nothing tells from another is refused.
    pub fn add(&mut self, method: &Method, template: &str, route: usize) -> Result<()> {
        let parsed = Template::parse(template)?;
        let mut node = &mut self.root;
        for segment in &parsed.segments {
            node = match segment {
                Segment::Literal(text) => node.literals.entry(text.clone()).or_default(),
                Segment::One => node.one.get_or_insert_default(),
                Segment::Rest => node.rest.get_or_insert_default(),
            };
        }
        self.verbs.extend(parsed.verb.clone());
        let ends = node.ends.entry(parsed.verb).or_default();
        if let Some(other) = ends.get(method.as_str()) {
            bail!("{method} {template} can't be told from route {}", other.route);
        }
        ends.insert(method.to_string(), End { route, variables: parsed.variables });
        Ok(())
    }

    /// Finds the route of a request. Literals win over variables, segment by segment.
    pub fn find(&self, method: &Method, path: &str) -> Outcome<'_> {
        let segments: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
        let mut allowed = BTreeSet::new();
        for (segments, verb) in self.readings(&segments) {
            let mut search = Search { method, verb, segments: &segments, allowed: &mut allowed };
            if let Some(end) = search.walk(&self.root, 0) {
                let variables = end.variables.iter().map(|variable| value(variable, &segments)).collect();
                return Outcome::Found { route: end.route, variables };
            }
        }
        if allowed.is_empty() {
            Outcome::NotFound
        } else {
            Outcome::MethodNotAllowed(allowed.into_iter().collect())
        }
    }

    // A colon in the last segment begins a verb if a verb of that name exists; else it belongs to a value.
    fn readings<'s>(&self, segments: &[&'s str]) -> Vec<(Vec<&'s str>, Option<String>)> {
        let mut readings = Vec::with_capacity(2);
        let split = segments.last().and_then(|last| last.rsplit_once(':'));
        if let Some((before, verb)) = split.filter(|(_, verb)| self.verbs.contains(*verb)) {
            let mut shorter = segments.to_vec();
            shorter.pop();
            shorter.push(before);
            readings.push((shorter, Some(verb.to_owned())));
        }
        readings.push((segments.to_vec(), None));
        readings
    }
}

struct Search<'s> {
    method: &'s Method,
    verb: Option<String>,
    segments: &'s [&'s str],
    allowed: &'s mut BTreeSet<String>,
}

impl Search<'_> {
    fn walk<'t>(&mut self, node: &'t Node, depth: usize) -> Option<&'t End> {
        let Some(segment) = self.segments.get(depth) else {
            let zero = node.rest.as_deref().and_then(|rest| self.end(rest));
            return self.end(node).or(zero);
        };
        let literal = percent_decode(segment).and_then(|text| node.literals.get(&text));
        if let Some(found) = literal.and_then(|next| self.walk(next, depth + 1)) {
            return Some(found);
        }
        if !segment.is_empty()
            && let Some(found) = node.one.as_deref().and_then(|next| self.walk(next, depth + 1))
        {
            return Some(found);
        }
        node.rest.as_deref().and_then(|rest| self.end(rest))
    }

    fn end<'t>(&mut self, node: &'t Node) -> Option<&'t End> {
        let ends = node.ends.get(&self.verb)?;
        let found = ends.get(self.method.as_str());
        if found.is_none() {
            self.allowed.extend(ends.keys().cloned());
        }
        found
    }
}

fn value<'t>(variable: &'t Variable, segments: &[&str]) -> (&'t str, Option<String>) {
    let end = variable.end.unwrap_or(segments.len()).min(segments.len());
    let decoded: Option<Vec<String>> =
        segments[variable.start.min(end)..end].iter().map(|segment| percent_decode(segment)).collect();
    (&variable.field, decoded.map(|parts| parts.join("/")))
}

/// Decodes %XX; nothing where the escapes or the UTF-8 are broken.
pub fn percent_decode(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            plain => plain,
        });
    }
    String::from_utf8(bytes).ok()
}

/// Reads the HTTP rules of a method: verb, template, and which fields are the body and the answer.
pub fn http_rules(options: &DynamicMessage) -> Result<Vec<HttpRule>> {
    let pool = options.descriptor().parent_pool().clone();
    let Some(extension) =
        pool.get_extension_by_name("google.api.http").filter(|known| options.has_extension(known))
    else {
        return Ok(Vec::new());
    };
    let value = options.get_extension(&extension);
    let rule = value.as_message().context("google.api.http is no message")?;
    let mut rules = vec![http_rule(rule)?];
    if let Some(more) = rule.get_field_by_name("additional_bindings")
        && let Some(list) = more.as_list()
    {
        for binding in list {
            rules.push(http_rule(binding.as_message().context("a binding is no message")?)?);
        }
    }
    Ok(rules)
}

/// One HTTP rule.
#[derive(Debug)]
pub struct HttpRule {
    /// The HTTP method.
    pub method: Method,
    /// The path template.
    pub template: String,
    /// The request field that the body fills; `*` for the whole request, empty for none.
    pub body: String,
    /// The response field that is answered; empty for the whole response.
    pub response_body: String,
}

fn http_rule(rule: &DynamicMessage) -> Result<HttpRule> {
    let text = |message: &DynamicMessage, name: &str| {
        message
            .get_field_by_name(name)
            .and_then(|value| value.as_str().map(str::to_owned))
            .unwrap_or_default()
    };
    let plain = ["get", "put", "post", "delete", "patch"]
        .into_iter()
        .map(|verb| (verb.to_uppercase(), text(rule, verb)))
        .find(|(_, template)| !template.is_empty());
    let custom = || {
        let custom = rule.get_field_by_name("custom")?;
        let custom = custom.as_message()?;
        Some((text(custom, "kind"), text(custom, "path")))
    };
    let (verb, template) = plain.or_else(custom).context("google.api.http names no path")?;
    Ok(HttpRule {
        method: Method::from_bytes(verb.as_bytes())?,
        template,
        body: text(rule, "body"),
        response_body: text(rule, "response_body"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(list: &[(&str, &str)]) -> Result<Routes> {
        let mut routes = Routes::default();
        for (place, (method, template)) in list.iter().enumerate() {
            routes.add(&method.parse().expect("a method"), template, place)?;
        }
        Ok(routes)
    }

    fn found(routes: &Routes, method: &str, path: &str) -> String {
        match routes.find(&method.parse().expect("a method"), path) {
            Outcome::Found { route, variables } => {
                let shown: Vec<String> = variables
                    .iter()
                    .map(|(field, value)| format!("{field}={}", value.as_deref().unwrap_or("?")))
                    .collect();
                format!("{route} {}", shown.join(" ")).trim().to_owned()
            }
            Outcome::MethodNotAllowed(allowed) => format!("405 {}", allowed.join(",")),
            Outcome::NotFound => String::from("404"),
        }
    }

    #[test]
    fn paths_lead_to_their_routes() {
        let routes = routes(&[
            ("POST", "/credit/v1/subjects:batchUpsert"),
            ("GET", "/credit/v1/subjects/{uscc}"),
            ("GET", "/credit/v1/subjects"),
            ("GET", "/grading/v1/subjects/{uscc}/grades/{scheme}:explain"),
            ("GET", "/grading/v1/subjects/{uscc}/grades"),
            ("GET", "/credit/v1/subjects/special"),
            ("PUT", "/credit/v1/items/{catalogue_item.item}"),
            ("GET", "/.well-known/jwks.json"),
            ("GET", "/files/{path=**}"),
            ("DELETE", "/credit/v1/subjects/{uscc}"),
            ("GET", "/a/{x}/c"),
            ("GET", "/a/b/{y}"),
        ])
        .expect("routes");
        for (method, path, expected) in [
            ("POST", "/credit/v1/subjects:batchUpsert", "0"),
            ("GET", "/credit/v1/subjects/91640399X", "1 uscc=91640399X"),
            ("GET", "/credit/v1/subjects", "2"),
            ("GET", "/grading/v1/subjects/U/grades/S:explain", "3 uscc=U scheme=S"),
            ("GET", "/grading/v1/subjects/U/grades", "4 uscc=U"),
            ("GET", "/credit/v1/subjects/special", "5"),
            ("DELETE", "/credit/v1/subjects/special", "9 uscc=special"),
            ("PUT", "/credit/v1/items/tax-grade", "6 catalogue_item.item=tax-grade"),
            ("GET", "/.well-known/jwks.json", "7"),
            ("GET", "/files/a/b%20c", "8 path=a/b c"),
            ("GET", "/files/", "8 path="),
            ("GET", "/credit/v1/subjects/a%2Fb", "1 uscc=a/b"),
            ("GET", "/credit/v1/subjects/%E4%BF%A1", "1 uscc=信"),
            ("GET", "/credit/v1/subjects/%E4%BF", "1 uscc=?"),
            ("GET", "/credit/v1/subjects/a:b", "1 uscc=a:b"),
            // The verb exists, but not here: the colon belongs to the value.
            ("GET", "/credit/v1/subjects/a:explain", "1 uscc=a:explain"),
            ("GET", "/a/b/c", "11 y=c"),
            ("GET", "/a/x/c", "10 x=x"),
            ("GET", "/credit/v1/subjects:batchUpsert", "405 POST"),
            ("POST", "/credit/v1/subjects/U", "405 DELETE,GET"),
            ("POST", "/credit/v1/subjects", "405 GET"),
            ("GET", "/credit/v1/subjects/", "404"),
            ("GET", "/credit/v1//subjects", "404"),
            ("GET", "/credit/v1/subjects:nothing", "404"),
            ("GET", "/", "404"),
        ] {
            assert_eq!(found(&routes, method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn ambiguous_routes_are_refused() {
        assert!(routes(&[("GET", "/a/{x}"), ("GET", "/a/{y}")]).is_err());
        assert!(routes(&[("GET", "/a/{x}"), ("GET", "/a/*")]).is_err());
        assert!(
            routes(&[("GET", "/a/{x}"), ("PUT", "/a/{y}"), ("GET", "/a/{x}:v"), ("GET", "/a/b")]).is_ok()
        );
    }
}
