//! Subjects and effective records, counted as they change: the own feed is followed, whoever it names is counted again, and what differs from before
//! is added to what is kept. So it comes out right however changes are batched, and writing a record costs nothing more.
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use chassis::{
    Answer, Store, Tx,
    feed::{self, Entry, Position},
    figures::{self, BEGINNING, Counted, Tally},
    storage::{Connection, among, corrupt, each_of, insert_rows, sql},
};
use jiff::civil::Date;
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{Credit, changes};

/// Subjects by their domains, on the first day of all.
const SUBJECTS: &str = "subjects";
/// Effective records by item and the subject's domains, on the day of what they tell.
const RECORDS: &str = "records";
const CURSOR: &str = "figures:counted";

const TICK: Duration = Duration::from_millis(250);
// For so long a burst goes on uncounted: who asks meanwhile is told as of which position.
const BURST: Duration = Duration::from_secs(5);
// How many changes are counted at once: many, so that subjects and days that are named often are written once. On SQLite, whose one writer this is
// meanwhile, only as many as are done within a time in which others hardly notice that they wait.
const MANY: u64 = 5_000;
const HARDLY: Duration = Duration::from_millis(10);
// How many a reader counts itself rather than wait.
const FEW: u64 = 500;

/// Follows until the process stops. A burst of changes is counted when it is over. Behind a great load it leaves the database to the others for
/// as long as it held it, and for eight times as long while this process takes in more.
pub async fn follow(app: Arc<Credit>, stopping: CancellationToken) {
    let mut many = if app.store.is_sqlite() { FEW } else { MANY };
    let mut appends = app.store.appends();
    let mut is_behind = false;
    while !stopping.is_cancelled() {
        if !is_behind {
            tokio::select! {
                () = rest(&mut appends, TICK, BURST) => {}
                () = stopping.cancelled() => return,
            }
        }
        appends.mark_unchanged();
        let begun = Instant::now();
        let pause = match step(&app.store, many).await {
            Ok(0) => {
                is_behind = false;
                Duration::ZERO
            }
            Ok(counted) => {
                let took = begun.elapsed();
                is_behind = counted as u64 >= many;
                if app.store.is_sqlite() {
                    many = fitting(counted, took);
                }
                took * if appends.has_changed().unwrap_or(false) { 8 } else { 1 }
            }
            Err(fault) => {
                tracing::warn!(%fault, "what changed can't be counted now");
                TICK * 4
            }
        };
        tokio::select! {
            () = sleep(pause) => {}
            () = stopping.cancelled() => {}
        }
    }
}

// What comes in a burst is counted when that is over: after a moment without changes, or as soon as it has gone on for long.
async fn rest(appends: &mut watch::Receiver<Position>, moment: Duration, long: Duration) {
    let begun = Instant::now();
    loop {
        appends.mark_unchanged();
        sleep(moment).await;
        if !appends.has_changed().unwrap_or(false) || begun.elapsed() >= long {
            return;
        }
    }
}

// How many are counted at once next, by how long so many took.
fn fitting(counted: usize, took: Duration) -> u64 {
    let each = took.as_nanos() / counted.max(1) as u128;
    u64::try_from(HARDLY.as_nanos() / each.max(1)).unwrap_or(MANY).clamp(50, MANY)
}

/// What is kept, as of one moment.
pub struct Kept {
    /// To be read in.
    pub view: Connection,
    /// Every change up to this is counted.
    pub stands_at: Position,
}

/// What is kept with all that had changed by a position, unless so many changes are not counted yet that a reader should not wait for them.
pub async fn caught_up(store: &Store, asked: Position) -> Answer<Kept> {
    loop {
        // The view is taken with its first read: what it shows of the cursor, it shows of the figures.
        let view = store.view().await?;
        let noted = feed::cursor(&view, CURSOR).await?;
        let stands_at = Position::parse(&noted)?;
        if stands_at >= asked {
            return Ok(Kept { view, stands_at });
        }
        let due = feed::read_after(store, stands_at, FEW).await?;
        // An empty feed before what was asked is one whose newest entries are still being written.
        if due.is_empty() || due.len() >= FEW as usize {
            return Ok(Kept { view, stands_at });
        }
        drop(view);
        take_in(store, noted, &due).await?;
    }
}

/// How many subjects there are of a domain; of all where it is empty.
pub async fn subjects(db: &impl ConnectionTrait, domain: &str) -> Answer<i64> {
    let rows = figures::sum(db, SUBJECTS, "", BEGINNING, BEGINNING).await?;
    Ok(rows.iter().filter(|row| of_domain(&row.k1, domain)).map(|row| row.counted).sum())
}

