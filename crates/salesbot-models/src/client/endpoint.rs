//! One server: its slots, its breaker, and what is known of its health.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::breaker::Breaker;

/// What the last look at a server showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    Unknown,
    Down,
    /// It is there, but the model is not installed.
    NoModel,
    Up,
}

impl Health {
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Down => "down",
            Self::NoModel => "model_missing",
            Self::Up => "up",
        }
    }
}

#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) base: String,
    pub(super) breaker: Breaker,
    /// Served in the order of arrival.
    slots: Semaphore,
    /// Calls under way and waiting.
    load: AtomicUsize,
    health: AtomicU8,
    answered: AtomicBool,
}

/// A place at an endpoint; free again when dropped.
pub(super) struct Slot<'a> {
    _permit: Option<SemaphorePermit<'a>>,
    _counted: Counted<'a>,
}

struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Endpoint {
    pub(super) fn new(base: String, slots: usize, rest: Duration) -> Self {
        Self {
            base,
            breaker: Breaker::new(rest),
            slots: Semaphore::new(slots),
            load: AtomicUsize::new(0),
            health: AtomicU8::new(0),
            answered: AtomicBool::new(false),
        }
    }

    pub(super) async fn slot(&self) -> Slot<'_> {
        self.load.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(&self.load);
        // The semaphore is never closed.
        Slot { _permit: self.slots.acquire().await.ok(), _counted: counted }
    }

    pub(super) fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    pub(super) fn health(&self) -> Health {
        match self.health.load(Ordering::Relaxed) {
            1 => Health::Down,
            2 => Health::NoModel,
            3 => Health::Up,
            _ => Health::Unknown,
        }
    }

    pub(super) fn found(&self, health: Health) {
        let was = self.health.swap(health as u8, Ordering::Relaxed);
        if health == Health::Up {
            self.answered.store(true, Ordering::Relaxed);
        }
        if was != health as u8 {
            tracing::info!(endpoint = self.base, health = health.name(), "model server");
        }
    }

    /// It has been up at least once.
    pub(super) fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }
}
