//! RTCP: what a browser tells the sender of media, and what it is told (RFC 3550 §6, RFC 4585,
//! draft-holmer-rmcat-transport-wide-cc-extensions-01).

use std::time::{Duration, Instant};

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const TRANSPORT_FEEDBACK: u8 = 205;
const PAYLOAD_FEEDBACK: u8 = 206;

/// Bytes of a sender report before its blocks, and of a block.
const SENDER_INFO: usize = 24;
const BLOCK: usize = 24;

const NACK: u8 = 1;
const TRANSPORT_CC: u8 = 15;
const PLI: u8 = 1;
const FIR: u8 = 4;

/// Something the other end said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Said<'a> {
    /// A keyframe of this stream is wanted.
    WantsKeyframe { ssrc: u32 },
    /// These packets of this stream did not arrive: pairs of a number and a mask of the 16 after it.
    Missing { ssrc: u32, pairs: &'a [u8] },
    /// When this stream's sender report was made: the middle of its NTP time, for our reports' LSR.
    Reported { ssrc: u32, ntp_middle: u32 },
    /// Of this stream the other end gives so many packets up for lost, and came to this number.
    Took { ssrc: u32, lost: u32, highest: u32 },
}

/// Reads a compound packet.
pub(super) fn read(mut compound: &[u8]) -> impl Iterator<Item = Said<'_>> {
    let one = move || -> Option<(u8, u8, &[u8])> {
        let &[first, kind, w0, w1] = compound.first_chunk::<4>()?;
        let len = 4 * (usize::from(u16::from_be_bytes([w0, w1])) + 1);
        let (packet, rest) = compound.split_at_checked(len)?;
        compound = rest;
        Some((first & 0x1f, kind, &packet[4..]))
    };
    std::iter::from_fn(one).flat_map(|(format, kind, body)| {
        let said = match (kind, format) {
            (PAYLOAD_FEEDBACK, PLI) => word(body, 1).map(|ssrc| Said::WantsKeyframe { ssrc }),
            // The target stands in the first entry (RFC 5104 §4.3.1.1).
            (PAYLOAD_FEEDBACK, FIR) => word(body, 2).map(|ssrc| Said::WantsKeyframe { ssrc }),
            (TRANSPORT_FEEDBACK, NACK) => {
                word(body, 1).zip(body.get(8..)).map(|(ssrc, pairs)| Said::Missing { ssrc, pairs })
            }
            (SENDER_REPORT, _) => sender_reported(body),
            _ => None,
        };
        let blocks = match kind {
            SENDER_REPORT => body.get(SENDER_INFO..),
            RECEIVER_REPORT => body.get(4..),
            _ => None,
        };
        let blocks = blocks.unwrap_or_default().chunks_exact(BLOCK).take(usize::from(format));
        said.into_iter().chain(blocks.filter_map(took))
    })
}

fn sender_reported(body: &[u8]) -> Option<Said<'_>> {
    let ntp_middle = word(body, 1)? << 16 | word(body, 2)? >> 16;
    Some(Said::Reported { ssrc: word(body, 0)?, ntp_middle })
}

/// A block of a report (RFC 3550 §6.4.1). Lost packets are signed: repeats may outnumber them.
fn took(block: &[u8]) -> Option<Said<'_>> {
    let lost = word(block, 1)? & 0x00ff_ffff;
    let lost = if lost & 0x0080_0000 == 0 { lost } else { 0 };
    Some(Said::Took { ssrc: word(block, 0)?, lost, highest: word(block, 2)? })
}

fn word(body: &[u8], n: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*body.get(4 * n..)?.first_chunk::<4>()?))
}

/// The numbers a NACK asks for.
pub(super) fn missing(pairs: &[u8]) -> impl Iterator<Item = u16> {
    pairs.chunks_exact(4).flat_map(|pair| {
        let first = u16::from_be_bytes([pair[0], pair[1]]);
        let mask = u16::from_be_bytes([pair[2], pair[3]]);
        let rest =
            (0..16).filter(move |bit| mask >> bit & 1 == 1).map(move |bit| first.wrapping_add(bit + 1));
        std::iter::once(first).chain(rest)
    })
}

/// Writes one packet: header, then what `body` appends, then its length.
fn packet(out: &mut Vec<u8>, format: u8, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[2 << 6 | format, kind, 0, 0]);
    body(out);
    while !(out.len() - start).is_multiple_of(4) {
        out.push(0);
    }
    let words = ((out.len() - start) / 4 - 1) as u16;
    out[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
}

