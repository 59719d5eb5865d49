//! The terms that the law sets procedures, as dated data.
use std::sync::LazyLock;

use jiff::civil::Date;

use crate::{Calendar, Term};

static TERMS: LazyLock<Vec<LegalTerm>> = LazyLock::new(|| {
    let text = include_str!("../data/terms.csv");
    // The test below reads every line, so that what is shipped can be read.
    text.lines().filter(|line| !line.starts_with('#')).filter_map(LegalTerm::read).collect()
});

/// A procedure whose term the law sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Procedure {
    /// An objection 异议 is to be decided.
    Objection,
    /// An objection to a grade 等级异议 is to be decided.
    GradeObjection,
    /// A repair 信用修复 is to be decided.
    Repair,
    /// What an annulled decision published is to be withdrawn 撤回公示.
    Revocation,
    /// The result of an inspection is to be published 公示抽查检查结果.
    Publication,
    /// What was reported as put right is to be checked again 整改复查.
    Recheck,
    /// What was decided is to be sent to where it is shared and shown 归集公示.
    Sharing,
}

/// A term in working days 工作日, and the rule that sets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegalTerm {
    procedure: Procedure,
    effective_from: Date,
    /// How many working days.
    pub working_days: u16,
    /// Whether the rule's text was read: VERIFIED, SECONDARY or UNVERIFIED.
    pub status: String,
    /// The rule.
    pub basis: String,
}

impl LegalTerm {
    fn read(line: &str) -> Option<Self> {
        let mut columns = line.splitn(5, ',');
        let procedure = match columns.next()? {
            "OBJECTION" => Procedure::Objection,
            "GRADE_OBJECTION" => Procedure::GradeObjection,
            "REPAIR" => Procedure::Repair,
            "REVOCATION" => Procedure::Revocation,
            "PUBLICATION" => Procedure::Publication,
            "RECHECK" => Procedure::Recheck,
            "SHARING" => Procedure::Sharing,
            _ => return None,
        };
        Some(Self {
            procedure,
            effective_from: columns.next()?.parse().ok()?,
            working_days: columns.next()?.parse().ok()?,
            status: columns.next()?.to_owned(),
            basis: columns.next()?.to_owned(),
        })
    }

    /// The term in force for what is filed on a day.
    pub fn of(procedure: Procedure, filed_on: Date) -> Option<&'static Self> {
        let of_procedure = TERMS.iter().filter(|term| term.procedure == procedure);
        of_procedure.filter(|term| term.effective_from <= filed_on).max_by_key(|term| term.effective_from)
    }

    /// When it ends for what is filed on a day.
    pub fn end(&self, calendar: &Calendar, filed_on: Date) -> Term {
        calendar.add_working_days(filed_on, self.working_days)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn every_line_is_read() {
        let lines = include_str!("../data/terms.csv").lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(TERMS.len(), lines);
        assert!(TERMS.iter().all(|term| term.working_days > 0 && !term.basis.is_empty()));
    }

    #[test]
    fn terms_are_counted_in_working_days() {
        // Friday 2026-02-13; the Spring Festival is off from 15 to 23 February, with work on Saturdays 14 and 28.
        let filed = date(2026, 2, 13);
        let ends = |procedure| {
            let term = LegalTerm::of(procedure, filed).expect("a term").end(Calendar::national(), filed);
            (term.last_day, term.provisional)
        };
        assert_eq!(ends(Procedure::Objection), (date(2026, 3, 2), false));
        assert_eq!(ends(Procedure::GradeObjection), (date(2026, 3, 2), false));
        assert_eq!(ends(Procedure::Repair), (date(2026, 3, 5), false));
        assert_eq!(ends(Procedure::Revocation), (date(2026, 2, 25), false));
        assert_eq!(ends(Procedure::Recheck), (date(2026, 3, 5), false));
        assert_eq!(ends(Procedure::Publication), (date(2026, 3, 19), false));
        assert_eq!(LegalTerm::of(Procedure::Repair, date(1899, 12, 31)), None);
    }
}
