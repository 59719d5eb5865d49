//! The kinds of measure 计量方式: what is made of the records that count (CONTRACT §4.1.2). One file a kind, and
//! one line in [`MEASURES`].
mod count;
mod exists;
pub(crate) mod latest_grade;
mod sum_amount;

use contract::grading::v1::indicator::Measure as Wire;

use crate::{
    decimal::{Decimal, Exact},
    facts::{Group, Row},
};

/// Every kind there is.
const MEASURES: &[&dyn Measure] =
    &[&count::Count, &sum_amount::SumAmount, &exists::Exists, &latest_grade::LatestGrade];

/// A kind of measure.
pub(crate) trait Measure: Sync {
    /// Its name in the contract.
    fn wire(&self) -> Wire;

    /// What its value is, and so how points follow from it.
    fn yields(&self) -> Yields;

    /// The value of the records that count.
    fn value<'s>(&self, counted: &mut dyn Iterator<Item = Counted<'s>>) -> Measured<'s>;
}

/// A record that counts.
#[derive(Clone, Copy)]
pub(crate) struct Counted<'s> {
    pub(crate) row: &'s Row,
    pub(crate) group: &'s Group,
    /// By how much, from its decay step.
    pub(crate) percent: Decimal,
}

/// What a kind of measure yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Yields {
    /// A number: points per unit or by bands.
    Number,
    /// The field `grade` of a record, which all items must therefore have: points by grade.
    Grade,
}

/// The value of an indicator. Of at most ten decimal places, as [`Exact::times`] asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measured<'s> {
    Number(Exact),
    Grade(Option<&'s str>),
}

/// The kind that the contract names so.
pub(crate) fn of(wire: i32) -> Option<&'static dyn Measure> {
    MEASURES.iter().copied().find(|measure| measure.wire() as i32 == wire)
}

/// The names of all kinds, for a message.
pub(crate) fn names() -> String {
    MEASURES.iter().map(|measure| measure.wire().as_str_name()).collect::<Vec<_>>().join(", ")
}
