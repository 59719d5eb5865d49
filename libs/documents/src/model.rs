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
