//! A file's rows, parsed beside the work that takes them in, from where the last worker stopped.
use std::{
    cell::Cell,
    collections::HashSet,
    io::{self, Read},
    sync::Arc,
};

use chassis::{Answer, Fault, Store};
use tokio::{runtime::Handle, sync::mpsc};

use super::{
    encoding::{self, Text},
    headings::squash,
    plan::{self, Plan},
    rows, templates, workbook,
};

/// How many rows go into one transaction, and how many bytes of cells at most.
const BATCH: usize = 2_000;
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// No table of a department is wider; what is, is no table.
pub const COLUMNS_MAX: usize = 1_024;
/// A row of text. What is longer has lost a quotation mark, and would be read into memory to the end of the file.
const ROW_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Where headings are looked for: below titles, notes and blank lines.
const HEADINGS_WITHIN: usize = 20;

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
#[derive(Debug)]
pub enum Part {
    /// The headings, first and once.
    Headings(Head),
    /// The next rows.
    Rows(Vec<Line>),
    /// The file is at its end. A reader that breaks down never says so.
    End,
}

/// The headings and where they were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The headings.
    pub cells: Vec<String>,
    /// Their line.
    pub line: i64,
    /// What separates the cells, of CSV.
    pub delimiter: String,
    /// The sheet, of a workbook.
    pub sheet: String,
}

/// Begins to parse a stored file, past its first `skip` rows. The parser stops when nobody takes its parts any more.
pub fn open(
    store: &Store,
    import: &str,
    plan: &Plan,
    known: HashSet<String>,
    skip: i64,
) -> mpsc::Receiver<Answer<Part>> {
    let (parts, taken) = mpsc::channel(2);
    let (store, import, plan, handle) = (store.clone(), import.to_owned(), plan.clone(), Handle::current());
    tokio::task::spawn_blocking(move || {
        let mut seq = 0;
        let mut source = || {
            let chunk = handle.block_on(rows::chunk(&store, &import, seq));
            seq += 1;
            chunk.map_err(io::Error::other)
        };
        let mut rows = Rows::new(Arc::new(known), skip, |part| parts.blocking_send(Ok(part)).is_ok());
        let read = if plan.is_workbook() {
            workbook::whole(&mut source).and_then(|bytes| workbook::read(bytes, &plan.sheet, &mut rows))
        } else {
            text(Text::new(source, encoding::named(&plan.encoding)), &mut rows)
        };
        if let Err(fault) = read {
            let _ = parts.blocking_send(Err(fault));
        }
    });
    taken
}

/// A table out of a file that is held whole, at most of so many rows as it has: its headings and everything below them.
pub fn whole(file: Vec<u8>, known: HashSet<String>) -> Answer<(Head, Vec<Line>)> {
    let mut census = encoding::Census::default();
    census.look(&file);
    let workbook = plan::tell_format(&file, "")? == plan::WORKBOOK;
    let (mut head, mut lines) = (None, Vec::new());
    let mut rows = Rows::new(Arc::new(known), 0, |part| {
        match part {
            Part::Headings(found) => head = Some(found),
            Part::Rows(more) => lines.extend(more),
            Part::End => {}
        }
        true
    });
    if workbook {
        workbook::read(file, "", &mut rows)?;
    } else {
        let encoding = census.encoding().ok_or_else(plan::no_text)?;
        let mut file = Some(file);
        text(Text::new(move || Ok(file.take()), encoding), &mut rows)?;
    }
    drop(rows);
    Ok((head.unwrap_or_default(), lines))
}

/// Rows on their way from a reader to the work: headings found, batches filled.
pub struct Rows<F> {
    known: Arc<HashSet<String>>,
    skip: i64,
    send: F,
    // Until the headings are found.
    first: Vec<(i64, Vec<String>)>,
    headed: bool,
    head: Head,
    number: i64,
    batch: Vec<Line>,
    bytes: usize,
    open: bool,
}

impl<F: FnMut(Part) -> bool> Rows<F> {
    /// Rows for `send`, which answers whether it takes more.
    pub fn new(known: Arc<HashSet<String>>, skip: i64, send: F) -> Self {
        Self {
            known,
            skip,
            send,
            first: Vec::new(),
            headed: false,
            head: Head::default(),
            number: 0,
            batch: Vec::new(),
            bytes: 0,
            open: true,
        }
    }

