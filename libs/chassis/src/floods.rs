//! What one peer may take of a port: connections from an address, and on an HTTP/2 connection the frames that cost us work and bring none.
use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv6Addr},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Instant,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Open connections by address; of IPv6 by network, since one subscriber has 2^64 addresses.
#[derive(Clone, Default)]
pub struct Addresses(Arc<Mutex<HashMap<IpAddr, usize>>>);

impl Addresses {
    /// Counts a connection until what is returned is dropped; nothing where the address has as many as it may.
    pub fn enter(&self, address: IpAddr, most: usize) -> Option<Entered> {
        let address = match address {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
            address => address,
        };
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Entered { addresses: self.clone(), address })
    }
}

/// A connection that is counted.
pub struct Entered {
    addresses: Addresses,
    address: IpAddr,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut open = self.addresses.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

// A client that cancels a thousand streams at once is honest still.
const BURST_S: u64 = 4;
// Thousandths of a frame: the bucket counts in them.
const FRAME: u64 = 1_000;
// Who downloads fast sends many window updates.
const WINDOW_UPDATE: u64 = FRAME / 50;

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEAD: usize = 9;

/// A connection that ends where its peer floods it: pings, settings, resets, priorities, empty and continued frames beyond a rate.
pub struct Watched<S> {
    stream: S,
    // None: whatever comes is borne.
    flow: Option<Flow>,
}

impl<S> Watched<S> {
    /// Wraps a connection, whose peer may send so many such frames a second, or as many as it likes.
    pub fn within(stream: S, per_s: Option<u32>) -> Self {
        Self { stream, flow: per_s.map(|per_s| Flow::new(per_s.into())) }
    }
}

// Where in the peer's bytes we are.
enum At {
    // So many bytes of HTTP/2's preface have come.
    Preface(usize),
    // HTTP/1, or nothing that a frame is looked for in.
    Elsewhere,
    // So many bytes of a frame's head.
    Head([u8; HEAD], usize),
    // So many bytes of a frame's payload are still to come.
    Payload(usize),
}

struct Flow {
    at: At,
    per_s: u64,
    left: u64,
    filled: Instant,
}

impl Flow {
    fn new(per_s: u64) -> Self {
        Self { at: At::Preface(0), per_s, left: per_s * BURST_S * FRAME, filled: Instant::now() }
    }

    // Whether what has come is still bearable.
    fn take(&mut self, mut bytes: &[u8]) -> bool {
        let mut cost = 0;
        while !bytes.is_empty() {
            match &mut self.at {
                At::Elsewhere => return true,
                At::Preface(seen) => {
                    let count = bytes.len().min(PREFACE.len() - *seen);
                    let (now, rest) = bytes.split_at(count);
                    if PREFACE.get(*seen..*seen + count) != Some(now) {
                        self.at = At::Elsewhere;
                        return true;
                    }
                    *seen += count;
                    if *seen == PREFACE.len() {
                        self.at = At::Head([0; HEAD], 0);
                    }
                    bytes = rest;
                }
                At::Head(head, seen) => {
                    let count = bytes.len().min(HEAD - *seen);
                    let (now, rest) = bytes.split_at(count);
                    if let Some(place) = head.get_mut(*seen..*seen + count) {
                        place.copy_from_slice(now);
                    }
                    *seen += count;
                    bytes = rest;
                    if *seen == HEAD {
                        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
                        cost += cost_of(head[3], head[4], length);
                        self.at = if length == 0 { At::Head([0; HEAD], 0) } else { At::Payload(length) };
                    }
                }
                At::Payload(left) => {
                    let count = bytes.len().min(*left);
                    *left -= count;
                    bytes = bytes.split_at(count).1;
                    if *left == 0 {
                        self.at = At::Head([0; HEAD], 0);
                    }
                }
            }
        }
        cost == 0 || self.pay(cost)
    }

