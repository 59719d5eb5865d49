//! Workbooks 电子表格 (XLSX). One has to be at hand whole, so that everything is bounded, and counted before anything is parsed.
use std::{
    collections::HashMap,
    io::{self, Cursor, Read},
    panic::{AssertUnwindSafe, catch_unwind},
};

use calamine::{Data, DataRef, ExcelDateTime, Reader, Xlsx};
use chassis::{Answer, Fault};
use contract::credit::v1 as api;
use zip::ZipArchive;

use super::{
    plan::unreadable,
    sheet::{COLUMNS_MAX, Part, Rows},
};

/// A workbook as it is sent.
pub const PACKED_MAX: u64 = 64 * 1024 * 1024;
/// One of its parts, unpacked; a sheet is read as a stream.
const PART_MAX: u64 = 512 * 1024 * 1024;
/// Its parts other than sheets, together: the parser holds what it needs of them in memory.
const HELD_MAX: u64 = 96 * 1024 * 1024;
/// Everything in it.
const WHOLE_MAX: u64 = 1024 * 1024 * 1024;
const PARTS_MAX: usize = 4_096;
/// A tag with its attributes, or the text between two tags: a cell has 32,767 characters at most.
const TOKEN_MAX: usize = 1024 * 1024;
const ROWS_MAX: u32 = 1_048_576;
const MERGED_MAX: usize = 100_000;

/// The bytes of a stored workbook.
pub fn whole(source: &mut impl FnMut() -> io::Result<Option<Vec<u8>>>) -> Answer<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = source().map_err(Fault::internal)? {
        bytes.extend(chunk);
        if bytes.len() as u64 > PACKED_MAX {
            return Err(too_large("the file is larger than 64 MiB", "文件超过64 MiB"));
        }
    }
    Ok(bytes)
}

/// Judges a workbook by its parts, unpacking each into nothing: a bomb is found out before memory is spent.
pub fn inspect(bytes: &[u8]) -> Answer<()> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(no_workbook)?;
    if archive.len() > PARTS_MAX {
        return Err(too_large("the workbook has more than 4,096 parts", "工作簿的部件超过4096个"));
    }
    if archive.index_for_name("xl/workbook.xml").is_none() {
        return Err(no_workbook("no workbook part"));
    }
    let (mut whole, mut held) = (0, 0);
    for index in 0..archive.len() {
        let part = archive.by_index(index).map_err(no_workbook)?;
        let name = part.name().map_err(no_workbook)?.into_owned();
        let is_markup = name.ends_with(".xml") || name.ends_with(".rels");
        let most = PART_MAX.min(WHOLE_MAX - whole);
        let size = measure(part.take(most + 1), is_markup)?;
        if size > most {
            return Err(too_large(
                "a part of the workbook unpacks to more than 512 MiB, or all of them to more than 1 GiB",
                "工作簿的单个部件解压后超过512 MiB，或合计超过1 GiB",
            ));
        }
        whole += size;
        if is_markup && !is_sheet(&name) {
            held += size;
        }
        if held > HELD_MAX {
            return Err(too_large(
                "the workbook's texts and formats unpack to more than 96 MiB",
                "工作簿的文本与格式部件解压后超过96 MiB",
            ));
        }
    }
    Ok(())
}

// Whether a part is read as a stream. By its file name, since a hostile workbook may keep its texts in any folder.
fn is_sheet(part: &str) -> bool {
    let file = part.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    file.starts_with("sheet") && file.ends_with(".xml")
}

// How large a part is, unpacked. Markup that holds no tag for too long is refused: the parser would hold it as one text.
fn measure(mut part: impl Read, is_markup: bool) -> Answer<u64> {
    let mut buffer = vec![0; 64 * 1024];
    let (mut size, mut token) = (0, 0);
    loop {
        let count = match part.read(&mut buffer) {
            Ok(0) => return Ok(size),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(no_workbook(error)),
        };
        size += count as u64;
        if !is_markup {
            continue;
        }
        // Two tags of the same buffer are never too far apart: only what reaches across buffers is measured.
        let piece = &buffer[..count];
        let first = piece.iter().position(|&byte| byte == b'<');
        token += first.unwrap_or(count);
        if token > TOKEN_MAX {
            return Err(too_large(
                "a cell or tag of the workbook is larger than 1 MiB",
                "工作簿中有超过1 MiB的单元格或标签",
            ));
        }
        if let Some(last) = piece.iter().rposition(|&byte| byte == b'<') {
            token = count - last;
        }
    }
}

