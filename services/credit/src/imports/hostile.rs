//! Readers under truncated, damaged, hostile and huge input: whatever comes, they answer, and hold only so much.
use std::{
    io::{Cursor, Write},
    sync::Arc,
};

use chassis::Answer;
use proptest::prelude::*;
use tables::Spreadsheet;
use zip::{ZipWriter, write::SimpleFileOptions};

use super::{
    encoding::{self, Census, Text},
    headings::squash,
    sheet::{self, COLUMNS_MAX, Part, Rows},
    values, workbook,
};

// Rows, widest row, bytes of the largest batch.
#[derive(Default)]
struct Seen {
    rows: usize,
    width: usize,
    largest: usize,
    ended: bool,
}

fn rows<T>(read: impl FnOnce(&mut Rows<&mut dyn FnMut(Part) -> bool>) -> T) -> (T, Seen) {
    let mut seen = Seen::default();
    let mut take = |part: Part| {
        match part {
            Part::Headings(head) => seen.width = seen.width.max(head.cells.len()),
            Part::Rows(lines) => {
                seen.rows += lines.len();
                let bytes = lines.iter().flat_map(|line| &line.cells).map(|cell| cell.len() + 24).sum();
                seen.largest = seen.largest.max(bytes);
                seen.width = lines.iter().map(|line| line.cells.len()).max().unwrap_or(0).max(seen.width);
            }
            Part::End => seen.ended = true,
        }
        true
    };
    let known = ["uscc", "name", "统一社会信用代码"].map(str::to_owned).into();
    let take: &mut dyn FnMut(Part) -> bool = &mut take;
    let mut rows = Rows::new(Arc::new(known), 0, take);
    let answer = read(&mut rows);
    drop(rows);
    (answer, seen)
}

fn read_text(bytes: &[u8], step: usize) -> Option<(Answer<()>, Seen)> {
    let mut census = Census::default();
    bytes.chunks(step).for_each(|chunk| census.look(chunk));
    let encoding = encoding::named(census.encoding()?.name());
    let mut chunks = bytes.chunks(step).map(<[u8]>::to_vec).collect::<Vec<_>>().into_iter();
    Some(rows(|rows| sheet::text(Text::new(move || Ok(chunks.next()), encoding), rows)))
}

fn read_workbook(bytes: Vec<u8>) -> (Answer<()>, Seen) {
    rows(|rows| workbook::read(bytes, "", rows))
}

fn good_workbook() -> Vec<u8> {
    let mut sheet = Spreadsheet::begin("表").unwrap();
    let head = vec![vec![String::from("uscc"), String::from("name")]];
    let body: Vec<Vec<String>> =
        (0..40).map(|at| vec![format!("{at}"), format!("虚构{at}公司 & <子>")]).collect();
    let mut bytes = sheet.rows(&head).unwrap();
    bytes.extend(sheet.rows(&body).unwrap());
    bytes.extend(sheet.end().unwrap());
    bytes
}

// A workbook whose one sheet is this markup.
fn workbook_of(sheet: &str) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    for (name, content) in [
        (
            "_rels/.rels",
            format!(
                "<Relationships><Relationship Id=\"r\" Type=\"{office}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
            ),
        ),
        (
            "xl/workbook.xml",
            format!(
                "<workbook xmlns:r=\"{office}\"><sheets><sheet name=\"a\" sheetId=\"1\" r:id=\"s\"/></sheets></workbook>"
            ),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            format!(
                "<Relationships><Relationship Id=\"s\" Type=\"{office}/worksheet\" Target=\"worksheets/sheet1.xml\"/></Relationships>"
            ),
        ),
        ("xl/worksheets/sheet1.xml", sheet.to_owned()),
    ] {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "\"",
        ",",
        "\t",
        ";",
        "\n",
        "\r\n",
        "\0",
        "\u{FEFF}",
        "统一社会信用代码",
        "uscc",
        "name",
        "91640399M000000001",
        "\u{FFFD}",
        "\u{E002}",
        "=\"",
        "'",
    ]);
    prop_oneof![
        3 => known.prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..12),
    ]
}

