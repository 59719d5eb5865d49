//! Taking a stored file in: batch by batch, each with its checkpoint in one transaction, so that whoever takes over goes
//! on at the next row.
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chassis::{
    Answer, Fault, clock,
    fault::Kind,
    language::Text,
    operations::{self, Job},
};
use contract::{credit::v1 as api, r#type::v1::ErrorReason as Common};
use prost::Message;
use prost_types::Any;

use super::{
    batch, cells,
    layout::{self, Layout, Missing},
    plan::{self, Checkpoint, Plan},
    preview::Preview,
    rows,
    sheet::{self, Head, Line, Part},
};
use crate::{
    Credit, authorizations, changes, items,
    outcomes::{self, Verdict},
    usage::{self, Tally},
};

/// The work's kind in the table of operations.
pub const KIND: &str = "import";

const ATTEMPTS: u32 = 5;
const WARNINGS_MAX: usize = 100;

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

// A file in the hands of this process.
struct Run<'a> {
    app: &'a Credit,
    job: &'a Job,
    plan: &'a Plan,
    since: Instant,
    // Rows that an earlier process took in.
    before: i32,
}

impl Import {
    async fn take_in(&self, job: &Job) -> Answer<Any> {
        let plan = Plan::decode(job.request.as_slice()).map_err(Fault::internal)?;
        let mut checkpoint = Checkpoint::decode(job.checkpoint.as_slice()).map_err(Fault::internal)?;
        let before = checkpoint.progress.rows;
        let run = Run { app: &self.app, job, plan: &plan, since: Instant::now(), before };
        let mut preview = plan.validate_only.then(Preview::default);
        if !checkpoint.read {
            run.to_end(&mut checkpoint, &mut preview).await?;
        }
        let response = api::ImportResponse {
            import_id: job.id.clone(),
            progress: Some(checkpoint.progress),
            position: checkpoint.position,
            ignored_columns: checkpoint.ignored,
            reading: checkpoint.reading,
            warnings: checkpoint.warnings,
            validate_only: plan.validate_only,
            samples: preview.map(|preview| preview.samples).unwrap_or_default(),
        };
        Ok(operations::any(&response))
    }
}

