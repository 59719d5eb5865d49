//! Scoring: compiles a scheme's model, evaluates a subject's fact sheet under it and explains the grade
//! (CONTRACT §4.1). Pure: dates are arguments, the arithmetic is on exact decimals, nothing is read and
//! nothing is written.
#![deny(clippy::float_arithmetic, clippy::unwrap_used, clippy::expect_used)]

mod account;
mod condition;
mod day;
mod decimal;
mod evaluate;
mod facts;
mod measure;
mod model;
mod schema;
mod text;
mod warnings;

pub use account::{Account, Ahead, Better, IndicatorAccount, Outlook, RecordAccount, Repair, VetoAccount};
pub use decimal::{Decimal, DecimalFault, Exact};
pub use evaluate::Outcome;
pub use facts::{Change, Fact, FactSheet, Grant, MAX_FACTS, MAX_GRANTS, SheetFault, Value};
pub use model::{Compiled, MAX_INDICATORS, MAX_ITEMS, NATIONAL_EVALUATION, Problem, UNGRADED};
pub use schema::{FieldType, Limits, Schemas};
pub use text::Bilingual;
pub use warnings::{Warning, WarningCode, warnings};
