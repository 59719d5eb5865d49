//! The subject's grants 授权: records of an item that needs one count for a department only on the days on
//! which a grant to that department covers the item.
use jiff::civil::Date;

use super::{
    FactSheet, SheetFault,
    packed::{GRANT, Packed},
    stored::Sheet,
};
use crate::day::Day;

/// The lines of grants that one sheet holds at most.
pub const MAX_GRANTS: usize = 10_000;

/// One line of a grant: a grant of several items, or to several departments, is as many lines of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The grant's name: the key of the line together with `item` and `department`.
    pub grant: String,
    /// The catalogued item that is covered.
    pub item: String,
    /// The department to which it is granted, as schemes name theirs.
    pub department: String,
    /// The first day that is covered.
    pub from: Date,
    /// The last day that is covered; none if it covers until it is revoked.
    pub until: Option<Date>,
}

/// A line of a sheet taken apart.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Line {
    #[prost(string, tag = "1")]
    grant: String,
    #[prost(string, tag = "2")]
    item: String,
    #[prost(string, tag = "3")]
    department: String,
    #[prost(sint32, tag = "4")]
    first_day: i32,
    #[prost(sint32, optional, tag = "5")]
    end_day: Option<i32>,
}

impl Line {
    fn of(grant: Grant) -> Self {
        // A last day at the calendar's end has no day after it: it is no end.
        let end = grant.until.and_then(|until| until.tomorrow().ok());
        Self {
            grant: grant.grant,
            item: grant.item,
            department: grant.department,
            first_day: Day::of(grant.from).packed(),
            end_day: end.map(|end| Day::of(end).packed()),
        }
    }

    fn grant(&self) -> Option<Grant> {
        let until = self.end_day.and_then(|_| self.end().date()?.yesterday().ok());
        let from = self.first().date()?;
        let (grant, item, department) = (self.grant.clone(), self.item.clone(), self.department.clone());
        Some(Grant { grant, item, department, from, until })
    }

    pub(super) fn from_parts([grant, item, department]: [String; 3], first_day: i32, end_day: i32) -> Self {
        let end_day = (Day::from_packed(end_day) != Day::NEVER).then_some(end_day);
        Self { grant, item, department, first_day, end_day }
    }

    pub(super) fn texts(&self) -> [&str; 3] {
        [&self.grant, &self.item, &self.department]
    }

    pub(super) fn first(&self) -> Day {
        Day::from_packed(self.first_day)
    }

    /// The first day that is no longer covered.
    pub(super) fn end(&self) -> Day {
        self.end_day.map_or(Day::NEVER, Day::from_packed)
    }

    fn key(&self) -> (&str, &str, &str) {
        (&self.grant, &self.item, &self.department)
    }

    fn place(&self) -> (&str, &str, i32, &str) {
        (&self.item, &self.department, self.first_day, &self.grant)
    }

    fn is_well_formed(&self) -> bool {
        self.first().date().is_some()
            && self.first() < self.end()
            && (self.end_day.is_none() || self.end().date().is_some())
    }
}

impl FactSheet {
    /// The subject's grants, those that ended among them.
    pub fn grants(&self) -> impl Iterator<Item = Grant> {
        self.0.open().grants.into_iter().filter_map(|line| line.grant())
    }

    /// Puts these grants in the place of all that the sheet has.
    pub fn set_grants(&mut self, grants: impl IntoIterator<Item = Grant>) -> Result<(), SheetFault> {
        self.change(|sheet| {
            sheet.grants.clear();
            grants.into_iter().try_for_each(|grant| sheet.put_grant(grant))
        })
    }

    /// On which days the department may count the item's records.
    pub(crate) fn cover(&self, item: &str, department: &str) -> Cover<'_> {
        let lines = self.0.grants();
        let key = |line: &Words| (self.0.text(line[2], line[3]), self.0.text(line[4], line[5]));
        let from = lines.partition_point(|line| key(line) < (item, department));
        let length = lines[from..].partition_point(|line| key(line) == (item, department));
        Cover::Granted(&lines[from..from + length])
    }
}

