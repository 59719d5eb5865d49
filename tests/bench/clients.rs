//! Clients that all call at once.
use std::time::{Duration, Instant};

use chassis::{serve::MESSAGE_MAX, upstream::Upstream};
use contract::Encoded;
use futures::stream;
use http::uri::PathAndQuery;
use prost::Message;
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
