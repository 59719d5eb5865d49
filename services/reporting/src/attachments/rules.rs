//! What an attachment goes with, and which files are taken. Pure.
use chassis::Fault;
use contract::reporting::v1::ErrorReason;
use files::{FileFault, Kind};

/// The most bytes of a file.
pub const BYTES_MAX: usize = 20 * 1024 * 1024;
/// How much of a file that is too large is read all the same.
pub const READ_MAX: usize = 256 * 1024 * 1024;
/// The most files of one plan, summary or case.
pub const FILES_MAX: usize = 50;

/// What a file goes with, by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parent<'a> {
    /// A work plan.
    Plan(&'a str),
    /// A summary.
    Summary(&'a str),
    /// A case of effect.
    Case(&'a str),
}

impl<'a> Parent<'a> {
    /// Reads `workPlans/{id}`, `summaries/{id}` or `effectCases/{id}`.
    pub fn parse(given: &'a str) -> Result<Self, Fault> {
        let found = match given.split_once('/') {
            Some((_, id)) if id.is_empty() || id.contains('/') => None,
            Some(("workPlans", id)) => Some(Self::Plan(id)),
            Some(("summaries", id)) => Some(Self::Summary(id)),
            Some(("effectCases", id)) => Some(Self::Case(id)),
            _ => None,
        };
        found.ok_or_else(|| {
            Fault::field(
                "parent",
                "is workPlans/{id}, summaries/{id} or effectCases/{id}",
                "应为 workPlans/{编号}、summaries/{编号} 或 effectCases/{编号}",
            )
        })
    }
}

/// Tells what a file is, and refuses one that is none of the kinds or another than it is said to be.
pub fn judge(body: &[u8], declared: &str, name: &str) -> Result<Kind, Fault> {
    let kind = files::tell(body).map_err(untold)?;
    let (is, declared) = (kind.media_type(), declared.trim());
    if !kind.is_declared_as(declared) {
        return Err(wrong_type(
            format!(
                "the file is said to be {declared} and is {is} by its content; correct the content type, or send the right file"
            ),
            format!("文件声明为{declared}，按内容判断为{is}；请更正类型，或上传正确的文件"),
        ));
    }
    if !kind.is_named_as(name) {
        return Err(wrong_type(
            format!(
                "the file is named \"{name}\" and is {is} by its content; correct its name's ending, or send the right file"
            ),
            format!("文件名为“{name}”，按内容判断为{is}；请更正扩展名，或上传正确的文件"),
        ));
    }
    Ok(kind)
}

fn untold(fault: FileFault) -> Fault {
    let (en, zh) = match fault {
        FileFault::Empty => ("the file is empty; send it again", "文件为空；请重新上传"),
        FileFault::Unknown => (
            "the file's content is no PDF, DOCX, XLSX, OFD, JPEG or PNG; send it in one of these forms",
            "按文件内容判断，不是 PDF、DOCX、XLSX、OFD、JPEG 或 PNG；请转换为其中一种格式",
        ),
        FileFault::Broken => (
            "the file is broken off or damaged: its end is not there; send it again",
            "文件不完整或已损坏；请重新上传",
        ),
        FileFault::Locked => (
            "the file is an Office document of before 2007 or locked by a password; save it as DOCX or XLSX without one",
            "文件为旧版 Office 格式或设有密码；请另存为不加密的 DOCX 或 XLSX",
        ),
        FileFault::Macros => (
            "the document carries macros, which run on who opens it; save it without them",
            "文档含有宏；请另存为不含宏的文件",
        ),
    };
    wrong_type(en.to_owned(), zh.to_owned())
}

fn wrong_type(en: String, zh: String) -> Fault {
    Fault::invalid(ErrorReason::AttachmentType.as_str_name(), en, zh).at("file")
}

/// The refusal of a file that is too large.
pub fn too_large() -> Fault {
    Fault::invalid(
        ErrorReason::AttachmentTooLarge.as_str_name(),
        "the file is larger than 20 MiB; divide it, or lower the resolution of its pictures",
        "文件超过20 MiB；请拆分或降低图片分辨率",
    )
    .at("file")
}

/// The refusal of one file too many.
pub fn too_many() -> Fault {
    Fault::invalid(
        ErrorReason::AttachmentTooLarge.as_str_name(),
        "there are 50 attachments, which is the most; remove one first",
        "已有50个附件，达到上限；请先删除不需要的附件",
    )
    .at("parent")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_one_of_three() {
        assert_eq!(Parent::parse("workPlans/a1").unwrap(), Parent::Plan("a1"));
        assert_eq!(Parent::parse("summaries/a1").unwrap(), Parent::Summary("a1"));
        assert_eq!(Parent::parse("effectCases/a1").unwrap(), Parent::Case("a1"));
        for wrong in ["", "a1", "workPlans", "workPlans/", "workPlans/a/b", "plans/a1"] {
            assert!(Parent::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_file_that_lies_is_refused_with_what_it_is() {
        let pdf = b"%PDF-1.7\n%%EOF";
        assert_eq!(judge(pdf, "", "方案.pdf").unwrap(), Kind::Pdf);
        for (body, declared, name, says) in [
            (&pdf[..], "image/png", "a.pdf", "按内容判断为application/pdf"),
            (&pdf[..], "application/pdf", "方案.docx", "方案.docx"),
            (&b"MZ\x90"[..], "application/pdf", "a.pdf", "不是 PDF"),
            (&b""[..], "", "a.pdf", "为空"),
        ] {
            let fault = judge(body, declared, name).unwrap_err();
            assert_eq!(fault.reason(), "ATTACHMENT_TYPE");
            assert!(fault.text().zh.contains(says), "{}", fault.text().zh);
        }
    }
}
