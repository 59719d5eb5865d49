//! Calls that are made once more, where that can do no harm: a service that restarts or moves is not seen by who reads. Few of all calls
//! are, so that an outage is not multiplied.
use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use chassis::{
    ids,
    telemetry::{Counter, Metrics},
};
use contract::r#type::v1::ErrorReason as Common;
use http::{HeaderMap, HeaderValue};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

// The waits before each further try: short, since a connection that broke is often all; then as long as a process needs to start.
const PAUSES_MS: [u64; 7] = [50, 100, 200, 400, 800, 1_600, 3_200];

// A call pays for a tenth of a try, in thousandths; what is saved up lasts for a moment.
const TRY: u64 = 1_000;
const PAID_BY_CALL: u64 = 100;
const SAVED_MOST: u64 = 200 * TRY;
// So many tries a second are there besides: a tenth of few calls would be none.
const TRIES_PER_S: u64 = 10;

/// Who tries again, and how often.
pub struct Retries {
    purse: Mutex<Purse>,
    pauses_ms: &'static [u64],
    counter: Counter,
}

struct Purse {
    saved: u64,
    filled: Instant,
}

impl Purse {
    fn full(now: Instant) -> Self {
        Self { saved: TRIES_PER_S * TRY, filled: now }
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled);
        let earned = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX).saturating_mul(TRIES_PER_S);
        if earned > 0 {
            self.filled = now;
            self.saved = self.saved.saturating_add(earned).min(SAVED_MOST);
        }
    }

    fn pay(&mut self) {
        self.saved = (self.saved + PAID_BY_CALL).min(SAVED_MOST);
    }

    fn spend(&mut self, now: Instant) -> bool {
        self.fill(now);
        let left = self.saved.checked_sub(TRY);
        self.saved = left.unwrap_or(self.saved);
        left.is_some()
    }
}

impl Retries {
    /// With a purse for a second.
    pub fn new(metrics: &Metrics) -> anyhow::Result<Self> {
        Self::with_pauses(metrics, &PAUSES_MS)
    }

    fn with_pauses(metrics: &Metrics, pauses_ms: &'static [u64]) -> anyhow::Result<Self> {
        let counter = metrics.counter(
            "xinheng_gateway_retries_total",
            "calls that a service did not answer: tried again, answered then, and not tried since too many were",
            "outcome",
        )?;
        Ok(Self { purse: Mutex::new(Purse::full(Instant::now())), pauses_ms, counter })
    }

    /// Asks until there is an answer, or another refusal than that nobody is there, or it is enough. What may not be repeated is asked once.
    pub async fn ask<T, F>(
        &self,
        repeatable: bool,
        until: Instant,
        ask: impl Fn(Attempt) -> F,
    ) -> Result<T, Status>
    where
        F: Future<Output = Result<T, Status>>,
    {
        self.with(Purse::pay);
        let mut answered = ask(Attempt { number: 0, until }).await;
        if !repeatable {
            return answered;
        }
        for (number, &pause_ms) in (1..).zip(self.pauses_ms) {
            let Err(status) = &answered else { break };
            let pause = shaken(pause_ms);
            if !is_away(status) || Instant::now() + pause >= until {
                break;
            }
            if !self.with(|purse| purse.spend(Instant::now())) {
                self.counter.add("too_many", 1);
                break;
            }
            tokio::time::sleep(pause).await;
            self.counter.add("again", 1);
            answered = ask(Attempt { number, until }).await;
            if answered.is_ok() {
                self.counter.add("answered", 1);
            }
        }
        answered
    }

