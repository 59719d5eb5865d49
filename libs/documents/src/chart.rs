//! A native chart of DOCX and XLSX (ISO/IEC 29500-1, DrawingML): bars whose numbers lie in cells of a sheet, with their values kept beside.
use crate::{
    bars::COLOURS,
    model::{Chart, decimal},
    package::{HEAD, OFFICE, escaped},
};

/// The media type of a chart's part.
pub const MEDIA: &str = "application/vnd.openxmlformats-officedocument.drawingml.chart+xml";

/// Where a chart's numbers lie: its rows, counted from 1, and the column of the categories and of each series.
pub struct Cells<'a> {
    /// The sheet's name.
    pub sheet: &'a str,
    /// The row of the heads.
    pub head: usize,
    /// The first row of numbers.
    pub first: usize,
    /// The column of the categories.
    pub categories: usize,
    /// The columns of the series.
    pub series: Vec<usize>,
}

/// The chart's part. `embedded` says that a workbook with the numbers is the part's first relation.
pub fn part(chart: &Chart, cells: &Cells<'_>, embedded: bool) -> String {
    let last = cells.first + chart.categories.len().saturating_sub(1);
    let sheet = format!("'{}'", cells.sheet.replace('\'', "''"));
    let range = |column: usize| {
        let name = column_name(column);
        escaped(&format!("{sheet}!${name}${}:${name}${last}", cells.first))
    };
    let head = |column: usize| escaped(&format!("{sheet}!${}${}", column_name(column), cells.head));
    let unit = if chart.unit.is_empty() { String::new() } else { format!("（单位：{}）", chart.unit) };
    let mut text = format!(
        r#"{HEAD}<c:chartSpace xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart" xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" xmlns:r="{OFFICE}"><c:roundedCorners val="0"/><c:chart><c:title><c:tx><c:rich><a:bodyPr/><a:p><a:pPr><a:defRPr sz="1200" b="1"/></a:pPr><a:r><a:rPr lang="zh-CN" sz="1200" b="1"/><a:t>{}</a:t></a:r></a:p></c:rich></c:tx><c:overlay val="0"/></c:title><c:autoTitleDeleted val="0"/><c:plotArea><c:layout/><c:barChart><c:barDir val="col"/><c:grouping val="clustered"/><c:varyColors val="0"/>"#,
        escaped(&format!("{}{unit}", chart.title))
    );
    for (place, series) in chart.series.iter().enumerate() {
        let (red, green, blue) = COLOURS[place % COLOURS.len()];
        let column = cells.series.get(place).copied().unwrap_or_default();
        text += &format!(
            r#"<c:ser><c:idx val="{place}"/><c:order val="{place}"/><c:tx><c:strRef><c:f>{}</c:f><c:strCache><c:ptCount val="1"/><c:pt idx="0"><c:v>{}</c:v></c:pt></c:strCache></c:strRef></c:tx><c:spPr><a:solidFill><a:srgbClr val="{red:02X}{green:02X}{blue:02X}"/></a:solidFill></c:spPr><c:invertIfNegative val="0"/>"#,
            head(column),
            escaped(&series.name)
        );
        text += r#"<c:dLbls><c:spPr><a:noFill/><a:ln><a:noFill/></a:ln></c:spPr><c:txPr><a:bodyPr/><a:lstStyle/><a:p><a:pPr><a:defRPr sz="800"/></a:pPr><a:endParaRPr lang="zh-CN"/></a:p></c:txPr><c:showLegendKey val="0"/><c:showVal val="1"/><c:showCatName val="0"/><c:showSerName val="0"/><c:showPercent val="0"/><c:showBubbleSize val="0"/></c:dLbls>"#;
        text += &format!(r#"<c:cat><c:strRef><c:f>{}</c:f><c:strCache>"#, range(cells.categories));
        text += &points(chart.categories.iter().map(|category| escaped(category)));
        text += &format!(
            r#"</c:strCache></c:strRef></c:cat><c:val><c:numRef><c:f>{}</c:f><c:numCache><c:formatCode>{}</c:formatCode>"#,
            range(column),
            format_code(chart.places)
        );
        let value = |at: usize| series.values.get(at).copied().unwrap_or_default();
        text += &points((0..chart.categories.len()).map(|at| decimal(value(at), chart.places)));
        text += "</c:numCache></c:numRef></c:val></c:ser>";
    }
    text += r#"<c:gapWidth val="60"/><c:axId val="1"/><c:axId val="2"/></c:barChart>"#;
    text += r#"<c:catAx><c:axId val="1"/><c:scaling><c:orientation val="minMax"/></c:scaling><c:delete val="0"/><c:axPos val="b"/><c:numFmt formatCode="General" sourceLinked="0"/><c:majorTickMark val="none"/><c:minorTickMark val="none"/><c:tickLblPos val="nextTo"/><c:crossAx val="2"/><c:crosses val="autoZero"/><c:auto val="1"/><c:lblAlgn val="ctr"/><c:lblOffset val="100"/><c:noMultiLvlLbl val="0"/></c:catAx>"#;
    text += &format!(
        r#"<c:valAx><c:axId val="2"/><c:scaling><c:orientation val="minMax"/><c:min val="0"/></c:scaling><c:delete val="0"/><c:axPos val="l"/><c:majorGridlines><c:spPr><a:ln w="6350"><a:solidFill><a:srgbClr val="D5D9E0"/></a:solidFill></a:ln></c:spPr></c:majorGridlines><c:numFmt formatCode="{}" sourceLinked="0"/><c:majorTickMark val="none"/><c:minorTickMark val="none"/><c:tickLblPos val="nextTo"/><c:crossAx val="1"/><c:crosses val="autoZero"/><c:crossBetween val="between"/></c:valAx></c:plotArea>"#,
        format_code(chart.places)
    );
    if chart.series.len() > 1 {
        text += r#"<c:legend><c:legendPos val="b"/><c:overlay val="0"/></c:legend>"#;
    }
    text += r#"<c:plotVisOnly val="1"/><c:dispBlanksAs val="gap"/></c:chart>"#;
    text += r#"<c:txPr><a:bodyPr/><a:lstStyle/><a:p><a:pPr><a:defRPr sz="900"><a:ea typeface="宋体"/></a:defRPr></a:pPr><a:endParaRPr lang="zh-CN"/></a:p></c:txPr>"#;
    if embedded {
        text += r#"<c:externalData r:id="rId1"><c:autoUpdate val="0"/></c:externalData>"#;
    }
    text + "</c:chartSpace>"
}

fn points(values: impl ExactSizeIterator<Item = String>) -> String {
    let mut text = format!(r#"<c:ptCount val="{}"/>"#, values.len());
    for (at, value) in values.enumerate() {
        text += &format!(r#"<c:pt idx="{at}"><c:v>{value}</c:v></c:pt>"#);
    }
    text
}

/// How a number with decimal places is shown.
pub fn format_code(places: u8) -> String {
    match places {
        0 => String::from("#,##0"),
        places => format!("#,##0.{}", "0".repeat(usize::from(places.min(9)))),
    }
}

/// A column's letters.
pub fn column_name(column: usize) -> String {
    let (mut name, mut rest) = (String::new(), column + 1);
    while rest > 0 {
        let letter = u8::try_from((rest - 1) % 26).unwrap_or_default();
        name.insert(0, char::from(b'A' + letter));
        rest = (rest - 1) / 26;
    }
    name
}

/// What shows a chart in a drawing: its frame's content, the chart being the relation of that number.
pub fn graphic(relation: usize) -> String {
    format!(
        r#"<a:graphic xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><a:graphicData uri="http://schemas.openxmlformats.org/drawingml/2006/chart"><c:chart xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart" xmlns:r="{OFFICE}" r:id="rId{relation}"/></a:graphicData></a:graphic>"#
    )
}
