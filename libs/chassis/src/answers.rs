//! Answers that are left lying: a stream of HTTP/2 whose client takes nothing of it ends by itself, a connection that takes nothing at
//! all ends whole.
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker, ready},
    time::{Duration, Instant},
};

use axum::body::{Body, Bytes};
use futures::{future::poll_fn, task::AtomicWaker};
use http_body::{Body as _, Frame, SizeHint};
use hyper::rt::Executor;
use tokio::time::{Sleep, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

tokio::task_local! {
    // The stream in whose task a call runs and its answer is read: hyper hands that task to our executor and says nothing else of it.
    static STREAM: Arc<Stream>;
}

/// The answers that run on a connection, and for how long each has waited for its peer. HTTP/2 has a window for each stream: a peer can
/// take other streams, and so keep the connection, while it never takes the rest of one.
#[derive(Clone)]
pub struct Answers(Arc<Connection>);

struct Connection {
    since: Instant,
    limit: Duration,
    // When the peer last took something of any answer, in milliseconds since the beginning.
    taken: AtomicU64,
    // Nothing of it is taken any more.
    over: CancellationToken,
    // HTTP/1 has no streams, and one answer at a time.
    only: Mutex<Weak<Stream>>,
}

// One request and its answer.
#[derive(Default)]
struct Stream {
    // When the last piece was handed over, in milliseconds since the connection's beginning; 0: it waits for us.
    handed: AtomicU64,
    cut: AtomicBool,
    // Who reads the request's body, wherever it went.
    asker: AtomicWaker,
}

impl Stream {
    fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        self.asker.wake();
    }
}

impl Answers {
    /// Of a new connection, whose peer has this time to take something.
    pub fn within(limit: Duration) -> Self {
        Self(Arc::new(Connection {
            since: Instant::now(),
            limit,
            taken: AtomicU64::new(0),
            over: CancellationToken::new(),
            only: Mutex::default(),
        }))
    }

    /// A request's body, which ends with its stream: who still holds it elsewhere would keep the stream open.
    pub fn asked(&self, body: Body) -> Body {
        match STREAM.try_with(Arc::clone) {
            Ok(stream) if !body.is_end_stream() => Body::new(Asked { body, stream }),
            _ => body,
        }
    }

    /// An answer's body, watched until its last piece is taken.
    pub fn watched(&self, body: Body) -> Body {
        if body.is_end_stream() {
            return body;
        }
        let stream = STREAM.try_with(Arc::clone).unwrap_or_else(|_| {
            let stream = Arc::new(Stream::default());
            *self.0.only.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&stream);
            stream
        });
        // Its head is on the way already.
        stream.handed.store(self.0.now(), Ordering::Relaxed);
        Body::new(Answered { body, left: Bytes::new(), given: false, stream, connection: self.0.clone() })
    }

    /// Ends when the connection as a whole takes nothing.
    pub async fn stalled(&self) {
        let plain = async {
            loop {
                sleep(self.0.limit / 4).await;
                let only = self.0.only.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
                let handed = only.map_or(0, |stream| stream.handed.load(Ordering::Relaxed));
                if handed > 0 && Instant::now() > self.0.until(handed) {
                    return;
                }
            }
        };
        tokio::select! {
            () = plain => {}
            () = self.0.over.cancelled() => {}
        }
    }
}

