//! When something is suggested. Pure.
use std::collections::BTreeSet;

use calendar::subtract_months;
use contract::discipline::v1::{SuggestedRecord, SuggestionRule};
use jiff::civil::Date;

/// The first day whose records count today.
pub fn since(rule: &SuggestionRule, today: Date) -> Date {
    subtract_months(today, u32::try_from(rule.within_months).unwrap_or_default())
}

/// Whether records in force, of the rule's item and late enough, are worth a suggestion: there are enough of them, and one at least that no
/// suggestion handled before has known. What an official dismissed does not come back by itself.
pub fn worth(rule: &SuggestionRule, records: &[SuggestedRecord], known: &BTreeSet<String>) -> bool {
    enough(rule, records) && records.iter().any(|record| !known.contains(&record.record))
}

/// Whether there are enough of them.
pub fn enough(rule: &SuggestionRule, records: &[SuggestedRecord]) -> bool {
    let enough = usize::try_from(rule.count).is_ok_and(|count| records.len() >= count);
    enough && !rule.resting
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn records(ids: &[&str]) -> Vec<SuggestedRecord> {
        ids.iter().map(|&id| SuggestedRecord { record: id.into(), ..Default::default() }).collect()
    }

    #[test]
    fn enough_new_records_are_worth_a_look() {
        let rule = SuggestionRule { count: 2, within_months: 12, ..Default::default() };
        let known = |ids: &[&str]| ids.iter().map(|&id| id.to_owned()).collect::<BTreeSet<_>>();
        assert!(!worth(&rule, &records(&["a"]), &known(&[])));
        assert!(worth(&rule, &records(&["a", "b"]), &known(&[])));
        assert!(!worth(&rule, &records(&["a", "b"]), &known(&["a", "b"])), "it was dismissed");
        assert!(worth(&rule, &records(&["a", "b", "c"]), &known(&["a", "b"])), "there is a new one");
        let resting = SuggestionRule { resting: true, ..rule.clone() };
        assert!(!worth(&resting, &records(&["a", "b"]), &known(&[])));
        assert_eq!(since(&rule, date(2026, 3, 2)), date(2025, 3, 2));
    }
}
