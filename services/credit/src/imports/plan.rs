//! What an import is asked to do, and how far it is: the two notes that the operation keeps.
use chassis::{
    Answer, Fault,
    clock::{business_day, micros},
};
use contract::credit::v1 as api;
use jiff::Timestamp;

use crate::{
    outcomes::{self, Submitter},
    subjects::past_day,
};

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
    /// csv or xlsx.
    #[prost(string, tag = "8")]
    pub format: String,
    /// Whether the file is judged only.
    #[prost(bool, tag = "9")]
    pub validate_only: bool,
    /// The day of every row, where the file has none.
    #[prost(string, tag = "10")]
    pub occurred_on: String,
    /// The sheet to read; empty: the first with headings.
    #[prost(string, tag = "11")]
    pub sheet: String,
}

impl Plan {
    /// Whether the file is a workbook; else it is separated values.
    pub fn is_workbook(&self) -> bool {
        self.format == WORKBOOK
    }

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
    /// How the file is read.
    #[prost(message, optional, tag = "5")]
    pub reading: Option<api::ImportReading>,
    /// The first warnings.
    #[prost(message, repeated, tag = "6")]
    pub warnings: Vec<api::ImportWarning>,
}

/// The format of separated values.
pub const TEXT: &str = "csv";
/// The format of workbooks.
pub const WORKBOOK: &str = "xlsx";

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
    let format = request.format.trim().to_ascii_lowercase();
    if !["", TEXT, WORKBOOK].contains(&format.as_str()) {
        return Err(Fault::field(
            "format",
            format!("\"{format}\" is no format that is taken; send the file as csv or xlsx"),
            format!("不支持“{format}”格式；请以 csv 或 xlsx 提交"),
        ));
    }
    let occurred_on = match request.occurred_on.trim() {
        "" => String::new(),
        given => past_day("occurredOn", given, business_day(now)).map_err(outcomes::fault)?,
    };
    let item = request.item.trim().to_owned();
    if !records && !item.is_empty() {
        return Err(Fault::field(
            "item",
            "belongs to records only; leave it out, or give kind=records",
            "仅用于导入记录；请去掉，或使用 kind=records",
        ));
    }
    let Submitter { department, unrestricted } = submitter;
    Ok(Plan {
        records,
        item,
        accept_nonconforming: request.accept_nonconforming,
        encoding: String::new(),
        department,
        unrestricted,
        created_at: micros(now),
        format,
        validate_only: request.validate_only,
        occurred_on,
        sheet: request.sheet.trim().to_owned(),
    })
}

/// Tells the format by a file's first bytes, and refuses what is plainly another kind of file or not what was announced.
pub fn tell_format(head: &[u8], announced: &str) -> Answer<&'static str> {
    if head.starts_with(&[0xD0, 0xCF, 0x11, 0xE0]) {
        return Err(unreadable(
            "the file is a workbook of the old form (.xls) or protected by a password; save it as XLSX without a password",
            "文件是旧版（.xls）或加密的电子表格；请另存为不加密的 XLSX 后提交",
        ));
    }
    if head.starts_with(&[0x1F, 0x8B]) {
        return Err(unreadable(
            "the file is compressed; unpack it and send the CSV file itself",
            "文件是压缩包；请解压后提交 CSV 文件",
        ));
    }
    if head.starts_with(b"%PDF") {
        return Err(unreadable(
            "the file is a PDF; send the table as a CSV or XLSX file",
            "文件是 PDF；请以 CSV 或 XLSX 文件提交表格",
        ));
    }
    match (head.starts_with(b"PK\x03\x04"), announced) {
        (true, TEXT) => Err(unreadable(
            "the file is a workbook, not CSV; send it with format=xlsx",
            "文件是电子表格而不是 CSV；请使用 format=xlsx",
        )),
        (false, WORKBOOK) => Err(unreadable(
            "the file is no workbook; send CSV with format=csv",
            "文件不是电子表格；CSV 文件请使用 format=csv",
        )),
        (true, _) => Ok(WORKBOOK),
        (false, _) => Ok(TEXT),
    }
}

/// The refusal of bytes that are neither a workbook nor text.
pub fn no_text() -> Fault {
    unreadable(
        "the file is not text; send a CSV file in UTF-8, GB18030, or UTF-16 with a byte order mark",
        "文件不是文本；请提交 UTF-8、GB18030 或带字节序标记的 UTF-16 编码的 CSV 文件",
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
            ("subjects", "", "json", "FIELD_INVALID"),
        ] {
            let fault = judged(&request(kind, item, format)).unwrap_err();
            assert_eq!(fault.reason(), reason, "{kind} {item} {format}");
        }
    }

    #[test]
    fn other_files_are_told_by_their_first_bytes() {
        for head in [&[0xD0, 0xCF, 0x11, 0xE0, 0xA1][..], &[0x1F, 0x8B, 8], b"%PDF-1.7"] {
            assert_eq!(tell_format(head, "").unwrap_err().reason(), "FILE_UNREADABLE");
        }
        let (workbook, text) = (&b"PK\x03\x04rest"[..], "统一社会信用代码".as_bytes());
        for (head, announced, expected) in [
            (text, "", Some("csv")),
            (text, "csv", Some("csv")),
            (text, "xlsx", None),
            (workbook, "", Some("xlsx")),
            (workbook, "xlsx", Some("xlsx")),
            (workbook, "csv", None),
        ] {
            assert_eq!(tell_format(head, announced).ok(), expected, "{announced}");
        }
    }
}
