//! The terms of objections and repairs, and how long a record is shown before it may be repaired: dated data.
use std::sync::LazyLock;

use calendar::{Calendar, Term, add_months};
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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Regime {
    regime: String,
    effective_from: String,
    effective_to: String,
    items: Vec<String>,
    classes: Vec<Class>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Class {
    severity: i32,
    minimum_months: u32,
}

static TERMS: LazyLock<Vec<TermRule>> = LazyLock::new(|| read(include_str!("../../data/terms.json")));
static REGIMES: LazyLock<Vec<Regime>> = LazyLock::new(|| read(include_str!("../../data/regimes.json")));

// The tests below read both files, so that what is shipped can be read.
fn read<T: for<'de> Deserialize<'de>>(text: &str) -> Vec<T> {
    serde_json::from_str(text).unwrap_or_default()
}

/// By when a filing is to be decided, and the rule that says so.
pub fn term(kind: Kind, filed_on: Date) -> Option<(Term, &'static str)> {
    let day = filed_on.to_string();
    let in_force = TERMS.iter().filter(|rule| rule.filing == kind.name() && rule.effective_from <= day);
    let rule = in_force.max_by_key(|rule| &rule.effective_from)?;
    Some((Calendar::national().add_working_days(filed_on, rule.working_days), &rule.basis))
}

/// A record without a class is taken for an ordinary one 一般.
const ORDINARY: i32 = 2;

/// The first day on which a record may be repaired 最短公示期届满, and the regime that says so; none where no regime rules the
/// item. The regime in force on the day of the filing governs.
pub fn earliest_repair(record: &api::Record, filed_on: Date) -> Option<(Date, &'static str)> {
    let day = filed_on.to_string();
    let regime = REGIMES.iter().find(|regime| {
        regime.items.contains(&record.item)
            && regime.effective_from <= day
            && (regime.effective_to.is_empty() || day <= regime.effective_to)
    })?;
    let severity = if record.severity == 0 { ORDINARY } else { record.severity };
    let class = regime.classes.iter().rfind(|class| class.severity <= severity)?;
    let occurred: Date = record.occurred_on.parse().ok()?;
    Some((add_months(occurred, class.minimum_months), &regime.regime))
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

    fn record(severity: i32) -> api::Record {
        api::Record {
            item: String::from("administrative-penalty"),
            occurred_on: String::from("2026-01-15"),
            severity,
            ..Default::default()
        }
    }

    #[test]
    fn terms_are_counted_in_working_days() {
        // Friday 2026-02-13; the Spring Festival is off from 15 to 23 February, with work on Saturdays 14 and 28.
        let ends = |kind| term(kind, date(2026, 2, 13)).map(|(term, _)| (term.last_day, term.provisional));
        assert_eq!(ends(Kind::Objection), Some((date(2026, 3, 2), false)));
        assert_eq!(ends(Kind::Repair), Some((date(2026, 3, 5), false)));
    }

    #[test]
    fn the_regime_of_the_day_says_when_a_repair_is_possible() {
        let of = |severity, day| earliest_repair(&record(severity), day).map(|(first, _)| first);
        let (before, after) = (date(2026, 3, 31), date(2026, 4, 1));
        assert_eq!(of(1, before), Some(date(2026, 4, 15)));
        assert_eq!(of(1, after), Some(date(2026, 1, 15)));
        assert_eq!(of(2, after), Some(date(2026, 4, 15)));
        assert_eq!(of(0, after), of(2, after));
        assert_eq!(of(3, after), Some(date(2027, 1, 15)));
        assert_eq!(of(9, after), of(3, after));
        let other = api::Record { item: String::from("honour"), ..record(3) };
        assert_eq!(earliest_repair(&other, after), None);
    }
}
