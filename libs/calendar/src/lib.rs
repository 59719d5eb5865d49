//! Legal terms in working days 工作日 and in months, by the national calendar and a region's own holidays. Pure.
#![deny(clippy::float_arithmetic)]

mod months;
mod notices;
mod terms;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use jiff::civil::{Date, Weekday};

pub use months::{add_months, subtract_months};
pub use notices::{NoticeFault, parse_notice};
pub use terms::{LegalTerm, Procedure};

static NATIONAL: LazyLock<Calendar> = LazyLock::new(Calendar::built_in);

/// Which days are worked: weekdays, unless a notice says otherwise of a date.
#[derive(Clone, Debug)]
pub struct Calendar {
    is_off_day: BTreeMap<Date, bool>,
    published_years: BTreeSet<i16>,
}

/// The end of a term in working days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// The last day of the term; the term lasts to the end of it.
    pub last_day: Date,
    /// Days were counted in a year whose holidays are not published: the notice may still move the end.
    pub provisional: bool,
}

impl Term {
    /// The first day on which what waited for the term becomes possible.
    pub fn possible_from(self) -> Date {
        following(self.last_day)
    }
}

impl Calendar {
    /// The national calendar 全国年节及纪念日放假办法, with the yearly notices published so far.
    pub fn national() -> &'static Self {
        &NATIONAL
    }

    /// The national calendar with the known holidays of a region's own (GB/T 2260), such as Ningxia's.
    pub fn of_region(region: &str) -> Self {
        Self::national().clone().with_days(notices::regional(region).map(|date| (date, true)))
    }

    /// This calendar with further days, each off or worked; they go before what is known of the date.
    pub fn with_days(mut self, days: impl IntoIterator<Item = (Date, bool)>) -> Self {
        self.is_off_day.extend(days);
        self
    }

    /// This calendar with a year's national notice, after which terms in that year are no longer provisional.
    pub fn with_published_year(self, year: i16, days: impl IntoIterator<Item = (Date, bool)>) -> Self {
        let mut calendar = self.with_days(days);
        calendar.published_years.insert(year);
        calendar
    }

    /// The last year up to which every notice is published.
    pub fn published_through(&self) -> Option<i16> {
        self.published_years.last().copied()
    }

    /// Whether the day is worked.
    pub fn is_working_day(&self, date: Date) -> bool {
        let weekend = matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday);
        !self.is_off_day.get(&date).copied().unwrap_or(weekend)
    }

    /// The end of a term of working days (行政处罚法 85). Its first day is not counted, as 民事诉讼法 has it.
    /// A term beyond the year 9999 ends on its last day.
    pub fn add_working_days(&self, start: Date, working_days: u16) -> Term {
        let mut last_day = start;
        for _ in 0..working_days {
            last_day = following(last_day);
            while !self.is_working_day(last_day) && last_day < Date::MAX {
                last_day = following(last_day);
            }
        }
        let mut counted = following(start).year()..=last_day.year();
        let provisional = working_days > 0 && counted.any(|year| !self.published_years.contains(&year));
        Term { last_day, provisional }
    }

    /// The day that lies so many working days before another: the last on which there are still that many left.
    pub fn subtract_working_days(&self, end: Date, working_days: u16) -> Date {
        let mut day = end;
        for _ in 0..working_days {
            day = preceding(day);
            while !self.is_working_day(day) && day > Date::MIN {
                day = preceding(day);
            }
        }
        day
    }

    /// How many working days lie after one day and up to another; none where that is not later.
    pub fn working_days_between(&self, after: Date, upto: Date) -> u16 {
        let days = after.series(jiff::Span::new().days(1)).skip(1).take_while(|day| *day <= upto);
        u16::try_from(days.filter(|day| self.is_working_day(*day)).count()).unwrap_or(u16::MAX)
    }

    /// The first day on which what waits for a term of working days becomes possible.
    pub fn possible_from(&self, start: Date, working_days: u16) -> Date {
        self.add_working_days(start, working_days).possible_from()
    }

    fn built_in() -> Self {
        let is_off_day: BTreeMap<Date, bool> = notices::national().into_iter().collect();
        let published_years = is_off_day.keys().map(|date| date.year()).collect();
        Self { is_off_day, published_years }
    }
}

fn following(date: Date) -> Date {
    date.tomorrow().unwrap_or(Date::MAX)
}

fn preceding(date: Date) -> Date {
    date.yesterday().unwrap_or(Date::MIN)
}
