//! The formulae that come with the program: illustrations, until the office publishes its own.
use std::sync::LazyLock;

use contract::reporting::v1::{
    AssessedIndicator, Formula,
    assessed_indicator::{Empty, Measure},
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Data {
    formulas: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    formula_id: String,
    title: String,
    basis: String,
    effective_from: String,
    indicators: Vec<Indicator>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Indicator {
    id: String,
    name: String,
    measure: String,
    weight: String,
    none_up_to: String,
    full_from: String,
    empty: String,
}

static FORMULAS: LazyLock<Vec<Formula>> = LazyLock::new(|| {
    // The test below reads every row, so that what is shipped can be read.
    let data: Option<Data> = serde_json::from_str(include_str!("../../data/formulas.json")).ok();
    data.into_iter().flat_map(|data| data.formulas).map(formula).collect()
});

fn formula(row: Row) -> Formula {
    let indicator = |one: Indicator| AssessedIndicator {
        id: one.id,
        name: one.name,
        measure: Measure::from_str_name(&one.measure).unwrap_or_default().into(),
        weight: one.weight,
        none_up_to: one.none_up_to,
        full_from: one.full_from,
        empty: Empty::from_str_name(&one.empty).unwrap_or_default().into(),
    };
    Formula {
        formula_id: row.formula_id,
        title: row.title,
        basis: row.basis,
        effective_from: row.effective_from,
        indicators: row.indicators.into_iter().map(indicator).collect(),
        status: String::from("ILLUSTRATION"),
        ..Default::default()
    }
}

/// The built-in formulae, each as version 0.
pub fn all() -> &'static [Formula] {
    &FORMULAS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assessments::rules::judge;

    #[test]
    fn what_is_shipped_can_be_published() {
        assert_eq!(all().len(), 1);
        for formula in all() {
            assert!(
                formula.title.ends_with("（示例）") && formula.basis.starts_with("示例："),
                "{formula:?}"
            );
            assert_eq!(formula.status, "ILLUSTRATION");
            assert_eq!(judge(formula).map(|_| ()), Ok(()));
            assert!(formula.indicators.iter().all(|one| one.measure() != Measure::Unspecified));
            assert!(formula.indicators.iter().all(|one| one.empty() != Empty::Unspecified));
            let weights: i32 = formula.indicators.iter().map(|one| one.weight.parse::<i32>().unwrap()).sum();
            assert_eq!(weights, 100);
        }
    }
}
