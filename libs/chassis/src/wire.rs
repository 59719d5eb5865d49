//! Connections that don't get on: what a stalled peer may hold, and for how long.
use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::body::{Body, Bytes};
use http_body::{Body as _, Frame, SizeHint};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

/// A connection that ends where its peer takes nothing of an answer for too long.
pub struct Taken {
    stream: TcpStream,
    limit: Duration,
    // Runs while a write waits for the peer.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Taken {
    /// Wraps a connection.
    pub fn within(stream: TcpStream, limit: Duration) -> Self {
        Self { stream, limit, waiting: None }
    }

    fn judge<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let limit = self.limit;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(limit)));
        match waiting.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Taken {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Taken {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.judge(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.judge(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = Pin::new(&mut self.stream).poll_shutdown(context);
        self.judge(context, ended)
    }
}

/// Whether a connection has brought its first request yet. Before that nothing else times it: not while it says nothing at all, and
/// not while it spells HTTP/2's preface.
#[derive(Clone, Default)]
pub struct Begun(Arc<AtomicBool>);

impl Begun {
    /// The first request is here.
    pub fn mark(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Ends when the time for the first request has passed without one; else never.
    pub async fn missed(self, limit: Duration) {
        sleep(limit).await;
        if self.0.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }
}

/// The answers that run on a connection, and for how long each has waited for its peer. HTTP/2 has a window for each stream: a peer can
/// take other streams, and so keep the connection, while it never takes the rest of one.
#[derive(Clone)]
pub struct Answers(Arc<Running>);

struct Running {
    since: Instant,
    // Of each answer: when its last piece was handed over, in milliseconds since the connection's beginning; 0: it waits for us.
    handed: Mutex<Vec<Weak<AtomicU64>>>,
}

// Ended ones are swept out when so many are in the list.
const SWEPT_FROM: usize = 64;

impl Answers {
    /// Of a new connection.
    pub fn new() -> Self {
        Self(Arc::new(Running { since: Instant::now(), handed: Mutex::default() }))
    }

    /// An answer's body, watched until its last piece is taken.
    pub fn watched(&self, body: Body) -> Body {
        if body.is_end_stream() {
            return body;
        }
        // Its head is on the way already.
        let handed = Arc::new(AtomicU64::new(millis(self.0.since)));
        let mut list = self.0.handed.lock().unwrap_or_else(PoisonError::into_inner);
        if list.len() >= SWEPT_FROM && list.len().is_power_of_two() {
            list.retain(|one| one.strong_count() > 0);
        }
        list.push(Arc::downgrade(&handed));
        drop(list);
        Body::new(Answered { body, left: Bytes::new(), handed, since: self.0.since })
    }

    /// Ends when an answer has waited for its peer for longer than the limit.
    pub async fn stalled(&self, limit: Duration) {
        loop {
            sleep(limit / 4).await;
            let now = millis(self.0.since);
            let late = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
            let list = self.0.handed.lock().unwrap_or_else(PoisonError::into_inner);
            let waits = |one: &Weak<AtomicU64>| {
                let handed = one.upgrade().map_or(0, |handed| handed.load(Ordering::Relaxed));
                handed > 0 && now.saturating_sub(handed) > late
            };
            if list.iter().any(waits) {
                return;
            }
        }
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
}

// The next piece is asked for when the peer has taken most of the one before: so a large one is given in parts.
struct Answered {
    body: Body,
    left: Bytes,
    handed: Arc<AtomicU64>,
    since: Instant,
}

const PART: usize = 64 * 1024;

impl http_body::Body for Answered {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let mut polled = if this.left.is_empty() {
            Pin::new(&mut this.body).poll_frame(context)
        } else {
            Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut this.left)))))
        };
        if let Poll::Ready(Some(Ok(frame))) = &mut polled
            && let Some(data) = frame.data_mut()
            && data.len() > PART
        {
            this.left = data.split_off(PART);
        }
        let handed = if matches!(polled, Poll::Ready(Some(Ok(_)))) { millis(this.since) } else { 0 };
        this.handed.store(handed, Ordering::Relaxed);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (hint, left) = (self.body.size_hint(), self.left.len() as u64);
        let mut whole = SizeHint::new();
        whole.set_lower(hint.lower() + left);
        if let Some(upper) = hint.upper() {
            whole.set_upper(upper + left);
        }
        whole
    }
}
