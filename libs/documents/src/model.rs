//! What a document consists of, whichever format it is written in.
use jiff::civil::DateTime;

/// A document.
#[derive(Clone, Debug)]
pub struct Document {
    /// The title 标题, large above the first page's text.
    pub title: String,
    /// What stands below the title; empty for nothing.
    pub subtitle: String,
    /// Who issues it, for the file's properties.
    pub author: String,
    /// When it was made, +08:00. Given, since a document that is written again has to be the same.
    pub created: DateTime,
    /// What stands at the top of each page, left and right.
    pub header: (String, String),
    /// What stands at the foot of each page, left of the page's number.
    pub footer: String,
    /// What lies pale behind the text of each page 水印; empty for nothing.
    pub watermark: String,
    /// The text.
    pub blocks: Vec<Block>,
}

/// A part of the text.
#[derive(Clone, Debug)]
pub enum Block {
    /// A heading of the first level.
    Heading(String),
    /// A heading within a section.
    Subheading(String),
    /// A paragraph. A line feed in it begins a new line.
    Paragraph(String),
    /// A remark in small print.
    Remark(String),
    /// What the reader must not miss, in a frame.
    Callout(String),
    /// Names and values, in two columns.
    Facts(Vec<(String, String)>),
    /// A table, whose head stands again on each page that it reaches.
    Table {
        /// The columns.
        columns: Vec<Column>,
        /// The rows; a row's missing cells are empty, further ones are not shown.
        rows: Vec<Vec<String>>,
    },
    /// What a table below it shows 表题, in the middle.
    Caption(String),
    /// A chart of bars.
    Chart(Chart),
    /// Who signs and when 落款, at the right below the text, one a line.
    Closing(Vec<String>),
}

/// Bars side by side, a group a category.
#[derive(Clone, Debug)]
pub struct Chart {
    /// What it shows 图题.
    pub title: String,
    /// What is counted 单位, for example 户 or %.
    pub unit: String,
    /// The groups, from left to right.
    pub categories: Vec<String>,
    /// The bars of each group.
    pub series: Vec<Series>,
    /// How many decimal places the values have: 1234 with 2 of them is 12.34.
    pub places: u8,
}

/// One bar of each group.
#[derive(Clone, Debug)]
pub struct Series {
    /// What it is.
    pub name: String,
    /// Its value in each category, in units of the chart's last decimal place; negative ones are drawn as none.
    pub values: Vec<i64>,
}

/// How a document is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A report or paper of this suite: compact, its head and foot on each page.
    Paper,
    /// An official document 公文 after GB/T 9704-2012: its margins, sizes and page numbers; neither head nor watermark.
    Official,
}

/// A number with decimal places as a text.
pub(crate) fn decimal(value: i64, places: u8) -> String {
    let unit = 10_i64.pow(u32::from(places.min(9)));
    let (sign, value) = if value < 0 { ("-", value.unsigned_abs()) } else { ("", value.unsigned_abs()) };
    let unit = unit.unsigned_abs();
    let width = usize::from(places.min(9));
    match width {
        0 => format!("{sign}{value}"),
        _ => format!("{sign}{}.{:0width$}", value / unit, value % unit),
    }
}

/// A table's column.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its head.
    pub title: String,
    /// Its share of the width, in proportion to the others'.
    pub share: u16,
    /// Whether its cells end at the right edge, as sums do.
    pub to_the_right: bool,
}

impl Column {
    /// A column of text.
    pub fn text(title: &str, share: u16) -> Self {
        Self { title: title.to_owned(), share, to_the_right: false }
    }

    /// A column of numbers.
    pub fn number(title: &str, share: u16) -> Self {
        Self { to_the_right: true, ..Self::text(title, share) }
    }
}
