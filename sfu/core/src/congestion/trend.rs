//! Whether a queue is growing: the slope of the delay between groups of packets, against a threshold that
//! adapts to how restless the path is.
//!
//! draft-ietf-rmcat-gcc-02 §5.4 and §5.5, with the straight line through the last groups that libwebrtc
//! took in place of the draft's Kalman filter (`TrendlineEstimator`); the constants are its.

use super::groups::Delta;
use super::least::Least;

/// Groups the line goes through.
const GROUPS: usize = 20;

/// How much of the smoothed delay stays with each group.
const SMOOTHING: f64 = 0.9;

/// What the slope is multiplied by before it meets the threshold, beside the number of groups.
const GAIN: f64 = 4.0;

/// The number of groups counts no further than this.
const MOST_GROUPS: u32 = 60;

/// A slope must stay above the threshold this long, in milliseconds, to be overuse.
const OVERUSE_MS: f64 = 10.0;

/// Where the threshold begins and how far it may go.
const THRESHOLD: f64 = 12.5;
const THRESHOLD_RANGE: (f64, f64) = (6.0, 600.0);

/// How fast the threshold follows a steeper and a flatter slope, per millisecond.
const FOLLOW_UP: f64 = 0.0087;
const FOLLOW_DOWN: f64 = 0.039;

/// A slope so far above the threshold is an event, not restlessness: it is not followed.
const OUTLIER: f64 = 15.0;

/// The longest step of time, in milliseconds, that the threshold follows at once.
const LONGEST_STEP_MS: f64 = 100.0;

/// What the delay says of the path.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Usage {
    #[default]
    Normal,
    /// A queue is growing.
    Over,
    /// A queue is draining.
    Under,
}

/// The line through the delay of the last groups.
#[derive(Debug)]
pub(super) struct Trend {
    /// Arrival and smoothed delay of each group, in milliseconds; a ring.
    points: [(f64, f64); GROUPS],
    count: u32,
    delay_ms: f64,
    smoothed_ms: f64,
    /// Arrival of the newest group since the first.
    at_ms: f64,
    slope: f64,
    threshold: f64,
    over_ms: Option<f64>,
    over_groups: u32,
    usage: Usage,
    least: Option<Least>,
}

impl Default for Trend {
    fn default() -> Self {
        Self {
            points: [(0.0, 0.0); GROUPS],
            count: 0,
            delay_ms: 0.0,
            smoothed_ms: 0.0,
            at_ms: 0.0,
            slope: 0.0,
            threshold: THRESHOLD,
            over_ms: None,
            over_groups: 0,
            usage: Usage::Normal,
            least: None,
        }
    }
}

impl Trend {
    /// What the delay says of the path.
    pub(super) const fn usage(&self) -> Usage {
        self.usage
    }

    /// How much longer packets take than the fastest of late, in microseconds, smoothed.
    pub(super) fn queue_us(&self) -> i64 {
        self.least.map_or(0, |least| ((self.smoothed_ms * 1e3) as i64).saturating_sub(least.get()).max(0))
    }

    /// Packets will take as long as they do now.
    pub(super) const fn get_used_to_it(&mut self, now_us: i64) {
        self.least = Some(Least::new((self.smoothed_ms * 1e3) as i64, now_us));
    }

    /// Another group arrived.
    pub(super) fn add(&mut self, delta: Delta, now_us: i64) {
        let (sent_ms, arrived_ms) = (delta.sent_us as f64 / 1e3, delta.arrived_us as f64 / 1e3);
        self.at_ms += arrived_ms;
        self.delay_ms += arrived_ms - sent_ms;
        self.smoothed_ms = if self.count == 0 {
            self.delay_ms
        } else {
            SMOOTHING * self.smoothed_ms + (1.0 - SMOOTHING) * self.delay_ms
        };
        let smoothed_us = (self.smoothed_ms * 1e3) as i64;
        self.least.get_or_insert_with(|| Least::new(smoothed_us, now_us)).add(smoothed_us, now_us);
        self.points[self.count as usize % GROUPS] = (self.at_ms, self.smoothed_ms);
        self.count = self.count.saturating_add(1);
        if self.count as usize >= GROUPS
            && let Some(slope) = slope(&self.points)
        {
            self.judge(slope, sent_ms, arrived_ms);
        }
    }

