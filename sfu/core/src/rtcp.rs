//! RTCP (RFC 3550 §6, RFC 4585, RFC 5104): what the other end says of our streams and its own, and what we say.
//! Transport-wide feedback is in `crate::twcc`.

use crate::{limits::MAX_RTCP_PACKETS, reception::Block};

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const TRANSPORT_FEEDBACK: u8 = 205;
const PAYLOAD_FEEDBACK: u8 = 206;

const NACK: u8 = 1;
const TRANSPORT_WIDE: u8 = 15;
const PLI: u8 = 1;
/// Application layer feedback (RFC 4585 §6.4).
const APPLICATION_LAYER: u8 = 15;
const FIR: u8 = 4;

const BLOCK_BYTES: usize = 24;
/// Blocks in one report (the count has five bits).
const MAX_BLOCKS: usize = 31;

/// Something the other end said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Said<'a> {
    /// A sender report: at this time on the sender's clock the stream's timestamp was this.
    Sent {
        /// Whose stream.
        ssrc: u32,
        /// Seconds since 1900 in 32.32 fixed point.
        ntp: u64,
        /// RTP timestamp.
        rtp: u32,
    },
    /// A report block about a stream of ours.
    Received {
        /// Which stream.
        ssrc: u32,
        /// Share lost since the last block, in 256ths.
        fraction: u8,
        /// The middle of our last report's NTP time; 0 for none.
        last_report: u32,
        /// How long ago it arrived there, in 65,536ths of a second.
        delay: u32,
    },
    /// These packets of this stream did not arrive: pairs of a number and a mask of the 16 after it.
    Missing {
        /// Which stream.
        ssrc: u32,
        /// For [`missing`].
        pairs: &'a [u8],
    },
    /// A keyframe of this stream is needed.
    WantsKeyframe {
        /// Which stream.
        ssrc: u32,
    },
    /// Arrivals of everything we sent, for `crate::twcc::read`.
    Arrived {
        /// The message without its header and sources.
        feedback: &'a [u8],
    },
}

/// Reads a compound packet, up to [`MAX_RTCP_PACKETS`] packets of it.
pub fn read(compound: &[u8]) -> impl Iterator<Item = Said<'_>> {
    let mut rest = compound;
    let packets = std::iter::from_fn(move || {
        let &[first, kind, w0, w1] = rest.first_chunk::<4>()?;
        if first >> 6 != 2 {
            return None;
        }
        let len = 4 * (usize::from(u16::from_be_bytes([w0, w1])) + 1);
        let (packet, tail) = rest.split_at_checked(len)?;
        rest = tail;
        Some((first & 0x1f, kind, &packet[4..]))
    });
    packets.take(MAX_RTCP_PACKETS).flat_map(|(format, kind, body)| {
        let (one, blocks) = match (kind, format) {
            (SENDER_REPORT, count) => (sender_info(body), report_blocks(body.get(24..), count)),
            (RECEIVER_REPORT, count) => (None, report_blocks(body.get(4..), count)),
            (TRANSPORT_FEEDBACK, NACK) => {
                (word(body, 1).zip(body.get(8..)).map(|(ssrc, pairs)| Said::Missing { ssrc, pairs }), &[][..])
            }
            (TRANSPORT_FEEDBACK, TRANSPORT_WIDE) => {
                (body.get(8..).map(|feedback| Said::Arrived { feedback }), &[][..])
            }
            (PAYLOAD_FEEDBACK, PLI) => (word(body, 1).map(|ssrc| Said::WantsKeyframe { ssrc }), &[][..]),
            // The stream stands in the entry (RFC 5104 §4.3.1.1).
            (PAYLOAD_FEEDBACK, FIR) => (word(body, 2).map(|ssrc| Said::WantsKeyframe { ssrc }), &[][..]),
            _ => (None, &[][..]),
        };
        one.into_iter().chain(blocks.chunks_exact(BLOCK_BYTES).filter_map(report_block))
    })
}

fn word(body: &[u8], n: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*body.get(4 * n..)?.first_chunk::<4>()?))
}

fn sender_info(body: &[u8]) -> Option<Said<'_>> {
    let ntp = u64::from(word(body, 1)?) << 32 | u64::from(word(body, 2)?);
    Some(Said::Sent { ssrc: word(body, 0)?, ntp, rtp: word(body, 3)? })
}

