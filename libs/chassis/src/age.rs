//! The age at which a connection ends. Who calls through the one address of several replicas chooses one of them when it connects, and
//! never again: without an end, a replica that is added gets no calls from those who are connected already.
use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use axum::response::Response;
use http::{HeaderValue, Version, header};
use tokio::time::sleep;

use crate::ids;

/// How old a connection is, and what it speaks.
#[derive(Clone, Default)]
pub struct Age(Arc<Parts>);

#[derive(Default)]
struct Parts {
    // 0 until the first request.
    spoken: AtomicU8,
    over: AtomicU8,
}

const HTTP1: u8 = 1;
const HTTP2: u8 = 2;

// How soon it is seen that a connection, old before its first request, has begun to speak.
const LOOKED_AGAIN: Duration = Duration::from_millis(200);

impl Age {
    /// A request has come.
    pub fn spoken(&self, version: Version) {
        let spoken = if version == Version::HTTP_2 { HTTP2 } else { HTTP1 };
        self.0.spoken.store(spoken, Ordering::Relaxed);
    }

    /// On an old HTTP/1 connection the answer says that it is the last one: so no request is on its way when the connection ends.
    pub fn told(&self, mut response: Response) -> Response {
        let last = self.0.over.load(Ordering::Relaxed) > 0 && self.0.spoken.load(Ordering::Relaxed) == HTTP1;
        if last {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// Ends when an HTTP/2 connection has reached the age, and has to be told so by GOAWAY. Never for one of HTTP/1, whose answers tell
    /// it, and where the age is zero.
    pub async fn reached(&self, age: Duration) {
        if age.is_zero() {
            return std::future::pending().await;
        }
        sleep(varied(age, chance())).await;
        self.0.over.store(1, Ordering::Relaxed);
        loop {
            match self.0.spoken.load(Ordering::Relaxed) {
                HTTP2 => return,
                HTTP1 => return std::future::pending().await,
                _ => sleep(LOOKED_AGAIN).await,
            }
        }
    }
}

// Without chance all are as old as the setting says, which is no fault that a connection should be refused for.
fn chance() -> u8 {
    ids::random::<1>().map_or(u8::MAX / 2, |[byte]| byte)
}

// The age and up to a tenth more or less, so that those who came together do not all go at once.
fn varied(age: Duration, chance: u8) -> Duration {
    let tenth = age / 10;
    age - tenth + tenth * 2 * u32::from(chance) / u32::from(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_vary_by_a_tenth() {
        let age = Duration::from_secs(300);
        assert_eq!(varied(age, 0), Duration::from_secs(270));
        assert_eq!(varied(age, u8::MAX), Duration::from_secs(330));
        let ages: Vec<Duration> = (0..=u8::MAX).map(|chance| varied(age, chance)).collect();
        assert!(ages.is_sorted() && ages[0] < ages[255]);
    }

    #[test]
    fn only_an_old_connection_of_http_1_is_told_by_its_answer() {
        let age = Age::default();
        let closes = |age: &Age| age.told(Response::default()).headers().contains_key(header::CONNECTION);
        age.spoken(Version::HTTP_11);
        assert!(!closes(&age));
        age.0.over.store(1, Ordering::Relaxed);
        assert!(closes(&age));
        age.spoken(Version::HTTP_2);
        assert!(!closes(&age), "HTTP/2 knows no such header");
    }
}
