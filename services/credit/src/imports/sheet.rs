//! A file's rows, parsed beside the work that takes them in, from where the last worker stopped.
use std::io::{self, Read as _};

use chassis::{Answer, Fault, Store};
use tokio::{runtime::Handle, sync::mpsc};

use super::{encoding::Text, rows};

/// How many rows go into one transaction.
const BATCH: usize = 2_000;

/// A row of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number among the rows that hold anything, from 1.
    pub number: i64,
    /// Its line in the file.
    pub line: i64,
    /// Its cells.
    pub cells: Vec<String>,
}

/// What the parser gives.
pub enum Part {
    /// The headings, first and once.
    Headings(Vec<String>),
    /// The next rows.
    Rows(Vec<Line>),
}

/// Begins to parse a stored file, past its first `skip` rows. The parser stops when nobody takes its parts any more.
pub fn open(
    store: &Store,
    import: &str,
    encoding: &'static encoding_rs::Encoding,
    skip: i64,
) -> mpsc::Receiver<Answer<Part>> {
    let (parts, taken) = mpsc::channel(2);
    let (store, import, handle) = (store.clone(), import.to_owned(), Handle::current());
    tokio::task::spawn_blocking(move || {
        let mut seq = 0;
        let source = || {
            let chunk = handle.block_on(rows::chunk(&store, &import, seq));
            seq += 1;
            chunk.map_err(io::Error::other)
        };
        let sent = parse(Text::new(source, encoding), skip, |part| parts.blocking_send(Ok(part)).is_ok());
        if let Err(error) = sent {
            let _ = parts.blocking_send(Err(Fault::internal(error)));
        }
    });
    taken
}

fn parse<S: FnMut() -> io::Result<Option<Vec<u8>>>>(
    mut text: Text<S>,
    skip: i64,
    mut send: impl FnMut(Part) -> bool,
) -> Result<(), csv::Error> {
    let delimiter = delimiter(text.first_line()?);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        // Each record then ends with its line, which makes the lines countable; a carriage return stays in the last cell.
        .terminator(csv::Terminator::Any(b'\n'))
        .from_reader(text.chain(&b"\n"[..]));
    let mut rows = Vec::new();
    let mut number = 0;
    let mut headed = false;
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record)? {
        let cells: Vec<String> = record.iter().map(|cell| cell.trim_end_matches('\r').to_owned()).collect();
        if cells.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        if !headed {
            headed = true;
            if !send(Part::Headings(cells)) {
                return Ok(());
            }
            continue;
        }
        number += 1;
        if number <= skip {
            continue;
        }
        let within = cells.iter().map(|cell| cell.matches('\n').count() as u64).sum::<u64>();
        let line = reader.position().line().saturating_sub(1 + within);
        rows.push(Line { number, line: i64::try_from(line).unwrap_or(i64::MAX), cells });
        if rows.len() == BATCH && !send(Part::Rows(std::mem::take(&mut rows))) {
            return Ok(());
        }
    }
    if !rows.is_empty() {
        send(Part::Rows(rows));
    }
    Ok(())
}

// The separator is what the headings hold most of: a stray tab among commas does not win.
fn delimiter(headings: &str) -> u8 {
    let count = |separator: u8| headings.bytes().filter(|&byte| byte == separator).count();
    let mut best = b',';
    for separator in [b'\t', b';', b'|'] {
        if count(separator) > count(best) {
            best = separator;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imports::encoding::named;

    fn parsed(text: &str, skip: i64) -> (Vec<String>, Vec<Line>) {
        let mut chunks = text.as_bytes().chunks(7).map(<[u8]>::to_vec).collect::<Vec<_>>().into_iter();
        let (mut headings, mut rows) = (Vec::new(), Vec::new());
        let text = Text::new(move || Ok(chunks.next()), named("UTF-8"));
        parse(text, skip, |part| {
            match part {
                Part::Headings(cells) => headings = cells,
                Part::Rows(lines) => rows.extend(lines),
            }
            true
        })
        .unwrap();
        (headings, rows)
    }

    fn line(number: i64, line: i64, cells: [&str; 2]) -> Line {
        Line { number, line, cells: cells.map(str::to_owned).to_vec() }
    }

    #[test]
    fn rows_keep_their_numbers_and_lines() {
        let text = "代码,名称\r\n1,\"甲,\n乙\"\r\n\r\n,\r\n2,丙\r\n3,丁";
        let (headings, rows) = parsed(text, 0);
        assert_eq!(headings, ["代码", "名称"]);
        assert_eq!(rows, [line(1, 2, ["1", "甲,\n乙"]), line(2, 6, ["2", "丙"]), line(3, 7, ["3", "丁"])]);
        assert_eq!(parsed(text, 2).1, [line(3, 7, ["3", "丁"])]);
    }

    #[test]
    fn a_carriage_return_is_no_part_of_a_cell() {
        let (headings, rows) = parsed("代码,\"名称\"\r\n1,\"甲\"\r\n2,丙\n", 0);
        assert_eq!(headings, ["代码", "名称"]);
        assert_eq!(rows, [line(1, 2, ["1", "甲"]), line(2, 3, ["2", "丙"])]);
    }

    #[test]
    fn the_separator_is_told_from_the_headings() {
        for (headings, expected) in
            [("a,b,c", b','), ("a\tb,c,d", b','), ("a\tb", b'\t'), ("a;b;c", b';'), ("a", b',')]
        {
            assert_eq!(delimiter(headings), expected, "{headings}");
        }
    }

    #[test]
    fn an_empty_file_has_no_headings() {
        assert_eq!(parsed("\n\n", 0), (Vec::new(), Vec::new()));
    }
}
