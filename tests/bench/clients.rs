//! Clients that all call at once.
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use bytes::{BufMut as _, BytesMut};
use chassis::{serve::MESSAGE_MAX, upstream::Upstream};
use contract::Encoded;
use futures::stream;
use http::uri::PathAndQuery;
use prost::Message;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    sync::Mutex,
};
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

/// So many rounds of what swings.
pub const ROUNDS: u32 = 5;

/// The middle one of rounds, by its p99, in which as many come through as may.
pub async fn rounds<C, F>(
    clients: &[C],
    calls: u32,
    call: impl Fn(C, u32, u32) -> F + Clone + Send + 'static,
) -> anyhow::Result<Times>
where
    C: Clone + Send + 'static,
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(timed(clients.to_vec(), calls, None, call.clone()).await?);
    }
    rounds.sort_unstable_by_key(|times| times.within(99));
    Ok(rounds.swap_remove(rounds.len() / 2))
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

/// A connection of its own over HTTP/1.1 that gets one thing again and again, with no more of a client than that needs.
#[derive(Clone)]
pub struct Plain(Arc<Mutex<(BufReader<TcpStream>, String)>>);

impl Plain {
    /// Connects to get a path with a token.
    pub async fn connect(base: &str, path: &str, token: &str) -> anyhow::Result<Self> {
        let authority = base.trim_start_matches("http://");
        let stream = TcpStream::connect(authority).await?;
        stream.set_nodelay(true)?;
        let asks =
            format!("GET {path} HTTP/1.1\r\nhost: {authority}\r\nauthorization: Bearer {token}\r\n\r\n");
        Ok(Self(Arc::new(Mutex::new((BufReader::new(stream), asks)))))
    }

    /// Gets it: the status, and the body.
    pub async fn get(&self) -> anyhow::Result<(u16, Vec<u8>)> {
        let (stream, asks) = &mut *self.0.lock().await;
        stream.get_mut().write_all(asks.as_bytes()).await?;
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let status = line.split(' ').nth(1).context("no answer")?.parse()?;
        let mut length = None;
        loop {
            line.clear();
            stream.read_line(&mut line).await?;
            let Some((name, value)) = line.split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = Some(value.trim().parse()?);
            }
        }
        let mut body = vec![0; length.context("an answer that does not say how long it is")?];
        stream.read_exact(&mut body).await?;
        Ok((status, body))
    }
}

/// A connection of its own to a service, for unary calls of one method, one after another. It speaks HTTP/2 by its frames (RFC 9113), no more
/// than such a call needs, since clients on the same processors take as little of them as may be.
#[derive(Clone)]
pub struct Bare(Arc<Mutex<Wire>>);

struct Wire {
    stream: BufReader<TcpStream>,
    // Spelled out in the first call; then the peer's table has them.
    headers: Vec<u8>,
    call: u32,
    // What is written with the next question.
    out: BytesMut,
    taken: u32,
}

// Kinds of frames, and their flags.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
// What the peer may send us before it hears that we have taken some.
const WINDOW: u32 = 0x7fff_ffff;
const TOLD_EVERY: u32 = 1 << 20;
// HPACK (RFC 7541): POST and http of its own table, then the five that the first call put into the peer's, the oldest last.
const KNOWN: [u8; 7] = [0x83, 0x86, 0xc2, 0xc1, 0xc0, 0xbf, 0xbe];

