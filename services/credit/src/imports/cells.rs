//! Cells of files as rows of the contract. What a cell plainly means is put into the contract's form; what is doubtful
//! goes on as it stands, for the rules to refuse.
use chassis::fault::Violation;
use contract::credit::v1 as api;
use identifiers::{personal, uscc};
use jiff::civil::Date;
use prost_types::{Struct, Value, value::Kind};

use super::headings::Columns;
use crate::{items::rules::FieldType, outcomes::shown};

/// What files write where there is nothing.
const NOTHING: [&str; 12] = ["/", "-", "--", "—", "无", "暂无", "空", "null", "NULL", "N/A", "\\N", "None"];

/// A row of subjects.
pub fn subject(columns: &Columns, cells: &[String], accept_nonconforming: bool) -> api::SubjectInput {
    let cell = |name: &str| value(columns.cell(cells, name)).to_owned();
    api::SubjectInput {
        uscc: cell("uscc"),
        name: cell("name"),
        kind: cell("kind"),
        industry: cell("industry"),
        region: cell("region"),
        domains: domains(&cell("domains")),
        registered_on: date(&cell("registeredOn")),
        status: cell("status"),
        accept_nonconforming,
    }
}

/// What the rows of a file of records have in common.
pub struct RecordShape<'a> {
    /// The columns.
    pub columns: &'a Columns,
    /// The item of all rows; empty where a column names it.
    pub item: &'a str,
    /// Whether codes that were issued though their check fails are taken.
    pub accept_nonconforming: bool,
}

impl RecordShape<'_> {
    /// The item of a row.
    pub fn item<'a>(&'a self, cells: &'a [String]) -> &'a str {
        if self.item.is_empty() { value(self.columns.cell(cells, "item")) } else { self.item }
    }

    /// A row of records; `fields` are the columns of its item's fields.
    pub fn record(
        &self,
        cells: &[String],
        fields: &[(api::CatalogueField, usize)],
    ) -> Result<api::RecordInput, Violation> {
        let cell = |name: &str| value(self.columns.cell(cells, name));
        let amount = match plain_number(cell("amount")) {
            yuan if yuan.is_empty() => yuan_of_wan(&plain_number(cell("amountWan"))),
            yuan => yuan,
        };
        let typed = fields.iter().filter_map(|(field, column)| {
            let text = value(cells.get(*column).map_or("", String::as_str));
            (!text.is_empty()).then(|| (field.key.clone(), field_value(FieldType::of(field), text)))
        });
        Ok(api::RecordInput {
            uscc: cell("uscc").to_owned(),
            item: self.item(cells).to_owned(),
            source_id: cell("sourceId").to_owned(),
            occurred_on: date(cell("occurredOn")),
            severity: severity(cell("severity"))?,
            amount,
            fields: Some(Struct { fields: typed.collect() }),
            valid_until: last_day(cell("validUntil")),
            accept_nonconforming: self.accept_nonconforming,
        })
    }
}

/// A row with more cells than headings: a comma within a cell has shifted them, and each cell is in doubt.
pub fn shifted(headings: usize, cells: &[String]) -> Option<Violation> {
    let extra = cells.iter().skip(headings).any(|cell| !cell.trim().is_empty());
    extra.then(|| {
        let found = cells.len();
        Violation::new(
            "",
            format!("the row has {found} cells where the headings are {headings}: put a cell that holds the separator into quotes"),
            format!("该行有{found}个单元格，而表头只有{headings}列：含分隔符的单元格请加引号"),
        )
    })
}

fn value(cell: &str) -> &str {
    let cell = cell.trim();
    if NOTHING.contains(&cell) { "" } else { cell }
}

