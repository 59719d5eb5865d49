//! Clients that all call at once.
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::{BufMut as _, Bytes, BytesMut};
use chassis::{serve::MESSAGE_MAX, upstream::Upstream};
use contract::Encoded;
use futures::stream;
use http::{HeaderValue, uri::PathAndQuery};
use prost::Message;
use tokio::net::TcpStream;
use tonic::{Streaming, client::Grpc};
use tonic_prost::ProstCodec;

/// The pace of somebody who works: fifty calls a second.
pub const PACE: Duration = Duration::from_millis(20);

/// The times of all calls, sorted, and the whole time.
pub struct Times {
    sorted: Vec<Duration>,
    took: Duration,
}

impl Times {
    /// Within which so many of a hundred calls were answered.
    pub fn within(&self, percent: usize) -> Duration {
        self.sorted[(self.sorted.len() * percent / 100).min(self.sorted.len() - 1)]
    }

    /// How many came through a second, those of the warming up among them.
    pub fn rate(&self) -> f64 {
        self.sorted.len() as f64 * 1.1 / self.took.as_secs_f64()
    }
}

/// Each client's calls one after another, all clients at once and each on its own: as many as come through, or at a pace. A tenth more are
/// made before, to warm up. A call gets its client, the client's place and the turn.
pub async fn timed<C, F>(
    clients: Vec<C>,
    calls: u32,
    pace: Option<Duration>,
    call: impl Fn(C, u32, u32) -> F + Clone + Send + 'static,
) -> anyhow::Result<Times>
where
    C: Clone + Send + 'static,
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let started = Instant::now();
    let count = u32::try_from(clients.len())?;
    let mut work = tokio::task::JoinSet::new();
    for (place, client) in (0_u32..).zip(clients) {
        let call = call.clone();
        work.spawn(async move {
            let (mut times, began) = (Vec::new(), Instant::now());
            for turn in 0..calls + calls / 10 {
                if let Some(pace) = pace {
                    // Spread over the pace, so that they do not all ask in one moment.
                    let due = began + pace * turn + pace * place / count;
                    tokio::time::sleep_until(due.into()).await;
                }
                let started = Instant::now();
                call(client.clone(), place, turn).await?;
                if turn >= calls / 10 {
                    times.push(started.elapsed());
                }
            }
            anyhow::Ok(times)
        });
    }
    let mut sorted = Vec::new();
    while let Some(done) = work.join_next().await {
        sorted.extend(done??);
    }
    sorted.sort_unstable();
    Ok(Times { sorted, took: started.elapsed() })
}

/// Sends a stream whose messages are written already, as what the other side of a comparison sends are bytes made before.
pub async fn stream<Q, A>(
    upstream: &Upstream,
    method: &'static str,
    messages: Vec<Encoded<Q>>,
) -> anyhow::Result<Streaming<A>>
where
    Q: Message + Default + 'static,
    A: Message + Default + 'static,
{
    let mut grpc = Grpc::new(upstream.clone())
        .max_encoding_message_size(MESSAGE_MAX)
        .max_decoding_message_size(MESSAGE_MAX);
    grpc.ready().await.map_err(|error| anyhow::anyhow!(error))?;
    let codec = ProstCodec::<Encoded<Q>, A>::default();
    let request = tonic::Request::new(stream::iter(messages));
    Ok(grpc.streaming(request, PathAndQuery::from_static(method), codec).await?.into_inner())
}

/// A connection of its own to a service, for unary calls: no more than what gRPC asks for, so that clients on the same machine take as little of
/// it as may be.
#[derive(Clone)]
pub struct Bare {
    connection: h2::client::SendRequest<Bytes>,
    uri: http::Uri,
    bearer: HeaderValue,
}

impl Bare {
    /// Connects to a service without TLS, to call one method.
    pub async fn connect(base: &str, method: &str, token: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(base.trim_start_matches("http://")).await?;
        stream.set_nodelay(true)?;
        let (connection, driver) = h2::client::handshake(stream).await?;
        tokio::spawn(driver);
        let uri = format!("{base}{method}").parse()?;
        Ok(Self { connection, uri, bearer: format!("Bearer {token}").parse()? })
    }

    /// Calls with a message and gives the answer's.
    pub async fn call<A: Message + Default>(&self, message: &impl Message) -> anyhow::Result<A> {
        let mut framed = BytesMut::with_capacity(64);
        framed.put_bytes(0, 5);
        message.encode(&mut framed)?;
        let length = u32::try_from(framed.len() - 5)?.to_be_bytes();
        framed[1..5].copy_from_slice(&length);
        let request = http::Request::post(self.uri.clone())
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("authorization", self.bearer.clone())
            .body(())?;
        let (answer, mut sends) = self.connection.clone().ready().await?.send_request(request, false)?;
        sends.send_data(framed.freeze(), true)?;
        let (head, mut body) = answer.await?.into_parts();
        let mut whole = BytesMut::new();
        while let Some(part) = body.data().await {
            let part = part?;
            body.flow_control().release_capacity(part.len())?;
            whole.extend_from_slice(&part);
        }
        let trailers = body.trailers().await?;
        let status = trailers.as_ref().unwrap_or(&head.headers).get("grpc-status");
        anyhow::ensure!(
            status.is_some_and(|status| status == "0"),
            "a call was answered {head:?} {trailers:?}"
        );
        Ok(A::decode(whole.get(5..).context("an answer without a message")?)?)
    }
}
