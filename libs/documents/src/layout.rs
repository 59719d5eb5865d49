//! How each form is laid out: where the text stands on a sheet, and in which sizes.
use crate::{
    model::Form,
    sheet::{HEIGHT, Ink, WIDTH},
};

/// A kind of type: size, the distance between lines, weight and colour.
#[derive(Clone, Copy)]
pub struct Style {
    /// The type's size.
    pub size: i32,
    /// From base line to base line.
    pub leading: i32,
    /// Whether it is bold.
    pub bold: bool,
    /// Its colour.
    pub ink: Ink,
}

const fn style(size: i32, leading: i32, bold: bool, ink: Ink) -> Style {
    Style { size, leading, bold, ink }
}

/// A form's measures.
pub struct Layout {
    /// Where the text's left edge is.
    pub left: i32,
    /// Where its right edge is.
    pub right: i32,
    /// Where the text begins, below the page's header.
    pub top: i32,
    /// Where the text ends, above the page's footer.
    pub bottom: i32,
    /// The title.
    pub title: Style,
    /// What stands below it.
    pub subtitle: Style,
    /// A heading of the first level.
    pub heading: Style,
    /// A heading within a section.
    pub subheading: Style,
    /// The text.
    pub body: Style,
    /// Remarks.
    pub remark: Style,
    /// A table's cells.
    pub cell: Style,
    /// Whether it is an official document: paragraphs begin two characters in, headings are of the text's size, pages are numbered — 1 —.
    pub official: bool,
}

const PAPER: Layout = Layout {
    // 20 mm at either side.
    left: 56_693,
    right: WIDTH - 56_693,
    top: 76_535,
    bottom: HEIGHT - 70_866,
    title: style(22_000, 32_000, true, Ink::Black),
    subtitle: style(11_000, 18_000, false, Ink::Grey),
    heading: style(13_500, 22_000, true, Ink::Blue),
    subheading: style(10_500, 18_000, true, Ink::Black),
    body: style(10_500, 18_000, false, Ink::Black),
    remark: style(8_500, 14_000, false, Ink::Grey),
    cell: style(9_000, 14_500, false, Ink::Black),
    official: false,
};

// GB/T 9704-2012 5.2: 37 mm above, 28 mm left, a type area of 156 × 225 mm with 22 lines of 28 characters of size 3 (16 pt).
const OFFICIAL: Layout = Layout {
    left: 79_370,
    right: 79_370 + 442_205,
    top: 104_882,
    bottom: 104_882 + 638_000,
    title: style(22_000, 36_000, true, Ink::Black),
    subtitle: style(16_000, 29_000, false, Ink::Black),
    heading: style(16_000, 29_000, true, Ink::Black),
    subheading: style(16_000, 29_000, true, Ink::Black),
    body: style(16_000, 29_000, false, Ink::Black),
    remark: style(10_500, 17_000, false, Ink::Black),
    cell: style(10_500, 16_500, false, Ink::Black),
    official: true,
};

impl Layout {
    /// The layout of a form.
    pub const fn of(form: Form) -> &'static Self {
        match form {
            Form::Paper => &PAPER,
            Form::Official => &OFFICIAL,
        }
    }

    /// How wide the text is.
    pub const fn width(&self) -> i32 {
        self.right - self.left
    }
}
