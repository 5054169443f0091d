//! Reporting what arrived.

use super::{DELTA_US, LONGEST_RUN, ONE_BIT, REFERENCE_MASK, REFERENCE_US, Status, TWO_BIT};
use crate::limits::{MAX_ARRIVALS, MAX_FEEDBACK_BYTES};

/// Nothing arrived under this number.
const NOTHING: i64 = i64::MIN;

/// How far behind what was reported a late packet may come and still be reported, with all after it once
/// more. Half the memory, so that reporting again never pushes out what is new.
const LATEST: i64 = MAX_ARRIVALS as i64 / 2;

/// So many packets in a row far behind the newest are not late: the sender began again.
const RESTART_AFTER: u8 = 4;

/// The packet type and format: transport feedback, transport-wide.
const HEADER: [u8; 2] = [2 << 6 | 15, 205];

/// Bytes before the status chunks.
const FIXED_BYTES: usize = 20;

/// Packets that arrived from one sender, until they are reported.
#[derive(Debug, Default)]
pub struct Arrivals {
    /// When each of the newest numbers arrived, in units of 250 µs. Empty until the first packet.
    times: Box<[i64]>,
    /// The first number, extended, that is not reported.
    first: i64,
    /// The number after the newest.
    next: i64,
    /// Packets in a row that were too far behind.
    strangers: u8,
    reports: u8,
}

impl Arrivals {
    /// A packet arrived that carried this transport-wide number.
    pub fn record(&mut self, number: u16, at_us: i64) {
        let ticks = at_us.div_euclid(DELTA_US);
        if self.times.is_empty() {
            self.times = vec![NOTHING; MAX_ARRIVALS].into_boxed_slice();
            self.begin(number);
        }
        let ahead = number.wrapping_sub(self.next as u16).cast_signed();
        let mut extended = self.next + i64::from(ahead);
        if extended < self.first - LATEST || extended < self.next - MAX_ARRIVALS as i64 {
            self.strangers += 1;
            if self.strangers < RESTART_AFTER {
                return;
            }
            self.times.fill(NOTHING);
            self.begin(number);
            extended = self.next;
        }
        self.strangers = 0;
        self.reach(extended);
        let slot = &mut self.times[slot(extended)];
        if *slot == NOTHING {
            *slot = ticks;
            self.first = self.first.min(extended);
        }
    }

    /// Whether there is nothing to report.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.first == self.next
    }

    /// Appends one RTCP packet that reports what arrived since the last one, and says whether there was
    /// anything. It is at most [`MAX_FEEDBACK_BYTES`] long: more is left for another call.
    pub fn write(&mut self, out: &mut Vec<u8>, sender_ssrc: u32, media_ssrc: u32) -> bool {
        let Some(at) = self.numbers().find_map(|number| self.arrival(number)) else {
            self.first = self.next;
            return false;
        };
        let reference = at.div_euclid(REFERENCE_US / DELTA_US);
        let clock = reference * (REFERENCE_US / DELTA_US);
        let end = self.fitting(clock);
        let start = out.len();
        out.extend_from_slice(&HEADER);
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&sender_ssrc.to_be_bytes());
        out.extend_from_slice(&media_ssrc.to_be_bytes());
        out.extend_from_slice(&(self.first as u16).to_be_bytes());
        out.extend_from_slice(&((end - self.first) as u16).to_be_bytes());
        let time = (reference & REFERENCE_MASK) as u32;
        out.extend_from_slice(&(time << 8 | u32::from(self.reports)).to_be_bytes());
        self.reports = self.reports.wrapping_add(1);
        let mut statuses = [Status::Missing; MAX_ARRIVALS];
        let count = (end - self.first) as usize;
        for (status, (said, _)) in statuses[..count].iter_mut().zip(self.statuses(clock)) {
            *status = said;
        }
        write_chunks(out, &statuses[..count]);
        self.write_deltas(out, clock, end);
        while !(out.len() - start).is_multiple_of(4) {
            out.push(0);
        }
        let words = ((out.len() - start) / 4 - 1) as u16;
        out[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
        self.first = end;
        true
    }

    /// Forgets everything and expects this number next. Extended numbers begin high, so that what is late
    /// has room below.
    fn begin(&mut self, number: u16) {
        self.first = 0x1_0000 + i64::from(number);
        self.next = self.first;
    }

    /// Makes room up to this number; what falls out of memory unreported is never reported.
    fn reach(&mut self, number: i64) {
        if number < self.next {
            return;
        }
        let memory = MAX_ARRIVALS as i64;
        for passed in self.next.max(number + 1 - memory)..=number {
            self.times[slot(passed)] = NOTHING;
        }
        self.next = number + 1;
        self.first = self.first.max(self.next - memory);
    }

    fn numbers(&self) -> std::ops::Range<i64> {
        self.first..self.next
    }

    fn arrival(&self, number: i64) -> Option<i64> {
        Some(self.times[slot(number)]).filter(|ticks| *ticks != NOTHING)
    }

    /// The statuses from the first number on, with the delta of each; ends where a delta cannot be said.
    fn statuses(&self, mut clock: i64) -> impl Iterator<Item = (Status, i64)> {
        self.numbers().map_while(move |number| {
            let Some(at) = self.arrival(number) else { return Some((Status::Missing, 0)) };
            let delta = at - clock;
            clock = at;
            match delta {
                0..=0xff => Some((Status::Small, delta)),
                -0x8000..=0x7fff => Some((Status::Large, delta)),
                _ => None,
            }
        })
    }

    /// The number after the last one that one packet has room for.
    fn fitting(&self, clock: i64) -> i64 {
        let mut end = self.first;
        let mut deltas = 0;
        for (status, _) in self.statuses(clock) {
            deltas += status.len();
            let statuses = (end + 1 - self.first) as usize;
            // Chunks hold seven statuses or more.
            if FIXED_BYTES + 2 * statuses.div_ceil(TWO_BIT) + deltas > MAX_FEEDBACK_BYTES {
                break;
            }
            end += 1;
        }
        end
    }

    fn write_deltas(&self, out: &mut Vec<u8>, clock: i64, end: i64) {
        for (status, delta) in self.statuses(clock).take((end - self.first) as usize) {
            match status {
                Status::Missing => {}
                Status::Small => out.push(delta as u8),
                Status::Large => out.extend_from_slice(&(delta as i16).to_be_bytes()),
            }
        }
    }
}

