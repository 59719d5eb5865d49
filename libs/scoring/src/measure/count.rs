//! COUNT 次数: how many records, each by its percent.
use super::{Counted, Measure, Measured, Tally, Wire, Yields};
use crate::{
    condition::Condition,
    decimal::{Decimal, Exact, Sum},
    facts::MAX_FACTS,
    warnings::Range,
};

pub(super) struct Count;

impl Measure for Count {
    fn wire(&self) -> Wire {
        Wire::Count
    }

    fn yields(&self) -> Yields {
        Yields::Number
    }

    fn value<'s>(&self, tally: &Tally<'s>) -> Measured<'s> {
        Measured::Number(Sum::share(Decimal::whole(1), tally.percent))
    }

    fn share(&self, counted: &Counted<'_>) -> Option<Sum> {
        Some(Sum::share(Decimal::whole(1), counted.percent))
    }

    /// Multiples of what divides all percents, up to every record by the greatest of them.
    fn range(&self, percents: &[Decimal], _can: &dyn Fn(&Condition) -> bool) -> Range {
        let percents = percents.iter().map(|percent| percent.scaled());
        let (step, most) =
            percents.fold((0, 0), |(step, most), percent| (gcd(step, percent), most.max(percent)));
        match Decimal::from_scaled(step) {
            Some(percent) if step > 0 => {
                let times = (most / step).saturating_mul(MAX_FACTS as i64);
                Range::Steps(Sum::share(Decimal::whole(1), percent).exact(), times)
            }
            _ => Range::one(Exact::ZERO),
        }
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
