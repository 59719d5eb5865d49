//! What each column of a file is: by the template that its headings follow, by the contract's words, by the item's fields.
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chassis::language::{Language, Text};
use contract::credit::v1 as api;

use super::{
    headings::{self, RECORDS, SUBJECTS, squash},
    plan::Plan,
    templates::{self, Rows, Template},
};
use crate::{items::Items, outcomes::shown};

/// A column that holds a field of an item.
#[derive(Clone)]
pub struct FieldColumn {
    /// The field.
    pub field: api::CatalogueField,
    /// The column, from 0.
    pub column: usize,
    /// Whether its sums are in ten thousands of yuan 万元.
    pub wan: bool,
}

/// What each column of a file is.
pub struct Layout {
    /// How many columns there are.
    pub width: usize,
    /// The template, where one was recognised.
    pub template: Option<&'static Template>,
    /// The item of all rows; empty where a column names it.
    pub item: String,
    /// The columns with natural persons' data.
    pub personal: BTreeSet<usize>,
    /// The columns whose cells have a vocabulary.
    pub checks: Vec<(usize, &'static [String])>,
    /// By item: the columns of its fields.
    pub fields: HashMap<String, Vec<FieldColumn>>,
    /// What each column is, to be shown.
    pub mapping: Vec<api::ColumnMapping>,
    /// The headings that nothing was taken from.
    pub ignored: Vec<String>,
    columns: BTreeMap<&'static str, usize>,
}

/// A column without which rows can't be read: its name in the contract and a heading that it may have.
pub type Missing = (&'static str, &'static str);

impl Layout {
    /// Finds out what each column is, or names the first that is missing.
    pub fn find(plan: &Plan, given: &[String], items: Items, language: Language) -> Result<Self, Missing> {
        let squashed: Vec<String> = given.iter().map(|heading| squash(heading)).collect();
        let personal: BTreeSet<usize> =
            (0..given.len()).filter(|&column| templates::personal(&squashed[column])).collect();
        let of_rows = if plan.records { RECORDS } else { SUBJECTS };
        let mut layout = Self {
            width: given.len(),
            template: None,
            item: plan.item.clone(),
            personal,
            checks: Vec::new(),
            fields: HashMap::new(),
            mapping: Vec::new(),
            ignored: Vec::new(),
            columns: BTreeMap::new(),
        };
        let item_column =
            of_rows.iter().any(|target| target.name == "item" && target.find(&squashed).is_some());
        if !item_column || !plan.item.is_empty() {
            layout.template = templates::recognise(&squashed, plan.records, &plan.item);
        }
        let mut claimed = layout.by_template(&squashed, &items);
        for target in of_rows {
            let free = |column: &usize| !claimed.contains_key(column) && !layout.personal.contains(column);
            if let (None, Some(column)) =
                (layout.columns.get(target.name), target.find(&squashed).filter(free))
            {
                layout.columns.insert(target.name, column);
            }
        }
        claimed.retain(|_, standard| standard.is_some());
        layout.by_fields(&squashed, &items, &claimed);
        layout.complete(plan)?;
        layout.describe(given, &claimed, language);
        Ok(layout)
    }

    // The columns that the template knows, each with its standard heading where nothing is taken from it.
    fn by_template(&mut self, squashed: &[String], items: &Items) -> BTreeMap<usize, Option<&'static str>> {
        let mut claimed = BTreeMap::new();
        let Some(template) = self.template else { return claimed };
        if self.item.is_empty() {
            self.item.clone_from(&template.item);
        }
        for known in &template.columns {
            let Some(column) = known.find(squashed).filter(|column| !self.personal.contains(column)) else {
                continue;
            };
            if !known.vocabulary.is_empty() {
                self.checks.push((column, &known.vocabulary));
            }
            let unused = known.targets.is_empty().then(|| known.headings[0].as_str());
            claimed.entry(column).or_insert(unused);
            for target in &known.targets {
                let Some(key) = target.strip_prefix("fields.") else {
                    self.columns.entry(target.as_str()).or_insert(column);
                    continue;
                };
                let fields = items.get(&self.item).map_or(&[][..], |item| item.body.fields.as_slice());
                if let Some(field) = fields.iter().find(|field| field.key == key) {
                    let taken = FieldColumn { field: field.clone(), column, wan: known.wan };
                    self.fields.entry(self.item.clone()).or_default().push(taken);
                }
            }
        }
        claimed
    }

    // The columns headed by the key or the name of a field.
    fn by_fields(
        &mut self,
        squashed: &[String],
        items: &Items,
        claimed: &BTreeMap<usize, Option<&'static str>>,
    ) {
        let wanted = items.iter().filter(|(name, _)| self.item.is_empty() || self.item == **name);
        for (name, item) in wanted {
            let taken = self.fields.entry(name.clone()).or_default();
            for field in &item.body.fields {
                if taken.iter().any(|column| column.field.key == field.key) {
                    continue;
                }
                let held = |wanted: String| {
                    squashed.iter().position(|heading| {
                        *heading == wanted || (!wanted.is_empty() && headings::unit(heading).0 == wanted)
                    })
                };
                let column = held(squash(&field.key)).or_else(|| held(squash(&field.name)));
                let free = |column: &usize| {
                    !self.personal.contains(column)
                        && !claimed.contains_key(column)
                        && !squashed[*column].is_empty()
                };
                if let Some(column) = column.filter(free) {
                    let wan = headings::unit(&squashed[column]).1;
                    taken.push(FieldColumn { field: field.clone(), column, wan });
                }
            }
        }
    }

