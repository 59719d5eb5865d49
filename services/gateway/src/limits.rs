//! Fairness: what one client may take, and what is kept for reads and checks when imports take the rest.
use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use chassis::{Answer, Fault, access::Caller, peers::Peer, settings::Settings};
use contract::r#type::v1::ErrorReason as Common;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;

/// What a call is to the suite when not all calls fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Reads, checks and tokens: they are short, and somebody waits at a counter.
    Kept,
    /// What can wait a moment.
    Other,
    /// A file that comes in.
    Upload,
}

impl Class {
    /// The class of a gRPC method by its path.
    pub fn of(path: &str, client_streaming: bool, server_streaming: bool) -> Self {
        const KEPT: [&str; 7] = ["Get", "List", "Check", "BatchGet", "Match", "Issue", "Explain"];
        let name = path.rsplit('/').next().unwrap_or_default();
        match (client_streaming, server_streaming) {
            (true, _) => Self::Upload,
            (false, false) if KEPT.iter().any(|prefix| name.starts_with(prefix)) => Self::Kept,
            _ => Self::Other,
        }
    }
}

/// Lets calls in, or not.
pub struct Gate {
    calls_at_once: usize,
    uploads_at_once: usize,
    calls: AtomicUsize,
    uploads: AtomicUsize,
    per_client: Share,
    clients: Vec<Mutex<HashMap<u64, Client>>>,
    hash: RandomState,
    started: Instant,
}

#[derive(Clone, Copy)]
struct Share {
    calls_per_s: u64,
    at_once: u32,
}

// Of one client: when its calls so far are paid for, in nanoseconds since the start, and how many run.
#[derive(Default)]
struct Client {
    paid_until: u64,
    running: u32,
}

const SHARDS: usize = 16;
const CLIENTS_MOST: usize = 4_096;
const SECOND: u64 = 1_000_000_000;

/// What a client has left; its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    limit: u64,
    remaining: u64,
    reset_s: u64,
}

impl Quota {
    /// Writes the headers.
    pub fn write(&self, headers: &mut HeaderMap) {
        headers.insert(HeaderName::from_static("ratelimit-limit"), HeaderValue::from(self.limit));
        headers.insert(HeaderName::from_static("ratelimit-remaining"), HeaderValue::from(self.remaining));
        headers.insert(HeaderName::from_static("ratelimit-reset"), HeaderValue::from(self.reset_s));
    }
}

impl Gate {
    /// The gate of the settings.
    pub fn new(settings: &Settings) -> Self {
        Self {
            calls_at_once: settings.calls_at_once as usize,
            uploads_at_once: settings.uploads_at_once as usize,
            calls: AtomicUsize::new(0),
            uploads: AtomicUsize::new(0),
            per_client: Share {
                calls_per_s: settings.client_calls_per_s.max(1).into(),
                at_once: settings.client_calls_at_once,
            },
            clients: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hash: RandomState::new(),
            started: Instant::now(),
        }
    }

    /// Lets a call in; it counts as running until the pass is dropped.
    pub fn admit(
        self: &Arc<Self>,
        caller: &Caller,
        peer: Option<Peer>,
        class: Class,
    ) -> (Quota, Answer<Pass>) {
        let now = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let client = match (caller.is_anonymous(), peer) {
            (false, _) => self.hash.hash_one((0, caller.name())),
            (true, Some(Peer(address))) => self.hash.hash_one((1, address)),
            (true, None) => 0,
        };
        let (quota, outcome) = self.take_share(client, now);
        if let Err(fault) = outcome {
            return (quota, Err(fault));
        }
        let pass = Pass { gate: self.clone(), client, class };
        // Dropped, the pass gives all of it back.
        let running = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let uploads = match class {
            Class::Upload => self.uploads.fetch_add(1, Ordering::Relaxed) + 1,
            _ => 0,
        };
        let most = match class {
            Class::Kept => self.calls_at_once,
            Class::Other | Class::Upload => self.calls_at_once - self.calls_at_once / 4,
        };
        if running > most || uploads > self.uploads_at_once {
            return (quota, Err(overloaded()));
        }
        (quota, Ok(pass))
    }

    fn shard(&self, client: u64) -> &Mutex<HashMap<u64, Client>> {
        &self.clients[client as usize % SHARDS]
    }

    fn take_share(&self, id: u64, now: u64) -> (Quota, Answer<()>) {
        let share = self.per_client;
        let mut clients = self.shard(id).lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= CLIENTS_MOST {
            clients.retain(|_, client| client.running > 0 || client.paid_until > now);
        }
        let client = clients.entry(id).or_default();
        let (quota, outcome) = share.take(client, now);
        if outcome.is_ok() {
            client.running += 1;
        }
        (quota, outcome)
    }

    fn give_back(&self, id: u64, class: Class) {
        self.calls.fetch_sub(1, Ordering::Relaxed);
        if class == Class::Upload {
            self.uploads.fetch_sub(1, Ordering::Relaxed);
        }
        let mut clients = self.shard(id).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get_mut(&id) {
            client.running = client.running.saturating_sub(1);
        }
    }
}

