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
    rows::{self, Distribution, Shard},
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
    let standing = evaluation::rows::between(&app.store, &version.scheme, range).await?;
    let day = report_on.unwrap_or_else(|| business_day(now));
    let holding = if report_on.is_some() || task.afresh {
        None
    } else {
        holding(app, version, range, &standing, day).await?
    };
    let (holding, members) = match holding {
        Some((holding, others)) => {
            let others: Vec<&str> = others.iter().map(String::as_str).collect();
            (holding, sheets::rows::some_members(&app.store, &others).await?)
        }
        None => (Distribution::new(), sheets::rows::members(&app.store, &version.domain, range).await?),
    };
    let graded = version.clone();
    // Whole milliseconds of reckoning: not where calls wait for their turn.
    let batch = tokio::task::spawn_blocking(move || Batch::of(&members, &standing, &graded, day));
    let batch = batch.await.map_err(Fault::internal)??;
    let held: i32 = holding.values().sum();
    shard.held += held;
    shard.evaluated += held + batch.evaluated;
    shard.changed += batch.changed;
    for (grade, count) in holding.into_iter().chain(batch.distribution) {
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
    app.evaluations.add("run", u64::try_from(batch.evaluated).unwrap_or_default());
    tx.commit().await
}

// Of the subjects of a part those whose grades hold on, by grade, and all others' codes; nothing where these are so many that all facts are better read at
// a stretch.
async fn holding(
    app: &Grading,
    version: &Version,
    range: (&str, &str),
    standing: &[Line],
    day: Date,
) -> Answer<Option<(Distribution, Vec<String>)>> {
    const FEW: usize = 4;
    let day = day.to_string();
    let standing = standing.iter().map(stood).collect::<Answer<HashMap<_, _>>>()?;
    // Whatever their sheets say: whom another version graded, or whose day has come, is evaluated.
    let due = standing.values().filter(|stood| !stood.stands().holds(version.number, stood.revision, &day));
    if due.count() * FEW >= standing.len() {
        return Ok(None);
    }
    let members = sheets::rows::revisions(&app.store, &version.domain, range).await?;
    let (mut holding, mut others) = (Distribution::new(), Vec::new());
    for member in &members {
        let (uscc, revision) = (member.text(0)?, member.int(1)?);
        match standing.get(&uscc) {
            Some(stood) if stood.stands().holds(version.number, revision, &day) => {
                count(&mut holding, &stood.grade);
            }
            _ => others.push(uscc.into_owned()),
        }
    }
    Ok((others.len() * FEW < members.len()).then_some((holding, others)))
}

fn count(distribution: &mut Distribution, grade: &str) {
    match distribution.get_mut(grade) {
        Some(count) => *count += 1,
        None => drop(distribution.insert(grade.to_owned(), 1)),
    }
}

// What the evaluation of some subjects comes to.
#[derive(Default)]
struct Batch {
    evaluated: i32,
    changed: i32,
    distribution: Distribution,
    new: Vec<Row>,
    other: Vec<Row>,
    history: Vec<Row>,
    moves: Moves,
}

impl Batch {
    fn of(members: &[Line], standing: &[Line], version: &Version, day: Date) -> Answer<Self> {
        let standing = standing.iter().map(stood).collect::<Answer<HashMap<_, _>>>()?;
        let (mut batch, as_of) = (Self::default(), day.to_string());
        for member in members {
            let (uscc, revision, region) = (member.text(0)?, member.int(1)?, member.text(2)?);
            let facts = FactSheet::decode(&member.bytes(3)?)
                .map_err(|fault| corrupt("fact sheet", format!("{uscc}: {}", fault.message().en)))?;
            let outcome = version.compiled.grade(&facts, day);
            batch.evaluated += 1;
            count(&mut batch.distribution, outcome.grade);
            let before = standing.get(&uscc).map(Stood::stands);
            let score = outcome.score.map(|score| score.to_string());
            let next_change_on = outcome.next_change_on.map(|day| day.to_string());
            let after = Stands {
                version: version.number,
                grade: outcome.grade,
                score: score.as_deref(),
                next_change_on: next_change_on.as_deref(),
                as_of: &as_of,
                revision,
            };
            let effect = evaluation::rules::effect(before, after);
            batch.changed += i32::from(effect.regraded);
            let grade = before.map_or("", |before| before.grade);
            batch.moves.add(day, &version.scheme, &region, grade, outcome.grade);
            // What holds on is not even written out; but that it rests on the facts as they are now spares the next run.
            if effect.stored || before.is_none_or(|before| before.revision != revision) {
                let (of, by) = ((&*uscc, revision), (&*version.scheme, version.number));
                let row = evaluation::rules::row(of, by, outcome, day);
                if effect.told {
                    batch.history.push(row.clone());
                }
                if before.is_none() { batch.new.push(row) } else { batch.other.push(row) }
            }
        }
        Ok(batch)
    }
}

// What stands of a subject.
struct Stood<'a> {
    version: i32,
    grade: Cow<'a, str>,
    score: Option<Cow<'a, str>>,
    next_change_on: Option<Cow<'a, str>>,
    as_of: Cow<'a, str>,
    revision: i32,
}

impl Stood<'_> {
    fn stands(&self) -> Stands<'_> {
        Stands {
            version: self.version,
            grade: &self.grade,
            score: self.score.as_deref(),
            next_change_on: self.next_change_on.as_deref(),
            as_of: &self.as_of,
            revision: self.revision,
        }
    }
}

fn stood(line: &Line) -> Answer<(Cow<'_, str>, Stood<'_>)> {
    let stood = Stood {
        version: line.int(1)?,
        grade: line.text(2)?,
        score: line.text_or_none(3)?,
        next_change_on: line.text_or_none(4)?,
        as_of: line.text(5)?,
        revision: line.int(6)?,
    };
    Ok((line.text(0)?, stood))
}
