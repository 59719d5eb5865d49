//! The draw 随机抽取 as public arithmetic: rosters, quotas, tickets, selections and their verification. Pure.
//!
//! Every hash is SHA-256 over UTF-8 text, written as 64 lower-case hex digits.
#![deny(clippy::float_arithmetic)]

mod bundle;
mod fault;
mod inspectors;
mod quota;
mod roster;
mod seed;
mod selection;
mod verification;

pub use bundle::{Bundle, Unreadable};
pub use fault::Fault;
pub use inspectors::{Assignment, Inspector, Skip, Team, assign, barred, impossible};
pub use quota::{Percent, Quota, Quotas};
pub use roster::Roster;
pub use seed::{Seed, Ticket, commitment, digest};
pub use selection::{Drawn, Replacement, Selected, replace, select, select_within};
pub use verification::{Discrepancy, Remark, Verified, verify};
