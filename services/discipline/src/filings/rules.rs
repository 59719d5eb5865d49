//! What is filed about a listing: by when it is decided, and how it may end. Pure.
use calendar::{Calendar, LegalTerm, Procedure, Term};
use contract::discipline::v1::{ListingMark as Mark, list};
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

    /// What its decision is of, as the paper's number says. A reward is left, there is nothing to repair.
    pub fn paper(self, list: list::Kind) -> &'static str {
        match self {
            Self::Objection => "异议处理",
            Self::Repair if list == list::Kind::Reward => "退出",
            Self::Repair => "信用修复",
        }
    }

    /// How its decision comes out, and what follows, as the paper says.
    pub fn effect(self, granted: bool, list: list::Kind) -> (&'static str, &'static str) {
        if list == list::Kind::Reward {
            return self.effect_on_reward(granted);
        }
        match (self, granted) {
            (Self::Objection, true) => (
                "异议成立",
                "撤销列入，自本决定作出之日起移出名单，撤回公示信息，停止共享和使用，并通知有关部门解除措施。",
            ),
            (Self::Objection, false) => {
                ("异议不成立", "列入继续有效，异议标注取消。不服的，可以依法申请行政复议或者提起行政诉讼。")
            }
            (Self::Repair, true) => {
                ("准予", "自本决定作出之日起移出名单，终止公示，停止共享和使用，并通知有关部门解除措施。")
            }
            (Self::Repair, false) => {
                ("不予", "不服本决定的，可以依法申请行政复议或者提起行政诉讼；条件具备后可以再次申请。")
            }
        }
    }

    fn effect_on_reward(self, granted: bool) -> (&'static str, &'static str) {
        match (self, granted) {
            (Self::Objection, true) => (
                "异议成立",
                "撤销认定，自本决定作出之日起退出名单，撤回公示信息，停止适用激励措施，并通知有关部门。",
            ),
            (Self::Objection, false) => {
                ("异议不成立", "认定继续有效，异议标注取消。不服的，可以依法申请行政复议或者提起行政诉讼。")
            }
            (Self::Repair, true) => {
                ("准予", "自本决定作出之日起退出名单，终止公示，停止适用激励措施，并通知有关部门。")
            }
            (Self::Repair, false) => {
                ("不予", "认定继续有效。不服本决定的，可以依法申请行政复议或者提起行政诉讼。")
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_of_a_reward_is_told_in_its_own_terms() {
        for kind in [Kind::Objection, Kind::Repair] {
            for granted in [true, false] {
                let (outcome, effect) = kind.effect(granted, list::Kind::Reward);
                let (same, other) = kind.effect(granted, list::Kind::Punitive);
                assert_eq!(outcome, same);
                assert_ne!(effect, other);
                for foreign in ["列入", "移出", "解除", "修复", "惩戒", "失信"] {
                    assert!(!effect.contains(foreign), "{effect}");
                }
                assert_eq!(effect.contains("退出名单"), granted, "{effect}");
            }
        }
        assert_eq!(
            (Kind::Repair.paper(list::Kind::Reward), Kind::Repair.paper(list::Kind::Punitive)),
            ("退出", "信用修复")
        );
    }
}
