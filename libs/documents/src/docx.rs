//! Writes the same document as DOCX (GB/T 20916, ISO/IEC 29500): a zip of a few XML parts, for those who go on writing in it.
use std::io::{Cursor, Write as _};

use jiff::civil::DateTime;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::model::{Block, Column, Document};

/// Why no DOCX was written: a fault of this library, never of the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the DOCX can't be written: {0}")]
pub struct Unpackable(String);

const TYPES: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/><Override PartName="/word/header1.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.header+xml"/><Override PartName="/word/footer1.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.footer+xml"/><Override PartName="/docProps/core.xml" ContentType="application/vnd.openxmlformats-package.core-properties+xml"/></Types>"#;
const PACKAGE: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/package/2006/relationships/metadata/core-properties" Target="docProps/core.xml"/></Relationships>"#;
const PARTS: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/header" Target="header1.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/footer" Target="footer1.xml"/></Relationships>"#;
const SPACES: &str = r#"xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships""#;
const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
"#;
// A4 with margins of 20 mm, in twentieths of a point, as in the PDF.
const WIDTH: u32 = 11_906;
const HEIGHT: u32 = 16_838;
const MARGIN: u32 = 1_134;
const TEXT: u32 = WIDTH - 2 * MARGIN;

/// Writes a document as DOCX. The same model gives the same bytes.
pub fn docx(document: &Document) -> Result<Vec<u8>, Unpackable> {
    let mut file = ZipWriter::new(Cursor::new(Vec::new()));
    // The default time of an entry is a fixed one.
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, text) in [
        ("[Content_Types].xml", TYPES.to_owned()),
        ("_rels/.rels", PACKAGE.to_owned()),
        ("docProps/core.xml", properties(document)),
        ("word/_rels/document.xml.rels", PARTS.to_owned()),
        ("word/document.xml", body(document)),
        ("word/header1.xml", header(document)),
        ("word/footer1.xml", footer(document)),
    ] {
        file.start_file(name, options).map_err(|error| Unpackable(error.to_string()))?;
        file.write_all(text.as_bytes()).map_err(|error| Unpackable(error.to_string()))?;
    }
    let bytes = file.finish().map_err(|error| Unpackable(error.to_string()))?;
    Ok(bytes.into_inner())
}

fn properties(document: &Document) -> String {
    let at = utc(document.created);
    format!(
        r#"{HEAD}<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><dc:title>{}</dc:title><dc:creator>{}</dc:creator><dc:language>zh-CN</dc:language><dcterms:created xsi:type="dcterms:W3CDTF">{at}</dcterms:created></cp:coreProperties>"#,
        escaped(&document.title),
        escaped(&document.author),
    )
}

