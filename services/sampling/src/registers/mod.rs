//! Registers 一单两库: the one list and two libraries as files, in and out.
pub mod libraries;
mod rows;
pub mod sheets;

use std::sync::Arc;

use chassis::{
    Answer, Context, Fault, Tx,
    decisions::{self, Decision},
    file::File,
    page::Page,
    validation,
};
use contract::sampling::v1::{self as api, ErrorReason};
use identifiers::Uscc;
use serde_json::json;
use tables::{Format, TableFault};
use tonic::Streaming;

pub use self::rows::members;
use self::sheets::Column;
use crate::{Sampling, inspectors, items, register, rights};

const BYTES_MAX: usize = 16 * 1024 * 1024;
const REJECTS_MAX: usize = 1_000;
const PAGE: i32 = 1_000;

/// Which register a file is of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Register {
    Items,
    Inspectors,
    Objects,
}

impl Register {
    fn parse(name: &str) -> Answer<Self> {
        match name {
            "inspectionItems" => Ok(Self::Items),
            "inspectors" => Ok(Self::Inspectors),
            "objects" => Ok(Self::Objects),
            _ => Err(Fault::field(
                "register",
                "is inspectionItems, inspectors or objects",
                "应为 inspectionItems、inspectors 或 objects",
            )),
        }
    }

    fn columns(self) -> &'static [Column] {
        match self {
            Self::Items => &sheets::ITEMS,
            Self::Inspectors => &sheets::INSPECTORS,
            Self::Objects => &sheets::OBJECTS,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Items => "抽查事项清单",
            Self::Inspectors => "执法检查人员名录库",
            Self::Objects => "检查对象名录库",
        }
    }
}

/// Takes a file in.
pub async fn import(
    app: &Arc<Sampling>,
    context: &Context,
    mut parts: Streaming<api::ImportRegisterRequest>,
) -> Answer<api::RegisterReport> {
    let first = parts.message().await?.unwrap_or_default();
    validation::check(&first)?;
    rights::official(context)?;
    let register = Register::parse(&first.register)?;
    let mut body = Vec::new();
    let mut next = Some(first.clone());
    while let Some(part) = next {
        body.extend(part.file.unwrap_or_default().data);
        if body.len() > BYTES_MAX {
            return Err(too_large());
        }
        next = parts.message().await?;
    }
    let mut rows =
        tables::read(&body, &first.format.trim().to_ascii_lowercase()).map_err(unreadable)?.into_iter();
    let (_, headings) = rows.next().ok_or_else(|| unreadable(TableFault::NoTable))?;
    let layout = sheets::layout(&headings, register.columns());
    if layout.places.first().is_none_or(Option::is_none) {
        return Err(no_heading(register.columns()[0].heading));
    }
    let tx = app.store.begin().await?;
    let mut intake =
        Intake { context, register, members: Vec::new(), report: api::RegisterReport::default() };
    if register == Register::Objects {
        libraries::own_special(&tx, context, &first.library).await?;
    }
    for (line, row) in rows {
        intake.row(&tx, line, &sheets::cells(&layout, &row)).await?;
    }
    let mut report = intake.report;
    (report.ignored_columns, report.dropped_columns) = (layout.ignored, count(layout.dropped));
    if first.validate_only {
        // Nothing was committed.
        return Ok(report);
    }
    if register == Register::Objects {
        rows::put_members(&tx, &first.library, intake.members).await?;
    }
    let detail = json!({ "register": first.register, "library": first.library, "rows": report.rows,
        "accepted": report.accepted, "rejected": report.rejected });
    let decision =
        Decision { kind: "register.imported", subject: &first.register, basis: &first.library, detail };
    decisions::record(&tx, context, decision).await?;
    tx.commit().await?;
    Ok(report)
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn too_large() -> Fault {
    Fault::invalid(
        ErrorReason::FileUnreadable.as_str_name(),
        "the file is larger than 16 MiB, 100,000 rows or 200 columns; divide it",
        "文件超过16 MiB、10万行或200列；请拆分后提交",
    )
    .at("file")
}

fn unreadable(fault: TableFault) -> Fault {
    match fault {
        TableFault::TooLarge => too_large(),
        TableFault::NoTable => Fault::invalid(
            ErrorReason::FileUnreadable.as_str_name(),
            "the file is no CSV (UTF-8, UTF-16 with its mark, GB18030) and no XLSX workbook, or holds nothing, or is not the format named",
            "文件不是 CSV（UTF-8、带标记的 UTF-16、GB18030）或 XLSX 工作簿，或没有内容，或与所填格式不符",
        )
        .at("file"),
    }
}

fn no_heading(heading: &str) -> Fault {
    Fault::invalid(
        ErrorReason::FileUnreadable.as_str_name(),
        format!(
            "the first row has no heading \"{heading}\"; begin with the headings of the register's own export"
        ),
        format!("首行没有“{heading}”列；请使用本名录导出文件的表头"),
    )
    .at("file")
}

// A file on its way in.
struct Intake<'a> {
    context: &'a Context,
    register: Register,
    // The members of a library that were right.
    members: Vec<(String, String)>,
    report: api::RegisterReport,
}

