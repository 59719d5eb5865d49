//! Refused calls on their way into the log that the audit administrator reads. Noting one waits for nothing, and a flood of them is counted,
//! not stored one by one.
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use jiff::Timestamp;

/// What was refused: alike where all of it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Denied {
    /// Whose call.
    pub caller: String,
    /// The method's path.
    pub method: String,
    /// The reason that was given.
    pub reason: String,
    /// From where.
    pub address: Option<IpAddr>,
}

/// Where refused calls are noted until somebody writes them down.
#[derive(Clone, Default)]
pub struct Denials(Arc<Parts>);

#[derive(Default)]
struct Parts {
    // Only where somebody takes them is anything noted.
    kept: AtomicBool,
    noted: Mutex<HashMap<Denied, (Timestamp, i64)>>,
}

// Different ones between two takings; what is beyond is counted under one name.
const DIFFERENT_MOST: usize = 2_000;
const METHOD_MAX: usize = 200;

impl Denials {
    /// From now on they are taken.
    pub fn keep(&self) {
        self.0.kept.store(true, Ordering::Relaxed);
    }

    /// Notes one.
    pub fn note(&self, now: Timestamp, denied: Denied) {
        if !self.0.kept.load(Ordering::Relaxed) {
            return;
        }
        let mut noted = self.0.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let method = denied.method.chars().take(METHOD_MAX).collect();
        let mut denied = Denied { method, ..denied };
        if noted.len() >= DIFFERENT_MOST && !noted.contains_key(&denied) {
            denied = Denied {
                caller: String::from("many"),
                method: String::from("many"),
                address: None,
                ..denied
            };
        }
        noted.entry(denied).or_insert((now, 0)).1 += 1;
    }

    /// Takes what was noted since: each with its first time and its count.
    pub fn take(&self) -> Vec<(Denied, Timestamp, i64)> {
        let noted = std::mem::take(&mut *self.0.noted.lock().unwrap_or_else(PoisonError::into_inner));
        let mut taken: Vec<_> = noted.into_iter().map(|(denied, (at, calls))| (denied, at, calls)).collect();
        taken.sort_by_key(|(_, at, _)| *at);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floods_are_counted() {
        let denials = Denials::default();
        let now = Timestamp::from_second(1_000).expect("an instant");
        let denied = |caller: String| Denied {
            caller,
            method: "/m".repeat(200),
            reason: String::from("R"),
            address: None,
        };
        denials.note(now, denied(String::from("a")));
        assert!(denials.take().is_empty(), "nobody takes them");
        denials.keep();
        for _ in 0..5 {
            denials.note(now, denied(String::from("a")));
        }
        for number in 0..5_000 {
            denials.note(now, denied(format!("c{number}")));
        }
        let taken = denials.take();
        assert_eq!(taken.len(), DIFFERENT_MOST + 1);
        assert_eq!(taken.iter().map(|(_, _, calls)| calls).sum::<i64>(), 5_005, "none is lost");
        assert!(taken.iter().all(|(denied, _, _)| denied.method.len() <= METHOD_MAX));
        assert!(denials.take().is_empty());
    }
}