fn domains(cell: &str) -> Vec<String> {
    let parts = cell.split([';', '；', '、', ',', '，', '|', ' ']);
    parts.map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn severity(cell: &str) -> Result<i32, Violation> {
    if cell.is_empty() {
        return Ok(0);
    }
    cell.parse().map_err(|_| {
        let shown = shown(cell);
        Violation::new(
            "severity",
            format!("\"{shown}\" is no severity class; give a whole number"),
            format!("“{shown}”不是严重程度等级；请填写整数"),
        )
    })
}

/// 2001/3/16, 2001-03-16 0:00:00, 2001年3月16日, 20010316 as 2001-03-16; anything else as it stands.
fn date(cell: &str) -> String {
    let day = cell.split([' ', 'T']).next().unwrap_or_default();
    let day = day.trim_end_matches('日');
    let parts: Vec<&str> = if day.len() == 8 && day.bytes().all(|byte| byte.is_ascii_digit()) {
        vec![&day[..4], &day[4..6], &day[6..]]
    } else {
        day.split(['-', '/', '.', '年', '月']).collect()
    };
    let read = match parts.as_slice() {
        [year, month, day] if year.len() == 4 => year
            .parse()
            .ok()
            .zip(month.parse().ok())
            .zip(day.parse().ok())
            .and_then(|((year, month), day)| Date::new(year, month, day).ok()),
        _ => None,
    };
    read.map_or_else(|| cell.to_owned(), |date| date.to_string())
}

/// An end of validity; what says "for ever" in words or in nines is no end.
fn last_day(cell: &str) -> String {
    let date = date(cell);
    let endless = matches!(cell, "长期" | "无期限" | "永久" | "永久有效")
        || date.starts_with("9999-")
        || date == "2099-12-31";
    if endless { String::new() } else { date }
}

/// A number without thousands separators and the sign of its currency.
fn plain_number(cell: &str) -> String {
    let cell = cell.trim_start_matches(['¥', '￥']).trim_end_matches('元');
    cell.chars().filter(|c| !matches!(c, ',' | '，' | ' ')).collect()
}

/// Ten thousands of yuan as yuan, exactly: the point moves four places.
fn yuan_of_wan(wan: &str) -> String {
    let (whole, part) = wan.split_once('.').unwrap_or((wan, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(part) {
        return wan.to_owned();
    }
    let part = format!("{part:0<4}");
    let (moved, rest) = part.split_at(4);
    let yuan = format!("{whole}{moved}");
    let yuan = match yuan.trim_start_matches('0') {
        "" => "0",
        yuan => yuan,
    };
    match rest.trim_end_matches('0') {
        "" => yuan.to_owned(),
        rest => format!("{yuan}.{rest}"),
    }
}

fn field_value(kind: FieldType, text: &str) -> Value {
    let kind = match kind {
        FieldType::String => Kind::StringValue(text.to_owned()),
        FieldType::Integer | FieldType::Decimal => Kind::StringValue(plain_number(text)),
        FieldType::Date => Kind::StringValue(date(text)),
        FieldType::Boolean => match text {
            "是" | "1" | "Y" | "y" | "true" | "TRUE" | "True" => Kind::BoolValue(true),
            "否" | "0" | "N" | "n" | "false" | "FALSE" | "False" => Kind::BoolValue(false),
            text => Kind::StringValue(text.to_owned()),
        },
    };
    Value { kind: Some(kind) }
}

/// A refused row as it may be kept: no cell shows a person's identity number.
pub fn masked(cells: &[String]) -> Vec<String> {
    let personal = |cell: &String| {
        personal::occurs_in(cell) || personal::is_identity_number(uscc::normalise(cell).as_bytes())
    };
    cells.iter().map(|cell| if personal(cell) { String::from("******") } else { cell.clone() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_files_write_them() {
        for (cell, expected) in [
            ("2001/3/16", "2001-03-16"),
            ("2001-03-16", "2001-03-16"),
            ("2021-8-2 0:00:00", "2021-08-02"),
            ("2026-04-29T15:26:33", "2026-04-29"),
            ("2024年12月11日", "2024-12-11"),
            ("2024.1.2", "2024-01-02"),
            ("20010316", "2001-03-16"),
            ("20010229", "20010229"),
            ("1/2000", "1/2000"),
            ("16/3/2001", "16/3/2001"),
            ("昨天", "昨天"),
            ("", ""),
        ] {
            assert_eq!(date(cell), expected, "{cell}");
        }
        for (cell, expected) in
            [("长期", ""), ("9999-9-9", ""), ("2099-12-31 00:00:00", ""), ("2030/1/1", "2030-01-01")]
        {
            assert_eq!(last_day(cell), expected, "{cell}");
        }
    }

    #[test]
    fn sums_are_moved_exactly() {
        for (wan, yuan) in [
            ("1", "10000"),
            ("0.5", "5000"),
            ("12.345600", "123456"),
            ("0.000001", "0.01"),
            ("0", "0"),
            ("", ""),
            ("若干", "若干"),
            ("1.2.3", "1.2.3"),
        ] {
            assert_eq!(yuan_of_wan(wan), yuan, "{wan}");
        }
        assert_eq!(plain_number("￥1,234,567.80元"), "1234567.80");
    }

    #[test]
    fn what_means_nothing_is_nothing() {
        for cell in [" / ", "无", "\\N", "null", ""] {
            assert_eq!(value(cell), "");
        }
        assert_eq!(value(" 无锡示例 "), "无锡示例");
        assert_eq!(domains("D01；D09、transport"), ["D01", "D09", "transport"]);
    }

    #[test]
    fn typed_fields_are_read_from_text() {
        let flag = |text: &str| field_value(FieldType::Boolean, text).kind;
        assert_eq!(flag("是"), Some(Kind::BoolValue(true)));
        assert_eq!(flag("否"), Some(Kind::BoolValue(false)));
        assert_eq!(flag("也许"), Some(Kind::StringValue(String::from("也许"))));
        let day = field_value(FieldType::Date, "2024/1/2").kind;
        assert_eq!(day, Some(Kind::StringValue(String::from("2024-01-02"))));
    }

    #[test]
    fn a_shifted_row_is_told_and_a_trailing_comma_is_not() {
        let cells = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        assert!(shifted(2, &cells("a,b,c")).is_some());
        assert!(shifted(2, &cells("a,b, ")).is_none());
        assert!(shifted(3, &cells("a,b")).is_none());
    }

    #[test]
    fn no_refused_row_shows_an_identity_number() {
        let cells: Vec<String> =
            ["110105 19491231 002x", "联系人11010519491231002X。", "示例公司"].map(String::from).to_vec();
        assert_eq!(masked(&cells), ["******", "******", "示例公司"]);
    }
}
