//! Randomness that can be asked for by number: the same seed and number always give the same answer, so that
//! what happens to the hundredth packet does not depend on when it came.

/// A stream of random numbers, each reached by its index.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream(u64);

impl Stream {
    /// Of this seed, apart from every other `name`.
    pub(super) const fn new(seed: u64, name: u64) -> Self {
        Self(mix(seed ^ mix(name)))
    }

    /// The number at `index`, evenly from 0 up to 1.
    pub(super) fn at(self, index: u64) -> f64 {
        // 53 bits are what an f64 holds exactly.
        (mix(self.0.wrapping_add(index.wrapping_mul(GOLDEN))) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The output function of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
const fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(GOLDEN);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_even_and_repeat() {
        let (one, other) = (Stream::new(7, 1), Stream::new(7, 2));
        let mean = (0..100_000).map(|i| one.at(i)).sum::<f64>() / 100_000.0;
        assert!((mean - 0.5).abs() < 0.005, "{mean}");
        assert!((0..1_000).all(|i| (0.0..1.0).contains(&one.at(i)) && one.at(i) != other.at(i)));
        assert_eq!(one.at(5), Stream::new(7, 1).at(5));
    }
}
