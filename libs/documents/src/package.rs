//! What DOCX and XLSX share (ISO/IEC 29500-2): a zip of XML parts, their properties and relations, texts escaped.
use std::io::{Cursor, Write as _};

use jiff::civil::DateTime;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// Why no file was written: a fault of this library, never of the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the file can't be written: {0}")]
pub struct Unpackable(String);

/// How each part begins.
pub const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
"#;
/// Where relations of office documents are named.
pub const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
/// The media type of a workbook, embedded or not.
pub const SHEETS: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml";

/// A part of a package.
pub struct Part {
    /// Where it lies, without a slash before it.
    pub name: String,
    /// Its media type; empty where the ending tells it.
    pub media: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Part {
    /// A part of XML.
    pub fn xml(name: impl Into<String>, media: impl Into<String>, text: String) -> Self {
        Self { name: name.into(), media: media.into(), bytes: text.into_bytes() }
    }
}

/// Zips parts. The same parts give the same bytes.
pub fn package(
    title: &str,
    author: &str,
    created: DateTime,
    main: &str,
    parts: Vec<Part>,
) -> Result<Vec<u8>, Unpackable> {
    let broken = |error: zip::result::ZipError| Unpackable(error.to_string());
    let mut types = String::from(
        r#"<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>"#,
    );
    types += &format!(r#"<Default Extension="xlsx" ContentType="{SHEETS}.sheet"/>"#);
    types += r#"<Override PartName="/docProps/core.xml" ContentType="application/vnd.openxmlformats-package.core-properties+xml"/>"#;
    for part in parts.iter().filter(|part| !part.media.is_empty()) {
        types += &format!(r#"<Override PartName="/{}" ContentType="{}"/>"#, part.name, part.media);
    }
    let types = format!(
        r#"{HEAD}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">{types}</Types>"#
    );
    let relations = format!(
        r#"{HEAD}<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="{OFFICE}/officeDocument" Target="{main}"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/package/2006/relationships/metadata/core-properties" Target="docProps/core.xml"/></Relationships>"#
    );
    let mut all = vec![
        Part::xml("[Content_Types].xml", "", types),
        Part::xml("_rels/.rels", "", relations),
        Part::xml("docProps/core.xml", "", properties(title, author, created)),
    ];
    all.extend(parts);
    let mut file = ZipWriter::new(Cursor::new(Vec::new()));
    // The default time of an entry is a fixed one.
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for part in &all {
        file.start_file(part.name.as_str(), options).map_err(broken)?;
        file.write_all(&part.bytes).map_err(|error| Unpackable(error.to_string()))?;
    }
    Ok(file.finish().map_err(broken)?.into_inner())
}

/// A part's relations: of each its kind below `OFFICE` and its target, as rId1 and so on.
pub fn relations(of: &[(&str, String)]) -> String {
    let mut text = format!(
        r#"{HEAD}<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">"#
    );
    for (number, (kind, target)) in (1..).zip(of) {
        text += &format!(r#"<Relationship Id="rId{number}" Type="{OFFICE}/{kind}" Target="{target}"/>"#);
    }
    text + "</Relationships>"
}

fn properties(title: &str, author: &str, created: DateTime) -> String {
    let there = jiff::tz::Offset::constant(8).to_timestamp(created);
    let at = there.map_or_else(
        |_| String::from("1970-01-01T00:00:00Z"),
        |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    );
    format!(
        r#"{HEAD}<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><dc:title>{}</dc:title><dc:creator>{}</dc:creator><dc:language>zh-CN</dc:language><dcterms:created xsi:type="dcterms:W3CDTF">{at}</dcterms:created></cp:coreProperties>"#,
        escaped(title),
        escaped(author),
    )
}

/// A text as XML has it, which has no place for control characters, not even escaped.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' => out.push(character),
            control if control.is_control() || matches!(control, '\u{fffe}' | '\u{ffff}') => {}
            other => out.push(other),
        }
    }
    out
}
