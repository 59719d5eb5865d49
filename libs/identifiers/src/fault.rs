//! The refusal of a region, an industry, a domain or a department: one reason, told in both languages.

/// Why an identifier was refused, ready to be shown to whoever sent it.
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

/// What was given, cut so that a message never repeats a whole file, and without control characters.
/// A personal identity number is not repeated at all: messages end up in logs.
pub(crate) fn quoted(given: &str) -> String {
    if crate::personal::occurs_in(given) {
        return "…".to_owned();
    }
    let shown: String = given.chars().filter(|c| !c.is_control()).take(32).collect();
    if given.chars().count() > 32 { format!("{shown}…") } else { shown }
}
