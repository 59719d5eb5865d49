//! What a cell says, in the contract's form. What is doubtful goes on as it stands, for the rules to refuse.
use jiff::{Timestamp, civil::Date, tz::Offset};

/// What files write where there is nothing.
const NOTHING: [&str; 17] = [
    "/", "／", "-", "--", "—", "——", "无", "暂无", "空", "null", "NULL", "Null", "N/A", "#N/A", "\\N", "\\n",
    "None",
];

/// Days that systems write where there is no day.
const NO_DAYS: [&str; 4] = ["1900-01-01", "1900-01-00", "9999-09-09", "9999-12-31"];

/// Words for a validity without an end.
const ENDLESS: [&str; 7] = ["长期", "长期有效", "无期限", "无处罚期限", "永久", "永久有效", "无固定期限"];

/// Signs of money that is not the yuan.
const FOREIGN: [&str; 18] = [
    "美元", "美金", "港元", "港币", "欧元", "日元", "英镑", "澳元", "加元", "韩元", "台币", "新元", "法郎",
    "马克", "USD", "HKD", "EUR", "$",
];

/// A cell without its edges, and without what keeps a spreadsheet from turning a code into a number (="…", a leading tab or apostrophe);
/// empty where it says that there is nothing.
pub fn value(cell: &str) -> &str {
    let cell = cell.trim().trim_start_matches('\'');
    let cell = cell.strip_prefix("=\"").and_then(|cell| cell.strip_suffix('"')).unwrap_or(cell);
    if NOTHING.contains(&cell) { "" } else { cell }
}

/// 2001/3/16, 2001-03-16 0:00:00, 2001年3月16日, 20010316, 20010316080000, milliseconds since 1970 and a spreadsheet's serial as
/// 2001-03-16; a day that stands for none as nothing; anything else as it stands.
pub fn date(cell: &str) -> String {
    let day = match read_day(cell) {
        Some(day) => day.to_string(),
        None => cell.to_owned(),
    };
    if NO_DAYS.contains(&day.as_str()) { String::new() } else { day }
}

fn read_day(cell: &str) -> Option<Date> {
    if cell.bytes().all(|byte| byte.is_ascii_digit()) {
        return match cell.len() {
            5 => serial_day(cell.parse().ok()?),
            8 | 14 => civil(&cell[..4], &cell[4..6], &cell[6..8]),
            13 => {
                let at = Timestamp::from_millisecond(cell.parse().ok()?).ok()?;
                // The business day is Asia/Shanghai's.
                Some(Offset::constant(8).to_datetime(at).date())
            }
            _ => None,
        };
    }
    let day = cell.split([' ', 'T']).next().unwrap_or_default().trim_end_matches('日');
    match day.split(['-', '/', '.', '年', '月']).collect::<Vec<_>>().as_slice() {
        [year, month, day] if year.len() == 4 => civil(year, month, day),
        _ => None,
    }
}

fn civil(year: &str, month: &str, day: &str) -> Option<Date> {
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

/// The day of a spreadsheet's serial number, which counts from 1899-12-30 (1 March 1900 on) and knows a 29 February 1900 that never was.
pub fn serial_day(serial: i64) -> Option<Date> {
    let first = Date::constant(1899, 12, 30);
    (61..=2_958_465)
        .contains(&serial)
        .then(|| first.checked_add(jiff::Span::new().days(serial)).ok())
        .flatten()
}

/// An end of validity; what says "for ever" in words or in nines is no end.
pub fn last_day(cell: &str) -> String {
    let date = date(cell);
    if ENDLESS.contains(&cell) || date.starts_with("9999-") || date == "2099-12-31" {
        return String::new();
    }
    date
}

/// The last day of a year, for what is said of a whole year.
pub fn year_end(cell: &str) -> String {
    let year = cell.trim_end_matches(['度', '年']);
    if year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit()) {
        return format!("{year}-12-31");
    }
    date(cell)
}