    fn pay(&mut self, cost: u64) -> bool {
        let passed = u64::try_from(self.filled.elapsed().as_millis()).unwrap_or(u64::MAX);
        if passed > 0 {
            self.filled = Instant::now();
            let more = passed.saturating_mul(self.per_s);
            self.left = self.left.saturating_add(more).min(self.per_s * BURST_S * FRAME);
        }
        match self.left.checked_sub(cost) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

// RFC 9113, 6: what each frame asks of us without a request that it belongs to.
fn cost_of(kind: u8, flags: u8, length: usize) -> u64 {
    const DATA: u8 = 0;
    const HEADERS: u8 = 1;
    const GOAWAY: u8 = 7;
    const WINDOW: u8 = 8;
    const END_STREAM: u8 = 1;
    match kind {
        DATA if length > 0 || flags & END_STREAM != 0 => 0,
        HEADERS | GOAWAY => 0,
        WINDOW => WINDOW_UPDATE,
        _ => FRAME,
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, into);
        if let Poll::Ready(Ok(())) = &polled
            && let Some(flow) = &mut self.flow
            && !flow.take(into.filled().get(before..).unwrap_or_default())
        {
            tracing::info!("a connection is cut that floods us with HTTP/2 frames");
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    }

    #[test]
    fn frames_are_found_however_they_are_cut() {
        let ping = frame(6, 0, &[0; 8]);
        let data = frame(0, 0, &[6; 100]);
        let all = [&PREFACE[..], &data, &ping, &data, &ping, &ping].concat();
        for size in [1, 2, 3, 7, 9, 24, 50, 1_000] {
            let mut flow = Flow::new(1);
            let before = flow.left;
            assert!(all.chunks(size).all(|piece| flow.take(piece)), "{size}");
            assert!(
                before - flow.left <= 3 * FRAME && before - flow.left > 2 * FRAME,
                "three pings in pieces of {size}"
            );
        }
    }

    #[test]
    fn floods_end_and_work_does_not() {
        let after_preface = |per_s| {
            let mut flow = Flow::new(per_s);
            assert!(flow.take(PREFACE));
            flow
        };
        for flood in [
            frame(6, 0, &[0; 8]),
            frame(4, 0, &[]),
            frame(3, 0, &[0; 4]),
            frame(2, 0, &[0; 5]),
            frame(0, 0, &[]),
            frame(9, 0, &[]),
            frame(0x20, 0, &[]),
        ] {
            let mut flow = after_preface(100);
            let borne = (0..1_000).take_while(|_| flow.take(&flood)).count();
            assert!((400..600).contains(&borne), "{flood:?}: {borne}");
        }
        let mut flow = after_preface(100);
        let work = [
            frame(1, 5, &[0x82, 0x86, 0x84]),
            frame(0, 0, &[1; 16_384]),
            frame(0, 1, &[]),
            frame(8, 0, &[0, 0, 64, 0]),
        ]
        .concat();
        assert!((0..10_000).all(|_| flow.take(&work)), "requests with their bodies and window updates");
        let mut http1 = Flow::new(1);
        assert!((0..1_000).all(|_| http1.take(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")));
    }

    #[test]
    fn addresses_have_their_share() {
        let addresses = Addresses::default();
        let of = |text: &str| text.parse::<IpAddr>().expect("an address");
        let first = [addresses.enter(of("192.0.2.1"), 2), addresses.enter(of("192.0.2.1"), 2)];
        assert!(first.iter().all(Option::is_some) && addresses.enter(of("192.0.2.1"), 2).is_none());
        let other = addresses.enter(of("192.0.2.2"), 2);
        assert!(other.is_some());
        let six = addresses.enter(of("2001:db8::1"), 1);
        assert!(six.is_some() && addresses.enter(of("2001:db8::2"), 1).is_none(), "one network");
        drop(first);
        assert!(addresses.enter(of("192.0.2.1"), 2).is_some());
        drop((other, six));
        assert!(addresses.0.lock().expect("no panic").is_empty(), "nothing is kept of who has gone");
    }
}