fn cell_markup() -> impl Strategy<Value = String> {
    prop_oneof![
        ("[A-Z]{0,4}", "[0-9]{0,11}", "(s|n|b|e|d|str|inlineStr|x)?", "[0-9]{0,20}").prop_map(
            |(column, row, kind, value)| {
                format!("<c r=\"{column}{row}\" t=\"{kind}\" s=\"{value}\"><v>{value}</v></c>")
            }
        ),
        "[0-9.eE+-]{0,24}".prop_map(|value| format!("<c s=\"1\"><v>{value}</v></c>")),
        "\\PC{0,20}".prop_map(|text| format!("<c t=\"inlineStr\"><is><t>{text}</t></is></c>")),
        Just(String::from("</row><row r=\"4294967295\">")),
        Just(String::from("<row r=\"0\">")),
        Just(String::from("<c r=\"XFD1048576\"><v>1</v></c>")),
        Just(String::from("</c></row></sheetData><sheetData>")),
        Just(String::from("<mergeCells><mergeCell ref=\"A1:A4294967295\"/></mergeCells>")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn any_text_is_read_or_refused(pieces in prop::collection::vec(piece(), 0..200), step in 1..64_usize) {
        let bytes = pieces.concat();
        if let Some((answer, seen)) = read_text(&bytes, step) {
            prop_assert!(answer.is_err() || seen.ended);
            prop_assert!(seen.width <= COLUMNS_MAX + 1 && seen.rows <= bytes.len());
        }
    }

    #[test]
    fn a_damaged_workbook_is_read_or_refused(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(),
        truncated in any::<bool>(),
    ) {
        let mut bytes = good_workbook();
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= byte;
        }
        if truncated {
            bytes.truncate(cut.index(bytes.len()));
        }
        let (answer, seen) = read_workbook(bytes);
        prop_assert!(answer.is_err() || seen.ended);
    }

    #[test]
    fn a_hostile_sheet_is_read_or_refused(cells in prop::collection::vec(cell_markup(), 0..40)) {
        let sheet = format!("<worksheet><sheetData><row r=\"1\">{}</row></sheetData></worksheet>", cells.concat());
        let (answer, seen) = read_workbook(workbook_of(&sheet));
        prop_assert!(answer.is_err() || seen.ended);
        prop_assert!(seen.width <= COLUMNS_MAX + 1);
    }

    #[test]
    fn any_cell_has_a_value(cell in "\\PC{0,40}|[0-9./年月日 :-]{0,30}|[(（\\[【][0-9]{0,5}[)）\\]】]{0,3}") {
        values::date(values::value(&cell));
        values::last_day(&cell);
        values::year_end(&cell);
        values::yuan(&cell, true);
        values::party(&cell);
        values::decision_number(&cell);
        squash(&cell);
    }
}

#[test]
fn the_good_workbook_is_read() {
    let (answer, seen) = read_workbook(good_workbook());
    assert!(answer.is_ok() && seen.ended);
    assert_eq!((seen.rows, seen.width), (40, 2));
}

#[test]
fn a_wide_or_long_sheet_is_refused_or_read_in_bounded_batches() {
    let cell = |place: &str| {
        format!("<worksheet><sheetData><row><c r=\"{place}\"><v>1</v></c></row></sheetData></worksheet>")
    };
    for place in ["XFD1", "A1048577", "ZZZZZZ1", "A99999999999"] {
        assert!(read_workbook(workbook_of(&cell(place))).0.is_err(), "{place}");
    }
    // Rows that are empty but for their last column, and rows of large cells.
    let wide = format!("{}x\n", ",".repeat(1_000)).repeat(20_000);
    let large = format!("a,{}\n", "x".repeat(500_000)).repeat(60);
    for text in [wide, large] {
        let (answer, seen) = read_text(text.as_bytes(), 1 << 20).unwrap();
        assert!(answer.is_ok() && seen.ended);
        assert!(seen.largest < 9 * 1024 * 1024, "{}", seen.largest);
    }
}

#[test]
fn texts_kept_in_the_folder_of_sheets_count_as_texts() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let piece = "<si><t/></si>".repeat(80_000);
    zip.start_file("xl/workbook.xml", SimpleFileOptions::default()).unwrap();
    zip.start_file("xl/worksheets/sharedStrings.xml", SimpleFileOptions::default()).unwrap();
    (0..100).for_each(|_| zip.write_all(piece.as_bytes()).unwrap());
    let bytes = zip.finish().unwrap().into_inner();
    assert_eq!(workbook::inspect(&bytes).unwrap_err().reason(), "WORKBOOK_TOO_LARGE");
}