/// The enterprise in a cell of parties: without the natural persons who are named beside it (…及相关责任人, …（某某3%股权冻结）), who are
/// not kept.
pub fn party(cell: &str) -> &str {
    const NOTES: [&str; 6] = ["股权", "冻结", "质押", "出质", "查封", "责任人"];
    const BESIDE: [&str; 6] =
        ["及其相关责任人", "及相关责任人", "及其责任人", "及责任人", "及有关责任人", "及直接责任人"];
    let mut name = cell.trim_end_matches(['*', '?', '？', ' ', '\u{3000}']);
    // Behind a list's stroke stands another party, not a person.
    if let Some(at) =
        BESIDE.iter().find_map(|words| name.find(words)).filter(|&at| !name[at..].contains('、'))
    {
        name = &name[..at];
    }
    if name.ends_with([')', '）'])
        && let Some(at) = name.rfind(['(', '（'])
        && NOTES.iter().any(|note| name[at..].contains(note))
    {
        name = &name[..at];
    }
    name.trim()
}

/// The number of a decision with the year in the brackets of the standard 〔〕 (GB/T 9704), so that the same decision is known again however
/// its brackets are typed.
pub fn decision_number(cell: &str) -> String {
    let letters: Vec<char> = cell.chars().collect();
    let mut number = letters.clone();
    for (at, window) in letters.windows(6).enumerate() {
        let year = window[1..5].iter().all(|c| c.is_ascii_digit());
        if year && "[【(（〔〈".contains(window[0]) && "]】)）〕〉".contains(window[5]) {
            (number[at], number[at + 5]) = ('〔', '〕');
        }
    }
    number.into_iter().collect()
}

/// Full-width digits and signs as their halves.
fn halved(text: &str) -> String {
    let half = |c: char| match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
        c => c,
    };
    text.chars().map(half).collect()
}

/// A number without thousands separators.
pub fn number(cell: &str) -> String {
    halved(cell).chars().filter(|c| !matches!(c, ',' | ' ')).collect()
}

/// Whether a sum is in another currency, which no rate here turns into yuan.
pub fn is_foreign(cell: &str) -> bool {
    let upper = halved(cell).to_ascii_uppercase();
    FOREIGN.iter().any(|sign| upper.contains(sign))
}

/// A sum in yuan: without separators and the sign of its currency, ten thousands 万元 and hundreds of millions 亿元 moved exactly. What the
/// cell says of its unit goes before what the heading says.
pub fn yuan(cell: &str, heading_says_wan: bool) -> String {
    let mut text = number(cell);
    for mark in ["人民币", "RMB", "CNY", "¥", "￥", "(", ")", "整"] {
        text = text.replace(mark, "");
    }
    let units = [("亿元", 8), ("亿", 8), ("万元", 4), ("万", 4), ("元", 0), ("圆", 0)];
    let said = units.iter().find_map(|(unit, places)| Some((text.strip_suffix(unit)?, *places)));
    match said {
        Some((sum, places)) => moved(sum, places),
        None => moved(&text, if heading_says_wan { 4 } else { 0 }),
    }
}

