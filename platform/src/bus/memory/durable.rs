//! One durable consumer of a lane: what it has yet to see, holds, and has put off. Pure.

use crate::{bus::Pattern, limits::MAX_IN_FLIGHT};
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::Instant;

pub(super) struct Durable {
    pub(super) pattern: Pattern,
    /// Not delivered yet, by sequence.
    ready: BTreeSet<u64>,
    /// Delivered or put off: when it comes (again), by what attempt it had.
    waiting: BTreeMap<u64, Waiting>,
    due: BTreeSet<(Instant, u64)>,
    /// Delivered and unsettled.
    in_flight: usize,
}

struct Waiting {
    until: Instant,
    attempt: u32,
    in_flight: bool,
}

impl Durable {
    pub(super) fn new(pattern: Pattern, ready: BTreeSet<u64>) -> Self {
        Self { pattern, ready, waiting: BTreeMap::new(), due: BTreeSet::new(), in_flight: 0 }
    }

    pub(super) fn offer(&mut self, sequence: u64) {
        self.ready.insert(sequence);
    }

    pub(super) fn pending(&self) -> u64 {
        self.ready.len() as u64
    }

    /// The next to be delivered and which attempt it is; or when there may be one.
    pub(super) fn take(&mut self, now: Instant, again: Instant) -> Result<(u64, u32), Option<Instant>> {
        let (sequence, attempt) = if let Some(sequence) = self.due_now(now) {
            (sequence, self.forget(sequence).unwrap_or(0) + 1)
        } else if self.in_flight < MAX_IN_FLIGHT
            && let Some(sequence) = self.ready.pop_first()
        {
            (sequence, 1)
        } else {
            return Err(self.due.range((now, u64::MAX)..).next().map(|(until, _)| *until));
        };
        self.hold(sequence, Waiting { until: again, attempt, in_flight: true });
        Ok((sequence, attempt))
    }

    /// Puts a delivery off, unless it was delivered again meanwhile.
    pub(super) fn put_off(&mut self, sequence: u64, attempt: u32, until: Instant) {
        if self.waiting.get(&sequence).is_some_and(|waiting| waiting.attempt == attempt) {
            self.forget(sequence);
            self.hold(sequence, Waiting { until, attempt, in_flight: false });
        }
    }

    /// It is done with; whether it was not before.
    pub(super) fn finish(&mut self, sequence: u64) -> bool {
        self.forget(sequence).is_some()
    }

    /// One whose time has come. Those that were in flight have a place there already.
    fn due_now(&self, now: Instant) -> Option<u64> {
        let full = self.in_flight >= MAX_IN_FLIGHT;
        let flies = |sequence: &u64| self.waiting.get(sequence).is_some_and(|waiting| waiting.in_flight);
        let mut due = self.due.range(..=(now, u64::MAX)).map(|(_, sequence)| sequence);
        due.find(|sequence| !full || flies(sequence)).copied()
    }

    fn hold(&mut self, sequence: u64, waiting: Waiting) {
        self.due.insert((waiting.until, sequence));
        self.in_flight += usize::from(waiting.in_flight);
        self.waiting.insert(sequence, waiting);
    }

    fn forget(&mut self, sequence: u64) -> Option<u32> {
        let waiting = self.waiting.remove(&sequence)?;
        self.due.remove(&(waiting.until, sequence));
        self.in_flight -= usize::from(waiting.in_flight);
        Some(waiting.attempt)
    }
}
