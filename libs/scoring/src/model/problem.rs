//! What is wrong with a model, and where.
use std::fmt;

use crate::{condition::ConditionFault, text::Bilingual};

/// One thing that is wrong with a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field, as the contract spells it: `model.indicators[2].decay[0].percent`.
    pub path: String,
    /// For a condition that cannot be read: the column, in characters from 1.
    pub column: Option<u32>,
    /// What is wrong and what to do.
    pub message: Bilingual,
}

impl Problem {
    pub(super) fn new(path: impl Into<String>, message: Bilingual) -> Self {
        Self { path: path.into(), column: None, message }
    }

    /// A fault of a condition, its column told in words too.
    pub(super) fn of_condition(path: String, fault: ConditionFault) -> Self {
        let ConditionFault { column, message } = fault;
        let message = Bilingual::new(
            format!("column {column}: {}", message.en),
            format!("第 {column} 列：{}", message.zh),
        );
        Self { path, column: Some(column), message }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.path, self.message.en)
    }
}