/// A sender report without report blocks. `ntp` is seconds since 1900 in 32.32 fixed point.
pub(super) fn sender_report(out: &mut Vec<u8>, ssrc: u32, ntp: u64, rtp: u32, packets: u32, bytes: u32) {
    packet(out, 0, SENDER_REPORT, |out| {
        out.extend_from_slice(&ssrc.to_be_bytes());
        out.extend_from_slice(&ntp.to_be_bytes());
        for word in [rtp, packets, bytes] {
            out.extend_from_slice(&word.to_be_bytes());
        }
    });
}

/// One block of a receiver report.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub(super) ssrc: u32,
    /// Share lost since the last report, in 256ths.
    pub(super) fraction: u8,
    pub(super) lost: u32,
    pub(super) highest: u32,
    pub(super) jitter: u32,
    pub(super) last_report: u32,
    /// Since that report, in 65,536ths of a second.
    pub(super) delay: u32,
}

/// A receiver report.
pub(super) fn receiver_report(out: &mut Vec<u8>, own: u32, blocks: &[Block]) {
    for blocks in blocks.chunks(31) {
        packet(out, blocks.len() as u8, RECEIVER_REPORT, |out| {
            out.extend_from_slice(&own.to_be_bytes());
            for block in blocks {
                out.extend_from_slice(&block.ssrc.to_be_bytes());
                let lost = u32::from(block.fraction) << 24 | block.lost & 0x00ff_ffff;
                for word in [lost, block.highest, block.jitter, block.last_report, block.delay] {
                    out.extend_from_slice(&word.to_be_bytes());
                }
            }
        });
    }
}

/// A request for a keyframe.
pub(super) fn picture_loss(out: &mut Vec<u8>, own: u32, ssrc: u32) {
    packet(out, PLI, PAYLOAD_FEEDBACK, |out| {
        out.extend_from_slice(&own.to_be_bytes());
        out.extend_from_slice(&ssrc.to_be_bytes());
    });
}

/// A request for packets, which come in rising order.
pub(super) fn nack(out: &mut Vec<u8>, own: u32, ssrc: u32, numbers: impl IntoIterator<Item = u16>) {
    packet(out, NACK, TRANSPORT_FEEDBACK, |out| {
        out.extend_from_slice(&own.to_be_bytes());
        out.extend_from_slice(&ssrc.to_be_bytes());
        let mut pair: Option<(u16, u16)> = None;
        let mut put = |(first, mask): (u16, u16)| {
            out.extend_from_slice(&first.to_be_bytes());
            out.extend_from_slice(&mask.to_be_bytes());
        };
        for number in numbers {
            if let Some((first, mask)) = &mut pair {
                let after = number.wrapping_sub(*first);
                if (1..=16).contains(&after) {
                    *mask |= 1 << (after - 1);
                    continue;
                }
            }
            if let Some(done) = pair.replace((number, 0)) {
                put(done);
            }
        }
        if let Some(done) = pair {
            put(done);
        }
    });
}

/// Arrivals to report for transport-wide congestion control.
#[derive(Debug)]
pub(super) struct Arrivals {
    start: Instant,
    /// Extended number and time, in order of number.
    seen: Vec<(u64, Instant)>,
    last: super::rtp::Extended,
    reports: u8,
}

/// Unit of arrival times.
const TICK: Duration = Duration::from_micros(250);
/// Unit of the reference time.
const REFERENCE: Duration = Duration::from_millis(64);
/// Numbers one report may span: more are reported by the next.
const SPAN: u64 = 2_000;

impl Arrivals {
    pub(super) fn new(start: Instant) -> Self {
        Self { start, seen: Vec::new(), last: super::rtp::Extended::default(), reports: 0 }
    }

