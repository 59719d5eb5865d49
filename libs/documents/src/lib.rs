//! Documents 公文版式: a format-neutral model of a printed document, its A4 PDF and its DOCX; workbooks with charts. Pure: the same model gives the same bytes.
//!
//! Lengths are whole thousandths of a point, so that a layout never depends on rounding.
#![deny(clippy::float_arithmetic)]

mod bars;
mod book;
mod chart;
mod docx;
mod face;
mod flow;
mod layout;
mod lines;
mod model;
mod package;
mod pdf;
mod sheet;
mod table;
mod xlsx;

pub use book::{Cell, Page, Plot, Workbook};
pub use docx::{docx, docx_in};
pub use model::{Block, Chart, Column, Document, Form, Series};
pub use package::Unpackable;
pub use pdf::{Rendered, Unwritable, pdf, pdf_in};
pub use xlsx::xlsx;
