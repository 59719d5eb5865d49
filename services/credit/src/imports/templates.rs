//! Templates 模板 that files of departments follow, told by their headings. They are data: `data/templates.json`.
use std::{
    collections::{BTreeMap, HashSet},
    sync::LazyLock,
};

use serde::Deserialize;

use super::headings::squash;

/// What is known of files.
#[derive(Default, Deserialize)]
pub struct Book {
    personal: Personal,
    templates: Vec<Template>,
}

#[derive(Default, Deserialize)]
struct Personal {
    headings: Vec<String>,
    // A heading that holds one of these is a person's wherever it stands.
    parts: Vec<String>,
}

/// What the rows of a template are.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Rows {
    /// Subjects.
    Subjects,
    /// Records.
    Records,
    /// Records about natural persons, of which nothing is taken.
    Persons,
}

/// A template.
#[derive(Deserialize)]
pub struct Template {
    /// Its id.
    pub template: String,
    /// Its name 模板名称.
    pub name: String,
    /// What its rows are.
    pub kind: Rows,
    /// Of which item they are.
    pub item: String,
    // Headings that a file of it has, in one of the column's spellings.
    signs: Vec<String>,
    // Headings that no file of it has.
    #[serde(default)]
    without: Vec<String>,
    /// What makes a row's number where no column holds the source's own: names of targets.
    #[serde(default)]
    pub source: Vec<String>,
    /// Fields that are the same on all rows.
    #[serde(default)]
    pub constants: BTreeMap<String, String>,
    /// Its columns.
    pub columns: Vec<Column>,
}

/// A column of a template.
#[derive(Deserialize)]
pub struct Column {
    /// Its headings: the standard one first, then field codes and what else was seen.
    pub headings: Vec<String>,
    /// What is taken from it; empty: nothing.
    #[serde(default)]
    pub targets: Vec<String>,
    /// What its cells may say: a row of which the cells have shifted is told by it.
    #[serde(default)]
    pub vocabulary: Vec<String>,
    /// Whether its sums are in ten thousands of yuan 万元.
    #[serde(default)]
    pub wan: bool,
}

impl Column {
    /// The column's place among squashed headings.
    pub fn find(&self, squashed: &[String]) -> Option<usize> {
        self.headings.iter().find_map(|heading| {
            let wanted = squash(heading);
            squashed.iter().position(|heading| *heading == wanted)
        })
    }
}

static BOOK: LazyLock<Book> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../data/templates.json")).unwrap_or_default());

/// The template of these squashed headings: that of the kind, and of the item where one is given, most of whose columns are there.
pub fn recognise(squashed: &[String], records: bool, item: &str) -> Option<&'static Template> {
    let fitting = BOOK.templates.iter().filter(|template| {
        records == (template.kind != Rows::Subjects)
            && (item.is_empty() || item == template.item)
            && template.signs.iter().all(|sign| template.has(sign, squashed))
            && !template.without.iter().any(|heading| squashed.contains(&squash(heading)))
    });
    let known = |template: &Template| template.columns.iter().filter_map(|c| c.find(squashed)).count();
    // A file of natural persons before all; then the first of equals, so that the order of the data decides.
    fitting.rev().max_by_key(|template| (template.kind == Rows::Persons, known(template)))
}

impl Template {
    fn has(&self, sign: &str, squashed: &[String]) -> bool {
        let column = self.columns.iter().find(|column| column.headings.iter().any(|heading| heading == sign));
        match column {
            Some(column) => column.find(squashed).is_some(),
            None => squashed.contains(&squash(sign)),
        }
    }
}

/// Whether a column of this squashed heading holds data of natural persons (PIPL 6, 28: not collected without need).
pub fn personal(squashed: &str) -> bool {
    static EXACT: LazyLock<HashSet<String>> =
        LazyLock::new(|| BOOK.personal.headings.iter().map(|heading| squash(heading)).collect());
    static PARTS: LazyLock<Vec<String>> =
        LazyLock::new(|| BOOK.personal.parts.iter().map(|part| squash(part)).collect());
    EXACT.contains(squashed) || PARTS.iter().any(|part| squashed.contains(part.as_str()))
}

