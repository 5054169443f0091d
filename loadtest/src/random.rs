//! Deterministic randomness (splitmix64): the same seed gives the same people at the same times.

use std::time::Duration;

/// A stream of numbers.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Begins one.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0, up to but not including 1.
    pub fn unit(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True in this share of cases.
    pub fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// Time to the next arrival of a Poisson process.
    pub fn exponential(&mut self, per_second: f64) -> Duration {
        Duration::from_secs_f64(-(1.0 - self.unit()).ln() / per_second)
    }

    /// A time of this mean, by an exponential distribution cut off at four times the mean.
    pub fn about(&mut self, mean: Duration) -> Duration {
        if mean.is_zero() {
            return mean;
        }
        self.exponential(1.0 / mean.as_secs_f64()).min(mean * 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_have_the_rate_asked_for() {
        let mut random = Random::new(7);
        let total: Duration = (0..10_000).map(|_| random.exponential(10.0)).sum();
        assert!((950.0..1_050.0).contains(&total.as_secs_f64()), "{total:?}");
    }
}