fn report_blocks(blocks: Option<&[u8]>, count: u8) -> &[u8] {
    let blocks = blocks.unwrap_or_default();
    &blocks[..blocks.len().min(usize::from(count) * BLOCK_BYTES)]
}

fn report_block(block: &[u8]) -> Option<Said<'_>> {
    Some(Said::Received {
        ssrc: word(block, 0)?,
        fraction: *block.get(4)?,
        last_report: word(block, 4)?,
        delay: word(block, 5)?,
    })
}

/// The numbers that a request for repairs asks for.
pub fn missing(pairs: &[u8]) -> impl Iterator<Item = u16> {
    pairs.chunks_exact(4).flat_map(|pair| {
        let first = u16::from_be_bytes([pair[0], pair[1]]);
        let mask = u16::from_be_bytes([pair[2], pair[3]]);
        let rest =
            (0..16_u16).filter(move |bit| mask >> bit & 1 == 1).map(move |bit| first.wrapping_add(bit + 1));
        std::iter::once(first).chain(rest)
    })
}

/// Writes a packet: its header, what `body` appends, and then its length into the header.
fn packet(out: &mut Vec<u8>, format: u8, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[2 << 6 | format & 0x1f, kind, 0, 0]);
    body(out);
    out.resize(start + (out.len() - start).next_multiple_of(4), 0);
    let words = ((out.len() - start) / 4 - 1) as u16;
    out[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
}

fn put(out: &mut Vec<u8>, words: &[u32]) {
    for word in words {
        out.extend_from_slice(&word.to_be_bytes());
    }
}

/// A sender report.
#[derive(Clone, Copy, Debug)]
pub struct SenderReport {
    /// Which stream.
    pub ssrc: u32,
    /// Seconds since 1900 in 32.32 fixed point.
    pub ntp: u64,
    /// The stream's timestamp at that time.
    pub rtp: u32,
    /// Packets sent so far.
    pub packets: u32,
    /// Payload bytes sent so far.
    pub bytes: u32,
}

impl SenderReport {
    /// Appends it, without report blocks.
    pub fn write(&self, out: &mut Vec<u8>) {
        packet(out, 0, SENDER_REPORT, |out| {
            put(
                out,
                &[self.ssrc, (self.ntp >> 32) as u32, self.ntp as u32, self.rtp, self.packets, self.bytes],
            );
        });
    }
}

/// What a receiver report says of one stream.
#[derive(Clone, Copy, Debug)]
pub struct Reported {
    /// Which stream.
    pub ssrc: u32,
    /// How it came in.
    pub block: Block,
    /// The middle of its last sender report's NTP time; 0 for none.
    pub last_report: u32,
    /// How long ago that arrived, in 65,536ths of a second.
    pub delay: u32,
}

/// Appends a receiver report of the first [`MAX_BLOCKS`] streams.
pub fn receiver_report(out: &mut Vec<u8>, own: u32, streams: impl IntoIterator<Item = Reported>) {
    let start = out.len();
    let mut count = 0;
    packet(out, 0, RECEIVER_REPORT, |out| {
        put(out, &[own]);
        for Reported { ssrc, block, last_report, delay } in streams.into_iter().take(MAX_BLOCKS) {
            let lost = u32::from(block.fraction) << 24 | block.lost.cast_unsigned() & 0x00ff_ffff;
            put(out, &[ssrc, lost, block.highest, block.jitter, last_report, delay]);
            count += 1;
        }
    });
    out[start] |= count;
}

/// Appends the canonical name that every compound packet carries (RFC 3550 §6.5.1), of at most 255 bytes.
pub fn canonical_name(out: &mut Vec<u8>, ssrc: u32, name: &str) {
    let name = name.as_bytes().get(..255).unwrap_or(name.as_bytes());
    packet(out, 1, SOURCE_DESCRIPTION, |out| {
        put(out, &[ssrc]);
        out.extend_from_slice(&[1, name.len() as u8]);
        out.extend_from_slice(name);
        // The list of items ends in at least one zero.
        out.push(0);
    });
}

