//! Which column of a file is what: by its heading, in the contract's words or as lists and registers spell it.
use std::collections::{BTreeMap, BTreeSet};

use contract::credit::v1 as api;

/// What a column may be, with its headings in squashed form, the surest first.
pub struct Target {
    /// The contract's name.
    pub name: &'static str,
    aliases: &'static [&'static str],
    required: bool,
}

const fn wanted(name: &'static str, aliases: &'static [&'static str]) -> Target {
    Target { name, aliases, required: true }
}

const fn optional(name: &'static str, aliases: &'static [&'static str]) -> Target {
    Target { name, aliases, required: false }
}

const USCC: Target = wanted(
    "uscc",
    &[
        "uscc",
        "unifiedsocialcreditcode",
        "creditcode",
        "统一社会信用代码",
        "统一社会信用代码/注册号",
        "统一代码/注册号",
        "统一信用代码/注册号",
        "统一社会信用码(纳税人识别号)",
        "社会信用代码(纳税人识别号)",
        "统一社会信用代码.纳税人识别号",
        "社会信用代码",
        "统一信用代码",
        "信用代码或识别号",
        "行政相对人统一社会信用代码",
        "行政相对人代码1(统一社会信用代码)",
        "行政相对人代码3(统一社会信用代码)",
        "行政相对人代码(统一社会信用代码或纳税人识别号)",
        "被处罚企业统一社会信用编码",
        "纳税人识别号",
        "纳税识别号",
    ],
);

/// Of subjects.
pub const SUBJECTS: &[Target] = &[
    USCC,
    wanted(
        "name",
        &[
            "name",
            "企业名称",
            "主体名称",
            "名称",
            "单位名称",
            "公司名称",
            "企业名称(字号名称)",
            "企业或单位名称",
            "行政相对人名称",
            "纳税人名称",
            "业户名称",
            "当事人名称",
        ],
    ),
    optional("kind", &["kind", "主体类型", "市场主体类型"]),
    optional(
        "region",
        &["region", "regioncode", "行政区划", "行政区划代码", "行政区划编码", "地方编码", "住所所在行政区划"],
    ),
    optional(
        "industry",
        &["industry", "industrycode", "行业代码", "行业", "国民经济行业代码", "所属行业代码"],
    ),
    optional("domains", &["domains", "domain", "监管领域", "领域", "所属领域"]),
    optional(
        "registeredOn",
        &["registeredon", "registereddate", "成立日期", "注册日期", "注册时间", "登记日期", "成立时间"],
    ),
    optional("status", &["status", "登记状态", "经营状态", "企业状态", "登记状态(中文)"]),
];

/// Of records. The number of a decision is the source's own number where no column is named so.
pub const RECORDS: &[Target] = &[
    USCC,
    optional("item", &["item", "事项", "事项编码", "目录事项"]),
    wanted(
        "sourceId",
        &[
            "sourceid",
            "源编号",
            "来源编号",
            "业务编号",
            "记录编号",
            "行政处罚决定书文号",
            "行政许可决定书文号",
            "行政许可决定文书号",
            "许可决定书文号",
            "处罚决定文书号",
            "行政处罚文号",
            "处罚文号",
            "决定书文号",
            "文号",
        ],
    ),
    wanted(
        "occurredOn",
        &[
            "occurredon",
            "发生日期",
            "处罚决定日期",
            "作出行政处罚决定日期",
            "作出处罚决定的日期",
            "许可决定日期",
            "决定日期",
            "处罚日期",
            "列入日期",
        ],
    ),
    optional("severity", &["severity", "严重程度"]),
    optional("amount", &["amount", "金额", "金额(元)", "罚款金额(元)"]),
    // 双公示 states fines in ten thousands of yuan.
    optional("amountWan", &["金额(万元)", "罚款金额(万元)"]),
    optional("validUntil", &["validuntil", "有效期至", "有效期截止"]),
];

/// Which column is which.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns(BTreeMap<&'static str, usize>);

impl Columns {
    /// The cell of a row, empty where there is no such column.
    pub fn cell<'a>(&self, cells: &'a [String], name: &str) -> &'a str {
        self.0.get(name).and_then(|&column| cells.get(column)).map_or("", String::as_str)
    }

    /// Whether there is a column.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The numbers of the columns.
    pub fn numbers(&self) -> impl Iterator<Item = usize> {
        self.0.values().copied()
    }
}

/// Finds the columns, or names the first that is missing, with a heading that it may have.
pub fn find(
    headings: &[String],
    targets: &'static [Target],
) -> Result<Columns, (&'static str, &'static str)> {
    let squashed: Vec<String> = headings.iter().map(|heading| squash(heading)).collect();
    let mut columns = Columns::default();
    for target in targets {
        let found =
            target.aliases.iter().find_map(|alias| squashed.iter().position(|heading| heading == alias));
        match found {
            Some(column) => drop(columns.0.insert(target.name, column)),
            None if target.required => return Err((target.name, chinese(target))),
            None => {}
        }
    }
    Ok(columns)
}