    /// Takes the next row; whether more are wanted.
    pub fn push(&mut self, line: i64, mut cells: Vec<String>) -> bool {
        while cells.last().is_some_and(|cell| cell.trim().is_empty()) {
            cells.pop();
        }
        // One too many tells that a row is too wide; the others need not be kept.
        cells.truncate(COLUMNS_MAX + 1);
        if cells.is_empty() {
            return self.open;
        }
        if self.headed {
            self.row(line, cells);
            return self.open;
        }
        self.first.push((line, cells));
        if self.first.len() == HEADINGS_WITHIN {
            self.settle();
        }
        self.open
    }

    /// Whether headings of a table were seen so far: some that are known.
    pub fn promising(&self) -> bool {
        self.headed || self.first.iter().any(|(_, cells)| self.score(cells) >= 2)
    }

    /// Forgets what was pushed, so that another sheet may be tried.
    pub fn restart(&mut self) {
        self.first.clear();
    }

    /// Names the sheet or the separator.
    pub fn describe(&mut self, sheet: &str, delimiter: &str) {
        self.head.sheet = sheet.to_owned();
        self.head.delimiter = delimiter.to_owned();
    }

    /// The end of the file.
    pub fn end(&mut self) {
        self.settle();
        if !self.batch.is_empty() && self.open {
            self.open = (self.send)(Part::Rows(std::mem::take(&mut self.batch)));
        }
        if self.open {
            self.open = (self.send)(Part::End);
        }
    }

    fn score(&self, cells: &[String]) -> usize {
        let known = |cell: &&String| {
            let squashed = squash(cell);
            self.known.contains(&squashed) || templates::personal(&squashed)
        };
        cells.iter().filter(known).count()
    }

    // The headings are the row that holds most known ones, else the first.
    fn settle(&mut self) {
        if self.headed || self.first.is_empty() {
            return;
        }
        self.headed = true;
        let scores: Vec<usize> = self.first.iter().map(|(_, cells)| self.score(cells)).collect();
        let best = scores.iter().copied().max().unwrap_or_default();
        let place =
            if best < 2 { 0 } else { scores.iter().position(|score| *score == best).unwrap_or_default() };
        let mut rows = std::mem::take(&mut self.first).into_iter().skip(place);
        if let Some((line, cells)) = rows.next() {
            self.head.line = line;
            self.head.cells = self.parted(cells);
            self.open = (self.send)(Part::Headings(self.head.clone()));
        }
        for (line, cells) in rows {
            self.row(line, cells);
        }
    }

    // A tab where a comma should be stands between two headings of one cell.
    fn parted(&self, cells: Vec<String>) -> Vec<String> {
        let part = |cell: String| {
            let parts: Vec<&str> = cell.trim().split('\t').map(str::trim).collect();
            if parts.len() > 1 && parts.iter().any(|part| self.known.contains(&squash(part))) {
                return parts.into_iter().map(str::to_owned).collect();
            }
            vec![cell]
        };
        cells.into_iter().flat_map(part).collect()
    }

    fn row(&mut self, line: i64, cells: Vec<String>) {
        self.number += 1;
        if !self.open || self.number <= self.skip {
            return;
        }
        self.bytes += cells.iter().map(|cell| cell.len() + size_of::<String>()).sum::<usize>();
        self.batch.push(Line { number: self.number, line, cells });
        if self.batch.len() == BATCH || self.bytes >= BATCH_BYTES {
            self.bytes = 0;
            self.open = (self.send)(Part::Rows(std::mem::take(&mut self.batch)));
        }
    }
}

// Counts what is read between two rows, so that one row can't fill the memory.
struct Bounded<'a, R> {
    inner: R,
    since: &'a Cell<u64>,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.since.set(self.since.get() + count as u64);
        if self.since.get() > ROW_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "row too long"));
        }
        Ok(count)
    }
}

/// Reads separated values.
pub fn text<S, F>(mut text: Text<S>, rows: &mut Rows<F>) -> Answer<()>
where
    S: FnMut() -> io::Result<Option<Vec<u8>>>,
    F: FnMut(Part) -> bool,
{
    let delimiter = delimiter(text.first_line().map_err(Fault::internal)?);
    rows.describe("", &char::from(delimiter).to_string());
    let since = Cell::new(0);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        // Each record then ends with its line, which makes the lines countable; a carriage return stays in the last cell.
        .terminator(csv::Terminator::Any(b'\n'))
        .from_reader(Bounded { inner: text.chain(&b"\n"[..]), since: &since });
    let mut record = csv::StringRecord::new();
    loop {
        match reader.read_record(&mut record) {
            Ok(true) => since.set(0),
            Ok(false) => break,
            Err(error) => return Err(row_unreadable(error, reader.position().line())),
        }
        let cells: Vec<String> =
            record.iter().take(COLUMNS_MAX + 2).map(|cell| cell.trim_end_matches('\r').to_owned()).collect();
        let within = cells.iter().map(|cell| cell.matches('\n').count() as u64).sum::<u64>();
        let line = reader.position().line().saturating_sub(1 + within);
        if !rows.push(i64::try_from(line).unwrap_or(i64::MAX), cells) {
            return Ok(());
        }
    }
    rows.end();
    Ok(())
}

