//! Days as integers that order as dates do and on which months are added without a calendar look-up: months
//! since the year 0, then five bits of the day.
use jiff::civil::Date;

/// A calendar day, packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Day(i32);

impl Day {
    /// After every date.
    pub(crate) const NEVER: Self = Self(i32::MAX);
    /// Before every date.
    pub(crate) const ALWAYS: Self = Self(i32::MIN);

    pub(crate) fn of(date: Date) -> Self {
        Self::at(i32::from(date.year()) * 12 + i32::from(date.month()) - 1, i32::from(date.day()))
    }

    /// The date again; none beyond the calendar (the year 9999) and for the two ends.
    pub(crate) fn date(self) -> Option<Date> {
        let (months, day) = (self.0 >> 5, self.0 & 31);
        let year = i16::try_from(months.div_euclid(12)).ok()?;
        Date::new(year, (months.rem_euclid(12) + 1) as i8, day as i8).ok()
    }

    /// How the day stands in a stored sheet.
    pub(crate) const fn packed(self) -> i32 {
        self.0
    }

    /// A day as it stood in a stored sheet.
    pub(crate) const fn from_packed(packed: i32) -> Self {
        Self(packed)
    }

    /// The first day `d` on which `d - months < self` no longer holds, months subtracted by the calendar with
    /// the day clamped to the month's last (CONTRACT §4.1.1). It is the same day of the month if there is
    /// one, else the first of the month after: on 28 February, 31 January is still less than a month ago.
    ///
    /// What is given need not be a day of the calendar: 31 February orders after February's last and before
    /// the first of March, which [`Self::settled`] makes of it.
    #[inline]
    pub(crate) const fn leaves_window(self, months: i32) -> Self {
        Self(self.0 + (months << 5))
    }

    /// The first day of the calendar that is not before it.
    pub(crate) fn settled(self) -> Self {
        let (months, day) = (self.0 >> 5, self.0 & 31);
        if day > 28 && self < Self::NEVER && day > days_in(months) { Self::at(months + 1, 1) } else { self }
    }

    const fn at(months: i32, day: i32) -> Self {
        Self((months << 5) | day)
    }
}

fn days_in(months: i32) -> i32 {
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use jiff::{ToSpan, civil::date};
    use proptest::prelude::*;

    use super::*;

    fn any_date() -> impl Strategy<Value = Date> {
        (0..200_000_i32).prop_map(|days| date(1700, 1, 1).checked_add(days.days()).unwrap())
    }

    #[test]
    fn month_ends() {
        for (occurred, months, leaves) in [
            ("2026-02-28", 1, "2026-03-28"), // 31 March - 1 month is 28 February: long left by then
            ("2026-01-31", 1, "2026-03-01"),
            ("2024-01-31", 1, "2024-03-01"),
            ("2024-01-29", 1, "2024-02-29"),
            ("2024-02-29", 12, "2025-03-01"),
            ("2024-02-29", 48, "2028-02-29"),
            ("2025-12-31", 2, "2026-03-01"),
            ("2025-08-31", 1, "2025-10-01"),
        ] {
            let occurred: Date = occurred.parse().unwrap();
            assert_eq!(
                Day::of(occurred).leaves_window(months).settled().date(),
                Some(leaves.parse().unwrap()),
                "{occurred}"
            );
        }
    }

    #[test]
    fn the_ends_are_no_dates() {
        assert_eq!(Day::NEVER.date(), None);
        assert_eq!(Day::ALWAYS.date(), None);
        assert_eq!(Day::of(Date::MAX).date(), Some(Date::MAX));
        assert_eq!(Day::of(Date::MIN).date(), Some(Date::MIN));
    }

    proptest! {
        #[test]
        fn packing_keeps_the_date_and_the_order(a in any_date(), b in any_date()) {
            prop_assert_eq!(Day::of(a).date(), Some(a));
            prop_assert_eq!(Day::of(a).cmp(&Day::of(b)), a.cmp(&b));
        }

        /// The contract's own words, with the calendar library's subtraction, decide.
        #[test]
        fn leaves_on_the_first_day_that_the_contract_says(occurred in any_date(), months in 1..400_i32) {
            let leaves = Day::of(occurred).leaves_window(months).settled().date().unwrap();
            let within = |day: Date| day.checked_sub(months.months()).unwrap() < occurred;
            prop_assert!(!within(leaves));
            prop_assert!(within(leaves.yesterday().unwrap()));
        }
    }
}