/// Appends the most that somebody should send with, in bit/s, all of these streams together
/// (draft-alvestrand-rmcat-remb-03 §2.2). Past the [`MAX_BLOCKS`]th, streams are left out.
pub fn most_bitrate(out: &mut Vec<u8>, own: u32, bps: u64, streams: impl IntoIterator<Item = u32>) {
    let exponent = (u64::BITS - bps.leading_zeros()).saturating_sub(18);
    let start = out.len();
    let mut count = 0;
    packet(out, APPLICATION_LAYER, PAYLOAD_FEEDBACK, |out| {
        put(out, &[own, 0, u32::from_be_bytes(*b"REMB"), exponent << 18 | (bps >> exponent) as u32]);
        for ssrc in streams.into_iter().take(MAX_BLOCKS) {
            put(out, &[ssrc]);
            count += 1;
        }
    });
    // Before exponent and mantissa: how many streams.
    out[start + 16] = count;
}

/// Appends a request for a keyframe.
pub fn picture_loss(out: &mut Vec<u8>, own: u32, ssrc: u32) {
    packet(out, PLI, PAYLOAD_FEEDBACK, |out| put(out, &[own, ssrc]));
}

/// Appends a request for packets, given in rising order.
pub fn nack(out: &mut Vec<u8>, own: u32, ssrc: u32, numbers: &[u16]) {
    packet(out, NACK, TRANSPORT_FEEDBACK, |out| {
        put(out, &[own, ssrc]);
        let mut numbers = numbers.iter().copied().peekable();
        while let Some(first) = numbers.next() {
            let mut mask = 0_u16;
            while let Some(after) = numbers.peek().map(|next| next.wrapping_sub(first))
                && (1..=16).contains(&after)
            {
                mask |= 1 << (after - 1);
                numbers.next();
            }
            put(out, &[u32::from(first) << 16 | u32::from(mask)]);
        }
    });
}

/// Microseconds in 65,536ths of a second.
#[must_use]
pub fn short_time(us: i64) -> u32 {
    (u64::try_from(us).unwrap_or(0).saturating_mul(65_536) / 1_000_000).min(u64::from(u32::MAX)) as u32
}

/// Microseconds since 1900 in 32.32 fixed point.
#[must_use]
pub fn ntp(us: i64) -> u64 {
    let us = u64::try_from(us).unwrap_or(0);
    let (seconds, rest) = (us / 1_000_000, us % 1_000_000);
    (seconds << 32) | ((rest << 32) / 1_000_000)
}

/// 32.32 fixed point in microseconds.
#[must_use]
pub const fn ntp_us(ntp: u64) -> i64 {
    let (seconds, rest) = (ntp >> 32, ntp & 0xffff_ffff);
    (seconds * 1_000_000 + ((rest * 1_000_000) >> 32)).cast_signed()
}

