//! The outbox and the feed: written in the transaction of the change, followed with the cursor in the transaction of the effect.
use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use contract::r#type::v1::ErrorReason as Common;
use futures::{Stream, StreamExt};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use crate::{
    call::Context,
    fault::{Answer, Fault},
    storage::{Store, Tx, insert_rows, sql},
};

/// A place in a feed. Ordered; on the wire an opaque text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    xid: i64,
    seq: i64,
}

impl Position {
    pub(crate) fn new(xid: i64, seq: i64) -> Self {
        Self { xid, seq }
    }

    pub(crate) fn parts(self) -> (i64, i64) {
        (self.xid, self.seq)
    }

    /// Reads a cursor; an empty one is the beginning.
    pub fn parse(text: &str) -> Answer<Self> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let parsed = text.split_once('.').and_then(|(xid, seq)| {
            let (xid, seq): (i64, i64) = (xid.parse().ok()?, seq.parse().ok()?);
            (xid >= 0 && seq >= 0).then_some(Self { xid, seq })
        });
        parsed.ok_or_else(|| {
            Fault::invalid(
                Common::CursorInvalid.as_str_name(),
                format!("\"{text}\" is not a position of this feed; start with an empty cursor or one that an answer gave"),
                format!("“{text}”不是本变更流的位置；请使用空游标或接口返回的位置"),
            )
        })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.xid, self.seq)
    }
}

/// One change as it lies in the outbox.
pub struct Entry {
    /// Where.
    pub position: Position,
    /// The change's message, without its position.
    pub payload: Vec<u8>,
}

#[derive(FromQueryResult)]
struct Row {
    xid: i64,
    seq: i64,
    payload: Vec<u8>,
}

#[derive(FromQueryResult)]
struct Mark {
    xid: i64,
    seq: i64,
}

/// Appends changes, each as the enterprise's code and the encoded message.
pub async fn append(tx: &Tx, changes: Vec<(String, Vec<u8>)>) -> Answer<()> {
    if changes.is_empty() {
        return Ok(());
    }
    let xid = current_xid(tx).await?;
    let rows = changes
        .into_iter()
        .map(|(subject, payload)| vec![xid.into(), subject.into(), payload.into()])
        .collect();
    insert_rows(&**tx, "outbox", &["xid", "subject", "payload"], rows, "").await?;
    // The last number that this connection was given.
    let last = if tx.get_database_backend() == sea_orm::DbBackend::Sqlite {
        "SELECT last_insert_rowid() AS seq"
    } else {
        "SELECT currval(pg_get_serial_sequence('outbox', 'seq')) AS seq"
    };
    if let Some(row) = tx.query_one_raw(sql(&**tx, last, [])).await? {
        tx.note(Position { xid, seq: row.try_get("", "seq")? });
    }
    Ok(())
}

async fn current_xid(tx: &Tx) -> Result<i64, DbErr> {
    if tx.get_database_backend() == sea_orm::DbBackend::Sqlite {
        return Ok(0);
    }
    let row = tx.query_one_raw(sql(&**tx, "SELECT pg_current_xact_id()::text::bigint AS xid", [])).await?;
    row.map_or(Ok(0), |row| row.try_get("", "xid"))
}

/// The changes after a position, in order. On PostgreSQL a sequence commits out of order: what a transaction still
/// running may yet put in front is waited for.
pub async fn read_after(store: &Store, after: Position, limit: u64) -> Answer<Vec<Entry>> {
    let (condition, order, values) = if store.is_sqlite() {
        ("seq > $1", "seq", vec![after.seq.into()])
    } else {
        let running = "(xid, seq) > ($1, $2) AND xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint";
        (running, "xid, seq", vec![after.xid.into(), after.seq.into()])
    };
    let text =
        format!("SELECT xid, seq, payload FROM outbox WHERE {condition} ORDER BY {order} LIMIT {limit}");
    let rows = Row::find_by_statement(sql(store.read(), &text, values)).all(store.read()).await?;
    Ok(rows
        .into_iter()
        .map(|row| Entry { position: Position { xid: row.xid, seq: row.seq }, payload: row.payload })
        .collect())
}

/// The last position that is there now; for streams that end when they have caught up.
pub async fn newest(store: &Store) -> Answer<Position> {
    last(store, "").await
}

/// The last position below which nothing can come any more: who reads a table after asking for it, and then follows from it, misses nothing.
pub async fn settled(store: &Store) -> Answer<Position> {
    if store.is_sqlite() {
        return newest(store).await;
    }
    last(store, "WHERE xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint").await
}

