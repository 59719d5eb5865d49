//! The numbers that something can come to: a few, or all between two, never fewer than there are.
use std::collections::BTreeSet;

use crate::decimal::{Decimal, Exact};

/// So many are kept one by one.
const MOST: usize = 4_096;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Range {
    These(BTreeSet<Exact>),
    /// From the first to the second, both among them.
    Between(Exact, Exact),
    /// The step taken none to so many times.
    Steps(Exact, i64),
}

impl Range {
    pub(crate) fn one(number: Exact) -> Self {
        Self::these([number])
    }

    pub(crate) fn these(numbers: impl IntoIterator<Item = Exact>) -> Self {
        let numbers: BTreeSet<_> = numbers.into_iter().collect();
        match (numbers.first(), numbers.last()) {
            (Some(first), Some(last)) if numbers.len() > MOST => Self::Between(*first, *last),
            _ => Self::These(numbers),
        }
    }

    /// The one number that it is, if it can be no other.
    pub(super) fn single(&self) -> Option<Exact> {
        let (first, last) = self.ends();
        (first == last).then_some(first)
    }

    fn ends(&self) -> (Exact, Exact) {
        match self {
            Self::These(numbers) => {
                let end = |number: Option<&Exact>| number.copied().unwrap_or_default();
                (end(numbers.first()), end(numbers.last()))
            }
            Self::Between(first, last) => (*first, *last),
            Self::Steps(step, most) => {
                let last = step.repeated(*most);
                (last.min(Exact::ZERO), last.max(Exact::ZERO))
            }
        }
    }

    fn map(&self, change: impl Fn(Exact) -> Exact) -> Self {
        match self {
            Self::These(numbers) => Self::these(numbers.iter().copied().map(change)),
            Self::Between(..) | Self::Steps(..) => {
                let (first, last) = self.ends();
                let (first, last) = (change(first), change(last));
                Self::Between(first.min(last), first.max(last))
            }
        }
    }

    /// Each times a number of the scheme.
    pub(super) fn times(&self, factor: Decimal) -> Self {
        match self {
            _ if factor == Decimal::ZERO => Self::one(Exact::ZERO),
            Self::Steps(step, most) => Self::Steps(step.times(factor), *most),
            _ => self.map(|number| number.times(factor)),
        }
    }

    pub(super) fn clamped(&self, min: Option<Decimal>, max: Option<Decimal>) -> Self {
        let clamp = |number: Exact| {
            let number = min.map_or(number, |min| number.max(min.into()));
            max.map_or(number, |max| number.min(max.into()))
        };
        if let Self::Steps(step, most) = self {
            // A bound ends the steps, often after a few.
            let last = clamp(step.repeated(*most));
            let mut numbers = BTreeSet::new();
            for times in 0..=(*most).min(MOST as i64) {
                let number = clamp(step.repeated(times));
                numbers.insert(number);
                if number == last {
                    return Self::These(numbers);
                }
            }
        }
        self.map(clamp)
    }

    pub(super) fn rounded(&self) -> Self {
        self.map(|number| number.round_half_away().into())
    }

    /// One of these and one of those, added.
    pub(super) fn plus(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::These(a), Self::These(b)) if a.len().saturating_mul(b.len()) <= MOST => {
                Self::these(a.iter().flat_map(|a| b.iter().map(|b| a.plus(*b))))
            }
            _ => {
                let ((a, z), (b, y)) = (self.ends(), other.ends());
                Self::Between(a.plus(b), z.plus(y))
            }
        }
    }

    /// Whether any is at least the one and below the other.
    pub(super) fn meets(&self, at_least: Decimal, below: Option<Decimal>) -> bool {
        let within = |number: Exact| {
            Exact::from(at_least) <= number && below.is_none_or(|below| number < Exact::from(below))
        };
        match self {
            Self::These(numbers) => numbers.iter().copied().any(within),
            Self::Steps(step, most) if *step > Exact::ZERO => {
                let number = Exact::from(at_least).max(Exact::ZERO).up_to_multiple(*step);
                number <= step.repeated(*most) && within(number)
            }
            Self::Between(..) | Self::Steps(..) => {
                let (first, last) = self.ends();
                Exact::from(at_least) <= last && below.is_none_or(|below| first < Exact::from(below))
            }
        }
    }

    pub(super) fn meets_below(&self, below: Decimal) -> bool {
        self.ends().0 < below.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    fn exact(text: &str) -> Exact {
        decimal(text).into()
    }

    #[test]
    fn steps_meet_bands_by_their_multiples() {
        let halves = Range::Steps(exact("0.5"), 100);
        assert!(halves.meets(decimal("0.5"), Some(decimal("0.6"))));
        assert!(!halves.meets(decimal("0.6"), Some(decimal("1"))));
        assert!(halves.meets(decimal("50"), None));
        assert!(!halves.meets(decimal("50.1"), None));
        assert!(!halves.meets(decimal("-5"), Some(decimal("0"))));
        assert!(halves.meets_below(decimal("0.1")) && !halves.meets_below(decimal("0")));
    }

    #[test]
    fn a_bound_ends_steps() {
        let points = Range::Steps(exact("1"), 100_000).times(decimal("-5"));
        let clamped = points.clamped(Some(decimal("-12")), None);
        assert_eq!(clamped, Range::these([exact("0"), exact("-5"), exact("-10"), exact("-12")]));
        assert_eq!(points.clamped(None, Some(decimal("0"))), Range::Between(exact("-500000"), exact("0")));
        assert_eq!(points.clamped(Some(decimal("3")), None).single(), Some(exact("3")));
        assert_eq!(points.times(Decimal::ZERO).single(), Some(Exact::ZERO));
    }

    #[test]
    fn sums_are_of_all_pairs() {
        let one = Range::these([exact("0"), exact("10")]);
        let sum = one.plus(&Range::these([exact("1"), exact("2")]));
        assert_eq!(sum, Range::these([exact("1"), exact("2"), exact("11"), exact("12")]));
        assert!(!sum.meets(decimal("3"), Some(decimal("11"))));
        assert_eq!(
            one.plus(&Range::Between(exact("-1"), exact("1"))),
            Range::Between(exact("-1"), exact("11"))
        );
    }
}
