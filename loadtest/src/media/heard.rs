//! When a client last heard anything, readable from any thread at no cost to the clients'.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

#[derive(Clone, Debug)]
pub(super) struct Heard {
    since: Instant,
    /// Microseconds after it.
    last: Arc<AtomicU64>,
}

impl Heard {
    pub(super) fn new(since: Instant) -> Self {
        Self { since, last: Arc::default() }
    }

    pub(super) fn note(&self, at: Instant) {
        let us = at.saturating_duration_since(self.since).as_micros();
        self.last.store(u64::try_from(us).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn last(&self) -> Instant {
        self.since + Duration::from_micros(self.last.load(Ordering::Relaxed))
    }
}
