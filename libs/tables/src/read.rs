//! A small table read whole: bounded before it is parsed, each cell a text.
use std::{
    io::{self, Cursor, Read as _},
    panic::{AssertUnwindSafe, catch_unwind},
};

use calamine::{Data, Reader as _, Xlsx};
use encoding_rs::{Encoding, GB18030, UTF_8};
use zip::ZipArchive;

/// So many rows are read at most, the headings among them.
pub const ROWS_MAX: usize = 100_001;
const COLUMNS_MAX: usize = 200;
// What a workbook unpacks to at most.
const UNPACKED_MAX: u64 = 256 * 1024 * 1024;

/// Why a table can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableFault {
    /// It is neither text nor a workbook, or not the one that it is said to be.
    NoTable,
    /// It has more rows or columns, or unpacks to more, than is read.
    TooLarge,
}

/// Reads the rows of a table, the first sheet's of a workbook; each with its line, from 1. Empty rows are left out. `format` is csv, xlsx, or
/// empty: told from the first bytes.
pub fn read(bytes: &[u8], format: &str) -> Result<Vec<(usize, Vec<String>)>, TableFault> {
    let is_workbook = bytes.starts_with(b"PK\x03\x04");
    let rows = match format {
        "" if is_workbook => workbook(bytes)?,
        "xlsx" if is_workbook => workbook(bytes)?,
        "" | "csv" if !is_workbook => text(bytes)?,
        _ => return Err(TableFault::NoTable),
    };
    let rows = rows.into_iter().filter(|(_, cells)| cells.iter().any(|cell| !cell.is_empty()));
    let rows: Vec<(usize, Vec<String>)> = rows.take(ROWS_MAX + 1).collect();
    if rows.len() > ROWS_MAX { Err(TableFault::TooLarge) } else { Ok(rows) }
}

// A file's own mark tells its encoding; without one it is UTF-8 or, where that can't be, GB18030.
fn decoded(bytes: &[u8]) -> Result<String, TableFault> {
    let encoding = match Encoding::for_bom(bytes) {
        Some((encoding, _)) => encoding,
        None if bytes.contains(&0) => return Err(TableFault::NoTable),
        None if std::str::from_utf8(bytes).is_ok() => UTF_8,
        None => GB18030,
    };
    let (text, _, wrong) = encoding.decode(bytes);
    if wrong { Err(TableFault::NoTable) } else { Ok(text.into_owned()) }
}

fn text(bytes: &[u8]) -> Result<Vec<(usize, Vec<String>)>, TableFault> {
    let text = decoded(bytes)?;
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let count = |separator: char| first.matches(separator).count();
    let tabs = count('\t') > count(',');
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(if tabs { b'\t' } else { b',' })
        .from_reader(text.as_bytes());
    let mut rows = Vec::new();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(|_| TableFault::NoTable)? {
        if record.len() > COLUMNS_MAX || rows.len() > ROWS_MAX * 2 {
            return Err(TableFault::TooLarge);
        }
        let line = record.position().map_or(0, |at| usize::try_from(at.line()).unwrap_or(usize::MAX));
        rows.push((line, record.iter().map(trimmed).collect()));
    }
    Ok(rows)
}

// An apostrophe keeps a spreadsheet from taking a text for a formula; it is no part of the text.
fn trimmed(cell: &str) -> String {
    let cell = cell.trim();
    let guarded =
        cell.strip_prefix('\'').filter(|rest| rest.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']));
    guarded.unwrap_or(cell).to_owned()
}

// The parser was not made for hostile workbooks: each part is unpacked into nothing first, and a breakdown is a refusal.
fn workbook(bytes: &[u8]) -> Result<Vec<(usize, Vec<String>)>, TableFault> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|_| TableFault::NoTable)?;
    let mut left = UNPACKED_MAX;
    for index in 0..archive.len() {
        let part = archive.by_index(index).map_err(|_| TableFault::NoTable)?;
        let size = io::copy(&mut part.take(left + 1), &mut io::sink()).map_err(|_| TableFault::NoTable)?;
        left = left.checked_sub(size).ok_or(TableFault::TooLarge)?;
    }
    catch_unwind(AssertUnwindSafe(|| sheet(bytes))).unwrap_or(Err(TableFault::NoTable))
}

