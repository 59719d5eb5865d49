//! The two languages that we speak.

/// The caller's language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Simplified Chinese.
    Zh,
}

impl Language {
    /// Judges an Accept-Language header by the first tag that we speak, weights in mind.
    pub fn from_accept(header: Option<&str>) -> Self {
        let mut best = (0_u32, Language::En);
        for part in header.unwrap_or_default().split(',') {
            let mut pieces = part.trim().split(';');
            let tag = pieces.next().unwrap_or_default().to_ascii_lowercase();
            let weight = pieces.find_map(|piece| piece.trim().strip_prefix("q=")).map_or(1000, thousandths);
            let language = match tag.get(..2) {
                Some("zh") => Language::Zh,
                Some("en") => Language::En,
                _ => continue,
            };
            if weight > best.0 {
                best = (weight, language);
            }
        }
        best.1
    }

    /// The BCP 47 tag.
    pub fn tag(self) -> &'static str {
        match self {
            Language::En => "en",
            Language::Zh => "zh-CN",
        }
    }
}

// "0.85" as 850; what can't be read counts as nothing.
fn thousandths(weight: &str) -> u32 {
    let (whole, part) = weight.split_once('.').unwrap_or((weight, ""));
    let digits: String = part.chars().chain("000".chars()).take(3).collect();
    let whole: u32 = whole.parse().unwrap_or(0);
    whole * 1000 + digits.parse().unwrap_or(0)
}

/// A sentence in both languages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// English.
    pub en: String,
    /// Simplified Chinese.
    pub zh: String,
}

impl Text {
    /// Both at once, so that none is forgotten.
    pub fn new(en: impl Into<String>, zh: impl Into<String>) -> Self {
        Self { en: en.into(), zh: zh.into() }
    }

    /// The sentence in one language.
    pub fn get(&self, language: Language) -> &str {
        match language {
            Language::En => &self.en,
            Language::Zh => &self.zh,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_tag_that_we_speak_wins() {
        for (header, expected) in [
            ("", Language::En),
            ("zh-CN", Language::Zh),
            ("zh-CN,zh;q=0.9,en;q=0.8", Language::Zh),
            ("en;q=0.5, zh;q=0.7", Language::Zh),
            ("en, zh;q=0.7", Language::En),
            ("fr, zh;q=0.1", Language::Zh),
            ("de", Language::En),
            ("zh;q=0", Language::En),
        ] {
            assert_eq!(Language::from_accept(Some(header)), expected, "{header}");
        }
    }
}
