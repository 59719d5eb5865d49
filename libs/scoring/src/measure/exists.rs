//! EXISTS 有无: 1 if any record counts, by whatever percent, else 0.
use super::{Measure, Measured, Tally, Wire, Yields};
use crate::{
    condition::Condition,
    decimal::{Decimal, Exact, Sum},
    warnings::Range,
};

pub(super) struct Exists;

impl Measure for Exists {
    fn wire(&self) -> Wire {
        Wire::Exists
    }

    fn yields(&self) -> Yields {
        Yields::Number
    }

    fn value<'s>(&self, tally: &Tally<'s>) -> Measured<'s> {
        Measured::Number(if tally.any() { Sum::ONE } else { Sum::ZERO })
    }

    fn range(&self, _percents: &[Decimal], _can: &dyn Fn(&Condition) -> bool) -> Range {
        Range::these([Exact::ZERO, Exact::ONE])
    }
}
