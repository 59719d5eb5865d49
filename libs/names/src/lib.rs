//! Names of enterprises 企业名称: how two writings of one are told from two enterprises, and when that is sure enough to act on.
//!
//! A register keeps each name under its [`Name::key`]; what a published list says is read as a [`Cell`], looked up by [`Cell::keys`],
//! and judged by [`decide`]. Nothing is guessed: letters that differ are another name, a branch is not the enterprise that keeps it,
//! another region is another enterprise. Names that 企业名称相同相近比对规则 (工商企注字〔2017〕133号) holds to be the same within one
//! region (region word, trade name and form in another order, the region word left out) are the same here.
mod cell;
mod decision;
mod fold;
mod likeness;
mod name;
mod parts;
mod person;
mod reason;
mod region;

pub use cell::Cell;
pub use decision::{Candidate, Subject, decide, links};
pub use fold::fold;
pub use likeness::{LINKS_FROM, Likeness, compare};
pub use name::{KEY_VERSION, Name};
pub use parts::{Form, Parts};
pub use person::is_like_a_person;
pub use reason::{Kind, Reason};
pub use region::Region;
