//! Runs 全量评价: a scheme over its whole population, in batches whose checkpoint stands in the transaction of their effect.
use std::{collections::BTreeMap, sync::Arc};

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
        CreateRunRequest, ErrorReason, GetOperationRequest, RunMetadata, RunProgress, RunResponse, Scheme,
        scheme::State,
    },
    r#type::v1::ErrorReason as Common,
};
use futures::TryStreamExt;
use jiff::civil::Date;
use prost::Message;
use prost_types::Any;

use crate::{
    Grading,
    evaluation::{self, Tally},
    grades::{day, version_on},
    schemes::{self, Version, owned, rules},
    sheets::{self, Sheet},
};

const KIND: &str = "run";
const BATCH: usize = 2_000;

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
}

/// How far a run is.
#[derive(Clone, PartialEq, Message)]
struct Checkpoint {
    /// The last subject evaluated; empty: none yet.
    #[prost(string, tag = "1")]
    after: String,
    #[prost(int32, tag = "2")]
    total: i32,
    #[prost(int32, tag = "3")]
    evaluated: i32,
    #[prost(int32, tag = "4")]
    changed: i32,
    #[prost(btree_map = "string, int32", tag = "5")]
    distribution: BTreeMap<String, i32>,
}

/// Gives the state of a run.
pub async fn operation(
    app: &Arc<Grading>,
    context: &Context,
    request: GetOperationRequest,
) -> Answer<Operation> {
    operations::get(&app.store, context, &request.id).await
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
    operations::start(tx, context, KIND, task, &metadata(task, &Checkpoint::default(), as_of)).await
}

fn metadata(task: &Task, at: &Checkpoint, as_of: Date) -> RunMetadata {
    RunMetadata {
        scheme: task.scheme.clone(),
        version: task.version,
        as_of: as_of.to_string(),
        progress: Some(RunProgress { total: at.total, evaluated: at.evaluated, changed: at.changed }),
        create_time: task.asked_at,
    }
}

/// Does runs.
pub struct Population(pub Arc<Grading>);

#[async_trait]
impl Work for Population {
    fn kind(&self) -> &'static str {
        KIND
    }

    async fn run(&self, job: &Job) -> Answer<Any> {
        let task = Task::decode(job.request.as_slice()).map_err(|error| corrupt("run", error))?;
        let mut at =
            Checkpoint::decode(job.checkpoint.as_slice()).map_err(|error| corrupt("checkpoint", error))?;
        let version = self.0.versions.compiled(self.0.store.read(), &task.scheme, task.version).await?;
        if at.after.is_empty() {
            self.catch_up(&task).await?;
            let total = sheets::rows::count(self.0.store.read(), &version.domain).await?;
            at.total = i32::try_from(total).unwrap_or(i32::MAX);
        }
        while self.batch(job, &task, &version, &mut at).await? {}
        Ok(any(&RunResponse { evaluated: at.evaluated, changed: at.changed, distribution: at.distribution }))
    }
}

impl Population {
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

    // Evaluates the next subjects; false at the end.
    async fn batch(
        &self,
        job: &Job,
        task: &Task,
        version: &Arc<Version>,
        at: &mut Checkpoint,
    ) -> Answer<bool> {
        let tx = self.0.store.begin().await?;
        schemes::rows::hold(&tx).await?;
        let rows = sheets::rows::claim_after(&tx, &version.domain, &at.after, BATCH).await?;
        let Some(last) = rows.last().map(|row| row.uscc.clone()) else { return Ok(false) };
        let sheets = rows.into_iter().map(Sheet::read).collect::<Answer<Vec<_>>>()?;
        let now = self.0.clock.now();
        let (tally, as_of) = match task.report_on.as_str() {
            "" => {
                still_in_force(&tx, task).await?;
                (
                    evaluation::regrade(&tx, &sheets, std::slice::from_ref(version), now).await?,
                    business_day(now),
                )
            }
            day => {
                let day = day.parse().map_err(|error| corrupt("run", error))?;
                (report(&tx, &sheets, version, day).await?, day)
            }
        };
        at.after = last;
        at.evaluated += i32::try_from(tally.grades.len()).unwrap_or(i32::MAX);
        at.changed += tally.changed;
        for grade in tally.grades {
            *at.distribution.entry(grade).or_default() += 1;
        }
        job.progress(&tx, &metadata(task, at, as_of), &at.encode_to_vec()).await?;
        tx.commit().await?;
        Ok(true)
    }
}

async fn still_in_force(tx: &Tx, task: &Task) -> Answer<()> {
    let key = (task.scheme.clone(), task.version);
    if schemes::rows::published(&**tx).await?.contains(&key) {
        return Ok(());
    }
    let Task { scheme, version, .. } = task;
    Err(Fault::precondition(
        ErrorReason::RunSuperseded.as_str_name(),
        format!("version {version} of scheme \"{scheme}\" is no longer in force; start a new run"),
        format!("评价制度“{scheme}”第{version}版已不再施行；请重新发起评价"),
    ))
}

// What the grades of another day would be, against those of today, which stay as they are.
async fn report(tx: &Tx, sheets: &[Sheet], version: &Version, day: Date) -> Answer<Tally> {
    let codes: Vec<&str> = sheets.iter().map(|sheet| sheet.row.uscc.as_str()).collect();
    let standing = evaluation::rows::standing(&**tx, &codes).await?;
    let mut tally = Tally::default();
    for row in sheets.iter().filter_map(|sheet| evaluation::evaluate(sheet, version, day)) {
        let now = standing.get(&(row.uscc.clone(), row.scheme.clone()));
        tally.changed += i32::from(now.is_none_or(|now| now.grade != row.grade));
        tally.grades.push(row.grade);
    }
    Ok(tally)
}