/// Reads the rows of a sheet: the one named, else the first with headings, else the first.
pub fn read<F: FnMut(Part) -> bool>(bytes: Vec<u8>, sheet: &str, rows: &mut Rows<F>) -> Answer<()> {
    inspect(&bytes)?;
    // The parser was not made for hostile workbooks: on some it breaks down instead of refusing them.
    catch_unwind(AssertUnwindSafe(|| read_inspected(bytes, sheet, rows)))
        .unwrap_or_else(|_| Err(no_workbook("the parser broke down")))
}

fn read_inspected<F: FnMut(Part) -> bool>(bytes: Vec<u8>, sheet: &str, rows: &mut Rows<F>) -> Answer<()> {
    let mut workbook = Xlsx::new(Cursor::new(bytes)).map_err(no_workbook)?;
    let names = workbook.sheet_names();
    let chosen = if sheet.is_empty() {
        first_with_headings(&mut workbook, &names, rows)?
    } else {
        named(&names, sheet)?
    };
    let Some(chosen) = chosen else {
        return Err(unreadable(
            "the workbook has no sheet that holds anything",
            "工作簿中没有含内容的工作表",
        ));
    };
    rows.describe(&chosen, "");
    cells(&mut workbook, &chosen, None, rows)?;
    rows.end();
    Ok(())
}

fn named(names: &[String], sheet: &str) -> Answer<Option<String>> {
    match names.iter().find(|name| *name == sheet) {
        Some(name) => Ok(Some(name.clone())),
        None => {
            let shown: Vec<String> = names.iter().take(20).map(|name| crate::outcomes::shown(name)).collect();
            Err(unreadable(
                &format!("the workbook has no such sheet; it has: {}", shown.join(", ")),
                &format!("工作簿中没有该工作表；现有工作表：{}", shown.join("、")),
            ))
        }
    }
}

type Workbook = Xlsx<Cursor<Vec<u8>>>;

fn first_with_headings<F: FnMut(Part) -> bool>(
    workbook: &mut Workbook,
    names: &[String],
    rows: &mut Rows<F>,
) -> Answer<Option<String>> {
    for name in names {
        cells(workbook, name, Some(19), rows)?;
        let promising = rows.promising();
        rows.restart();
        if promising {
            return Ok(Some(name.clone()));
        }
    }
    Ok(names.first().cloned())
}

// Pushes the rows of a sheet, or its first few.
fn cells<F: FnMut(Part) -> bool>(
    workbook: &mut Workbook,
    sheet: &str,
    most: Option<usize>,
    rows: &mut Rows<F>,
) -> Answer<()> {
    let merged = if most.is_some() { Merged::default() } else { Merged::of(workbook, sheet)? };
    let mut reader = match workbook.worksheet_cells_reader(sheet) {
        Ok(reader) => reader,
        // A chart is a sheet without cells.
        Err(calamine::XlsxError::NotAWorksheet(_)) => return Ok(()),
        Err(error) => return Err(no_workbook(error)),
    };
    let mut row = SheetRow { merged, number: 0, cells: Vec::new() };
    let mut pushed = 0;
    while let Some(cell) = reader.next_cell().map_err(no_workbook)? {
        let (number, column) = cell.get_position();
        if number >= ROWS_MAX || column as usize >= COLUMNS_MAX {
            return Err(unreadable(
                "the sheet is wider than 1,024 columns or longer than 1,048,576 rows",
                "工作表超过1024列或1048576行",
            ));
        }
        if number != row.number {
            if number < row.number {
                return Err(no_workbook("rows out of order"));
            }
            pushed += 1;
            if !row.push(rows) || most.is_some_and(|most| pushed >= most) {
                return Ok(());
            }
            row.number = number;
        }
        row.put(column as usize, shown(cell.get_value()));
    }
    row.push(rows);
    Ok(())
}

// A row of a sheet on its way.
struct SheetRow {
    merged: Merged,
    number: u32,
    cells: Vec<String>,
}

impl SheetRow {
    fn put(&mut self, column: usize, text: String) {
        if text.is_empty() {
            return;
        }
        if self.cells.len() <= column {
            self.cells.resize(column + 1, String::new());
        }
        self.cells[column] = text;
    }