impl Share {
    // Each call is paid for with its part of a second; a client may be a second ahead.
    fn take(self, client: &mut Client, now: u64) -> (Quota, Answer<()>) {
        let price = SECOND / self.calls_per_s;
        let paid = client.paid_until.max(now) + price;
        let ahead = paid - now;
        let quota = |ahead: u64| Quota {
            limit: self.calls_per_s,
            remaining: SECOND.saturating_sub(ahead) / price.max(1),
            reset_s: ahead.div_ceil(SECOND),
        };
        if ahead > SECOND {
            let wait_s = i64::try_from((ahead - SECOND).div_ceil(SECOND)).unwrap_or(1);
            return (
                quota(ahead - price),
                Err(limited("calls a second", "每秒调用次数", self.calls_per_s, wait_s)),
            );
        }
        if client.running >= self.at_once {
            let at_once = self.at_once.into();
            return (quota(ahead - price), Err(limited("calls at once", "并发调用数", at_once, 1)));
        }
        client.paid_until = paid;
        (quota(ahead), Ok(()))
    }
}

fn limited(en: &str, zh: &str, most: u64, wait_s: i64) -> Fault {
    Fault::exhausted(
        Common::RateLimited.as_str_name(),
        format!(
            "more than {most} {en} of one client; try again after {} s, and send many rows in one call",
            wait_s.max(1)
        ),
        format!("单个客户端的{zh}超过{most}；请在{}秒后重试，并尽量批量提交", wait_s.max(1)),
    )
    .retry_after_s(wait_s)
}

fn overloaded() -> Fault {
    Fault::unavailable(
        Common::Overloaded.as_str_name(),
        "there are as many calls at once as are taken; try again shortly",
        "当前并发请求已达上限；请稍后重试",
    )
    .retry_after_s(1)
}

/// A call that was let in.
pub struct Pass {
    gate: Arc<Gate>,
    client: u64,
    class: Class,
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.gate.give_back(self.client, self.class);
    }
}

/// An answer's body that counts as running for as long as it is read.
pub struct Running<B> {
    body: B,
    _pass: Pass,
}

impl<B> Running<B> {
    /// Wraps a body.
    pub fn new(body: B, pass: Pass) -> Self {
        Self { body, _pass: pass }
    }
}

impl<B: http_body::Body<Data = Bytes> + Unpin> http_body::Body for Running<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share() -> Share {
        Share { calls_per_s: 10, at_once: 3 }
    }

    #[test]
    fn a_client_may_be_a_second_ahead_and_no_more() {
        let (share, mut client) = (share(), Client::default());
        for left in (0..10).rev() {
            let (quota, outcome) = share.take(&mut client, 5 * SECOND);
            assert!(outcome.is_ok());
            assert_eq!((quota.limit, quota.remaining), (10, left));
        }
        let (quota, refused) = share.take(&mut client, 5 * SECOND);
        assert_eq!((quota.remaining, quota.reset_s), (0, 1));
        assert_eq!(refused.expect_err("too many").reason(), "RATE_LIMITED");
        assert!(
            share.take(&mut client, 5 * SECOND + SECOND / 10).1.is_ok(),
            "a tenth of a second pays for one"
        );
        assert!(share.take(&mut client, 5 * SECOND + SECOND / 10).1.is_err());
        assert!(share.take(&mut client, 60 * SECOND).1.is_ok());
    }

    #[test]
    fn what_is_kept_is_kept() {
        let settings = Settings::load(
            None,
            &serde_json::json!({ "calls_at_once": 8, "uploads_at_once": 2, "client_calls_at_once": 100 }),
        );
        let gate = Arc::new(Gate::new(&settings.expect("settings")));
        let admit = |class| gate.admit(&Caller::anonymous(), None, class).1;
        let uploads: Vec<_> = (0..2).map(|_| admit(Class::Upload).expect("a place")).collect();
        assert_eq!(admit(Class::Upload).map(|_| ()).expect_err("a third file").reason(), "OVERLOADED");
        let others: Vec<_> = (0..4).map(|_| admit(Class::Other).expect("a place")).collect();
        assert!(admit(Class::Other).is_err(), "six of eight are taken");
        let kept: Vec<_> = (0..2).map(|_| admit(Class::Kept).expect("a kept place")).collect();
        assert!(admit(Class::Kept).is_err());
        drop((uploads, others, kept));
        assert!(
            (0..6).map(|_| admit(Class::Other)).collect::<Result<Vec<_>, _>>().is_ok(),
            "all are given back"
        );
        let of_one =
            Settings::load(None, &serde_json::json!({ "client_calls_at_once": 2 })).expect("settings");
        let gate = Arc::new(Gate::new(&of_one));
        let from = |last| Some(Peer(std::net::IpAddr::from([192, 0, 2, last])));
        let first =
            [1, 1].map(|last| gate.admit(&Caller::anonymous(), from(last), Class::Kept).1.expect("a place"));
        assert!(gate.admit(&Caller::anonymous(), from(1), Class::Kept).1.is_err());
        assert!(
            gate.admit(&Caller::anonymous(), from(2), Class::Kept).1.is_ok(),
            "another has its own share"
        );
        drop(first);
    }

    #[test]
    fn classes_follow_the_method() {
        for (path, streams, class) in [
            ("/xinheng.discipline.v1.Checks/CheckSubjects", (false, false), Class::Kept),
            ("/xinheng.identity.v1.Tokens/IssueToken", (false, false), Class::Kept),
            ("/xinheng.credit.v1.Records/SubmitRecords", (false, false), Class::Other),
            ("/xinheng.credit.v1.Imports/CreateImport", (true, false), Class::Upload),
            ("/xinheng.credit.v1.Feed/Watch", (false, true), Class::Other),
        ] {
            assert_eq!(Class::of(path, streams.0, streams.1), class, "{path}");
        }
    }
}
