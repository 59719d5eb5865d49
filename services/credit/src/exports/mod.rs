//! Exports 数据导出: records and subjects as files, streamed from one view of the data.
mod cells;
mod rows;
mod rules;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chassis::{
    Answer, Context, Fault,
    decisions::{self, Decision},
    file::File,
    page::Page,
    storage::Connection,
};
use contract::{credit::v1 as api, r#type::v1::ErrorReason as Common};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tonic::Status;

use crate::{
    Credit, accesses,
    authorizations::{self, Granted},
    files::{self, Format, Writer},
    items::{self, Item},
    outcomes, profiles, subjects,
};
use rows::Filter;

/// So many exports run at once; each holds a connection.
pub const AT_ONCE: usize = 2;
/// Who takes nothing for so long is given up, and the connection with it.
const PATIENCE: Duration = Duration::from_secs(60);
/// A sheet's rows, without the headings.
const SHEET_MOST: u64 = 1_048_575;

/// The items whose records a caller may take away as a file: those that its audience sees, but for what needs the subject's grant. Grants are
/// given for single looks, not for files.
async fn visible(app: &Credit, context: &Context) -> Answer<Vec<Arc<Item>>> {
    let items = app.catalogue.in_force(&app.store).await?;
    let items = profiles::visible(&items, profiles::audience(context, ""), "", &Granted::default());
    Ok(items.into_iter().filter(|item| item.body.nature() != items::Nature::Authorized).collect())
}

/// Exports records.
pub async fn records(
    app: &Arc<Credit>,
    context: &Context,
    request: api::ExportRecordsRequest,
) -> Answer<File> {
    let asked = ask(context, &request.format, &request.purpose)?;
    let mut items = visible(app, context).await?;
    if !request.item.is_empty() {
        items.retain(|item| item.body.item == request.item);
        if items.is_empty() {
            return Err(withheld(&items::require(&app.store, &request.item).await?));
        }
    }
    let filter = rules::filter(&request, &items, context.today()).map_err(outcomes::fault)?;
    let one = (!request.item.is_empty()).then(|| items[0].body.clone());
    let view = open(app).await?;
    if asked.format == Format::Workbook && rows::count(&view.db, &filter, SHEET_MOST + 1).await? > SHEET_MOST
    {
        return Err(sheet_full());
    }
    let what = format!("export:{}", if request.item.is_empty() { "records" } else { &request.item });
    let detail = json!({ "item": request.item, "region": request.region, "from": request.from, "to": request.to,
                         "format": asked.format.extension() });
    tell(app, context, "records.exported", &asked.purpose, detail).await?;
    let source =
        Records { filter, items, one, what, after: (String::new(), String::new()), logged: String::new() };
    Ok(stream(app, context, asked, view, source, "records"))
}

/// Exports subjects.
pub async fn subjects(
    app: &Arc<Credit>,
    context: &Context,
    request: api::ExportSubjectsRequest,
) -> Answer<File> {
    let asked = ask(context, &request.format, &request.purpose)?;
    let filter = subjects::filter(&api::ListSubjectsRequest {
        region: request.region.clone(),
        industry: request.industry.clone(),
        domain: request.domain.clone(),
        ..Default::default()
    })?;
    let view = open(app).await?;
    if asked.format == Format::Workbook && rows::subjects(&view.db, SHEET_MOST + 1).await? > SHEET_MOST {
        return Err(sheet_full());
    }
    let detail = json!({ "region": request.region, "industry": request.industry, "domain": request.domain,
                         "format": asked.format.extension() });
    tell(app, context, "subjects.exported", &asked.purpose, detail).await?;
    Ok(stream(app, context, asked, view, Subjects { filter, after: String::new() }, "subjects"))
}

/// What a caller asks for, and what for.
struct Asked {
    format: Format,
    purpose: String,
}

fn ask(context: &Context, format: &str, purpose: &str) -> Answer<Asked> {
    if !context.caller.enterprise().is_empty() {
        return Err(outcomes::not_for_enterprises());
    }
    let purpose = outcomes::free_text("purpose", context.purpose(purpose)?, 200).map_err(outcomes::fault)?;
    Ok(Asked { format: Format::parse(format)?, purpose })
}

fn withheld(item: &Item) -> Fault {
    let violation = authorizations::rules::required(&item.body.item, &item.body.name);
    Fault::denied(violation.reason, violation.text.en, violation.text.zh).with("item", &item.body.item)
}

fn sheet_full() -> Fault {
    Fault::field(
        "format",
        "a workbook has no room for so many rows; narrow the export, or take it as csv",
        "导出行数超出工作表上限；请缩小范围或以 csv 导出",
    )
}

/// A view of the data, and the place among the exports that run.
struct View {
    db: Connection,
    _place: OwnedSemaphorePermit,
}

async fn open(app: &Arc<Credit>) -> Answer<View> {
    let place = app.exports.clone().try_acquire_owned().map_err(|_| {
        Fault::exhausted(
            api::ErrorReason::ExportsBusy.as_str_name(),
            format!("{AT_ONCE} exports run already; send the request again in a while"),
            format!("已有{AT_ONCE}个导出任务在进行；请稍后重试"),
        )
    })?;
    Ok(View { db: app.store.view().await?, _place: place })
}

// The export itself, with its purpose, into the record of decisions.
async fn tell(
    app: &Arc<Credit>,
    context: &Context,
    kind: &str,
    purpose: &str,
    detail: serde_json::Value,
) -> Answer<()> {
    let tx = app.store.begin().await?;
    decisions::record(&tx, context, Decision { kind, subject: "", basis: purpose, detail }).await?;
    tx.commit().await
}

/// Where the rows of an export come from.
trait Source: Send + 'static {
    fn sheet(&self) -> &'static str;
    fn headings(&self) -> Vec<String>;
    /// The next rows, as texts or as lines of JSON; none at the end.
    fn page(
        &mut self,
        app: &Arc<Credit>,
        context: &Context,
        asked: &Asked,
        db: &Connection,
    ) -> impl Future<Output = Answer<Option<Part>>> + Send;
}

