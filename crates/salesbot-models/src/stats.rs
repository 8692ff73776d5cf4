//! What the calls of a client came to, for health pages and metrics.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::chat::{Failure, Purpose, Usage};

/// Latencies of so many last calls are kept.
const KEPT: usize = 512;

/// Shared by all turns.
#[derive(Debug, Default)]
pub struct Stats(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    counts: Counts,
    latencies: Vec<u32>,
    next: usize,
}

/// Totals since the start; latencies in milliseconds over the last calls.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Counts {
    pub total: u64,
    pub successful: u64,
    pub failed: u64,
    /// Calls that were not made: breaker open, budget spent, prompt too long, client gone.
    pub skipped: u64,
    pub retries: u64,
    pub breaker_trips: u64,
    pub tokens_in: u64,
    pub tokens_out: u64,
    pub by_purpose: BTreeMap<&'static str, u64>,
    pub failures: BTreeMap<&'static str, u64>,
    /// Per cent; 100 before the first call.
    pub success_rate: f64,
    pub p50_ms: u32,
    pub p95_ms: u32,
    pub p99_ms: u32,
}

impl Stats {
    pub(crate) fn note(
        &self,
        purpose: Purpose,
        latency: Duration,
        usage: &Usage,
        failure: Option<&Failure>,
        retry: u32,
    ) {
        let mut inner = self.lock();
        let counts = &mut inner.counts;
        counts.total += 1;
        counts.retries += u64::from(retry > 0);
        *counts.by_purpose.entry(purpose.name()).or_default() += 1;
        counts.tokens_in += u64::from(usage.prompt_tokens.unwrap_or(0));
        counts.tokens_out += u64::from(usage.answer_tokens.unwrap_or(0));
        match failure {
            None => counts.successful += 1,
            Some(failure) => {
                counts.failed += 1;
                *counts.failures.entry(failure.class()).or_default() += 1;
            }
        }
        let ms = u32::try_from(latency.as_millis()).unwrap_or(u32::MAX);
        let at = inner.next;
        match inner.latencies.get_mut(at) {
            Some(old) => *old = ms,
            None => inner.latencies.push(ms),
        }
        inner.next = (at + 1) % KEPT;
    }

    pub(crate) fn skipped(&self) {
        self.lock().counts.skipped += 1;
    }

    pub(crate) fn tripped(&self) {
        self.lock().counts.breaker_trips += 1;
    }

    pub fn counts(&self) -> Counts {
        let inner = self.lock();
        let mut sorted = inner.latencies.clone();
        sorted.sort_unstable();
        let at = |share: usize| sorted.get(sorted.len() * share / 100).copied().unwrap_or(0);
        let counts = inner.counts.clone();
        let rate =
            if counts.total == 0 { 100.0 } else { counts.successful as f64 * 100.0 / counts.total as f64 };
        Counts { success_rate: rate, p50_ms: at(50), p95_ms: at(95), p99_ms: at(99), ..counts }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