impl Intake<'_> {
    async fn row(&mut self, tx: &Tx, line: usize, cells: &[String]) -> Answer<()> {
        self.report.rows += 1;
        let judged = match self.register {
            Register::Items => self.item(tx, cells).await,
            Register::Inspectors => self.inspector(tx, cells).await,
            Register::Objects => self.object(cells),
        };
        let fault = match judged {
            Ok(()) => {
                self.report.accepted += 1;
                return Ok(());
            }
            // What is not the row's fault ends the file.
            Err(fault) if fault.cause().is_some() => return Err(fault),
            Err(fault) => fault,
        };
        self.report.rejected += 1;
        if self.report.rejects.len() < REJECTS_MAX {
            self.report.rejects.push(api::RejectedRow {
                line: count(line),
                reason: fault.reason().to_owned(),
                message: fault.text().get(self.context.language).to_owned(),
            });
        }
        Ok(())
    }

    async fn item(&self, tx: &Tx, cells: &[String]) -> Answer<()> {
        let item = sheets::item(cells).ok_or_else(|| {
            Fault::field(
                "category",
                "is 一般检查事项 or 重点检查事项",
                "事项类别应为一般检查事项或重点检查事项",
            )
        })?;
        let request = api::PutInspectionItemRequest { inspection_item: Some(item), ..Default::default() };
        validation::check(&request)?;
        items::put_one(self.context, tx, request.inspection_item.unwrap_or_default()).await.map(|_| ())
    }

    async fn inspector(&self, tx: &Tx, cells: &[String]) -> Answer<()> {
        let inspector = sheets::inspector(cells).ok_or_else(|| {
            Fault::field(
                "leaves",
                "are spans such as 2026-05-01至2026-05-07, and inactive is 是 or 否",
                "休假应形如2026-05-01至2026-05-07，停用应为是或否",
            )
        })?;
        let request = api::PutInspectorRequest { inspector: Some(inspector), ..Default::default() };
        validation::check(&request)?;
        inspectors::put_one(self.context, tx, request.inspector.unwrap_or_default()).await.map(|_| ())
    }

    fn object(&mut self, cells: &[String]) -> Answer<()> {
        let (given, note) =
            (cells.first().map_or("", String::as_str), cells.get(1).cloned().unwrap_or_default());
        let (code, _) = Uscc::parse_tolerant(given).map_err(|fault| rights::code_fault("uscc", &fault))?;
        rights::no_identity_number("note", &note)?;
        self.members.push((code.as_str().to_owned(), note));
        Ok(())
    }
}

/// Gives a register as a file.
pub async fn export(
    app: &Arc<Sampling>,
    context: &Context,
    request: api::ExportRegisterRequest,
) -> Answer<File> {
    rights::official(context)?;
    let purpose = context.purpose(&request.purpose)?;
    let register = Register::parse(&request.register)?;
    let format = format(&request.format)?;
    let db = app.store.read();
    let headings = register.columns().iter().map(|column| column.heading.to_owned()).collect();
    let mut rows: Vec<Vec<String>> = vec![headings];
    match register {
        Register::Objects => {
            libraries::special(db, &request.library).await?;
            rows.extend(
                members(db, &request.library).await?.into_iter().map(|(uscc, note)| vec![uscc, note]),
            );
        }
        Register::Items => {
            let id = |one: &api::InspectionItem| one.inspection_item_id.clone();
            let all = whole(app, "inspection_items", &request.department, id).await?;
            rows.extend(all.iter().map(sheets::item_row));
        }
        Register::Inspectors => {
            let id = |one: &api::Inspector| one.inspector_id.clone();
            let all = whole(app, "inspectors", &request.department, id).await?;
            rows.extend(all.iter().map(sheets::inspector_row));
        }
    }
    rights::look(app, context, purpose, &request.register).await?;
    file(format, register.title(), &rows)
}

/// The form of a file that is asked for.
pub fn format(given: &str) -> Answer<Format> {
    Format::parse(given).ok_or_else(|| Fault::field("format", "is csv or xlsx", "应为 csv 或 xlsx"))
}

/// Rows as a file, in messages that every client takes.
pub fn file(format: Format, title: &str, rows: &[Vec<String>]) -> Answer<File> {
    let bytes = tables::write(format, title, rows).map_err(Fault::internal)?;
    Ok(File::whole(format.content_type(), bytes))
}

// All of a register, page by page.
async fn whole<M: prost::Message + Default>(
    app: &Arc<Sampling>,
    table: &str,
    department: &str,
    id: impl Fn(&M) -> String,
) -> Answer<Vec<M>> {
    let (mut all, mut token) = (Vec::new(), String::new());
    loop {
        let page = Page::of(PAGE, &token)?;
        let mut part: Vec<M> = register::page(app.store.read(), table, department, &page).await?;
        token = page.cut(&mut part, &id);
        all.extend(part);
        if token.is_empty() {
            return Ok(all);
        }
    }
}

/// The refusal of a library that is not there.
pub fn no_library(library: &str) -> Fault {
    Fault::missing(
        ErrorReason::ObjectLibraryUnknown.as_str_name(),
        format!("there is no object library \"{library}\" of this kind; put it with PUT /sampling/v1/objectLibraries/{library} first"),
        format!("不存在此类检查对象名录库“{library}”；请先通过 PUT /sampling/v1/objectLibraries/{library} 建立"),
    )
    .with("library", library)
    .at("library")
}