async fn last(store: &Store, condition: &str) -> Answer<Position> {
    let order = if store.is_sqlite() { "seq DESC" } else { "xid DESC, seq DESC" };
    let text = format!("SELECT xid, seq FROM outbox {condition} ORDER BY {order} LIMIT 1");
    let mark = Mark::find_by_statement(sql(store.read(), &text, [])).one(store.read()).await?;
    Ok(mark.map_or_else(Position::default, |mark| Position { xid: mark.xid, seq: mark.seq }))
}

/// Serves the feed from a cursor: `decode` makes the contract's message of an entry, or nothing where the caller may not see it.
pub fn watch<T, D>(
    store: Store,
    context: &Context,
    cursor: &str,
    until_caught_up: bool,
    decode: D,
) -> Answer<impl Stream<Item = Result<T, Status>> + Send + use<T, D>>
where
    T: Send + 'static,
    D: Fn(Entry) -> Answer<Option<T>> + Send + 'static,
{
    let language = context.language;
    let pages = pages(store, context, cursor, until_caught_up)?;
    Ok(pages.flat_map(move |page| {
        let items: Vec<Result<T, Status>> = match page {
            Err(fault) => vec![Err(fault.into_status(language))],
            Ok(entries) => entries
                .into_iter()
                .filter_map(|entry| decode(entry).transpose())
                .map(|item| item.map_err(|fault| fault.into_status(language)))
                .collect(),
        };
        futures::stream::iter(items)
    }))
}

/// The most entries of a page.
pub const PAGE: usize = 1_000;

/// The feed from a cursor as pages of entries, none of them empty, for who judges them together. The stream ends when it has caught up, if
/// that was asked for, when the service stops, or after a fault.
pub fn pages(
    store: Store,
    context: &Context,
    cursor: &str,
    until_caught_up: bool,
) -> Answer<impl Stream<Item = Answer<Vec<Entry>>> + Send + use<>> {
    let stopping = context.stopping.clone();
    let from = Position::parse(cursor)?;
    let appends = store.appends();
    let state = Some((store, from, appends, None::<Position>));
    Ok(futures::stream::unfold(state, move |state| {
        let stopping = stopping.clone();
        async move {
            let (store, from, mut appends, mut end) = state?;
            loop {
                if until_caught_up && end.is_none() {
                    end = match newest(&store).await {
                        Ok(position) => Some(position),
                        Err(fault) => return Some((Err(fault), None)),
                    };
                }
                appends.borrow_and_update();
                match read_after(&store, from, PAGE as u64).await {
                    Err(fault) => return Some((Err(fault), None)),
                    Ok(page) => {
                        if let Some(last) = page.last().map(|entry| entry.position) {
                            return Some((Ok(page), Some((store, last, appends, end))));
                        }
                    }
                }
                if end.is_some_and(|end| from >= end) {
                    return None;
                }
                // Other replicas commit too, so that a pause ends by itself.
                tokio::select! {
                    _ = appends.changed() => {}
                    () = tokio::time::sleep(Duration::from_millis(50)) => {}
                    () = stopping.cancelled() => return None,
                }
            }
        }
    }))
}

/// Who follows another service's feed.
#[tonic::async_trait]
pub trait Follower: Send + Sync + 'static {
    /// The message that the feed carries.
    type Change: Send + 'static;

    /// The feed's name among this service's cursors.
    fn feed(&self) -> &'static str;

    /// Opens the feed after a cursor.
    async fn connect(&self, cursor: String) -> Answer<Streaming<Self::Change>>;

    /// Where a change stands in the feed.
    fn position(change: &Self::Change) -> &str;

    /// Applies changes, in order, within a transaction that the follower's cursor shares.
    async fn apply(&self, tx: &Tx, changes: Vec<Self::Change>) -> Answer<()>;
}

/// How far a feed has been followed, for reads that ask for "at least this position".
#[derive(Clone)]
pub struct Progress {
    reached: watch::Receiver<Position>,
    // Since when the feed is not open; nothing while it is.
    cut_off: watch::Receiver<Option<Instant>>,
}