/// The round trip that a report block proves: now, less how long the report lay there, less when it was sent
/// (RFC 3550 §6.4.1). `now` is the middle of our NTP time.
#[must_use]
pub fn round_trip_us(now: u32, last_report: u32, delay: u32) -> Option<i64> {
    if last_report == 0 {
        return None;
    }
    let ticks = now.wrapping_sub(delay).wrapping_sub(last_report);
    // Rounding may put the answer a tick before the question.
    if ticks > u32::MAX - 66 {
        return Some(0);
    }
    // Longer than a minute is a clock that jumped.
    (ticks < 60 << 16).then(|| (u64::from(ticks) * 1_000_000 / 65_536).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_said_is_heard() {
        let mut out = Vec::new();
        SenderReport { ssrc: 9, ntp: 0x1111_2222_3333_4444, rtp: 5, packets: 6, bytes: 7 }.write(&mut out);
        let block = Block { fraction: 3, lost: -1, highest: 70_000, jitter: 8 };
        receiver_report(&mut out, 1, [Reported { ssrc: 4, block, last_report: 10, delay: 11 }]);
        canonical_name(&mut out, 9, "me");
        picture_loss(&mut out, 1, 7);
        nack(&mut out, 1, 8, &[65_535, 0, 15, 16, 40]);
        let said: Vec<_> = read(&out).collect();
        let [sent, received, Said::WantsKeyframe { ssrc: 7 }, Said::Missing { ssrc: 8, pairs }] = said[..]
        else {
            panic!("{said:?}")
        };
        assert_eq!(sent, Said::Sent { ssrc: 9, ntp: 0x1111_2222_3333_4444, rtp: 5 });
        assert_eq!(received, Said::Received { ssrc: 4, fraction: 3, last_report: 10, delay: 11 });
        assert_eq!(missing(pairs).collect::<Vec<_>>(), [65_535, 0, 15, 16, 40]);
        assert_eq!(pairs.len(), 8 + 4, "within 16 of the first share a pair");
    }

    #[test]
    fn a_limit_is_as_in_the_draft() {
        for (bps, word) in [
            (250_000, 250_000),
            (262_143, 0x3_ffff),
            (262_144, 1 << 18 | 0x2_0000),
            (20_000_000, 7 << 18 | 156_250),
        ] {
            let mut out = Vec::new();
            most_bitrate(&mut out, 1, bps, [7, 8]);
            let words: Vec<u32> =
                out.chunks(4).map(|word| u32::from_be_bytes(word.try_into().unwrap())).collect();
            assert_eq!(words, [0x8f_ce_00_06, 1, 0, 0x5245_4d42, 2 << 24 | word, 7, 8], "{bps}");
        }
    }

    #[test]
    fn a_receiver_report_is_as_in_rfc_3550() {
        let mut out = Vec::new();
        let block = Block { fraction: 0x40, lost: -2, highest: 0x0001_0002, jitter: 3 };
        receiver_report(&mut out, 0x0a0b_0c0d, [Reported { ssrc: 7, block, last_report: 5, delay: 6 }]);
        #[rustfmt::skip]
        assert_eq!(out, [
            0x81, 201, 0, 7, 0x0a, 0x0b, 0x0c, 0x0d,
            0, 0, 0, 7, 0x40, 0xff, 0xff, 0xfe, 0, 1, 0, 2, 0, 0, 0, 3, 0, 0, 0, 5, 0, 0, 0, 6,
        ]);
        out.clear();
        let many = [Reported { ssrc: 7, block, last_report: 5, delay: 6 }; MAX_BLOCKS + 1];
        receiver_report(&mut out, 1, many);
        assert_eq!(out.len(), 8 + MAX_BLOCKS * BLOCK_BYTES);
        assert_eq!(read(&out).count(), MAX_BLOCKS);
    }

    #[test]
    fn a_full_intra_request_is_a_request_for_a_keyframe() {
        let fir = [0x84, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 1, 0, 0, 0];
        assert_eq!(read(&fir).collect::<Vec<_>>(), [Said::WantsKeyframe { ssrc: 9 }]);
    }

    #[test]
    fn so_many_packets_of_a_datagram_and_no_more() {
        let mut out = Vec::new();
        for ssrc in 0..=MAX_RTCP_PACKETS as u32 {
            picture_loss(&mut out, 1, ssrc);
        }
        assert_eq!(read(&out).count(), MAX_RTCP_PACKETS);
    }

    #[test]
    fn times_are_turned_there_and_back() {
        for us in [0, 1, 999_999, 1_000_000, 3_900_000_000_123_456] {
            assert!((ntp_us(ntp(us)) - us).abs() <= 1);
        }
        assert_eq!(short_time(1_500_000), 98_304);
    }

    #[test]
    fn a_round_trip_is_what_was_not_spent_there() {
        assert_eq!(round_trip_us(300_000, 300_000 - 65_536, 32_768), Some(500_000));
        assert_eq!(round_trip_us(5, u32::MAX - 4, 5), Some(76));
        assert_eq!(round_trip_us(9, 0, 0), None, "no report was seen there");
        assert_eq!(round_trip_us(10, 11, 0), Some(0));
        assert_eq!(round_trip_us(10, 11, 1 << 20), None, "a clock jumped");
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            for said in read(&bytes) {
                if let Said::Missing { pairs, .. } = said {
                    prop_assert!(missing(pairs).count() <= 17 * bytes.len());
                }
            }
        }

        #[test]
        fn what_is_asked_for_is_what_is_read(
            numbers in proptest::collection::btree_set(any::<u16>(), 1..60),
        ) {
            let numbers: Vec<u16> = numbers.into_iter().collect();
            let mut out = Vec::new();
            nack(&mut out, 1, 2, &numbers);
            let Some(Said::Missing { pairs, .. }) = read(&out).next() else { panic!("no request") };
            prop_assert_eq!(missing(pairs).collect::<Vec<_>>(), numbers);
        }
    }
}