/// How many effective records there are of subjects of a domain between two days, by item.
pub async fn records(
    db: &impl ConnectionTrait,
    domain: &str,
    from: Date,
    to: Date,
) -> Answer<BTreeMap<String, i64>> {
    let mut items = BTreeMap::new();
    for Counted { k1: item, k2: domains, counted, .. } in figures::sum(db, RECORDS, "", from, to).await? {
        if of_domain(&domains, domain) {
            *items.entry(item).or_default() += counted;
        }
    }
    items.retain(|_, counted| *counted != 0);
    Ok(items)
}

// Domains stand between commas; the asked one's code was judged by its rule.
fn of_domain(domains: &str, domain: &str) -> bool {
    domain.is_empty() || domains.split(',').any(|held| held == domain)
}

// What stands of a subject: its domains, and its effective records by item and day.
#[derive(Debug, Default, PartialEq, Eq)]
struct Stands {
    domains: String,
    records: BTreeMap<(String, Date), i64>,
}

impl Stands {
    fn packed(&self) -> String {
        let mut items: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for ((item, day), records) in &self.records {
            let day = day.strftime("%Y%m%d");
            let days = items.entry(item).or_default();
            days.push(if *records == 1 { day.to_string() } else { format!("{day}x{records}") });
        }
        let items: Vec<String> =
            items.iter().map(|(item, days)| format!("{item}={}", days.join(","))).collect();
        items.join(";")
    }

    fn unpacked(domains: String, text: &str) -> Option<Self> {
        let mut records = BTreeMap::new();
        for item in text.split(';').filter(|item| !item.is_empty()) {
            let (item, days) = item.split_once('=')?;
            for day in days.split(',') {
                let (day, counted) = day.split_once('x').unwrap_or((day, "1"));
                let day = Date::strptime("%Y%m%d", day).ok()?;
                records.insert((item.to_owned(), day), counted.parse().ok()?);
            }
        }
        Some(Self { domains, records })
    }

    fn count(&self, tally: &mut Tally, counted: i64) {
        tally.add(SUBJECTS, BEGINNING, [&self.domains, "", "", ""], counted);
        for ((item, day), records) in &self.records {
            tally.add(RECORDS, *day, [item, &self.domains, "", ""], counted * records);
        }
    }
}

// Counts the next changes; gives how many there were.
async fn step(store: &Store, many: u64) -> Answer<usize> {
    let noted = feed::cursor(store.read(), CURSOR).await?;
    let entries = feed::read_after(store, Position::parse(&noted)?, many).await?;
    take_in(store, noted, &entries).await?;
    Ok(entries.len())
}

