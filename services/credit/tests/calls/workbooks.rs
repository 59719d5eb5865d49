//! Workbooks: read, refused, given back.
use std::io::{Cursor, Write};

use chassis::trial::reason;
use contract::credit::v1 as api;
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::world::{MORNING, World, code};

fn counts(done: &api::ImportResponse) -> [i32; 4] {
    let progress = done.progress.unwrap();
    [progress.rows, progress.accepted, progress.duplicates, progress.rejected]
}

fn packed(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A workbook of sheets, each with its name and the markup of its rows and of what follows them. Style 1 is a date.
pub fn workbook(sheets: &[(&str, &str, &str)]) -> Vec<u8> {
    let ns = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let package = "http://schemas.openxmlformats.org/package/2006/relationships";
    let mut list = String::new();
    let mut relations = format!("<Relationship Id=\"s\" Type=\"{office}/styles\" Target=\"styles.xml\"/>");
    let mut parts = vec![
        (
            String::from("[Content_Types].xml"),
            String::from("<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"/>"),
        ),
        (
            String::from("_rels/.rels"),
            format!(
                "<Relationships xmlns=\"{package}\"><Relationship Id=\"r\" Type=\"{office}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
            ),
        ),
        (
            String::from("xl/styles.xml"),
            format!(
                "<styleSheet xmlns=\"{ns}\"><cellXfs count=\"2\"><xf numFmtId=\"0\"/><xf numFmtId=\"14\"/></cellXfs></styleSheet>"
            ),
        ),
    ];
    for (at, (name, rows, rest)) in sheets.iter().enumerate() {
        list += &format!("<sheet name=\"{name}\" sheetId=\"{}\" r:id=\"r{at}\"/>", at + 1);
        relations += &format!(
            "<Relationship Id=\"r{at}\" Type=\"{office}/worksheet\" Target=\"worksheets/sheet{at}.xml\"/>"
        );
        parts.push((
            format!("xl/worksheets/sheet{at}.xml"),
            format!("<worksheet xmlns=\"{ns}\"><sheetData>{rows}</sheetData>{rest}</worksheet>"),
        ));
    }
    parts.push((
        String::from("xl/workbook.xml"),
        format!("<workbook xmlns=\"{ns}\" xmlns:r=\"{office}\"><sheets>{list}</sheets></workbook>"),
    ));
    parts.push((
        String::from("xl/_rels/workbook.xml.rels"),
        format!("<Relationships xmlns=\"{package}\">{relations}</Relationships>"),
    ));
    let parts: Vec<(&str, &str)> =
        parts.iter().map(|(name, content)| (name.as_str(), content.as_str())).collect();
    packed(&parts)
}

pub fn row(number: u32, cells: &[&str]) -> String {
    format!("<row r=\"{number}\">{}</row>", cells.concat())
}

pub fn text(place: &str, text: &str) -> String {
    let place = if place.is_empty() { String::new() } else { format!("r=\"{place}\"") };
    format!("<c {place} t=\"inlineStr\"><is><t>{text}</t></is></c>")
}

#[tokio::test]
async fn a_sheet_is_read_as_people_make_it() {
    let world = World::open(MORNING).await;
    world.register(1..4).await;
    let who = world.department("market-regulation");
    let notes = row(1, &[&text("A1", "填报说明")]);
    let rows = [
        row(1, &[&text("A1", "某市行政处罚公示表")]),
        row(
            3,
            &[
                &text("A3", "统一社会信用代码"),
                &text("B3", "行政处罚决定书文号"),
                &text("C3", "处罚决定日期"),
                &text("D3", "罚款金额（元）"),
                &text("E3", "身份证号"),
            ],
        ),
        // A day as a serial, a number, a person's number.
        row(
            4,
            &[
                &text("A4", &code(1)),
                &text("B4", "虚1号"),
                "<c r=\"C4\" s=\"1\"><v>43308</v></c>",
                "<c r=\"D4\"><v>12345.67</v></c>",
                &text("E4", "11010519491231002X"),
            ],
        ),
        // Merged downwards with the row above.
        row(5, &[&text("B5", "虚2号"), &text("C5", "2018年7月28日"), "<c r=\"D5\"><v>0.1</v></c>"]),
        // A code that a spreadsheet has made a number of, and one that it has rounded.
        row(
            7,
            &["<c r=\"A7\"><v>640399055811843123</v></c>", &text("B7", "虚3号"), &text("C7", "2018-07-28")],
        ),
        row(8, &[&text("A8", &code(2)), &text("B8", "虚4号"), &text("C8", "2018-13-28")]),
        row(
            9,
            &[
                &text("A9", &code(3)),
                "<c r=\"B9\"><v>20180001234567</v></c>",
                "<c r=\"C9\" s=\"1\"><v>43308.75</v></c>",
            ],
        ),
    ]
    .concat();
    let merged = "<mergeCells count=\"2\"><mergeCell ref=\"A1:E1\"/><mergeCell ref=\"A4:A5\"/></mergeCells>";
    let file = workbook(&[("说明", &notes, ""), ("处罚", &rows, merged), ("其他", "", "")]);
    let done = world.import(&who, "records", "administrative-penalty", &file).await;
    assert_eq!(counts(&done), [5, 3, 0, 2], "{}", world.rejects(&who, &done.import_id).await);
    let reading = done.reading.unwrap();
    assert_eq!((reading.format.as_str(), reading.sheet.as_str(), reading.headings_line), ("xlsx", "处罚", 3));
    assert_eq!(world.reasons(&who, &done.import_id).await, ["CODE_ROUNDED", "FIELD_INVALID"]);
    assert_eq!(done.progress.unwrap().dropped_personal_cells, 1);
    let list = api::ListRecordsRequest { uscc: code(1), ..Default::default() };
    let records = world.records(&who).list_records(list).await.unwrap().into_inner().records;
    let said: Vec<_> =
        records.iter().map(|r| (r.source_id.as_str(), r.occurred_on.as_str(), r.amount.as_str())).collect();
    assert_eq!(said, [("虚2号", "2018-07-28", "0.1"), ("虚1号", "2018-07-27", "12345.67")]);
    let list = api::ListRecordsRequest { uscc: code(3), ..Default::default() };
    let record = world.records(&who).list_records(list).await.unwrap().into_inner().records.remove(0);
    assert_eq!((record.source_id.as_str(), record.occurred_on.as_str()), ("20180001234567", "2018-07-27"));
    assert_eq!(counts(&world.import(&who, "records", "administrative-penalty", &file).await), [5, 0, 3, 2]);
    // By the name of the sheet.
    let parameters = |sheet: &str| api::CreateImportRequest {
        kind: String::from("records"),
        item: String::from("administrative-penalty"),
        format: String::from("xlsx"),
        sheet: sheet.to_owned(),
        ..Default::default()
    };
    assert_eq!(counts(&world.import_with(&who, &file, parameters("处罚")).await.unwrap()), [5, 0, 3, 2]);
    let unknown = world.import_with(&who, &file, parameters("没有")).await.unwrap_err();
    assert!(unknown.message.contains("处罚"), "{}", unknown.message);
}

#[tokio::test]
async fn refused_rows_come_back_in_the_form_that_was_sent() {
    let world = World::open(MORNING).await;
    let who = world.department("market-regulation");
    let head = ["统一社会信用代码", "企业名称", "法定代表人"];
    let bad = crate::world::broken(2);
    let rows = [
        row(1, &[&text("A1", head[0]), &text("B1", head[1]), &text("C1", head[2])]),
        row(2, &[&text("A2", &code(1)), &text("B2", "虚构甲公司"), &text("C2", "王某某")]),
        row(3, &[&text("A3", &bad), &text("B3", "虚构&lt;乙&gt;公司"), &text("C3", "李某某")]),
    ]
    .concat();
    let book = workbook(&[("a", &rows, "")]);
    let table = format!("{}\n{},虚构甲公司,王某某\n{bad},虚构<乙>公司,李某某\n", head.join(","), code(1));
    let gb = |text: &str| encoding_rs::GB18030.encode(text).0.into_owned();
    let utf16 = |text: &str| -> Vec<u8> {
        [0xFF, 0xFE].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()
    };
    for (at, (file, content_type)) in [
        (book, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        (gb(&table.replace(',', ";")), "text/csv; charset=gb18030"),
        (utf16(&table.replace(',', "\t")), "text/csv; charset=utf-16le"),
        (table.clone().into_bytes(), "text/csv; charset=utf-8"),
    ]
    .into_iter()
    .enumerate()
    {
        let done = world.import(&who, "subjects", "", &file).await;
        assert_eq!(counts(&done)[3], 1, "{content_type}");
        let (kind, list) = world.rejects_as(&who, &done.import_id, "original").await;
        assert_eq!(kind, content_type);
        // The list is a file itself: it reads as what was sent, and in the same form.
        let again = world.import(&who, "subjects", "", &list).await;
        assert_eq!(world.reasons(&who, &again.import_id).await, ["CODE_CHECK_FAILED"], "{content_type}");
        let (before, now) = (done.reading.unwrap(), again.reading.unwrap());
        assert_eq!(
            (before.format, before.encoding, before.delimiter),
            (now.format, now.encoding, now.delimiter)
        );
        assert!(now.personal_columns.is_empty() && again.ignored_columns.contains(&String::from("拒收说明")));
        if at == 0 {
            // Also as a workbook whatever was sent.
            let (_, list) = world.rejects_as(&who, &done.import_id, "xlsx").await;
            let parameters = api::CreateImportRequest {
                kind: String::from("subjects"),
                accept_nonconforming: true,
                ..Default::default()
            };
            let taken = world.import_with(&who, &list, parameters).await.unwrap();
            assert_eq!(counts(&taken), [1, 1, 0, 0]);
            let get = api::GetSubjectRequest { uscc: bad.clone(), ..Default::default() };
            assert_eq!(
                world.subjects(&who).get_subject(get).await.unwrap().into_inner().name,
                "虚构<乙>公司"
            );
        }
    }
    let refused = api::DownloadRejectsRequest { id: String::from("nothing"), format: String::from("pdf") };
    assert!(world.imports(&who).download_rejects(refused).await.is_err());
}

#[tokio::test]
async fn what_is_no_workbook_or_too_large_is_refused_at_once() {
    let world = World::open(MORNING).await;
    let who = world.department("market-regulation");
    let good = workbook(&[("a", &row(1, &[&text("A1", "uscc"), &text("B1", "name")]), "")]);
    let blank = "x".repeat(2 * 1024 * 1024);
    let endless = packed(&[("xl/workbook.xml", "<workbook/>"), ("xl/sharedStrings.xml", &blank)]);
    // A part that unpacks to 600 MiB in a file of a few megabytes.
    let bomb = {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        zip.start_file("xl/workbook.xml", SimpleFileOptions::default()).unwrap();
        zip.start_file("xl/worksheets/sheet1.xml", SimpleFileOptions::default()).unwrap();
        let piece = "<c/>".repeat(1024 * 1024);
        (0..150).for_each(|_| zip.write_all(piece.as_bytes()).unwrap());
        zip.finish().unwrap().into_inner()
    };
    assert!(bomb.len() < 4 * 1024 * 1024);
    for (what, file, expected) in [
        ("damaged", &good[..good.len() / 2], "FILE_UNREADABLE"),
        ("another zip", &packed(&[("a.txt", "text")])[..], "FILE_UNREADABLE"),
        ("one endless text", &endless[..], "WORKBOOK_TOO_LARGE"),
        ("a bomb", &bomb[..], "WORKBOOK_TOO_LARGE"),
    ] {
        let refused = world.send(&who, "subjects", "", file).await.unwrap_err();
        assert_eq!(reason(&refused), expected, "{what}");
    }
    // A sheet without anything, and one that has no headings.
    for rows in [String::new(), row(1, &[&text("A1", "说明")])] {
        let operation = world.send(&who, "subjects", "", &workbook(&[("a", &rows, "")])).await.unwrap();
        assert!(world.finish(&who, &operation).await.is_err());
    }
}
