//! Taking a stored file in: batch by batch, each with its checkpoint in one transaction, so that whoever takes over goes
//! on at the next row.
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use chassis::{
    Answer, Fault, Tx, clock,
    fault::{Kind, Violation},
    operations::{self, Job},
};
use contract::{credit::v1 as api, r#type::v1::ErrorReason as Common};
use prost::Message;
use prost_types::Any;

use super::{
    cells::{self, RecordShape},
    encoding,
    headings::{self, Columns},
    plan::{self, Checkpoint, Plan},
    rows,
    sheet::{self, Line, Part},
};
use crate::{
    Credit, changes, items,
    outcomes::{self, Verdict},
    records, subjects,
};

/// The work's kind in the table of operations.
pub const KIND: &str = "import";

const ATTEMPTS: u32 = 5;

/// The work.
pub struct Import {
    /// The service.
    pub app: Arc<Credit>,
}

#[tonic::async_trait]
impl operations::Work for Import {
    fn kind(&self) -> &'static str {
        KIND
    }

    async fn run(&self, job: &Job) -> Answer<Any> {
        let outcome = self.take_in(job).await;
        let interrupted =
            matches!(&outcome, Err(fault) if fault.reason() == Common::OperationInterrupted.as_str_name());
        if !interrupted && let Err(fault) = rows::discard(&self.app.store, &job.id).await {
            tracing::warn!(import = job.id, %fault, "the parts of a file stay until the next start");
        }
        outcome
    }
}

/// What each row's cells are.
struct Shape {
    width: usize,
    columns: Columns,
    // By item: the columns of its fields.
    fields: HashMap<String, Vec<(api::CatalogueField, usize)>>,
}

impl Import {
    async fn take_in(&self, job: &Job) -> Answer<Any> {
        let plan = Plan::decode(job.request.as_slice()).map_err(Fault::internal)?;
        let mut checkpoint = Checkpoint::decode(job.checkpoint.as_slice()).map_err(Fault::internal)?;
        if !checkpoint.read {
            self.read_to_end(job, &plan, &mut checkpoint).await?;
        }
        let response = api::ImportResponse {
            import_id: job.id.clone(),
            progress: Some(checkpoint.progress),
            position: checkpoint.position,
            ignored_columns: checkpoint.ignored,
        };
        Ok(operations::any(&response))
    }

    async fn read_to_end(&self, job: &Job, plan: &Plan, checkpoint: &mut Checkpoint) -> Answer<()> {
        let skip = i64::from(checkpoint.progress.rows);
        let mut parts = sheet::open(&self.app.store, &job.id, encoding::named(&plan.encoding), skip);
        let mut shape = None;
        while let Some(part) = parts.recv().await {
            match (part?, &shape) {
                (Part::Headings(headings), _) => {
                    rows::put_headings(&self.app.store, &job.id, &headings).await?;
                    shape = Some(self.shape(plan, &headings, &mut checkpoint.ignored).await?);
                }
                (Part::Rows(lines), Some(shape)) => self.batch(job, plan, shape, &lines, checkpoint).await?,
                (Part::Rows(_), None) => {
                    return Err(Fault::internal(anyhow::anyhow!("rows before the headings")));
                }
            }
        }
        if shape.is_none() {
            return Err(plan::unreadable("the file holds no headings and no rows", "文件中没有表头和数据行"));
        }
        let tx = self.app.store.begin().await?;
        checkpoint.read = true;
        if checkpoint.position.is_empty() {
            checkpoint.position = changes::position(&self.app.store, &tx).await?;
        }
        job.progress(&tx, &metadata(job, plan, checkpoint), &checkpoint.encode_to_vec()).await?;
        tx.commit().await
    }

    async fn shape(&self, plan: &Plan, headings: &[String], ignored: &mut Vec<String>) -> Answer<Shape> {
        let targets = if plan.records { headings::RECORDS } else { headings::SUBJECTS };
        let columns =
            headings::find(headings, targets).map_err(|missing| column_missing(missing, headings))?;
        let mut fields = HashMap::new();
        if plan.records {
            if plan.item.is_empty() && !columns.has("item") {
                return Err(column_missing(("item", "事项"), headings));
            }
            let items = items::in_force(self.app.store.read()).await?;
            let wanted = items.into_iter().filter(|(name, _)| plan.item.is_empty() || plan.item == *name);
            fields = wanted.map(|(name, item)| (name, headings::fields(headings, &item.body))).collect();
        }
        let mut used: BTreeSet<usize> = columns.numbers().collect();
        used.extend(fields.values().flatten().map(|(_, column)| *column));
        *ignored = headings::ignored(headings, &used);
        Ok(Shape { width: headings.len(), columns, fields })
    }

