//! Sets a document's blocks on sheets, one after another.
use std::collections::BTreeSet;

use crate::{
    face::Face,
    lines::lines,
    model::{Block, Document},
    sheet::{BOTTOM, HEIGHT, Ink, LEFT, Mark, RIGHT, Sheet, TOP},
    table::{self, Grid},
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

const TITLE: Style = style(22_000, 32_000, true, Ink::Black);
const SUBTITLE: Style = style(11_000, 18_000, false, Ink::Grey);
const HEADING: Style = style(13_500, 22_000, true, Ink::Blue);
const SUBHEADING: Style = style(10_500, 18_000, true, Ink::Black);
const BODY: Style = style(10_500, 18_000, false, Ink::Black);
const REMARK: Style = style(8_500, 14_000, false, Ink::Grey);
const PAGE: Style = style(8_500, 12_000, false, Ink::Grey);
const HAIR: i32 = 500;
// A heading is not left alone at the foot of a page.
const KEEP: i32 = 64_000;

/// Where the next thing goes.
pub struct Flow<'a> {
    /// The typeface.
    pub face: &'a Face,
    /// The sheets so far, the last being set.
    pub sheets: Vec<Sheet>,
    /// How far down the sheet is set.
    pub y: i32,
}

/// The sheets of a document, and the characters that the typeface lacks.
pub fn set(face: &Face, document: &Document) -> (Vec<Sheet>, BTreeSet<char>) {
    let mut missing = BTreeSet::new();
    let mut flow = Flow { face, sheets: vec![Sheet::default()], y: TOP };
    let mut spell = |text: &str| face.spell(text, &mut missing);
    flow.title(&spell(&document.title), &spell(&document.subtitle));
    for block in &document.blocks {
        flow.block(block, &mut spell);
    }
    let header = (spell(&document.header.0), spell(&document.header.1));
    flow.furnish(&header, &spell(&document.footer));
    (flow.sheets, missing)
}

