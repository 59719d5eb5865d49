//! LATEST_GRADE 最近等级: the field `grade` of the latest record by `occurredOn`, then by recording order. Where
//! that record carries no grade there is none: an older one is not taken for it.
use super::{Counted, Measure, Measured, Wire, Yields};
use crate::facts::Scalar;

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

    fn value<'s>(&self, counted: &mut dyn Iterator<Item = Counted<'s>>) -> Measured<'s> {
        let latest = counted.max_by_key(|counted| counted.row.place());
        let grade = latest.and_then(|latest| latest.row.field(latest.group.slot(FIELD)?));
        Measured::Grade(match grade {
            Some(Scalar::Text(grade)) => Some(grade),
            _ => None,
        })
    }
}
