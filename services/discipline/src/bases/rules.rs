//! When a list or a measure may be used: its rule in force, its wording known and answered for. Pure.
use contract::discipline::v1::{BasisStatus, LegalBasis};
use jiff::civil::Date;

/// Why something may not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// Nobody has compared the wording with its rule, or something of it is not known.
    Unconfirmed,
    /// None of its rules is in force.
    NotInForce {
        /// The last day on which one was; none where none was yet.
        ended_on: Option<Date>,
    },
}

/// Whether it may be used on a day (国办发〔2020〕49号: 清单制管理，无依据不得设列、不得惩戒). Wordings that were put before there were statuses were
/// put by officials.
pub fn judge(
    status: BasisStatus,
    unknown: &[String],
    bases: &[LegalBasis],
    on: Date,
) -> Result<(), Unusable> {
    let answered_for = matches!(
        status,
        BasisStatus::Unspecified | BasisStatus::Verified | BasisStatus::Declared | BasisStatus::Confirmed
    );
    if !answered_for || !unknown.is_empty() {
        return Err(Unusable::Unconfirmed);
    }
    if in_force(bases, on) { Ok(()) } else { Err(Unusable::NotInForce { ended_on: ended_on(bases, on) }) }
}

/// Whether a rule of it is in force on a day. A wording that names its basis in words only has no dates to be judged by.
pub fn in_force(bases: &[LegalBasis], on: Date) -> bool {
    if bases.is_empty() {
        return true;
    }
    let day = on.to_string();
    let holds = |basis: &LegalBasis| {
        (basis.from.is_empty() || basis.from <= day) && (basis.until.is_empty() || day <= basis.until)
    };
    bases.iter().any(holds)
}

/// The last day before `on` on which a rule of it was in force.
pub fn ended_on(bases: &[LegalBasis], on: Date) -> Option<Date> {
    bases.iter().filter_map(|basis| basis.until.parse().ok()).filter(|until: &Date| *until < on).max()
}

/// The first rule that ends before it begins.
pub fn backwards(bases: &[LegalBasis]) -> Option<usize> {
    bases.iter().position(|basis| !basis.until.is_empty() && basis.until < basis.from)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn basis(from: &str, until: &str) -> LegalBasis {
        LegalBasis { document: "法".into(), from: from.into(), until: until.into(), ..Default::default() }
    }

    #[test]
    fn a_rule_is_in_force_from_its_first_day_to_its_last() {
        let rules = [basis("2021-09-01", "2026-03-31")];
        for (day, holds) in [
            (date(2021, 8, 31), false),
            (date(2021, 9, 1), true),
            (date(2026, 3, 31), true),
            (date(2026, 4, 1), false),
        ] {
            assert_eq!(in_force(&rules, day), holds, "{day}");
        }
        assert_eq!(ended_on(&rules, date(2026, 4, 1)), Some(date(2026, 3, 31)));
        assert_eq!(ended_on(&rules, date(2021, 8, 31)), None);
        // Another that goes on carries it.
        assert!(in_force(&[basis("", "2026-03-31"), basis("2026-04-01", "")], date(2026, 4, 1)));
        assert!(in_force(&[], date(2026, 4, 1)));
        assert_eq!(backwards(&[basis("2020-01-01", ""), basis("2020-01-02", "2020-01-01")]), Some(1));
        assert_eq!(backwards(&[basis("2020-01-01", "2020-01-01")]), None);
    }

    #[test]
    fn what_nobody_answers_for_is_not_used() {
        let day = date(2026, 3, 2);
        for (status, usable) in [
            (BasisStatus::Unspecified, true),
            (BasisStatus::Verified, true),
            (BasisStatus::Secondary, false),
            (BasisStatus::Unverified, false),
            (BasisStatus::Declared, true),
            (BasisStatus::Confirmed, true),
        ] {
            assert_eq!(judge(status, &[], &[], day).is_ok(), usable, "{status:?}");
            let unknown = [String::from("publicationMonths")];
            assert_eq!(judge(status, &unknown, &[], day), Err(Unusable::Unconfirmed), "{status:?}");
        }
        let ended = judge(BasisStatus::Declared, &[], &[basis("", "2026-03-01")], day);
        assert_eq!(ended, Err(Unusable::NotInForce { ended_on: Some(date(2026, 3, 1)) }));
    }
}
