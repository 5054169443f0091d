//! Reading what the other end says arrived.

use super::{DELTA_US, ONE_BIT, REFERENCE_US, Status, TWO_BIT};
use crate::limits::MAX_FEEDBACK_STATUSES;

/// One report of the other end, found well formed.
#[derive(Clone, Copy, Debug)]
pub struct Feedback<'a> {
    base: u16,
    count: u16,
    reference: u32,
    report: u8,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

/// Reads the part of a feedback packet (RTCP 205, format 15) behind the two SSRCs. `None` when it is
/// truncated, uses a reserved status, or speaks of more packets than [`MAX_FEEDBACK_STATUSES`].
#[must_use]
pub fn read(fci: &[u8]) -> Option<Feedback<'_>> {
    let (&[b0, b1, c0, c1, r0, r1, r2, report], body) = fci.split_first_chunk::<8>()?;
    let count = u16::from_be_bytes([c0, c1]);
    if usize::from(count) > MAX_FEEDBACK_STATUSES {
        return None;
    }
    let (chunks, deltas) = measure(body, usize::from(count))?;
    let feedback = Feedback {
        base: u16::from_be_bytes([b0, b1]),
        count,
        reference: u32::from_be_bytes([0, r0, r1, r2]),
        report,
        chunks: body.get(..chunks)?,
        deltas: body.get(chunks..chunks + deltas)?,
    };
    Some(feedback)
}

impl<'a> Feedback<'a> {
    /// The first packet spoken of.
    #[must_use]
    pub const fn base(&self) -> u16 {
        self.base
    }

    /// How many packets, from the first on, are spoken of.
    #[must_use]
    pub const fn count(&self) -> u16 {
        self.count
    }

    /// When, on the receiver's clock and modulo 2^24, in units of 64 ms.
    #[must_use]
    pub const fn reference(&self) -> u32 {
        self.reference
    }

    /// The reports' own number.
    #[must_use]
    pub const fn report(&self) -> u8 {
        self.report
    }

    /// What is said of each packet: its number, and when it arrived if it did, in microseconds on the
    /// receiver's clock, which is known only modulo the 12 days of [`Feedback::reference`].
    #[must_use]
    pub fn statuses(&self) -> Statuses<'a> {
        Statuses {
            next: self.base,
            left: self.count,
            chunk: Chunk::NONE,
            chunks: self.chunks,
            deltas: self.deltas,
            at_us: i64::from(self.reference) * REFERENCE_US,
        }
    }
}

/// Walks over the packets of a [`Feedback`].
#[derive(Clone, Debug)]
pub struct Statuses<'a> {
    next: u16,
    left: u16,
    chunk: Chunk,
    chunks: &'a [u8],
    deltas: &'a [u8],
    at_us: i64,
}

impl Iterator for Statuses<'_> {
    type Item = (u16, Option<i64>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        while self.chunk.len == 0 {
            let (chunk, rest) = self.chunks.split_first_chunk::<2>()?;
            self.chunks = rest;
            self.chunk = Chunk::read(*chunk);
        }
        let status = self.chunk.take()?;
        let (delta, rest) = self.deltas.split_at_checked(status.len())?;
        self.deltas = rest;
        let number = self.next;
        self.next = number.wrapping_add(1);
        let delta = match *delta {
            [] => return Some((number, None)),
            [small] => i64::from(small),
            [high, low, ..] => i64::from(i16::from_be_bytes([high, low])),
        };
        self.at_us += delta * DELTA_US;
        Some((number, Some(self.at_us)))
    }
}

/// Statuses of one chunk that were not taken yet.
#[derive(Clone, Copy, Debug)]
struct Chunk {
    len: u16,
    /// The next statuses, highest bits first; a run repeats its one.
    bits: u16,
    /// How far the bits move with each status: 0 for a run.
    width: u16,
}

impl Chunk {
    const NONE: Self = Self { len: 0, bits: 0, width: 0 };

    const fn read(bytes: [u8; 2]) -> Self {
        let word = u16::from_be_bytes(bytes);
        match word >> 14 {
            0b10 => Self { len: ONE_BIT as u16, bits: word << 2, width: 1 },
            0b11 => Self { len: TWO_BIT as u16, bits: word << 2, width: 2 },
            _ => Self { len: word & 0x1fff, bits: word << 1, width: 0 },
        }
    }

