//! Whether a lane of the log can be read, said when it changes.

use crate::lane::Lane;
use prometheus::IntCounter;
use std::sync::atomic::{AtomicU32, Ordering};

/// Reads that must succeed, one after the other, before a lane counts as readable again: where every second one fails,
/// two lines are said and not one for each.
const IN_A_ROW: u32 = 16;

/// What the reads of one lane have come to. Counts each failure, and tells when they begin and when they are over.
pub(super) struct Readable {
    lane: Lane,
    failures: IntCounter,
    /// How many reads still have to succeed; 0 while all is well.
    wanting: AtomicU32,
}

/// What is worth a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Begins,
    Ends,
}

impl Readable {
    pub(super) fn new(lane: Lane, failures: IntCounter) -> Self {
        Self { lane, failures, wanting: AtomicU32::new(0) }
    }

    /// A read has succeeded.
    pub(super) fn succeeded(&self) {
        if self.note(true) == Some(Change::Ends) {
            tracing::info!(lane = self.lane.as_str(), "The event log can be read again");
        }
    }

    /// A read has failed; with which code of the engine, if it said one.
    pub(super) fn failed(&self, code: Option<&str>) {
        self.failures.inc();
        if self.note(false) == Some(Change::Begins) {
            tracing::error!(lane = self.lane.as_str(), error.code = code, "The event log cannot be read");
        }
    }

    fn note(&self, success: bool) -> Option<Change> {
        if !success {
            return (self.wanting.swap(IN_A_ROW, Ordering::Relaxed) == 0).then_some(Change::Begins);
        }
        // Nearly always: all is well, and nothing is written.
        if self.wanting.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let one_less = |wanting: u32| wanting.checked_sub(1);
        let before = self.wanting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
        (before == Ok(1)).then_some(Change::Ends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_each_and_said_when_they_begin_and_when_they_are_over() {
        let failures = IntCounter::new("failures", "in this test").unwrap();
        let readable = Readable::new(Lane::Critical, failures.clone());
        assert_eq!(readable.note(true), None);
        assert_eq!(readable.note(false), Some(Change::Begins));
        for _ in 0..100 {
            assert_eq!((readable.note(true), readable.note(false)), (None, None));
        }
        for _ in 1..IN_A_ROW {
            assert_eq!(readable.note(true), None);
        }
        assert_eq!(readable.note(true), Some(Change::Ends));
        assert_eq!(readable.note(true), None);
        assert_eq!(readable.note(false), Some(Change::Begins));
        readable.failed(None);
        readable.failed(Some("57P01"));
        assert_eq!(failures.get(), 2);
    }
}
