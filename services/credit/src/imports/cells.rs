//! Cells of files as rows of the contract, and the rows that are told to be wrong before any rule looks at them.
use std::collections::BTreeMap;

use chassis::fault::Violation;
use contract::credit::v1 as api;
use identifiers::{personal, uscc};
use prost_types::{Struct, Value, value::Kind};
use sha2::{Digest, Sha256};

use super::{
    layout::{FieldColumn, Layout},
    plan::Plan,
    values::{date, decision_number, is_foreign, last_day, number, party, value, year_end, yuan},
};
use crate::{
    items::rules::FieldType,
    outcomes::{refusal, shown},
};

/// A row of records, read.
pub struct RecordRow {
    /// The row in the contract's form.
    pub input: api::RecordInput,
    /// The name of whom it is about, for rows without a code.
    pub name: String,
}

/// What has to hold of a row before its cells are read: nothing has shifted, and it is about no natural person.
pub fn sound(layout: &Layout, cells: &[String]) -> Result<(), Violation> {
    if layout.persons() || is_person(layout.cell(cells, "personKind")) {
        return Err(person_not_taken("name"));
    }
    let beyond = cells.iter().skip(layout.width).any(|cell| !cell.trim().is_empty());
    if beyond {
        let (found, headings) = (cells.len(), layout.width);
        return Err(Violation::new(
            "",
            format!(
                "the row has {found} cells where the headings are {headings}: put a cell that holds the separator into quotes"
            ),
            format!("该行有{found}个单元格，而表头只有{headings}列：含分隔符的单元格请加引号"),
        ));
    }
    for (column, vocabulary) in &layout.checks {
        let cell = value(cells.get(*column).map_or("", String::as_str));
        if !cell.is_empty() && !vocabulary.iter().any(|word| word == cell) {
            return Err(outside(&layout.mapping[*column].heading, vocabulary));
        }
    }
    // Where the file has no column of natural persons, a word of another system's may stand for a kind; beside one it may be a name.
    let wordy = |cell: &str| {
        let is_code = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        layout.personal.is_empty()
            && cell.bytes().all(is_code)
            && cell.bytes().any(|b| b.is_ascii_alphabetic())
    };
    for (target, words) in [("kind", &KINDS[..]), ("status", &STATES[..])] {
        let cell = value(layout.cell(cells, target));
        let numbered = cell.len() <= 6 && cell.bytes().all(|byte| byte.is_ascii_digit());
        let lower = cell.to_lowercase();
        if !numbered && !wordy(cell) && !words.iter().any(|word| lower.contains(word)) {
            return Err(strange(target));
        }
    }
    Ok(())
}

// A kind of enterprise holds one of these words; a name or a sum that has shifted into the column doesn't.
const KINDS: [&str; 33] = [
    "company",
    "enterprise",
    "individual",
    "branch",
    "llc",
    "ltd",
    "inc",
    "cooperative",
    "有限",
    "公司",
    "企业",
    "个体",
    "合作",
    "事业",
    "机关",
    "社会",
    "组织",
    "基金会",
    "事务所",
    "单位",
    "团体",
    "合伙",
    "独资",
    "分支",
    "集体",
    "国有",
    "外商",
    "联营",
    "办事处",
    "代表机构",
    "法人",
    "农场",
    "其他",
];

// The same of a state of registration 登记状态.
const STATES: [&str; 31] = [
    "active",
    "normal",
    "open",
    "revoked",
    "cancelled",
    "deregistered",
    "suspended",
    "closed",
    "存续",
    "在营",
    "在业",
    "开业",
    "在册",
    "正常",
    "登记",
    "注销",
    "吊销",
    "迁出",
    "迁入",
    "停业",
    "清算",
    "撤销",
    "歇业",
    "休业",
    "关闭",
    "经营",
    "营业",
    "设立",
    "有效",
    "无效",
    "异常",
];

// 行政相对人类别: in words, as bits (2018: 1, 2, 4), or as the codes of 2019 (01 for a natural person).
fn is_person(cell: &str) -> bool {
    matches!(value(cell), "自然人" | "2" | "01" | "个人")
}

/// The refusal of a row about a natural person, which repeats nothing of it.
pub fn person_not_taken(field: &str) -> Violation {
    refusal(
        api::ErrorReason::PersonNotTaken,
        field,
        "is about a natural person, who is no subject here; nothing of the row is kept",
        "行政相对人为自然人，不属于归集范围；该行内容不予保存",
    )
}

// Neither of these repeats the cell: what has shifted may be a person's name.
fn outside(heading: &str, vocabulary: &[String]) -> Violation {
    let words = vocabulary.join(", ");
    Violation::new(
        heading,
        format!(
            "the cell is none of: {words}; the row's cells have shifted, or the row does not belong here"
        ),
        format!("单元格不在允许值（{words}）之内；该行各列可能错位，或不属于本表范围"),
    )
}

