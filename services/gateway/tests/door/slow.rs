//! Clients that are slow or wild on purpose, over real connections: each kind is cut off, and honest ones are served meanwhile. How
//! little these feel of it is measured by the benchmark (`bench -- gateway`).
use std::{net::SocketAddr, time::Duration};

use chassis::serve::{self, Limits, Port};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::{sleep, timeout},
};

use crate::world::World;

const LIMITS: Limits = Limits {
    connections: 2_000,
    from_one_address: 2_000,
    headers: Duration::from_millis(600),
    write: Duration::from_millis(800),
    asked_every: Duration::from_millis(600),
    age: Duration::ZERO,
    guarded: true,
};
const HONEST: &str = "GET /.well-known/jwks.json HTTP/1.1\r\nhost: x\r\n\r\n";
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

async fn port(world: &World, limits: Limits) -> SocketAddr {
    let listener = serve::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let stopping = world.trial.boot.stopping.clone();
    tokio::spawn(serve::serve(Port::plain(listener), world.door.clone(), limits, stopping));
    address
}

// With a small buffer, so that two hundred who do not read take no memory of the machine.
async fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    socket.connect(address).await.unwrap()
}

// What comes until the connection ends; nothing where it does not end in time.
async fn until_end(stream: &mut TcpStream, within: Duration) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    match timeout(within, stream.read_to_end(&mut all)).await {
        Err(_) => None,
        Ok(_) => Some(all),
    }
}

