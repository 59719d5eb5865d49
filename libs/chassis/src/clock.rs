//! The suite's clock and the business day. Everything that asks for the time asks here, so that a drill can move it.
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp, civil::Date, tz::Offset};

/// A clock that may start at another instant than now and runs on from there.
#[derive(Clone, Debug)]
pub struct Clock {
    offset: Arc<std::sync::RwLock<SignedDuration>>,
}

impl Default for Clock {
    fn default() -> Self {
        Self { offset: Arc::new(std::sync::RwLock::new(SignedDuration::ZERO)) }
    }
}

impl Clock {
    /// A clock that shows `start` at this moment.
    pub fn starting_at(start: Timestamp) -> Self {
        let clock = Self::default();
        clock.set(start);
        clock
    }

    /// Moves the clock; for drills and tests that drive the days.
    pub fn set(&self, instant: Timestamp) {
        let offset = instant.duration_since(machine_now());
        match self.offset.write() {
            Ok(mut guard) => *guard = offset,
            Err(poisoned) => *poisoned.into_inner() = offset,
        }
    }

    /// The instant.
    pub fn now(&self) -> Timestamp {
        let offset = match self.offset.read() {
            Ok(guard) => *guard,
            Err(poisoned) => *poisoned.into_inner(),
        };
        machine_now().saturating_add(offset).unwrap_or(Timestamp::MAX)
    }

    /// The business day: the civil date in Asia/Shanghai, which has kept +08:00 without change since 1991.
    pub fn today(&self) -> Date {
        business_day(self.now())
    }
}

#[allow(clippy::disallowed_methods, reason = "the one place where the machine's clock is read")]
fn machine_now() -> Timestamp {
    Timestamp::now()
}

/// The civil date in Asia/Shanghai of an instant.
pub fn business_day(instant: Timestamp) -> Date {
    Offset::constant(8).to_datetime(instant).date()
}

/// The instant at which a business day begins.
pub fn start_of(day: Date) -> Timestamp {
    let midnight = day.at(0, 0, 0, 0);
    Offset::constant(8).to_timestamp(midnight).unwrap_or(Timestamp::MIN)
}

/// An instant as the contract's message, to the microsecond as our tables keep it: a first answer and a later read agree.
pub fn wire(instant: Timestamp) -> prost_types::Timestamp {
    let micros = micros(instant);
    let nanos = i32::try_from(micros.rem_euclid(1_000_000) * 1_000).unwrap_or_default();
    prost_types::Timestamp { seconds: micros.div_euclid(1_000_000), nanos }
}

/// An instant as our tables keep it: microseconds since 1970, which both databases compare fast.
pub fn micros(instant: Timestamp) -> i64 {
    instant.as_microsecond()
}

/// An instant from a table.
pub fn from_micros(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_business_day_changes_at_sixteen_hundred_utc() {
        let before: Timestamp = "2026-02-13T15:59:59Z".parse().expect("an instant");
        let after: Timestamp = "2026-02-13T16:00:00Z".parse().expect("an instant");
        assert_eq!(business_day(before).to_string(), "2026-02-13");
        assert_eq!(business_day(after).to_string(), "2026-02-14");
        assert_eq!(start_of(business_day(after)), after);
    }

    #[test]
    fn a_moved_clock_runs_on() {
        let start: Timestamp = "2024-01-01T00:00:00Z".parse().expect("an instant");
        let clock = Clock::starting_at(start);
        assert!(clock.now() >= start);
        assert!(clock.now().duration_since(start).as_secs() < 5);
    }
}
