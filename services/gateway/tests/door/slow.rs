//! Clients that are slow on purpose, over real connections: each kind is cut off, and an honest one does not feel them.
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use chassis::serve::{self, Limits};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::world::World;

const LIMITS: Limits =
    Limits { connections: 2_000, headers: Duration::from_millis(600), write: Duration::from_millis(800) };
const HONEST: &str = "GET /.well-known/jwks.json HTTP/1.1\r\nhost: x\r\n\r\n";

async fn port(world: &World, limits: Limits) -> SocketAddr {
    let listener = serve::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve::serve(listener, world.door.clone(), limits, world.trial.boot.stopping.clone()));
    address
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

// What comes until the connection ends; nothing where it does not end in time.
async fn until_end(stream: &mut TcpStream, within: Duration) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    match timeout(within, stream.read_to_end(&mut all)).await {
        Err(_) => None,
        Ok(_) => Some(all),
    }
}

// One request on a connection that stays; how long its answer took.
async fn honest(stream: &mut TcpStream) -> Duration {
    let started = Instant::now();
    stream.write_all(HONEST.as_bytes()).await.unwrap();
    let (mut seen, mut piece) = (Vec::new(), [0; 4_096]);
    while !seen.ends_with(b"]}") {
        let count = stream.read(&mut piece).await.unwrap();
        assert!(count > 0, "an honest connection was cut: {}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&piece[..count]);
    }
    started.elapsed()
}

async fn p99(address: SocketAddr, count: usize) -> Duration {
    let mut stream = connect(address).await;
    let mut times = Vec::new();
    for _ in 0..count {
        times.push(honest(&mut stream).await);
    }
    times.sort_unstable();
    times[count * 99 / 100]
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Silent,
    SlowPreface,
    SlowHeaders,
    SlowBody,
    SlowReader,
}

const KINDS: [Kind; 5] =
    [Kind::Silent, Kind::SlowPreface, Kind::SlowHeaders, Kind::SlowBody, Kind::SlowReader];

// Plays a slow client to its end; whether it was cut off.
async fn slow(address: SocketAddr, kind: Kind) -> bool {
    let mut stream = connect(address).await;
    let body = "POST /oauth2/token HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n{";
    let drip: &[u8] = match kind {
        Kind::Silent => b"",
        Kind::SlowPreface => b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        Kind::SlowHeaders => b"GET / HTTP/1.1\r\nhost: x\r\nx-a: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
        Kind::SlowBody => {
            stream.write_all(body.as_bytes()).await.unwrap();
            b"                                                                                  "
        }
        Kind::SlowReader => {
            // Far more than the kernel's buffers take, asked for at once and not read.
            for _ in 0..60 {
                let asked = b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n";
                if stream.write_all(asked).await.is_err() {
                    return true;
                }
            }
            sleep(Duration::from_millis(2_500)).await;
            b""
        }
    };
    for byte in drip {
        sleep(Duration::from_millis(150)).await;
        if stream.write_all(&[*byte]).await.is_err() {
            return true;
        }
    }
    until_end(&mut stream, Duration::from_secs(4)).await.is_some()
}

const SLOW: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_are_cut_off_and_not_felt() {
    let world = World::with(json!({ "body_timeout_s": 1 })).await;
    let address = port(&world, LIMITS).await;
    let alone = p99(address, 300).await;
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..SLOW {
        clients.spawn(async move {
            let kind = KINDS[number % KINDS.len()];
            (kind, slow(address, kind).await)
        });
    }
    sleep(Duration::from_millis(100)).await;
    let beside = p99(address, 300).await;
    println!("an honest client's p99: {alone:?} alone, {beside:?} beside {SLOW} slow ones");
    while let Some(done) = clients.join_next().await {
        let (kind, cut) = done.unwrap();
        assert!(cut, "{kind:?} is still served");
    }
    // On a machine that others use as well, only a stall is certain to be ours.
    assert!(beside < Duration::from_secs(1), "{alone:?} alone, {beside:?} beside");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_clear_request_is_refused() {
    let world = World::new().await;
    let address = port(&world, LIMITS).await;
    let long = format!("x-a: {}\r\n", "a".repeat(40 * 1024));
    let many = "x-a: b\r\n".repeat(200);
    for (status, head) in [
        ("200", String::from("GET /docs HTTP/1.1\r\nhost: a\r\n")),
        ("200", String::from("GET http://a/docs HTTP/1.1\r\nhost: a\r\n")),
        ("400", String::from("GET /docs HTTP/1.1\r\nhost: a\r\nhost: b\r\n")),
        ("400", String::from("GET /docs HTTP/1.1\r\nhost: a\r\nhost: a\r\n")),
        ("400", String::from("GET http://b/docs HTTP/1.1\r\nhost: a\r\n")),
        ("400", String::from("GET /docs HTTP/1.1\r\nhost: a@b\r\n")),
        ("400", String::from("GET /docs HTTP/1.1\r\n")),
        ("431", format!("GET /docs HTTP/1.1\r\nhost: a\r\n{long}")),
        ("431", format!("GET /docs HTTP/1.1\r\nhost: a\r\n{many}")),
    ] {
        let mut stream = connect(address).await;
        stream.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).await.unwrap();
        let answer = until_end(&mut stream, Duration::from_secs(5)).await.unwrap();
        let line = String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned();
        assert!(
            line.contains(&format!(" {status} ")),
            "{status}: {line} for {}",
            &head[..head.len().min(60)]
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_body_is_told_so_and_connections_are_bounded() {
    let world = World::with(json!({ "body_timeout_s": 1 })).await;
    let address = port(&world, Limits { connections: 1, ..LIMITS }).await;
    let mut first = connect(address).await;
    first
        .write_all(b"POST /oauth2/token HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{")
        .await
        .unwrap();
    let mut second = connect(address).await;
    second.write_all(HONEST.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut byte = [0];
    assert!(
        timeout(Duration::from_millis(300), second.read(&mut byte)).await.is_err(),
        "the one place is taken"
    );
    let told = until_end(&mut first, Duration::from_secs(4)).await.unwrap();
    let told = String::from_utf8_lossy(&told);
    assert!(told.starts_with("HTTP/1.1 408 ") && told.contains("BODY_TOO_SLOW"), "{told}");
    let answer = until_end(&mut second, Duration::from_secs(4)).await.unwrap();
    assert!(String::from_utf8_lossy(&answer).starts_with("HTTP/1.1 200 "), "it waited, and was served");
}