    fn with<T>(&self, work: impl FnOnce(&mut Purse) -> T) -> T {
        work(&mut self.purse.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One try of a call.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    number: u32,
    until: Instant,
}

impl Attempt {
    /// Tells a further try how much of the time is left; the first has what the caller gave.
    pub fn mark(self, headers: &mut HeaderMap) {
        if self.number == 0 {
            return;
        }
        let left = self.until.saturating_duration_since(Instant::now()).as_millis().max(1);
        // gRPC takes eight digits.
        if let Ok(left) = HeaderValue::from_str(&format!("{}m", left.min(99_999_999))) {
            headers.insert("grpc-timeout", left);
        }
    }
}

// Half of a pause or more of it, so that those who were refused together do not come together again.
fn shaken(pause_ms: u64) -> Duration {
    let [chance] = ids::random::<1>().unwrap_or([255]);
    Duration::from_millis(pause_ms / 2 + pause_ms * u64::from(chance) / 510)
}

// Nobody was there to do it. A service that is there and wants to be asked later says its own reason: that is the caller's to do.
fn is_away(status: &Status) -> bool {
    if status.code() != Code::Unavailable {
        return false;
    }
    let away = [Common::Stopping, Common::UpstreamUnavailable].map(|reason| reason.as_str_name());
    status.get_details_error_info().is_none_or(|info| away.contains(&info.reason.as_str()))
}

/// The time that a caller gives, in gRPC's own header, at most this long.
pub fn given(headers: &HeaderMap, most: Duration) -> Duration {
    chassis::serve::deadline(headers).map_or(most, |given| given.min(most))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use chassis::Fault;

    use super::*;

    fn retries() -> (Retries, Metrics) {
        let metrics = Metrics::new().expect("figures");
        (Retries::with_pauses(&metrics, &[2, 4, 8]).expect("a counter"), metrics)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    // How often it was asked, and what came of it, where the first so many fail.
    async fn asked(
        retries: &Retries,
        repeatable: bool,
        until: Instant,
        fails: u32,
        status: &Status,
    ) -> (u32, bool) {
        let count = Cell::new(0);
        let answered = retries
            .ask(repeatable, until, |_| {
                count.set(count.get() + 1);
                let answer = if count.get() <= fails { Err(status.clone()) } else { Ok(()) };
                async move { answer }
            })
            .await;
        (count.get(), answered.is_ok())
    }

    #[tokio::test]
    async fn only_what_may_be_repeated_is_asked_again() {
        let (retries, metrics) = retries();
        let away = Status::unavailable("connection refused");
        assert_eq!(asked(&retries, true, soon(), 2, &away).await, (3, true));
        assert_eq!(asked(&retries, false, soon(), 2, &away).await, (1, false));
        let said =
            |reason: &'static str| Fault::unavailable(reason, "wait", "稍候").into_status(Default::default());
        assert_eq!(asked(&retries, true, soon(), 1, &said("STOPPING")).await, (2, true));
        for other in [
            said("POSITION_NOT_REACHED"),
            said("OVERLOADED"),
            Status::internal("broken"),
            Status::not_found("none"),
            Status::deadline_exceeded("late"),
            Status::resource_exhausted("enough"),
        ] {
            assert_eq!(asked(&retries, true, soon(), 1, &other).await, (1, false), "{other}");
        }
        let text = String::from_utf8(metrics.text().expect("text")).expect("UTF-8");
        for line in ["{outcome=\"again\"} 3", "{outcome=\"answered\"} 2"] {
            assert!(text.contains(&format!("xinheng_gateway_retries_total{line}")), "{text}");
        }
    }

    #[tokio::test]
    async fn an_outage_is_not_multiplied() {
        let (retries, _) = retries();
        let away = Status::unavailable("connection refused");
        let mut tries = 0;
        let begun = Instant::now();
        for _ in 0..2_000 {
            tries += asked(&retries, true, soon(), u32::MAX, &away).await.0 - 1;
        }
        // A tenth of the calls, what there was before, and what the time of this test earns.
        let earned = u32::try_from(begun.elapsed().as_millis() / 100).expect("seconds");
        assert!((200..=211 + earned).contains(&tries), "{tries} tries more");
    }

    #[tokio::test]
    async fn nothing_is_asked_after_the_caller_s_time() {
        let (retries, _) = retries();
        let away = Status::unavailable("connection refused");
        assert_eq!(asked(&retries, true, Instant::now(), 9, &away).await, (1, false));
        let (count, _) = asked(&retries, true, Instant::now() + Duration::from_millis(1), 9, &away).await;
        assert_eq!(count, 1, "the first pause would end after it");
        let begun = Instant::now();
        let (count, _) = asked(&retries, true, begun + Duration::from_millis(5), 9, &away).await;
        assert!(count <= 3 && begun.elapsed() < Duration::from_millis(500), "{count}");
        let mut headers = HeaderMap::new();
        Attempt { number: 0, until: soon() }.mark(&mut headers);
        assert!(headers.is_empty());
        Attempt { number: 1, until: soon() }.mark(&mut headers);
        let left = headers["grpc-timeout"].to_str().expect("text");
        assert!(left.ends_with('m') && left.len() == 6, "{left}");
        assert!(given(&headers, Duration::from_secs(3)) == Duration::from_secs(3));
        assert!(given(&headers, Duration::from_secs(90)) < Duration::from_secs(61));
    }
}
