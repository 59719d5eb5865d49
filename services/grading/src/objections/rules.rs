//! The term of objections to grades. Pure.
use calendar::{Calendar, LegalTerm, Procedure, Term};
use jiff::civil::Date;

/// By when an objection is to be decided, and the rule that says so.
pub fn term(filed_on: Date) -> Option<(Term, &'static str)> {
    let term = LegalTerm::of(Procedure::GradeObjection, filed_on)?;
    Some((term.end(Calendar::national(), filed_on), &term.basis))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_grade_has_a_term_of_its_own_in_working_days() {
        // Friday 2026-02-13; the Spring Festival is off from 15 to 23 February, with work on Saturdays 14 and 28.
        let (term, basis) = term(date(2026, 2, 13)).expect("a term");
        assert_eq!((term.last_day, term.provisional), (date(2026, 3, 2), false));
        assert!(basis.contains("等级异议"), "{basis}");
        assert!(super::term(date(1899, 12, 31)).is_none());
    }
}
