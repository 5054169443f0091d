//! When to ask a publisher for a keyframe: at once when somebody needs one, but seldom.

use crate::limits::{KEYFRAME_FIRST_RETRY, KEYFRAME_REQUEST_INTERVAL, KEYFRAME_RETRY};
use std::time::Instant;

/// Keyframe requests to one layer of one publisher.
#[derive(Clone, Copy, Debug, Default)]
pub struct Throttle {
    last_sent: Option<Instant>,
    /// When the next request is due, while somebody waits.
    due: Option<Instant>,
    asked: u32,
}

impl Throttle {
    /// Somebody cannot show this layer without a keyframe.
    pub fn want(&mut self, now: Instant) {
        if self.due.is_none() {
            self.asked = 0;
            self.due = Some(now);
        }
    }

    /// A keyframe arrived, or nobody waits any more.
    pub const fn satisfied(&mut self) {
        self.due = None;
    }

    /// Whether somebody waits.
    #[must_use]
    pub const fn waiting(&self) -> bool {
        self.due.is_some()
    }

    /// When [`Throttle::poll`] will next say yes.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let due = self.due?;
        Some(self.last_sent.map_or(due, |sent| due.max(sent + KEYFRAME_REQUEST_INTERVAL)))
    }

    /// Whether to send a request now; counts it as sent.
    pub fn poll(&mut self, now: Instant) -> bool {
        if self.deadline().is_none_or(|at| at > now) {
            return false;
        }
        self.last_sent = Some(now);
        self.asked += 1;
        self.due = Some(now + if self.asked == 1 { KEYFRAME_FIRST_RETRY } else { KEYFRAME_RETRY });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Runs `until_ms`, one millisecond at a time, and says when requests went out.
    fn run(throttle: &mut Throttle, start: Instant, range: std::ops::Range<u64>) -> Vec<u64> {
        range.filter(|ms| throttle.poll(start + Duration::from_millis(*ms))).collect()
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn asks_at_once_then_seldom_until_it_arrives() {
        let (start, mut throttle) = (Instant::now(), Throttle::default());
        assert_eq!(run(&mut throttle, start, 0..100), [0_u64; 0]);
        throttle.want(start + Duration::from_millis(100));
        throttle.want(start + Duration::from_millis(100));
        assert_eq!(run(&mut throttle, start, 100..3_000), [100, 600, 1_600, 2_600]);
        throttle.satisfied();
        assert_eq!(run(&mut throttle, start, 3_000..6_000), [0_u64; 0]);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    fn many_who_want_one_are_one_request() {
        let (start, mut throttle) = (Instant::now(), Throttle::default());
        let mut sent = Vec::new();
        for ms in 0..2_000 {
            let now = start + Duration::from_millis(ms);
            throttle.want(now);
            if throttle.poll(now) {
                sent.push(ms);
            }
            throttle.satisfied();
        }
        assert_eq!(sent, [0, 500, 1_000, 1_500]);
    }
}
