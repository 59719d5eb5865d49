//! Path templates, by properties: what a template describes it finds, and nothing else.
use http::Method;
use proptest::prelude::*;

use super::{
    routes::{Outcome, Routes},
    template::{Segment, Template},
};

// What a segment of a path may be, unescaped: slashes, colons, percent signs and Chinese are among it.
fn value() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9_.~ /%:信用+&=?#-]{1,8}"
}

fn literal() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9]{0,6}"
}

#[derive(Clone, Debug)]
enum Piece {
    Literal(String),
    Variable(String),
}

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let piece = prop_oneof![literal().prop_map(Piece::Literal), value().prop_map(Piece::Variable)];
    prop::collection::vec(piece, 1..7)
}

fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn template_of(pieces: &[Piece]) -> String {
    let shown = pieces.iter().enumerate().map(|(number, piece)| match piece {
        Piece::Literal(text) => text.clone(),
        Piece::Variable(_) => format!("{{f{number}}}"),
    });
    format!("/{}", shown.collect::<Vec<_>>().join("/"))
}

fn path_of(pieces: &[Piece]) -> String {
    let shown = pieces.iter().map(|piece| match piece {
        Piece::Literal(text) => text.clone(),
        Piece::Variable(text) => escaped(text),
    });
    format!("/{}", shown.collect::<Vec<_>>().join("/"))
}

proptest! {
    #[test]
    fn a_path_gives_back_what_was_put_into_it(pieces in pieces(), verb in prop::option::of(literal())) {
        let verb = verb.map(|verb| format!(":{verb}")).unwrap_or_default();
        let (template, path) = (template_of(&pieces) + &verb, path_of(&pieces) + &verb);
        let mut routes = Routes::default();
        routes.add(&Method::GET, &template, 7).expect("a template");
        let Outcome::Found { route, variables } = routes.find(&Method::GET, &path) else {
            return Err(TestCaseError::fail(format!("{path} is not found by {template}")));
        };
        prop_assert_eq!(route, 7);
        let expected: Vec<(String, String)> = pieces.iter().enumerate().filter_map(|(number, piece)| match piece {
            Piece::Variable(text) => Some((format!("f{number}"), text.clone())),
            Piece::Literal(_) => None,
        }).collect();
        let found: Vec<(String, String)> =
            variables.iter().map(|(field, value)| ((*field).to_owned(), value.clone().expect("an escape"))).collect();
        prop_assert_eq!(found, expected);
        let other = matches!(routes.find(&Method::PUT, &path), Outcome::MethodNotAllowed(known) if known == ["GET"]);
        prop_assert!(other, "the path is known by another method");
        let longer = matches!(routes.find(&Method::GET, &format!("{path}/more")), Outcome::NotFound);
        prop_assert!(longer, "one segment more is another path");
    }

    #[test]
    fn a_template_says_as_many_segments_as_it_has(pieces in pieces()) {
        let parsed = Template::parse(&template_of(&pieces)).expect("a template");
        prop_assert_eq!(parsed.segments.len(), pieces.len());
        let ones = parsed.segments.iter().filter(|segment| **segment == Segment::One).count();
        prop_assert_eq!(ones, parsed.variables.len());
        for variable in &parsed.variables {
            prop_assert_eq!(variable.end, Some(variable.start + 1));
        }
    }

    #[test]
    fn two_templates_of_one_shape_are_refused(pieces in pieces()) {
        let mut routes = Routes::default();
        let template = template_of(&pieces);
        routes.add(&Method::GET, &template, 0).expect("a template");
        let renamed = template.replace("{f", "{g");
        let (same, other) = (routes.add(&Method::GET, &renamed, 1), routes.add(&Method::PUT, &renamed, 1));
        prop_assert!(same.is_err() && other.is_ok());
    }

    #[test]
    fn no_text_brings_it_down(template in "[/a{}*=:.]{0,24}", path in "\\PC{0,40}") {
        let mut routes = Routes::default();
        // Refused or taken; a path then finds something or nothing.
        if routes.add(&Method::GET, &template, 0).is_ok() {
            let _ = routes.find(&Method::GET, &path);
        }
        let _ = routes.find(&Method::GET, &template);
    }
}
