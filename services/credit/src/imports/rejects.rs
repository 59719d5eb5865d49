//! The list of refused rows 拒收清单: why, and the row as it was sent, to be corrected and sent again.
use std::sync::Arc;

use chassis::{
    Answer, Context, Fault,
    fault::Kind,
    file::{File, tag_of},
    operations,
};
use contract::{credit::v1 as api, google::longrunning::Operation};
use futures::{StreamExt, stream};
use tables::Spreadsheet;

use super::{
    encoding,
    plan::{TEXT, WORKBOOK},
    rows::{self, Form, Reject},
};
use crate::Credit;

/// Headings of our own, which no import takes for a column of the contract when the list is sent again.
const OWN: [&str; 5] = ["拒收行号", "拒收原因", "拒收字段", "拒收说明", "Refused because"];

/// The operation of an import; for those who may see it.
pub async fn visible(app: &Credit, context: &Context, import: &str) -> Answer<Operation> {
    operations::get(&app.store, context, import).await.map_err(|fault| match fault.kind() {
        Kind::NotFound => Fault::not_found("import", "导入任务", import),
        _ => fault,
    })
}

/// Streams the list; for those who may see the import.
pub async fn download(
    app: &Arc<Credit>,
    context: &Context,
    request: api::DownloadRejectsRequest,
) -> Answer<File> {
    let import = request.id.strip_prefix("operations/").unwrap_or(&request.id).to_owned();
    let operation = visible(app, context, &import).await?;
    let form = rows::form(&app.store, &import).await?;
    let head: Vec<String> = OWN.map(str::to_owned).into_iter().chain(form.headings.iter().cloned()).collect();
    let width = head.len();
    let mut writer = Writer::of(request.format.trim(), &form)?;
    let refused = rows::count_rejects(&app.store, &import).await?;
    if matches!(writer, Writer::Workbook(_)) && refused > ROWS_MAX {
        return Err(Fault::field(
            "format",
            "a workbook has no room for so many rows; take the list as csv",
            "拒收行过多，超出工作表行数；请以 csv 下载",
        ));
    }
    let content_type = writer.content_type();
    let tag = tag_of(&["rejects", &import, request.format.trim(), &refused.to_string()]);
    let first = writer.head(head)?;
    let (app, language) = (app.clone(), context.language);
    let pages = stream::unfold(Some((writer, 0)), move |state| {
        let (app, import) = (app.clone(), import.clone());
        async move {
            let (mut writer, after) = state?;
            match page(&app, &import, after, &mut writer, width).await {
                Ok((bytes, Some(last))) => Some((Ok(bytes), Some((writer, last)))),
                Ok((_, None)) => match writer.end() {
                    Ok(bytes) if bytes.is_empty() => None,
                    Ok(bytes) => Some((Ok(bytes), None)),
                    Err(fault) => Some((Err(fault.into_status(language)), None)),
                },
                Err(fault) => Some((Err(fault.into_status(language)), None)),
            }
        }
    });
    let file = File::streamed(content_type, stream::iter([Ok(first)]).chain(pages));
    // While the import runs the list grows.
    Ok(if operation.done { file.tagged(&tag) } else { file })
}

// A sheet's rows, without the headings.
const ROWS_MAX: i64 = 1_048_575;

async fn page(
    app: &Credit,
    import: &str,
    after: i64,
    writer: &mut Writer,
    width: usize,
) -> Answer<(Vec<u8>, Option<i64>)> {
    let rejects = rows::rejects(&app.store, import, after).await?;
    let last = rejects.last().map(|reject| reject.row_number);
    let lines: Answer<Vec<Vec<String>>> = rejects.into_iter().map(|reject| line(reject, width)).collect();
    Ok((writer.rows(lines?)?, last))
}

// A row of the list, as wide as its headings at least.
fn line(reject: Reject, width: usize) -> Answer<Vec<String>> {
    let cells = reject.cells()?;
    let own = [reject.line.to_string(), reject.reason, reject.field, reject.message_zh, reject.message_en];
    let mut line: Vec<String> = own.into_iter().chain(cells).collect();
    line.resize(line.len().max(width), String::new());
    Ok(line)
}

// In which form the list is written.
enum Writer {
    Text { delimiter: u8, encoding: &'static encoding_rs::Encoding },
    Workbook(Box<Spreadsheet>),
}

impl Writer {
    fn of(format: &str, form: &Form) -> Answer<Self> {
        let original = format == "original";
        match if original { form.format.as_str() } else { format } {
            WORKBOOK => {
                Ok(Self::Workbook(Box::new(Spreadsheet::begin("拒收清单").map_err(Fault::internal)?)))
            }
            "" | TEXT => Ok(Self::Text {
                delimiter: form.delimiter.bytes().next().filter(|_| original).unwrap_or(b','),
                encoding: if original { encoding::named(&form.encoding) } else { encoding_rs::UTF_8 },
            }),
            _ => Err(Fault::field(
                "format",
                "is csv, xlsx, or original for the form in which the file came",
                "应为 csv、xlsx 或 original（与提交文件相同的形式）",
            )),
        }
    }

    fn content_type(&self) -> String {
        match self {
            Self::Text { encoding, .. } => {
                format!("text/csv; charset={}", encoding.name().to_ascii_lowercase())
            }
            Self::Workbook(_) => {
                String::from("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
            }
        }
    }

    fn head(&mut self, headings: Vec<String>) -> Answer<Vec<u8>> {
        let rows = self.rows(vec![headings])?;
        let mut bytes = match self {
            Self::Text { encoding, .. } => encoding::mark(encoding).to_vec(),
            Self::Workbook(_) => Vec::new(),
        };
        bytes.extend(rows);
        Ok(bytes)
    }

    fn rows(&mut self, rows: Vec<Vec<String>>) -> Answer<Vec<u8>> {
        match self {
            Self::Text { delimiter, encoding } => {
                let mut writer = csv::WriterBuilder::new()
                    .flexible(true)
                    .delimiter(*delimiter)
                    .terminator(csv::Terminator::CRLF)
                    .from_writer(Vec::new());
                for row in rows {
                    writer.write_record(row).map_err(Fault::internal)?;
                }
                let text = writer.into_inner().map_err(|error| Fault::internal(error.into_error()))?;
                Ok(encoding::encode(encoding, String::from_utf8(text).map_err(Fault::internal)?))
            }
            Self::Workbook(sheet) => sheet.rows(&rows).map_err(Fault::internal),
        }
    }

    fn end(self) -> Answer<Vec<u8>> {
        match self {
            Self::Text { .. } => Ok(Vec::new()),
            Self::Workbook(sheet) => sheet.end().map_err(Fault::internal),
        }
    }
}
