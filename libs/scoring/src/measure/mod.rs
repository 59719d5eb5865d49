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
    facts::{Cover, Row},
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

    /// The value of the records of a tally.
    fn value<'s>(&self, tally: &Tally<'s>) -> Measured<'s>;

    /// What a record adds to the value, where the value is a sum over the records.
    fn share(&self, _counted: &Counted<'_>) -> Option<Sum> {
        None
    }

    /// The numbers that its value can be, never fewer, of records that count by these percents; `can` says
    /// whether any of them can meet a condition.
    fn range(&self, percents: &[Decimal], can: &dyn Fn(&Condition) -> bool) -> Range;
}

/// What the measures read their values from: kept for all kinds alike, which costs less than to ask at each
/// record which kind it is for.
#[derive(Default)]
pub(crate) struct Tally<'s> {
    percent: Decimal,
    /// The amounts, each by its percent.
    amount: Sum,
    latest: Option<Row<'s>>,
}

impl<'s> Tally<'s> {
    /// Takes a record that counts.
    #[inline]
    pub(crate) fn take(&mut self, counted: &Counted<'s>) {
        self.percent = self.percent.plus(counted.percent);
        self.amount = self.amount.plus(counted.amount());
    }

    /// Takes the latest of the records of a group that were taken.
    #[inline]
    pub(crate) fn take_latest(&mut self, row: Row<'s>) {
        if self.latest.is_none_or(|latest| latest.place() <= row.place()) {
            self.latest = Some(row);
        }
    }

    /// Whether any record was taken.
    #[inline]
    pub(crate) fn any(&self) -> bool {
        self.latest.is_some()
    }
}

/// A record that counts.
#[derive(Clone, Copy)]
pub(crate) struct Counted<'s> {
    pub(crate) row: Row<'s>,
    /// By how much, from its decay step.
    pub(crate) percent: Decimal,
    /// The days on which its item may be counted.
    pub(crate) cover: Cover<'s>,
}

impl Counted<'_> {
    #[inline]
    fn amount(&self) -> Sum {
        self.row.amount().map_or(Sum::ZERO, |amount| Sum::share(amount, self.percent))
    }
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