/// Some rows.
enum Part {
    Rows(Vec<Vec<String>>),
    Lines(Vec<u8>),
}

fn stream(
    app: &Arc<Credit>,
    context: &Context,
    asked: Asked,
    view: View,
    source: impl Source,
    name: &str,
) -> File {
    let name = format!("{name}-{}.{}", context.today().strftime("%Y%m%d"), asked.format.extension());
    let format = asked.format;
    let (sender, receiver) = mpsc::channel(2);
    let (app, context) = (app.clone(), context.clone());
    tokio::spawn(async move {
        let language = context.language;
        if let Err(fault) = write(&app, &context, &asked, &view, source, &sender).await {
            // Nobody may listen any longer.
            let _ = sender.send_timeout(Err(fault.into_status(language)), PATIENCE).await;
        }
    });
    let parts = futures::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|part| (part, receiver))
    });
    files::file(name, format, parts)
}

async fn write(
    app: &Arc<Credit>,
    context: &Context,
    asked: &Asked,
    view: &View,
    mut source: impl Source,
    sender: &mpsc::Sender<Result<Vec<u8>, Status>>,
) -> Answer<()> {
    let send = async |bytes: Vec<u8>| {
        let taken = bytes.is_empty() || sender.send_timeout(Ok(bytes), PATIENCE).await.is_ok();
        taken && !context.stopping.is_cancelled()
    };
    let mut writer = Writer::begin(asked.format, source.sheet())?;
    if asked.format != Format::Lines && !send(writer.head(&source.headings())?).await {
        return Err(given_up());
    }
    while let Some(page) = source.page(app, context, asked, &view.db).await? {
        let bytes = match page {
            Part::Rows(rows) => writer.rows(&rows)?,
            Part::Lines(lines) => lines,
        };
        if !send(bytes).await {
            return Err(given_up());
        }
    }
    if !send(writer.end()?).await {
        return Err(given_up());
    }
    Ok(())
}

fn given_up() -> Fault {
    Fault::unavailable(
        Common::OperationInterrupted.as_str_name(),
        "the export broke off, since nobody took it or the service stops; send the request again",
        "导出中断（无人接收或服务停止）；请重新导出",
    )
}

struct Records {
    filter: Filter,
    items: Vec<Arc<Item>>,
    one: Option<api::CatalogueItem>,
    what: String,
    after: (String, String),
    logged: String,
}

impl Source for Records {
    fn sheet(&self) -> &'static str {
        "信用信息"
    }

    fn headings(&self) -> Vec<String> {
        cells::record_headings(self.one.as_ref())
    }

    async fn page(
        &mut self,
        app: &Arc<Credit>,
        context: &Context,
        asked: &Asked,
        db: &Connection,
    ) -> Answer<Option<Part>> {
        let rows = rows::records(db, &self.filter, &self.after).await?;
        let Some(last) = rows.last() else { return Ok(None) };
        self.after = (last.uscc.clone(), last.record.clone());
        // Written down before it is given; a subject that goes on from the page before stands there already.
        let mut looked: BTreeSet<&str> = rows.iter().map(|row| row.uscc.as_str()).collect();
        looked.remove(self.logged.as_str());
        accesses::log_all(app, context, &asked.purpose, looked, &self.what).await?;
        self.logged.clone_from(&last.uscc);
        let name = |item: &str| {
            let item = self.items.iter().find(|known| known.body.item == item);
            item.map(|item| item.body.name.clone()).unwrap_or_default()
        };
        Ok(Some(match asked.format {
            Format::Lines => Part::Lines(cells::record_lines(&rows, name)?),
            _ => Part::Rows(cells::record_rows(&rows, self.one.as_ref(), name)?),
        }))
    }
}

struct Subjects {
    filter: subjects::Filter,
    after: String,
}

impl Source for Subjects {
    fn sheet(&self) -> &'static str {
        "信用主体"
    }

    fn headings(&self) -> Vec<String> {
        cells::subject_headings()
    }

    async fn page(
        &mut self,
        _: &Arc<Credit>,
        _: &Context,
        asked: &Asked,
        db: &Connection,
    ) -> Answer<Option<Part>> {
        let mut page = Page::of(1_000, "")?;
        page.after.clone_from(&self.after);
        let subjects = subjects::search_rows(db, &self.filter, &page).await?;
        let Some(last) = subjects.last() else { return Ok(None) };
        self.after.clone_from(&last.uscc);
        Ok(Some(match asked.format {
            Format::Lines => Part::Lines(cells::subject_lines(&subjects)?),
            _ => Part::Rows(cells::subject_rows(&subjects)),
        }))
    }
}
