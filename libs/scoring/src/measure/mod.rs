//! The kinds of measure 计量方式: what is made of the records that count (CONTRACT §4.1.2). One file a kind, and
//! one line in [`MEASURES`].
mod count;
mod exists;
pub(crate) mod latest_grade;
mod sum_amount;

use contract::grading::v1::indicator::Measure as Wire;

use crate::{
    condition::Condition,
    decimal::{Decimal, Sum},
    facts::{Cover, Group, Row},
    warnings::Range,
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

    /// Takes a record that counts into the tally.
    fn take<'s>(&self, tally: &mut Tally<'s>, counted: &Counted<'s>);

    /// The value of the records that were taken.
    fn value<'s>(&self, tally: &Tally<'s>) -> Measured<'s>;

    /// What a record adds to the value, where the value is a sum over the records.
    fn share(&self, _counted: &Counted<'_>) -> Option<Sum> {
        None
    }

    /// The numbers that its value can be, never fewer, of records that count by these percents; `can` says
    /// whether any of them can meet a condition.
    fn range(&self, percents: &[Decimal], can: &dyn Fn(&Condition) -> bool) -> Range;
}

/// What a measure has seen so far.
#[derive(Default)]
pub(crate) struct Tally<'s> {
    sum: Sum,
    any: bool,
    latest: Option<Latest<'s>>,
}

/// The latest record's place, and its grade if it carries one.
type Latest<'s> = ((i32, u64, u32), Option<&'s str>);

/// A record that counts.
#[derive(Clone, Copy)]
pub(crate) struct Counted<'s> {
    pub(crate) row: Row<'s>,
    pub(crate) group: Group<'s>,
    /// By how much, from its decay step.
    pub(crate) percent: Decimal,
    /// The days on which its item may be counted.
    pub(crate) cover: Cover<'s>,
}

/// What a kind of measure yields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Yields {
    /// A number: points per unit or by bands.
    Number,
    /// The field `grade` of a record, which all items must therefore have: points by grade.
    Grade,
}

/// The value of an indicator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measured<'s> {
    Number(Sum),
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
