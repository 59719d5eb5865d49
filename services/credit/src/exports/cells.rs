//! What the rows of a file show.
use chassis::{Answer, Fault, clock::from_micros, storage::corrupt};
use contract::credit::v1::{self as api, record::Mark, subject::CodeStatus};
use identifiers::Department;
use jiff::tz::Offset;
use serde_json::{Value, json};

use super::rows::Row;

const RECORD: [&str; 14] = [
    "记录编号",
    "统一社会信用代码",
    "主体名称",
    "行政区划",
    "事项",
    "事项名称",
    "来源单位",
    "源编号",
    "发生日期",
    "严重程度",
    "金额（元）",
    "有效期至",
    "标记",
    "归集时间",
];
const SUBJECT: [&str; 10] = [
    "统一社会信用代码",
    "主体名称",
    "主体类型",
    "所属行业",
    "行政区划",
    "所属领域",
    "成立日期",
    "登记状态",
    "代码校验",
    "更新时间",
];

/// The headings of records: of one item its fields have columns of their own.
pub fn record_headings(one: Option<&api::CatalogueItem>) -> Vec<String> {
    let mut headings: Vec<String> = RECORD.map(str::to_owned).into();
    match one {
        None => headings.push(String::from("数据项")),
        Some(item) => headings.extend(item.fields.iter().map(|field| {
            let named = !field.name.is_empty();
            if named { field.name.clone() } else { field.key.clone() }
        })),
    }
    headings
}

/// The rows of records.
pub fn record_rows(
    rows: &[Row],
    one: Option<&api::CatalogueItem>,
    name: impl Fn(&str) -> String,
) -> Answer<Vec<Vec<String>>> {
    let row = |row: &Row| {
        let mut cells = vec![
            row.record.clone(),
            row.uscc.clone(),
            row.name.clone(),
            row.region.clone(),
            row.item.clone(),
            name(&row.item),
            department(&row.department),
            row.source_id.clone(),
            row.occurred_on.clone(),
            if row.severity == 0 { String::new() } else { row.severity.to_string() },
            row.amount.clone(),
            row.valid_until.clone(),
            marks(row).map(|mark| mark.1).collect::<Vec<_>>().join("；"),
            local(row.recorded_at),
        ];
        match one {
            None => cells.push(row.fields.clone()),
            Some(item) => {
                let fields = fields(row)?;
                cells.extend(item.fields.iter().map(|field| plain(&fields[field.key.as_str()])));
            }
        }
        Ok(cells)
    };
    rows.iter().map(row).collect()
}

/// The lines of records, with the names that the contract gives the fields.
pub fn record_lines(rows: &[Row], name: impl Fn(&str) -> String) -> Answer<Vec<u8>> {
    let line = |row: &Row| {
        Ok(json!({
            "record": row.record, "uscc": row.uscc, "name": row.name, "region": row.region, "item": row.item,
            "itemName": name(&row.item), "department": row.department, "sourceId": row.source_id,
            "occurredOn": row.occurred_on, "severity": row.severity, "amount": row.amount,
            "validUntil": row.valid_until, "marks": marks(row).map(|mark| mark.0).collect::<Vec<_>>(),
            "version": row.version, "recordedAt": from_micros(row.recorded_at).to_string(), "fields": fields(row)?,
        }))
    };
    lines(rows.iter().map(line))
}

fn fields(row: &Row) -> Answer<Value> {
    serde_json::from_str(&row.fields).map_err(|error| corrupt("record", error))
}

fn lines(values: impl Iterator<Item = Answer<Value>>) -> Answer<Vec<u8>> {
    let mut bytes = Vec::new();
    for value in values {
        serde_json::to_writer(&mut bytes, &value?).map_err(Fault::internal)?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

fn marks(row: &Row) -> impl Iterator<Item = (&str, &'static str)> {
    row.marks.split(',').filter_map(|mark| match Mark::from_str_name(mark)? {
        Mark::Unspecified => None,
        Mark::UnderObjection => Some((mark, "异议处理中")),
        Mark::UnderRepair => Some((mark, "信用修复办理中")),
        Mark::UnderReview => Some((mark, "行政复议中")),
        Mark::InLitigation => Some((mark, "行政诉讼中")),
        Mark::Suspended => Some((mark, "暂停公示")),
    })
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(flag) => String::from(if *flag { "是" } else { "否" }),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn department(slug: &str) -> String {
    Department::parse(slug).map_or_else(|_| slug.to_owned(), |known| known.name().to_owned())
}

fn local(micros: i64) -> String {
    Offset::constant(8).to_datetime(from_micros(micros)).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The headings of subjects.
pub fn subject_headings() -> Vec<String> {
    SUBJECT.map(str::to_owned).into()
}

/// The rows of subjects.
pub fn subject_rows(subjects: &[api::Subject]) -> Vec<Vec<String>> {
    let row = |subject: &api::Subject| {
        let at = subject.recorded_at.unwrap_or_default();
        let conforming = subject.code_status() == CodeStatus::Conforming;
        vec![
            subject.uscc.clone(),
            subject.name.clone(),
            subject.kind.clone(),
            subject.industry.clone(),
            subject.region.clone(),
            subject.domains.join("；"),
            subject.registered_on.clone(),
            subject.status.clone(),
            String::from(if conforming { "符合" } else { "校验位不符" }),
            local(at.seconds * 1_000_000 + i64::from(at.nanos / 1_000)),
        ]
    };
    subjects.iter().map(row).collect()
}

/// The lines of subjects.
pub fn subject_lines(subjects: &[api::Subject]) -> Answer<Vec<u8>> {
    let line = |subject: &api::Subject| {
        let at = subject.recorded_at.unwrap_or_default();
        Ok(json!({
            "uscc": subject.uscc, "name": subject.name, "kind": subject.kind, "industry": subject.industry,
            "region": subject.region, "domains": subject.domains, "registeredOn": subject.registered_on,
            "status": subject.status, "codeStatus": subject.code_status().as_str_name(),
            "recordedAt": from_micros(at.seconds * 1_000_000 + i64::from(at.nanos / 1_000)).to_string(),
        }))
    };
    lines(subjects.iter().map(line))
}
