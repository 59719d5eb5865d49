//! Breaks text into lines by the rules of Chinese setting (GB/T 15834: no line begins with 。 or 》, none ends with 《 or （).
use crate::face::Face;

const NEVER_FIRST: &str = "。，、；：？！）】》〉」』〕］｝”’…—～·％‰℃.,;:?!)]}%";
const NEVER_LAST: &str = "（【《〈「『〔［｛“‘￥([{";

/// The lines of a text within a width.
pub fn lines(face: &Face, text: &str, size: i32, width: i32) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        let mut used = 0;
        for unit in units(paragraph) {
            let wide = face.width(&unit, size);
            if used + wide > width && !line.is_empty() {
                lines.push(std::mem::take(&mut line).trim_end().to_owned());
                used = 0;
            }
            if line.is_empty() && unit == " " && !lines.is_empty() {
                continue;
            }
            if wide <= width {
                line.push_str(&unit);
                used += wide;
            } else {
                (line, used) = force(face, &unit, size, width, &mut lines);
            }
        }
        lines.push(line.trim_end().to_owned());
    }
    lines
}

// What no rule allows to break is broken all the same where it is wider than the line; gives what remains and its width.
fn force(face: &Face, unit: &str, size: i32, width: i32, lines: &mut Vec<String>) -> (String, i32) {
    let (mut line, mut used) = (String::new(), 0);
    for character in unit.chars() {
        let wide = face.advance(character) * size / 1_000;
        if used + wide > width && !line.is_empty() {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        line.push(character);
        used += wide;
    }
    (line, used)
}

// What stays on one line: a word, a single ideograph, each with the marks that cling to it.
fn units(text: &str) -> Vec<String> {
    let mut units: Vec<String> = Vec::new();
    let mut last = None;
    for character in text.chars() {
        if clings(last, character)
            && let Some(unit) = units.last_mut()
        {
            unit.push(character);
        } else {
            units.push(character.to_string());
        }
        last = Some(character);
    }
    units
}

fn clings(last: Option<char>, next: char) -> bool {
    let Some(last) = last else { return false };
    if last == ' ' || next == ' ' {
        return false;
    }
    NEVER_LAST.contains(last) || NEVER_FIRST.contains(next) || (of_word(last) && of_word(next))
}

fn of_word(character: char) -> bool {
    u32::from(character) < 0x2e80 && !NEVER_FIRST.contains(character) || ".,:%".contains(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(text: &str, hanzi: i32) -> Vec<String> {
        lines(&Face::read().unwrap(), text, 10_000, hanzi * 10_000)
    }

    #[test]
    fn marks_stay_with_their_words() {
        assert_eq!(broken("一二三四五。六七", 5), ["一二三四", "五。六七"]);
        assert_eq!(broken("一二三四《五六》", 5), ["一二三四", "《五六》"]);
        assert_eq!(broken("罚款10000.50元", 5), ["罚款", "10000.50", "元"]);
        assert_eq!(broken("code 91640399 and", 5), ["code", "91640399", "and"]);
        assert_eq!(broken("一二\n三四", 5), ["一二", "三四"]);
        assert_eq!(broken("", 5), [""]);
    }

    #[test]
    fn nothing_is_wider_than_the_line_and_nothing_is_lost() {
        let face = Face::read().unwrap();
        let text = "《（（【深】））》aVeryLongWordThatNoLineHolds，，，，，，，，，，，，，，“”：：宁夏回族自治区（虚构）示例有限公司。";
        for width in [10_000, 25_000, 31_000, 47_500, 200_000] {
            let lines = lines(&face, text, 10_000, width);
            assert!(lines.iter().all(|line| face.width(line, 10_000) <= width), "{width}: {lines:?}");
            assert_eq!(lines.concat(), text);
        }
    }
}
