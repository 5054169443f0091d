//! Whether the session sends less than it could: then what arrives says nothing of the path's limit.
//!
//! A budget fills at a share of the estimate and empties as packets are sent (libwebrtc's `AlrDetector`).

/// Share of the estimate below which sending counts as limited.
const SHARE: f64 = 0.65;

/// The budget's size, as time of filling.
const SIZE_S: f64 = 0.5;

/// How full it must be for limited sending to begin, and to end.
const BEGINS: f64 = 0.8;
const ENDS: f64 = 0.5;

/// Watches how much of the estimate is used.
#[derive(Debug)]
pub(super) struct Limited {
    /// From -1 to 1.
    level: f64,
    at_us: i64,
    limited: bool,
}

impl Limited {
    pub(super) const fn new(now_us: i64) -> Self {
        Self { level: 0.0, at_us: now_us, limited: false }
    }

    /// So much was sent; 0 to let time pass.
    pub(super) fn sent(&mut self, bytes: usize, estimate_bps: u64, now_us: i64) {
        let elapsed_s = now_us.saturating_sub(self.at_us).clamp(0, 1_000_000) as f64 / 1e6;
        self.at_us = now_us;
        let size_bits = (estimate_bps as f64 * SHARE * SIZE_S).max(1.0);
        self.level = (self.level + elapsed_s / SIZE_S).min(1.0);
        self.level = (self.level - bytes as f64 * 8.0 / size_bits).max(-1.0);
        if self.level > BEGINS {
            self.limited = true;
        } else if self.level < ENDS {
            self.limited = false;
        }
    }

    pub(super) const fn get(&self) -> bool {
        self.limited
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_thirds_of_the_estimate_is_the_line() {
        let mut limited = Limited::new(0);
        let mut run = |from_s: i64, percent: usize| {
            for ms in 0..6_000 {
                limited.sent(125 * percent / 100, 1_000_000, from_s * 1_000_000 + ms * 1_000);
            }
            limited.get()
        };
        assert!(!run(0, 70));
        assert!(run(6, 45));
        assert!(!run(12, 90));
        assert!(run(18, 0));
    }
}