    /// `None` for a reserved status, and when nothing is left.
    const fn take(&mut self) -> Option<Status> {
        if self.len == 0 {
            return None;
        }
        self.len -= 1;
        let status = if self.width == 1 { self.bits >> 15 } else { self.bits >> 14 };
        self.bits <<= self.width;
        Status::from_bits(status)
    }
}

/// Bytes of the chunks, and of the deltas that must follow them.
fn measure(body: &[u8], count: usize) -> Option<(usize, usize)> {
    let (mut left, mut chunks, mut deltas) = (count, 0, 0);
    while left > 0 {
        let mut chunk = Chunk::read(*body.get(chunks..)?.first_chunk::<2>()?);
        chunks += 2;
        let taken = left.min(usize::from(chunk.len));
        left -= taken;
        if chunk.width == 0 {
            // An empty run is odd but harmless: it used up two bytes.
            let status = Status::from_bits(chunk.bits >> 14)?;
            deltas += taken * status.len();
            continue;
        }
        for _ in 0..taken {
            deltas += chunk.take()?.len();
        }
    }
    (body.len() >= chunks + deltas).then_some((chunks, deltas))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Said = (u16, Option<i64>);

    fn check(fci: &[u8], expect: &[Said]) {
        assert_eq!(read(fci).unwrap().statuses().collect::<Vec<_>>(), expect);
    }

    #[test]
    fn runs_and_both_kinds_of_vectors_are_read() {
        #[rustfmt::skip]
        check(&[
            0xff, 0xfe, 0, 12, // from 65,534 on, twelve of them
            0, 0, 2, 7, // at 128 ms; the eighth report
            0b0010_0000, 2, // two small ones
            0b1100_1001, 0b0000_0000, // not seen, large, small, then four not seen
            0b1011_0000, 0, // small, small, and one not seen
            4, 0, // 1 ms, 1 ms
            0xff, 0xfc, // back by 1 ms
            8, 0, 255, // 2 ms, 2 ms, 65.75 ms
            0, // padding
        ], &[
            (65_534, Some(129_000)), (65_535, Some(129_000)),
            (0, None), (1, Some(128_000)), (2, Some(130_000)),
            (3, None), (4, None), (5, None), (6, None),
            (7, Some(130_000)), (8, Some(193_750)), (9, None),
        ]);
    }

    #[test]
    fn empty_runs_are_passed_over() {
        check(&[0, 9, 0, 1, 0, 0, 0, 0, 0, 0, 0x20, 1, 4], &[(9, Some(1_000))]);
    }

    #[test]
    fn what_is_cut_short_or_reserved_is_refused() {
        let whole = [0, 1, 0, 3, 0, 0, 0, 0, 0xd8, 0, 1, 0, 1];
        assert!(read(&whole).is_some());
        for len in 0..whole.len() {
            assert!(read(&whole[..len]).is_none(), "{len} bytes");
        }
        assert!(read(&[0, 1, 0, 1, 0, 0, 0, 0, 0xf0, 0, 1, 1]).is_none(), "reserved in a vector");
        assert!(read(&[0, 1, 0, 1, 0, 0, 0, 0, 0x60, 1, 1, 1]).is_none(), "reserved in a run");
    }

    #[test]
    fn it_speaks_of_so_many_packets_and_no_more() {
        let fci = |count: usize| {
            let [c0, c1] = u16::try_from(count).unwrap().to_be_bytes();
            let mut fci = vec![0, 0, c0, c1, 0, 0, 0, 0];
            fci.extend([0x1f, 0xff].repeat(9));
            fci
        };
        let most = fci(MAX_FEEDBACK_STATUSES);
        assert_eq!(read(&most).unwrap().statuses().count(), MAX_FEEDBACK_STATUSES);
        assert!(read(&fci(MAX_FEEDBACK_STATUSES + 1)).is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(fci in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(feedback) = read(&fci) {
                prop_assert_eq!(feedback.statuses().count(), usize::from(feedback.count()));
            }
        }

        #[test]
        fn any_body_is_survived(count in 0_u8..100, body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut fci = vec![0xff, 0xf0, 0, count, 0xff, 0xff, 0xff, 0];
            fci.extend(body);
            if let Some(feedback) = read(&fci) {
                prop_assert_eq!(feedback.statuses().count(), usize::from(count));
            }
        }
    }
}
