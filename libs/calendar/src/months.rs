//! Terms in months: they end on the same day of the month, or on its last where it has no such day.

use jiff::Span;
use jiff::civil::Date;

/// The months between the calendar's ends, years -9999 and 9999, and the most that a span takes.
const MOST: u32 = 12 * 19_998;

/// The same day so many months later, clamped to the month's last day.
pub fn add_months(date: Date, months: u32) -> Date {
    date.saturating_add(span(months))
}

/// The same day so many months earlier, clamped to the month's last day.
pub fn subtract_months(date: Date, months: u32) -> Date {
    date.saturating_sub(span(months))
}

fn span(months: u32) -> Span {
    Span::new().months(months.min(MOST))
}