impl Sheet {
    pub(super) fn put_grant(&mut self, grant: Grant) -> Result<(), SheetFault> {
        let line = Line::of(grant);
        let lines = &mut self.grants;
        lines.retain(|other| other.key() != line.key());
        if !line.is_well_formed() {
            // It ends before it begins: it covers no day.
            return Ok(());
        }
        if lines.len() >= MAX_GRANTS {
            return Err(SheetFault::Grants);
        }
        let at = lines.partition_point(|other| other.place() <= line.place());
        lines.insert(at, line);
        Ok(())
    }

    pub(super) fn revoke(&mut self, grant: &str, on: Date) {
        let on = Day::of(on);
        for line in self.grants.iter_mut().filter(|line| line.grant == grant && on < line.end()) {
            line.end_day = Some(on.packed());
        }
        self.grants.retain(|line| line.first() < line.end());
    }

    pub(super) fn remove_grant(&mut self, grant: &str) {
        self.grants.retain(|line| line.grant != grant);
    }
}

impl Packed {
    /// The lines of grants are as changes leave them.
    pub(super) fn are_grants_sound(&self) -> bool {
        self.grants().is_empty() || are_well_formed(&self.open().grants)
    }
}

/// A line as it is packed: grant, item and department, first and end day.
type Words = [u32; GRANT];

fn first(line: &Words) -> Day {
    Day::from_packed(line[6].cast_signed())
}

fn end(line: &Words) -> Day {
    Day::from_packed(line[7].cast_signed())
}

pub(super) fn are_well_formed(lines: &[Line]) -> bool {
    lines.len() <= MAX_GRANTS
        && lines.iter().all(Line::is_well_formed)
        && lines.is_sorted_by(|a, b| a.place() < b.place())
}

/// On which days records of an item count.
#[derive(Clone, Copy)]
pub(crate) enum Cover<'a> {
    /// On all: the item needs no grant.
    Always,
    /// On those of these grants, in the order of their first days.
    Granted(&'a [Words]),
}

impl Cover<'_> {
    /// The first covered day from a day on; [`Day::NEVER`] if none is.
    #[inline]
    pub(crate) fn first_from(self, day: Day) -> Day {
        match self {
            Self::Always => day,
            Self::Granted(lines) => first_in(lines, day),
        }
    }

    /// The first day from which all are covered up to a day that is.
    pub(crate) fn covered_since(self, day: Day) -> Day {
        let Self::Granted(lines) = self else { return Day::ALWAYS };
        let earlier = |since: Day| lines.iter().find(|line| first(line) < since && since <= end(line));
        let mut since = day;
        while let Some(line) = earlier(since) {
            since = first(line);
        }
        since
    }

    /// The first day that is not covered, after a day that is.
    #[inline]
    pub(crate) fn ends_after(self, day: Day) -> Day {
        match self {
            Self::Always => Day::NEVER,
            Self::Granted(lines) => end_in(lines, day),
        }
    }
}

// Few items need a grant: kept out of the way of the many that need none.
#[cold]
fn first_in(lines: &[Words], day: Day) -> Day {
    let open = lines.iter().filter(|line| day < end(line));
    open.map(|line| first(line).max(day)).min().unwrap_or(Day::NEVER)
}

