//! Workers 分片执行: each claims a part of a run, evaluates it in one transaction and goes on to the next; any number of them, in any number
//! of processes, come to the same.
use std::{borrow::Cow, collections::HashMap, sync::Arc, time::Duration};

use chassis::{
    Answer, Fault,
    clock::{business_day, micros},
    ids,
    storage::{Line, corrupt},
};
use contract::{grading::v1::ErrorReason, r#type::v1::ErrorReason as Common};
use jiff::civil::Date;
use prost::Message;
use scoring::FactSheet;
use tokio_util::sync::CancellationToken;

use super::{
    Task,
    rows::{self, Shard},
    still_in_force,
};
use crate::{
    Grading,
    evaluation::{self, rows::Row, rules::Stands},
    figures::Moves,
    schemes::{self, Version},
    sheets,
};

const PAUSE: Duration = Duration::from_millis(500);
const RENEWAL: Duration = Duration::from_secs(4);

/// Works on parts of runs until the process stops.
pub async fn work(app: Arc<Grading>, stopping: CancellationToken) {
    let owner = match ids::fresh(app.clock.now()) {
        Ok(owner) => owner,
        Err(fault) => return tracing::error!(%fault, "runs can't be worked on"),
    };
    while !stopping.is_cancelled() {
        let planned = app.planned.notified();
        match rows::claim(&app.store, &owner).await {
            Ok(Some(shard)) => {
                take(&app, &owner, shard, &stopping).await;
                continue;
            }
            Ok(None) => {}
            Err(fault) => tracing::warn!(%fault, "parts of runs can't be claimed"),
        }
        tokio::select! {
            () = planned => {}
            () = tokio::time::sleep(PAUSE) => {}
            () = stopping.cancelled() => {}
        }
    }
}

async fn take(app: &Arc<Grading>, owner: &str, shard: Shard, stopping: &CancellationToken) {
    let (run, number) = (shard.run.clone(), shard.number);
    let key = (run.as_str(), number);
    let outcome = tokio::select! {
        outcome = evaluate(app, owner, shard) => outcome,
        () = keep(app, owner, key) => return tracing::warn!(run, number, "the lease of a part is lost; another worker goes on"),
        // What was not committed is rolled back; whoever takes the part over goes on from there.
        () = stopping.cancelled() => Err(interrupted()),
    };
    let Err(fault) = outcome else { return };
    // The run itself finds that it is superseded; until then nobody else need try.
    if fault.reason() == ErrorReason::RunSuperseded.as_str_name() {
        return;
    }
    let failed = fault.reason() != Common::OperationInterrupted.as_str_name();
    if failed {
        tracing::warn!(run, number, %fault, "a part of a run could not go on");
    }
    if let Err(fault) = rows::release(&app.store, owner, key, failed).await {
        tracing::warn!(run, number, %fault, "the lease of a part stays until it runs out");
    }
    if failed {
        tokio::time::sleep(PAUSE).await;
    }
}

fn interrupted() -> Fault {
    Fault::aborted(
        Common::OperationInterrupted.as_str_name(),
        "the run has ended, or another worker has taken over",
        "评价已结束，或其他工作进程已接手",
    )
}

// Renews the lease while the work runs; returns when it is lost.
async fn keep(app: &Grading, owner: &str, key: (&str, i32)) {
    loop {
        tokio::time::sleep(RENEWAL).await;
        match rows::renew(&app.store, owner, key).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(fault) => tracing::warn!(run = key.0, number = key.1, %fault, "a lease can't be renewed"),
        }
    }
}

async fn evaluate(app: &Arc<Grading>, owner: &str, mut shard: Shard) -> Answer<()> {
    let task = Task::decode(shard.request.as_slice()).map_err(|error| corrupt("run", error))?;
    let version = app.versions.compiled(app.store.read(), &task.scheme, task.version).await?;
    part(app, owner, &task, &version, &mut shard).await?;
    app.planned.notify_waiters();
    Ok(())
}

