//! What may be marked on a listing, when its repair may be asked for, and whether it counts. Pure.
use calendar::{Calendar, LegalTerm, Procedure, add_months};
use contract::discipline::v1::{List, ListingMark as Mark, list::Kind};
use jiff::civil::Date;

/// The marks that follow a document of a court or another authority, and are put by hand; the others follow filings.
pub fn by_hand(mark: Mark) -> bool {
    matches!(mark, Mark::UnderReview | Mark::InLitigation | Mark::Suspended | Mark::Shielded)
}

/// Whether a listing that bears the mark is neither shown nor checked meanwhile (行政复议法 第四十二条、行政诉讼法 第五十六条：
/// 停止执行; 国办发〔2025〕22号：破产重整暂时屏蔽).
pub fn hides(mark: Mark) -> bool {
    matches!(mark, Mark::Suspended | Mark::Shielded)
}

/// From which day on a repair may be asked for: the day after the list's least time of publicity has ended; none where the list names none.
pub fn repair_from(from: Date, list: &List) -> Option<Date> {
    match u32::try_from(list.repair_after_months) {
        Ok(0) | Err(_) => None,
        Ok(months) => add_months(from, months).tomorrow().ok(),
    }
}

/// What leaving a list before its term and at its end is called, as the papers' numbers say: from a punitive list one is taken, a reward is left.
pub fn exits(list: Kind) -> (&'static str, &'static str) {
    if list == Kind::Reward { ("退出", "期满退出") } else { ("移出", "期满移出") }
}

/// Whether what an annulled decision published is withdrawn later than the law allows (行政处罚法 第四十八条、第八十五条).
pub fn withdrawn_late(annulled_on: Date, today: Date, calendar: &Calendar) -> bool {
    LegalTerm::of(Procedure::Revocation, annulled_on)
        .is_some_and(|term| today > term.end(calendar, annulled_on).last_day)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_repair_waits_for_the_end_of_the_term() {
        let list = |repair_after_months| List { repair_after_months, ..Default::default() };
        assert_eq!(repair_from(date(2026, 3, 2), &list(6)), Some(date(2026, 9, 3)));
        assert_eq!(repair_from(date(2026, 8, 31), &list(6)), Some(date(2027, 3, 1)));
        assert_eq!(repair_from(date(2026, 3, 2), &list(0)), None);
    }

    #[test]
    fn a_reward_is_left_and_a_punitive_list_one_is_taken_off() {
        assert_eq!(exits(Kind::Reward), ("退出", "期满退出"));
        assert_eq!(exits(Kind::Punitive), ("移出", "期满移出"));
    }

    #[test]
    fn a_withdrawal_has_three_working_days() {
        // Friday; three working days end with Wednesday.
        let late = |day| withdrawn_late(date(2026, 3, 6), day, Calendar::national());
        assert!(!late(date(2026, 3, 6)));
        assert!(!late(date(2026, 3, 11)));
        assert!(late(date(2026, 3, 12)));
    }

    #[test]
    fn marks_of_filings_are_not_put_by_hand_and_only_two_hide() {
        let all = [
            (Mark::Unspecified, false, false),
            (Mark::UnderObjection, false, false),
            (Mark::UnderRepair, false, false),
            (Mark::UnderReview, true, false),
            (Mark::InLitigation, true, false),
            (Mark::Suspended, true, true),
            (Mark::Shielded, true, true),
        ];
        for (mark, hand, hidden) in all {
            assert_eq!((by_hand(mark), hides(mark)), (hand, hidden), "{mark:?}");
        }
    }
}