    fn push<F: FnMut(Part) -> bool>(&mut self, rows: &mut Rows<F>) -> bool {
        let mut cells = std::mem::take(&mut self.cells);
        self.merged.fill(self.number, &mut cells);
        rows.push(i64::from(self.number) + 1, cells)
    }
}

/// Cells merged downwards 合并单元格: what the first says holds for those below. Across columns nothing is filled, since a title is not a value.
#[derive(Default)]
struct Merged {
    // By column, from the last region to the first.
    regions: HashMap<usize, Vec<(u32, u32)>>,
    said: HashMap<usize, (u32, String)>,
}

impl Merged {
    fn of(workbook: &mut Workbook, sheet: &str) -> Answer<Self> {
        let all = workbook.merge_cells_by_sheet_name(sheet).map_err(no_workbook)?;
        if all.len() > MERGED_MAX {
            return Err(too_large(
                "the sheet has more than 100,000 merged cells",
                "工作表的合并单元格超过10万处",
            ));
        }
        let mut regions: HashMap<usize, Vec<(u32, u32)>> = HashMap::new();
        for region in all {
            if region.start.1 == region.end.1 && region.end.0 > region.start.0 {
                regions.entry(region.start.1 as usize).or_default().push((region.start.0, region.end.0));
            }
        }
        for list in regions.values_mut() {
            list.sort_unstable_by(|a, b| b.cmp(a));
        }
        Ok(Self { regions, said: HashMap::new() })
    }

    fn fill(&mut self, row: u32, cells: &mut Vec<String>) {
        if cells.iter().all(String::is_empty) {
            return;
        }
        for (&column, list) in &mut self.regions {
            while list.last().is_some_and(|&(_, end)| end < row) {
                list.pop();
            }
            let Some(&(start, end)) = list.last().filter(|(start, _)| *start <= row) else { continue };
            let here = cells.get(column).filter(|cell| !cell.is_empty());
            match (here, self.said.get(&column)) {
                (Some(text), _) if row == start => drop(self.said.insert(column, (end, text.clone()))),
                (None, Some((until, text))) if row <= *until && row > start => {
                    if cells.len() <= column {
                        cells.resize(column + 1, String::new());
                    }
                    cells[column].clone_from(text);
                }
                _ => {}
            }
        }
    }
}

// A cell as text. A number keeps the fifteen digits that a spreadsheet knows, so that a code that it has rounded shows as such.
fn shown(cell: &DataRef<'_>) -> String {
    match Data::from(cell.clone()) {
        Data::String(text) => text,
        Data::Int(number) => number.to_string(),
        Data::Float(number) => plain(number),
        Data::Bool(flag) => String::from(if flag { "是" } else { "否" }),
        Data::DateTime(at) => moment(&at),
        Data::DateTimeIso(text) | Data::DurationIso(text) => text,
        _ => String::new(),
    }
}

fn plain(number: f64) -> String {
    let fifteen: f64 = format!("{number:.14e}").parse().unwrap_or(number);
    format!("{fifteen}")
}

fn moment(at: &ExcelDateTime) -> String {
    let serial = at.as_f64();
    if at.is_duration() || !(61.0..2_958_466.0).contains(&serial) {
        return plain(serial);
    }
    // The parser knows the workbook's own first day, 1900 or 1904.
    let (year, month, day, hour, minute, second, _) = at.to_ymd_hms_milli();
    let date = format!("{year:04}-{month:02}-{day:02}");
    if (hour, minute, second) == (0, 0, 0) {
        date
    } else {
        format!("{date} {hour:02}:{minute:02}:{second:02}")
    }
}

fn no_workbook(cause: impl std::fmt::Display) -> Fault {
    tracing::debug!(%cause, "a workbook can't be read");
    unreadable(
        "the file is no workbook that can be read: it is damaged, protected by a password, or not XLSX; save it again as XLSX",
        "文件不是可读取的工作簿：可能已损坏、加密或不是 XLSX；请另存为 XLSX 后重新提交",
    )
}

fn too_large(en: &str, zh: &str) -> Fault {
    Fault::invalid(
        api::ErrorReason::WorkbookTooLarge.as_str_name(),
        format!("{en}; send the table as CSV, or split it"),
        format!("{zh}；请改用 CSV 提交或拆分后提交"),
    )
    .at("file")
}
