//! The bundle 验证材料 that is published with a draw, from which anybody recomputes it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::selection::{Replacement, Selected};

/// All that is published of a draw, as JSON. What is withheld or not known yet is empty. Fields that are not of
/// the contract are passed over: a later edition may say more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Bundle {
    /// The draw's id.
    pub draw_id: String,
    /// The roster; where the scheme's grades are not public, empty, or a subject's own line for that subject.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub roster: String,
    /// The roster's digest, in place of the roster or beside it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub roster_digest: String,
    /// How many are drawn of each stratum.
    pub quota_text: String,
    /// The secret's digest, public before the entropy existed.
    pub commitment: String,
    /// Where the entropy was to come from.
    pub entropy_source: String,
    /// The secret, 32 bytes in hex.
    pub secret: String,
    /// What the public source said.
    pub entropy: String,
    /// The seed.
    pub seed: String,
    /// Who was drawn.
    pub selected: Vec<Selected>,
    /// Who took whose place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replacements: Vec<Replacement>,
    /// Who left the roster before the commit, one line `uscc,REASON,detail` each; empty where the roster is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub exclusions: String,
    /// The digest of the exclusions; empty where nobody was excluded.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub exclusions_digest: String,
}

/// Why a file is no bundle that can be verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It is no JSON object, or a field is of a wrong type.
    Malformed(String),
    /// Fields that the arithmetic needs are missing or empty.
    Missing(Vec<String>),
}

impl Bundle {
    /// Reads a bundle; every missing field is named.
    pub fn from_json(json: &[u8]) -> Result<Self, Unreadable> {
        // A JSON array would fill the fields in their order, and a byte order mark is what editors leave.
        let json = json.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(json);
        if !json.trim_ascii_start().starts_with(b"{") {
            return Err(Unreadable::Malformed("not a JSON object".to_owned()));
        }
        let bundle: Self =
            serde_json::from_slice(json).map_err(|error| Unreadable::Malformed(error.to_string()))?;
        let missing = bundle.missing();
        if missing.is_empty() { Ok(bundle) } else { Err(Unreadable::Missing(missing)) }
    }

    /// The bundle for those who may not see the grades: the digest in place of the roster, no strata, and the
    /// selection in the order of the tickets alone, because the order of the strata beside `quotaText` would tell
    /// each subject's grade.
    pub fn without_strata(mut self) -> Self {
        if self.roster_digest.is_empty() {
            self.roster_digest = crate::seed::digest(&self.roster);
        }
        self.roster.clear();
        // A cap goes by the grade, so that who is at it tells the grade.
        self.exclusions.clear();
        self.selected.iter_mut().for_each(|selected| selected.stratum.clear());
        self.selected.sort_unstable_by(|one, other| one.ticket.cmp(&other.ticket));
        self.replacements.iter_mut().for_each(|replacement| replacement.stratum.clear());
        self
    }

    /// What the arithmetic needs and is not there.
    fn missing(&self) -> Vec<String> {
        let fields = [
            ("quotaText", &self.quota_text),
            ("commitment", &self.commitment),
            ("secret", &self.secret),
            ("entropy", &self.entropy),
            ("seed", &self.seed),
        ];
        let mut missing: Vec<String> =
            fields.iter().filter(|(_, text)| text.is_empty()).map(|(name, _)| (*name).to_owned()).collect();
        if self.roster.is_empty() && self.roster_digest.is_empty() {
            missing.push("roster or rosterDigest".to_owned());
        }
        let selected =
            self.selected.iter().map(|selected| [("uscc", &selected.uscc), ("ticket", &selected.ticket)]);
        let replacements =
            self.replacements.iter().map(|r| [("uscc", &r.uscc), ("replacedBy", &r.replaced_by)]);
        for (index, entry) in selected.enumerate() {
            missing.extend(empty_of("selected", index, entry));
        }
        for (index, entry) in replacements.enumerate() {
            missing.extend(empty_of("replacements", index, entry));
        }
        missing
    }
}

fn empty_of<'a>(
    list: &'a str,
    index: usize,
    entry: [(&'a str, &'a String); 2],
) -> impl Iterator<Item = String> + 'a {
    entry
        .into_iter()
        .filter(|(_, text)| text.is_empty())
        .map(move |(name, _)| format!("{list}[{index}].{name}"))
}

impl Unreadable {
    /// What is wrong and what to do, in English.
    pub fn message_en(&self) -> String {
        match self {
            Self::Malformed(why) => {
                format!("This is no draw bundle: {why}. Fetch the bundle again as it is published.")
            }
            Self::Missing(fields) => format!(
                "The bundle lacks {}. It is cut, or the draw is not revealed yet: fetch it again after the reveal.",
                fields.join(", ")
            ),
        }
    }

    /// 错误说明与处理办法。
    pub fn message_zh(&self) -> String {
        match self {
            Self::Malformed(why) => format!("这不是抽取验证材料（{why}），请重新获取公布的文件。"),
            Self::Missing(fields) => {
                format!("验证材料缺少{}：文件不完整，或抽取尚未揭示，请在揭示后重新获取。", fields.join("、"))
            }
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message_en())
    }
}

impl std::error::Error for Unreadable {}
