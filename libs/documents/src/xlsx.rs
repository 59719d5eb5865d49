//! Writes a workbook as XLSX (ISO/IEC 29500): typed cells, print set-up, native charts. The same workbook gives the same bytes.
use std::fmt::Write as _;

use crate::{
    book::{Cell, Page, Workbook},
    chart::{self, Cells, column_name, graphic},
    model::decimal,
    package::{HEAD, OFFICE, Part, SHEETS, Unpackable, escaped, package, relations},
};

const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
// The styles of cells, by their place in the table below.
const TITLE: usize = 1;
const REMARK: usize = 2;
const NAME: usize = 3;
const TEXT: usize = 4;
// The first of the numbers' styles, by decimal places.
const NUMBER: usize = 5;
const PLACES_MOST: u8 = 4;
// A chart's rows of 20 points, with one between.
const CHART_ROWS: usize = 17;
const TABLE_FROM: usize = 3;

/// Writes a workbook.
pub fn xlsx(book: &Workbook) -> Result<Vec<u8>, Unpackable> {
    let names = names(&book.pages);
    let mut parts = vec![
        Part::xml("xl/workbook.xml", format!("{SHEETS}.sheet.main+xml"), workbook(&book.pages, &names)),
        Part::xml("xl/styles.xml", format!("{SHEETS}.styles+xml"), styles()),
    ];
    let mut related = Vec::new();
    let mut charts = 0;
    for (number, (page, name)) in (1..).zip(book.pages.iter().zip(&names)) {
        related.push(("worksheet", format!("worksheets/sheet{number}.xml")));
        let file = format!("xl/worksheets/sheet{number}.xml");
        parts.push(Part::xml(file, format!("{SHEETS}.worksheet+xml"), sheet(page)));
        if page.plots.is_empty() {
            continue;
        }
        let drawing = [("drawing", format!("../drawings/drawing{number}.xml"))];
        parts.push(Part::xml(format!("xl/worksheets/_rels/sheet{number}.xml.rels"), "", relations(&drawing)));
        let media = "application/vnd.openxmlformats-officedocument.drawing+xml";
        parts.push(Part::xml(format!("xl/drawings/drawing{number}.xml"), media, drawn(page)));
        let mut of_drawing = Vec::new();
        for plot in &page.plots {
            charts += 1;
            of_drawing.push(("chart", format!("../charts/chart{charts}.xml")));
            let cells = Cells {
                sheet: name,
                head: TABLE_FROM,
                first: TABLE_FROM + 1,
                categories: plot.categories,
                series: plot.series.clone(),
            };
            let text = chart::part(&page.chart(plot), &cells, false);
            parts.push(Part::xml(format!("xl/charts/chart{charts}.xml"), chart::MEDIA, text));
        }
        let file = format!("xl/drawings/_rels/drawing{number}.xml.rels");
        parts.push(Part::xml(file, "", relations(&of_drawing)));
    }
    related.push(("styles", String::from("styles.xml")));
    parts.push(Part::xml("xl/_rels/workbook.xml.rels", "", relations(&related)));
    package(&book.title, &book.author, book.created, "xl/workbook.xml", parts)
}

// Names as spreadsheets allow them, no two alike.
fn names(pages: &[Page]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for page in pages {
        let allowed =
            page.name.chars().filter(|letter| !"[]:*?/\\'".contains(*letter) && !letter.is_control());
        let mut name: String = allowed.take(28).collect();
        if name.is_empty() || names.contains(&name) {
            name = format!("{name}{}", names.len() + 1);
        }
        names.push(name);
    }
    names
}

