//! Connections that don't get on: what a stalled peer may hold, and for how long.
use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

// For how long what a peer still sends is read, and thrown away, after the last word to it; and how much: what was on its way, and no flood.
const HEARD_OUT: Duration = Duration::from_secs(1);
const HEARD_BYTES: usize = 64 * 1024;

/// A connection that ends where its peer takes nothing of an answer for too long. One that ends in good order hears its peer out: of a
/// connection that is closed on what the peer has just sent, the system lets the peer read no more, not even what was said before. So a
/// caller would not learn from HTTP/2's GOAWAY that its call was never begun.
pub struct Taken {
    stream: TcpStream,
    limit: Duration,
    // Runs while a write waits for the peer.
    waiting: Option<Pin<Box<Sleep>>>,
    // Runs from the last word on.
    ending: Option<Pin<Box<Sleep>>>,
    heard_bytes: usize,
}

impl Taken {
    /// Wraps a connection.
    pub fn within(stream: TcpStream, limit: Duration) -> Self {
        Self { stream, limit, waiting: None, ending: None, heard_bytes: 0 }
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
        if self.ending.is_none() {
            let ended = Pin::new(&mut self.stream).poll_shutdown(context);
            ready!(self.judge(context, ended))?;
        }
        let Self { stream, ending, heard_bytes, .. } = &mut *self;
        let ending = ending.get_or_insert_with(|| Box::pin(sleep(HEARD_OUT)));
        let mut unread = [0; 4_096];
        while *heard_bytes < HEARD_BYTES && ending.as_mut().poll(context).is_pending() {
            let mut unread = ReadBuf::new(&mut unread);
            let read = ready!(Pin::new(&mut *stream).poll_read(context, &mut unread));
            if read.is_err() || unread.filled().is_empty() {
                break;
            }
            *heard_bytes += unread.filled().len();
        }
        Poll::Ready(Ok(()))
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

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
        time::{Instant, timeout},
    };

    use super::*;

    // Both ends of a connection: the peer's, and ours.
    async fn pair() -> (TcpStream, Taken) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (peer, ours) = tokio::join!(TcpStream::connect(address), listener.accept());
        (peer.expect("a connection"), Taken::within(ours.expect("a connection").0, Duration::from_secs(9)))
    }

    #[tokio::test]
    async fn a_peer_that_speaks_late_reads_the_last_word_all_the_same() {
        let (mut peer, mut ours) = pair().await;
        ours.write_all(b"enough").await.expect("room");
        let ended = tokio::spawn(async move { ours.shutdown().await });
        // It has not read yet that it is too late; who writes to a connection that is closed fails, and reads no more.
        for _ in 0..4 {
            peer.write_all(b"one more").await.expect("somebody who takes it");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let mut said = String::new();
        peer.read_to_string(&mut said).await.expect("what was said");
        assert_eq!(said, "enough");
        drop(peer);
        let began = Instant::now();
        ended.await.expect("no panic").expect("a good end");
        assert!(began.elapsed() < HEARD_OUT / 2, "a peer that has closed is not waited for");
    }

    #[tokio::test]
    async fn a_peer_that_never_ends_is_not_waited_for() {
        let (silent, mut ours) = pair().await;
        let ended = timeout(HEARD_OUT * 5, ours.shutdown()).await;
        ended.expect("an end in time").expect("a good end");
        drop(silent);
        let (mut peer, mut ours) = pair().await;
        let sends = tokio::spawn(async move { while peer.write_all(&[7; 9_999]).await.is_ok() {} });
        // As soon as it has sent more than may have been on its way.
        let ended = timeout(HEARD_OUT / 2, ours.shutdown()).await;
        ended.expect("an end in time").expect("a good end");
        drop(ours);
        timeout(HEARD_OUT * 5, sends).await.expect("an end for the peer too").expect("no panic");
    }
}
