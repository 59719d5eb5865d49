//! Files in: the request's body becomes a stream of messages, never held whole.
use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use tonic::{Status, body::Body};

use crate::{
    frames::frame,
    transcode::{Refusal, put_bytes, put_sized, put_tag, refusal},
};

/// The largest file.
pub const FILE_MAX: usize = 512 * 1024 * 1024;

// A service takes messages of some megabytes; pieces of one keep the memory of both sides small.
const PIECE: usize = 1024 * 1024;

/// What went wrong with the body while it was passed on; the service only sees that it broke off.
#[derive(Clone, Default)]
pub struct Trouble(Arc<OnceLock<fn() -> Refusal>>);

impl Trouble {
    /// The refusal, if the body was to blame.
    pub fn refusal(&self) -> Option<Refusal> {
        self.0.get().map(|make| make())
    }
}

/// What a file may be.
#[derive(Clone, Copy)]
pub struct Limits {
    /// The largest.
    pub bytes: usize,
    /// The time for its next piece.
    pub timeout: Duration,
}

// After the time that is given for a piece, so many bytes a second must have come on the whole: one byte in each of those times
// would else keep a place for days.
const SLOWEST: u64 = 1_024;

/// How fast a body comes.
pub struct Pace {
    started: Instant,
    timeout: Duration,
}

impl Pace {
    /// Begins to watch.
    pub fn new(timeout: Duration) -> Self {
        Self { started: Instant::now(), timeout }
    }

    /// Waits for the next piece, `taken` bytes being here already.
    pub async fn within<F: Future>(&self, next: F, taken: usize) -> Result<F::Output, Refusal> {
        let allowed = self.timeout + Duration::from_secs(taken as u64 / SLOWEST);
        if self.started.elapsed() > allowed {
            return Err(refusal::body_too_slow());
        }
        tokio::time::timeout(self.timeout, next).await.map_err(|_| refusal::body_too_slow())
    }
}

struct State {
    body: axum::body::BodyDataStream,
    // The request's fields and the file's media type, until they are sent.
    first: Option<(Vec<u8>, String)>,
    number: u32,
    taken: usize,
    limit: usize,
    pace: Pace,
    left: Bytes,
    trouble: Trouble,
}

/// The gRPC body of an upload: `fields` go with the first piece, `number` is the field that holds the file.
pub fn body(
    incoming: axum::body::Body,
    fields: Vec<u8>,
    media_type: String,
    number: u32,
    limits: Limits,
) -> (Body, Trouble) {
    let trouble = Trouble::default();
    let state = State {
        body: incoming.into_data_stream(),
        first: Some((fields, media_type)),
        number,
        taken: 0,
        limit: limits.bytes,
        pace: Pace::new(limits.timeout),
        left: Bytes::new(),
        trouble: trouble.clone(),
    };
    let pieces = stream::unfold(Some(state), |state| async move {
        let mut state = state?;
        match state.next().await {
            Ok(Some(message)) => Some((Ok(Frame::data(message)), Some(state))),
            Ok(None) => None,
            Err(status) => Some((Err(status), None)),
        }
    });
    (Body::new(StreamBody::new(pieces)), trouble)
}

impl State {
    // The next framed message; nothing at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        while self.left.is_empty() {
            let next = self.pace.within(self.body.next(), self.taken).await;
            match next.map_err(|_| self.broken(refusal::body_too_slow))? {
                Some(Ok(data)) => self.take(data)?,
                Some(Err(_)) => return Err(self.broken(refusal::body_broken)),
                None if self.first.is_some() => return Ok(Some(self.message(&Bytes::new()))),
                None => return Ok(None),
            }
        }
        let piece = self.left.split_to(self.left.len().min(PIECE));
        Ok(Some(self.message(&piece)))
    }

    fn take(&mut self, data: Bytes) -> Result<(), Status> {
        self.taken += data.len();
        if self.taken > self.limit {
            return Err(self.broken(file_too_large));
        }
        self.left = data;
        Ok(())
    }

    fn broken(&self, why: fn() -> Refusal) -> Status {
        let _ = self.trouble.0.set(why);
        Status::cancelled("the upload broke off")
    }

    fn message(&mut self, piece: &[u8]) -> Bytes {
        let (mut message, media_type) = self.first.take().unwrap_or_default();
        put_tag(&mut message, self.number, 2);
        put_sized(&mut message, |out| {
            if !media_type.is_empty() {
                put_tag(out, 1, 2);
                put_bytes(out, media_type.as_bytes());
            }
            put_tag(out, 2, 2);
            put_bytes(out, piece);
        });
        frame(&message)
    }
}

/// The refusal of a file beyond the limit.
pub fn file_too_large() -> Refusal {
    refusal::body_too_large(FILE_MAX)
}
