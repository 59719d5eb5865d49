//! Sets a document's blocks on sheets, one after another.
use std::collections::BTreeSet;

use crate::{
    bars,
    face::Face,
    layout::{Layout, Style},
    lines::lines,
    model::{Block, Document, Form},
    sheet::{HEIGHT, Ink, Mark, Sheet},
    table::{self, Grid},
};

const PAGE: Style = Style { size: 8_500, leading: 12_000, bold: false, ink: Ink::Grey };
const HAIR: i32 = 500;

/// Where the next thing goes.
pub struct Flow<'a> {
    /// The typeface.
    pub face: &'a Face,
    /// The form's measures.
    pub layout: &'static Layout,
    /// The sheets so far, the last being set.
    pub sheets: Vec<Sheet>,
    /// How far down the sheet is set.
    pub y: i32,
}

/// The sheets of a document, and the characters that the typeface lacks.
pub fn set(face: &Face, document: &Document, form: Form) -> (Vec<Sheet>, BTreeSet<char>) {
    let mut missing = BTreeSet::new();
    let layout = Layout::of(form);
    let mut flow = Flow { face, layout, sheets: vec![Sheet::default()], y: layout.top };
    let mut spell = |text: &str| face.spell(text, &mut missing);
    flow.title(&spell(&document.title), &spell(&document.subtitle));
    for (at, block) in document.blocks.iter().enumerate() {
        flow.block(block, &document.blocks[at + 1..], &mut spell);
    }
    if layout.official {
        flow.number();
        return (flow.sheets, missing);
    }
    let header = (spell(&document.header.0), spell(&document.header.1));
    flow.furnish(&header, &spell(&document.footer));
    (flow.sheets, missing)
}