    pub(super) fn arrived(&mut self, number: u16, at: Instant) {
        let number = self.last.guess(number);
        self.last.saw(number);
        if self.seen.last().is_none_or(|(last, _)| *last < number) {
            self.seen.push((number, at));
            return;
        }
        let place = self.seen.partition_point(|(known, _)| *known < number);
        if self.seen.get(place).is_none_or(|(known, _)| *known != number) {
            self.seen.insert(place, (number, at));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// Writes a report of what arrived since the last one.
    pub(super) fn report(&mut self, out: &mut Vec<u8>, own: u32, ssrc: u32) {
        let Some(&(first, at)) = self.seen.first() else { return };
        let count = self.seen.partition_point(|(number, _)| *number < first + SPAN);
        let reference = at.saturating_duration_since(self.start).as_micros() / REFERENCE.as_micros();
        let mut clock = self.start + REFERENCE * reference as u32;
        let (mut symbols, mut deltas) = (Vec::new(), Vec::new());
        let mut next = first;
        for &(number, at) in &self.seen[..count] {
            symbols.extend((next..number).map(|_| 0_u8));
            next = number + 1;
            let ticks = ticks_between(clock, at);
            clock = if ticks < 0 {
                clock - TICK * u32::from(ticks.unsigned_abs())
            } else {
                clock + TICK * u32::from(ticks.unsigned_abs())
            };
            match u8::try_from(ticks) {
                Ok(small) => {
                    symbols.push(1);
                    deltas.push(small);
                }
                Err(_) => {
                    symbols.push(2);
                    deltas.extend_from_slice(&ticks.to_be_bytes());
                }
            }
        }
        self.seen.drain(..count);
        let index = self.reports;
        self.reports = index.wrapping_add(1);
        packet(out, TRANSPORT_CC, TRANSPORT_FEEDBACK, |out| {
            out.extend_from_slice(&own.to_be_bytes());
            out.extend_from_slice(&ssrc.to_be_bytes());
            out.extend_from_slice(&(first as u16).to_be_bytes());
            out.extend_from_slice(&(symbols.len() as u16).to_be_bytes());
            out.extend_from_slice(&((reference as u32) << 8 | u32::from(index)).to_be_bytes());
            // Status vectors of seven two-bit symbols: always right, never longest.
            for seven in symbols.chunks(7) {
                let bits = seven
                    .iter()
                    .enumerate()
                    .fold(0xc000_u16, |bits, (n, symbol)| bits | u16::from(*symbol) << (12 - 2 * n));
                out.extend_from_slice(&bits.to_be_bytes());
            }
            out.extend_from_slice(&deltas);
        });
    }
}

fn ticks_between(from: Instant, to: Instant) -> i16 {
    let ticks = |span: Duration| i16::try_from(span.as_micros() / TICK.as_micros()).unwrap_or(i16::MAX);
    match to.checked_duration_since(from) {
        Some(later) => ticks(later),
        None => -ticks(from - to),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn requests_are_read_as_they_were_written() {
        let mut out = Vec::new();
        picture_loss(&mut out, 1, 7);
        nack(&mut out, 1, 8, [65_535, 0, 3, 40, 41]);
        sender_report(&mut out, 9, 0x0000_1111_2222_3333, 5, 6, 7);
        receiver_report(&mut out, 1, &[]);
        let said: Vec<_> = read(&out).collect();
        let [Said::WantsKeyframe { ssrc: 7 }, Said::Missing { ssrc: 8, pairs }, third] = said[..] else {
            panic!("{said:?}")
        };
        assert_eq!(missing(pairs).collect::<Vec<_>>(), [65_535, 0, 3, 40, 41]);
        assert_eq!(third, Said::Reported { ssrc: 9, ntp_middle: 0x1111_2222 });
    }

    #[test]
    fn what_was_taken_is_read_of_every_stream_and_never_negative() {
        let block = |ssrc, lost| Block {
            ssrc,
            fraction: 9,
            lost,
            highest: 70_000,
            jitter: 0,
            last_report: 0,
            delay: 0,
        };
        let mut out = Vec::new();
        receiver_report(&mut out, 1, &[block(7, 3), block(8, 0x00ff_ffff)]);
        // A sender report with the same block behind it (RFC 3550 §6.4.1).
        packet(&mut out, 1, SENDER_REPORT, |out| {
            out.extend_from_slice(&[0; SENDER_INFO]);
            for word in [9_u32, 4, 5, 0, 0, 0] {
                out.extend_from_slice(&word.to_be_bytes());
            }
        });
        let said: Vec<_> = read(&out).collect();
        let took = |ssrc, lost, highest| Said::Took { ssrc, lost, highest };
        let reported = Said::Reported { ssrc: 0, ntp_middle: 0 };
        assert_eq!(said, [took(7, 3, 70_000), took(8, 0, 70_000), reported, took(9, 4, 5)]);
    }

    #[test]
    fn arrivals_are_reported_with_their_gaps() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut arrivals = Arrivals::new(start);
        for (number, ms) in [(65_534, 130), (65_535, 131), (1, 300), (1, 301)] {
            arrivals.arrived(number, at(ms));
        }
        let mut out = Vec::new();
        arrivals.report(&mut out, 1, 2);
        assert!(arrivals.is_empty());
        #[rustfmt::skip]
        assert_eq!(out, [
            0x80 | 15, 205, 0, 6,
            0, 0, 0, 1, 0, 0, 0, 2,
            0xff, 0xfe, 0, 4, // from 65,534 on, four of them
            0, 0, 2, 0, // twice 64 ms; the first report
            0b1101_0100, 0b1000_0000, // small, small, not seen, large
            8, 4, // 2 ms after the reference, 1 ms later
            2, 0xa4, // 169 ms later
            0, 0,
        ]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            for said in read(&bytes) {
                if let Said::Missing { pairs, .. } = said {
                    prop_assert!(missing(pairs).count() <= 17 * bytes.len());
                }
            }
        }
    }
}
