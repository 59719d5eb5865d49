//! The term of objections: dated data.
use std::sync::LazyLock;

use calendar::{Calendar, Term};
use jiff::civil::Date;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TermRule {
    filing: String,
    effective_from: String,
    working_days: u16,
    basis: String,
}

// The test below reads the file, so that what is shipped can be read.
static TERMS: LazyLock<Vec<TermRule>> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../data/terms.json")).unwrap_or_default());

/// By when an objection is to be decided, and the rule that says so.
pub fn term(filed_on: Date) -> Option<(Term, &'static str)> {
    let day = filed_on.to_string();
    let in_force = TERMS.iter().filter(|rule| rule.filing == "OBJECTION" && rule.effective_from <= day);
    let rule = in_force.max_by_key(|rule| &rule.effective_from)?;
    Some((Calendar::national().add_working_days(filed_on, rule.working_days), &rule.basis))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn the_term_is_counted_in_working_days() {
        // Friday 2026-02-13; the Spring Festival is off from 15 to 23 February, with work on Saturdays 14 and 28.
        let ends = term(date(2026, 2, 13)).map(|(term, _)| (term.last_day, term.provisional));
        assert_eq!(ends, Some((date(2026, 3, 2), false)));
    }
}
