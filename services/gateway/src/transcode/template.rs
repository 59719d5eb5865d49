//! Path templates of `google.api.http`: literals, `*`, `**`, `{field}`, `{field=segments/*}`, a trailing `:verb`.
use anyhow::{Result, bail, ensure};

/// A parsed template.
#[derive(Debug, PartialEq, Eq)]
pub struct Template {
    /// What each segment of a path must be.
    pub segments: Vec<Segment>,
    /// The custom verb at the end.
    pub verb: Option<String>,
    /// Which segments fill which request fields.
    pub variables: Vec<Variable>,
}

/// What a segment must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// This text.
    Literal(String),
    /// Any one segment.
    One,
    /// Any number of segments, to the end.
    Rest,
}

/// The part of a path that fills a request field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// The field's path, proto names joined by dots.
    pub field: String,
    /// The first segment.
    pub start: usize,
    /// The segment after the last; nothing where it goes to the end.
    pub end: Option<usize>,
}

impl Template {
    /// Parses a template; the refusal says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self> {
        let Some(mut rest) = text.strip_prefix('/') else { bail!("{text}: a path template begins with /") };
        let mut template = Template { segments: Vec::new(), verb: None, variables: Vec::new() };
        // The verb follows the last segment; a colon within braces can't be one.
        let after_braces = rest.rfind('}').map_or(0, |at| at + 1);
        let last = rest.rfind('/').map_or(after_braces, |at| after_braces.max(at + 1));
        if let Some(colon) = rest[last..].find(':') {
            template.verb = Some(rest[last + colon + 1..].to_owned());
            rest = &rest[..last + colon];
        }
        for piece in pieces(rest) {
            template.piece(piece).map_err(|error| error.context(format!("the path template {text}")))?;
        }
        ensure!(template.verb.as_deref() != Some(""), "{text}: the verb after the colon is missing");
        let early = template.segments.iter().rev().skip(1).any(|segment| *segment == Segment::Rest);
        ensure!(!early, "{text}: ** can only be the last segment");
        Ok(template)
    }

    fn piece(&mut self, piece: &str) -> Result<()> {
        let Some(inner) = piece.strip_prefix('{') else { return self.segment(piece) };
        let Some(inner) = inner.strip_suffix('}') else { bail!("a brace is not closed") };
        let (field, pattern) = inner.split_once('=').unwrap_or((inner, "*"));
        ensure!(!field.is_empty(), "a variable has no field");
        let start = self.segments.len();
        for segment in pattern.split('/') {
            self.segment(segment)?;
        }
        let open = self.segments.last() == Some(&Segment::Rest);
        let end = (!open).then_some(self.segments.len());
        self.variables.push(Variable { field: field.to_owned(), start, end });
        Ok(())
    }

    fn segment(&mut self, text: &str) -> Result<()> {
        ensure!(!text.is_empty() && !text.contains(['{', '}']), "the segment \"{text}\" can't be read");
        self.segments.push(match text {
            "*" => Segment::One,
            "**" => Segment::Rest,
            literal => Segment::Literal(literal.to_owned()),
        });
        Ok(())
    }
}

// Splits at the slashes outside braces.
fn pieces(text: &str) -> Vec<&str> {
    let (mut pieces, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, letter) in text.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            '/' if depth == 0 => {
                pieces.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    pieces.push(&text[start..]);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(field: &str, start: usize, end: Option<usize>) -> Variable {
        Variable { field: field.to_owned(), start, end }
    }

    #[test]
    fn templates_are_taken_apart() {
        let literal = |text: &str| Segment::Literal(text.to_owned());
        let parsed =
            Template::parse("/credit/v1/subjects/{uscc}/grades/{scheme}:explain").expect("a template");
        assert_eq!(parsed.verb.as_deref(), Some("explain"));
        assert_eq!(parsed.segments.len(), 6);
        assert_eq!(parsed.variables, [variable("uscc", 3, Some(4)), variable("scheme", 5, Some(6))]);

        let parsed = Template::parse("/v1/{a.name=shelves/*/books/*}").expect("a template");
        assert_eq!(
            parsed.segments,
            [literal("v1"), literal("shelves"), Segment::One, literal("books"), Segment::One]
        );
        assert_eq!(parsed.variables, [variable("a.name", 1, Some(5))]);

        let parsed = Template::parse("/v1/{path=files/**}:open").expect("a template");
        assert_eq!(parsed.variables, [variable("path", 1, None)]);
        assert_eq!(parsed.verb.as_deref(), Some("open"));

        let parsed = Template::parse("/.well-known/jwks.json").expect("a template");
        assert_eq!(parsed.segments, [literal(".well-known"), literal("jwks.json")]);
    }

    #[test]
    fn wrong_templates_are_refused() {
        for wrong in ["", "v1", "/v1/{", "/v1/{a", "/v1//x", "/v1/{=*}", "/**/x", "/v1/x:", "/v1/a{b}"] {
            assert!(Template::parse(wrong).is_err(), "{wrong}");
        }
    }
}