impl Run<'_> {
    async fn to_end(&self, checkpoint: &mut Checkpoint, preview: &mut Option<Preview>) -> Answer<()> {
        let items = items::in_force(self.app.store.read()).await?;
        let known = layout::known_headings(&items);
        let skip = i64::from(checkpoint.progress.rows);
        let mut parts = sheet::open(&self.app.store, &self.job.id, self.plan, known, skip);
        let mut items = Some(items);
        let (mut found, mut ended) = (None, false);
        while let Some(part) = parts.recv().await {
            match (part?, &found) {
                (Part::End, _) => ended = true,
                (Part::Headings(head), _) => {
                    let layout = Layout::find(
                        self.plan,
                        &head.cells,
                        items.take().unwrap_or_default(),
                        self.job.language,
                    )
                    .map_err(|missing| column_missing(missing, &head.cells))?;
                    self.begin(&head, &layout, checkpoint).await?;
                    found = Some(layout);
                }
                (Part::Rows(mut lines), Some(layout)) => {
                    let dropped = drop_personal(layout, &mut lines);
                    self.batch(layout, &lines, dropped, checkpoint, preview).await?;
                }
                (Part::Rows(_), None) => {
                    return Err(Fault::internal(anyhow::anyhow!("rows before the headings")));
                }
            }
        }
        if !ended {
            return Err(Fault::internal(anyhow::anyhow!("the reader broke down")));
        }
        if found.is_none() {
            return Err(plan::unreadable("the file holds no headings and no rows", "文件中没有表头和数据行"));
        }
        let tx = self.app.store.begin().await?;
        // A judgement that is interrupted begins anew: what it knows of earlier rows is in memory only.
        checkpoint.read = preview.is_none();
        if checkpoint.position.is_empty() {
            checkpoint.position = changes::position(&self.app.store, &tx).await?;
        }
        if preview.is_none() {
            self.job.progress(&tx, &self.metadata(checkpoint), &checkpoint.encode_to_vec()).await?;
        }
        tx.commit().await
    }

    // Notes how the file is read.
    async fn begin(&self, head: &Head, layout: &Layout, checkpoint: &mut Checkpoint) -> Answer<()> {
        let plan = self.plan;
        checkpoint.ignored = layout.ignored.clone();
        checkpoint.progress.dropped_personal_columns =
            i32::try_from(layout.personal.len()).unwrap_or(i32::MAX);
        let personal = layout.personal.iter().filter_map(|&column| head.cells.get(column));
        checkpoint.reading = Some(api::ImportReading {
            format: plan.format.clone(),
            encoding: if plan.is_workbook() { String::new() } else { plan.encoding.clone() },
            delimiter: head.delimiter.clone(),
            sheet: head.sheet.clone(),
            headings_line: head.line,
            template: layout.template.map(|template| template.template.clone()).unwrap_or_default(),
            template_name: layout.template.map(|template| template.name.clone()).unwrap_or_default(),
            item: layout.item.clone(),
            mapping: layout.mapping.clone(),
            personal_columns: personal.map(|heading| outcomes::shown(heading)).collect(),
        });
        if let (false, Some(item)) = (layout.item.is_empty(), plan.records.then_some(&layout.item)) {
            let item = items::require(&self.app.store, item).await?;
            crate::records::rules::may_submit(&item.body, &plan.submitter()).map_err(outcomes::fault)?;
            let today = self.app.clock.today();
            authorizations::any(self.app, &plan.submitter().department, &item, today).await?;
        }
        if plan.validate_only {
            return Ok(());
        }
        let form = rows::Form {
            format: plan.format.clone(),
            encoding: plan.encoding.clone(),
            delimiter: head.delimiter.clone(),
            headings: layout.without_personal(&head.cells),
        };
        rows::put_form(&self.app.store, &self.job.id, &form).await
    }

    // A batch that lost a race is done again; it has left nothing behind.
    async fn batch(
        &self,
        layout: &Layout,
        lines: &[Line],
        dropped: i32,
        checkpoint: &mut Checkpoint,
        preview: &mut Option<Preview>,
    ) -> Answer<()> {
        let mut attempt = 1;
        loop {
            let mut next = checkpoint.clone();
            next.progress.dropped_personal_cells += dropped;
            let tried = match preview {
                Some(preview) => self.judge(layout, lines, &mut next, preview).await,
                None => self.write(layout, lines, &mut next).await,
            };
            match tried {
                Ok(()) => {
                    *checkpoint = next;
                    return Ok(());
                }
                Err(fault) if fault.reason() == Common::OperationInterrupted.as_str_name() => {
                    return Err(fault);
                }
                Err(fault)
                    if attempt < ATTEMPTS && matches!(fault.kind(), Kind::Aborted | Kind::Internal) =>
                {
                    tracing::warn!(import = self.job.id, attempt, %fault, "a batch is tried again");
                    tokio::time::sleep(Duration::from_millis(50) * attempt * attempt).await;
                    attempt += 1;
                }
                Err(fault) => return Err(fault),
            }
        }
    }

    async fn write(&self, layout: &Layout, lines: &[Line], next: &mut Checkpoint) -> Answer<()> {
        let tx = self.app.store.begin().await?;
        let taken = batch::take(&tx, self.app.clock.now(), self.plan, layout, lines).await?;
        let accepted: Vec<&str> = taken
            .verdicts
            .iter()
            .filter_map(|verdict| match verdict {
                Verdict::Accepted(record) if !record.is_empty() => Some(record.as_str()),
                _ => None,
            })
            .collect();
        rows::note_records(&tx, &self.job.id, &accepted).await?;
        let mut refused = Vec::new();
        let records = self.plan.records;
        let mut tally = if records { Tally::default() } else { Tally::of_subjects(&taken.verdicts) };
        let ends = taken.verdicts.into_iter().zip(&taken.linked);
        for (row, (line, (verdict, linked))) in lines.iter().zip(ends).enumerate() {
            let item = batch::item(&taken.inputs, taken.places[row]).unwrap_or(&layout.item);
            if records {
                tally.add(item, (&verdict).into());
            }
            self.count(layout, line, (&verdict, linked.as_ref()), next);
            if let Verdict::Refused(violation) = verdict {
                let kept = cells::kept(layout, &line.cells, &violation);
                refused.push((line, violation, kept));
            }
        }
        rows::put_rejects(&tx, &self.job.id, refused).await?;
        if let Some(position) = tx.position() {
            next.position = position.to_string();
        }
        self.job.progress(&tx, &self.metadata(next), &next.encode_to_vec()).await?;
        usage::count(&tx, self.app.clock.now(), &self.plan.submitter().department, &tally).await?;
        tx.commit().await
    }

    // The same judgement in a transaction that is never committed.
    async fn judge(
        &self,
        layout: &Layout,
        lines: &[Line],
        next: &mut Checkpoint,
        preview: &mut Preview,
    ) -> Answer<()> {
        let tx = self.app.store.begin().await?;
        let taken = batch::take(&tx, self.app.clock.now(), self.plan, layout, lines).await?;
        drop(tx);
        let mut taken = taken;
        let linked = std::mem::take(&mut taken.linked);
        let verdicts = preview.settle(layout, lines, taken, self.job.language);
        for ((line, verdict), linked) in lines.iter().zip(&verdicts).zip(&linked) {
            self.count(layout, line, (verdict, linked.as_ref()), next);
        }
        let tx = self.app.store.begin().await?;
        self.job.progress(&tx, &self.metadata(next), &[]).await?;
        tx.commit().await
    }

    fn count(
        &self,
        layout: &Layout,
        line: &Line,
        (verdict, linked): (&Verdict, Option<&Text>),
        next: &mut Checkpoint,
    ) {
        let progress = &mut next.progress;
        progress.rows += 1;
        match verdict {
            Verdict::Accepted(_) => progress.accepted += 1,
            Verdict::Duplicate(_) => progress.duplicates += 1,
            Verdict::Refused(violation) => {
                progress.rejected += 1;
                let person = api::ErrorReason::PersonNotTaken.as_str_name();
                progress.person_rows += i32::from(violation.reason == person);
                return;
            }
        }
        let rare = cells::warning(&line.cells).map(|column| {
            let field = layout.mapping.get(column).map(|column| column.heading.clone());
            (field.unwrap_or_default(), rare(self.job.language))
        });
        // Why a row without a code became this subject's, for who sent the file to look through.
        let linked = linked.map(|because| (String::from("name"), because.get(self.job.language).to_owned()));
        progress.warned += i32::from(rare.is_some() || linked.is_some());
        for (field, message) in rare.into_iter().chain(linked) {
            if next.warnings.len() < WARNINGS_MAX {
                next.warnings.push(api::ImportWarning { line: line.line, field, message });
            }
        }
    }

    fn metadata(&self, checkpoint: &Checkpoint) -> api::ImportMetadata {
        let rows = f64::from(checkpoint.progress.rows - self.before);
        let rate = rows / self.since.elapsed().as_secs_f64().max(0.001);
        #[allow(clippy::cast_possible_truncation, reason = "the cast saturates, and a rate is small")]
        let rows_per_second = rate as i32;
        api::ImportMetadata {
            import_id: self.job.id.clone(),
            progress: Some(checkpoint.progress),
            create_time: Some(clock::wire(clock::from_micros(self.plan.created_at))),
            rows_per_second,
        }
    }
}

fn drop_personal(layout: &Layout, lines: &mut [Line]) -> i32 {
    lines.iter_mut().map(|line| layout.drop_personal(&mut line.cells)).sum()
}

fn rare(language: chassis::language::Language) -> String {
    chassis::language::Text::new(
        "holds a character of the private use area, which is kept as it is; check how it is meant to look",
        "含有自造字（私用区字符），已按原样保存；请核对字形",
    )
    .get(language)
    .to_owned()
}

pub fn column_missing((name, heading): Missing, headings: &[String]) -> Fault {
    let shown: Vec<String> = headings.iter().take(40).map(|heading| outcomes::shown(heading)).collect();
    Fault::invalid(
        api::ErrorReason::ColumnMissing.as_str_name(),
        format!("no column is headed {name} (or {heading}); the file's headings are: {}", shown.join(", ")),
        format!("文件中没有“{heading}”（{name}）列；表头为：{}", shown.join("、")),
    )
    .with("column", name)
    .at("file")
}
