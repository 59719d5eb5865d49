//! COUNT 次数: how many records, each by its percent.
use super::{Counted, Measure, Measured, Wire, Yields};
use crate::decimal::{Decimal, Exact};

pub(super) struct Count;

impl Measure for Count {
    fn wire(&self) -> Wire {
        Wire::Count
    }

    fn yields(&self) -> Yields {
        Yields::Number
    }

    fn value<'s>(&self, counted: &mut dyn Iterator<Item = Counted<'s>>) -> Measured<'s> {
        let share = |counted: Counted<'s>| Exact::share(Decimal::whole(1), counted.percent);
        Measured::Number(counted.map(share).fold(Exact::ZERO, Exact::plus))
    }
}
