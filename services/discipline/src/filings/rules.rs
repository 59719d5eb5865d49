//! What is filed about a listing: by when it is decided, and how it may end. Pure.
use calendar::{Calendar, LegalTerm, Procedure, Term};
use contract::discipline::v1::ListingMark as Mark;
use jiff::civil::Date;

/// What is filed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 异议.
    Objection,
    /// 信用修复.
    Repair,
}

impl Kind {
    /// As the table names it.
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

    /// What the listing bears meanwhile.
    pub fn mark(self) -> Mark {
        match self {
            Self::Objection => Mark::UnderObjection,
            Self::Repair => Mark::UnderRepair,
        }
    }

    /// What it is called, in English and Chinese.
    pub fn called(self) -> (&'static str, &'static str) {
        match self {
            Self::Objection => ("objection", "异议"),
            Self::Repair => ("repair", "信用修复申请"),
        }
    }
}

/// By when a filing is to be decided, and the rule that says so.
pub fn term(kind: Kind, filed_on: Date, calendar: &Calendar) -> Option<(Term, &'static str)> {
    let procedure = match kind {
        Kind::Objection => Procedure::Objection,
        Kind::Repair => Procedure::Repair,
    };
    let term = LegalTerm::of(procedure, filed_on)?;
    Some((term.end(calendar, filed_on), &term.basis))
}