    fn judge(&mut self, slope: f64, sent_ms: f64, arrived_ms: f64) {
        let steepness = f64::from(self.count.min(MOST_GROUPS)) * slope * GAIN;
        if steepness > self.threshold {
            // At the first, it is taken to have begun halfway since the group before.
            let over_ms = self.over_ms.map_or(sent_ms / 2.0, |ms| ms + sent_ms);
            self.over_ms = Some(over_ms);
            self.over_groups += 1;
            if over_ms > OVERUSE_MS && self.over_groups > 1 && slope >= self.slope {
                self.over_ms = Some(0.0);
                self.over_groups = 0;
                self.usage = Usage::Over;
            }
        } else {
            self.over_ms = None;
            self.over_groups = 0;
            self.usage = if steepness < -self.threshold { Usage::Under } else { Usage::Normal };
        }
        self.slope = slope;
        self.adapt(steepness.abs(), arrived_ms);
    }

    fn adapt(&mut self, steepness: f64, arrived_ms: f64) {
        if steepness > self.threshold + OUTLIER {
            return;
        }
        let follow = if steepness < self.threshold { FOLLOW_DOWN } else { FOLLOW_UP };
        let (least, most) = THRESHOLD_RANGE;
        self.threshold += follow * (steepness - self.threshold) * arrived_ms.min(LONGEST_STEP_MS);
        self.threshold = self.threshold.clamp(least, most);
    }
}

/// The slope of the line of least squares; `None` when all arrived at once.
fn slope(points: &[(f64, f64); GROUPS]) -> Option<f64> {
    let count = GROUPS as f64;
    let (sum_x, sum_y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let (above, below) = points.iter().fold((0.0, 0.0), |(above, below), (x, y)| {
        let x = x - mean_x;
        (above + x * (y - mean_y), below + x * x)
    });
    (below > 0.0).then(|| above / below)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups sent 20 ms apart, each delayed by this many microseconds more than the last.
    fn run(trend: &mut Trend, groups: i64, later: impl Fn(i64) -> i64) -> Vec<Usage> {
        let one = |n| {
            trend.add(Delta { sent_us: 20_000, arrived_us: 20_000 + later(n) }, n * 20_000);
            trend.usage()
        };
        (0..groups).map(one).collect()
    }

    #[test]
    fn a_steady_path_is_normal() {
        assert!(run(&mut Trend::default(), 500, |_| 0).iter().all(|usage| *usage == Usage::Normal));
    }

    #[test]
    fn a_growing_queue_is_overuse_and_a_draining_one_underuse() {
        let mut trend = Trend::default();
        run(&mut trend, 100, |_| 0);
        let growing = run(&mut trend, 20, |_| 4_000);
        let noticed = growing.iter().position(|usage| *usage == Usage::Over);
        assert!(noticed.is_some_and(|n| n < 15), "{noticed:?}");
        assert!((40_000..=80_000).contains(&trend.queue_us()), "{}", trend.queue_us());
        assert_eq!(run(&mut trend, 30, |_| -2_600).last(), Some(&Usage::Under));
    }

    #[test]
    fn a_restless_path_is_got_used_to() {
        let mut trend = Trend::default();
        let noise = |n: i64| [9_000, -3_000, -11_000, 7_000, 2_000, -4_000][n as usize % 6];
        let usage = run(&mut trend, 1_000, noise);
        assert!(usage[200..].iter().all(|usage| *usage != Usage::Over));
    }
}
