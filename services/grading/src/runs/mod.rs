//! Runs 全量评价: a scheme over its whole population, divided into parts that any number of workers share.
mod rows;
pub mod shards;

use std::{sync::Arc, time::Duration};

use chassis::{
    Answer, Context, Fault, Tx, async_trait,
    clock::{business_day, wire},
    feed::Position,
    operations::{self, Job, Work, any},
    storage::corrupt,
};
use contract::{
    google::longrunning::Operation,
    grading::v1::{
        CancelOperationRequest, CreateRunRequest, ErrorReason, GetOperationRequest, RunMetadata, RunProgress,
        RunResponse, Scheme, scheme::State,
    },
    r#type::v1::ErrorReason as Common,
};
use futures::TryStreamExt;
use jiff::civil::Date;
use prost::{Message, Name};
use prost_types::Any;
use sea_orm::ConnectionTrait;

pub use self::rows::adopt;
use crate::{
    Grading,
    grades::{day, version_on},
    schemes::{self, Version, owned, rules},
    sheets,
};

const KIND: &str = "run";
// So many parts, unless that makes them too small to be worth a claim, or too large for the feed to wait for.
const PARTS: i64 = 64;
const SUBJECTS_LEAST: i64 = 1_000;
const SUBJECTS_MOST: i64 = 4_000;
// Above every code, in whatever order a database puts letters and digits.
const ABOVE_ALL: &str = "ZZZZZZZZZZZZZZZZZZZ";
const FAILURES_MOST: i32 = 5;
// So many new grades change the tables beyond what a database believes of them.
const MANY: i32 = 10_000;
const LOOK: Duration = Duration::from_millis(100);

/// What to evaluate, as it lies in the operation.
#[derive(Clone, PartialEq, Message)]
struct Task {
    #[prost(string, tag = "1")]
    scheme: String,
    #[prost(int32, tag = "2")]
    version: i32,
    /// The day to report on; empty: grade for the day on which each subject's turn comes, so that a run round midnight
    /// never puts yesterday's grade over today's.
    #[prost(string, tag = "3")]
    report_on: String,
    /// Whether to wait first for all that credit knew when the run was asked for.
    #[prost(bool, tag = "4")]
    catch_up: bool,
    #[prost(string, tag = "5")]
    min_position: String,
    #[prost(message, optional, tag = "6")]
    asked_at: Option<prost_types::Timestamp>,
    /// Whether those are evaluated too for whom nothing has changed.
    #[prost(bool, tag = "7")]
    afresh: bool,
}

impl Task {
    fn report_on(&self) -> Answer<Option<Date>> {
        match self.report_on.as_str() {
            "" => Ok(None),
            day => day.parse().map(Some).map_err(|error| corrupt("run", error)),
        }
    }
}

/// Gives the state of a run; what its parts have come to is added up as it is asked for.
pub async fn operation(
    app: &Arc<Grading>,
    context: &Context,
    request: GetOperationRequest,
) -> Answer<Operation> {
    let stored = operations::get(&app.store, context, &request.id).await?;
    if stored.done {
        return Ok(stored);
    }
    let metadata = up_to_date(app.store.read(), &stored).await?;
    Ok(Operation { metadata: metadata.or(stored.metadata), ..stored })
}

/// Cancels a run, or other work.
pub async fn cancel(
    app: &Arc<Grading>,
    context: &Context,
    tx: &Tx,
    request: CancelOperationRequest,
) -> Answer<Operation> {
    let stored = operations::get(&app.store, context, &request.id).await?;
    if stored.done {
        return Ok(stored);
    }
    rows::close(tx, run_of(&stored)).await?;
    let metadata = up_to_date(tx, &stored).await?;
    operations::cancel(tx, context, &request.id, metadata).await
}

fn run_of(operation: &Operation) -> &str {
    operation.name.strip_prefix("operations/").unwrap_or(&operation.name)
}

// What a run says of itself now; none where the operation is other work.
async fn up_to_date(db: &impl ConnectionTrait, operation: &Operation) -> Answer<Option<Any>> {
    let Some(stored) = &operation.metadata else { return Ok(None) };
    if !stored.type_url.ends_with(&RunMetadata::full_name()) {
        return Ok(None);
    }
    let stored = RunMetadata::decode(stored.value.as_slice()).map_err(|error| corrupt("run", error))?;
    let total = stored.progress.as_ref().map_or(0, |progress| progress.total);
    let sums = rows::sums(db, run_of(operation)).await?;
    Ok(Some(any(&RunMetadata { progress: Some(progress(total, &sums)), ..stored })))
}

