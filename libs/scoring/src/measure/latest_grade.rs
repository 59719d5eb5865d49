//! LATEST_GRADE 最近等级: the field `grade` of the latest record by `occurredOn`, then by recording order. Where
//! that record carries no grade there is none: an older one is not taken for it.
use super::{Measure, Measured, Tally, Wire, Yields};
use crate::{
    condition::Condition,
    decimal::{Decimal, Exact},
    facts::Scalar,
    warnings::Range,
};

/// The field that holds a grade.
pub(crate) const FIELD: &str = "grade";

pub(crate) struct LatestGrade;

impl Measure for LatestGrade {
    fn wire(&self) -> Wire {
        Wire::LatestGrade
    }

    fn yields(&self) -> Yields {
        Yields::Grade
    }

    fn value<'s>(&self, tally: &Tally<'s>) -> Measured<'s> {
        let grade = tally.latest.and_then(|row| row.field(FIELD));
        Measured::Grade(if let Some(Scalar::Text(grade)) = grade { Some(grade) } else { None })
    }

    /// A grade is no number; its points are looked at grade by grade.
    fn range(&self, _percents: &[Decimal], _can: &dyn Fn(&Condition) -> bool) -> Range {
        Range::one(Exact::ZERO)
    }
}