fn utc(at: DateTime) -> String {
    let there = jiff::tz::Offset::constant(8).to_timestamp(at);
    there.map_or_else(
        |_| String::from("1970-01-01T00:00:00Z"),
        |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}

fn header(document: &Document) -> String {
    let (left, right) = &document.header;
    let tab = format!(r#"<w:pPr><w:tabs><w:tab w:val="right" w:pos="{TEXT}"/></w:tabs></w:pPr>"#);
    format!(
        "{HEAD}<w:hdr {SPACES}><w:p>{tab}{}<w:r><w:tab/></w:r>{}</w:p></w:hdr>",
        run(left, 16, false),
        run(right, 16, false)
    )
}

fn footer(document: &Document) -> String {
    let tab = format!(r#"<w:pPr><w:tabs><w:tab w:val="right" w:pos="{TEXT}"/></w:tabs></w:pPr>"#);
    let number =
        |what: &str| format!(r#"<w:fldSimple w:instr=" {what} "><w:r><w:t>1</w:t></w:r></w:fldSimple>"#);
    format!(
        "{HEAD}<w:ftr {SPACES}><w:p>{tab}{}<w:r><w:tab/></w:r>{}{}{}{}{}</w:p></w:ftr>",
        run(&document.footer, 16, false),
        run("第 ", 16, false),
        number("PAGE"),
        run(" 页 / 共 ", 16, false),
        number("NUMPAGES"),
        run(" 页", 16, false),
    )
}

fn body(document: &Document) -> String {
    let mut text = format!("{HEAD}<w:document {SPACES}><w:body>");
    text += &paragraph(&document.title, 40, true, r#"<w:jc w:val="center"/>"#);
    if !document.subtitle.is_empty() {
        text += &paragraph(&document.subtitle, 24, false, r#"<w:jc w:val="center"/>"#);
    }
    for block in &document.blocks {
        text += &match block {
            Block::Heading(heading) => {
                paragraph(heading, 28, true, r#"<w:keepNext/><w:spacing w:before="240"/>"#)
            }
            Block::Subheading(heading) => {
                paragraph(heading, 24, true, r#"<w:keepNext/><w:spacing w:before="120"/>"#)
            }
            Block::Paragraph(words) => paragraph(words, 21, false, ""),
            Block::Remark(words) => paragraph(words, 17, false, ""),
            Block::Callout(words) => framed(words),
            Block::Facts(facts) => {
                let columns = [Column::text("", 28), Column::text("", 72)];
                let rows: Vec<Vec<String>> =
                    facts.iter().map(|(name, value)| vec![name.clone(), value.clone()]).collect();
                table(&columns, &rows, false)
            }
            Block::Table { columns, rows } => table(columns, rows, true),
        };
    }
    text += &format!(
        r#"<w:sectPr><w:headerReference w:type="default" r:id="rId1"/><w:footerReference w:type="default" r:id="rId2"/><w:pgSz w:w="{WIDTH}" w:h="{HEIGHT}"/><w:pgMar w:top="{MARGIN}" w:right="{MARGIN}" w:bottom="{MARGIN}" w:left="{MARGIN}" w:header="567" w:footer="567" w:gutter="0"/></w:sectPr></w:body></w:document>"#
    );
    text
}

fn framed(words: &str) -> String {
    let edge = |side: &str| format!(r#"<w:{side} w:val="single" w:sz="6" w:space="4" w:color="BAC0CA"/>"#);
    let edges: String = ["top", "left", "bottom", "right"].map(edge).concat();
    paragraph(words, 21, false, &format!("<w:pBdr>{edges}</w:pBdr>"))
}

fn table(columns: &[Column], rows: &[Vec<String>], headed: bool) -> String {
    // A table needs a column, or it is none.
    if columns.is_empty() {
        return String::new();
    }
    let shares: u32 = columns.iter().map(|column| u32::from(column.share.max(1))).sum();
    let width = |column: &Column| TEXT * u32::from(column.share.max(1)) / shares;
    let edge = |side: &str| format!(r#"<w:{side} w:val="single" w:sz="4" w:space="0" w:color="BAC0CA"/>"#);
    let edges: String = ["top", "left", "bottom", "right", "insideH", "insideV"].map(edge).concat();
    let mut text = format!(
        r#"<w:tbl><w:tblPr><w:tblW w:w="{TEXT}" w:type="dxa"/><w:tblBorders>{edges}</w:tblBorders><w:tblLayout w:type="fixed"/></w:tblPr><w:tblGrid>"#
    );
    for column in columns {
        text += &format!(r#"<w:gridCol w:w="{}"/>"#, width(column));
    }
    text += "</w:tblGrid>";
    if headed {
        text += "<w:tr><w:trPr><w:tblHeader/></w:trPr>";
        for column in columns {
            text += &cell(&column.title, width(column), column.to_the_right, true);
        }
        text += "</w:tr>";
    }
    for row in rows {
        text += "<w:tr>";
        for (place, column) in columns.iter().enumerate() {
            let words = row.get(place).map_or("", String::as_str);
            text += &cell(words, width(column), column.to_the_right, !headed && place == 0);
        }
        text += "</w:tr>";
    }
    // Two tables that follow each other would become one.
    text + "</w:tbl><w:p/>"
}

fn cell(words: &str, width: u32, to_the_right: bool, bold: bool) -> String {
    let place = if to_the_right { r#"<w:jc w:val="right"/>"# } else { "" };
    format!(
        r#"<w:tc><w:tcPr><w:tcW w:w="{width}" w:type="dxa"/></w:tcPr>{}</w:tc>"#,
        paragraph(words, 19, bold, place)
    )
}

fn paragraph(words: &str, half_points: u32, bold: bool, set: &str) -> String {
    format!("<w:p><w:pPr>{set}</w:pPr>{}</w:p>", run(words, half_points, bold))
}

// A line feed begins a new line, as in the PDF.
fn run(words: &str, half_points: u32, bold: bool) -> String {
    let weight = if bold { "<w:b/>" } else { "" };
    let face = r#"<w:rFonts w:ascii="Noto Sans SC" w:hAnsi="Noto Sans SC" w:eastAsia="Noto Sans SC"/>"#;
    let lines: Vec<String> = words
        .split('\n')
        .map(|line| format!(r#"<w:t xml:space="preserve">{}</w:t>"#, escaped(line)))
        .collect();
    format!(
        r#"<w:r><w:rPr>{face}{weight}<w:sz w:val="{half_points}"/><w:lang w:eastAsia="zh-CN"/></w:rPr>{}</w:r>"#,
        lines.join("<w:br/>")
    )
}

// XML has no place for control characters, not even escaped.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' => out.push('\t'),
            control if control.is_control() || matches!(control, '\u{fffe}' | '\u{ffff}') => {}
            other => out.push(other),
        }
    }
    out
}
