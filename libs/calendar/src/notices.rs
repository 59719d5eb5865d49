//! The published notices as data, and the reader of such data.

use std::fmt;

use jiff::civil::Date;

static NATIONAL: &str = include_str!("../data/national.csv");
static REGIONAL: &str = include_str!("../data/regional.csv");

/// A line of a notice that says no day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeFault {
    /// The line, from 1.
    pub line: usize,
}

impl NoticeFault {
    /// What is wrong and what to do, in English.
    pub fn message_en(&self) -> String {
        format!(
            "Line {} of the calendar says no day. Write date,is_off_day, such as 2026-10-01,1.",
            self.line
        )
    }

    /// 错误说明与处理办法。
    pub fn message_zh(&self) -> String {
        format!("日历第{}行不是日期，请按“日期,是否放假”填写，例如2026-10-01,1。", self.line)
    }
}

impl fmt::Display for NoticeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message_en())
    }
}

impl std::error::Error for NoticeFault {}

/// Reads lines of `date,is_off_day` (1 off, 0 worked), as an operator enters them; `#` begins a remark and one
/// heading is allowed.
pub fn parse_notice(text: &str) -> Result<Vec<(Date, bool)>, NoticeFault> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    let rows =
        lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#') && *line != "date,is_off_day");
    rows.map(|(line, row)| day(row).ok_or(NoticeFault { line })).collect()
}

fn day(row: &str) -> Option<(Date, bool)> {
    let (date, off) = row.split_once(',')?;
    let off = match off {
        "1" => true,
        "0" => false,
        _ => return None,
    };
    Some((date.parse().ok()?, off))
}

#[allow(clippy::expect_used, reason = "the data is compiled in, and a test reads it")]
pub(crate) fn national() -> Vec<(Date, bool)> {
    parse_notice(NATIONAL).expect("the built-in national calendar is readable")
}

/// The known holidays of the region itself and of those that it lies in.
pub(crate) fn regional(region: &str) -> impl Iterator<Item = Date> {
    let rows = REGIONAL.lines().filter(|line| !line.starts_with('#')).skip(1);
    rows.filter_map(move |row| {
        let mut columns = row.split(',');
        let holder = columns.next()?;
        let date = columns.next()?.parse().ok()?;
        region.starts_with(holder.trim_end_matches("00")).then_some(date)
    })
}