// One request on a connection that stays.
async fn honest(stream: &mut TcpStream) {
    stream.write_all(HONEST.as_bytes()).await.unwrap();
    let (mut seen, mut piece) = (Vec::new(), [0; 4_096]);
    while !seen.ends_with(b"]}") {
        let count = stream.read(&mut piece).await.unwrap();
        assert!(count > 0, "an honest connection was cut: {}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&piece[..count]);
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

// GET /.well-known/jwks.json, in HPACK by hand.
fn get(stream: u32) -> Vec<u8> {
    let path = b"/.well-known/jwks.json";
    let block = [&[0x82, 0x86, 0x04, path.len() as u8][..], path, &[0x41, 0x01, b'x']].concat();
    frame(1, 0x05, stream, &block)
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Silent,
    SlowPreface,
    SlowHeaders,
    SlowBody,
    SlowReader,
    // A request, and then nothing more.
    Idle,
    // HTTP/2 without a request; with one, but deaf to pings; and alive, but with an answer left lying.
    SilentHttp2,
    DeafHttp2,
    StalledStream,
}

const KINDS: [Kind; 9] = [
    Kind::Silent,
    Kind::SlowPreface,
    Kind::SlowHeaders,
    Kind::SlowBody,
    Kind::SlowReader,
    Kind::Idle,
    Kind::SilentHttp2,
    Kind::DeafHttp2,
    Kind::StalledStream,
];

// Plays a slow client to its end; whether it was cut off.
async fn slow(address: SocketAddr, kind: Kind) -> bool {
    let mut stream = connect(address).await;
    let body = "POST /oauth2/token HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n{";
    let settings = frame(4, 0, 0, &[]);
    // SETTINGS_INITIAL_WINDOW_SIZE = 0.
    let no_window = frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let drip: &[u8] = match kind {
        Kind::Silent => b"",
        Kind::SlowPreface => PREFACE,
        Kind::SlowHeaders => b"GET / HTTP/1.1\r\nhost: x\r\nx-a: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
        Kind::SlowBody => {
            stream.write_all(body.as_bytes()).await.unwrap();
            b"                                                                                  "
        }
        Kind::Idle => {
            honest(&mut stream).await;
            b""
        }
        Kind::SilentHttp2 => {
            stream.write_all(&[PREFACE, &settings].concat()).await.unwrap();
            b""
        }
        Kind::DeafHttp2 => {
            stream.write_all(&[PREFACE, &settings, &get(1)].concat()).await.unwrap();
            b""
        }
        Kind::StalledStream => {
            stream.write_all(&[PREFACE, &no_window, &get(1)].concat()).await.unwrap();
            return timeout(Duration::from_secs(6), alive(&mut stream)).await.is_ok();
        }
        Kind::SlowReader => {
            // Far more than the kernel's buffers take, asked for at once and not read.
            for _ in 0..60 {
                let asked = b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n";
                if stream.write_all(asked).await.is_err() {
                    return true;
                }
            }
            // What lies in the kernel's buffers would take long to come through the small one: whether anybody is there yet, a write tells.
            for _ in 0..80 {
                sleep(Duration::from_millis(100)).await;
                if stream.write_all(b" ").await.is_err() {
                    return true;
                }
            }
            return false;
        }
    };
    for byte in drip {
        sleep(Duration::from_millis(150)).await;
        if stream.write_all(&[*byte]).await.is_err() {
            return true;
        }
    }
    until_end(&mut stream, Duration::from_secs(6)).await.is_some()
}

// Answers pings and settings until the connection ends.
async fn alive(stream: &mut TcpStream) {
    let mut head = [0; 9];
    while stream.read_exact(&mut head).await.is_ok() {
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        if stream.read_exact(&mut payload).await.is_err() {
            return;
        }
        let reply = match (head[3], head[4] & 1) {
            (6, 0) => frame(6, 1, 0, &payload),
            (4, 0) => frame(4, 1, 0, &[]),
            _ => continue,
        };
        if stream.write_all(&reply).await.is_err() {
            return;
        }
    }
}

const SLOW: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_are_cut_off_and_honest_ones_are_served() {
    let world = World::with(json!({ "body_timeout_s": 1 })).await;
    let address = port(&world, LIMITS).await;
    for kind in KINDS {
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..SLOW {
            clients.spawn(slow(address, kind));
        }
        let mut served = connect(address).await;
        for _ in 0..50 {
            timeout(Duration::from_secs(5), honest(&mut served))
                .await
                .expect("an answer beside slow clients");
            sleep(Duration::from_millis(10)).await;
        }
        while let Some(cut) = clients.join_next().await {
            assert!(cut.unwrap(), "{kind:?} is still served");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_of_frames_end_and_honest_clients_are_served() {
    let world = World::new().await;
    let address = port(&world, LIMITS).await;
    let reset: Vec<u8> = [get(1), frame(3, 0, 1, &[0, 0, 0, 8])].concat();
    for (what, flood) in [
        ("pings", frame(6, 0, 0, &[0; 8])),
        ("settings", frame(4, 0, 0, &[])),
        ("priorities", frame(2, 0, 1, &[0, 0, 0, 3, 1])),
        ("frames of no kind", frame(0x20, 0, 0, &[])),
        ("rapid resets", reset),
    ] {
        let mut stream = connect(address).await;
        stream.write_all(&[PREFACE, &frame(4, 0, 0, &[])].concat()).await.unwrap();
        let (mut reader, mut writer) = stream.into_split();
        // Reads on, so that nothing but the flood is to blame.
        let reading = tokio::spawn(async move { tokio::io::copy(&mut reader, &mut tokio::io::sink()).await });
        let mut borne = 0_u32;
        let flooding = async {
            while borne < 100_000 {
                let mut frames = flood.clone();
                if what == "rapid resets" {
                    // Each stream is a new one.
                    let id = (1 + 2 * borne).to_be_bytes();
                    let second = flood.len() - 13;
                    frames[5..9].copy_from_slice(&id);
                    frames[second + 5..second + 9].copy_from_slice(&id);
                }
                if writer.write_all(&frames).await.is_err() {
                    return;
                }
                borne += 1;
            }
        };
        timeout(Duration::from_secs(20), flooding)
            .await
            .unwrap_or_else(|_| panic!("{what}: neither taken nor cut"));
        assert!(borne < 100_000, "{what}: all of the flood was borne");
        timeout(Duration::from_secs(5), reading).await.expect("the connection ends").unwrap().ok();
        honest(&mut connect(address).await).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_has_so_many_connections_and_no_more() {
    let world = World::new().await;
    let address = port(&world, Limits { from_one_address: 2, ..LIMITS }).await;
    let (mut first, mut second) = (connect(address).await, connect(address).await);
    honest(&mut first).await;
    honest(&mut second).await;
    let mut third = connect(address).await;
    assert!(
        until_end(&mut third, Duration::from_secs(2)).await.is_some_and(|said| said.is_empty()),
        "closed without a word"
    );
    drop(first);
    sleep(Duration::from_millis(200)).await;
    honest(&mut connect(address).await).await;
    honest(&mut second).await;
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
