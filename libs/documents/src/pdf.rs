//! Writes sheets as PDF, with the typeface cut to what was used and embedded.
use std::collections::BTreeSet;

use jiff::civil::DateTime;
use krilla::{
    Document as Pdf, SerializeSettings,
    color::rgb,
    configure::{Archival, ConfigurationBuilder},
    geom::{PathBuilder, Point, Rect, Transform},
    metadata::{DateTime as Date, Metadata},
    num::NormalizedF32,
    page::PageSettings,
    paint::{Fill, FillRule, Stroke},
    surface::Surface,
    text::{Font, GlyphId, KrillaGlyph},
};

use crate::{
    face::{Face, NOTO_SANS_SC},
    flow,
    model::{Document, Form},
    sheet::{HEIGHT, Ink, Mark, Sheet, WIDTH},
};

/// A document written as PDF.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The file.
    pub bytes: Vec<u8>,
    /// How many pages it has.
    pub pages: usize,
    /// The characters that the typeface lacks; each stands in the text as 〔U+XXXX〕.
    pub missing: BTreeSet<char>,
}

/// Why no PDF was written: a fault of this library or of the embedded typeface, never of the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the PDF can't be written: {0}")]
pub struct Unwritable(String);

/// Writes a document as PDF/A-2u: an archive's form, in which all text can be searched and copied.
pub fn pdf(document: &Document) -> Result<Rendered, Unwritable> {
    pdf_in(document, Form::Paper)
}

/// Writes a document as PDF/A-2u in a form.
pub fn pdf_in(document: &Document, form: Form) -> Result<Rendered, Unwritable> {
    let broken = || Unwritable(String::from("the embedded typeface is damaged"));
    let face = Face::read().ok_or_else(broken)?;
    let font = Font::new(NOTO_SANS_SC.into(), 0).ok_or_else(broken)?;
    let (sheets, mut missing) = flow::set(&face, document, form);
    let watermark = face.spell(&document.watermark.replace('\n', " "), &mut missing);
    let configuration = ConfigurationBuilder::new()
        .with_archival_validator(Archival::A2_U)
        .finish()
        .map_err(|error| Unwritable(format!("{error:?}")))?;
    let mut file = Pdf::new_with(SerializeSettings { configuration, ..Default::default() });
    file.set_metadata(metadata(document));
    let pen = Pen { face: &face, font };
    for sheet in &sheets {
        let size = PageSettings::from_wh(points(WIDTH), points(HEIGHT));
        let mut page = file.start_page_with(size.ok_or_else(|| Unwritable(String::from("the page's size")))?);
        let mut surface = page.surface();
        pen.watermark(&mut surface, &watermark);
        pen.sheet(&mut surface, sheet);
        surface.finish();
        page.finish();
    }
    let bytes = file.finish().map_err(|error| Unwritable(format!("{error:?}")))?;
    Ok(Rendered { bytes, pages: sheets.len(), missing })
}

fn metadata(document: &Document) -> Metadata {
    Metadata::new()
        .title(document.title.clone())
        .authors(vec![document.author.clone()])
        .language(String::from("zh-CN"))
        .creator(String::from("Xinheng 信衡"))
        .producer(String::from("Xinheng 信衡"))
        .creation_date(date(document.created))
}

fn date(at: DateTime) -> Date {
    let part = |value: i8| u8::try_from(value).unwrap_or_default();
    Date::new(u16::try_from(at.year()).unwrap_or_default())
        .month(part(at.month()))
        .day(part(at.day()))
        .hour(part(at.hour()))
        .minute(part(at.minute()))
        .second(part(at.second()))
        .utc_offset_hour(8)
        .utc_offset_minute(0)
}

// The one place where a length becomes a fraction, since PDF counts in points.
#[allow(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "lengths are below a million")]
fn points(length: i32) -> f32 {
    length as f32 / 1_000.0
}

struct Pen<'a> {
    face: &'a Face,
    font: Font,
}

impl Pen<'_> {
    fn sheet(&self, surface: &mut Surface<'_>, sheet: &Sheet) {
        for mark in &sheet.marks {
            match mark {
                Mark::Fill { x, y, width, height, ink } => {
                    let place = Rect::from_xywh(points(*x), points(*y), points(*width), points(*height));
                    let Some(place) = place else { continue };
                    let mut path = PathBuilder::new();
                    path.push_rect(place);
                    let Some(path) = path.finish() else { continue };
                    surface.set_stroke(None);
                    surface.set_fill(Some(fill(color(*ink))));
                    surface.draw_path(&path);
                }
                Mark::Text { x, y, size, bold, ink, text } => {
                    let paint = color(*ink);
                    surface.set_fill(Some(fill(paint)));
                    // One weight is embedded; a stroke of a thirtieth of the size makes it bold.
                    let width = points(size / 32);
                    let stroke = Stroke { paint: paint.into(), width, ..Stroke::default() };
                    surface.set_stroke(bold.then_some(stroke));
                    self.text(surface, (*x, *y), *size, text, false);
                }
            }
        }
    }

    // Drawn as outlines, so that who copies or searches the text does not find the watermark between its lines.
    fn watermark(&self, surface: &mut Surface<'_>, text: &str) {
        if text.is_empty() {
            return;
        }
        surface.set_stroke(None);
        surface.set_fill(Some(fill(rgb::Color::new(240, 242, 246))));
        let size = 30_000;
        let width = self.face.width(text, size);
        for y in [HEIGHT / 5, HEIGHT / 2, HEIGHT * 4 / 5] {
            surface.push_transform(&Transform::from_rotate_at(-28.0, points(WIDTH / 2), points(y)));
            self.text(surface, ((WIDTH - width) / 2, y), size, text, true);
            surface.pop();
        }
    }

    fn text(&self, surface: &mut Surface<'_>, (x, y): (i32, i32), size: i32, text: &str, outlined: bool) {
        if text.is_empty() {
            return;
        }
        let glyph = |(at, character): (usize, char)| KrillaGlyph {
            glyph_id: GlyphId::new(self.face.glyph(character).unwrap_or_default()),
            text_range: at..at + character.len_utf8(),
            x_advance: points(self.face.advance(character)),
            x_offset: 0.0,
            y_offset: 0.0,
            y_advance: 0.0,
            location: None,
        };
        let glyphs: Vec<KrillaGlyph> = text.char_indices().map(glyph).collect();
        let start = Point::from_xy(points(x), points(y));
        surface.draw_glyphs(start, &glyphs, self.font.clone(), text, points(size), outlined);
    }
}

fn fill(color: rgb::Color) -> Fill {
    Fill { paint: color.into(), opacity: NormalizedF32::ONE, rule: FillRule::NonZero }
}

fn color(ink: Ink) -> rgb::Color {
    match ink {
        Ink::Black => rgb::Color::new(28, 30, 34),
        Ink::Grey => rgb::Color::new(104, 110, 120),
        Ink::Blue => rgb::Color::new(24, 64, 128),
        Ink::Line => rgb::Color::new(186, 192, 202),
        Ink::Shade => rgb::Color::new(238, 241, 246),
        Ink::Notice => rgb::Color::new(244, 247, 252),
        Ink::Series(place) => {
            let (red, green, blue) = crate::bars::COLOURS[place % crate::bars::COLOURS.len()];
            rgb::Color::new(red, green, blue)
        }
    }
}