    fn complete(&self, plan: &Plan) -> Result<(), Missing> {
        if self.persons() {
            return Ok(());
        }
        if !plan.records {
            let missing = SUBJECTS.iter().filter(|target| !self.has(target.name));
            return missing.filter_map(|target| target.missing()).next().map_or(Ok(()), Err);
        }
        let own_source = self.template.is_some_and(|template| !template.source.is_empty());
        let needed = [
            (self.has("uscc") || self.has("name"), ("uscc", "统一社会信用代码")),
            (
                self.has("sourceId") || self.has("decisionNumber") || own_source,
                ("sourceId", "行政处罚决定书文号"),
            ),
            (
                self.has("occurredOn") || self.has("occurredYear") || !plan.occurred_on.is_empty(),
                ("occurredOn", "处罚决定日期"),
            ),
            (!self.item.is_empty() || self.has("item"), ("item", "事项")),
        ];
        needed.into_iter().find(|(there, _)| !there).map_or(Ok(()), |(_, missing)| Err(missing))
    }

    fn describe(
        &mut self,
        given: &[String],
        claimed: &BTreeMap<usize, Option<&'static str>>,
        language: Language,
    ) {
        for (column, heading) in given.iter().enumerate() {
            let mut targets: Vec<String> = Vec::new();
            let names = self.columns.iter().filter(|(_, at)| **at == column);
            targets.extend(names.map(|(name, _)| (*name).to_owned()));
            let keys: BTreeSet<String> = self
                .fields
                .values()
                .flatten()
                .filter(|field| field.column == column)
                .map(|field| format!("fields.{}", field.field.key))
                .collect();
            targets.extend(keys);
            let reason = self.reason(column, &targets, claimed.get(&column).copied().flatten());
            if targets.is_empty() && !self.personal.contains(&column) && !heading.trim().is_empty() {
                self.ignored.push(heading.clone());
            }
            self.mapping.push(api::ColumnMapping {
                column: i32::try_from(column + 1).unwrap_or(i32::MAX),
                heading: shown(heading),
                targets,
                reason: reason.get(language).to_owned(),
            });
        }
    }

    fn reason(&self, column: usize, targets: &[String], unused: Option<&str>) -> Text {
        if self.personal.contains(&column) {
            return Text::new("a natural person's data: dropped", "自然人信息，已舍弃");
        }
        match (targets, unused, self.template) {
            ([], Some(standard), _) => Text::new(
                format!("known as {standard} in this template; not taken"),
                format!("本模板中为“{standard}”，不采集"),
            ),
            ([], None, _) => Text::new("not known; not taken", "未识别，不采集"),
            (_, _, Some(template)) => Text::new(
                format!("by the template {}, or by its heading", template.template),
                format!("按模板“{}”或表头识别", template.name),
            ),
            _ => Text::new("by its heading", "按表头识别"),
        }
    }

    /// Whether the rows are about natural persons.
    pub fn persons(&self) -> bool {
        self.template.is_some_and(|template| template.kind == Rows::Persons)
    }

    /// Whether there is a column for a target.
    pub fn has(&self, target: &str) -> bool {
        self.columns.contains_key(target)
    }

    /// The cell of a target as it stands, empty where there is no such column.
    pub fn cell<'a>(&self, cells: &'a [String], target: &str) -> &'a str {
        self.columns.get(target).and_then(|&column| cells.get(column)).map_or("", String::as_str)
    }

    /// Empties the cells with natural persons' data; how many held something.
    pub fn drop_personal(&self, cells: &mut [String]) -> i32 {
        let mut dropped = 0;
        for &column in &self.personal {
            if let Some(cell) = cells.get_mut(column).filter(|cell| !cell.trim().is_empty()) {
                cell.clear();
                dropped += 1;
            }
        }
        dropped
    }

    /// Cells without the columns with natural persons' data.
    pub fn without_personal(&self, cells: &[String]) -> Vec<String> {
        let kept = cells.iter().enumerate().filter(|(column, _)| !self.personal.contains(column));
        kept.map(|(_, cell)| cell.clone()).collect()
    }
}