fn strange(target: &str) -> Violation {
    Violation::new(
        target,
        "the cell does not read like one; the row's cells may have shifted: put a cell that holds the separator into quotes",
        "单元格内容与该列不符，该行各列可能错位；含分隔符的单元格请加引号",
    )
}

/// A row of subjects.
pub fn subject(layout: &Layout, plan: &Plan, cells: &[String]) -> api::SubjectInput {
    let cell = |name: &str| value(layout.cell(cells, name)).to_owned();
    api::SubjectInput {
        uscc: cell("uscc"),
        name: party(&cell("name")).to_owned(),
        kind: cell("kind"),
        industry: cell("industry"),
        region: cell("region"),
        domains: domains(&cell("domains")),
        registered_on: date(&cell("registeredOn")),
        status: cell("status"),
        accept_nonconforming: plan.accept_nonconforming,
        former_names: listed(&cell("formerNames")),
        second_names: listed(&cell("secondNames")),
    }
}

// Names in one cell.
fn listed(cell: &str) -> Vec<String> {
    let names = cell.split([';', '；', '、', '|', '\n']).map(str::trim).filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

/// A row of records.
pub fn record(layout: &Layout, plan: &Plan, cells: &[String]) -> Result<RecordRow, Violation> {
    let cell = |name: &str| value(layout.cell(cells, name));
    let item = if layout.item.is_empty() { cell("item") } else { &layout.item };
    let mut fields = BTreeMap::new();
    for column in layout.fields.get(item).map_or(&[][..], Vec::as_slice) {
        let text = value(cells.get(column.column).map_or("", String::as_str));
        if let Some(value) = field_value(column, text)? {
            fields.insert(column.field.key.clone(), value);
        }
    }
    let constants = layout.template.map(|template| &template.constants);
    for (key, text) in constants.into_iter().flatten() {
        let value = Value { kind: Some(Kind::StringValue(text.clone())) };
        fields.entry(key.clone()).or_insert(value);
    }
    let occurred_on = match date(cell("occurredOn")) {
        day if !day.is_empty() => day,
        _ if layout.has("occurredYear") => year_end(cell("occurredYear")),
        _ => plan.occurred_on.clone(),
    };
    let input = api::RecordInput {
        uscc: cell("uscc").to_owned(),
        item: item.to_owned(),
        source_id: own_number(&cell),
        occurred_on,
        severity: severity(cell("severity"))?,
        amount: amount(&cell)?,
        fields: Some(Struct { fields }),
        valid_until: last_day(cell("validUntil")),
        accept_nonconforming: plan.accept_nonconforming,
    };
    Ok(RecordRow { input, name: party(cell("name")).to_owned() })
}

// The number of a decision is the source's own where nothing else is.
fn own_number<'a>(cell: &impl Fn(&str) -> &'a str) -> String {
    let numbers = ["sourceId", "decisionNumber", "sourceIdElse"].map(cell);
    decision_number(numbers.into_iter().find(|number| !number.is_empty()).unwrap_or_default())
}

/// The number of a row whose source has none: what the template says makes it that row. Known only when the code is.
pub fn made_number(layout: &Layout, cells: &[String], input: &api::RecordInput) -> Option<String> {
    let template = layout.template.filter(|template| !template.source.is_empty())?;
    let part = |target: &String| match target.as_str() {
        "uscc" => uscc::normalise(&input.uscc),
        "occurredOn" | "occurredYear" => input.occurred_on.clone(),
        name => match name.strip_prefix("fields.") {
            Some(key) => match input.fields.as_ref().and_then(|f| f.fields.get(key)).map(|v| &v.kind) {
                Some(Some(Kind::StringValue(text))) => text.clone(),
                _ => String::new(),
            },
            None => value(layout.cell(cells, name)).to_owned(),
        },
    };
    // A number has at most 256 characters: what is long goes in as its digest.
    let short = |text: String| match text.chars().count() {
        0..=40 => text,
        _ => hex::encode(&Sha256::digest(text.as_bytes())[..8]),
    };
    let parts: Vec<String> = template.source.iter().map(part).map(short).collect();
    Some(format!("{}:{}", template.template, parts.join("/")))
}

fn amount<'a>(cell: &impl Fn(&str) -> &'a str) -> Result<String, Violation> {
    match (cell("amount"), cell("amountWan")) {
        ("", wan) => sum("amount", wan, true),
        (plain, _) => sum("amount", plain, false),
    }
}

