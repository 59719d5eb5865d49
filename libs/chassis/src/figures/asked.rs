//! Which days figures are asked for, and how these are divided.
use contract::r#type::v1::Step;
use jiff::civil::Date;
use sea_orm::ConnectionTrait;

use super::{BEGINNING, Counted, Grain, series, sum};
use crate::fault::{Answer, Fault};

/// Days that are asked for, both ends among them; with months and years these are whole from the first on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The first.
    pub from: Date,
    /// The last.
    pub to: Date,
    /// How they are divided; none: not at all.
    pub grain: Option<Grain>,
}

impl Asked {
    /// Reads a request, whose days the contract's rules have judged. Where they are not given, the last day is today, and the first what
    /// `first` makes of the last.
    pub fn of(from: &str, to: &str, today: Date, first: fn(Date) -> Date, step: Step) -> Answer<Self> {
        let day = |given: &str, absent: Date| {
            if given.is_empty() { Ok(absent) } else { given.parse().map_err(Fault::internal) }
        };
        let to = day(to, today)?;
        let from = day(from, first(to))?;
        if to < from {
            return Err(Fault::field(
                "to",
                format!("{to} is before from, {from}"),
                format!("{to}早于起始日期{from}"),
            ));
        }
        let (from, grain) = match step {
            Step::Unspecified => (from, None),
            Step::Day => (from, Some(Grain::Day)),
            Step::Month => (from.first_of_month(), Some(Grain::Month)),
            Step::Year => (from.first_of_year(), Some(Grain::Year)),
        };
        Ok(Self { from, to, grain })
    }

    /// The first day of all, for [`Self::of`].
    pub fn beginning(_: Date) -> Date {
        BEGINNING
    }

    /// What a figure comes to on these days; of one first key, or of all where it is empty.
    pub async fn read(&self, db: &impl ConnectionTrait, figure: &str, first: &str) -> Answer<Vec<Counted>> {
        match self.grain {
            None => sum(db, figure, first, self.from, self.to).await,
            Some(grain) => series(db, figure, first, (self.from, self.to), grain).await,
        }
    }

    /// The first day as an answer tells it; empty where it is the beginning.
    pub fn first_day(&self) -> String {
        if self.from == BEGINNING { String::new() } else { self.from.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(from: &str, to: &str, step: Step) -> Answer<Asked> {
        Asked::of(from, to, "2026-03-02".parse().unwrap(), Date::first_of_year, step)
    }

    #[test]
    fn months_and_years_are_whole_from_the_first_on() {
        for (from, to, step, first, last) in [
            ("", "", Step::Unspecified, "2026-01-01", "2026-03-02"),
            ("2026-02-10", "", Step::Day, "2026-02-10", "2026-03-02"),
            ("2026-02-10", "2026-02-28", Step::Month, "2026-02-01", "2026-02-28"),
            ("2025-02-10", "2025-02-10", Step::Year, "2025-01-01", "2025-02-10"),
        ] {
            let asked = asked(from, to, step).unwrap();
            assert_eq!((asked.from.to_string().as_str(), asked.to.to_string().as_str()), (first, last));
        }
        let refused = asked("2026-02-02", "2026-02-01", Step::Month).unwrap_err();
        assert!(refused.to_string().contains("is before from"), "{refused}");
    }

    #[test]
    fn the_beginning_is_not_told() {
        let today = "2026-03-02".parse().unwrap();
        let all = Asked::of("", "", today, Asked::beginning, Step::Year).unwrap();
        assert_eq!((all.first_day().as_str(), all.to), ("", today));
        assert_eq!(asked("", "", Step::Day).unwrap().first_day(), "2026-01-01");
    }
}
