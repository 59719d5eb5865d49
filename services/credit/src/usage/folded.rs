//! Counts of days that are past, folded by department and kind into the figures that are kept by day, month and year: whoever reads a year
//! reads few rows.
use std::{sync::Arc, time::Duration};

use chassis::{
    Answer, Store, feed,
    figures::{self, Counted, Grain, Tally},
    storage::{Filters, sql},
};
use jiff::civil::Date;
use sea_orm::{ConnectionTrait, FromQueryResult};
use tokio_util::sync::CancellationToken;

use crate::Credit;

/// What is kept: by department and kind.
const USAGE: &str = "usage";
// The last day that is folded.
const NOTE: &str = "figures:usage";
const TICK: Duration = Duration::from_secs(1);

/// Folds days that are past, until the process stops.
pub async fn fold(app: Arc<Credit>, stopping: CancellationToken) {
    let mut folded: Option<Date> = None;
    while !stopping.is_cancelled() {
        let today = app.clock.today();
        if folded != Some(today) {
            match up_to(&app.store, today).await {
                Ok(()) => folded = Some(today),
                Err(fault) => tracing::warn!(%fault, "usage of past days can't be folded now"),
            }
        }
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            () = stopping.cancelled() => {}
        }
    }
}

async fn up_to(store: &Store, today: Date) -> Answer<()> {
    // What began before midnight still counts on its own day: a day is left alone for a whole one.
    let last = today.yesterday().and_then(Date::yesterday).unwrap_or(today).to_string();
    while next(store, &last).await? {}
    Ok(())
}

// Folds the next day, in one transaction with the note; whether there was one. Of two replicas the one that notes it first does it.
async fn next(store: &Store, last: &str) -> Answer<bool> {
    let tx = store.begin().await?;
    let noted = feed::cursor(&*tx, NOTE).await?;
    let text = "SELECT MIN(day) AS day FROM usage_counts WHERE day > $1 AND day <= $2";
    let row = tx.query_one_raw(sql(&*tx, text, [noted.as_str().into(), last.into()])).await?;
    let next: Option<String> = row.map(|row| row.try_get("", "day")).transpose()?.flatten();
    let Some(next) = next else { return Ok(false) };
    let text = "INSERT INTO cursors (feed, position) VALUES ($1, $2) \
                ON CONFLICT (feed) DO UPDATE SET position = excluded.position WHERE cursors.position = $3";
    let values = [NOTE.into(), next.as_str().into(), noted.into()];
    if tx.execute_raw(sql(&*tx, text, values)).await?.rows_affected() == 0 {
        return Ok(true);
    }
    let day = next.parse().map_err(|error| chassis::storage::corrupt("day", error))?;
    let mut tally = Tally::default();
    for row in between(&tx, "", &next, &next).await? {
        tally.add(USAGE, day, [&row.department, &row.kind, "", ""], row.counted);
    }
    figures::keep(&tx, &tally).await?;
    tx.commit().await?;
    Ok(true)
}

#[derive(FromQueryResult)]
struct Row {
    day: String,
    department: String,
    kind: String,
    counted: i64,
}

// The counts of some days, as they were counted.
async fn between(db: &impl ConnectionTrait, department: &str, from: &str, to: &str) -> Answer<Vec<Row>> {
    let of = Filters::new().and("day >= $1 AND day <= $2", [from.into(), to.into()]);
    let statement = of.given("department = $1", department).sql(
        db,
        "SELECT day, department, kind, CAST(SUM(counted) AS BIGINT) AS counted FROM usage_counts",
        "GROUP BY day, department, kind",
    );
    Ok(Row::find_by_statement(statement).all(db).await?)
}

/// The counts of a department, or of all, between two days, span by span or together: the folded ones and those of the last days. The keys are
/// department and kind; one span may come twice.
pub async fn read(
    db: &impl ConnectionTrait,
    department: &str,
    (from, to): (Date, Date),
    grain: Option<Grain>,
) -> Answer<Vec<Counted>> {
    let mut counted = match grain {
        None => figures::sum(db, USAGE, department, from, to).await?,
        Some(grain) => figures::series(db, USAGE, department, (from, to), grain).await?,
    };
    let noted: Option<Date> = feed::cursor(db, NOTE).await?.parse().ok();
    let fresh = noted.and_then(|day| day.tomorrow().ok()).map_or(from, |day| day.max(from));
    for row in between(db, department, &fresh.to_string(), &to.to_string()).await? {
        let span = match (grain, row.day.parse()) {
            (Some(grain), Ok(day)) => grain.span(day),
            _ => String::new(),
        };
        let (k1, k2, counted_then) = (row.department, row.kind, row.counted);
        counted.push(Counted { span, k1, k2, k3: String::new(), k4: String::new(), counted: counted_then });
    }
    Ok(counted)
}
