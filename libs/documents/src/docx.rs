//! Writes the same document as DOCX (GB/T 20916, ISO/IEC 29500): a zip of a few XML parts, for those who go on writing in it.
use crate::{
    book::{Cell, Page, Workbook},
    chart::{self, Cells, graphic},
    model::{Block, Chart, Column, Document, Form},
    package::{HEAD, OFFICE, Part, Unpackable, escaped, package, relations},
    xlsx::xlsx,
};

const WORDS: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml";

// Typefaces, sizes in half points, and margins in twentieths of a point.
struct Look {
    title: (&'static str, u32, bool),
    subtitle: u32,
    heading: (&'static str, u32, bool),
    subheading: (&'static str, u32, bool),
    body: (&'static str, u32),
    remark: u32,
    cell: u32,
    // Above, right, below, left.
    margins: [u32; 4],
    official: bool,
}

const NOTO: &str = "Noto Sans SC";
// A4 with margins of 20 mm, as in the PDF.
const PAPER: Look = Look {
    title: (NOTO, 40, true),
    subtitle: 24,
    heading: (NOTO, 28, true),
    subheading: (NOTO, 24, true),
    body: (NOTO, 21),
    remark: 17,
    cell: 19,
    margins: [1_134; 4],
    official: false,
};
// GB/T 9704-2012: the title in size 2 of 小标宋, the text in size 3 of 仿宋, headings in 黑体 and 楷体.
const OFFICIAL: Look = Look {
    title: ("方正小标宋简体", 44, false),
    subtitle: 32,
    heading: ("黑体", 32, false),
    subheading: ("楷体_GB2312", 32, false),
    body: ("仿宋_GB2312", 32),
    remark: 21,
    cell: 21,
    margins: [2_098, 1_474, 1_984, 1_588],
    official: true,
};
const WIDTH: u32 = 11_906;
const HEIGHT: u32 = 16_838;

/// Writes a document as DOCX. The same model gives the same bytes.
pub fn docx(document: &Document) -> Result<Vec<u8>, Unpackable> {
    docx_in(document, Form::Paper)
}

/// Writes a document as DOCX in a form.
pub fn docx_in(document: &Document, form: Form) -> Result<Vec<u8>, Unpackable> {
    let look = if form == Form::Official { &OFFICIAL } else { &PAPER };
    let part = |name: &str, kind: &str, text| {
        Part::xml(format!("word/{name}.xml"), format!("{WORDS}.{kind}+xml"), text)
    };
    let (head, foot) = match look.official {
        // The odd pages' foot and the even ones'.
        true => (part("footer2", "footer", numbered("left")), part("footer1", "footer", numbered("right"))),
        false => (
            part("header1", "header", header(look, document)),
            part("footer1", "footer", footer(look, document)),
        ),
    };
    let kind = if look.official { ("footer", "footer2.xml") } else { ("header", "header1.xml") };
    let mut related = vec![
        (kind.0, kind.1.to_owned()),
        ("footer", String::from("footer1.xml")),
        ("settings", String::from("settings.xml")),
    ];
    let mut parts = vec![head, foot, part("settings", "settings", settings(look))];
    let mut charts = 0;
    for block in &document.blocks {
        let Block::Chart(chart) = block else { continue };
        charts += 1;
        related.push(("chart", format!("charts/chart{charts}.xml")));
        parts.extend(chart_parts(document, chart, charts)?);
    }
    parts.push(part("document", "document.main", body(look, document)));
    parts.push(Part::xml("word/_rels/document.xml.rels", "", relations(&related)));
    package(&document.title, &document.author, document.created, "word/document.xml", parts)
}

// A native chart with the workbook of its numbers, so that who edits the document can edit them.
fn chart_parts(document: &Document, chart: &Chart, number: usize) -> Result<Vec<Part>, Unpackable> {
    let names = chart.series.iter().map(|series| Column::number(&series.name, 14));
    let columns: Vec<Column> = std::iter::once(Column::text("类别", 20)).chain(names).collect();
    let row = |(at, category): (usize, &String)| {
        let values = chart
            .series
            .iter()
            .map(|series| Cell::Number(series.values.get(at).copied().unwrap_or_default(), chart.places));
        std::iter::once(Cell::text(category.as_str())).chain(values).collect()
    };
    let page = Page {
        name: String::from("数据"),
        title: chart.title.clone(),
        remark: String::new(),
        columns,
        rows: chart.categories.iter().enumerate().map(row).collect(),
        plots: Vec::new(),
    };
    let book = Workbook {
        title: chart.title.clone(),
        author: document.author.clone(),
        created: document.created,
        pages: vec![page],
    };
    let cells =
        Cells {
            sheet: "数据", head: 3, first: 4, categories: 0, series: (1..=chart.series.len()).collect()
        };
    let file = format!("numbers{number}.xlsx");
    Ok(vec![
        Part::xml(format!("word/charts/chart{number}.xml"), chart::MEDIA, chart::part(chart, &cells, true)),
        Part::xml(
            format!("word/charts/_rels/chart{number}.xml.rels"),
            "",
            relations(&[("package", format!("../embeddings/{file}"))]),
        ),
        Part { name: format!("word/embeddings/{file}"), media: String::new(), bytes: xlsx(&book)? },
    ])
}

fn spaces() -> String {
    format!(
        r#"xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" xmlns:r="{OFFICE}" xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing""#
    )
}

fn settings(look: &Look) -> String {
    let sides = if look.official { "<w:evenAndOddHeaders/>" } else { "" };
    format!("{HEAD}<w:settings {}>{sides}</w:settings>", spaces())
}

impl Look {
    fn text_width(&self) -> u32 {
        WIDTH - self.margins[1] - self.margins[3]
    }
}

fn header(look: &Look, document: &Document) -> String {
    let (left, right) = &document.header;
    let tab =
        format!(r#"<w:pPr><w:tabs><w:tab w:val="right" w:pos="{}"/></w:tabs></w:pPr>"#, look.text_width());
    let small = |text: &str| run(look.body.0, text, 16, false);
    format!(
        "{HEAD}<w:hdr {}><w:p>{tab}{}<w:r><w:tab/></w:r>{}</w:p></w:hdr>",
        spaces(),
        small(left),
        small(right)
    )
}

fn footer(look: &Look, document: &Document) -> String {
    let tab =
        format!(r#"<w:pPr><w:tabs><w:tab w:val="right" w:pos="{}"/></w:tabs></w:pPr>"#, look.text_width());
    let small = |text: &str| run(look.body.0, text, 16, false);
    // As small as the words beside it.
    let number = |what: &str| format!(r#"<w:fldSimple w:instr=" {what} ">{}</w:fldSimple>"#, small("1"));
    format!(
        "{HEAD}<w:ftr {}><w:p>{tab}{}<w:r><w:tab/></w:r>{}{}{}{}{}</w:p></w:ftr>",
        spaces(),
        small(&document.footer),
        small("第 "),
        number("PAGE"),
        small(" 页 / 共 "),
        number("NUMPAGES"),
        small(" 页"),
    )
}

// — 1 — one character from the outer edge.
fn numbered(side: &str) -> String {
    let indent = if side == "right" { r#"w:rightChars="100""# } else { r#"w:leftChars="100""# };
    let of_size =
        r#"<w:rPr><w:rFonts w:ascii="宋体" w:hAnsi="宋体" w:eastAsia="宋体"/><w:sz w:val="28"/></w:rPr>"#;
    format!(
        r#"{HEAD}<w:ftr {}><w:p><w:pPr><w:ind {indent}/><w:jc w:val="{side}"/></w:pPr><w:r>{of_size}<w:t xml:space="preserve">— </w:t></w:r><w:fldSimple w:instr=" PAGE "><w:r>{of_size}<w:t>1</w:t></w:r></w:fldSimple><w:r>{of_size}<w:t xml:space="preserve"> —</w:t></w:r></w:p></w:ftr>"#,
        spaces()
    )
}

fn body(look: &Look, document: &Document) -> String {
    let centre = r#"<w:jc w:val="center"/>"#;
    let mut text = format!("{HEAD}<w:document {}><w:body>", spaces());
    let (face, size, bold) = look.title;
    let after =
        if look.official { format!(r#"<w:spacing w:after="240"/>{centre}"#) } else { centre.to_owned() };
    let bare = if document.subtitle.is_empty() { after.as_str() } else { centre };
    text += &paragraph(face, &document.title, size, bold, bare);
    if !document.subtitle.is_empty() {
        text += &paragraph(look.body.0, &document.subtitle, look.subtitle, false, &after);
    }
    let mut charts = 0;
    for (at, block) in document.blocks.iter().enumerate() {
        // Who signs does not stand alone on a page.
        let signed = matches!(document.blocks.get(at + 1), Some(Block::Closing(_)));
        text += &match block {
            Block::Heading(heading) => {
                let set = if look.official {
                    lined(look, "<w:keepNext/>")
                } else {
                    String::from(r#"<w:keepNext/><w:spacing w:before="240"/>"#)
                };
                paragraph(look.heading.0, heading, look.heading.1, look.heading.2, &set)
            }
            Block::Subheading(heading) => {
                let set = if look.official {
                    lined(look, "<w:keepNext/>")
                } else {
                    String::from(r#"<w:keepNext/><w:spacing w:before="120"/>"#)
                };
                paragraph(look.subheading.0, heading, look.subheading.1, look.subheading.2, &set)
            }
            Block::Paragraph(words) if look.official => words
                .split('\n')
                .map(|line| {
                    paragraph(
                        look.body.0,
                        line,
                        look.body.1,
                        false,
                        &lined(look, if signed { "<w:keepNext/>" } else { "" }),
                    )
                })
                .collect(),
            Block::Paragraph(words) => paragraph(look.body.0, words, look.body.1, false, ""),
            Block::Remark(words) => {
                paragraph(look.body.0, words, look.remark, false, r#"<w:spacing w:after="120"/>"#)
            }
            Block::Callout(words) => framed(look, words),
            Block::Facts(facts) => {
                let columns = [Column::text("", 28), Column::text("", 72)];
                let rows: Vec<Vec<String>> =
                    facts.iter().map(|(name, value)| vec![name.clone(), value.clone()]).collect();
                table(look, &columns, &rows, false)
            }
            Block::Table { columns, rows } => table(look, columns, rows, true),
            Block::Caption(words) => {
                let face = if look.official { "黑体" } else { look.body.0 };
                paragraph(
                    face,
                    words,
                    look.cell,
                    true,
                    r#"<w:keepNext/><w:spacing w:before="120" w:after="40"/><w:jc w:val="center"/>"#,
                )
            }
            Block::Chart(chart) => {
                charts += 1;
                drawn(look, chart, charts)
            }
            Block::Closing(lines) => closing(look, lines),
        };
    }
    let [top, right, bottom, left] = look.margins;
    let (first, footer_at) = match look.official {
        true => (r#"<w:footerReference w:type="even" r:id="rId1"/>"#, 1_400),
        false => (r#"<w:headerReference w:type="default" r:id="rId1"/>"#, 567),
    };
    text += &format!(
        r#"<w:sectPr>{first}<w:footerReference w:type="default" r:id="rId2"/><w:pgSz w:w="{WIDTH}" w:h="{HEIGHT}"/><w:pgMar w:top="{top}" w:right="{right}" w:bottom="{bottom}" w:left="{left}" w:header="567" w:footer="{footer_at}" w:gutter="0"/></w:sectPr></w:body></w:document>"#
    );
    text
}

// Two characters in, lines 29 points apart.
fn lined(look: &Look, before: &str) -> String {
    let first = look.body.1 * 20;
    format!(
        r#"{before}<w:spacing w:before="0" w:after="0" w:line="580" w:lineRule="exact"/><w:ind w:firstLineChars="200" w:firstLine="{first}"/>"#
    )
}

fn closing(look: &Look, lines: &[String]) -> String {
    let mut text = paragraph(look.body.0, "", look.body.1, false, "<w:keepNext/>");
    for line in lines {
        let set =
            r#"<w:keepNext/><w:keepLines/><w:ind w:rightChars="200" w:right="640"/><w:jc w:val="right"/>"#;
        text += &paragraph(look.body.0, line, look.body.1, false, set);
    }
    text
}

fn framed(look: &Look, words: &str) -> String {
    let edge = |side: &str| format!(r#"<w:{side} w:val="single" w:sz="6" w:space="4" w:color="BAC0CA"/>"#);
    let edges: String = ["top", "left", "bottom", "right"].map(edge).concat();
    paragraph(look.body.0, words, look.body.1, false, &format!("<w:pBdr>{edges}</w:pBdr>"))
}

// As wide as the text and two fifths as high; lengths in 1/914,400 of an inch.
fn drawn(look: &Look, chart: &Chart, number: usize) -> String {
    let width = u64::from(look.text_width()) * 635;
    let name = escaped(&chart.title);
    format!(
        r#"<w:p><w:pPr><w:spacing w:before="120" w:after="120"/><w:jc w:val="center"/></w:pPr><w:r><w:drawing><wp:inline distT="0" distB="0" distL="0" distR="0"><wp:extent cx="{width}" cy="{}"/><wp:docPr id="{number}" name="{name}" descr="{name}"/><wp:cNvGraphicFramePr/>{}</wp:inline></w:drawing></w:r></w:p>"#,
        width * 11 / 24,
        // The relations of header, footer and settings come first.
        graphic(number + 3)
    )
}

fn table(look: &Look, columns: &[Column], rows: &[Vec<String>], headed: bool) -> String {
    // A table needs a column, or it is none.
    if columns.is_empty() {
        return String::new();
    }
    let whole = look.text_width();
    let shares: u32 = columns.iter().map(|column| u32::from(column.share.max(1))).sum();
    let width = |column: &Column| whole * u32::from(column.share.max(1)) / shares;
    let colour = if look.official { "000000" } else { "BAC0CA" };
    let edge = |side: &str| format!(r#"<w:{side} w:val="single" w:sz="4" w:space="0" w:color="{colour}"/>"#);
    let edges: String = ["top", "left", "bottom", "right", "insideH", "insideV"].map(edge).concat();
    let mut text = format!(
        r#"<w:tbl><w:tblPr><w:tblW w:w="{whole}" w:type="dxa"/><w:tblBorders>{edges}</w:tblBorders><w:tblLayout w:type="fixed"/></w:tblPr><w:tblGrid>"#
    );
    for column in columns {
        text += &format!(r#"<w:gridCol w:w="{}"/>"#, width(column));
    }
    text += "</w:tblGrid>";
    if headed {
        text += "<w:tr><w:trPr><w:cantSplit/><w:tblHeader/></w:trPr>";
        for column in columns {
            text += &cell(look, &column.title, width(column), column.to_the_right, true, true);
        }
        text += "</w:tr>";
    }
    // A short table stays on one page: each of its rows with the next.
    let short = rows.len() <= 8;
    for (number, row) in rows.iter().enumerate() {
        text += if short { "<w:tr><w:trPr><w:cantSplit/></w:trPr>" } else { "<w:tr>" };
        let kept = short && number + 1 < rows.len();
        for (place, column) in columns.iter().enumerate() {
            let words = row.get(place).map_or("", String::as_str);
            text += &cell(look, words, width(column), column.to_the_right, !headed && place == 0, kept);
        }
        text += "</w:tr>";
    }
    // Two tables that follow each other would become one.
    text + r#"</w:tbl><w:p><w:pPr><w:spacing w:before="0" w:after="0" w:line="240" w:lineRule="exact"/></w:pPr></w:p>"#
}

fn cell(look: &Look, words: &str, width: u32, to_the_right: bool, bold: bool, kept: bool) -> String {
    let kept = if kept { "<w:keepNext/>" } else { "" };
    let place = if to_the_right { r#"<w:jc w:val="right"/>"# } else { "" };
    let face = if look.official { "宋体" } else { look.body.0 };
    format!(
        r#"<w:tc><w:tcPr><w:tcW w:w="{width}" w:type="dxa"/><w:vAlign w:val="center"/></w:tcPr>{}</w:tc>"#,
        paragraph(
            face,
            words,
            look.cell,
            bold,
            &format!(r#"{kept}<w:spacing w:before="40" w:after="40"/>{place}"#)
        )
    )
}

fn paragraph(face: &str, words: &str, half_points: u32, bold: bool, set: &str) -> String {
    format!("<w:p><w:pPr>{set}</w:pPr>{}</w:p>", run(face, words, half_points, bold))
}

// A line feed begins a new line, as in the PDF.
fn run(face: &str, words: &str, half_points: u32, bold: bool) -> String {
    let weight = if bold { "<w:b/>" } else { "" };
    let face = format!(r#"<w:rFonts w:ascii="{face}" w:hAnsi="{face}" w:eastAsia="{face}"/>"#);
    let lines: Vec<String> = words
        .split('\n')
        .map(|line| format!(r#"<w:t xml:space="preserve">{}</w:t>"#, escaped(line)))
        .collect();
    format!(
        r#"<w:r><w:rPr>{face}{weight}<w:sz w:val="{half_points}"/><w:lang w:eastAsia="zh-CN"/></w:rPr>{}</w:r>"#,
        lines.join("<w:br/>")
    )
}