impl Progress {
    /// Waits until the effect of a position is here, at most two seconds; an empty text waits for nothing.
    pub async fn reach(&self, position: &str) -> Answer<()> {
        if position.is_empty() {
            return Ok(());
        }
        let wanted = Position::parse(position).map_err(|fault| fault.at("minPosition"))?;
        let mut reached = self.reached.clone();
        let arrival = reached.wait_for(|reached| *reached >= wanted);
        match tokio::time::timeout(Duration::from_secs(2), arrival).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Fault::unavailable(
                Common::PositionNotReached.as_str_name(),
                format!("position {position} has not arrived here yet; try again shortly"),
                format!("位置{position}的变更尚未到达本服务；请稍后重试"),
            )),
        }
    }

    /// For how long the feed has not been open, or nothing while it is.
    pub fn lost_for(&self) -> Option<Duration> {
        self.cut_off.borrow().map(|since| since.elapsed())
    }

    /// The position reached.
    pub fn now(&self) -> Position {
        *self.reached.borrow()
    }
}

/// Follows a feed for as long as the service runs; a broken stream is taken up again where the cursor stands.
pub fn follow<F: Follower>(
    store: Store,
    follower: Arc<F>,
    stopping: CancellationToken,
) -> (Progress, impl Future<Output = ()> + Send) {
    let (sender, reached) = watch::channel(Position::default());
    let (open, cut_off) = watch::channel(Some(Instant::now()));
    let work = async move {
        let mut pause_ms = 20;
        while !stopping.is_cancelled() {
            match follow_once(&store, &*follower, &sender, &open, &stopping).await {
                Ok(()) => pause_ms = 20,
                Err(fault) => {
                    open.send_if_modified(|since| {
                        let first = since.is_none();
                        since.get_or_insert_with(Instant::now);
                        first
                    });
                    tracing::warn!(feed = follower.feed(), %fault, pause_ms, "feed interrupted");
                    tokio::select! {
                        () = tokio::time::sleep(Duration::from_millis(pause_ms)) => {}
                        () = stopping.cancelled() => {}
                    }
                    pause_ms = (pause_ms * 2).min(2_000);
                }
            }
        }
    };
    (Progress { reached, cut_off }, work)
}

async fn follow_once<F: Follower>(
    store: &Store,
    follower: &F,
    sender: &watch::Sender<Position>,
    open: &watch::Sender<Option<Instant>>,
    stopping: &CancellationToken,
) -> Answer<()> {
    let cursor = cursor(store.read(), follower.feed()).await?;
    let mut at = Position::parse(&cursor)?;
    sender.send_replace(at);
    let changes = follower.connect(cursor).await?;
    open.send_replace(None);
    let mut batches = changes.ready_chunks(1_000);
    loop {
        let batch = tokio::select! {
            batch = batches.next() => batch,
            () = stopping.cancelled() => return Ok(()),
        };
        let Some(batch) = batch else { return Ok(()) };
        let batch: Vec<F::Change> = batch.into_iter().collect::<Result<_, _>>()?;
        let Some(last) = batch.last().map(|change| F::position(change).to_owned()) else { continue };
        let tx = store.begin().await?;
        if !advance(&tx, follower.feed(), at, &last).await? {
            // Another replica follows the same feed and was faster: take up where it stands.
            return Ok(());
        }
        follower.apply(&tx, batch).await?;
        tx.commit().await?;
        at = Position::parse(&last)?;
        sender.send_replace(at);
    }
}

/// Up to where a feed has been followed, or whatever else is noted among the cursors under a name; empty at the beginning.
pub async fn cursor(db: &impl ConnectionTrait, feed: &str) -> Answer<String> {
    let row =
        db.query_one_raw(sql(db, "SELECT position FROM cursors WHERE feed = $1", [feed.into()])).await?;
    Ok(row.map(|row| row.try_get("", "position")).transpose()?.unwrap_or_default())
}

// Moves the cursor, unless it no longer stands where this follower believes.
async fn advance(tx: &Tx, feed: &str, from: Position, to: &str) -> Answer<bool> {
    let fresh = "INSERT INTO cursors (feed, position) VALUES ($1, $2) ON CONFLICT (feed) DO NOTHING";
    let moved = "UPDATE cursors SET position = $2 WHERE feed = $1 AND position = $3";
    let statement = if from == Position::default() {
        sql(&**tx, fresh, [feed.into(), to.into()])
    } else {
        sql(&**tx, moved, [feed.into(), to.into(), from.to_string().into()])
    };
    Ok(tx.execute_raw(statement).await?.rows_affected() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_read_back_and_compare() {
        let early = Position { xid: 7, seq: 90 };
        let late = Position { xid: 8, seq: 12 };
        assert!(early < late);
        assert_eq!(Position::parse(&late.to_string()).expect("a position"), late);
        assert_eq!(Position::parse("").expect("the beginning"), Position::default());
        for bad in ["7", "7.", ".7", "a.b", "-1.2", "1.2.3"] {
            assert!(Position::parse(bad).is_err(), "{bad}");
        }
    }
}