// Counts the subjects that the changes after the cursor name, in one transaction with it. Of two replicas the one that moves the cursor first does it.
async fn take_in(store: &Store, noted: String, entries: &[Entry]) -> Answer<()> {
    let Some(last) = entries.last() else { return Ok(()) };
    let mut touched = BTreeSet::new();
    for entry in entries {
        touched.insert(changes::decode(entry)?.uscc);
    }
    let tx = store.begin().await?;
    let text = "INSERT INTO cursors (feed, position) VALUES ($1, $2) \
                ON CONFLICT (feed) DO UPDATE SET position = excluded.position WHERE cursors.position = $3";
    let values = [CURSOR.into(), last.position.to_string().into(), noted.into()];
    if tx.execute_raw(sql(&*tx, text, values)).await?.rows_affected() == 1 {
        count(&tx, &touched.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        tx.commit().await?;
    }
    Ok(())
}

// As they stand now: what changes after this is told by the feed later.
async fn count(tx: &Tx, touched: &[&str]) -> Answer<()> {
    let before = counted(tx, touched).await?;
    let (mut tally, mut rows) = (Tally::default(), Vec::new());
    for (uscc, now) in standing(tx, touched).await? {
        let before = before.get(&uscc);
        if before == Some(&now) {
            continue;
        }
        if let Some(before) = before {
            before.count(&mut tally, -1);
        }
        now.count(&mut tally, 1);
        rows.push(vec![uscc.into(), now.domains.as_str().into(), now.packed().into()]);
    }
    let conflict = "ON CONFLICT (uscc) DO UPDATE SET domains = excluded.domains, records = excluded.records";
    insert_rows(&**tx, "counted_subjects", &["uscc", "domains", "records"], rows, conflict).await?;
    figures::keep(tx, &tally).await
}

#[derive(FromQueryResult)]
struct Subject {
    uscc: String,
    domains: String,
}

#[derive(FromQueryResult)]
struct Record {
    uscc: String,
    item: String,
    occurred_on: String,
    records: i64,
}

// Subjects are never removed.
async fn standing(tx: &Tx, touched: &[&str]) -> Answer<BTreeMap<String, Stands>> {
    let (of_touched, list) = among(&**tx, "uscc", 1, touched);
    let text = format!("SELECT uscc, domains FROM subjects WHERE {of_touched}");
    let subjects = Subject::find_by_statement(sql(&**tx, &text, [list.clone()])).all(&**tx).await?;
    let stands = |row: Subject| (row.uscc, Stands { domains: row.domains, ..Default::default() });
    let mut standing: BTreeMap<String, Stands> = subjects.into_iter().map(stands).collect();
    let effective = |of: &str| {
        format!(
            "SELECT uscc, item, occurred_on, COUNT(*) AS records FROM records WHERE {of} AND status = 'EFFECTIVE' \
             GROUP BY uscc, item, occurred_on"
        )
    };
    // One look into the index a subject: for so many PostgreSQL would rather read the whole table, by several processes at once.
    let text = if tx.get_database_backend() == DbBackend::Postgres {
        let (asked, _) = each_of(&**tx, 1, touched);
        format!(
            "SELECT found.* FROM {asked} CROSS JOIN LATERAL ({}) AS found",
            effective("uscc = asked.value")
        )
    } else {
        effective(&of_touched)
    };
    for row in Record::find_by_statement(sql(&**tx, &text, [list])).all(&**tx).await? {
        let day = row.occurred_on.parse().map_err(|error| corrupt("record", error))?;
        if let Some(of) = standing.get_mut(&row.uscc) {
            of.records.insert((row.item, day), row.records);
        }
    }
    Ok(standing)
}

#[derive(FromQueryResult)]
struct Row {
    uscc: String,
    domains: String,
    records: String,
}

async fn counted(tx: &Tx, touched: &[&str]) -> Answer<BTreeMap<String, Stands>> {
    let (of_touched, list) = among(&**tx, "uscc", 1, touched);
    let text = format!("SELECT uscc, domains, records FROM counted_subjects WHERE {of_touched}");
    let rows = Row::find_by_statement(sql(&**tx, &text, [list])).all(&**tx).await?;
    rows.into_iter()
        .map(|row| {
            let stands = Stands::unpacked(row.domains, &row.records);
            Ok((row.uscc, stands.ok_or_else(|| corrupt("counted subject", row.records))?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn what_stands_is_packed_and_unpacked() {
        let stands = |records: &[(&str, Date, i64)]| Stands {
            domains: ",D01,D09,".to_owned(),
            records: records.iter().map(|(item, day, n)| (((*item).to_owned(), *day), *n)).collect(),
        };
        let some = stands(&[
            ("a", date(2026, 3, 2), 1),
            ("a", date(2026, 3, 4), 12),
            ("b-c", date(1998, 12, 31), 1),
        ]);
        assert_eq!(some.packed(), "a=20260302,20260304x12;b-c=19981231");
        for one in [some, stands(&[])] {
            assert_eq!(Stands::unpacked(one.domains.clone(), &one.packed()), Some(one));
        }
        for strange in ["a", "a=", "a=2026", "a=20260302x", "a=20261302"] {
            assert_eq!(Stands::unpacked(String::new(), strange), None, "{strange}");
        }
    }

    #[tokio::test]
    async fn a_burst_is_over_or_has_gone_on_for_long() {
        let (told, mut appends) = watch::channel(Position::default());
        let (moment, long) = (Duration::from_millis(50), Duration::from_mins(2));
        let begun = Instant::now();
        rest(&mut appends, moment, long).await;
        assert!(begun.elapsed() < long, "nothing came");
        let (moment, long) = (Duration::from_secs(1), Duration::from_millis(1_500));
        let burst = std::thread::spawn(move || {
            while !told.is_closed() {
                told.send_replace(Position::default());
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let begun = Instant::now();
        rest(&mut appends, moment, long).await;
        assert!(begun.elapsed() >= long, "it goes on");
        drop(appends);
        burst.join().unwrap();
    }

    #[test]
    fn as_many_are_counted_as_fit() {
        for (counted, milliseconds, next) in
            [(500, 20, 250), (250, 5, 500), (500, 0, MANY), (5_000, 10_000, 50), (1, 9, 50)]
        {
            assert_eq!(
                fitting(counted, Duration::from_millis(milliseconds)),
                next,
                "{counted} in {milliseconds} ms"
            );
        }
    }

    #[test]
    fn domains_are_whole_codes() {
        assert!(of_domain(",D01,D09,", "D09") && of_domain("", "") && of_domain(",D01,", ""));
        assert!(!of_domain(",D01,", "D0") && !of_domain("", "D01"));
    }
}
