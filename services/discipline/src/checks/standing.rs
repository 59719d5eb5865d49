//! What a replica knows of the listings: read once, then kept current from the feed; too old, it is not answered from.
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
    time::{Duration, Instant},
};

use chassis::{
    Answer, Fault, Store,
    clock::Clock,
    feed::{self, Position},
    storage::sql,
};
use contract::{
    discipline::v1::{self as api, ErrorReason},
    r#type::v1::ErrorReason as Common,
};
use jiff::Timestamp;
use sea_orm::{ConnectionTrait, FromQueryResult};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::index::{Index, ListKey};
use crate::{changes::Kept, directory, listings};

// Beyond this a replica that lost its database refuses rather than answers (a listing is known everywhere within a second).
const FRESH_FOR: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(2);
// Beyond this the replica says that it can't serve, and a cluster sends its checks to others.
const LOST_AFTER: Duration = Duration::from_secs(5);
const PAGE: u64 = 5_000;
// What SQLite holds of the rows of one query, its allocator keeps: few at once, or that is as much as all the listings take.
const ROWS: u64 = 500;

/// The wordings that answers name.
#[derive(Default)]
pub struct Wordings {
    /// Lists by id and version.
    pub lists: BTreeMap<ListKey, api::List>,
    /// Measures in force.
    pub measures: BTreeMap<String, api::Measure>,
}

/// The state that checks are answered from.
#[derive(Default)]
pub struct State {
    /// Listings.
    pub index: Index,
    /// Wordings.
    pub wordings: Arc<Wordings>,
    /// The instant of which it is no older, by the suite's clock.
    pub as_of: Timestamp,
}

/// How far it is known: the feed's place, and when the last look at the feed began.
#[derive(Clone, Copy)]
struct Reached {
    position: Position,
    looked: Option<Instant>,
}

/// The state of a replica.
pub struct Standing {
    store: Store,
    state: RwLock<State>,
    reached: watch::Sender<Reached>,
    wanted: tokio::sync::Notify,
}

impl Standing {
    /// Nothing is known yet.
    pub fn new(store: Store) -> Self {
        let reached = Reached { position: Position::default(), looked: None };
        Self {
            store,
            state: RwLock::default(),
            reached: watch::Sender::new(reached),
            wanted: tokio::sync::Notify::new(),
        }
    }

    /// The state, for as long as it takes to answer.
    pub fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the listings are known and were heard of lately; else what is amiss.
    pub fn heard(&self) -> Result<(), String> {
        match self.reached.borrow().looked {
            None => Err(String::from("the listings are not read yet")),
            Some(looked) if looked.elapsed() > LOST_AFTER => {
                Err(format!("the listings were last heard of {} s ago", looked.elapsed().as_secs()))
            }
            Some(_) => Ok(()),
        }
    }

    /// Waits until what was committed by this process, and what stands at the position asked for, is known. Refuses where the state is too
    /// old to answer from.
    pub async fn current(&self, min_position: &str) -> Answer<()> {
        let wanted = Position::parse(min_position).map_err(|fault| fault.at("minPosition"))?;
        let own = *self.store.appends().borrow();
        let holds = |reached: &Reached| {
            reached.position >= own
                && reached.position >= wanted
                && reached.looked.is_some_and(|looked| looked.elapsed() < FRESH_FOR)
        };
        if holds(&self.reached.borrow()) {
            return Ok(());
        }
        // Another service's position lies beyond anything here: then it is enough to have looked after the question came.
        let asked = Instant::now();
        let newest = tokio::time::timeout(PATIENCE, feed::newest(&self.store)).await;
        let beyond = wanted > newest.map_err(|_| stale())??;
        let mut reached = self.reached.subscribe();
        self.wanted.notify_one();
        let arrival = reached.wait_for(|reached| {
            holds(reached)
                || (beyond && reached.position >= own && reached.looked.is_some_and(|looked| looked >= asked))
        });
        match tokio::time::timeout(PATIENCE, arrival).await {
            Ok(Ok(_)) => Ok(()),
            _ if self.reached.borrow().looked.is_none_or(|looked| looked.elapsed() >= FRESH_FOR) => {
                Err(stale())
            }
            _ => Err(Fault::unavailable(
                Common::PositionNotReached.as_str_name(),
                format!("position {min_position} has not arrived here yet; try again shortly"),
                format!("位置{min_position}的变更尚未到达；请稍后重试"),
            )),
        }
    }

