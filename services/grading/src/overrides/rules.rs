//! When an override may stand, and for whom it speaks. Pure.
use contract::grading::v1::r#override::State;
use jiff::{ToSpan, civil::Date};

/// For how long an override may be set at once, in months: what lasts is a matter for the records or the scheme.
pub const MONTHS_MOST: i32 = 12;

/// Whether a last day is one: today or later, and not too far.
pub fn is_last_day(until: Date, today: Date) -> bool {
    let furthest = today.checked_add(MONTHS_MOST.months()).unwrap_or(Date::MAX);
    today <= until && until <= furthest
}

/// Where an override stands on a day: one whose last day is past has ended, whether or not anybody has written that down.
pub fn state_on(stored: State, until: &str, today: Date) -> State {
    if stored == State::Confirmed && until < today.to_string().as_str() { State::Ended } else { stored }
}

/// Whether it was in force at the end of a day, told as the microsecond at which the next begins.
pub fn in_force_at(
    confirmed_at: Option<i64>,
    ended_at: Option<i64>,
    until: &str,
    day: Date,
    end: i64,
) -> bool {
    confirmed_at.is_some_and(|at| at < end)
        && ended_at.is_none_or(|at| at >= end)
        && until >= day.to_string().as_str()
}

/// Whether it was in force at an instant of a business day, in microseconds.
pub fn in_force_within(
    confirmed_at: Option<i64>,
    ended_at: Option<i64>,
    until: &str,
    day: Date,
    at: i64,
) -> bool {
    confirmed_at.is_some_and(|from| from <= at)
        && ended_at.is_none_or(|ended| ended > at)
        && until >= day.to_string().as_str()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn the_last_day_is_within_a_year() {
        let today = date(2026, 2, 28);
        for (until, holds) in
            [(date(2026, 2, 27), false), (today, true), (date(2027, 2, 28), true), (date(2027, 3, 1), false)]
        {
            assert_eq!(is_last_day(until, today), holds, "{until}");
        }
    }

    #[test]
    fn it_ends_by_itself_after_its_last_day() {
        assert_eq!(state_on(State::Confirmed, "2026-02-28", date(2026, 2, 28)), State::Confirmed);
        assert_eq!(state_on(State::Confirmed, "2026-02-28", date(2026, 3, 1)), State::Ended);
        assert_eq!(state_on(State::Proposed, "2026-02-28", date(2026, 3, 1)), State::Proposed);
        assert!(in_force_at(Some(5), None, "2026-02-28", date(2026, 2, 28), 6));
        assert!(
            !in_force_at(Some(6), None, "2026-02-28", date(2026, 2, 28), 6),
            "confirmed on the day after"
        );
        assert!(!in_force_at(Some(5), None, "2026-02-28", date(2026, 3, 1), 9), "past its day");
        assert!(!in_force_at(Some(1), Some(3), "2026-02-28", date(2026, 2, 28), 6), "ended before");
        assert!(in_force_within(Some(5), Some(9), "2026-02-28", date(2026, 2, 28), 5));
        assert!(!in_force_within(Some(5), Some(9), "2026-02-28", date(2026, 2, 28), 9));
    }
}