/// Every heading that could be one, squashed, so that a title above the headings is not taken for them.
pub fn known_headings(items: &Items) -> HashSet<String> {
    let fields = items.values().flat_map(|item| &item.body.fields);
    let fields = fields.flat_map(|field| [squash(&field.key), squash(&field.name)]);
    let mut known: HashSet<String> = headings::known().chain(templates::headings()).chain(fields).collect();
    known.remove("");
    known
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::items::Item;

    fn items() -> Items {
        let rows: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("../../data/items.json")).unwrap();
        let field = |field: &serde_json::Value| api::CatalogueField {
            key: field["key"].as_str().unwrap().to_owned(),
            name: field["name"].as_str().unwrap().to_owned(),
            r#type: field["type"].as_str().unwrap().to_owned(),
            ..Default::default()
        };
        let item = |row: &serde_json::Value| {
            let body = api::CatalogueItem {
                item: row["item"].as_str().unwrap().to_owned(),
                fields: row["fields"].as_array().unwrap().iter().map(field).collect(),
                ..Default::default()
            };
            let item = Item { version: 1, owner: String::new(), built_in: true, body };
            (item.body.item.clone(), Arc::new(item))
        };
        rows.iter().map(item).collect()
    }

    fn found(records: bool, item: &str, given: &str) -> Result<Layout, Missing> {
        let plan = Plan { records, item: item.to_owned(), ..Plan::default() };
        let given: Vec<String> = given.split('|').map(str::to_owned).collect();
        Layout::find(&plan, &given, items(), Language::En)
    }

    fn targets(layout: &Layout) -> Vec<String> {
        layout.mapping.iter().map(|column| column.targets.join("+")).collect()
    }

    #[test]
    fn columns_of_subjects_are_known_in_every_spelling() {
        for given in [
            "uscc|name|region_code|registered_date",
            "USCC|Name|Region Code|registeredOn",
            "统一社会信用代码|企业名称|行政区划|成立日期",
            "行政相对人代码_1 （统一社会信用代码）：|行政相对人名称|地方编码|注册时间",
            "\u{FEFF}统一社会信用代码／注册号|企业名称（字号名称）|行政区划编码|登记日期",
        ] {
            let layout = found(false, "", given).unwrap_or_else(|missing| panic!("{given} {missing:?}"));
            assert_eq!(targets(&layout), ["uscc", "name", "region", "registeredOn"], "{given}");
        }
    }

    #[test]
    fn a_missing_column_is_named_and_the_surest_heading_wins() {
        assert_eq!(found(false, "", "名称|成立日期").err(), Some(("uscc", "统一社会信用代码")));
        assert_eq!(
            found(false, "", "统一社会信用代码|日期").err(),
            Some(("name", "name")).map(|_| ("name", "企业名称"))
        );
        assert_eq!(found(true, "", "uscc|sourceId|occurredOn").err(), Some(("item", "事项")));
        let layout = found(false, "", "纳税人识别号|统一社会信用代码|企业名称|备注").unwrap();
        assert_eq!(targets(&layout), ["", "uscc", "name", ""]);
        assert_eq!(layout.ignored, ["纳税人识别号", "备注"]);
    }

    #[test]
    fn the_same_column_means_another_thing_in_each_generation() {
        let old = "行政处罚决定书文号|处罚事由|处罚决定日期|行政相对人名称|行政相对人代码_1|行政相对人代码_2";
        let new = "行政处罚决定书文号|违法事实|处罚决定日期|行政相对人名称|行政相对人代码_1|行政相对人代码_2";
        for (given, template, second) in
            [(old, "penalty-2016", "组织机构代码"), (new, "penalty-2019", "工商注册号")]
        {
            let layout = found(true, "", given).unwrap_or_else(|missing| panic!("{missing:?}"));
            assert_eq!(layout.template.map(|t| t.template.as_str()), Some(template));
            assert_eq!(layout.item, "administrative-penalty");
            assert_eq!(targets(&layout)[4..], ["uscc", ""]);
            assert!(layout.mapping[5].reason.contains(second), "{:?}", layout.mapping[5]);
        }
    }

    #[test]
    fn persons_columns_are_dropped_whatever_the_file_is() {
        let layout = found(true, "honour", "uscc|sourceId|occurredOn|法定代表人|身份证号|title").unwrap();
        assert_eq!(layout.personal, BTreeSet::from([3, 4]));
        let mut cells: Vec<String> = ["1", "2", "3", "某某", "x", "t"].map(String::from).to_vec();
        assert_eq!(layout.drop_personal(&mut cells), 2);
        assert_eq!(layout.without_personal(&cells), ["1", "2", "3", "t"]);
        assert!(layout.ignored.is_empty());
    }

    #[test]
    fn a_decision_number_is_both_field_and_source_number_and_units_are_read() {
        let given = "统一社会信用代码|行政处罚决定书文号|处罚决定日期|罚款金额（万元）|没收违法所得、没收非法财物的金额（万元）";
        let layout = found(true, "administrative-penalty", given).unwrap();
        assert_eq!(
            targets(&layout),
            [
                "uscc",
                "decisionNumber+fields.documentNumber",
                "occurredOn",
                "amountWan",
                "fields.confiscatedAmount"
            ]
        );
        assert!(layout.fields["administrative-penalty"].iter().any(|field| field.column == 4 && field.wan));
    }
}
