//! Files on their way out: CSV for spreadsheets, workbooks, lines of JSON, sent in parts.
use chassis::{Answer, Fault, file::File, validation::is_decimal};
use futures::Stream;
use tables::Spreadsheet;
use tonic::Status;

/// The form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// CSV in UTF-8 with a byte order mark, by which spreadsheets know it.
    Csv,
    /// A workbook of one sheet.
    Workbook,
    /// A JSON object a line.
    Lines,
}

impl Format {
    /// Reads a format; empty is CSV.
    pub fn parse(given: &str) -> Answer<Self> {
        match given.trim().to_ascii_lowercase().as_str() {
            "" | "csv" => Ok(Self::Csv),
            "xlsx" => Ok(Self::Workbook),
            "ndjson" => Ok(Self::Lines),
            _ => Err(Fault::field("format", "is csv, xlsx or ndjson", "应为 csv、xlsx 或 ndjson")),
        }
    }

    /// The end of a file's name.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Workbook => "xlsx",
            Self::Lines => "ndjson",
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Workbook => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Lines => "application/x-ndjson",
        }
    }
}

/// A file of a name, its bytes as they come.
pub fn file(
    name: String,
    format: Format,
    parts: impl Stream<Item = Result<Vec<u8>, Status>> + Send + 'static,
) -> File {
    File::streamed(format.content_type(), parts).named(name)
}

/// Writes rows of texts as CSV or as a workbook.
pub enum Writer {
    /// CSV.
    Text,
    /// A workbook.
    Workbook(Box<Spreadsheet>),
}

impl Writer {
    /// Begins a file; `sheet` is the name of a workbook's sheet.
    pub fn begin(format: Format, sheet: &str) -> Answer<Self> {
        Ok(match format {
            Format::Workbook => Self::Workbook(Box::new(Spreadsheet::begin(sheet).map_err(Fault::internal)?)),
            Format::Csv | Format::Lines => Self::Text,
        })
    }

    /// The headings.
    pub fn head(&mut self, headings: &[String]) -> Answer<Vec<u8>> {
        let mut bytes = match self {
            Self::Text => "\u{FEFF}".as_bytes().to_vec(),
            Self::Workbook(_) => Vec::new(),
        };
        bytes.extend(self.rows(&[headings.to_vec()])?);
        Ok(bytes)
    }

    /// Rows; gives what is ready to be sent.
    pub fn rows(&mut self, rows: &[Vec<String>]) -> Answer<Vec<u8>> {
        match self {
            Self::Text => {
                let mut writer =
                    csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
                for row in rows {
                    writer
                        .write_record(row.iter().map(|cell| guarded(cell).into_owned()))
                        .map_err(Fault::internal)?;
                }
                writer.into_inner().map_err(|error| Fault::internal(error.into_error()))
            }
            Self::Workbook(sheet) => sheet.rows(rows).map_err(Fault::internal),
        }
    }

    /// The rest.
    pub fn end(self) -> Answer<Vec<u8>> {
        match self {
            Self::Text => Ok(Vec::new()),
            Self::Workbook(sheet) => sheet.end().map_err(Fault::internal),
        }
    }
}

/// A CSV cell that no spreadsheet takes for a formula: what begins like one gets an apostrophe before it. A plain negative number is no
/// formula. A workbook's cells are typed as text and need none.
fn guarded(cell: &str) -> std::borrow::Cow<'_, str> {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']);
    if formula && !is_decimal(cell) { format!("'{cell}").into() } else { cell.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for (cell, safe) in [
            ("=HYPERLINK(\"http://x\")", "'=HYPERLINK(\"http://x\")"),
            ("+86 953", "'+86 953"),
            ("-1+2", "'-1+2"),
            ("-1.5", "-1.5"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\tx", "'\tx"),
            ("虚构=示例", "虚构=示例"),
            ("", ""),
        ] {
            assert_eq!(guarded(cell), safe);
        }
    }

    #[test]
    fn a_csv_file_begins_with_its_mark() {
        let mut writer = Writer::begin(Format::Csv, "").unwrap();
        let mut bytes = writer.head(&[String::from("名称"), String::from("备注")]).unwrap();
        bytes.extend(writer.rows(&[vec![String::from("甲,乙"), String::from("=1+1")]]).unwrap());
        bytes.extend(writer.end().unwrap());
        assert_eq!(String::from_utf8(bytes).unwrap(), "\u{FEFF}名称,备注\r\n\"甲,乙\",'=1+1\r\n");
    }
}
