//! A sheet of A4 with what stands on it, before any format is written. Origin at the top left.

/// 210 mm.
pub const WIDTH: i32 = 595_276;
/// 297 mm.
pub const HEIGHT: i32 = 841_890;
/// A colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// The text's.
    Black,
    /// Small print.
    Grey,
    /// Headings.
    Blue,
    /// A table's lines.
    Line,
    /// Behind heads and names.
    Shade,
    /// Behind a callout.
    Notice,
    /// A chart's bars, by their place in a group.
    Series(usize),
}

/// Something on a sheet.
#[derive(Clone, Debug)]
pub enum Mark {
    /// A line of text, from its left end on its base line.
    Text {
        /// From the left.
        x: i32,
        /// From the top.
        y: i32,
        /// The type's size.
        size: i32,
        /// Whether it is bold.
        bold: bool,
        /// Its colour.
        ink: Ink,
        /// What it says.
        text: String,
    },
    /// A filled rectangle; a thin one is a line.
    Fill {
        /// From the left.
        x: i32,
        /// From the top.
        y: i32,
        /// How wide.
        width: i32,
        /// How high.
        height: i32,
        /// Its colour.
        ink: Ink,
    },
}

/// A page.
#[derive(Clone, Debug, Default)]
pub struct Sheet {
    /// What stands on it; what comes first lies below.
    pub marks: Vec<Mark>,
}
