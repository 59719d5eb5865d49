//! The terms of objections and repairs.
use calendar::{Calendar, LegalTerm, Procedure, Term};
use chassis::fault::Violation;
use contract::credit::v1::{self as api, record::Mark};
use jiff::civil::Date;

use crate::outcomes::refusal;

/// What is filed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 异议.
    Objection,
    /// 信用修复.
    Repair,
}

impl Kind {
    /// As the table and the data name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Objection => "OBJECTION",
            Self::Repair => "REPAIR",
        }
    }

    /// The state of one that was granted.
    pub fn granted(self) -> &'static str {
        match self {
            Self::Objection => "UPHELD",
            Self::Repair => "APPROVED",
        }
    }

    /// What the record bears meanwhile.
    pub fn mark(self) -> Mark {
        match self {
            Self::Objection => Mark::UnderObjection,
            Self::Repair => Mark::UnderRepair,
        }
    }
}

/// By when a filing is to be decided, and the rule that says so.
pub fn term(kind: Kind, filed_on: Date) -> Option<(Term, &'static str)> {
    let procedure = match kind {
        Kind::Objection => Procedure::Objection,
        Kind::Repair => Procedure::Repair,
    };
    let term = LegalTerm::of(procedure, filed_on)?;
    Some((term.end(Calendar::national(), filed_on), &term.basis))
}

/// The refusal of a repair that comes too early.
pub fn too_early(first: Date, regime: &str) -> Violation {
    refusal(
        api::ErrorReason::RepairTooEarly,
        "record",
        format!("the record may be repaired from {first} on ({regime}); file the repair then"),
        format!("按{regime}，该记录最短公示期于{first}届满；请届时再申请修复"),
    )
}