fn row_unreadable(error: csv::Error, line: u64) -> Fault {
    let too_long = matches!(error.kind(), csv::ErrorKind::Io(io) if io.kind() == io::ErrorKind::FileTooLarge);
    if too_long {
        return plan::unreadable(
            &format!(
                "the row that begins before line {line} is longer than 4 MiB; close its quotation mark and send the file again"
            ),
            &format!("第{line}行附近的一行超过4 MiB，可能缺少右引号；请修正后重新提交"),
        );
    }
    Fault::internal(error)
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

    fn parsed(content: &str, skip: i64) -> (Head, Vec<Line>) {
        let mut chunks = content.as_bytes().chunks(7).map(<[u8]>::to_vec).collect::<Vec<_>>().into_iter();
        let (mut head, mut rows) = (Head::default(), Vec::new());
        let known = ["代码", "名称", "纳税人识别号"].map(str::to_owned).into();
        let mut into = Rows::new(Arc::new(known), skip, |part| {
            match part {
                Part::Headings(found) => head = found,
                Part::Rows(lines) => rows.extend(lines),
                Part::End => {}
            }
            true
        });
        text(Text::new(move || Ok(chunks.next()), named("UTF-8")), &mut into).unwrap();
        drop(into);
        (head, rows)
    }

    fn line(number: i64, line: i64, cells: [&str; 2]) -> Line {
        Line { number, line, cells: cells.map(str::to_owned).to_vec() }
    }

    #[test]
    fn rows_keep_their_numbers_and_lines() {
        let text = "代码,名称\r\n1,\"甲,\n乙\"\r\n\r\n,\r\n2,丙\r\n3,丁";
        let (head, rows) = parsed(text, 0);
        assert_eq!(
            (head.cells, head.line, head.delimiter.as_str()),
            (vec!["代码".into(), "名称".into()], 1, ",")
        );
        assert_eq!(rows, [line(1, 2, ["1", "甲,\n乙"]), line(2, 6, ["2", "丙"]), line(3, 7, ["3", "丁"])]);
        assert_eq!(parsed(text, 2).1, [line(3, 7, ["3", "丁"])]);
    }

    #[test]
    fn a_carriage_return_is_no_part_of_a_cell() {
        let (head, rows) = parsed("代码,\"名称\"\r\n1,\"甲\"\r\n2,丙\n", 0);
        assert_eq!(head.cells, ["代码", "名称"]);
        assert_eq!(rows, [line(1, 2, ["1", "甲"]), line(2, 3, ["2", "丙"])]);
    }

    #[test]
    fn headings_may_stand_below_a_title_and_hold_a_tab() {
        let (head, rows) = parsed("某市名单,\n2026年,制表\n代码,名称\n1,甲\n", 0);
        assert_eq!((head.line, head.cells), (3, vec![String::from("代码"), String::from("名称")]));
        assert_eq!(rows, [line(1, 4, ["1", "甲"])]);
        let (head, _) = parsed("编号\t纳税人识别号,名称,税务机关\n1,2,3,4\n", 0);
        assert_eq!(head.cells, ["编号", "纳税人识别号", "名称", "税务机关"]);
        let (head, _) = parsed("编\t号,名称\n1,2\n", 0);
        assert_eq!(head.cells, ["编\t号", "名称"]);
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
        assert_eq!(parsed("\n\n", 0), (Head::default(), Vec::new()));
    }

    #[test]
    fn a_row_without_an_end_is_refused_before_it_fills_the_memory() {
        let mut left = 64;
        let source = move || {
            left -= 1;
            Ok((left >= 0).then(|| if left == 63 { b"a,b\n\"".to_vec() } else { vec![b'x'; 1 << 20] }))
        };
        let mut rows = Rows::new(Arc::default(), 0, |_| true);
        let fault = text(Text::new(source, named("UTF-8")), &mut rows).unwrap_err();
        assert_eq!(fault.reason(), "FILE_UNREADABLE");
        assert!(fault.text().en.contains("4 MiB"));
    }
}