impl Flow<'_> {
    fn title(&mut self, title: &str, subtitle: &str) {
        self.y += 6_000;
        self.centred(title, TITLE);
        if !subtitle.is_empty() {
            self.centred(subtitle, SUBTITLE);
        }
        self.y += 10_000;
    }

    fn centred(&mut self, text: &str, style: Style) {
        for line in lines(self.face, text, style.size, RIGHT - LEFT) {
            let x = LEFT + (RIGHT - LEFT - self.face.width(&line, style.size)) / 2;
            self.line(x, &line, style);
        }
    }

    fn block(&mut self, block: &Block, spell: &mut impl FnMut(&str) -> String) {
        match block {
            Block::Heading(text) => self.heading(&spell(text)),
            Block::Subheading(text) => {
                self.room(KEEP);
                self.y += 4_000;
                self.paragraph(&spell(text), SUBHEADING);
            }
            Block::Paragraph(text) => self.paragraph(&spell(text), BODY),
            Block::Remark(text) => self.paragraph(&spell(text), REMARK),
            Block::Callout(text) => self.callout(&spell(text)),
            Block::Facts(facts) => {
                let facts = facts.iter().map(|(name, value)| vec![spell(name), spell(value)]).collect();
                table::set(self, &Grid::facts(facts));
            }
            Block::Table { columns, rows } => {
                let rows = rows.iter().map(|row| row.iter().map(|cell| spell(cell)).collect()).collect();
                let heads = columns.iter().map(|column| spell(&column.title)).collect();
                table::set(self, &Grid::table(columns, heads, rows));
            }
        }
    }

    fn heading(&mut self, text: &str) {
        self.room(KEEP + HEADING.leading);
        if self.y > TOP {
            self.y += 8_000;
        }
        let bar = self.y + 4_500;
        for line in lines(self.face, text, HEADING.size, RIGHT - LEFT - 10_000) {
            self.room(HEADING.leading);
            self.line(LEFT + 10_000, &line, HEADING);
        }
        self.fill(LEFT, bar, 3_000, HEADING.leading - 9_000, Ink::Blue);
        self.y += 4_000;
    }

    fn paragraph(&mut self, text: &str, style: Style) {
        for line in lines(self.face, text, style.size, RIGHT - LEFT) {
            self.room(style.leading);
            self.line(LEFT, &line, style);
        }
        self.y += 4_000;
    }

    // A callout is short; one longer than what is left of the page goes on in a frame of its own.
    fn callout(&mut self, text: &str) {
        let set = lines(self.face, text, BODY.size, RIGHT - LEFT - 24_000);
        let mut rest = set.as_slice();
        while !rest.is_empty() {
            self.room(BODY.leading * 2 + 12_000);
            let fit = usize::try_from((BOTTOM - self.y - 12_000) / BODY.leading).unwrap_or_default();
            let (here, after) = rest.split_at(rest.len().min(fit.max(1)));
            let height = BODY.leading * i32::try_from(here.len()).unwrap_or_default() + 12_000;
            self.fill(LEFT, self.y, RIGHT - LEFT, height, Ink::Notice);
            self.fill(LEFT, self.y, 3_000, height, Ink::Blue);
            self.y += 6_000;
            for line in here {
                self.line(LEFT + 14_000, line, BODY);
            }
            self.y += 6_000;
            rest = after;
        }
        self.y += 8_000;
    }

    // Headers and footers come last, when the number of pages is known.
    fn furnish(&mut self, header: &(String, String), footer: &str) {
        let pages = self.sheets.len();
        for (index, sheet) in self.sheets.iter_mut().enumerate() {
            let page = format!("第 {} 页 / 共 {pages} 页", index + 1);
            let width = RIGHT - LEFT;
            let half = |text: &str| -> String {
                lines(self.face, text, PAGE.size, width * 2 / 3).into_iter().next().unwrap_or_default()
            };
            let mut put = |text: String, y: i32, to_the_right: bool| {
                let x = if to_the_right { RIGHT - self.face.width(&text, PAGE.size) } else { LEFT };
                sheet.marks.push(Mark::Text { x, y, size: PAGE.size, bold: false, ink: PAGE.ink, text });
            };
            put(half(&header.0), 48_000, false);
            put(half(&header.1), 48_000, true);
            put(half(footer), HEIGHT - 44_000, false);
            put(page, HEIGHT - 44_000, true);
            for y in [55_000, HEIGHT - 58_000] {
                sheet.marks.push(Mark::Fill { x: LEFT, y, width, height: HAIR, ink: Ink::Line });
            }
        }
    }

    /// Begins a new page unless this much is left on the present one.
    pub fn room(&mut self, height: i32) {
        if self.y + height > BOTTOM {
            self.turn();
        }
    }

    /// Begins a new page.
    pub fn turn(&mut self) {
        self.sheets.push(Sheet::default());
        self.y = TOP;
    }

    /// Sets a line and goes down by its leading.
    pub fn line(&mut self, x: i32, text: &str, style: Style) {
        self.text(x, self.y + base(style), text, style);
        self.y += style.leading;
    }

    /// Sets a line on a base line.
    pub fn text(&mut self, x: i32, y: i32, text: &str, style: Style) {
        let Style { size, bold, ink, .. } = style;
        self.put(Mark::Text { x, y, size, bold, ink, text: text.to_owned() });
    }

    /// Fills a rectangle.
    pub fn fill(&mut self, x: i32, y: i32, width: i32, height: i32, ink: Ink) {
        self.put(Mark::Fill { x, y, width, height, ink });
    }

    fn put(&mut self, mark: Mark) {
        if let Some(sheet) = self.sheets.last_mut() {
            sheet.marks.push(mark);
        }
    }
}

/// How far below a line's top its base line lies: the square of an ideograph reaches 0.12 of its size below it.
pub fn base(style: Style) -> i32 {
    style.leading / 2 + style.size * 38 / 100
}
