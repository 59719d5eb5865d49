//! Reminders 催报提醒: rows that an integration reads and acknowledges, written as working days before and after a deadline come.
use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use chassis::{Answer, Context, Fault, Tx, clock::Clock, page::Page};
use contract::reporting::v1::{self as api};
use jiff::{ToSpan as _, civil::Date};
use tokio_util::sync::CancellationToken;

use super::{open, rows, rules};
use crate::{Reporting, refusals};

/// Lists reminders, the oldest first.
pub async fn list(
    app: &Arc<Reporting>,
    context: &Context,
    request: api::ListRemindersRequest,
) -> Answer<api::ListRemindersResponse> {
    let page = Page::of(request.page_size, &request.page_token)?;
    let rows = rows::page(app.store.read(), &request, &page).await?;
    let mut reminders: Vec<_> = rows.into_iter().map(|row| row.wire(context.language)).collect();
    let next_page_token = page.cut(&mut reminders, |one| one.reminder_id.clone());
    Ok(api::ListRemindersResponse { reminders, next_page_token })
}

/// Acknowledges a reminder; one that was acknowledged stays as it is.
pub async fn acknowledge(
    _: &Arc<Reporting>,
    context: &Context,
    tx: &Tx,
    request: api::AcknowledgeReminderRequest,
) -> Answer<api::Reminder> {
    let id = request.reminder.as_str();
    let missing = || Fault::not_found("reminder", "提醒", id);
    let found = rows::find(&**tx, id).await?.ok_or_else(missing)?;
    refusals::stranger(context, &found.department)?;
    rows::acknowledge(tx, id, context.caller.name(), context.now).await?;
    Ok(rows::find(&**tx, id).await?.ok_or_else(missing)?.wire(context.language))
}

// Other replicas' commits are not told here.
const LOOK_EVERY: Duration = Duration::from_secs(60);
// A burst of submissions is looked at once.
const PAUSE: Duration = Duration::from_millis(500);

/// Writes reminders whenever a day begins or something was handed in, until the process stops.
pub async fn run(app: Arc<Reporting>, clock: Clock, stopping: CancellationToken) {
    let mut commits = app.store.commits();
    let mut looked: Option<(Date, Instant)> = None;
    while !stopping.is_cancelled() {
        let today = clock.today();
        let changed = commits.has_changed().unwrap_or_default();
        let fresh = |(day, at): (Date, Instant)| day == today && at.elapsed() < LOOK_EVERY;
        if changed || !looked.is_some_and(fresh) {
            commits.mark_unchanged();
            match remind(&app, &clock).await {
                Ok(()) => looked = Some((today, Instant::now())),
                Err(fault) => tracing::warn!(%fault, "reminders can't be written now"),
            }
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = stopping.cancelled() => {}
        }
    }
}

// Opens no transaction where there is nothing to write.
async fn remind(app: &Reporting, clock: &Clock) -> Answer<()> {
    let (db, today) = (app.store.read(), clock.today());
    let mut open = open::at(db, today.year(), today).await?;
    // What last year left is followed up in the new one.
    open.extend(open::at(db, today.year().saturating_sub(1), today).await?);
    let from = today.saturating_sub(90.days()).to_string();
    let known = rows::known(db, &from).await?;
    let written: HashSet<(&str, &str, String, i32)> = known
        .iter()
        .map(|row| (row.matter.as_str(), row.department.as_str(), row.due_on.clone(), row.working_days))
        .collect();
    let due = open.iter().filter_map(|one| Some((one, rules::reminder(one.due_on, today)?)));
    let fresh: Vec<_> = due
        .filter(|(one, stage)| {
            let key =
                (one.matter.as_str(), one.department.as_str(), one.due_on.to_string(), i32::from(*stage));
            !written.contains(&key)
        })
        .collect();
    let owed: BTreeSet<(&str, &str)> =
        open.iter().map(|one| (one.matter.as_str(), one.department.as_str())).collect();
    let done = |row: &rows::Row| !owed.contains(&(row.matter.as_str(), row.department.as_str()));
    let settled: Vec<usize> =
        (0..known.len()).filter(|&at| known[at].is_open() && done(&known[at])).collect();
    if fresh.is_empty() && settled.is_empty() {
        return Ok(());
    }
    let tx = app.store.begin().await?;
    rows::insert(&tx, &fresh, clock.now()).await?;
    rows::settle(&tx, settled.iter().map(|&at| &known[at])).await?;
    tx.commit().await
}