fn progress(total: i32, sums: &rows::Sums) -> RunProgress {
    let micros = sums.elapsed_micros.max(1);
    let per_second = i64::from(sums.evaluated) * 1_000_000 / micros;
    let left = i64::from(total.saturating_sub(sums.evaluated).max(0));
    let remaining =
        if sums.evaluated == 0 { 0 } else { left * micros / i64::from(sums.evaluated) / 1_000_000 };
    RunProgress {
        total,
        evaluated: sums.evaluated,
        changed: sums.changed,
        per_second: i32::try_from(per_second).unwrap_or(i32::MAX),
        remaining_seconds: i32::try_from(remaining).unwrap_or(i32::MAX),
        shards: sums.shards,
        shards_done: sums.done,
    }
}

/// Begins a run that somebody asks for.
pub async fn create(
    _app: &Arc<Grading>,
    context: &Context,
    tx: &Tx,
    request: CreateRunRequest,
) -> Answer<Operation> {
    let versions = schemes::rows::versions(&**tx, &request.scheme).await?;
    let newest = versions.first().ok_or_else(|| schemes::unknown(&request.scheme))?;
    owned(context, newest)?;
    let as_of = day(&request.as_of, "asOf", context)?;
    let today = as_of == context.today();
    let version =
        if today { rules::in_state(&versions, State::Published) } else { version_on(&versions, as_of)? };
    let version = version.ok_or_else(|| schemes::unpublished(&request.scheme))?;
    Position::parse(&request.min_position).map_err(|fault| fault.at("minPosition"))?;
    let task = Task {
        report_on: if today { String::new() } else { as_of.to_string() },
        catch_up: true,
        min_position: request.min_position,
        afresh: request.afresh,
        ..task(context, version)
    };
    start(tx, context, &task, as_of).await
}

/// Begins the run by which a version that is published grades everybody.
pub async fn begin(tx: &Tx, context: &Context, scheme: &Scheme) -> Answer<()> {
    start(tx, context, &task(context, scheme), context.today()).await?;
    Ok(())
}

fn task(context: &Context, scheme: &Scheme) -> Task {
    Task {
        scheme: scheme.scheme_id.clone(),
        version: scheme.version,
        asked_at: Some(wire(context.now)),
        ..Default::default()
    }
}

async fn start(tx: &Tx, context: &Context, task: &Task, as_of: Date) -> Answer<Operation> {
    operations::start(tx, context, KIND, task, &metadata(task, RunProgress::default(), as_of)).await
}

fn metadata(task: &Task, progress: RunProgress, as_of: Date) -> RunMetadata {
    RunMetadata {
        scheme: task.scheme.clone(),
        version: task.version,
        as_of: as_of.to_string(),
        progress: Some(progress),
        create_time: task.asked_at,
    }
}

/// Divides runs and sees them through; the workers do the parts.
pub struct Population(pub Arc<Grading>);

#[async_trait]
impl Work for Population {
    fn kind(&self) -> &'static str {
        KIND
    }

    async fn run(&self, job: &Job) -> Answer<Any> {
        let task = Task::decode(job.request.as_slice()).map_err(|error| corrupt("run", error))?;
        let version = self.0.versions.compiled(self.0.store.read(), &task.scheme, task.version).await?;
        // The checkpoint holds how many subjects there are, once the run is divided.
        let total = match job.checkpoint.as_slice() {
            [] => {
                self.catch_up(&task).await?;
                self.divide(job, &task, &version).await?
            }
            noted => String::from_utf8_lossy(noted).parse().map_err(|error| corrupt("checkpoint", error))?,
        };
        let sums = self.see_through(job, &task).await?;
        if task.report_on.is_empty()
            && sums.changed >= MANY
            && let Err(error) = rows::measure(&self.0.store).await
        {
            tracing::warn!(%error, "the tables of a great run are not measured; the database does so by itself later");
        }
        let tx = self.0.store.begin().await?;
        let ended = metadata(&task, progress(total, &sums), self.day(&task)?);
        job.progress(&tx, &ended, total.to_string().as_bytes()).await?;
        tx.commit().await?;
        let rows::Sums { evaluated, changed, held, distribution, .. } = sums;
        Ok(any(&RunResponse { evaluated, changed, held, distribution: distribution.into_iter().collect() }))
    }
}

impl Population {
    fn day(&self, task: &Task) -> Answer<Date> {
        Ok(task.report_on()?.unwrap_or_else(|| business_day(self.0.clock.now())))
    }