fn chinese(target: &Target) -> &'static str {
    target.aliases.iter().copied().find(|alias| !alias.is_ascii()).unwrap_or(target.name)
}

/// The columns that hold an item's fields, under the field's key or its name.
pub fn fields(headings: &[String], item: &api::CatalogueItem) -> Vec<(api::CatalogueField, usize)> {
    let squashed: Vec<String> = headings.iter().map(|heading| squash(heading)).collect();
    let column = |field: &api::CatalogueField| {
        let (key, name) = (squash(&field.key), squash(&field.name));
        let held =
            |wanted: &str| squashed.iter().position(|heading| !heading.is_empty() && heading == wanted);
        held(&key).or_else(|| held(&name))
    };
    item.fields.iter().filter_map(|field| Some((field.clone(), column(field)?))).collect()
}

/// The headings that nothing was taken from.
pub fn ignored(headings: &[String], used: &BTreeSet<usize>) -> Vec<String> {
    let unused =
        headings.iter().enumerate().filter(|(column, heading)| !used.contains(column) && !heading.is_empty());
    unused.map(|(_, heading)| heading.clone()).collect()
}

/// A heading without what lists spell now so, now so: width, case, spaces, underscores, a colon at the end.
fn squash(heading: &str) -> String {
    let half = |c: char| match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
        _ => c,
    };
    let kept =
        |c: &char| !(c.is_whitespace() || c.is_control() || matches!(c, '_' | '-' | '*' | '\u{FEFF}' | ':'));
    heading.chars().map(half).filter(kept).collect::<String>().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headings(text: &str) -> Vec<String> {
        text.split('|').map(str::to_owned).collect()
    }

    #[test]
    fn headings_are_known_in_every_spelling() {
        for given in [
            "uscc|name|region_code|registered_date",
            "USCC|Name|Region Code|registeredOn",
            "统一社会信用代码|企业名称|行政区划|成立日期",
            "行政相对人代码_1 （统一社会信用代码）：|行政相对人名称|地方编码|注册时间",
            "\u{FEFF}统一社会信用代码／注册号|企业名称（字号名称）|行政区划编码|登记日期",
        ] {
            let columns = find(&headings(given), SUBJECTS).unwrap();
            let cells = headings("c|n|r|d");
            let row: Vec<&str> = ["uscc", "name", "region", "registeredOn"]
                .iter()
                .map(|name| columns.cell(&cells, name))
                .collect();
            assert_eq!(row, ["c", "n", "r", "d"], "{given}");
            assert_eq!(columns.cell(&cells, "status"), "");
        }
    }

    #[test]
    fn every_alias_is_squashed_already() {
        for target in SUBJECTS.iter().chain(RECORDS) {
            for alias in target.aliases {
                assert_eq!(squash(alias), **alias);
            }
        }
    }

    #[test]
    fn a_missing_column_is_named_and_the_surest_heading_wins() {
        assert_eq!(find(&headings("名称|成立日期"), SUBJECTS), Err(("uscc", "统一社会信用代码")));
        let columns = find(&headings("纳税人识别号|统一社会信用代码|企业名称|备注"), SUBJECTS).unwrap();
        assert_eq!(columns.cell(&headings("t|u|n|x"), "uscc"), "u");
        let given = headings("纳税人识别号|统一社会信用代码|企业名称|备注");
        assert_eq!(ignored(&given, &columns.numbers().collect()), ["纳税人识别号", "备注"]);
    }

    #[test]
    fn a_decision_number_is_both_field_and_source_number() {
        let given = headings("统一社会信用代码|行政处罚决定书文号|处罚决定日期|罚款金额（万元）|处罚类别");
        let columns = find(&given, RECORDS).unwrap();
        assert_eq!(columns.cell(&headings("u|n|d|1|t"), "sourceId"), "n");
        assert_eq!(columns.cell(&headings("u|n|d|1|t"), "amountWan"), "1");
        let field = |key: &str, name: &str| api::CatalogueField {
            key: key.to_owned(),
            name: name.to_owned(),
            ..Default::default()
        };
        let item = api::CatalogueItem {
            fields: vec![
                field("documentNumber", "行政处罚决定书文号"),
                field("penaltyType", "处罚类别"),
                field("x", ""),
            ],
            ..Default::default()
        };
        let found: Vec<usize> = fields(&given, &item).into_iter().map(|(_, column)| column).collect();
        assert_eq!(found, [1, 4]);
    }
}
