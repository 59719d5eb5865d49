//! The list of refused rows 拒收清单 as CSV: why, and the row as it was sent, to be corrected and sent again.
use std::sync::Arc;

use chassis::{Answer, Context, Fault, fault::Kind, operations};
use contract::{credit::v1 as api, google::api::HttpBody};
use futures::{StreamExt, stream, stream::BoxStream};
use tonic::Status;

use super::rows::{self, Reject};
use crate::Credit;

/// Headings of our own, which no import takes for a column of the contract when the list is sent again.
const OWN: [&str; 5] = ["拒收行号", "拒收原因", "拒收字段", "拒收说明", "Refused because"];

/// Streams the list; for those who may see the import.
pub async fn download(
    app: &Arc<Credit>,
    context: &Context,
    request: api::DownloadRejectsRequest,
) -> Answer<BoxStream<'static, Result<HttpBody, Status>>> {
    let import = request.id.strip_prefix("operations/").unwrap_or(&request.id).to_owned();
    operations::get(&app.store, context, &import).await.map_err(|fault| match fault.kind() {
        Kind::NotFound => Fault::not_found("import", "导入任务", &import),
        _ => fault,
    })?;
    let headings = rows::headings(&app.store, &import).await?;
    let mut head = vec![0xEF, 0xBB, 0xBF];
    head.extend(csv([OWN.map(str::to_owned).into_iter().chain(headings).collect()])?);
    let (app, language) = (app.clone(), context.language);
    let pages = stream::unfold(Some(0), move |after| {
        let (app, import) = (app.clone(), import.clone());
        async move {
            let after = after?;
            match page(&app, &import, after).await {
                Ok((bytes, Some(last))) => Some((Ok(body(bytes)), Some(last))),
                Ok((_, None)) => None,
                Err(fault) => Some((Err(fault.into_status(language)), None)),
            }
        }
    });
    Ok(stream::iter([Ok(body(head))]).chain(pages).boxed())
}

async fn page(app: &Credit, import: &str, after: i64) -> Answer<(Vec<u8>, Option<i64>)> {
    let rejects = rows::rejects(&app.store, import, after).await?;
    let last = rejects.last().map(|reject| reject.row_number);
    let lines: Answer<Vec<Vec<String>>> = rejects.into_iter().map(line).collect();
    Ok((csv(lines?)?, last))
}

fn line(reject: Reject) -> Answer<Vec<String>> {
    let cells = reject.cells()?;
    let own = [reject.line.to_string(), reject.reason, reject.field, reject.message_zh, reject.message_en];
    Ok(own.into_iter().chain(cells).collect())
}

fn csv(lines: impl IntoIterator<Item = Vec<String>>) -> Answer<Vec<u8>> {
    let mut writer =
        csv::WriterBuilder::new().flexible(true).terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    for line in lines {
        writer.write_record(line).map_err(Fault::internal)?;
    }
    writer.into_inner().map_err(|error| Fault::internal(error.into_error()))
}

fn body(data: Vec<u8>) -> HttpBody {
    HttpBody { content_type: String::from("text/csv; charset=utf-8"), data, extensions: Vec::new() }
}