    // Divides the population, once no other run grades under the scheme: workers exclude each other by the parts of one run.
    async fn divide(&self, job: &Job, task: &Task, version: &Version) -> Answer<i32> {
        let grading = task.report_on.is_empty();
        loop {
            let tx = self.0.store.begin().await?;
            rows::plan_alone(&tx).await?;
            if grading && rows::is_busy(&tx, &task.scheme).await? {
                drop(tx);
                tokio::time::sleep(LOOK).await;
                continue;
            }
            let total = sheets::rows::count(&tx, &version.domain).await?;
            let size = (total / PARTS).clamp(SUBJECTS_LEAST, SUBJECTS_MOST);
            let mut ends = sheets::rows::bounds(&tx, &version.domain, size).await?;
            // Where the last part is full, its end is none of the others'.
            ends.truncate(usize::try_from((total - 1).max(0) / size).unwrap_or(usize::MAX));
            ends.push(ABOVE_ALL.to_owned());
            let shards = i32::try_from(ends.len()).unwrap_or(i32::MAX);
            rows::plan(&tx, &job.id, &task.scheme, grading, ends).await?;
            let total = i32::try_from(total).unwrap_or(i32::MAX);
            let planned = RunProgress { total, shards, ..Default::default() };
            let planned = metadata(task, planned, self.day(task)?);
            job.progress(&tx, &planned, total.to_string().as_bytes()).await?;
            tx.commit().await?;
            self.0.planned.notify_waiters();
            return Ok(total);
        }
    }

    // Waits until all parts are done; ends the run where it can't go on.
    async fn see_through(&self, job: &Job, task: &Task) -> Answer<rows::Sums> {
        let db = self.0.store.read();
        loop {
            let noticed = self.0.planned.notified();
            let sums = rows::sums(db, &job.id).await?;
            if sums.done == sums.shards {
                return Ok(sums);
            }
            let outcome = match sums.failures {
                FAILURES_MOST.. => Err(stuck(&job.id)),
                _ if task.report_on.is_empty() => still_in_force(db, task).await,
                _ => Ok(()),
            };
            if let Err(fault) = outcome {
                let tx = self.0.store.begin().await?;
                rows::close(&tx, &job.id).await?;
                tx.commit().await?;
                return Err(fault);
            }
            tokio::select! {
                () = noticed => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    // A run rests on all that was known when it was asked for. Where credit does not answer, it rests on what came so far:
    // the feed grades the rest as it comes.
    async fn catch_up(&self, task: &Task) -> Answer<()> {
        self.arrive(&task.min_position).await?;
        if !task.catch_up {
            return Ok(());
        }
        match self.newest().await {
            Ok(position) => self.arrive(&position).await,
            Err(fault) => {
                tracing::warn!(%fault, scheme = task.scheme, "a run does not wait for credit, which does not answer");
                Ok(())
            }
        }
    }

    async fn newest(&self) -> Answer<String> {
        let here = self.0.progress.now();
        let cursor = if here == Position::default() { String::new() } else { here.to_string() };
        let rest = sheets::watch(&self.0.credit, cursor.clone(), true).await?;
        Ok(rest.try_fold(cursor, |_, change| async { Ok(change.position) }).await?)
    }

    // As long as the feed moves on, it is worth waiting for.
    async fn arrive(&self, position: &str) -> Answer<()> {
        loop {
            let before = self.0.progress.now();
            match self.0.progress.reach(position).await {
                Err(fault) if fault.reason() == Common::PositionNotReached.as_str_name() => {
                    if self.0.progress.now() == before {
                        return Err(fault);
                    }
                }
                reached => return reached,
            }
        }
    }
}

fn stuck(run: &str) -> Fault {
    Fault::unavailable(
        ErrorReason::RunStuck.as_str_name(),
        "a part of the run could not be evaluated, however often it was tried; the operator finds the cause in the log by the run's name",
        "本次评价的部分主体多次重试仍无法完成；运维人员可按本次评价的名称在日志中查到原因",
    )
    .with("run", run)
}

async fn still_in_force(db: &impl ConnectionTrait, task: &Task) -> Answer<()> {
    let key = (task.scheme.clone(), task.version);
    if schemes::rows::published(db).await?.contains(&key) {
        return Ok(());
    }
    let Task { scheme, version, .. } = task;
    Err(Fault::precondition(
        ErrorReason::RunSuperseded.as_str_name(),
        format!("version {version} of scheme \"{scheme}\" is no longer in force; start a new run"),
        format!("评价制度“{scheme}”第{version}版已不再施行；请重新发起评价"),
    ))
}