    // A batch that lost a race is done again; it has left nothing behind.
    async fn batch(
        &self,
        job: &Job,
        plan: &Plan,
        shape: &Shape,
        lines: &[Line],
        checkpoint: &mut Checkpoint,
    ) -> Answer<()> {
        let mut attempt = 1;
        loop {
            match self.try_batch(job, plan, shape, lines, checkpoint).await {
                Ok(after) => {
                    *checkpoint = after;
                    return Ok(());
                }
                Err(fault) if fault.reason() == Common::OperationInterrupted.as_str_name() => {
                    return Err(fault);
                }
                Err(fault)
                    if attempt < ATTEMPTS && matches!(fault.kind(), Kind::Aborted | Kind::Internal) =>
                {
                    tracing::warn!(import = job.id, attempt, %fault, "a batch is tried again");
                    tokio::time::sleep(Duration::from_millis(50) * attempt * attempt).await;
                    attempt += 1;
                }
                Err(fault) => return Err(fault),
            }
        }
    }

    async fn try_batch(
        &self,
        job: &Job,
        plan: &Plan,
        shape: &Shape,
        lines: &[Line],
        before: &Checkpoint,
    ) -> Answer<Checkpoint> {
        let tx = self.app.store.begin().await?;
        let verdicts = self.take(&tx, plan, shape, lines).await?;
        let mut checkpoint = before.clone();
        let mut refused = Vec::new();
        for (line, verdict) in lines.iter().zip(verdicts) {
            checkpoint.progress.rows += 1;
            match verdict {
                Verdict::Accepted(_) => checkpoint.progress.accepted += 1,
                Verdict::Duplicate(_) => checkpoint.progress.duplicates += 1,
                Verdict::Refused(violation) => {
                    checkpoint.progress.rejected += 1;
                    refused.push((line, violation));
                }
            }
        }
        rows::put_rejects(&tx, &job.id, refused).await?;
        if let Some(position) = tx.position() {
            checkpoint.position = position.to_string();
        }
        job.progress(&tx, &metadata(job, plan, &checkpoint), &checkpoint.encode_to_vec()).await?;
        tx.commit().await?;
        Ok(checkpoint)
    }

    async fn take(&self, tx: &Tx, plan: &Plan, shape: &Shape, lines: &[Line]) -> Answer<Vec<Verdict>> {
        let now = self.app.clock.now();
        let refused = |line: &Line| cells::shifted(shape.width, &line.cells);
        if plan.records {
            let (inputs, refusals) = split(lines, |line| match refused(line) {
                None => shape.record(plan, line),
                Some(violation) => Err(violation),
            });
            let verdicts = records::take(tx, now, &plan.submitter(), &inputs).await?;
            return Ok(merge(verdicts, refusals));
        }
        let (inputs, refusals) = split(lines, |line| match refused(line) {
            None => Ok(cells::subject(&shape.columns, &line.cells, plan.accept_nonconforming)),
            Some(violation) => Err(violation),
        });
        Ok(merge(subjects::take(tx, now, &inputs).await?, refusals))
    }
}

impl Shape {
    fn record(&self, plan: &Plan, line: &Line) -> Result<api::RecordInput, Violation> {
        let accept_nonconforming = plan.accept_nonconforming;
        let shape = RecordShape { columns: &self.columns, item: &plan.item, accept_nonconforming };
        let fields = self.fields.get(shape.item(&line.cells)).map_or(&[][..], Vec::as_slice);
        shape.record(&line.cells, fields)
    }
}

// The rows that can be judged, and for each row the refusal of one that can't.
fn split<T>(
    lines: &[Line],
    read: impl Fn(&Line) -> Result<T, Violation>,
) -> (Vec<T>, Vec<Option<Violation>>) {
    let mut inputs = Vec::with_capacity(lines.len());
    let refusals = lines.iter().map(|line| read(line).map(|input| inputs.push(input)).err()).collect();
    (inputs, refusals)
}

fn merge(verdicts: Vec<Verdict>, refusals: Vec<Option<Violation>>) -> Vec<Verdict> {
    let mut verdicts = verdicts.into_iter();
    refusals
        .into_iter()
        .filter_map(|refusal| refusal.map_or_else(|| verdicts.next(), |r| Some(Verdict::Refused(r))))
        .collect()
}

fn metadata(job: &Job, plan: &Plan, checkpoint: &Checkpoint) -> api::ImportMetadata {
    api::ImportMetadata {
        import_id: job.id.clone(),
        progress: Some(checkpoint.progress),
        create_time: Some(clock::wire(clock::from_micros(plan.created_at))),
    }
}

fn column_missing((name, heading): (&str, &str), headings: &[String]) -> Fault {
    let shown: Vec<String> = headings.iter().take(40).map(|heading| outcomes::shown(heading)).collect();
    Fault::invalid(
        api::ErrorReason::ColumnMissing.as_str_name(),
        format!("no column is headed {name} (or {heading}); the file's headings are: {}", shown.join(", ")),
        format!("文件中没有“{heading}”（{name}）列；表头为：{}", shown.join("、")),
    )
    .with("column", name)
    .at("file")
}
