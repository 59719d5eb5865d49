//! Imports 文件导入: a file is stored whole before the call is answered, then taken in batch by batch.
mod batch;
mod cells;
mod encoding;
mod headings;
#[cfg(test)]
mod hostile;
mod layout;
mod link;
mod plan;
mod preview;
mod rejects;
mod rows;
mod sheet;
mod templates;
mod values;
mod withdrawal;
mod work;
mod workbook;

use std::sync::Arc;

use chassis::{Answer, Context, Fault, Store, ids, operations, operations::Work, validation};
use contract::{credit::v1 as api, google::longrunning::Operation, r#type::v1::ErrorReason as Common};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Semaphore;
use tonic::Streaming;

pub use headings::{Target, USCC, optional, squash, wanted};
pub use rejects::download as download_rejects;
pub use sheet::{Line, whole as table};
pub use values::{date, value};
pub use withdrawal::withdraw;
pub use work::column_missing;

use crate::{
    Credit, authorizations, changes, items,
    outcomes::{self, Submitter},
    records,
};
use encoding::Census;
use plan::Plan;

const FILE_MAX: u64 = 512 * 1024 * 1024;
const CHUNK: usize = 1024 * 1024;

/// The work of taking a stored file in, and of taking an import back.
pub fn works(app: &Arc<Credit>) -> Vec<Arc<dyn Work>> {
    vec![Arc::new(work::Import { app: app.clone() }), Arc::new(withdrawal::Withdrawal { app: app.clone() })]
}

/// Removes what broken uploads left behind.
pub async fn sweep(store: &Store, now: Timestamp) -> anyhow::Result<()> {
    rows::sweep(store, now.saturating_sub(SignedDuration::from_hours(24))?).await?;
    Ok(())
}

/// Receives a file and answers with the operation that takes it in.
pub async fn create(
    app: &Arc<Credit>,
    context: &Context,
    mut parts: Streaming<api::CreateImportRequest>,
) -> Answer<Operation> {
    let submitter = Submitter::of(context)?;
    let first = parts.message().await?.unwrap_or_default();
    validation::check(&first)?;
    let mut plan = plan::judge(&first, submitter, context.now)?;
    if !plan.item.is_empty() {
        let item = items::require(&app.store, &plan.item).await?;
        records::rules::may_submit(&item.body, &plan.submitter()).map_err(outcomes::fault)?;
        authorizations::any(app, &plan.department, &item, context.today()).await?;
    }
    let import = ids::fresh(context.now)?;
    let mut intake = Intake::new(app, &import, context, &plan.format);
    let received = intake.receive(first, &mut parts).await;
    let started = match received {
        Ok((format, encoding)) => {
            format.clone_into(&mut plan.format);
            encoding.clone_into(&mut plan.encoding);
            start(app, context, &import, &plan).await
        }
        Err(fault) => Err(fault),
    };
    if started.is_err()
        && let Err(fault) = rows::discard(&app.store, &import).await
    {
        tracing::warn!(import, %fault, "the parts of a refused file stay until the next start");
    }
    started
}

async fn start(app: &Arc<Credit>, context: &Context, import: &str, plan: &Plan) -> Answer<Operation> {
    let metadata = api::ImportMetadata {
        import_id: import.to_owned(),
        progress: Some(api::ImportProgress::default()),
        create_time: Some(changes::stamp(context.now)),
        rows_per_second: 0,
    };
    let tx = app.store.begin().await?;
    let operation = operations::start_as(&tx, context, import, work::KIND, plan, &metadata).await?;
    tx.commit().await?;
    Ok(operation)
}

/// A file on its way in.
struct Intake<'a> {
    store: &'a Store,
    workbooks: &'a Semaphore,
    import: &'a str,
    now: Timestamp,
    buffer: Vec<u8>,
    chunks: i32,
    bytes: u64,
    census: Census,
    announced: &'a str,
    format: &'static str,
}

impl<'a> Intake<'a> {
    fn new(app: &'a Credit, import: &'a str, context: &Context, announced: &'a str) -> Self {
        Self {
            store: &app.store,
            workbooks: &app.workbooks,
            import,
            now: context.now,
            buffer: Vec::new(),
            chunks: 0,
            bytes: 0,
            census: Census::default(),
            announced,
            format: "",
        }
    }

    // Stores the whole file and tells its format and encoding.
    async fn receive(
        &mut self,
        first: api::CreateImportRequest,
        parts: &mut Streaming<api::CreateImportRequest>,
    ) -> Answer<(&'static str, &'static str)> {
        let mut part = Some(first);
        while let Some(request) = part {
            self.take(request.file.map(|file| file.data).unwrap_or_default()).await?;
            part = parts.message().await?;
        }
        if self.bytes == 0 {
            return Err(plan::unreadable("the file is empty", "文件为空"));
        }
        self.tell()?;
        self.flush().await?;
        if self.format == plan::WORKBOOK {
            let _permit = self.workbooks.acquire().await.map_err(Fault::internal)?;
            self.inspect().await?;
            return Ok((self.format, ""));
        }
        let encoding = self.census.encoding().ok_or_else(plan::no_text)?;
        Ok((self.format, encoding.name()))
    }

    fn tell(&mut self) -> Answer<()> {
        if self.format.is_empty() {
            self.format = plan::tell_format(&self.buffer, self.announced)?;
        }
        if self.format == plan::WORKBOOK && self.bytes > workbook::PACKED_MAX {
            return Err(Fault::exhausted(
                Common::BodyTooLarge.as_str_name(),
                "the workbook is larger than 64 MiB; send it as CSV, or split it",
                "电子表格超过64 MiB；请改用 CSV 提交或拆分后提交",
            )
            .at("file"));
        }
        Ok(())
    }

    // A workbook is judged by its parts before the call is answered.
    async fn inspect(&self) -> Answer<()> {
        let mut bytes = Vec::new();
        for seq in 0..self.chunks {
            bytes.extend(rows::chunk(self.store, self.import, seq).await?.unwrap_or_default());
        }
        tokio::task::spawn_blocking(move || workbook::inspect(&bytes)).await.map_err(Fault::internal)?
    }

    async fn take(&mut self, data: Vec<u8>) -> Answer<()> {
        self.bytes += data.len() as u64;
        if self.bytes > FILE_MAX {
            return Err(Fault::exhausted(
                Common::BodyTooLarge.as_str_name(),
                "the file is larger than 512 MiB; split it and send the parts one by one",
                "文件超过512 MiB；请拆分后分次提交",
            )
            .at("file"));
        }
        self.census.look(&data);
        self.buffer.extend_from_slice(&data);
        while self.buffer.len() >= CHUNK {
            self.tell()?;
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Answer<()> {
        let rest = self.buffer.split_off(self.buffer.len().min(CHUNK));
        let chunk = std::mem::replace(&mut self.buffer, rest);
        rows::put_chunk(self.store, self.import, self.chunks, chunk, self.now).await?;
        self.chunks += 1;
        Ok(())
    }
}
