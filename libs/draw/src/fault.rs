//! The refusal of a roster, a quota or a replacement: one reason, told in both languages.

/// Why an input was refused, ready to be shown to whoever sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    reason: &'static str,
    en: String,
    zh: String,
}

impl Fault {
    pub(crate) fn new(reason: &'static str, en: String, zh: String) -> Self {
        Self { reason, en, zh }
    }

    /// The machine-readable reason, for `ErrorInfo.reason`.
    pub fn reason(&self) -> &'static str {
        self.reason
    }

    /// What is wrong and what to do, in English.
    pub fn message_en(&self) -> &str {
        &self.en
    }

    /// 错误说明与处理办法。
    pub fn message_zh(&self) -> &str {
        &self.zh
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.en)
    }
}

impl std::error::Error for Fault {}
