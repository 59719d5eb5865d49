//! Answers that a client leaves lying on an HTTP/2 connection that it goes on using: the stream ends, the connection and its other calls
//! don't, and what waits stays small. By hyper's client over a real port.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, reason = "tests fail loudly")]
use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request,
    response::Response,
    routing::{get, post},
};
use chassis::serve::{self, Limits, Port};
use futures::stream;
use http_body_util::BodyExt;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpStream, time::sleep};
use tokio_util::sync::CancellationToken;

const WRITE: Duration = Duration::from_millis(800);
const LIMITS: Limits = Limits {
    connections: 100,
    from_one_address: 100,
    headers: Duration::from_secs(5),
    write: WRITE,
    asked_every: Duration::from_secs(5),
    age: Duration::ZERO,
    guarded: true,
};
const PIECE: usize = 64 * 1024;
const WINDOW: u32 = 256 * 1024;

// What the service knows of its endless answers.
#[derive(Clone, Default)]
struct Seen {
    pieces: Arc<AtomicUsize>,
    over: Arc<AtomicUsize>,
}

struct Ends(Seen);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.over.fetch_add(1, Ordering::SeqCst);
    }
}

fn endless(seen: &Seen) -> Response {
    let ends = Ends(seen.clone());
    Response::new(Body::from_stream(stream::unfold(ends, |ends| async move {
        ends.0.pieces.fetch_add(1, Ordering::SeqCst);
        Some((Ok::<_, Infallible>(Bytes::from(vec![b'x'; PIECE])), ends))
    })))
}

async fn port(seen: Seen) -> SocketAddr {
    let (large, kept) = (seen.clone(), seen);
    let router = Router::new()
        .route("/large", get(move || async move { endless(&large) }))
        .route("/small", get(|| async { "small" }))
        // Its request's body is read by a task of its own, as a call that is passed on reads it.
        .route(
            "/talk",
            post(move |request: Request| async move {
                tokio::spawn(request.into_body().collect());
                endless(&kept)
            }),
        );
    let listener = serve::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve::serve(Port::plain(listener), router, LIMITS, CancellationToken::new()));
    address
}

struct Client {
    sender: SendRequest<Body>,
    ended: Arc<AtomicBool>,
}

impl Client {
    // With windows by the stream; the connection's is wide, so that one stream does not starve the others.
    async fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(64 * WINDOW)
            .handshake(TokioIo::new(stream))
            .await
            .unwrap();
        let ended = Arc::new(AtomicBool::new(false));
        let told = ended.clone();
        tokio::spawn(async move {
            let _ = connection.await;
            told.store(true, Ordering::SeqCst);
        });
        Self { sender, ended }
    }

    async fn send(&mut self, method: &str, path: &str, body: Body) -> http::Response<hyper::body::Incoming> {
        let request =
            http::Request::builder().method(method).uri(format!("http://x{path}")).body(body).unwrap();
        self.sender.send_request(request).await.unwrap()
    }

    async fn small(&mut self) {
        let answer = self.send("GET", "/small", Body::empty()).await;
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "small");
    }
}

// What of an answer was under way before it ended, and how it ended.
async fn rest(mut body: hyper::body::Incoming) -> (usize, String) {
    let mut length = 0;
    loop {
        match body.frame().await {
            Some(Ok(frame)) => length += frame.data_ref().map_or(0, Bytes::len),
            Some(Err(error)) => return (length, format!("{error:?}")),
            None => return (length, String::from("whole")),
        }
    }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(5), "{what}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_stream_that_is_not_read_ends() {
    let seen = Seen::default();
    let mut client = Client::new(port(seen.clone()).await).await;
    let begun = Instant::now();
    let unread = client.send("GET", "/large", Body::empty()).await.into_body();
    while seen.over.load(Ordering::SeqCst) == 0 {
        client.small().await;
        assert!(begun.elapsed() < 3 * WRITE, "it is let go within its time");
        sleep(Duration::from_millis(20)).await;
    }
    assert!(begun.elapsed() >= WRITE, "and not before: {:?}", begun.elapsed());
    let (length, end) = rest(unread).await;
    assert!(end.contains("Reset") && end.contains("CANCEL"), "the client is told: {end}");
    assert!(length <= WINDOW as usize, "{length} bytes");
    // The window of it, what waits in h2 and what waits before it.
    let pieces = seen.pieces.load(Ordering::SeqCst);
    assert!(pieces <= WINDOW as usize / PIECE + 3, "{pieces} pieces were asked for");
    for _ in 0..10 {
        client.small().await;
    }
    assert!(!client.ended.load(Ordering::SeqCst), "the connection goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_read_slowly_stays() {
    let seen = Seen::default();
    let mut client = Client::new(port(seen.clone()).await).await;
    let mut read = client.send("GET", "/large", Body::empty()).await.into_body();
    let begun = Instant::now();
    let mut length = 0;
    while begun.elapsed() < 4 * WRITE {
        length += read.frame().await.unwrap().unwrap().into_data().unwrap().len();
        sleep(WRITE / 16).await;
    }
    assert!(length > WINDOW as usize && seen.over.load(Ordering::SeqCst) == 0, "{length} bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_that_are_not_read_hold_little_and_all_end() {
    const MANY: usize = 40;
    let seen = Seen::default();
    let mut client = Client::new(port(seen.clone()).await).await;
    let mut unread = Vec::new();
    for _ in 0..MANY {
        unread.push(client.send("GET", "/large", Body::empty()).await.into_body());
    }
    let begun = Instant::now();
    while seen.over.load(Ordering::SeqCst) < MANY {
        client.small().await;
        assert!(begun.elapsed() < 4 * WRITE, "{} of {MANY} ended", seen.over.load(Ordering::SeqCst));
        sleep(Duration::from_millis(20)).await;
    }
    let pieces = seen.pieces.load(Ordering::SeqCst);
    assert!(pieces <= MANY * (WINDOW as usize / PIECE + 3), "{pieces} pieces");
    client.small().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_still_read_elsewhere_keeps_no_stream_open() {
    let seen = Seen::default();
    let mut client = Client::new(port(seen.clone()).await).await;
    let never = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
    let unread = client.send("POST", "/talk", never).await.into_body();
    let begun = Instant::now();
    while seen.over.load(Ordering::SeqCst) == 0 {
        client.small().await;
        assert!(begun.elapsed() < 3 * WRITE);
        sleep(Duration::from_millis(20)).await;
    }
    let told = tokio::time::timeout(Duration::from_secs(2), rest(unread)).await.expect("the client is told");
    assert!(told.1.contains("Reset"), "{told:?}");
    client.small().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_of_which_nothing_is_taken_ends() {
    let seen = Seen::default();
    let mut client = Client::new(port(seen.clone()).await).await;
    let unread = client.send("GET", "/large", Body::empty()).await.into_body();
    let ended = client.ended.clone();
    until("the connection ends", move || ended.load(Ordering::SeqCst)).await;
    assert!(rest(unread).await.0 <= WINDOW as usize);
}