fn workbook(pages: &[Page], names: &[String]) -> String {
    let (mut sheets, mut heads) = (String::new(), String::new());
    for (number, (_, name)) in (1..).zip(pages.iter().zip(names)) {
        let name = escaped(name);
        let _ = write!(sheets, r#"<sheet name="{name}" sheetId="{number}" r:id="rId{number}"/>"#);
        let local = number - 1;
        let _ = write!(
            heads,
            r#"<definedName name="_xlnm.Print_Titles" localSheetId="{local}">'{name}'!${TABLE_FROM}:${TABLE_FROM}</definedName>"#
        );
    }
    format!(
        r#"{HEAD}<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>{sheets}</sheets><definedNames>{heads}</definedNames></workbook>"#
    )
}

fn styles() -> String {
    let font = |size: u8, more: &str| {
        format!(r#"<font>{more}<sz val="{size}"/><name val="宋体"/><charset val="134"/></font>"#)
    };
    let fonts = [font(11, ""), font(16, "<b/>"), font(10, ""), font(11, "<b/>")].concat();
    let edge = |side: &str| format!(r#"<{side} style="thin"><color rgb="FF8A919E"/></{side}>"#);
    let edges = ["left", "right", "top", "bottom"].map(edge).concat();
    let formats: String = (1..=PLACES_MOST)
        .map(|places| {
            let code = chart::format_code(places);
            format!(r#"<numFmt numFmtId="{}" formatCode="{code}"/>"#, 164 + u16::from(places))
        })
        .collect();
    let mut cells = String::from(r#"<xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>"#);
    cells += r#"<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1" applyAlignment="1"><alignment horizontal="center" vertical="center" wrapText="1"/></xf>"#;
    cells += r#"<xf numFmtId="0" fontId="2" fillId="0" borderId="0" xfId="0" applyFont="1" applyAlignment="1"><alignment vertical="center" wrapText="1"/></xf>"#;
    cells += r#"<xf numFmtId="0" fontId="3" fillId="2" borderId="1" xfId="0" applyFont="1" applyFill="1" applyBorder="1" applyAlignment="1"><alignment horizontal="center" vertical="center" wrapText="1"/></xf>"#;
    cells += r#"<xf numFmtId="49" fontId="0" fillId="0" borderId="1" xfId="0" applyNumberFormat="1" applyBorder="1" applyAlignment="1"><alignment horizontal="left" indent="1" vertical="center" wrapText="1"/></xf>"#;
    for places in 0..=PLACES_MOST {
        let format = if places == 0 { 3 } else { 164 + u16::from(places) };
        cells += &format!(
            r#"<xf numFmtId="{format}" fontId="0" fillId="0" borderId="1" xfId="0" applyNumberFormat="1" applyBorder="1" applyAlignment="1"><alignment vertical="center"/></xf>"#
        );
    }
    format!(
        r#"{HEAD}<styleSheet xmlns="{MAIN}"><numFmts count="{PLACES_MOST}">{formats}</numFmts><fonts count="4">{fonts}</fonts><fills count="3"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill><fill><patternFill patternType="solid"><fgColor rgb="FFE9EDF4"/><bgColor indexed="64"/></patternFill></fill></fills><borders count="2"><border><left/><right/><top/><bottom/><diagonal/></border><border>{edges}<diagonal/></border></borders><cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs><cellXfs count="{}">{cells}</cellXfs></styleSheet>"#,
        NUMBER + usize::from(PLACES_MOST) + 1
    )
}

fn sheet(page: &Page) -> String {
    let last = column_name(page.columns.len().max(1) - 1);
    let mut text = format!(
        r#"{HEAD}<worksheet xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheetPr><pageSetUpPr fitToPage="1"/></sheetPr>"#
    );
    // The heads stay in sight.
    text += &format!(
        r#"<sheetViews><sheetView showGridLines="0" workbookViewId="0"><pane ySplit="{TABLE_FROM}" topLeftCell="A{}" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><sheetFormatPr defaultRowHeight="20" customHeight="1"/>"#,
        TABLE_FROM + 1
    );
    let mut widths = String::new();
    for (number, column) in (1..).zip(&page.columns) {
        let _ = write!(
            widths,
            r#"<col min="{number}" max="{number}" width="{}" customWidth="1"/>"#,
            column.share.max(4)
        );
    }
    if !widths.is_empty() {
        text += &format!("<cols>{widths}</cols>");
    }
    text += "<sheetData>";
    let width: usize = page.columns.iter().map(|column| usize::from(column.share.max(4))).sum();
    let _ = write!(
        text,
        r#"<row r="1" ht="{}" customHeight="1">{}</row>"#,
        26 * lines(&page.title, width * 2 / 3),
        said("A1", TITLE, &page.title)
    );
    let _ = write!(
        text,
        r#"<row r="2" ht="{}" customHeight="1">{}</row>"#,
        16 * lines(&page.remark, width),
        said("A2", REMARK, &page.remark)
    );
    let _ = write!(text, r#"<row r="{TABLE_FROM}" ht="32" customHeight="1">"#);
    for (column, head) in page.columns.iter().enumerate() {
        text += &said(&format!("{}{TABLE_FROM}", column_name(column)), NAME, &head.title);
    }
    text += "</row>";
    for (number, row) in (TABLE_FROM + 1..).zip(&page.rows) {
        let tall = page.columns.iter().enumerate().map(|(column, of)| match row.get(column) {
            Some(Cell::Text(words)) => {
                words.split('\n').map(|line| lines(line, usize::from(of.share.max(4)))).sum()
            }
            _ => 1,
        });
        // Spreadsheets hold 409 points a row.
        let tall = (tall.max().unwrap_or(1) * 15 + 5).min(409);
        let _ = write!(text, r#"<row r="{number}" ht="{tall}" customHeight="1">"#);
        for column in 0..page.columns.len() {
            let place = format!("{}{number}", column_name(column));
            match row.get(column) {
                Some(Cell::Number(value, places)) => {
                    let style = NUMBER + usize::from((*places).min(PLACES_MOST));
                    let _ =
                        write!(text, r#"<c r="{place}" s="{style}"><v>{}</v></c>"#, decimal(*value, *places));
                }
                Some(Cell::Text(words)) => text += &said(&place, TEXT, words),
                None => text += &said(&place, TEXT, ""),
            }
        }
        text += "</row>";
    }
    text += &format!(
        r#"</sheetData><mergeCells count="2"><mergeCell ref="A1:{last}1"/><mergeCell ref="A2:{last}2"/></mergeCells><printOptions horizontalCentered="1"/><pageMargins left="0.6" right="0.6" top="0.75" bottom="0.75" header="0.3" footer="0.3"/><pageSetup paperSize="9" orientation="{}" fitToWidth="1" fitToHeight="0"/><headerFooter><oddFooter>&amp;C第 &amp;P 页 / 共 &amp;N 页</oddFooter></headerFooter>"#,
        if width > 110 { "landscape" } else { "portrait" }
    );
    // One column has nothing to merge.
    if page.columns.len() < 2 {
        text = text.replace(&format!(r#"<mergeCells count="2"><mergeCell ref="A1:{last}1"/><mergeCell ref="A2:{last}2"/></mergeCells>"#), "");
    }
    if !page.plots.is_empty() {
        text += r#"<drawing r:id="rId1"/>"#;
    }
    text + "</worksheet>"
}

// How many lines a text takes in a column of so many characters; an ideograph is two.
fn lines(text: &str, width: usize) -> usize {
    let wide: usize = text.chars().map(|letter| if letter.is_ascii() { 1 } else { 2 }).sum();
    wide.div_ceil(width.saturating_sub(2).max(1)).max(1)
}

fn said(place: &str, style: usize, words: &str) -> String {
    if words.is_empty() {
        return format!(r#"<c r="{place}" s="{style}"/>"#);
    }
    format!(
        r#"<c r="{place}" s="{style}" t="inlineStr"><is><t xml:space="preserve">{}</t></is></c>"#,
        escaped(words)
    )
}

// The charts below the table, one after the other, as wide as the table.
fn drawn(page: &Page) -> String {
    let mut text = format!(
        r#"{HEAD}<xdr:wsDr xmlns:xdr="http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing" xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main">"#
    );
    let first = TABLE_FROM + page.rows.len() + 1;
    for (place, plot) in page.plots.iter().enumerate() {
        let (from, number) = (first + place * CHART_ROWS, place + 1);
        let _ = write!(
            text,
            r#"<xdr:twoCellAnchor><xdr:from><xdr:col>0</xdr:col><xdr:colOff>0</xdr:colOff><xdr:row>{from}</xdr:row><xdr:rowOff>0</xdr:rowOff></xdr:from><xdr:to><xdr:col>{}</xdr:col><xdr:colOff>0</xdr:colOff><xdr:row>{}</xdr:row><xdr:rowOff>0</xdr:rowOff></xdr:to><xdr:graphicFrame macro=""><xdr:nvGraphicFramePr><xdr:cNvPr id="{}" name="{}"/><xdr:cNvGraphicFramePr/></xdr:nvGraphicFramePr><xdr:xfrm><a:off x="0" y="0"/><a:ext cx="0" cy="0"/></xdr:xfrm>{}</xdr:graphicFrame><xdr:clientData/></xdr:twoCellAnchor>"#,
            page.columns.len(),
            from + CHART_ROWS - 1,
            number + 1,
            escaped(&plot.title),
            graphic(number)
        );
    }
    text + "</xdr:wsDr>"
}
