//! What a person is told, in the two languages of the suite, written together.

/// One message in English and Chinese.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bilingual {
    /// English.
    pub en: String,
    /// 中文。
    pub zh: String,
}

impl Bilingual {
    /// A message of its two texts.
    pub fn new(en: impl Into<String>, zh: impl Into<String>) -> Self {
        Self { en: en.into(), zh: zh.into() }
    }
}
