//! Transport-wide feedback: which packets arrived when, whatever stream they belong to
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01). What we receive is reported by [`Arrivals`];
//! what others say of our packets is read by [`read`].
//!
//! ```text
//! base number (16)     status count (16)
//! reference time (24, units of 64 ms)     report number (8)
//! status chunks (16 each) …     deltas (8 or 16 each, units of 250 µs) …
//! ```

mod arrivals;
mod feedback;

pub use arrivals::Arrivals;
pub use feedback::{Feedback, Statuses, read};

/// Unit of the reference time.
const REFERENCE_US: i64 = 64_000;

/// Unit of the deltas.
const DELTA_US: i64 = 250;

/// Bits of the reference time.
const REFERENCE_MASK: i64 = 0xff_ffff;

/// Statuses in a chunk of one bit each.
const ONE_BIT: usize = 14;

/// Statuses in a chunk of two bits each.
const TWO_BIT: usize = 7;

/// Longest run in one chunk.
const LONGEST_RUN: usize = 0x1fff;

/// What is said of one packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Status {
    Missing,
    /// Followed by a delta of one byte, 0 to 63.75 ms.
    Small,
    /// Followed by a signed delta of two bytes.
    Large,
}

impl Status {
    /// `None` for the reserved value.
    const fn from_bits(bits: u16) -> Option<Self> {
        match bits & 0b11 {
            0 => Some(Self::Missing),
            1 => Some(Self::Small),
            2 => Some(Self::Large),
            _ => None,
        }
    }

    const fn bits(self) -> u16 {
        match self {
            Self::Missing => 0,
            Self::Small => 1,
            Self::Large => 2,
        }
    }

    /// Bytes of its delta.
    const fn len(self) -> usize {
        self.bits() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{MAX_ARRIVALS, MAX_FEEDBACK_BYTES};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Every packet a run of reports speaks of; what a later report says holds.
    fn report(arrivals: &mut Arrivals) -> BTreeMap<u16, Option<i64>> {
        let mut said = BTreeMap::new();
        let mut out = Vec::new();
        for _ in 0..100 {
            out.clear();
            if !arrivals.write(&mut out, 1, 2) {
                return said;
            }
            assert!(out.len() <= MAX_FEEDBACK_BYTES && out.len().is_multiple_of(4), "{}", out.len());
            let words = usize::from(u16::from_be_bytes([out[2], out[3]]));
            assert_eq!((out[0], out[1], 4 * (words + 1)), (0x8f, 205, out.len()));
            said.extend(read(&out[12..]).expect("ours is well formed").statuses());
        }
        panic!("reports without end");
    }

    proptest! {
        #[test]
        fn what_arrived_is_what_is_read(
            start: u16,
            at in 0..(1_i64 << 40),
            packets in proptest::collection::vec((0_u16..6, 0_i64..400_000), 1..400),
        ) {
            let mut arrivals = Arrivals::default();
            let mut expected = BTreeMap::new();
            let (mut number, mut at) = (start, at);
            for (skip, later) in packets {
                at += if later % 7 == 0 { later } else { later / 50 };
                arrivals.record(number, at);
                expected.insert(number, at);
                number = number.wrapping_add(1 + skip / 4 * skip);
            }
            // What no longer fitted is forgotten, oldest first.
            let known = |n: u16| usize::from(number.wrapping_sub(n)) <= MAX_ARRIVALS / 2;
            let said = report(&mut arrivals);
            let period = (REFERENCE_MASK + 1) * REFERENCE_US;
            for (n, at) in expected.iter().filter(|(n, _)| known(**n)) {
                let read = said[n].expect("it arrived");
                prop_assert!((at % period - read.rem_euclid(period)).abs() < DELTA_US, "{n}: {at} is read as {read}");
            }
            for (n, arrival) in &said {
                prop_assert_eq!(expected.contains_key(n), arrival.is_some());
            }
            prop_assert!(arrivals.is_empty());
        }

        #[test]
        fn any_arrivals_are_survived(
            packets in proptest::collection::vec((any::<u16>(), any::<i64>(), any::<bool>()), 0..300),
        ) {
            let mut arrivals = Arrivals::default();
            for (number, at, write) in packets {
                arrivals.record(number, at);
                if write {
                    report(&mut arrivals);
                }
            }
            report(&mut arrivals);
        }
    }
}
