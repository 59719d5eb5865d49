//! Lanes: threads on each of which whole calls run, from the caller's connection to the one that passes them on. Where a call only passes, to
//! wake another thread at each of its steps costs more than the steps. What computes for long does not belong on them: others of the lane wait.
use std::{
    cell::Cell,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::runtime::{Builder, Handle};

thread_local! {
    // From 1; 0 is no lane.
    static HERE: Cell<usize> = const { Cell::new(0) };
}

static LANES: OnceLock<Vec<Handle>> = OnceLock::new();
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// How many places there are to be: the lanes, and outside of them.
pub(crate) fn places() -> usize {
    1 + std::thread::available_parallelism().map_or(1, usize::from)
}

/// On which lane this runs, from 1; 0 where it is none.
pub(crate) fn here() -> usize {
    HERE.get()
}

/// The lane whose turn it is; none where they can't be made. They are there until the process ends.
pub(crate) fn next() -> Option<&'static Handle> {
    let lanes = LANES.get_or_init(|| {
        let made: std::io::Result<Vec<Handle>> = (1..places()).map(lane).collect();
        made.unwrap_or_else(|error| {
            tracing::warn!(%error, "connections run on no lanes of their own");
            Vec::new()
        })
    });
    lanes.get(NEXT.fetch_add(1, Ordering::Relaxed) % lanes.len().max(1))
}

fn lane(number: usize) -> std::io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new().name(format!("lane-{number}")).spawn(move || {
        HERE.set(number);
        runtime.block_on(std::future::pending::<()>());
    })?;
    Ok(handle)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[tokio::test]
    async fn each_lane_has_its_turn_and_keeps_what_it_begins() {
        assert_eq!(here(), 0);
        let mut met = BTreeSet::new();
        for _ in 1..places() {
            let lane = next().unwrap();
            let (first, then) = lane
                .spawn(async {
                    let first = here();
                    tokio::task::yield_now().await;
                    (first, tokio::spawn(async { here() }).await.unwrap())
                })
                .await
                .unwrap();
            assert_eq!(first, then, "what is spawned on a lane stays there");
            met.insert(first);
        }
        assert_eq!(met, (1..places()).collect());
    }
}
