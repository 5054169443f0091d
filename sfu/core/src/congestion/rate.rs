//! The rate by delay: up while the path is calm, down to below what arrives when a queue grows
//! (draft-ietf-rmcat-gcc-02 §5.6; near the last known limit upwards by steps, as libwebrtc's
//! `AimdRateControl`).

use super::Bounds;
use super::trend::Usage;

/// Share of what arrives that is kept when a queue grows, and when it has only begun to.
const DECREASE: f64 = 0.85;
const SLIGHT_DECREASE: f64 = 0.93;

/// A queue shorter than this is a slight one, soon drained.
const SLIGHT_QUEUE_US: i64 = 25_000;

/// Growth in a second while the limit is unknown.
const GROWTH: f64 = 1.08;

/// Least growth in a second.
const LEAST_GROWTH_BPS: f64 = 4_000.0;

/// The rate grows to no more than this much of what arrives: beyond it there is no evidence.
const BEYOND_ACKED: f64 = 1.5;
const BEYOND_ACKED_BPS: f64 = 10_000.0;

/// How long after sending more or less the receiver's word of it is back, beside the round trip. Between two
/// decreases it is waited for.
const RESPONSE_US: i64 = 100_000;
const LONGEST_RTT_US: i64 = 300_000;

/// A session that sends less than it could believes a queue only when it is this long: then the path must
/// be slower than what is sent. A shorter one may be anything.
const SERIOUS_QUEUE_US: i64 = 50_000;

/// What the rate is decided from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signs {
    pub(super) usage: Usage,
    pub(super) queue_us: i64,
    /// What arrives.
    pub(super) acked_bps: Option<u64>,
    pub(super) rtt_us: i64,
    /// The session sends less than it could.
    pub(super) limited: bool,
}

