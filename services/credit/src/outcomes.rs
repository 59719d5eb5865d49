//! What became of a row, whichever way it came in: by a batch or by a file.
use chassis::{
    Answer, Context, Fault,
    fault::Violation,
    language::{Language, Text},
};
use contract::credit::v1::{self as api, outcome::Status};
use identifiers::{CodeFault, CodeStatus, Uscc, personal};

/// How a row ended. Carries both languages, since the list of a file's refused rows shows both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Taken in, as the record of this id; empty for subjects.
    Accepted(String),
    /// Known already and the same.
    Duplicate(String),
    /// Refused.
    Refused(Violation),
}

impl Verdict {
    /// The outcome as the contract's message.
    pub fn wire(self, index: usize, language: Language) -> api::Outcome {
        let (status, record, error) = match self {
            Self::Accepted(record) => (Status::Accepted, record, None),
            Self::Duplicate(record) => (Status::Duplicate, record, None),
            Self::Refused(violation) => {
                let message = violation.text.get(language).to_owned();
                let reason = violation.reason.to_owned();
                let error = api::OutcomeError { reason, message, field: violation.field };
                (Status::Rejected, String::new(), Some(error))
            }
        };
        api::Outcome { index: i32::try_from(index).unwrap_or(i32::MAX), status: status.into(), record, error }
    }
}

/// The outcomes of a batch, in its order.
pub fn wire(verdicts: Vec<Verdict>, language: Language) -> Vec<api::Outcome> {
    verdicts.into_iter().enumerate().map(|(index, verdict)| verdict.wire(index, language)).collect()
}

/// A refusal with a reason of credit's own.
pub fn refusal(
    reason: api::ErrorReason,
    field: &str,
    en: impl Into<String>,
    zh: impl Into<String>,
) -> Violation {
    Violation { field: field.to_owned(), reason: reason.as_str_name(), text: Text::new(en, zh) }
}

/// The code of a row. One that was issued though its check fails passes only where the row says so.
pub fn code(given: &str, accept_nonconforming: bool) -> Result<Uscc, Violation> {
    if given.trim().is_empty() {
        return Err(Violation::new("uscc", "is required", "为必填项"));
    }
    match Uscc::parse_tolerant(given) {
        Ok((code, status)) if accept_nonconforming || status == CodeStatus::Conforming => Ok(code),
        Ok(_) => Err(code_refusal(CodeFault::CheckFailed)),
        Err(fault) => Err(code_refusal(fault)),
    }
}

/// The code in a path: whatever could be registered here may be asked for.
pub fn code_asked(given: &str) -> Answer<Uscc> {
    Uscc::parse_tolerant(given)
        .map(|(code, _)| code)
        .map_err(|fault| Fault::fields(vec![code_refusal(fault)]))
}

fn code_refusal(fault: CodeFault) -> Violation {
    let text = Text::new(fault.message_en(), fault.message_zh());
    Violation { field: String::from("uscc"), reason: fault.reason(), text }
}

/// A free text, trimmed. Refuses what no name or number holds, and the identity number of a person, who is no subject
/// (PIPL 28: such a number is not collected without need).
pub fn free_text(field: &str, given: &str, most: usize) -> Result<String, Violation> {
    clean_text(given, most).map(str::to_owned).map_err(|fault| fault.at(field))
}

/// What is wrong with a text.
#[derive(Clone, Copy, Debug)]
pub enum TextFault {
    /// It has more characters than this.
    TooLong(usize),
    /// A character was lost, or is none.
    Spoiled,
    /// It holds a person's identity number.
    Personal,
}

impl TextFault {
    /// As the refusal of a field.
    pub fn at(self, field: &str) -> Violation {
        match self {
            Self::TooLong(most) => Violation::new(
                field,
                format!("is longer than {most} characters"),
                format!("超过{most}个字符"),
            ),
            Self::Spoiled => Violation::new(
                field,
                "holds a character that was lost or is not text; check the file's encoding and send the row again",
                "含有乱码或不可见控制字符；请检查文件编码后重新提交该行",
            ),
            Self::Personal => personal_refusal(field),
        }
    }
}

