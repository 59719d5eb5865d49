//! A small table written whole.
use std::io;

use crate::Spreadsheet;

/// The form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// CSV in UTF-8 with a byte order mark, by which spreadsheets know it.
    Csv,
    /// A workbook of one sheet, each cell a text.
    Workbook,
}

impl Format {
    /// Reads csv or xlsx; empty is CSV.
    pub fn parse(given: &str) -> Option<Self> {
        match given.trim().to_ascii_lowercase().as_str() {
            "" | "csv" => Some(Self::Csv),
            "xlsx" => Some(Self::Workbook),
            _ => None,
        }
    }

    /// The end of a file's name.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Workbook => "xlsx",
        }
    }

    /// The media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Workbook => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }
}

/// Writes rows, the headings first; `sheet` is the name of a workbook's sheet.
pub fn write(format: Format, sheet: &str, rows: &[Vec<String>]) -> io::Result<Vec<u8>> {
    match format {
        Format::Csv => {
            let out = "\u{FEFF}".as_bytes().to_vec();
            let mut writer =
                csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).flexible(true).from_writer(out);
            for row in rows {
                writer.write_record(row.iter().map(|cell| guarded(cell)))?;
            }
            writer.into_inner().map_err(csv::IntoInnerError::into_error)
        }
        Format::Workbook => {
            let mut book = Spreadsheet::begin(sheet)?;
            let mut out = book.rows(rows)?;
            out.extend(book.end()?);
            Ok(out)
        }
    }
}

// What begins like a formula gets an apostrophe before it, so that no spreadsheet runs it.
fn guarded(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']);
    if formula { format!("'{cell}") } else { cell.to_owned() }
}
