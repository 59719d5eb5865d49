//! Terms against dates worked out by hand and against the official totals of working days.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use calendar::{Calendar, Term, add_months, parse_notice, subtract_months};
use jiff::civil::{Date, date};
use proptest::prelude::*;

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

#[test]
fn terms_skip_weekends_and_holidays_and_count_make_up_days() {
    for (start, days, last) in [
        ("2025-01-24", 5, "2025-02-07"),
        ("2025-09-26", 10, "2025-10-16"),
        ("2025-12-30", 7, "2026-01-09"),
        ("2026-02-10", 3, "2026-02-13"),
        ("2026-02-13", 20, "2026-03-19"),
        ("2026-04-29", 5, "2026-05-09"),
        ("2026-09-18", 7, "2026-09-29"),
        ("2026-09-30", 10, "2026-10-20"),
    ] {
        let term = Calendar::national().add_working_days(day(start), days);
        assert_eq!(term, Term { last_day: day(last), provisional: false }, "{start} + {days}");
    }
}

#[test]
fn what_waits_becomes_possible_on_the_calendar_day_after() {
    assert_eq!(Calendar::national().possible_from(day("2026-02-13"), 5), day("2026-02-28"));
    // No working day is counted, so none can be provisional.
    let none = Calendar::national().add_working_days(day("2030-02-14"), 0);
    assert_eq!(none, Term { last_day: day("2030-02-14"), provisional: false });
}

#[test]
fn each_year_has_its_official_number_of_working_days() {
    for (year, total) in
        [(2020, 249), (2021, 250), (2022, 249), (2023, 249), (2024, 251), (2025, 248), (2026, 248)]
    {
        let days = date(year, 1, 1).series(jiff::ToSpan::days(1)).take_while(|day| day.year() == year);
        assert_eq!(days.filter(|&day| Calendar::national().is_working_day(day)).count(), total, "{year}");
    }
}

#[test]
fn beyond_the_published_years_a_term_is_provisional() {
    let national = Calendar::national();
    assert_eq!(national.published_through(), Some(2026));
    assert!(!national.add_working_days(day("2026-12-30"), 1).provisional);
    assert!(national.add_working_days(day("2026-12-30"), 2).provisional);
    assert!(national.add_working_days(day("2019-12-30"), 5).provisional, "2019 is not in the data");
    assert!(!national.add_working_days(day("2019-12-31"), 1).provisional, "the first day is not counted");
    let notice = parse_notice("date,is_off_day\n# 元旦\n2027-01-01,1\n").unwrap();
    let extended = national.clone().with_published_year(2027, notice);
    let term = extended.add_working_days(day("2026-12-30"), 2);
    assert_eq!(term, Term { last_day: day("2027-01-04"), provisional: false });
}

#[test]
fn a_region_may_have_holidays_of_its_own() {
    let eid = day("2021-05-13");
    assert!(Calendar::national().is_working_day(eid));
    assert!(!Calendar::of_region("640300").is_working_day(eid));
    assert!(!Calendar::of_region("640000").is_working_day(eid));
    assert!(Calendar::of_region("110101").is_working_day(eid));
    let entered =
        Calendar::national().clone().with_days([(day("2026-03-23"), true), (day("2026-03-22"), false)]);
    assert_eq!(entered.add_working_days(day("2026-03-20"), 1).last_day, day("2026-03-22"));
    assert_eq!(entered.add_working_days(day("2026-03-20"), 2).last_day, day("2026-03-24"));
}

#[test]
fn a_wrong_line_of_a_notice_is_named() {
    for (text, line) in
        [("2026-02-30,1", 1), ("date,is_off_day\n2026-01-01,1\n2026-01-02,yes", 3), ("2026-01-01", 1)]
    {
        let fault = parse_notice(text).unwrap_err();
        assert_eq!(fault.line, line, "{text}");
        assert!(fault.message_en().contains(&format!("Line {line}")) && fault.message_zh().contains("日历"));
    }
}

#[test]
fn months_keep_the_day_or_take_the_last() {
    for (start, months, end) in [
        ("2026-01-31", 1, "2026-02-28"),
        ("2024-01-31", 1, "2024-02-29"),
        ("2026-03-30", 11, "2027-02-28"),
        ("2023-02-28", 12, "2024-02-28"),
        ("2026-08-15", 36, "2029-08-15"),
        ("2026-12-31", 0, "2026-12-31"),
    ] {
        assert_eq!(add_months(day(start), months), day(end), "{start} + {months}");
    }
    assert_eq!(subtract_months(day("2026-03-31"), 1), day("2026-02-28"));
    assert_eq!(subtract_months(day("2024-02-29"), 12), day("2023-02-28"));
}

#[test]
fn terms_beyond_the_calendar_end_with_it() {
    assert_eq!(add_months(day("9999-06-01"), u32::MAX), Date::MAX);
    assert_eq!(subtract_months(day("2026-06-01"), u32::MAX), Date::MIN);
    let term = Calendar::national().add_working_days(day("9999-12-30"), u16::MAX);
    assert_eq!((term.last_day, term.provisional, term.possible_from()), (Date::MAX, true, Date::MAX));
}

proptest! {
    #[test]
    fn a_term_holds_exactly_its_working_days(offset in 0i32..2500, days in 1u16..120) {
        let start = date(2020, 1, 1).saturating_add(jiff::ToSpan::days(offset));
        let term = Calendar::national().add_working_days(start, days);
        prop_assert!(Calendar::national().is_working_day(term.last_day));
        let span = start.tomorrow().unwrap().series(jiff::ToSpan::days(1)).take_while(|&day| day <= term.last_day);
        prop_assert_eq!(span.filter(|&day| Calendar::national().is_working_day(day)).count(), usize::from(days));
    }

    #[test]
    fn months_go_back_where_they_came_from(offset in 0i32..20_000, months in 0u32..600) {
        let start = date(1990, 1, 1).saturating_add(jiff::ToSpan::days(offset));
        let end = add_months(start, months);
        prop_assert_eq!((end.year() as u32 * 12 + end.month() as u32) - (start.year() as u32 * 12 + start.month() as u32), months);
        prop_assert!(end.day() == start.day() || (end.day() < start.day() && end == end.last_of_month()));
    }
}

// 2026-02-14 is worked, 02-15 to 02-23 are off.
#[test]
fn days_are_counted_back_and_between() {
    let national = Calendar::national();
    for (end, days, start) in
        [("2026-02-26", 3, "2026-02-14"), ("2026-02-24", 1, "2026-02-14"), ("2026-03-02", 0, "2026-03-02")]
    {
        assert_eq!(national.subtract_working_days(day(end), days), day(start), "{end} - {days}");
    }
    assert_eq!(national.subtract_working_days(jiff::civil::Date::MIN, 3), jiff::civil::Date::MIN);
    assert_eq!(national.working_days_between(day("2026-02-13"), day("2026-02-24")), 2);
    assert_eq!(national.working_days_between(day("2026-02-24"), day("2026-02-24")), 0);
    assert_eq!(national.working_days_between(day("2026-02-24"), day("2026-02-13")), 0);
}