const fn slot(number: i64) -> usize {
    number.rem_euclid(MAX_ARRIVALS as i64) as usize
}

/// A run where it says more than a vector would, else one bit each where no status needs two.
fn write_chunks(out: &mut Vec<u8>, mut statuses: &[Status]) {
    while let Some(&first) = statuses.first() {
        let leading = |most: usize, same: &dyn Fn(Status) -> bool| {
            statuses.iter().take(most).take_while(|status| same(**status)).count()
        };
        let run = leading(LONGEST_RUN, &|status| status == first);
        let one_bit = leading(ONE_BIT, &|status| status != Status::Large);
        let whole = one_bit == ONE_BIT || one_bit == statuses.len();
        let vector = if whole { one_bit } else { statuses.len().min(TWO_BIT) };
        let vector_of = |kind: u16, width: usize, room: usize| {
            (0..vector).fold(kind, |word, n| word | statuses[n].bits() << (width * (room - 1 - n)))
        };
        let (word, taken) = if run >= vector {
            (first.bits() << 13 | run as u16, run)
        } else if whole {
            (vector_of(0x8000, 1, ONE_BIT), vector)
        } else {
            (vector_of(0xc000, 2, TWO_BIT), vector)
        };
        out.extend_from_slice(&word.to_be_bytes());
        statuses = &statuses[taken..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twcc::read;

    const MS: i64 = 1_000;

    /// What one report says, with times in milliseconds.
    fn report(arrivals: &mut Arrivals) -> Vec<(u16, Option<i64>)> {
        let mut out = Vec::new();
        assert!(arrivals.write(&mut out, 1, 2));
        let said = read(&out[12..]).unwrap();
        said.statuses().map(|(number, at)| (number, at.map(|at| at / MS))).collect()
    }

    fn arrived(packets: &[(u16, i64)]) -> Arrivals {
        let mut arrivals = Arrivals::default();
        for (number, ms) in packets {
            arrivals.record(*number, ms * MS);
        }
        arrivals
    }

    #[test]
    fn the_bytes_are_those_of_the_draft() {
        let mut arrivals = arrived(&[(65_534, 130), (65_535, 131), (1, 300), (1, 301)]);
        let mut out = Vec::new();
        assert!(arrivals.write(&mut out, 1, 2));
        #[rustfmt::skip]
        assert_eq!(out, [
            0x8f, 205, 0, 6,
            0, 0, 0, 1, 0, 0, 0, 2,
            0xff, 0xfe, 0, 4,
            0, 0, 2, 0,
            0b1101_0100, 0b1000_0000,
            8, 4, // 2 ms after 128 ms, 1 ms later
            2, 0xa4, // 169 ms later
            0, 0,
        ]);
        assert!(!arrivals.write(&mut out, 1, 2), "nothing is left");
        assert!(arrivals.is_empty());
    }

    #[test]
    fn what_is_missing_between_two_reports_is_said() {
        let mut arrivals = arrived(&[(10, 0), (11, 5)]);
        report(&mut arrivals);
        arrivals.record(14, 60 * MS);
        assert_eq!(report(&mut arrivals), [(12, None), (13, None), (14, Some(60))]);
    }

    #[test]
    fn a_late_packet_is_reported_with_all_after_it_once_more() {
        let mut arrivals = arrived(&[(10, 0), (12, 5)]);
        assert_eq!(report(&mut arrivals), [(10, Some(0)), (11, None), (12, Some(5))]);
        arrivals.record(11, 60 * MS);
        arrivals.record(13, 61 * MS);
        assert_eq!(report(&mut arrivals), [(11, Some(60)), (12, Some(5)), (13, Some(61))]);
        arrivals.record(12, 70 * MS);
        assert!(arrivals.is_empty(), "it is known already");
    }

    #[test]
    fn what_comes_so_late_is_reported_and_no_later() {
        let newest = 40_000;
        let late = newest + 1 - LATEST as u16;
        let mut arrivals = arrived(&[(newest - 300, 0), (newest, 1)]);
        while arrivals.write(&mut Vec::new(), 1, 2) {}
        arrivals.record(late - 1, 2 * MS);
        assert!(arrivals.is_empty());
        arrivals.record(late, 2 * MS);
        assert_eq!(report(&mut arrivals)[0], (late, Some(2)));
    }

    #[test]
    fn so_many_are_remembered_and_no_more() {
        let memory = MAX_ARRIVALS as u16;
        for (sent, first) in [(memory, 0), (memory + 1, 1)] {
            let mut arrivals = Arrivals::default();
            (0..sent).for_each(|number| arrivals.record(number, i64::from(number) * MS));
            assert_eq!(report(&mut arrivals)[0], (first, Some(i64::from(first))));
        }
    }

    #[test]
    fn a_report_stays_below_its_size_and_the_next_goes_on() {
        let mut arrivals = Arrivals::default();
        for number in 0..MAX_ARRIVALS as u16 {
            arrivals.record(number, i64::from(number) * 100 * MS);
        }
        let mut out = Vec::new();
        assert!(arrivals.write(&mut out, 1, 2));
        assert!((900..=MAX_FEEDBACK_BYTES).contains(&out.len()), "{}", out.len());
        let end = read(&out[12..]).unwrap().count();
        assert_eq!(report(&mut arrivals)[0], (end, Some(i64::from(end) * 100)));
        assert!(arrivals.is_empty());
    }

    #[test]
    fn a_pause_no_delta_can_say_begins_another_report() {
        let mut arrivals = arrived(&[(1, 0), (2, 8_000), (3, 17_000)]);
        assert_eq!(report(&mut arrivals), [(1, Some(0)), (2, Some(8_000))]);
        assert_eq!(report(&mut arrivals), [(3, Some(17_000))]);
    }

    #[test]
    fn a_sender_that_begins_again_is_followed() {
        let mut arrivals = arrived(&[(20_000, 0)]);
        report(&mut arrivals);
        for number in 0..RESTART_AFTER {
            assert!(arrivals.is_empty());
            arrivals.record(u16::from(number), 100 * MS);
        }
        assert_eq!(report(&mut arrivals), [(3, Some(100))]);
    }

    #[test]
    fn a_long_gap_costs_no_more_than_what_is_remembered() {
        let mut arrivals = arrived(&[(0, 0)]);
        report(&mut arrivals);
        arrivals.record(30_000, 100 * MS);
        assert_eq!(report(&mut arrivals).len(), MAX_ARRIVALS);
    }

    #[test]
    fn one_loss_among_many_takes_few_bytes() {
        let mut arrivals = Arrivals::default();
        for number in (0..70).filter(|n| *n != 30) {
            arrivals.record(number, i64::from(number) * MS);
        }
        let mut out = Vec::new();
        arrivals.write(&mut out, 1, 2);
        // A run of 30, a vector of 14, a run of 26, and 69 deltas.
        assert_eq!(out.len(), (FIXED_BYTES + 3 * 2 + 69_usize).next_multiple_of(4));
    }
}
