//! EXISTS 有无: 1 if any record counts, by whatever percent, else 0.
use super::{Counted, Measure, Measured, Wire, Yields};
use crate::decimal::Exact;

pub(super) struct Exists;

impl Measure for Exists {
    fn wire(&self) -> Wire {
        Wire::Exists
    }

    fn yields(&self) -> Yields {
        Yields::Number
    }

    fn value<'s>(&self, counted: &mut dyn Iterator<Item = Counted<'s>>) -> Measured<'s> {
        Measured::Number(if counted.next().is_some() { Exact::ONE } else { Exact::ZERO })
    }
}