impl Signs {
    fn response_us(&self) -> i64 {
        self.rtt_us.clamp(0, LONGEST_RTT_US) + RESPONSE_US
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Course {
    Hold,
    Up,
}

/// The rate that delay allows.
#[derive(Debug)]
pub(super) struct Rate {
    bounds: Bounds,
    bps: f64,
    course: Course,
    link: Link,
    changed_us: i64,
    decreased_us: Option<i64>,
}

impl Rate {
    pub(super) fn new(bps: u64, bounds: Bounds, now_us: i64) -> Self {
        let bps = bounds.clamp(bps) as f64;
        Self {
            bounds,
            bps,
            course: Course::Hold,
            link: Link::default(),
            changed_us: now_us,
            decreased_us: None,
        }
    }

    pub(super) const fn bps(&self) -> u64 {
        self.bps as u64
    }

    /// Whether a queue brought it down within the last second.
    pub(super) fn was_reduced(&self, now_us: i64) -> bool {
        self.decreased_us.is_some_and(|at| now_us.saturating_sub(at) < 1_000_000)
    }

    /// Takes what a probe measured.
    pub(super) fn set(&mut self, bps: u64, now_us: i64) {
        self.bps = self.bounds.clamp(bps) as f64;
        self.changed_us = now_us;
    }

    /// Decides anew; says whether it went down.
    pub(super) fn update(&mut self, signs: Signs, now_us: i64) -> bool {
        match signs.usage {
            Usage::Over => return self.decrease(signs, now_us),
            // The queue drains: wait for its end.
            Usage::Under => self.course = Course::Hold,
            Usage::Normal if self.course == Course::Hold => {
                self.course = Course::Up;
                self.changed_us = now_us;
            }
            Usage::Normal => self.increase(signs, now_us),
        }
        false
    }

    fn increase(&mut self, signs: Signs, now_us: i64) {
        let elapsed_s = now_us.saturating_sub(self.changed_us).clamp(0, 1_000_000) as f64 / 1e6;
        self.changed_us = now_us;
        // Nothing was measured: nothing is known.
        let Some(acked) = signs.acked_bps.map(|bps| bps as f64) else { return };
        if self.link.is_outgrown_by(acked) {
            self.link = Link::default();
        }
        let more = if self.link.is_known() {
            elapsed_s * self.step_bps(signs.response_us())
        } else {
            (self.bps * (GROWTH.powf(elapsed_s) - 1.0)).max(LEAST_GROWTH_BPS * elapsed_s)
        };
        let most = BEYOND_ACKED * acked + BEYOND_ACKED_BPS;
        let grown = (self.bps + more).min(most).min(self.bounds.max as f64);
        self.bps = self.bps.max(grown);
    }

    /// About one packet more per response time.
    fn step_bps(&self, response_us: i64) -> f64 {
        let frame = self.bps / 8.0 / 30.0;
        let packet = frame / (frame / 1_200.0).ceil().max(1.0);
        let response_s = response_us as f64 / 1e6;
        (packet * 8.0 / response_s).max(LEAST_GROWTH_BPS)
    }

    fn decrease(&mut self, signs: Signs, now_us: i64) -> bool {
        let response_us = signs.response_us();
        let acked = signs.acked_bps.map(|bps| bps as f64);
        let waited = self.decreased_us.is_none_or(|at| now_us.saturating_sub(at) >= response_us);
        let far_off = !signs.limited && acked.is_some_and(|acked| acked < self.bps / 2.0);
        if !waited && !far_off {
            return false;
        }
        let decrease = if signs.queue_us < SLIGHT_QUEUE_US { SLIGHT_DECREASE } else { DECREASE };
        let reduced = match acked {
            // Nothing was measured yet.
            None => self.bps / 2.0,
            // What is sent says little of what could be.
            Some(_) if signs.limited && signs.queue_us < SERIOUS_QUEUE_US => self.bps * decrease,
            Some(acked) => {
                let reduced = acked * decrease;
                // A burst may arrive faster than the path is.
                if reduced > self.bps {
                    self.link.bps().map_or(self.bps, |link| link * decrease)
                } else {
                    reduced
                }
            }
        };
        if let Some(acked) = acked
            && !signs.limited
        {
            self.link.saw_limit(acked);
        }
        let before = self.bps;
        self.bps = self.bps.min(reduced).max(self.bounds.min as f64);
        self.course = Course::Hold;
        self.changed_us = now_us;
        self.decreased_us = Some(now_us);
        self.bps < before
    }

    /// Nothing is heard any more.
    pub(super) fn halve(&mut self, now_us: i64) {
        self.bps = (self.bps / 2.0).max(self.bounds.min as f64);
        self.course = Course::Hold;
        self.changed_us = now_us;
    }
}

/// The path's limit as met at the last few decreases, in kbit/s.
#[derive(Debug, Default)]
struct Link {
    kbps: Option<f64>,
    /// Variance over mean.
    spread: f64,
}

impl Link {
    const WEIGHT: f64 = 0.05;
    const SPREAD: (f64, f64) = (0.4, 2.5);

    fn saw_limit(&mut self, bps: f64) {
        let sample = bps / 1e3;
        let (least, most) = Self::SPREAD;
        let kbps = match self.kbps {
            // Another path than before.
            Some(kbps) if sample < kbps - self.deviation(kbps) => {
                self.spread = least;
                sample
            }
            Some(kbps) => kbps + Self::WEIGHT * (sample - kbps),
            None => {
                self.spread = least;
                sample
            }
        };
        let spread = (kbps - sample).powi(2) / kbps.max(1.0);
        self.spread = (self.spread + Self::WEIGHT * (spread - self.spread)).clamp(least, most);
        self.kbps = Some(kbps);
    }

    fn deviation(&self, kbps: f64) -> f64 {
        3.0 * (self.spread * kbps).sqrt()
    }

    const fn is_known(&self) -> bool {
        self.kbps.is_some()
    }

    fn is_outgrown_by(&self, bps: f64) -> bool {
        self.kbps.is_some_and(|kbps| bps / 1e3 > kbps + self.deviation(kbps))
    }

    fn bps(&self) -> Option<f64> {
        self.kbps.map(|kbps| kbps * 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { min: 50_000, max: 8_000_000 };

    fn signs(usage: Usage, acked_bps: u64) -> Signs {
        Signs { usage, queue_us: 0, acked_bps: Some(acked_bps), rtt_us: 50_000, limited: false }
    }

    /// Updates every 100 ms for so many seconds and says the rate.
    fn run(rate: &mut Rate, from_s: i64, span_s: i64, signs: Signs) -> u64 {
        for n in 0..span_s * 10 {
            rate.update(signs, from_s * 1_000_000 + n * 100_000);
        }
        rate.bps()
    }

    #[test]
    fn it_grows_eight_percent_a_second_to_half_more_than_arrives() {
        let mut rate = Rate::new(1_000_000, BOUNDS, 0);
        let grown = run(&mut rate, 0, 2, signs(Usage::Normal, 1_000_000));
        assert!((1_140_000..1_170_000).contains(&grown), "{grown}");
        assert_eq!(run(&mut rate, 2, 30, signs(Usage::Normal, 1_000_000)), 1_510_000);
        assert_eq!(run(&mut rate, 32, 9, signs(Usage::Normal, 100_000)), 1_510_000, "it is not dragged down");
    }

    #[test]
    fn a_queue_brings_it_below_what_arrives_and_then_it_climbs_by_steps() {
        let mut rate = Rate::new(3_000_000, BOUNDS, 0);
        assert!(rate.update(signs(Usage::Over, 1_000_000), 0));
        assert_eq!(rate.bps(), 930_000);
        let climbed = run(&mut rate, 1, 10, signs(Usage::Normal, 930_000));
        assert!((1_000_000..1_450_000).contains(&climbed), "{climbed}");
    }

    #[test]
    fn a_limited_session_believes_a_long_queue_only() {
        let limited = Signs { limited: true, ..signs(Usage::Over, 500_000) };
        let mut rate = Rate::new(3_000_000, BOUNDS, 0);
        rate.update(limited, 0);
        assert_eq!(rate.bps(), 2_790_000);
        rate.update(Signs { queue_us: SERIOUS_QUEUE_US, ..limited }, 1_000_000);
        assert_eq!(rate.bps(), 425_000);
    }

    #[test]
    fn it_stays_within_its_bounds() {
        let mut rate = Rate::new(1, BOUNDS, 0);
        assert_eq!(rate.bps(), BOUNDS.min);
        rate.update(signs(Usage::Over, 10), 0);
        assert_eq!(rate.bps(), BOUNDS.min);
        rate.set(u64::MAX, 0);
        assert_eq!(rate.bps(), BOUNDS.max);
        assert_eq!(run(&mut rate, 0, 9, signs(Usage::Normal, 1 << 40)), BOUNDS.max);
    }
}