impl Bare {
    /// Connects to a service without TLS, to call one method.
    pub async fn connect(base: &str, method: &str, token: &str) -> anyhow::Result<Self> {
        let authority = base.trim_start_matches("http://");
        let stream = TcpStream::connect(authority).await?;
        stream.set_nodelay(true)?;
        let mut headers = vec![0x83, 0x86];
        for (name, value) in [
            (Name::Known(4), method),
            (Name::Known(1), authority),
            (Name::New("te"), "trailers"),
            (Name::Known(31), "application/grpc"),
            (Name::Known(23), &format!("Bearer {token}")),
        ] {
            spell(&mut headers, name, value);
        }
        let mut out = BytesMut::from(&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..]);
        // ENABLE_PUSH and INITIAL_WINDOW_SIZE.
        let settings = [&[0, 2, 0, 0, 0, 0, 0, 4][..], &WINDOW.to_be_bytes()].concat();
        frame(&mut out, (SETTINGS, 0, 0), &settings);
        frame(&mut out, (WINDOW_UPDATE, 0, 0), &(WINDOW - 0xffff).to_be_bytes());
        let stream = BufReader::with_capacity(64 * 1024, stream);
        Ok(Self(Arc::new(Mutex::new(Wire { stream, headers, call: 0, out, taken: 0 }))))
    }

    /// Calls with a message and gives the answer's.
    pub async fn call<A: Message + Default>(&self, message: &impl Message) -> anyhow::Result<A> {
        let mut wire = self.0.lock().await;
        let answered = wire.ask(&message.encode_to_vec()).await?;
        Ok(A::decode(answered.get(5..).context("a call was refused")?)?)
    }
}

impl Wire {
    async fn ask(&mut self, message: &[u8]) -> anyhow::Result<Vec<u8>> {
        // A client's calls have odd numbers.
        let number = self.call * 2 + 1;
        let headers = if self.call == 0 { &self.headers[..] } else { &KNOWN };
        frame(&mut self.out, (HEADERS, END_HEADERS, number), headers);
        let length = u32::try_from(message.len())?.to_be_bytes();
        frame(&mut self.out, (DATA, END_STREAM, number), &[&[0], &length[..], message].concat());
        self.call += 1;
        let mut answer = Vec::new();
        loop {
            self.stream.get_mut().write_all(&self.out).await?;
            self.out.clear();
            let mut head = [0; 9];
            self.stream.read_exact(&mut head).await?;
            let [a, b, c, kind, flags, ..] = head;
            let length = u32::from_be_bytes([0, a, b, c]);
            let begins = answer.len();
            answer.resize(begins + length as usize, 0);
            self.stream.read_exact(&mut answer[begins..]).await?;
            match kind {
                DATA => self.taken += length,
                RESET | GOAWAY => anyhow::bail!("a call broke off: {:?}", &answer[begins..]),
                PING | SETTINGS if flags & ACK == 0 => {
                    let told = if kind == PING { &answer[begins..] } else { &[] };
                    frame(&mut self.out, (kind, ACK, 0), told);
                }
                _ => {}
            }
            if kind != DATA {
                answer.truncate(begins);
            }
            if self.taken >= TOLD_EVERY {
                frame(&mut self.out, (WINDOW_UPDATE, 0, 0), &self.taken.to_be_bytes());
                self.taken = 0;
            }
            if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
                return Ok(answer);
            }
        }
    }
}

fn frame(out: &mut BytesMut, (kind, flags, stream): (u8, u8, u32), body: &[u8]) {
    out.put_uint(body.len() as u64, 3);
    out.put_u8(kind);
    out.put_u8(flags);
    out.put_u32(stream);
    out.put_slice(body);
}

enum Name {
    // By its number in HPACK's own table.
    Known(u8),
    New(&'static str),
}

// A header in full, which the peer keeps in its table.
fn spell(headers: &mut Vec<u8>, name: Name, value: &str) {
    match name {
        Name::Known(number) => headers.push(0x40 | number),
        Name::New(name) => {
            headers.push(0x40);
            length(headers, name.len());
            headers.extend_from_slice(name.as_bytes());
        }
    }
    length(headers, value.len());
    headers.extend_from_slice(value.as_bytes());
}

// A number whose first byte has seven bits for it (RFC 7541, 5.1).
fn length(headers: &mut Vec<u8>, mut rest: usize) {
    const MOST: usize = 127;
    if rest < MOST {
        return headers.push(rest as u8);
    }
    headers.push(MOST as u8);
    rest -= MOST;
    while rest >= 128 {
        headers.push((rest % 128) as u8 | 128);
        rest /= 128;
    }
    headers.push(rest as u8);
}
