//! The parts of an item's wording as JSON: in the built-in catalogue and in the table.
use contract::credit::v1 as api;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Field {
    key: String,
    name: String,
    r#type: String,
    required: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    vocabulary: Vec<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    minimum: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    maximum: String,
}

impl From<Field> for api::CatalogueField {
    fn from(field: Field) -> Self {
        let Field { key, name, r#type, required, vocabulary, minimum, maximum } = field;
        Self { key, name, r#type, required, vocabulary, minimum, maximum }
    }
}

impl From<api::CatalogueField> for Field {
    fn from(field: api::CatalogueField) -> Self {
        let api::CatalogueField { key, name, r#type, required, vocabulary, minimum, maximum } = field;
        Self { key, name, r#type, required, vocabulary, minimum, maximum }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    basis: String,
    effective_from: String,
    #[serde(default)]
    effective_to: String,
    #[serde(default)]
    departments: Vec<String>,
    classes: Vec<Class>,
    verification: String,
}

impl From<Rule> for api::PublicationRule {
    fn from(rule: Rule) -> Self {
        Self {
            basis: rule.basis,
            effective_from: rule.effective_from,
            effective_to: rule.effective_to,
            departments: rule.departments,
            classes: rule.classes.into_iter().map(api::SeverityClass::from).collect(),
            verification: api::Verification::from_str_name(&rule.verification).unwrap_or_default().into(),
        }
    }
}

impl From<api::PublicationRule> for Rule {
    fn from(rule: api::PublicationRule) -> Self {
        Self {
            verification: rule.verification().as_str_name().to_owned(),
            basis: rule.basis,
            effective_from: rule.effective_from,
            effective_to: rule.effective_to,
            departments: rule.departments,
            classes: rule.classes.into_iter().map(Class::from).collect(),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Class {
    severity: i32,
    name: String,
    minimum_months: i32,
    maximum_months: i32,
    #[serde(default)]
    unpublished: bool,
    #[serde(default)]
    unpublished_where: Vec<FieldValue>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldValue {
    key: String,
    value: String,
}

impl From<Class> for api::SeverityClass {
    fn from(class: Class) -> Self {
        let Class { severity, name, minimum_months, maximum_months, unpublished, unpublished_where } = class;
        let value = |FieldValue { key, value }| api::FieldValue { key, value };
        let unpublished_where = unpublished_where.into_iter().map(value).collect();
        Self { severity, name, minimum_months, maximum_months, unpublished, unpublished_where }
    }
}

impl From<api::SeverityClass> for Class {
    fn from(class: api::SeverityClass) -> Self {
        let api::SeverityClass {
            severity,
            name,
            minimum_months,
            maximum_months,
            unpublished,
            unpublished_where,
        } = class;
        let value = |api::FieldValue { key, value }| FieldValue { key, value };
        let unpublished_where = unpublished_where.into_iter().map(value).collect();
        Self { severity, name, minimum_months, maximum_months, unpublished, unpublished_where }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Severity {
    severity: i32,
    name: String,
    #[serde(default)]
    basis: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    effective_from: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    effective_to: String,
}

impl From<Severity> for api::ItemSeverity {
    fn from(class: Severity) -> Self {
        let Severity { severity, name, basis, effective_from, effective_to } = class;
        Self { severity, name, basis, effective_from, effective_to }
    }
}

impl From<api::ItemSeverity> for Severity {
    fn from(class: api::ItemSeverity) -> Self {
        let api::ItemSeverity { severity, name, basis, effective_from, effective_to } = class;
        Self { severity, name, basis, effective_from, effective_to }
    }
}
