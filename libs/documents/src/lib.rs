//! Documents 公文版式: a format-neutral model of a printed document, and its A4 PDF. Pure: the same model gives the same bytes.
//!
//! Lengths are whole thousandths of a point, so that a layout never depends on rounding.
#![deny(clippy::float_arithmetic)]

mod face;
mod flow;
mod lines;
mod model;
mod pdf;
mod sheet;
mod table;

pub use model::{Block, Column, Document};
pub use pdf::{Rendered, Unwritable, pdf};
