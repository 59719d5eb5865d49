//! The streaming intake: batches go down lanes, each lane judges the next while it writes the one before, and acknowledgements come back
//! in the order sent.
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    thread::available_parallelism,
};

use chassis::{
    Answer, Context, Fault,
    fault::Violation,
    feed::{self, Position},
    validation,
};
use contract::{
    Encoded,
    credit::v1::{self as api, outcome::Status as Ended},
    r#type::v1::ErrorReason as Common,
};
use futures::{StreamExt, stream::BoxStream};
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tonic::{Status, Streaming};

use super::{Judged, copy, judge, put};
use crate::{
    Credit,
    outcomes::{self, Submitter, Verdict},
    usage::{self, Tally},
};

/// Batches that were read and not yet acknowledged; the sender waits beyond.
const IN_FLIGHT: usize = 8;
/// A stream's share of the database's connections at most.
const LANES_MAX: usize = 4;
/// On SQLite so many batches go down in one commit, if they wait while others are written: rows of subjects in no order touch most pages of
/// an index, and each commit writes out every page that it touched.
const TOGETHER: usize = 4;

/// Takes batches in until the sender ends the stream or one can't be taken.
pub fn stream(
    app: &Arc<Credit>,
    context: &Context,
    batches: Streaming<Encoded<api::StreamRecordsRequest>>,
) -> Answer<BoxStream<'static, Result<Encoded<api::StreamRecordsResponse>, Status>>> {
    let submitter = Arc::new(Submitter::of(context)?);
    // SQLite has one writer.
    let cores = available_parallelism().map_or(1, usize::from);
    let count = if app.store.is_sqlite() { 1 } else { (cores + 1).clamp(2, LANES_MAX) };
    let lanes = (0..count).map(|_| lane(app.clone(), submitter.clone())).collect();
    let (pending, acknowledged) = mpsc::channel(IN_FLIGHT);
    tokio::spawn(read(context.clone(), batches, lanes, pending));
    let state = Some((app.clone(), context.clone(), acknowledged));
    let answers = futures::stream::unfold(state, async |state| {
        let (app, context, mut acknowledged) = state?;
        let pending: Answer<Pending> = acknowledged.recv().await?;
        let answer = match pending {
            Ok(pending) => pending.answer(&app, &context).await,
            Err(fault) => Err(fault),
        };
        match answer {
            Ok(answer) => Some((Ok(Encoded::of(&answer)), Some((app, context, acknowledged)))),
            Err(fault) => Some((Err(fault.into_status(context.language)), None)),
        }
    });
    Ok(answers.boxed())
}

// Reads batches as fast as the lanes take them, and hands on what will be known of each.
async fn read(
    context: Context,
    mut batches: Streaming<Encoded<api::StreamRecordsRequest>>,
    lanes: Vec<mpsc::Sender<Part>>,
    pending: mpsc::Sender<Answer<Pending>>,
) {
    loop {
        let next = tokio::select! {
            next = batches.message() => next,
            () = pending.closed() => return,
            () = context.stopping.cancelled() => {
                let _ = pending.send(Err(stopping())).await;
                return;
            }
        };
        // A sender that broke off is not there to be told.
        let Ok(Some(encoded)) = next else { return };
        let batch = match validation::read(&encoded) {
            Ok(batch) => batch,
            Err(fault) => {
                let name = encoded.read().map(|batch| batch.batch).unwrap_or_default();
                let _ = pending.send(Err(fault.with("batch", name))).await;
                return;
            }
        };
        let (pends, parts) = divide(batch, lanes.len());
        if pending.send(Ok(pends)).await.is_err() {
            return;
        }
        for (lane, part) in lanes.iter().zip(parts) {
            if !part.rows.is_empty() && lane.send(part).await.is_err() {
                return;
            }
        }
    }
}

fn stopping() -> Fault {
    Fault::unavailable(
        Common::Stopping.as_str_name(),
        "the service is stopping; open the stream anew and send again what was not acknowledged",
        "服务正在停止；请重新建立连接并重发未确认的批次",
    )
}

/// A lane's share of a batch.
struct Part {
    rows: Vec<api::RecordInput>,
    taken: oneshot::Sender<Answer<Taken>>,
}

struct Taken {
    verdicts: Vec<Verdict>,
    position: Option<Position>,
}

/// A batch on its way.
struct Pending {
    batch: String,
    // The lane of each row.
    places: Vec<usize>,
    lanes: Vec<oneshot::Receiver<Answer<Taken>>>,
}

// All rows of a subject go down one lane, so that they stay in their order.
fn divide(batch: api::StreamRecordsRequest, lanes: usize) -> (Pending, Vec<Part>) {
    let (parts, receivers): (Vec<_>, Vec<_>) = (0..lanes)
        .map(|_| {
            let (taken, receiver) = oneshot::channel();
            (Part { rows: Vec::new(), taken }, receiver)
        })
        .unzip();
    let mut parts: Vec<Part> = parts;
    let mut places = Vec::with_capacity(batch.records.len());
    for row in batch.records {
        let mut hasher = DefaultHasher::new();
        row.uscc.trim().to_ascii_uppercase().hash(&mut hasher);
        let lane = usize::try_from(hasher.finish() % lanes as u64).unwrap_or_default();
        places.push(lane);
        parts[lane].rows.push(row);
    }
    (Pending { batch: batch.batch, places, lanes: receivers }, parts)
}

