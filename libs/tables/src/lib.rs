//! Small tables in and out as CSV and XLSX, and workbooks of any size out as a stream. Pure: bytes and texts.

mod read;
mod spreadsheet;
mod write;

pub use read::{ROWS_MAX, TableFault, read};
pub use spreadsheet::Spreadsheet;
pub use write::{Format, write};
