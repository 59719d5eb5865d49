//! The typeface: which characters it has, how wide they are, and how one that it lacks is spelled out.
use std::collections::BTreeSet;

use skrifa::{
    FontRef, MetadataProvider, charmap::Charmap, instance::LocationRef, instance::Size, metrics::GlyphMetrics,
};

/// Noto Sans SC, cut to the characters that `fonts/README.md` names.
pub const NOTO_SANS_SC: &[u8] = include_bytes!("../fonts/NotoSansSC-Regular.otf");

/// The face, read.
pub struct Face {
    charmap: Charmap<'static>,
    metrics: GlyphMetrics<'static>,
}

impl Face {
    /// Reads the embedded face; none if the file is damaged.
    pub fn read() -> Option<Self> {
        let font = FontRef::new(NOTO_SANS_SC).ok()?;
        let metrics = font.glyph_metrics(Size::unscaled(), LocationRef::default());
        Some(Self { charmap: font.charmap(), metrics })
    }

    /// The glyph of a character, if the face has one.
    pub fn glyph(&self, character: char) -> Option<u32> {
        self.charmap.map(character).map(|glyph| glyph.to_u32()).filter(|&glyph| glyph != 0)
    }

    /// How wide a character is, in thousandths of its size.
    #[allow(clippy::cast_possible_truncation, reason = "an advance is a small whole number of font units")]
    pub fn advance(&self, character: char) -> i32 {
        let glyph = self.charmap.map(character).unwrap_or_default();
        self.metrics.advance_width(glyph).unwrap_or_default() as i32
    }

    /// How wide a text is at a size.
    pub fn width(&self, text: &str, size: i32) -> i32 {
        text.chars().map(|character| self.advance(character) * size / 1_000).sum()
    }

    /// The text with every character that can't be drawn spelled as 〔U+XXXX〕: a rare name is never silently mutilated.
    pub fn spell(&self, text: &str, missing: &mut BTreeSet<char>) -> String {
        let mut spelled = String::with_capacity(text.len());
        for character in text.chars() {
            match character {
                '\n' => spelled.push('\n'),
                '\r' => {}
                '\t' => spelled.push(' '),
                _ if self.glyph(character).is_some() => spelled.push(character),
                _ => {
                    missing.insert(character);
                    spelled.push_str(&format!("〔U+{:04X}〕", u32::from(character)));
                }
            }
        }
        spelled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_face_lacks_is_spelled_out() {
        let face = Face::read().unwrap();
        let mut missing = BTreeSet::new();
        assert_eq!(face.spell("喆\t堃𠮷\u{7}", &mut missing), "喆 堃〔U+20BB7〕〔U+0007〕");
        assert_eq!(missing.into_iter().collect::<Vec<_>>(), ['\u{7}', '𠮷']);
    }

    #[test]
    fn all_of_gbk_and_the_unified_ideographs_are_there() {
        let face = Face::read().unwrap();
        let lost: String = ('\u{4e00}'..='\u{9fa5}').filter(|&hanzi| face.glyph(hanzi).is_none()).collect();
        assert_eq!(lost, "");
        let lost: String = "（）〔〕《》【】“”‘’、。，；：？！—…·％￥〇①⑩Ⅳα"
            .chars()
            .filter(|&mark| face.glyph(mark).is_none())
            .collect();
        assert_eq!(lost, "");
    }

    #[test]
    fn hanzi_are_a_full_square() {
        let face = Face::read().unwrap();
        assert_eq!(face.width("信衡。", 10_000), 30_000);
        assert!(face.width("il", 10_000) < face.width("WM", 10_000));
    }
}