    /// Reads everything, then follows, until the process stops.
    pub async fn follow(self: Arc<Self>, clock: Clock, stopping: CancellationToken) {
        while !stopping.is_cancelled() {
            let lost = tokio::select! {
                lost = self.follow_once(&clock) => lost,
                () = stopping.cancelled() => return,
            };
            if let Err(fault) = lost {
                tracing::warn!(%fault, "the listings can't be followed now");
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(200)) => {}
                () = stopping.cancelled() => {}
            }
        }
    }

    async fn follow_once(&self, clock: &Clock) -> Answer<()> {
        let mut position = self.reached.borrow().position;
        if self.reached.borrow().looked.is_none() {
            position = self.load(clock).await?;
        }
        let mut appends = self.store.appends();
        loop {
            let (looked, as_of) = (Instant::now(), clock.now());
            appends.borrow_and_update();
            let page = feed::read_after(&self.store, position, PAGE).await?;
            let full = page.len() as u64 == PAGE;
            if let Some(last) = page.last() {
                position = last.position;
            }
            let kept = page.iter().map(Kept::read).collect::<Answer<Vec<_>>>()?;
            let reworded = kept.iter().any(|kept| kept.change.is_none());
            let wordings = if reworded { Some(wordings(&self.store).await?) } else { None };
            {
                let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
                for Kept { change, list_version } in kept {
                    let listing = change.and_then(|change| change.listing);
                    if let Some(Err(strange)) = listing.map(|listing| state.index.put(&listing, list_version))
                    {
                        tracing::error!(strange, "a listing can't be checked");
                    }
                }
                if let Some(wordings) = wordings {
                    state.wordings = Arc::new(wordings);
                }
                if !full {
                    state.as_of = as_of;
                }
            }
            if full {
                self.reached.send_modify(|reached| reached.position = position);
                continue;
            }
            self.reached.send_replace(Reached { position, looked: Some(looked) });
            // Other replicas commit too, so that a pause ends by itself.
            tokio::select! {
                _ = appends.changed() => {}
                () = self.wanted.notified() => {}
                () = tokio::time::sleep(Duration::from_millis(50)) => {}
            }
        }
    }

    // What stands now, and a place in the feed from which nothing is missed: what comes twice does no harm.
    async fn load(&self, clock: &Clock) -> Answer<Position> {
        let from = feed::settled(&self.store).await?;
        let count = "SELECT COUNT(*) AS count FROM listings WHERE state IN (1, 2)";
        let count = self.store.read().query_one_raw(sql(self.store.read(), count, [])).await?;
        let count: i64 = count.map(|row| row.try_get("", "count")).transpose()?.unwrap_or_default();
        let mut index = Index::with_room(usize::try_from(count).unwrap_or_default());
        let (mut after, today) = (String::new(), clock.today());
        loop {
            // Along the key: by an index of the states, all that is left would be sorted for each page.
            let text = format!(
                "SELECT {} FROM listings WHERE state + 0 IN (1, 2) AND case_id > $1 ORDER BY case_id LIMIT {ROWS}",
                listings::COLUMNS
            );
            let db = self.store.read();
            let rows =
                listings::Row::find_by_statement(sql(db, &text, [after.as_str().into()])).all(db).await?;
            let Some(last) = rows.last() else { break };
            after.clone_from(&last.case_id);
            for row in rows {
                let version = row.list_version;
                if let Err(strange) = index.put(&row.on(today), version) {
                    tracing::error!(strange, "a listing can't be checked");
                }
            }
        }
        tracing::info!(listings = index.len(), "listings are known");
        let wordings = Arc::new(wordings(&self.store).await?);
        *self.state.write().unwrap_or_else(PoisonError::into_inner) =
            State { index, wordings, as_of: clock.now() };
        Ok(from)
    }
}

async fn wordings(store: &Store) -> Answer<Wordings> {
    let measures = directory::all::<api::Measure>(store.read(), "").await?;
    let measures = measures.into_iter().map(|measure| (measure.measure_id.clone(), measure)).collect();
    Ok(Wordings { lists: directory::every_version::<api::List>(store.read()).await?, measures })
}

fn stale() -> Fault {
    Fault::unavailable(
        ErrorReason::CheckStale.as_str_name(),
        "this replica has not heard of the lists for more than a second and does not answer from what may be old; try again",
        "本节点已超过一秒未收到名单变更，不以可能过时的数据作答；请重试",
    )
}
