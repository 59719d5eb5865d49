//! What an import is asked to do, and how far it is: the two notes that the operation keeps.
use chassis::{Answer, Fault, clock::micros};
use contract::credit::v1 as api;
use jiff::Timestamp;

use crate::outcomes::Submitter;

/// What the operation is asked to do.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Plan {
    /// Whether the rows are records; else they are subjects.
    #[prost(bool, tag = "1")]
    pub records: bool,
    /// The item of all rows; empty where a column names it.
    #[prost(string, tag = "2")]
    pub item: String,
    /// Whether codes that were issued though their check fails are taken.
    #[prost(bool, tag = "3")]
    pub accept_nonconforming: bool,
    /// The file's encoding.
    #[prost(string, tag = "4")]
    pub encoding: String,
    /// Who submits.
    #[prost(string, tag = "5")]
    pub department: String,
    /// Whether no item keeps the submitter out.
    #[prost(bool, tag = "6")]
    pub unrestricted: bool,
    /// When it began, in microseconds since 1970.
    #[prost(int64, tag = "7")]
    pub created_at: i64,
}

impl Plan {
    /// On whose behalf.
    pub fn submitter(&self) -> Submitter {
        Submitter { department: self.department.clone(), unrestricted: self.unrestricted }
    }
}

/// How far it is.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Checkpoint {
    /// The counts; its rows are those that need not be read again.
    #[prost(message, required, tag = "1")]
    pub progress: api::ImportProgress,
    /// Whether the file was read to its end, so that it may be gone.
    #[prost(bool, tag = "2")]
    pub read: bool,
    /// The feed position after the last row.
    #[prost(string, tag = "3")]
    pub position: String,
    /// The headings that nothing was taken from.
    #[prost(string, repeated, tag = "4")]
    pub ignored: Vec<String>,
}

/// Judges the parameters of an import.
pub fn judge(request: &api::CreateImportRequest, submitter: Submitter, now: Timestamp) -> Answer<Plan> {
    let records = match request.kind.trim() {
        "subjects" => false,
        "records" => true,
        "" => {
            return Err(Fault::field(
                "kind",
                "is required: subjects or records",
                "为必填项：subjects 或 records",
            ));
        }
        other => {
            return Err(Fault::field(
                "kind",
                format!("\"{other}\" is no kind of rows; give subjects or records"),
                format!("“{other}”不是行的种类；请填写 subjects 或 records"),
            ));
        }
    };
    match request.format.trim().to_ascii_lowercase().as_str() {
        "" | "csv" => {}
        "xlsx" | "xls" => return Err(spreadsheet().at("format")),
        other => {
            return Err(Fault::field(
                "format",
                format!("\"{other}\" is no format that is taken; send the file as csv"),
                format!("不支持“{other}”格式；请以 csv 提交"),
            ));
        }
    }
    let item = request.item.trim().to_owned();
    if !records && !item.is_empty() {
        return Err(Fault::field(
            "item",
            "belongs to records only; leave it out, or give kind=records",
            "仅用于导入记录；请去掉，或使用 kind=records",
        ));
    }
    let Submitter { department, unrestricted } = submitter;
    let accept_nonconforming = request.accept_nonconforming;
    let (encoding, created_at) = (String::new(), micros(now));
    Ok(Plan { records, item, accept_nonconforming, encoding, department, unrestricted, created_at })
}

/// Refuses what is plainly another kind of file by its first bytes.
pub fn refuse_other_formats(head: &[u8]) -> Answer<()> {
    if head.starts_with(b"PK\x03\x04") || head.starts_with(&[0xD0, 0xCF, 0x11, 0xE0]) {
        return Err(spreadsheet());
    }
    if head.starts_with(&[0x1F, 0x8B]) {
        return Err(unreadable(
            "the file is compressed; unpack it and send the CSV file itself",
            "文件是压缩包；请解压后提交 CSV 文件",
        ));
    }
    if head.starts_with(b"%PDF") {
        return Err(unreadable(
            "the file is a PDF; send the table as a CSV file",
            "文件是 PDF；请以 CSV 文件提交表格",
        ));
    }
    Ok(())
}

fn spreadsheet() -> Fault {
    unreadable(
        "spreadsheets are not taken yet; save the sheet as CSV (UTF-8), codes as text, and send that with format=csv",
        "暂不支持电子表格文件；请将工作表另存为 CSV（UTF-8，代码列设为文本）后以 format=csv 提交",
    )
}

/// A file that can't be read as what it claims to be.
pub fn unreadable(en: &str, zh: &str) -> Fault {
    Fault::invalid(api::ErrorReason::FileUnreadable.as_str_name(), en, zh).at("file")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn submitter() -> Submitter {
        Submitter { department: String::from("transport"), unrestricted: false }
    }

    #[test]
    fn wrong_parameters_are_named() {
        let request = |kind: &str, item: &str, format: &str| api::CreateImportRequest {
            kind: kind.to_owned(),
            item: item.to_owned(),
            format: format.to_owned(),
            ..Default::default()
        };
        let judged = |request: &api::CreateImportRequest| judge(request, submitter(), Timestamp::UNIX_EPOCH);
        assert!(judged(&request("records", "honour", "CSV")).is_ok_and(|plan| plan.records));
        for (kind, item, format, reason) in [
            ("", "", "", "FIELD_INVALID"),
            ("people", "", "", "FIELD_INVALID"),
            ("subjects", "honour", "", "FIELD_INVALID"),
            ("subjects", "", "xlsx", "FILE_UNREADABLE"),
            ("subjects", "", "json", "FIELD_INVALID"),
        ] {
            let fault = judged(&request(kind, item, format)).unwrap_err();
            assert_eq!(fault.reason(), reason, "{kind} {item} {format}");
        }
    }

    #[test]
    fn other_files_are_told_by_their_first_bytes() {
        for head in [&b"PK\x03\x04rest"[..], &[0xD0, 0xCF, 0x11, 0xE0, 0xA1], &[0x1F, 0x8B, 8], b"%PDF-1.7"] {
            assert_eq!(refuse_other_formats(head).unwrap_err().reason(), "FILE_UNREADABLE");
        }
        assert!(refuse_other_formats("统一社会信用代码".as_bytes()).is_ok());
    }
}