// Evaluates the subjects of a part.
async fn part(
    app: &Grading,
    owner: &str,
    task: &Task,
    version: &Arc<Version>,
    shard: &mut Shard,
) -> Answer<()> {
    let tx = app.store.begin().await?;
    let now = app.clock.now();
    let report_on = task.report_on()?;
    if report_on.is_none() {
        schemes::rows::hold(&tx).await?;
        sheets::rows::hold_part(&tx).await?;
        still_in_force(&tx, task).await?;
    }
    let range = (shard.begins_after.as_str(), shard.ends_with.as_str());
    // Beside the transaction, which holds them as they are and has written none.
    let members = sheets::rows::members(&app.store, &version.domain, range).await?;
    let standing = evaluation::rows::between(&app.store, &version.scheme, range).await?;
    let day = report_on.unwrap_or_else(|| business_day(now));
    let graded = version.clone();
    // Whole milliseconds of reckoning: not where calls wait for their turn.
    let batch = tokio::task::spawn_blocking(move || Batch::of(&members, &standing, &graded, day));
    let batch = batch.await.map_err(Fault::internal)??;
    shard.evaluated += batch.evaluated;
    shard.changed += batch.changed;
    for (grade, count) in batch.distribution {
        *shard.distribution.entry(grade).or_default() += count;
    }
    if report_on.is_none() {
        evaluation::rows::add(&tx, &batch.new).await?;
        evaluation::rows::put(&tx, &batch.other).await?;
        evaluation::rows::remember(&tx, &batch.history, micros(now)).await?;
    }
    if !rows::finish(&tx, owner, shard).await? {
        return Err(interrupted());
    }
    if report_on.is_none() {
        batch.moves.keep(&tx).await?;
    }
    tx.commit().await?;
    app.evaluations.add("run", u64::try_from(batch.evaluated).unwrap_or_default());
    Ok(())
}

// What the evaluation of some subjects comes to.
#[derive(Default)]
struct Batch {
    evaluated: i32,
    changed: i32,
    distribution: rows::Distribution,
    new: Vec<Row>,
    other: Vec<Row>,
    history: Vec<Row>,
    moves: Moves,
}

impl Batch {
    fn of(members: &[Line], standing: &[Line], version: &Version, day: Date) -> Answer<Self> {
        let places =
            standing.iter().map(|line| Ok((line.text(0)?, line))).collect::<Answer<HashMap<_, _>>>()?;
        let mut batch = Self::default();
        for member in members {
            let (uscc, region) = (member.text(0)?, member.text(1)?);
            let facts = FactSheet::decode(&member.bytes(2)?)
                .map_err(|fault| corrupt("fact sheet", format!("{uscc}: {}", fault.message().en)))?;
            let outcome = version.compiled.grade(&facts, day);
            batch.evaluated += 1;
            match batch.distribution.get_mut(outcome.grade) {
                Some(count) => *count += 1,
                None => drop(batch.distribution.insert(outcome.grade.to_owned(), 1)),
            }
            let before = places.get(&uscc).map(|line| before(line)).transpose()?;
            let before = before.as_ref().map(|(version, grade, score, next_change_on)| Stands {
                version: *version,
                grade,
                score: score.as_deref(),
                next_change_on: next_change_on.as_deref(),
            });
            let score = outcome.score.map(|score| score.to_string());
            let next_change_on = outcome.next_change_on.map(|day| day.to_string());
            let after = Stands {
                version: version.number,
                grade: outcome.grade,
                score: score.as_deref(),
                next_change_on: next_change_on.as_deref(),
            };
            let effect = evaluation::rules::effect(before, after);
            batch.changed += i32::from(effect.regraded);
            let grade = before.map_or("", |before| before.grade);
            batch.moves.add(day, &version.scheme, &region, grade, outcome.grade);
            // What holds on is not even written out.
            if effect.stored {
                let row = evaluation::rules::row(&uscc, &version.scheme, version.number, outcome, day);
                if effect.told {
                    batch.history.push(row.clone());
                }
                if before.is_none() { batch.new.push(row) } else { batch.other.push(row) }
            }
        }
        Ok(batch)
    }
}

// What stands of a subject: version, grade, score and day of the next change.
type Before<'a> = (i32, Cow<'a, str>, Option<Cow<'a, str>>, Option<Cow<'a, str>>);

fn before(line: &Line) -> Answer<Before<'_>> {
    Ok((line.int(1)?, line.text(2)?, line.text_or_none(3)?, line.text_or_none(4)?))
}
