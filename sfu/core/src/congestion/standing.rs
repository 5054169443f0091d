//! A long queue that does not grow: it is full, and no slope shows it.
//!
//! What shows it is that packets take much longer than they once did. That may also be another route. The
//! difference is seen by sending less: from a full queue as much arrives as before; on a longer route less
//! does, and then its delay is taken as what is usual.

use super::trend::Usage;

/// A queue this long counts.
const LONG_US: i64 = 120_000;

/// Less arrives than this share of what arrived at first: it was no queue.
const FOLLOWS: f64 = 0.8;

/// Watches for a queue that stands.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// What arrived when it was first seen.
    acked_bps: Option<u64>,
}

/// What a delay is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    Usual,
    Queue,
    LongerRoute,
}

impl Standing {
    pub(super) fn judge(&mut self, usage: Usage, queue_us: i64, acked_bps: Option<u64>) -> Verdict {
        let stands = usage == Usage::Normal && queue_us >= LONG_US;
        let Some(acked) = acked_bps.filter(|_| stands) else {
            self.acked_bps = None;
            return Verdict::Usual;
        };
        let first = *self.acked_bps.get_or_insert(acked);
        if acked as f64 >= first as f64 * FOLLOWS {
            return Verdict::Queue;
        }
        self.acked_bps = None;
        Verdict::LongerRoute
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_goes_on_delivering_and_a_longer_route_does_not() {
        let mut standing = Standing::default();
        let mut judge = |queue_us, acked_bps| standing.judge(Usage::Normal, queue_us, acked_bps);
        assert_eq!(judge(LONG_US - 1, Some(1_000)), Verdict::Usual);
        assert_eq!(judge(LONG_US, None), Verdict::Usual);
        assert_eq!(judge(LONG_US, Some(1_000)), Verdict::Queue);
        assert_eq!(judge(LONG_US, Some(850)), Verdict::Queue);
        assert_eq!(judge(LONG_US, Some(722)), Verdict::LongerRoute);
        assert_eq!(judge(LONG_US, Some(722)), Verdict::Queue);
        assert_eq!(standing.judge(Usage::Over, LONG_US, Some(100)), Verdict::Usual, "that one grows");
    }
}
