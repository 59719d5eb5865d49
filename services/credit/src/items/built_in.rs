//! The built-in catalogue; an operator overrides it by putting items. Classes and legal bases as the plan and the national
//! rules name them; where no term of publication is verified, 36 months stand, which no rule exceeds. That Order 58 leaves warnings and
//! public criticism unpublished is written from memory and stands on the cautious side until somebody reads it there. No item names
//! departments: the plan gives tasks to units and not items to them, so that any may submit until an operator narrows an item.
use contract::credit::v1 as api;
use serde::Deserialize;

use super::{rules, wording};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BuiltIn {
    item: String,
    name: String,
    category: String,
    nature: String,
    legal_basis: String,
    publication_months: i32,
    verification: String,
    fields: Vec<wording::Field>,
    #[serde(default)]
    publication_rules: Vec<wording::Rule>,
    #[serde(default)]
    severity_classes: Vec<wording::Severity>,
}

/// The items; judged by the same rules as those that are put.
pub fn items() -> anyhow::Result<Vec<api::CatalogueItem>> {
    let rows: Vec<BuiltIn> = serde_json::from_str(include_str!("../../data/items.json"))?;
    let items = rows.into_iter().map(|row| {
        let name = row.item.clone();
        rules::judge(item(row))
            .map_err(|bad| anyhow::anyhow!("built-in item {name}: {}: {}", bad.field, bad.text.en))
    });
    items.collect()
}

fn item(row: BuiltIn) -> api::CatalogueItem {
    let nature = api::catalogue_item::Nature::from_str_name(&row.nature).unwrap_or_default();
    api::CatalogueItem {
        item: row.item,
        name: row.name,
        category: row.category,
        nature: nature.into(),
        legal_basis: row.legal_basis,
        fields: row.fields.into_iter().map(api::CatalogueField::from).collect(),
        publication_months: row.publication_months,
        publication_rules: row.publication_rules.into_iter().map(api::PublicationRule::from).collect(),
        verification: api::Verification::from_str_name(&row.verification).unwrap_or_default().into(),
        severity_classes: row.severity_classes.into_iter().map(api::ItemSeverity::from).collect(),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_catalogue_keeps_its_own_rules() {
        let items = items().unwrap();
        let nature = |name: &str| items.iter().find(|item| item.item == name).map(api::CatalogueItem::nature);
        assert_eq!(nature("administrative-penalty"), Some(api::catalogue_item::Nature::Public));
        assert_eq!(nature("national-evaluation"), Some(api::catalogue_item::Nature::Shared));
        // 吴信用联办〔2022〕8号: tax, water, electricity, gas, real estate and research only with the subject's authorization.
        for name in
            ["tax-payment", "water-payment", "electricity-payment", "gas-payment", "research-development"]
        {
            assert_eq!(nature(name), Some(api::catalogue_item::Nature::Authorized), "{name}");
        }
        // What ships has been weighed: nothing goes out with a rule of which nobody can tell how sure it is.
        for item in &items {
            assert_ne!(item.verification(), api::Verification::Unspecified, "{}", item.item);
            for rule in &item.publication_rules {
                assert_ne!(rule.verification(), api::Verification::Unspecified, "{}", rule.basis);
            }
        }
        let mut names: Vec<_> = items.iter().map(|item| &item.item).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), items.len());
    }
}