/// Every heading of every template, squashed.
pub fn headings() -> impl Iterator<Item = String> {
    BOOK.templates.iter().flat_map(|t| &t.columns).flat_map(|c| &c.headings).map(|heading| squash(heading))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn squashed(headings: &[&str]) -> Vec<String> {
        headings.iter().map(|heading| squash(heading)).collect()
    }

    #[test]
    fn the_data_is_whole() {
        let items: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("../../data/items.json")).unwrap();
        let fields = |item: &str| -> Vec<String> {
            let found = items.iter().find(|row| row["item"] == item).unwrap_or_else(|| panic!("{item}"));
            let fields = found["fields"].as_array().unwrap();
            fields.iter().map(|field| field["key"].as_str().unwrap().to_owned()).collect()
        };
        let targets = [
            "uscc",
            "name",
            "kind",
            "status",
            "sourceId",
            "sourceIdElse",
            "occurredOn",
            "occurredYear",
            "validUntil",
            "amountWan",
            "personKind",
            "check",
        ];
        assert!(BOOK.templates.len() >= 15);
        for template in &BOOK.templates {
            for target in template.columns.iter().flat_map(|column| &column.targets) {
                match target.strip_prefix("fields.") {
                    Some(key) => {
                        assert!(fields(&template.item).iter().any(|k| k == key), "{} {key}", template.item);
                    }
                    None => assert!(targets.contains(&target.as_str()), "{} {target}", template.template),
                }
            }
            for key in template.constants.keys() {
                assert!(fields(&template.item).contains(key), "{} {key}", template.template);
            }
        }
    }

    #[test]
    fn each_template_is_known_by_its_standard_headings_and_by_its_codes() {
        for template in &BOOK.templates {
            let mut standard: Vec<&str> = template.columns.iter().map(|c| c.headings[0].as_str()).collect();
            standard.extend(template.signs.iter().map(String::as_str));
            let records = template.kind != Rows::Subjects;
            let found = recognise(&squashed(&standard), records, "").map(|found| found.template.as_str());
            assert_eq!(found, Some(template.template.as_str()));
        }
        let codes = ["CF_WSH", "CF_SY", "CF_JDRQ", "CF_CFMC", "CF_JG", "CF_XZJG", "CF_XDR_SHXYM"];
        assert_eq!(recognise(&squashed(&codes), true, "").map(|t| t.template.as_str()), Some("penalty-2016"));
        let codes = ["CF_WSH", "CF_SY", "CF_JDRQ", "CF_NR_FK", "CF_WFXW", "CF_XDR_SHXYM", "CF_CFJG"];
        assert_eq!(recognise(&squashed(&codes), true, "").map(|t| t.template.as_str()), Some("penalty-2019"));
        let persons = ["CF_XDR_MC", "CF_XDR_ZJLX", "CF_XDR_ZJHM", "CF_WSH", "CF_SY", "CF_JDRQ", "CF_NR_FK"];
        let found = recognise(&squashed(&persons), true, "").map(|t| t.template.as_str());
        assert_eq!(found, Some("penalty-natural-person"));
        assert!(recognise(&squashed(&codes), true, "honour").is_none());
        assert!(recognise(&squashed(&codes), false, "").is_none());
    }

    #[test]
    fn columns_of_persons_are_known_in_every_spelling() {
        for heading in [
            "法定代表人",
            "法定代表人身份证号",
            "CF_FR_ZJHM",
            "cf_frdb",
            "证件号码(自然人)",
            "证件类型",
            "法定代表人（负责人）姓名",
            "联系电话",
            "行政相对人代码_5（居民身份证号）",
            "LEGAL_REP",
        ] {
            assert!(personal(&squash(heading)), "{heading}");
        }
        for heading in [
            "企业名称或自然人姓名",
            "失信被执行人姓名／名称",
            "纳税人名称(姓名)",
            "统一社会信用代码",
            "行政相对人名称",
            "处罚机关",
            "主体身份代码",
            "作出决定机关",
            "name",
            "status",
        ] {
            assert!(!personal(&squash(heading)), "{heading}");
        }
    }
}
