//! SUM_AMOUNT 金额合计: the sum of the records' amounts, each by its percent. A record without an amount adds
//! nothing.
use super::{Counted, Measure, Measured, Tally, Wire, Yields};
use crate::{
    condition::Condition,
    decimal::{Decimal, Exact, Sum},
    warnings::Range,
};

pub(super) struct SumAmount;

impl Measure for SumAmount {
    fn wire(&self) -> Wire {
        Wire::SumAmount
    }

    fn yields(&self) -> Yields {
        Yields::Number
    }

    fn value<'s>(&self, tally: &Tally<'s>) -> Measured<'s> {
        Measured::Number(tally.amount)
    }

    fn share(&self, counted: &Counted<'_>) -> Option<Sum> {
        Some(counted.amount())
    }

    fn range(&self, percents: &[Decimal], can: &dyn Fn(&Condition) -> bool) -> Range {
        if percents.iter().all(|percent| *percent == Decimal::ZERO) {
            return Range::one(Exact::ZERO);
        }
        let end = |below, end| if can(&Condition::amount_below_zero(below)) { end } else { Exact::ZERO };
        Range::Between(end(true, Exact::LEAST), end(false, Exact::MOST))
    }
}