// The decimal point of a plain number, so many places to the right.
fn moved(sum: &str, places: usize) -> String {
    let (whole, part) = sum.split_once('.').unwrap_or((sum, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if places == 0 || whole.is_empty() || !digits(whole) || !digits(part) {
        return sum.to_owned();
    }
    let part = format!("{part:0<places$}");
    let (whole_part, rest) = part.split_at(places);
    let yuan = format!("{whole}{whole_part}");
    let yuan = match yuan.trim_start_matches('0') {
        "" => "0",
        yuan => yuan,
    };
    match rest.trim_end_matches('0') {
        "" => yuan.to_owned(),
        rest => format!("{yuan}.{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_files_write_them() {
        for (cell, expected) in [
            ("2001/3/16", "2001-03-16"),
            ("2001-03-16", "2001-03-16"),
            ("2018-7-27", "2018-07-27"),
            ("2021-8-2 0:00:00", "2021-08-02"),
            ("2026-04-29T15:26:33", "2026-04-29"),
            ("2024年12月11日", "2024-12-11"),
            ("2024.1.2", "2024-01-02"),
            ("20010316", "2001-03-16"),
            ("20240229235959", "2024-02-29"),
            ("1532620800000", "2018-07-27"),
            // An instant of the evening in UTC is the next day in Shanghai.
            ("1532707200000", "2018-07-28"),
            ("43308", "2018-07-27"),
            ("60", "60"),
            ("20010229", "20010229"),
            ("1/2000", "1/2000"),
            ("16/3/2001", "16/3/2001"),
            ("1900-1-1 0:00:00", ""),
            ("9999-9-9", ""),
            ("昨天", "昨天"),
            ("٢٠٢٤", "٢٠٢٤"),
            ("", ""),
        ] {
            assert_eq!(date(cell), expected, "{cell}");
        }
        for (cell, expected) in [
            ("长期", ""),
            ("无处罚期限", ""),
            ("9999-9-9", ""),
            ("2099-12-31 00:00:00", ""),
            ("2030/1/1", "2030-01-01"),
        ] {
            assert_eq!(last_day(cell), expected, "{cell}");
        }
        assert_eq!(year_end("2018"), "2018-12-31");
        assert_eq!(year_end("2018年度"), "2018-12-31");
        assert_eq!(year_end("近年"), "近年");
    }

    #[test]
    fn sums_are_moved_exactly() {
        for (cell, heading_says_wan, expected) in [
            ("1", true, "10000"),
            ("0.5", true, "5000"),
            ("12.345600", true, "123456"),
            ("0.000001", true, "0.01"),
            ("0", true, "0"),
            ("", true, ""),
            ("若干", true, "若干"),
            ("1.2.3", true, "1.2.3"),
            ("￥1,234,567.80元", false, "1234567.80"),
            ("1.5万元", false, "15000"),
            ("5000元", true, "5000"),
            ("50(万元人民币)", false, "500000"),
            ("50.8000(万)", false, "508000"),
            ("３０万人民币", false, "300000"),
            ("1.2亿元", false, "120000000"),
            ("-3", true, "-3"),
        ] {
            assert_eq!(yuan(cell, heading_says_wan), expected, "{cell}");
        }
        for (cell, foreign) in
            [("50(万美元)", true), ("1000 usd", true), ("100(万港元)", true), ("50(万元人民币)", false)]
        {
            assert_eq!(is_foreign(cell), foreign, "{cell}");
        }
    }

    #[test]
    fn a_party_is_the_enterprise_alone() {
        for (cell, expected) in [
            ("虚构甲有限公司（某某3%股权冻结)", "虚构甲有限公司"),
            ("虚构银行虚构分行及相关责任人", "虚构银行虚构分行"),
            ("虚构（集团）有限公司", "虚构（集团）有限公司"),
            ("虚构乙公司*\u{3000}", "虚构乙公司"),
            (
                "虚构进出口(集团)公司(第一名称);虚构进出口公司(第二名称)",
                "虚构进出口(集团)公司(第一名称);虚构进出口公司(第二名称)",
            ),
            ("", ""),
        ] {
            assert_eq!(party(cell), expected);
        }
    }

    #[test]
    fn a_decision_is_the_same_in_whatever_brackets() {
        for cell in
            ["虚罚〔2024〕1号", "虚罚[2024]1号", "虚罚【2024】1号", "虚罚(2024)1号", "虚罚（2024）1号"]
        {
            assert_eq!(decision_number(cell), "虚罚〔2024〕1号");
        }
        assert_eq!(decision_number("A(12)-(20245)"), "A(12)-(20245)");
    }

    #[test]
    fn what_means_nothing_is_nothing() {
        for cell in [" / ", "无", "暂无", "\\N", "\\n", "null", "N/A", ""] {
            assert_eq!(value(cell), "");
        }
        for (cell, expected) in
            [(" 无锡示例\u{3000}", "无锡示例"), ("\t91", "91"), ("=\"91\"", "91"), ("'91", "91")]
        {
            assert_eq!(value(cell), expected);
        }
    }
}