/// The same without a copy, and without a word for what is wrong.
pub fn clean_text(given: &str, most: usize) -> Result<&str, TextFault> {
    let text = given.trim();
    if text.len() > most && text.chars().count() > most {
        return Err(TextFault::TooLong(most));
    }
    if text.chars().any(|c| c == '\u{FFFD}' || (c.is_control() && !matches!(c, '\n' | '\r' | '\t'))) {
        return Err(TextFault::Spoiled);
    }
    if personal::occurs_in(text) { Err(TextFault::Personal) } else { Ok(text) }
}

/// A text as a message may repeat it: cut short, and never with a person's identity number, since messages are kept.
pub fn shown(text: &str) -> String {
    if personal::occurs_in(text) { String::from("…") } else { text.trim().chars().take(40).collect() }
}

/// The refusal of a person's identity number, which it does not repeat.
pub fn personal_refusal(field: &str) -> Violation {
    refusal(
        api::ErrorReason::PersonalIdentityNumber,
        field,
        "holds the identity number of a natural person, which is not kept here; remove it and send the row again",
        "含有公民身份号码，本系统不予保存；请删除后重新提交",
    )
}

/// The fault of a call for one violation.
pub fn fault(violation: Violation) -> Fault {
    Fault::fields(vec![violation])
}

/// On whose behalf rows are taken in.
#[derive(Clone, Debug)]
pub struct Submitter {
    /// The source department 数据来源单位; a service of the suite stands under its own name.
    pub department: String,
    /// Whether it is the credit office or a service of the suite, which no item keeps out.
    pub unrestricted: bool,
}

impl Submitter {
    /// The caller; an enterprise's own client submits nothing.
    pub fn of(context: &Context) -> Answer<Self> {
        let caller = &context.caller;
        if !caller.enterprise().is_empty() {
            return Err(not_for_enterprises());
        }
        let department = if caller.department().is_empty() { caller.name() } else { caller.department() };
        Ok(Self {
            department: department.to_owned(),
            unrestricted: caller.is_office() || caller.is_service(),
        })
    }
}

/// What an enterprise's own client may not do.
pub fn not_for_enterprises() -> Fault {
    Fault::denied(
        contract::r#type::v1::ErrorReason::ScopeMissing.as_str_name(),
        "an enterprise's own client sees its own data only and submits none; ask the department that holds the data",
        "企业客户端只能查询本企业信息，不能提交或查询他人信息；请联系数据来源单位",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_judged_by_its_row() {
        let fine = Uscc::fictional(7);
        let broken: String = {
            let last = if fine.as_str().ends_with('0') { '1' } else { '0' };
            fine.as_str()[..17].chars().chain([last]).collect()
        };
        assert_eq!(code(&format!(" {}　", fine.as_str().to_lowercase()), false), Ok(fine));
        assert_eq!(code(&broken, false).unwrap_err().reason, "CODE_CHECK_FAILED");
        assert_eq!(code(&broken, true).unwrap().as_str(), broken);
        assert_eq!(code("  ", true).unwrap_err().reason, "FIELD_INVALID");
        assert_eq!(code_asked(&broken).unwrap().as_str(), broken);
    }

    #[test]
    fn a_free_text_is_kept_as_it_is_or_refused() {
        assert_eq!(
            free_text("name", "　红寺堡示例（集团）有限公司 ", 200).unwrap(),
            "红寺堡示例（集团）有限公司"
        );
        // A rare character of the private use area is what the registry printed.
        assert!(free_text("name", "示例\u{E002}厂", 200).is_ok());
        for (given, reason) in [
            ("示\u{FFFD}例", "FIELD_INVALID"),
            ("示\0例", "FIELD_INVALID"),
            ("四个字符", "FIELD_INVALID"),
            ("11010519491231002X", "PERSONAL_IDENTITY_NUMBER"),
            ("（11010519491231002x）", "PERSONAL_IDENTITY_NUMBER"),
        ] {
            let most = if given == "四个字符" { 3 } else { 200 };
            let refused = free_text("name", given, most).unwrap_err();
            assert_eq!(refused.reason, reason, "{given}");
            assert!(!refused.text.en.contains("1949"), "a refusal repeats no identity number");
        }
    }
}
