//! The terms of objections and repairs: dated data.
use std::sync::LazyLock;

use calendar::{Calendar, Term};
use chassis::fault::Violation;
use contract::credit::v1::{self as api, record::Mark};
use jiff::civil::Date;
use serde::Deserialize;

use crate::outcomes::refusal;

/// What is filed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 异议.
    Objection,
    /// 信用修复.
    Repair,
}

impl Kind {
    /// As the table and the data name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Objection => "OBJECTION",
            Self::Repair => "REPAIR",
        }
    }

    /// The state of one that was granted.
    pub fn granted(self) -> &'static str {
        match self {
            Self::Objection => "UPHELD",
            Self::Repair => "APPROVED",
        }
    }

    /// What the record bears meanwhile.
    pub fn mark(self) -> Mark {
        match self {
            Self::Objection => Mark::UnderObjection,
            Self::Repair => Mark::UnderRepair,
        }
    }
}

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

/// By when a filing is to be decided, and the rule that says so.
pub fn term(kind: Kind, filed_on: Date) -> Option<(Term, &'static str)> {
    let day = filed_on.to_string();
    let in_force = TERMS.iter().filter(|rule| rule.filing == kind.name() && rule.effective_from <= day);
    let rule = in_force.max_by_key(|rule| &rule.effective_from)?;
    Some((Calendar::national().add_working_days(filed_on, rule.working_days), &rule.basis))
}

/// The refusal of a repair that comes too early.
pub fn too_early(first: Date, regime: &str) -> Violation {
    refusal(
        api::ErrorReason::RepairTooEarly,
        "record",
        format!("the record may be repaired from {first} on ({regime}); file the repair then"),
        format!("按{regime}，该记录最短公示期于{first}届满；请届时再申请修复"),
    )
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn terms_are_counted_in_working_days() {
        // Friday 2026-02-13; the Spring Festival is off from 15 to 23 February, with work on Saturdays 14 and 28.
        let ends = |kind| term(kind, date(2026, 2, 13)).map(|(term, _)| (term.last_day, term.provisional));
        assert_eq!(ends(Kind::Objection), Some((date(2026, 3, 2), false)));
        assert_eq!(ends(Kind::Repair), Some((date(2026, 3, 5), false)));
    }
}