impl Connection {
    fn now(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    fn until(&self, handed: u64) -> Instant {
        self.since + Duration::from_millis(handed) + self.limit
    }

    fn took(&self) {
        self.taken.store(self.now(), Ordering::Relaxed);
    }

    // Runs a stream to its end, or until its peer has taken nothing of it for too long. A stream that is let go is reset by h2, and what
    // of it waits there is thrown away.
    async fn run(self: Arc<Self>, work: impl Future<Output = ()>) {
        let stream = Arc::new(Stream::default());
        let mut work = pin!(work);
        let mut waiting: Option<Pin<Box<Sleep>>> = None;
        poll_fn(|context| {
            if STREAM.sync_scope(stream.clone(), || work.as_mut().poll(context)).is_ready() {
                self.took();
                return Poll::Ready(());
            }
            let handed = stream.handed.load(Ordering::Relaxed);
            if handed == 0 {
                waiting = None;
                return Poll::Pending;
            }
            let until = tokio::time::Instant::from_std(self.until(handed));
            let timer = waiting.get_or_insert_with(|| Box::pin(sleep_until(until)));
            if timer.deadline() != until {
                timer.as_mut().reset(until);
            }
            ready!(timer.as_mut().poll(context));
            stream.cut();
            if self.taken.load(Ordering::Relaxed) <= handed {
                self.over.cancel();
            } else {
                tracing::debug!("an answer is not taken, and its stream ends");
            }
            Poll::Ready(())
        })
        .await;
    }
}

/// Who runs the streams of a connection's HTTP/2: watched ones each in a task of its own, others so where they have to wait.
#[derive(Clone)]
pub struct Streams(Option<Arc<Connection>>);

impl Streams {
    /// Watched, where there are answers to watch.
    pub fn of(answers: Option<&Answers>) -> Self {
        Self(answers.map(|answers| answers.0.clone()))
    }
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, work: F) {
        match &self.0 {
            Some(connection) => drop(tokio::spawn(connection.clone().run(work))),
            None => at_once(work),
        }
    }
}

// Where nobody has to be waited for, as for what is answered from memory, a call is done where its connection is read, and no other thread is
// woken for it. Whatever waits goes on in a task of its own.
fn at_once(work: impl Future<Output = ()> + Send + 'static) {
    let mut work = Box::pin(work);
    let first = AssertUnwindSafe(|| work.as_mut().poll(&mut Context::from_waker(Waker::noop())));
    // A panic ends the stream, not the connection.
    if matches!(catch_unwind(first), Ok(Poll::Pending)) {
        tokio::spawn(work);
    }
}

// A request's body, until its stream is cut.
struct Asked {
    body: Body,
    stream: Arc<Stream>,
}

impl http_body::Body for Asked {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.stream.asker.register(context.waker());
        if self.stream.cut.load(Ordering::Acquire) {
            self.body = Body::empty();
            return Poll::Ready(Some(Err(axum::Error::new(
                "the answer was not taken, and its stream ended",
            ))));
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

// The next piece is asked for when the peer has taken most of the one before: so a large one is given in parts.
struct Answered {
    body: Body,
    left: Bytes,
    // Whether a piece was handed over yet.
    given: bool,
    stream: Arc<Stream>,
    connection: Arc<Connection>,
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
        if this.given && this.stream.handed.load(Ordering::Relaxed) > 0 {
            this.connection.took();
        }
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
        let given = matches!(polled, Poll::Ready(Some(Ok(_))));
        this.given |= given;
        let handed = if given { this.connection.now() } else { 0 };
        this.stream.handed.store(handed, Ordering::Relaxed);
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use tokio::time::timeout;

    use super::*;

    const MOMENT: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn what_waits_for_nothing_is_done_at_once_and_the_rest_in_its_time() {
        let done = Arc::new(AtomicUsize::new(0));
        let counts = done.clone();
        Streams::of(None).execute(async move {
            counts.fetch_add(1, Ordering::SeqCst);
        });
        assert_eq!(done.load(Ordering::SeqCst), 1);
        let (goes, waits) = tokio::sync::oneshot::channel();
        let (tells, hears) = tokio::sync::oneshot::channel();
        let counts = done.clone();
        Streams::of(None).execute(async move {
            counts.fetch_add(1, Ordering::SeqCst);
            let word: u8 = waits.await.unwrap();
            tells.send(word).unwrap();
        });
        assert_eq!(done.load(Ordering::SeqCst), 2, "its first step is done");
        goes.send(7).unwrap();
        assert_eq!(timeout(MOMENT, hears).await.unwrap(), Ok(7));
    }

    #[tokio::test]
    async fn a_stream_that_panics_leaves_its_connection_alone() {
        Streams::of(None).execute(async { panic!("as a fault of ours would") });
    }

    #[tokio::test]
    async fn a_watched_stream_has_a_task_of_its_own() {
        let answers = Answers::within(MOMENT);
        let (tells, hears) = tokio::sync::oneshot::channel();
        let own = tokio::task::try_id();
        Streams::of(Some(&answers)).execute(async move { tells.send(tokio::task::try_id()).unwrap() });
        assert_ne!(timeout(MOMENT, hears).await.unwrap().unwrap(), own);
    }
}
