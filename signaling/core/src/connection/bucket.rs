//! How many messages a connection may send: a token bucket, kept as one instant.

use crate::limits::{MESSAGE_BURST, MESSAGES_PER_SECOND};
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_micros(1_000_000 / MESSAGES_PER_SECOND as u64);

/// The generic cell rate algorithm: `empty_at` is when everything sent so far has been paid for.
#[derive(Debug)]
pub(super) struct Bucket {
    empty_at: Instant,
}

impl Bucket {
    pub(super) const fn new(now: Instant) -> Self {
        Self { empty_at: now }
    }

    /// False when this one is too many.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let from = self.empty_at.max(now);
        if from.duration_since(now) > INTERVAL * (MESSAGE_BURST - 1) {
            return false;
        }
        self.empty_at = from + INTERVAL;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "an arbitrary instant to start from")]
    fn takes_a_burst_then_one_by_one_at_its_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start);
        assert!((0..MESSAGE_BURST).all(|_| bucket.take(start)));
        assert!(!bucket.take(start));
        assert!(bucket.take(start + INTERVAL));
        assert!(!bucket.take(start + INTERVAL));
        let later = start + Duration::from_secs(60);
        assert!((0..MESSAGE_BURST).all(|_| bucket.take(later)));
        assert!(!bucket.take(later));
    }
}
