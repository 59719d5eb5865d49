//! Which days, months and years together are the days between two.
use jiff::civil::{Date, date};

/// A day before every other.
pub const BEGINNING: Date = date(1, 1, 1);

/// How long the spans are that a count is kept for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grain {
    /// Business days.
    Day,
    /// Calendar months.
    Month,
    /// Calendar years.
    Year,
}

impl Grain {
    pub(super) const ALL: [Self; 3] = [Self::Day, Self::Month, Self::Year];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Day => "DAY",
            Self::Month => "MONTH",
            Self::Year => "YEAR",
        }
    }

    /// The span that holds a day, as text: spans of one grain compare as their texts do.
    pub fn span(self, day: Date) -> String {
        let mut text = day.to_string();
        text.truncate(match self {
            Self::Day => 10,
            Self::Month => 7,
            Self::Year => 4,
        });
        text
    }
}

/// The spans between two days, both among them, as first and last of each grain: as few rows as whole months and years allow.
pub(super) fn cover(from: Date, to: Date) -> Vec<(Grain, String, String)> {
    let mut covered = Vec::new();
    let mut put = |grain: Grain, first: Date, last: Date| {
        if first <= last {
            covered.push((grain, grain.span(first), grain.span(last)));
        }
    };
    let after = to.tomorrow().unwrap_or(to);
    let (months, months_end) =
        (whole(from, Date::first_of_month, Date::last_of_month), after.first_of_month());
    if months >= months_end {
        put(Grain::Day, from, to);
        return covered;
    }
    let (years, years_end) = (whole(from, Date::first_of_year, Date::last_of_year), after.first_of_year());
    put(Grain::Day, from, before(months));
    if years >= years_end {
        put(Grain::Month, months, before(months_end));
    } else {
        put(Grain::Month, months, before(years));
        put(Grain::Year, years, before(years_end));
        put(Grain::Month, years_end, before(months_end));
    }
    put(Grain::Day, months_end, to);
    covered
}

// The first day of the first span that begins on a day or after it.
fn whole(from: Date, first: fn(Date) -> Date, last: fn(Date) -> Date) -> Date {
    if first(from) == from { from } else { last(from).tomorrow().unwrap_or(from) }
}

fn before(day: Date) -> Date {
    day.yesterday().unwrap_or(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(from: &str, to: &str) -> String {
        let covered = cover(from.parse().unwrap(), to.parse().unwrap());
        covered.iter().map(|(_, first, last)| format!("{first}..{last}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn whole_months_and_years_stand_for_their_days() {
        assert_eq!(told("2026-03-02", "2026-03-02"), "2026-03-02..2026-03-02");
        assert_eq!(told("2026-03-01", "2026-03-31"), "2026-03..2026-03");
        assert_eq!(told("2026-03-02", "2026-04-29"), "2026-03-02..2026-04-29");
        assert_eq!(told("2026-01-01", "2026-12-31"), "2026..2026");
        assert_eq!(
            told("2023-11-30", "2026-02-01"),
            "2023-11-30..2023-11-30 2023-12..2023-12 2024..2025 2026-01..2026-01 2026-02-01..2026-02-01"
        );
        assert_eq!(told("0001-01-01", "2026-03-02"), "0001..2025 2026-01..2026-02 2026-03-01..2026-03-02");
        assert_eq!(told("2026-03-02", "2026-03-01"), "");
    }

    // Each day between the two in one span, and no other in any.
    #[test]
    fn no_day_is_counted_twice_or_left_out() {
        let day = |offset: i32| date(2023, 12, 25) + jiff::Span::new().days(offset);
        for first in (0..800).step_by(7) {
            for last in (first..800).step_by(11) {
                let covered = cover(day(first), day(last));
                for asked in (0..800).step_by(3).chain([first, last]) {
                    let held = covered.iter().filter(|(grain, from, to)| {
                        let span = grain.span(day(asked));
                        *from <= span && span <= *to
                    });
                    let expected = usize::from((first..=last).contains(&asked));
                    assert_eq!(held.count(), expected, "{} in {covered:?}", day(asked));
                }
            }
        }
    }
}