impl Flow<'_> {
    fn title(&mut self, title: &str, subtitle: &str) {
        self.y += 6_000;
        self.centred(title, self.layout.title);
        if !subtitle.is_empty() {
            self.centred(subtitle, self.layout.subtitle);
        }
        self.y += 10_000;
    }

    /// Sets lines in the middle.
    pub fn centred(&mut self, text: &str, style: Style) {
        for line in lines(self.face, text, style.size, self.layout.width()) {
            let x = self.layout.left + (self.layout.width() - self.face.width(&line, style.size)) / 2;
            self.line(x, &line, style);
        }
    }

    fn block(&mut self, block: &Block, next: &[Block], spell: &mut impl FnMut(&str) -> String) {
        let layout = self.layout;
        match block {
            Block::Heading(text) if layout.official => {
                self.room(self.keep(next) + layout.heading.leading);
                self.paragraph(&spell(text), layout.heading, 0);
            }
            Block::Heading(text) => self.heading(&spell(text), next),
            Block::Subheading(text) => {
                self.room(self.keep(next) + layout.subheading.leading);
                self.y += if layout.official { 0 } else { 4_000 };
                self.paragraph(&spell(text), layout.subheading, 0);
            }
            Block::Paragraph(text) => self.paragraph(&spell(text), layout.body, self.signed(next)),
            Block::Remark(text) => self.remark(&spell(text)),
            Block::Callout(text) => self.callout(&spell(text)),
            Block::Facts(facts) => {
                let facts = facts.iter().map(|(name, value)| vec![spell(name), spell(value)]).collect();
                table::set(self, &Grid::facts(layout, facts));
            }
            Block::Table { columns, rows } => {
                let rows = rows.iter().map(|row| row.iter().map(|cell| spell(cell)).collect()).collect();
                let heads = columns.iter().map(|column| spell(&column.title)).collect();
                table::set(self, &Grid::table(layout, columns, heads, rows));
            }
            Block::Caption(text) => {
                let style = Style { bold: true, ..layout.cell };
                self.room(self.keep(next) + 2 * style.leading);
                self.y += style.leading / 2;
                self.centred(&spell(text), style);
                self.y += 2_000;
            }
            Block::Chart(chart) => bars::set(self, chart, spell),
            Block::Closing(lines) => self.closing(&lines.iter().map(|line| spell(line)).collect::<Vec<_>>()),
        }
    }

    // A heading is not left alone at the foot of a page: what follows begins below it, whole where it is short.
    fn keep(&self, next: &[Block]) -> i32 {
        let layout = self.layout;
        let few = 4 * layout.cell.leading;
        match next.split_first() {
            Some((Block::Chart(_), _)) => bars::HEIGHT,
            Some((Block::Table { columns, rows }, _)) => {
                let heads = columns.iter().map(|column| column.title.clone()).collect();
                table::whole(self, &Grid::table(layout, columns, heads, rows.clone())).unwrap_or(few)
            }
            Some((Block::Facts(facts), _)) => {
                let rows = facts.iter().map(|(name, value)| vec![name.clone(), value.clone()]).collect();
                table::whole(self, &Grid::facts(layout, rows)).unwrap_or(few)
            }
            Some((Block::Heading(_) | Block::Subheading(_) | Block::Caption(_), rest)) => {
                2 * layout.body.leading + self.keep(rest)
            }
            _ => 2 * layout.body.leading,
        }
    }

    fn heading(&mut self, text: &str, next: &[Block]) {
        let layout = self.layout;
        self.room(self.keep(next) + 2 * layout.heading.leading);
        if self.y > layout.top {
            self.y += 8_000;
        }
        let bar = self.y + 4_500;
        for line in lines(self.face, text, layout.heading.size, layout.width() - 10_000) {
            self.room(layout.heading.leading);
            self.line(layout.left + 10_000, &line, layout.heading);
        }
        self.fill(layout.left, bar, 3_000, layout.heading.leading - 9_000, Ink::Blue);
        self.y += 4_000;
    }

    // How much room who signs takes below the last lines of the text: a page that holds nothing else would look forged.
    fn signed(&self, next: &[Block]) -> i32 {
        match next.first() {
            Some(Block::Closing(lines)) => {
                (i32::try_from(lines.len()).unwrap_or_default() + 2) * self.layout.body.leading
            }
            _ => 0,
        }
    }

    // An official document's paragraphs begin two characters in (GB/T 9704-2012 7.3.3), and stand close.
    fn paragraph(&mut self, text: &str, style: Style, after: i32) {
        let layout = self.layout;
        let text = match layout.official {
            true => {
                text.split('\n').map(|line| format!("\u{3000}\u{3000}{line}")).collect::<Vec<_>>().join("\n")
            }
            false => text.to_owned(),
        };
        let set = lines(self.face, &text, style.size, layout.width());
        for (at, line) in set.iter().enumerate() {
            // Neither the first line of a paragraph nor its last stands alone on a page.
            let together = if set.len() > 1 && (at == 0 || at + 2 == set.len()) { 2 } else { 1 };
            let last = if at + 2 >= set.len() { after } else { 0 };
            self.room(together * style.leading + last);
            self.line(layout.left, line, style);
        }
        self.y += if layout.official { 0 } else { 4_000 };
    }

    fn remark(&mut self, text: &str) {
        let (layout, style) = (self.layout, self.layout.remark);
        for line in lines(self.face, text, style.size, layout.width()) {
            self.room(style.leading);
            self.line(layout.left, &line, style);
        }
        self.y += if layout.official { 8_000 } else { 4_000 };
    }

    // The office two characters from the right, and the day below its middle (GB/T 9704-2012 7.3.5.3); they stand together.
    fn closing(&mut self, closing: &[String]) {
        let (layout, style) = (self.layout, self.layout.body);
        let count = i32::try_from(closing.len()).unwrap_or_default();
        self.room((count + 2) * style.leading);
        self.y += 2 * style.leading;
        let widest = closing.iter().map(|line| self.face.width(line, style.size)).max().unwrap_or_default();
        let middle = (layout.right - 2 * style.size - widest / 2).max(layout.left + widest / 2);
        for line in closing {
            let x = middle - self.face.width(line, style.size) / 2;
            self.line(x.max(layout.left), line, style);
        }
    }

    // A callout is short; one longer than what is left of the page goes on in a frame of its own.
    fn callout(&mut self, text: &str) {
        let (layout, style) = (self.layout, self.layout.body);
        let set = lines(self.face, text, style.size, layout.width() - 24_000);
        let mut rest = set.as_slice();
        while !rest.is_empty() {
            self.room(style.leading * 2 + 12_000);
            let fit = usize::try_from((layout.bottom - self.y - 12_000) / style.leading).unwrap_or_default();
            let (here, after) = rest.split_at(rest.len().min(fit.max(1)));
            let height = style.leading * i32::try_from(here.len()).unwrap_or_default() + 12_000;
            self.fill(layout.left, self.y, layout.width(), height, Ink::Notice);
            self.fill(layout.left, self.y, 3_000, height, Ink::Blue);
            self.y += 6_000;
            for line in here {
                self.line(layout.left + 14_000, line, style);
            }
            self.y += 6_000;
            rest = after;
        }
        self.y += 8_000;
    }

    // Headers and footers come last, when the number of pages is known.
    fn furnish(&mut self, header: &(String, String), footer: &str) {
        let (pages, layout) = (self.sheets.len(), self.layout);
        for (index, sheet) in self.sheets.iter_mut().enumerate() {
            let page = format!("第 {} 页 / 共 {pages} 页", index + 1);
            let width = layout.width();
            let half = |text: &str| -> String {
                lines(self.face, text, PAGE.size, width * 2 / 3).into_iter().next().unwrap_or_default()
            };
            let mut put = |text: String, y: i32, to_the_right: bool| {
                let x =
                    if to_the_right { layout.right - self.face.width(&text, PAGE.size) } else { layout.left };
                sheet.marks.push(Mark::Text { x, y, size: PAGE.size, bold: false, ink: PAGE.ink, text });
            };
            put(half(&header.0), 48_000, false);
            put(half(&header.1), 48_000, true);
            put(half(footer), HEIGHT - 44_000, false);
            put(page, HEIGHT - 44_000, true);
            for y in [55_000, HEIGHT - 58_000] {
                sheet.marks.push(Mark::Fill { x: layout.left, y, width, height: HAIR, ink: Ink::Line });
            }
        }
    }

    // An official document's pages: — 1 — in size 4, one character from the outer edge, right on odd pages and left on even ones, 7 mm below the text.
    fn number(&mut self) {
        let (layout, size) = (self.layout, 14_000);
        for (index, sheet) in self.sheets.iter_mut().enumerate() {
            let text = format!("— {} —", index + 1);
            let odd = index % 2 == 0;
            let x = if odd { layout.right - size - self.face.width(&text, size) } else { layout.left + size };
            let y = layout.bottom + 19_843 + size;
            sheet.marks.push(Mark::Text { x, y, size, bold: false, ink: Ink::Black, text });
        }
    }

    /// Begins a new page unless this much is left on the present one.
    pub fn room(&mut self, height: i32) {
        if self.y + height > self.layout.bottom && self.y > self.layout.top {
            self.turn();
        }
    }

    /// Begins a new page.
    pub fn turn(&mut self) {
        self.sheets.push(Sheet::default());
        self.y = self.layout.top;
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
