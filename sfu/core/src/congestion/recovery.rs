//! What the path carried before it fell: when that was something passing, it is tried again.

/// Falls this close are one.
const ONE_FALL_US: i64 = 5_000_000;

/// So long after the last of it a fall is over, or it is how the path is now.
const RECOVERABLE_US: i64 = 5_000_000;

/// Only a fall to less than this share is worth a probe.
const FAR: f64 = 0.7;

/// Remembers a fall of the estimate.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Recovery {
    fall: Option<Fall>,
}

#[derive(Clone, Copy, Debug)]
struct Fall {
    before_bps: u64,
    at_us: i64,
}

impl Recovery {
    /// The estimate is this after it was that.
    pub(super) fn moved(&mut self, before_bps: u64, bps: u64, now_us: i64) {
        if bps < before_bps {
            let same = self.fall.filter(|fall| now_us.saturating_sub(fall.at_us) < ONE_FALL_US);
            let before_bps = same.map_or(before_bps, |fall| fall.before_bps.max(before_bps));
            self.fall = Some(Fall { before_bps, at_us: now_us });
        }
    }

    /// The path is calm: what it carried before, if that is worth trying. Said once.
    pub(super) fn take(&mut self, bps: u64, now_us: i64) -> Option<u64> {
        let fall = self.fall.take()?;
        let far = (bps as f64) < fall.before_bps as f64 * FAR;
        let soon = now_us.saturating_sub(fall.at_us) < RECOVERABLE_US;
        (far && soon).then_some(fall.before_bps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn a_far_fall_in_steps_is_one_and_said_once() {
        let mut recovery = Recovery::default();
        recovery.moved(1_000, 800, 0);
        recovery.moved(800, 600, 3 * SECOND);
        recovery.moved(600, 650, 4 * SECOND);
        assert_eq!(recovery.take(650, 5 * SECOND), Some(1_000));
        assert_eq!(recovery.take(650, 5 * SECOND), None);
    }

    #[test]
    fn a_small_or_an_old_fall_is_none() {
        let mut recovery = Recovery::default();
        recovery.moved(1_000, 700, 0);
        assert_eq!(recovery.take(700, SECOND), None);
        recovery.moved(1_000, 500, 0);
        assert_eq!(recovery.take(500, RECOVERABLE_US), None);
    }
}
