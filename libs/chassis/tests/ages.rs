//! Connections end at their age: callers spread over the replicas anew, no call fails by it, and no stream is cut.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, reason = "tests fail loudly")]
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::Router;
use chassis::{
    health::Health,
    serve::{self, Limits, Port},
    settings::Settings,
    upstream::Upstream,
};
use futures::StreamExt;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
    health_server::HealthServer,
};

const AGE: Duration = Duration::from_millis(150);

// A replica: where it is, and how many calls it has answered.
struct Replica {
    address: SocketAddr,
    answered: Arc<AtomicUsize>,
    health: CancellationToken,
    stopping: CancellationToken,
}

impl Replica {
    async fn start(age: Duration, guarded: bool) -> Self {
        let listener = serve::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (health, stopping) = (CancellationToken::new(), CancellationToken::new());
        let answered = Arc::new(AtomicUsize::new(0));
        let count = answered.clone();
        let router = Routes::new(HealthServer::new(Health::new(health.clone()))).into_axum_router();
        let router = router.fallback(|| async { "here" }).layer(axum::middleware::map_response(
            move |response: axum::response::Response| {
                count.fetch_add(1, Ordering::Relaxed);
                std::future::ready(response)
            },
        ));
        let limits = Limits { age, guarded, ..Limits::of(&Settings::load(None, &json!({})).unwrap()) };
        let served =
            serve::serve(Port::plain(listener), Router::new().merge(router), limits, stopping.clone());
        tokio::spawn(served);
        Self { address, answered, health, stopping }
    }

    fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }
}

// One address before them, as a cluster's Service is: each new connection goes to the next. How many there were.
async fn service(replicas: Vec<SocketAddr>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let connected = Arc::new(AtomicUsize::new(0));
    let turn = connected.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let to = replicas[turn.fetch_add(1, Ordering::Relaxed) % replicas.len()];
            tokio::spawn(async move {
                let mut replica = TcpStream::connect(to).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut replica).await;
            });
        }
    });
    (url, connected)
}

fn whole() -> HealthCheckRequest {
    HealthCheckRequest { service: String::new() }
}

// Calls from many tasks over one channel for so long; how many were answered, and what the others were told.
async fn load(upstream: &Upstream, time: Duration) -> (usize, Vec<tonic::Status>) {
    let until = Instant::now() + time;
    let callers = (0..32).map(|_| {
        let mut client = HealthClient::new(upstream.clone());
        tokio::spawn(async move {
            let (mut answered, mut failed) = (0, Vec::new());
            while Instant::now() < until {
                match client.check(whole()).await {
                    Ok(_) => answered += 1,
                    Err(status) => failed.push(status),
                }
            }
            (answered, failed)
        })
    });
    let (mut answered, mut failed) = (0, Vec::new());
    for caller in callers.collect::<Vec<_>>() {
        let (more, others) = caller.await.unwrap();
        answered += more;
        failed.extend(others);
    }
    (answered, failed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_spread_over_replicas_anew_and_no_call_fails() {
    for guarded in [true, false] {
        let replicas = [Replica::start(AGE, guarded).await, Replica::start(AGE, guarded).await];
        let (url, connected) = service(replicas.iter().map(|replica| replica.address).collect()).await;
        let upstream = Upstream::remote(&url).unwrap();
        let (answered, failed) = load(&upstream, Duration::from_secs(4)).await;
        let connected = connected.load(Ordering::Relaxed);
        let each = replicas.each_ref().map(Replica::answered);
        println!(
            "{answered} calls answered over {connected} connections, {} failed, {each:?} each",
            failed.len()
        );
        assert!(failed.is_empty(), "{} of {answered} failed: {:?}", failed.len(), failed.first());
        assert!((15..40).contains(&connected), "{connected} connections in 4 s");
        assert!(each.iter().all(|&each| each > answered / 4), "one replica has nearly all: {each:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_stops_fails_no_call_either() {
    let replicas = [Replica::start(AGE * 10, false).await, Replica::start(AGE * 10, false).await];
    let (url, _) = service(replicas.iter().map(|replica| replica.address).collect()).await;
    let upstream = Upstream::remote(&url).unwrap();
    // The first connection is the first replica's.
    let (answered, failed) = load(&upstream, Duration::from_millis(100)).await;
    assert!(answered > 0 && failed.is_empty() && replicas[1].answered() == 0);
    let stopping = replicas[0].stopping.clone();
    let stop = async {
        sleep(Duration::from_millis(200)).await;
        stopping.cancel();
    };
    let ((_, failed), ()) = tokio::join!(load(&upstream, Duration::from_millis(600)), stop);
    assert!(failed.is_empty(), "{} failed: {:?}", failed.len(), failed.first());
    assert!(replicas[1].answered() > 0);
}

#[tokio::test]
async fn a_stream_runs_on_beyond_the_age_of_its_connection() {
    let replica = Replica::start(AGE, true).await;
    let (url, connected) = service(vec![replica.address]).await;
    let upstream = Upstream::remote(&url).unwrap();
    let mut client = HealthClient::new(upstream.clone());
    let mut watched = client.watch(whole()).await.unwrap().into_inner();
    let first = watched.next().await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::Serving);
    // The calls beside it go on, over younger connections.
    let (answered, failed) = load(&upstream, AGE * 5).await;
    assert!(answered > 0 && failed.is_empty(), "{failed:?}");
    assert!(connected.load(Ordering::Relaxed) > 2);
    replica.health.cancel();
    let last = timeout(Duration::from_secs(5), watched.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(last.status(), ServingStatus::NotServing);
}

// One request on a connection of HTTP/1; the answer's text, or nothing where the connection has ended.
async fn asked(stream: &mut TcpStream) -> Option<String> {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.ok()?;
    let (mut seen, mut piece) = (Vec::new(), [0; 1_024]);
    while !seen.ends_with(b"here") {
        match stream.read(&mut piece).await {
            Ok(count) if count > 0 => seen.extend_from_slice(&piece[..count]),
            _ => return None,
        }
    }
    Some(String::from_utf8(seen).unwrap())
}

#[tokio::test]
async fn a_connection_of_http_1_is_told_by_its_last_answer() {
    let replica = Replica::start(AGE, true).await;
    let mut stream = TcpStream::connect(replica.address).await.unwrap();
    assert!(!asked(&mut stream).await.unwrap().contains("connection: close"));
    // It rests while it grows old, and is there still: a request that is on its way then is answered.
    sleep(AGE * 2).await;
    assert!(asked(&mut stream).await.unwrap().contains("connection: close"));
    let mut rest = Vec::new();
    let ended = timeout(Duration::from_secs(2), stream.read_to_end(&mut rest)).await;
    assert!(ended.unwrap().is_ok() && rest.is_empty());
}

#[tokio::test]
async fn an_age_of_zero_ends_nothing() {
    let replica = Replica::start(Duration::ZERO, true).await;
    let (url, connected) = service(vec![replica.address]).await;
    let (answered, failed) = load(&Upstream::remote(&url).unwrap(), AGE * 5).await;
    assert!(answered > 0 && failed.is_empty());
    assert_eq!(connected.load(Ordering::Relaxed), 1);
}
