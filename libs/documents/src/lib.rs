//! Documents 公文版式: a format-neutral model of a printed document, its A4 PDF and its DOCX. Pure: the same model gives the same bytes.
//!
//! Lengths are whole thousandths of a point, so that a layout never depends on rounding.
#![deny(clippy::float_arithmetic)]

mod docx;
mod face;
mod flow;
mod lines;
mod model;
mod pdf;
mod sheet;
mod table;

pub use docx::{Unpackable, docx};
pub use model::{Block, Column, Document};
pub use pdf::{Rendered, Unwritable, pdf};