impl Pending {
    // Waits for the lanes and puts the outcomes back into the order of the rows.
    async fn answer(self, app: &Credit, context: &Context) -> Answer<api::StreamRecordsResponse> {
        let mut verdicts = Vec::with_capacity(self.lanes.len());
        let mut position = None;
        for (lane, taken) in self.lanes.into_iter().enumerate() {
            if !self.places.contains(&lane) {
                verdicts.push(Vec::new().into_iter());
                continue;
            }
            let taken =
                taken.await.map_err(|_| stopping())?.map_err(|fault| fault.with("batch", &self.batch))?;
            position = position.max(taken.position);
            verdicts.push(taken.verdicts.into_iter());
        }
        let ordered = self.places.iter().filter_map(|&lane| verdicts[lane].next());
        let outcomes = outcomes::wire(ordered.collect(), context.language);
        let count = |status: Ended| {
            let there = outcomes.iter().filter(|outcome| outcome.status() == status).count();
            i32::try_from(there).unwrap_or(i32::MAX)
        };
        let (accepted, duplicates, rejected) =
            (count(Ended::Accepted), count(Ended::Duplicate), count(Ended::Rejected));
        let position = match position {
            Some(position) => position,
            None => feed::newest(&app.store).await?,
        };
        Ok(api::StreamRecordsResponse {
            batch: self.batch,
            outcomes,
            accepted,
            duplicates,
            rejected,
            position: position.to_string(),
        })
    }
}

struct Ready {
    now: Timestamp,
    judged: Answer<Vec<Result<Judged, Violation>>>,
    // What was refused, by the items of the rows.
    refused: Vec<String>,
    taken: oneshot::Sender<Answer<Taken>>,
}

// A lane ends with its sender, or after a fault: what comes later for the same subjects must not overtake.
fn lane(app: Arc<Credit>, submitter: Arc<Submitter>) -> mpsc::Sender<Part> {
    let together = if app.store.is_sqlite() { TOGETHER } else { 1 };
    let (parts, mut to_judge) = mpsc::channel::<Part>(1);
    let (ready, mut to_write) = mpsc::channel::<Ready>(together);
    let (judging, judge_as) = (app.clone(), submitter.clone());
    tokio::spawn(async move {
        while let Some(Part { mut rows, taken }) = to_judge.recv().await {
            let now = judging.clock.now();
            let registered = Some(&judging.registered);
            let judged = judge(judging.store.read(), registered, now, &judge_as, &mut rows).await;
            let refused = judged.as_ref().map_or_else(|_| Vec::new(), |judged| refused(&rows, judged));
            if ready.send(Ready { now, judged, refused, taken }).await.is_err() {
                return;
            }
        }
    });
    tokio::spawn(async move {
        let mut found = Vec::with_capacity(together);
        while to_write.recv_many(&mut found, together).await > 0 {
            let (mut batches, mut waiting, mut fault) = (Vec::new(), Vec::new(), None);
            for Ready { now, judged, refused, taken } in found.drain(..) {
                waiting.push(taken);
                match judged {
                    Ok(judged) => batches.push(Batch { now, judged, refused }),
                    Err(unjudged) => {
                        fault = Some(unjudged);
                        break;
                    }
                }
            }
            let mut waiting = waiting.into_iter();
            match write(&app, &submitter, batches).await {
                Ok(written) => {
                    for one in written {
                        let _ = waiting.next().map(|taken| taken.send(Ok(one)));
                    }
                }
                Err(unwritten) => fault = Some(unwritten),
            }
            if let Some(fault) = fault {
                let _ = waiting.next().map(|taken| taken.send(Err(fault)));
                return;
            }
        }
    });
    parts
}

// The items of the rows that were refused by themselves, in their order.
fn refused(rows: &[api::RecordInput], judged: &[Result<Judged, Violation>]) -> Vec<String> {
    let refused = rows.iter().zip(judged).filter(|(_, row)| row.is_err());
    refused.map(|(row, _)| row.item.trim().to_owned()).collect()
}

// How many rows of each item ended how.
fn tally<'a>(items: impl Iterator<Item = &'a str>, verdicts: &[Verdict]) -> Tally {
    let mut tally = Tally::default();
    for (item, verdict) in items.zip(verdicts) {
        tally.add(item, verdict.into());
    }
    tally
}

// The item of each row.
fn items<'a>(
    judged: &'a [Result<Judged, Violation>],
    refused: &'a [String],
) -> impl Iterator<Item = &'a str> {
    let mut refused = refused.iter();
    judged.iter().map(move |row| match row {
        Ok(row) => row.record.item.as_str(),
        Err(_) => refused.next().map_or("", String::as_str),
    })
}

/// A judged batch.
struct Batch {
    now: Timestamp,
    judged: Vec<Result<Judged, Violation>>,
    refused: Vec<String>,
}

// Writes batches in their order, in one transaction.
async fn write(app: &Credit, submitter: &Submitter, mut batches: Vec<Batch>) -> Answer<Vec<Taken>> {
    if let [Batch { now, judged, refused }] = &mut batches[..] {
        let count = |judged: &[_], verdicts: &[Verdict]| tally(items(judged, refused), verdicts);
        if let Some((verdicts, position)) = copy(&app.store, *now, submitter, judged, count).await? {
            return Ok(vec![Taken { verdicts, position: Some(position) }]);
        }
    }
    if batches.is_empty() {
        return Ok(Vec::new());
    }
    let tx = app.store.begin().await?;
    let mut written = Vec::with_capacity(batches.len());
    for Batch { now, judged, refused } in batches {
        let names: Vec<String> = items(&judged, &refused).map(str::to_owned).collect();
        let verdicts = put(&tx, now, submitter, judged).await?;
        let counted = tally(names.iter().map(String::as_str), &verdicts);
        usage::count(&tx, now, &submitter.department, &counted).await?;
        written.push(Taken { verdicts, position: tx.position() });
    }
    tx.commit().await?;
    Ok(written)
}
