//! A circuit breaker: after failures in a row an endpoint is left alone for a while, then tried by one call.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failures in a row that open it.
pub(super) const TRIPS_AFTER: u32 = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed {
        failures: u32,
    },
    Open {
        until: Instant,
    },
    /// One call is out to see.
    HalfOpen,
}

/// Shared by all turns; reading it changes nothing.
#[derive(Debug)]
pub(super) struct Breaker {
    state: Mutex<State>,
    rest: Duration,
}

impl Breaker {
    /// `rest`: how long an endpoint is left alone.
    pub(super) fn new(rest: Duration) -> Self {
        Self { state: Mutex::new(State::Closed { failures: 0 }), rest }
    }

    /// Whether a call could be made now.
    pub(super) fn allows(&self, now: Instant) -> bool {
        match *self.lock() {
            State::Closed { .. } => true,
            State::Open { until } => now >= until,
            State::HalfOpen => false,
        }
    }

    /// Takes a call's place: always while closed, one probe once the rest is over. The caller reports back.
    pub(super) fn enter(&self, now: Instant) -> bool {
        let mut state = self.lock();
        match *state {
            State::Closed { .. } => true,
            State::Open { until } if now >= until => {
                *state = State::HalfOpen;
                true
            }
            State::Open { .. } | State::HalfOpen => false,
        }
    }

    pub(super) fn succeeded(&self) {
        *self.lock() = State::Closed { failures: 0 };
    }

    /// Returns whether this failure opened it.
    pub(super) fn failed(&self, now: Instant) -> bool {
        let mut state = self.lock();
        let open = State::Open { until: now + self.rest };
        *state = match *state {
            State::Closed { failures } if failures + 1 < TRIPS_AFTER => {
                State::Closed { failures: failures + 1 }
            }
            State::Closed { .. } | State::HalfOpen => open,
            State::Open { .. } => return false,
        };
        *state == open
    }

    /// The call ended without a word on the endpoint (the client went away): a probe's place is free again.
    pub(super) fn left(&self, now: Instant) {
        let mut state = self.lock();
        if *state == State::HalfOpen {
            *state = State::Open { until: now };
        }
    }

    pub(super) fn name(&self, now: Instant) -> &'static str {
        match *self.lock() {
            State::Closed { .. } => "closed",
            State::Open { until } if now < until => "open",
            State::Open { .. } | State::HalfOpen => "half_open",
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: Duration = Duration::from_secs(60);

    fn tripped(now: Instant) -> Breaker {
        let breaker = Breaker::new(REST);
        for call in 1..=TRIPS_AFTER {
            assert!(breaker.enter(now));
            assert_eq!(breaker.failed(now), call == TRIPS_AFTER);
        }
        breaker
    }

    #[test]
    fn five_failures_in_a_row_open_it_for_a_minute() {
        let now = Instant::now();
        let breaker = tripped(now);
        assert_eq!(breaker.name(now), "open");
        assert!(!breaker.enter(now + REST - Duration::from_millis(1)));
        assert!(breaker.allows(now + REST));
    }

    #[test]
    fn a_success_between_failures_starts_the_count_anew() {
        let now = Instant::now();
        let breaker = Breaker::new(REST);
        for _ in 0..3 {
            for _ in 1..TRIPS_AFTER {
                breaker.failed(now);
            }
            breaker.succeeded();
        }
        assert_eq!(breaker.name(now), "closed");
    }

    #[test]
    fn one_probe_goes_out_and_decides() {
        let now = Instant::now();
        let later = now + REST;
        let breaker = tripped(now);
        assert!(breaker.enter(later));
        assert!(!breaker.enter(later), "one at a time");
        assert!(breaker.failed(later));
        assert!(!breaker.enter(later + REST / 2));
        assert!(breaker.enter(later + REST));
        breaker.left(later + REST);
        assert!(breaker.enter(later + REST), "a probe that was given up leaves its place");
        breaker.succeeded();
        assert_eq!(breaker.name(later), "closed");
    }
}
