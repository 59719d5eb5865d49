//! A summary as a file 导出: DOCX, XLSX or PDF, the same bytes each time for the same version.
use std::sync::Arc;

use chassis::{Answer, Context, Fault, file::File, language::Language};
use contract::reporting::v1 as api;
use documents::{Form, Workbook, docx_in, pdf_in, xlsx};
use files::Kind;
use jiff::{Timestamp, civil::DateTime, tz::Offset};

use super::{at, book::Tables, figures::named, report};
use crate::Reporting;

/// Gives a summary as a file.
pub async fn export(app: &Arc<Reporting>, _: &Context, request: api::ExportSummaryRequest) -> Answer<File> {
    let kind = match request.format.trim().to_ascii_lowercase().as_str() {
        "" | "docx" => Kind::Docx,
        "xlsx" => Kind::Xlsx,
        "pdf" => Kind::Pdf,
        _ => return Err(Fault::field("format", "is docx, xlsx or pdf", "应为 docx、xlsx 或 pdf")),
    };
    // The document is Chinese, whoever reads it.
    let summary = named(at(app, &request.id, request.version).await?, Language::Zh);
    let files = crate::attachments::of(app.store.read(), &format!("summaries/{}", request.id)).await?;
    let bytes = tokio::task::spawn_blocking(move || written(kind, &summary, &files)).await;
    let bytes = bytes.map_err(Fault::internal)??;
    Ok(File::whole(kind.media_type(), bytes))
}

fn written(kind: Kind, summary: &api::Summary, files: &[api::Attachment]) -> Answer<Vec<u8>> {
    // When it was handed in; before that, when its figures were read.
    let made = summary.submit_time.or(summary.figures_time).or(summary.create_time);
    let created = made.map_or(DateTime::ZERO, civil);
    let document = || report::document(summary, files, created);
    match kind {
        Kind::Pdf => Ok(pdf_in(&document(), Form::Official).map_err(Fault::internal)?.bytes),
        Kind::Xlsx => {
            let book = Workbook {
                title: report::title(summary),
                author: report::department(summary).to_owned(),
                created,
                pages: Tables::of(summary, files).pages(&report::sources(summary)),
            };
            xlsx(&book).map_err(Fault::internal)
        }
        _ => docx_in(&document(), Form::Official).map_err(Fault::internal),
    }
}

fn civil(at: prost_types::Timestamp) -> DateTime {
    let instant = Timestamp::from_second(at.seconds).unwrap_or(Timestamp::UNIX_EPOCH);
    Offset::constant(8).to_datetime(instant)
}
