//! Evaluation 评价: sheets under versions at a day; and the passing of days, which alone may change a grade.
pub mod rows;

use std::{sync::Arc, time::Duration};

use chassis::{
    Answer, Fault, Tx,
    clock::{business_day, micros},
};
use contract::r#type::v1::ErrorReason as Common;
use jiff::{Timestamp, civil::Date};
use scoring::UNGRADED;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    Grading,
    schemes::{self, Version},
    sheets::{self, Sheet, rules::in_population},
};

/// The grade of a sheet under a version at a day; none where the version does not grade the subject.
pub fn evaluate(sheet: &Sheet, version: &Version, day: Date) -> Option<rows::Row> {
    if !in_population(&sheet.row.domains, &version.domain) {
        return None;
    }
    let outcome = version.compiled.grade(&sheet.facts, day);
    Some(rows::Row {
        uscc: sheet.row.uscc.clone(),
        scheme: version.scheme.clone(),
        version: version.number,
        grade: outcome.grade.to_owned(),
        score: outcome.score.map(|score| score.to_string()),
        as_of: day.to_string(),
        next_change_on: outcome.next_change_on.map(|day| day.to_string()),
    })
}

/// What a batch of evaluations came to.
#[derive(Default)]
pub struct Tally {
    /// The grade of each subject that was evaluated.
    pub grades: Vec<String>,
    /// How many grades changed, those given for the first time among them.
    pub changed: i32,
}

/// Grades sheets under versions as of now and stores what changed. The transaction holds the sheets.
pub async fn regrade(tx: &Tx, sheets: &[Sheet], versions: &[Arc<Version>], now: Timestamp) -> Answer<Tally> {
    let codes: Vec<&str> = sheets.iter().map(|sheet| sheet.row.uscc.as_str()).collect();
    let mut standing = rows::standing(&**tx, &codes).await?;
    let (today, mut tally) = (business_day(now), Tally::default());
    let (mut stored, mut history) = (Vec::new(), Vec::new());
    for sheet in sheets {
        for version in versions {
            let before = standing.remove(&(sheet.row.uscc.clone(), version.scheme.clone()));
            let Some(row) = evaluate(sheet, version, today) else {
                if let Some(before) = before {
                    rows::remove(tx, &before).await?;
                    history.push(left(before, today));
                }
                continue;
            };
            tally.grades.push(row.grade.clone());
            tally.changed += i32::from(before.as_ref().is_none_or(|before| before.grade != row.grade));
            if before.as_ref().is_none_or(|before| told(before) != told(&row)) {
                history.push(row.clone());
            }
            // What holds on needs no write: the day of its evaluation is no news.
            let holds = |before: &rows::Row| {
                told(before) == told(&row) && before.next_change_on == row.next_change_on
            };
            if !before.as_ref().is_some_and(holds) {
                stored.push(row);
            }
        }
    }
    rows::put(tx, &stored).await?;
    rows::remember(tx, &history, micros(now)).await?;
    Ok(tally)
}

// What the history tells of a grade.
fn told(row: &rows::Row) -> (i32, &str, Option<&str>) {
    (row.version, &row.grade, row.score.as_deref())
}

fn left(before: rows::Row, today: Date) -> rows::Row {
    rows::Row {
        grade: UNGRADED.to_owned(),
        score: None,
        as_of: today.to_string(),
        next_change_on: None,
        ..before
    }
}

const BATCH: usize = 1_000;
const TICK: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(5);

/// How far the passing of days has been followed.
pub struct Due {
    reached: watch::Sender<Date>,
    asked: Notify,
}

impl Default for Due {
    fn default() -> Self {
        Self { reached: watch::Sender::new(Date::MIN), asked: Notify::new() }
    }
}

impl Due {
    /// Waits until grades are as of a day, so that the first reader of a new day does not read yesterday's.
    pub async fn reach(&self, day: Date) -> Answer<()> {
        let mut reached = self.reached.subscribe();
        if *reached.borrow_and_update() >= day {
            return Ok(());
        }
        self.asked.notify_one();
        match tokio::time::timeout(PATIENCE, reached.wait_for(|reached| *reached >= day)).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Fault::unavailable(
                Common::PositionNotReached.as_str_name(),
                format!("the grades of {day} are still being evaluated; try again shortly"),
                format!("{day}的等级仍在重新评价；请稍后重试"),
            )),
        }
    }
}

/// Re-grades, day after day, whom the passing of time alone may have changed. It looks every second: the clock may be moved,
/// and a change taken in round midnight may fall due behind its back.
pub async fn pass_days(app: Arc<Grading>, stopping: CancellationToken) {
    while !stopping.is_cancelled() {
        let today = app.clock.today();
        match pass_to(&app).await {
            Ok(()) => {
                let moved = |reached: &mut Date| std::mem::replace(reached, today) != today;
                app.due.reached.send_if_modified(moved);
            }
            Err(fault) => tracing::warn!(%fault, "the grades that fell due wait"),
        }
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            () = app.due.asked.notified() => {}
            () = stopping.cancelled() => {}
        }
    }
}

async fn pass_to(app: &Grading) -> Answer<()> {
    let db = app.store.read();
    for (scheme, _) in schemes::rows::published(db).await? {
        // A look costs no write lock; only where grades fell due are they held and graded.
        while !rows::due(db, &scheme, app.clock.today(), 1).await?.is_empty() {
            if !pass_batch(app, &scheme).await? {
                break;
            }
        }
    }
    Ok(())
}

// Whether anybody was graded: a scheme that was retired in the meantime grades nobody any more.
async fn pass_batch(app: &Grading, scheme: &str) -> Answer<bool> {
    let tx = app.store.begin().await?;
    schemes::rows::hold(&tx).await?;
    let now = app.clock.now();
    let mut versions = app.versions.in_force(&*tx).await?;
    versions.retain(|version| version.scheme == scheme);
    let codes = rows::due(&*tx, scheme, business_day(now), BATCH).await?;
    let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
    let sheets =
        sheets::rows::claim(&tx, &codes).await?.into_iter().map(Sheet::read).collect::<Answer<Vec<_>>>()?;
    let tally = regrade(&tx, &sheets, &versions, now).await?;
    tx.commit().await?;
    Ok(!tally.grades.is_empty())
}
