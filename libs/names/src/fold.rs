//! A name as it is compared: width, brackets, spaces, marks and variant characters folded away. What a registry printed is never
//! replaced by it.
use std::{collections::HashMap, sync::OnceLock};

static VARIANTS: &str = include_str!("../data/variants.txt");

// Traditional and variant characters to the simplified one.
fn simplified(c: char) -> char {
    static TABLE: OnceLock<HashMap<char, char>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let lines = VARIANTS.lines().filter(|line| !line.starts_with('#'));
        lines
            .flat_map(|line| {
                let mut characters = line.chars();
                let simple = characters.next();
                characters.filter_map(move |variant| Some((variant, simple?)))
            })
            .collect()
    });
    table.get(&c).copied().unwrap_or(c)
}

/// Half width, without spaces and what is not seen; letters in upper case. The first step of folding.
pub fn narrow(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_whitespace() && !c.is_control() && !is_unseen(*c))
        .map(|c| match c {
            '\u{FF01}'..='\u{FF5E}' => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
            _ => c,
        })
        .map(|c| c.to_ascii_uppercase())
        .collect()
}

/// Brackets of every shape as round ones, marks that carry no meaning left out. The second step.
pub fn unmark(narrow: &str) -> String {
    let characters: Vec<char> = narrow.chars().collect();
    let mut out = String::with_capacity(narrow.len());
    for (place, &c) in characters.iter().enumerate() {
        let before = place.checked_sub(1).and_then(|before| characters.get(before));
        let after = characters.get(place + 1);
        match c {
            '\u{4E00}'..='\u{9FFF}' if c != '零' => out.push(c),
            '[' | '{' | '【' | '〔' | '〖' | '﹙' | '﹝' | '⟨' => out.push('('),
            ']' | '}' | '】' | '〕' | '〗' | '﹚' | '﹞' | '⟩' => out.push(')'),
            '-' | '‐' | '‑' | '–' | '—' | '―' | '─' => {
                // Between figures it parts two numbers.
                let parts = |c: Option<&char>| c.is_some_and(char::is_ascii_digit);
                if parts(before) && parts(after) {
                    out.push('-');
                }
            }
            '〇' | '○' | '◯' => out.push('0'),
            'O' | '零'
                if numeral(before) && numeral(after)
                    || c == 'O' && (han(before) && numeral(after) || numeral(before) && han(after)) =>
            {
                out.push('0');
            }
            _ if MARKS.contains(c) => {}
            _ => out.push(c),
        }
    }
    out
}

/// Variant characters as the simplified ones: the last step.
pub fn simplify(text: &str) -> String {
    text.chars().map(simplified).collect()
}

/// A name folded whole; brackets stay, as round ones.
pub fn fold(text: &str) -> String {
    simplify(&unmark(&narrow(text)))
}

/// A folded text without its brackets.
pub fn unbracketed(folded: &str) -> String {
    folded.chars().filter(|c| !matches!(c, '(' | ')')).collect()
}

const MARKS: &str = "·•‧∙・･.。｡﹒˙`´ˉ*?!_~^\"'“”‘’「」『』《》〈〉<>,";

fn is_unseen(c: char) -> bool {
    matches!(c, '\u{00AD}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2064}' | '\u{FEFF}')
}

fn numeral(c: Option<&char>) -> bool {
    c.is_some_and(|c| c.is_ascii_digit() || "一二三四五六七八九〇○零".contains(*c))
}

fn han(c: Option<&char>) -> bool {
    c.is_some_and(|c| matches!(c, '\u{4E00}'..='\u{9FFF}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writings_of_one_name_fold_to_one() {
        let table = [
            ("虚构（中国）有限公司", "虚构(中国)有限公司"),
            ("虚构〔中国〕有限公司　", "虚构(中国)有限公司"),
            ("虚 构【中国】有 限公司*", "虚构(中国)有限公司"),
            ("《虚构》杂志社有限公司。", "虚构杂志社有限公司"),
            ("虚构·示例有限公司", "虚构示例有限公司"),
            ("虚构——示例有限公司", "虚构示例有限公司"),
            ("虛構貿易有限公司", "虚构贸易有限公司"),
            ("ＡＢＣ虚构abc", "ABC虚构ABC"),
            ("虚构七〇一厂", "虚构七0一厂"),
            ("虚构七零一厂", "虚构七0一厂"),
            ("虚构二六Ｏ厂", "虚构二六0厂"),
            ("虚构零食店", "虚构零食店"),
            ("虚构VOLVO公司", "虚构VOLVO公司"),
            ("虚构1-2号店", "虚构1-2号店"),
        ];
        for (given, folded) in table {
            assert_eq!(fold(given), folded, "{given}");
        }
        assert_eq!(unbracketed("虚构(集团)公司"), "虚构集团公司");
    }

    #[test]
    fn the_table_of_variants_is_whole() {
        assert_eq!(simplified('廠'), '厂');
        assert_eq!(simplified('銀'), '银');
        assert_eq!(simplified('厂'), '厂');
    }
}