fn sheet(bytes: &[u8]) -> Result<Vec<(usize, Vec<String>)>, TableFault> {
    let mut workbook = Xlsx::new(Cursor::new(bytes)).map_err(|_| TableFault::NoTable)?;
    let first = workbook.sheet_names().first().cloned().ok_or(TableFault::NoTable)?;
    let mut reader = workbook.worksheet_cells_reader(&first).map_err(|_| TableFault::NoTable)?;
    let mut rows: Vec<(usize, Vec<String>)> = Vec::new();
    while let Some(cell) = reader.next_cell().map_err(|_| TableFault::NoTable)? {
        let (row, column) = cell.get_position();
        let (line, column) = (row as usize + 1, column as usize);
        if column >= COLUMNS_MAX || rows.len() > ROWS_MAX {
            return Err(TableFault::TooLarge);
        }
        if rows.last().is_none_or(|(last, _)| *last != line) {
            rows.push((line, Vec::new()));
        }
        if let Some((_, cells)) = rows.last_mut() {
            cells.resize(cells.len().max(column + 1), String::new());
            cells[column] = trimmed(&shown(&Data::from(cell.get_value().clone())));
        }
    }
    Ok(rows)
}

// A number without places shows none; a date as a day.
fn shown(value: &Data) -> String {
    match value {
        Data::DateTime(at) if at.is_datetime() => {
            let (year, month, day, ..) = at.to_ymd_hms_milli();
            format!("{year:04}-{month:02}-{day:02}")
        }
        Data::Empty | Data::Error(_) => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, write};

    const ROWS: [[&str; 3]; 2] = [["编号", "名称", "起"], ["i1", "=1+1, \"甲\"\n乙", "2026-03-01"]];

    fn rows() -> Vec<Vec<String>> {
        ROWS.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
    }

    #[test]
    fn what_is_written_is_read_again() {
        for (format, name) in [(Format::Csv, "csv"), (Format::Workbook, "xlsx")] {
            let bytes = write(format, "表", &rows()).unwrap();
            for asked in ["", name] {
                let read: Vec<Vec<String>> =
                    read(&bytes, asked).unwrap().into_iter().map(|(_, cells)| cells).collect();
                assert_eq!(read, rows(), "{name}");
            }
        }
    }

    #[test]
    fn a_formula_is_guarded_on_its_way_out() {
        let text = String::from_utf8(write(Format::Csv, "表", &rows()).unwrap()).unwrap();
        assert!(text.starts_with("\u{FEFF}编号,名称,起\r\n") && text.contains("'=1+1"), "{text}");
    }

    #[test]
    fn text_is_read_in_each_encoding_with_its_lines() {
        let text = "编号,名称\n\n,\ni1,甲\n";
        let expected = vec![
            (1, vec!["编号".to_owned(), "名称".to_owned()]),
            (4, vec!["i1".to_owned(), "甲".to_owned()]),
        ];
        let utf16: Vec<u8> =
            [0xFF, 0xFE].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        for bytes in [
            text.as_bytes().to_vec(),
            format!("\u{FEFF}{text}").into_bytes(),
            GB18030.encode(text).0.into_owned(),
            utf16,
            text.replace(',', "\t").into_bytes(),
        ] {
            assert_eq!(read(&bytes, "").unwrap(), expected);
        }
    }

    #[test]
    fn what_is_no_table_is_refused() {
        assert_eq!(read(b"\x89PNG\r\n\x1a\n\0\0", ""), Err(TableFault::NoTable));
        assert_eq!(read(b"PK\x03\x04 no archive", ""), Err(TableFault::NoTable));
        assert_eq!(read(b"a,b", "xlsx"), Err(TableFault::NoTable));
        assert_eq!(read(b"PK\x03\x04", "csv"), Err(TableFault::NoTable));
        assert_eq!(read(b"a,b", "pdf"), Err(TableFault::NoTable));
        assert_eq!(read(b"", "").unwrap(), []);
    }

    #[test]
    fn a_table_beyond_the_most_is_refused() {
        let line = |count: usize| "a\n".repeat(count);
        assert_eq!(read(line(ROWS_MAX).as_bytes(), "").unwrap().len(), ROWS_MAX);
        assert_eq!(read(line(ROWS_MAX + 1).as_bytes(), ""), Err(TableFault::TooLarge));
        assert_eq!(read(",".repeat(COLUMNS_MAX).as_bytes(), ""), Err(TableFault::TooLarge));
    }
}
