//! Bounded, repeatable changes of a seed: what a test does in place of a fuzzer.

/// Repeatable noise (xorshift64*).
#[derive(Clone, Copy, Debug)]
pub struct Random(u64);

impl Random {
    /// From a seed; 0 counts as 1.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(if seed == 0 { 1 } else { seed })
    }

    /// The next number.
    pub const fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below a bound; 0 for a bound of 0.
    pub const fn below(&mut self, bound: usize) -> usize {
        if bound == 0 { 0 } else { (self.next() >> 16) as usize % bound }
    }
}

/// A changed copy: one to four of bytes changed, cut out, repeated, put in, taken from another seed, or the end cut.
#[must_use]
pub fn changed(seed: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    const TELLING: [u8; 12] = [0, 1, 2, 4, 0x7f, 0x80, 0xff, b'\n', b'"', b':', b'9', b'\\'];
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        let upto = (at + random.below(32) + 1).min(bytes.len());
        match random.below(8) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
            1 if !bytes.is_empty() => bytes[at] = TELLING[random.below(TELLING.len())],
            2 if !bytes.is_empty() => bytes[at] = random.next() as u8,
            3 => drop(bytes.drain(at..upto)),
            4 => {
                let again = bytes[at..upto].to_vec();
                bytes.splice(at..at, again);
            }
            5 => bytes.insert(at, TELLING[random.below(TELLING.len())]),
            6 => {
                let from = random.below(other.len());
                let piece = other[from..(from + random.below(64)).min(other.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => bytes.truncate(at),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_changes_and_they_are_changes() {
        let run = |seed| {
            let mut random = Random::new(seed);
            (0..100).map(|_| changed(b"some bytes", b"others", &mut random)).collect::<Vec<_>>()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
        assert!(run(7).iter().filter(|bytes| bytes.as_slice() != b"some bytes").count() > 80);
        assert!(changed(b"", b"", &mut Random::new(0)).len() < 200);
    }
}