fn sum(field: &str, cell: &str, wan: bool) -> Result<String, Violation> {
    if is_foreign(cell) {
        return Err(Violation::new(
            field,
            "is a sum in a foreign currency; give it in yuan, as the decision states it",
            "金额为外币；请按决定书填写人民币金额",
        ));
    }
    Ok(yuan(cell, wan))
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

fn field_value(column: &FieldColumn, text: &str) -> Result<Option<Value>, Violation> {
    let text_of = |text: String| (!text.is_empty()).then_some(Kind::StringValue(text));
    let kind = match FieldType::of(&column.field) {
        _ if text.is_empty() => None,
        FieldType::String => text_of(text.to_owned()),
        FieldType::Integer => text_of(number(text)),
        FieldType::Decimal => text_of(sum(&format!("fields.{}", column.field.key), text, column.wan)?),
        FieldType::Date => text_of(last_day(text)),
        FieldType::Boolean => Some(match text {
            "是" | "1" | "Y" | "y" | "true" | "TRUE" | "True" => Kind::BoolValue(true),
            "否" | "0" | "N" | "n" | "false" | "FALSE" | "False" => Kind::BoolValue(false),
            text => Kind::StringValue(text.to_owned()),
        }),
    };
    Ok(kind.map(|kind| Value { kind: Some(kind) }))
}

/// A row's cells as the list of refused rows may keep them. Nothing is kept of a natural person's row; of a row whose cells have shifted,
/// nothing from the first column with a person's data on, since a name may stand in any of them; elsewhere no identity number.
pub fn kept(layout: &Layout, cells: &[String], violation: &Violation) -> Vec<String> {
    let reasons = [api::ErrorReason::PersonNotTaken, api::ErrorReason::PersonalIdentityNumber];
    let person = violation.reason == reasons[0].as_str_name()
        || (violation.reason == reasons[1].as_str_name() && violation.field == "uscc");
    if person {
        return Vec::new();
    }
    let mut cells = cells.to_vec();
    if let Some(first) = layout.personal.first()
        && sound(layout, &cells).is_err()
    {
        cells.truncate(*first);
    }
    masked(&layout.without_personal(&cells))
}

/// Cells without identity numbers of persons.
pub fn masked(cells: &[String]) -> Vec<String> {
    let personal = |cell: &String| {
        personal::occurs_in(cell) || personal::is_identity_number(uscc::normalise(cell).as_bytes())
    };
    cells.iter().map(|cell| if personal(cell) { String::from("******") } else { cell.clone() }).collect()
}

/// What a person should look at in a row that was taken in: characters that only one font knows.
pub fn warning(cells: &[String]) -> Option<usize> {
    let private = |c: char| matches!(c, '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{FFFFD}' | '\u{100000}'..='\u{10FFFD}');
    cells.iter().position(|cell| !cell.is_ascii() && cell.chars().any(private))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_fields_are_read_from_text() {
        let column = |kind: &str, wan| FieldColumn {
            field: api::CatalogueField {
                key: String::from("k"),
                r#type: kind.to_owned(),
                ..Default::default()
            },
            column: 0,
            wan,
        };
        let read =
            |kind: &str, text: &str| field_value(&column(kind, false), text).unwrap().and_then(|v| v.kind);
        assert_eq!(read("BOOLEAN", "是"), Some(Kind::BoolValue(true)));
        assert_eq!(read("BOOLEAN", "否"), Some(Kind::BoolValue(false)));
        assert_eq!(read("BOOLEAN", "也许"), Some(Kind::StringValue(String::from("也许"))));
        assert_eq!(read("DATE", "2024/1/2"), Some(Kind::StringValue(String::from("2024-01-02"))));
        assert_eq!(read("DATE", "长期"), None);
        assert_eq!(read("STRING", ""), None);
        let sum = field_value(&column("DECIMAL", true), "1.5").unwrap().and_then(|v| v.kind);
        assert_eq!(sum, Some(Kind::StringValue(String::from("15000"))));
        assert!(field_value(&column("DECIMAL", true), "1.5万美元").is_err());
    }

    #[test]
    fn no_refused_row_shows_an_identity_number() {
        let cells: Vec<String> =
            ["110105 19491231 002x", "联系人11010519491231002X。", "示例公司"].map(String::from).to_vec();
        assert_eq!(masked(&cells), ["******", "******", "示例公司"]);
    }

    #[test]
    fn domains_are_parted_and_rare_characters_are_seen() {
        assert_eq!(domains("D01；D09、transport"), ["D01", "D09", "transport"]);
        let cells: Vec<String> = ["a", "示例\u{E002}厂"].map(String::from).to_vec();
        assert_eq!(warning(&cells), Some(1));
        assert_eq!(warning(&[String::from("示例𠮷")]), None);
    }
}
