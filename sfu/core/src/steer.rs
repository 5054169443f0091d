//! What a publisher is told to send its pictures with at most: what the best of the links they go to can take.
//!
//! A picture that does not fit a link is no use to anybody there, and asking the publisher for less gives a smaller
//! picture where dropping packets gives none. It is said as REMB (draft-alvestrand-rmcat-remb-03), which browsers take
//! for a limit beside their own estimate.

use crate::limits::{
    STEER_AGAIN_US, STEER_GAP_US, STEER_LEAST_BPS, STEER_UNLIMITED_BPS, STEER_UNLIMITED_SAID,
};

/// What one publisher was told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Steer {
    /// The last limit and when it was said; none for one that never had any.
    said: Option<(u64, i64)>,
    /// How often it was said since that there is no limit.
    freed: u8,
}

impl Steer {
    /// The limit to say now, in bit/s, if there is one to say. `most_bps` is what the best link can take, `None` where
    /// every one of them can take whatever is sent.
    pub fn poll(&mut self, most_bps: Option<u64>, now_us: i64) -> Option<u64> {
        let Some((before, at_us)) = self.said else {
            let most_bps = most_bps?.max(STEER_LEAST_BPS);
            self.said = Some((most_bps, now_us));
            return Some(most_bps);
        };
        if now_us.saturating_sub(at_us) < STEER_GAP_US {
            return None;
        }
        let Some(most_bps) = most_bps.map(|bps| bps.max(STEER_LEAST_BPS)) else {
            self.freed += 1;
            // Said as often as it takes for one to arrive.
            self.said = (self.freed < STEER_UNLIMITED_SAID).then_some((before, now_us));
            if self.said.is_none() {
                self.freed = 0;
            }
            return Some(STEER_UNLIMITED_BPS);
        };
        let freed = std::mem::take(&mut self.freed) > 0;
        let changed = most_bps.abs_diff(before) > before / 20;
        if !freed && !changed && now_us.saturating_sub(at_us) < STEER_AGAIN_US {
            return None;
        }
        self.said = Some((most_bps, now_us));
        Some(most_bps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000;

    #[test]
    fn a_publisher_whose_pictures_fit_is_told_nothing() {
        let mut steer = Steer::default();
        assert!((0..100).all(|s| steer.poll(None, s * S).is_none()));
    }

    #[test]
    fn a_limit_is_said_when_it_changes_and_now_and_then() {
        let mut steer = Steer::default();
        assert_eq!(steer.poll(Some(250_000), 0), Some(250_000));
        assert_eq!(steer.poll(Some(900_000), STEER_GAP_US - 1), None, "it was told a moment ago");
        assert_eq!(steer.poll(Some(255_000), S), None, "much the same");
        assert_eq!(steer.poll(Some(270_000), S), Some(270_000));
        assert_eq!(steer.poll(Some(200_000), 2 * S), Some(200_000));
        assert_eq!(steer.poll(Some(200_000), 2 * S + STEER_AGAIN_US - 1), None);
        assert_eq!(steer.poll(Some(200_000), 2 * S + STEER_AGAIN_US), Some(200_000), "it may have been lost");
    }

    #[test]
    fn the_end_of_a_limit_is_said_more_than_once_and_then_no_more() {
        let mut steer = Steer::default();
        steer.poll(Some(250_000), 0);
        let said = (1..20).filter(|s| steer.poll(None, s * S) == Some(STEER_UNLIMITED_BPS)).count();
        assert_eq!(said, usize::from(STEER_UNLIMITED_SAID));
        assert_eq!(steer.poll(Some(300_000), 30 * S), Some(300_000));
        assert_eq!(steer.poll(None, 31 * S), Some(STEER_UNLIMITED_BPS));
        assert_eq!(steer.poll(Some(300_000), 32 * S), Some(300_000), "narrow again: it was told otherwise");
    }

    #[test]
    fn nobody_is_told_to_send_next_to_nothing() {
        assert_eq!(Steer::default().poll(Some(0), 0), Some(STEER_LEAST_BPS));
        assert_eq!(Steer::default().poll(Some(STEER_LEAST_BPS - 1), 0), Some(STEER_LEAST_BPS));
        assert_eq!(Steer::default().poll(Some(STEER_LEAST_BPS + 1), 0), Some(STEER_LEAST_BPS + 1));
    }
}