#[cold]
fn end_in(lines: &[Words], day: Day) -> Day {
    lines
        .iter()
        .fold(day, |covered, line| if first(line) <= covered { covered.max(end(line)) } else { covered })
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;
    use crate::facts::Change;

    fn grant(name: &str, item: &str, department: &str, from: Date, until: Option<Date>) -> Grant {
        Grant { grant: name.into(), item: item.into(), department: department.into(), from, until }
    }

    const MARCH: Date = date(2026, 3, 1);
    const APRIL: Date = date(2026, 4, 1);

    #[test]
    fn put_revoked_removed_replaced() {
        let mut sheet = FactSheet::new();
        let (a, b) = (grant("g", "water", "甲", MARCH, None), grant("g", "power", "甲", MARCH, Some(APRIL)));
        sheet.apply(Change::Grant(a.clone())).unwrap();
        sheet.apply(Change::Grant(b.clone())).unwrap();
        sheet.apply(Change::Grant(a.clone())).unwrap();
        assert_eq!(sheet.grants().collect::<Vec<_>>(), [b.clone(), a.clone()]);
        assert_eq!(FactSheet::decode(&sheet.encode()), Ok(sheet.clone()));

        sheet.apply(Change::Revoke { grant: "g".into(), on: APRIL }).unwrap();
        let last = Some(date(2026, 3, 31));
        let revoked = [Grant { until: last, ..b }, Grant { until: last, ..a.clone() }];
        assert_eq!(sheet.grants().collect::<Vec<_>>(), revoked, "the day of the revocation is not covered");
        sheet.apply(Change::Revoke { grant: "g".into(), on: date(2026, 5, 1) }).unwrap();
        assert_eq!(sheet.grants().collect::<Vec<_>>(), revoked, "what has ended stays ended");
        sheet.apply(Change::Revoke { grant: "g".into(), on: MARCH }).unwrap();
        assert_eq!(sheet.grants().count(), 0, "it covers no day");

        sheet.set_grants([a.clone(), grant("h", "water", "乙", APRIL, Some(MARCH))]).unwrap();
        assert_eq!(sheet.grants().collect::<Vec<_>>(), [a], "one that ends before it begins is none");
        sheet.apply(Change::RemoveGrant { grant: "g".into() }).unwrap();
        assert_eq!(sheet, FactSheet::new());
    }

    #[test]
    fn too_many_are_refused_and_change_nothing() {
        let mut sheet = FactSheet::new();
        let many = |count: usize| (0..count).map(|number| grant(&number.to_string(), "i", "d", MARCH, None));
        assert_eq!(sheet.set_grants(many(MAX_GRANTS + 1)), Err(SheetFault::Grants));
        assert_eq!(sheet.grants().count(), 0);
        assert_eq!(sheet.set_grants(many(MAX_GRANTS)), Ok(()));
        assert_eq!(sheet.apply(Change::Grant(grant("more", "i", "d", MARCH, None))), Err(SheetFault::Grants));
        assert_eq!(sheet.apply(Change::Grant(grant("1", "i", "d", MARCH, None))), Ok(()));
    }

    proptest! {
        /// Against a plain look at each day.
        #[test]
        fn covers_the_days_of_its_lines(
            spans in prop::collection::vec((1..28_i8, prop::option::of(1..28_i8)), 0..6),
            at in 1..28_i8,
        ) {
            let day = |day: i8| date(2026, 5, day);
            let mut sheet = FactSheet::new();
            sheet.set_grants(spans.iter().enumerate().map(|(number, (from, until))| {
                grant(&number.to_string(), "i", "d", day(*from), until.map(day))
            })).unwrap();
            sheet.apply(Change::Grant(grant("x", "i", "other", day(1), None))).unwrap();
            sheet.apply(Change::Grant(grant("x", "h", "d", day(1), None))).unwrap();
            let covered = |day: i8| spans.iter().any(|(from, until)| *from <= day && until.is_none_or(|until| day <= until));
            let cover = sheet.cover("i", "d");
            let first = (at..=28).find(|at| covered(*at)).map_or(Day::NEVER, |at| Day::of(day(at)));
            prop_assert_eq!(cover.first_from(Day::of(day(at))), first);
            if covered(at) {
                let since = (1..=at).rev().take_while(|at| covered(*at)).last();
                prop_assert_eq!(cover.covered_since(Day::of(day(at))), Day::of(day(since.unwrap())));
                let end = (at..=28).find(|at| !covered(*at)).map_or(Day::NEVER, |at| Day::of(day(at)));
                prop_assert_eq!(cover.ends_after(Day::of(day(at))), end);
            }
        }
    }
}
