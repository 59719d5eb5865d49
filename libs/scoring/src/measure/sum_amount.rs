//! SUM_AMOUNT 金额合计: the sum of the records' amounts, each by its percent. A record without an amount adds
//! nothing.
use super::{Counted, Measure, Measured, Wire, Yields};
use crate::decimal::Exact;

pub(super) struct SumAmount;

impl Measure for SumAmount {
    fn wire(&self) -> Wire {
        Wire::SumAmount
    }

    fn yields(&self) -> Yields {
        Yields::Number
    }

    fn value<'s>(&self, counted: &mut dyn Iterator<Item = Counted<'s>>) -> Measured<'s> {
        let share = |counted: Counted<'s>| Some(Exact::share(counted.row.amount()?, counted.percent));
        Measured::Number(counted.filter_map(share).fold(Exact::ZERO, Exact::plus))
    }
}
