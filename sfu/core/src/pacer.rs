//! How fast pictures may leave: in bursts that a narrow link's queue can take, a keyframe faster than what follows it,
//! and in the long run no faster than the link carries. Sound does not wait, and is counted.
//!
//! Two allowances, and a packet needs both: [`AT_ONCE`] times the rate for [`BURST_US`], and the rate itself for
//! [`AHEAD_US`]. With the first alone a picture that does not fit fills the path's queue, and drowns the sound in it.

/// A keyframe may leave this much faster than the link's rate: it must not take a second.
const AT_ONCE: u64 = 5;
const AT_ONCE_OF: u64 = 2;

/// How much may leave at once, as a time at that pace. Browsers send bursts of this length themselves.
const BURST_US: u64 = 40_000;

/// How much may leave ahead of the link's rate, as a time at that rate: so long is the longest queue we make.
const AHEAD_US: u64 = 400_000;

/// A burst is never smaller than two full packets: a slow link must get through something.
const LEAST_BURST: i64 = 2_600;

/// What may leave now.
#[derive(Clone, Copy, Debug)]
pub struct Pacer {
    burst: Bucket,
    ahead: Bucket,
}

impl Pacer {
    /// Full allowances for a link of this rate.
    #[must_use]
    pub const fn new(bps: u64, now_us: i64) -> Self {
        Self { burst: Bucket::new(at_once(bps), BURST_US, now_us), ahead: Bucket::new(bps, AHEAD_US, now_us) }
    }

    /// Another rate from now on.
    pub fn set_pace(&mut self, bps: u64, now_us: i64) {
        self.burst.set_rate(at_once(bps), now_us);
        self.ahead.set_rate(bps, now_us);
    }

    /// Whether something may leave now.
    pub fn ready(&mut self, now_us: i64) -> bool {
        self.burst.ready(now_us) && self.ahead.ready(now_us)
    }

    /// Something left.
    pub fn sent(&mut self, bytes: usize) {
        self.burst.sent(bytes);
        self.ahead.sent(bytes);
    }

    /// When something may leave again.
    #[must_use]
    pub fn ready_at_us(&self) -> i64 {
        self.burst.ready_at_us().max(self.ahead.ready_at_us())
    }
}

const fn at_once(bps: u64) -> u64 {
    bps.saturating_mul(AT_ONCE) / AT_ONCE_OF
}

/// Allowance in bytes, which grows with time and shrinks with what is sent.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    bps: u64,
    span_us: u64,
    allowance: i64,
    at_us: i64,
}

impl Bucket {
    const fn new(bps: u64, span_us: u64, now_us: i64) -> Self {
        Self { bps, span_us, allowance: depth(bps, span_us), at_us: now_us }
    }

    fn set_rate(&mut self, bps: u64, now_us: i64) {
        if bps != self.bps {
            self.refill(now_us);
            self.bps = bps;
        }
    }

    fn ready(&mut self, now_us: i64) -> bool {
        self.refill(now_us);
        self.allowance > 0
    }

    fn sent(&mut self, bytes: usize) {
        // Sound is sent whatever the allowance; the debt it may run up is bounded.
        let left = self.allowance.saturating_sub(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.allowance = left.max(-depth(self.bps, self.span_us));
    }

    fn ready_at_us(&self) -> i64 {
        let lacking = u64::try_from(1_i64.saturating_sub(self.allowance)).unwrap_or(0);
        let us = lacking.saturating_mul(8_000_000) / self.bps.max(1);
        self.at_us.saturating_add(i64::try_from(us).unwrap_or(i64::MAX).saturating_add(1))
    }

    fn refill(&mut self, now_us: i64) {
        let span = u64::try_from(now_us.saturating_sub(self.at_us)).unwrap_or(0);
        // Less than a byte is kept for later.
        let bytes = span.saturating_mul(self.bps) / 8_000_000;
        if bytes > 0 {
            self.at_us = now_us;
            let more = i64::try_from(bytes).unwrap_or(i64::MAX);
            self.allowance = self.allowance.saturating_add(more).min(depth(self.bps, self.span_us));
        }
    }
}

const fn depth(bps: u64, span_us: u64) -> i64 {
    let bytes = (bps / 8).saturating_mul(span_us) / 1_000_000;
    let most = if bytes > 1 << 30 { 1 << 30 } else { bytes as i64 };
    if most > LEAST_BURST { most } else { LEAST_BURST }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Sends packets as soon as they may leave; bytes by the end.
    fn run(pacer: &mut Pacer, bytes: usize, until_us: i64) -> usize {
        let (mut now, mut total) = (0, 0);
        while now < until_us {
            if pacer.ready(now) {
                pacer.sent(bytes);
                total += bytes;
            } else {
                let at = pacer.ready_at_us();
                assert!(at > now, "it would spin");
                now = at;
            }
        }
        total
    }

    #[test]
    fn a_burst_goes_at_once_a_keyframe_soon_and_then_it_keeps_the_rate() {
        let mut pacer = Pacer::new(800_000, 0);
        let mut at_once = 0;
        while pacer.ready(0) {
            pacer.sent(1_000);
            at_once += 1;
        }
        assert_eq!(at_once, 10, "40 ms at two and a half times the rate");
        let keyframe = run(&mut Pacer::new(800_000, 0), 1_000, 100_000);
        assert!((34_000..=36_000).contains(&keyframe), "{keyframe} bytes in the first tenth of a second");
        let total = run(&mut Pacer::new(800_000, 0), 1_000, 10_000_000);
        assert!((1_038_000..1_042_000).contains(&total), "{total} bytes in ten seconds");
    }

    #[test]
    fn a_slow_link_gets_through_something() {
        let mut pacer = Pacer::new(10_000, 0);
        assert!(run(&mut pacer, 1_200, 10_000_000) >= 12_000);
    }

    #[test]
    fn idle_time_is_not_saved_up() {
        let mut pacer = Pacer::new(800_000, 0);
        pacer.ready(3_600_000_000);
        pacer.sent(10_000);
        assert!(!pacer.ready(3_600_000_000), "a burst");
        assert!(pacer.ready(3_600_040_000));
        pacer.sent(30_000);
        assert!(!pacer.ready(3_600_045_000), "and what may leave ahead");
    }

    proptest! {
        #[test]
        fn any_times_and_paces_are_survived(
            moves in proptest::collection::vec((any::<u64>(), any::<i64>(), any::<usize>()), 0..40),
        ) {
            let mut pacer = Pacer::new(1_000_000, 0);
            for (bps, at, bytes) in moves {
                pacer.set_pace(bps, at);
                pacer.ready(at);
                pacer.sent(bytes);
                let _ = pacer.ready_at_us();
            }
        }

        #[test]
        fn in_no_second_does_more_leave_than_the_rate_and_what_may_go_ahead(
            bps in 50_000_u64..10_000_000, bytes in 40_usize..1_400,
        ) {
            let total = run(&mut Pacer::new(bps, 0), bytes, 1_000_000) as i64;
            prop_assert!(total <= bps as i64 / 8 + depth(bps, AHEAD_US) + 2 * bytes as i64);
        }
    }
}
