//! What is known of a stream that comes in: which packets came, which are missing, and what a receiver report says
//! of it (RFC 3550 §6.4.1, appendix A).

use crate::{
    limits::{MAX_ASKED, MAX_GAP, MAX_MISSING, MISSING_KEPT_US, REORDERING_US},
    rtp::extend,
};

const WINDOW_WORDS: usize = 8;
/// How far behind the newest a packet may be and still be told from a repeat.
const WINDOW: u64 = 64 * WINDOW_WORDS as u64;

/// Which numbers of a stream were seen: against replay (RFC 3711 §3.3.2), and for the rollover counter.
#[derive(Clone, Debug, Default)]
pub struct Window {
    newest: Option<u64>,
    /// Bit `n % WINDOW` is number n, for those within the window.
    seen: [u64; WINDOW_WORDS],
}

impl Window {
    /// The extended number that a number on the wire most likely is.
    #[must_use]
    pub const fn guess(&self, number: u16) -> u64 {
        extend(self.newest, number)
    }

    /// The newest seen.
    #[must_use]
    pub const fn newest(&self) -> Option<u64> {
        self.newest
    }

    /// Whether a packet was not seen yet, as far as can be told.
    #[must_use]
    pub fn is_new(&self, number: u64) -> bool {
        match self.newest {
            None => true,
            Some(newest) if number > newest => true,
            Some(newest) => newest - number < WINDOW && self.seen[word(number)] & bit(number) == 0,
        }
    }

    /// Records an authenticated packet.
    pub fn saw(&mut self, number: u64) {
        let before = self.newest.unwrap_or(number);
        if number > before {
            if number - before >= WINDOW {
                self.seen = [0; WINDOW_WORDS];
            } else {
                for passed in before + 1..number {
                    self.seen[word(passed)] &= !bit(passed);
                }
            }
        }
        self.seen[word(number)] |= bit(number);
        self.newest = Some(before.max(number));
    }
}

const fn word(number: u64) -> usize {
    (number % WINDOW / 64) as usize
}

const fn bit(number: u64) -> u64 {
    1 << (number % 64)
}

#[derive(Clone, Copy, Debug)]
struct Missing {
    seq: u64,
    noticed_us: i64,
    asked_us: i64,
    asked: u8,
}

/// What is missing of a stream and when to ask for it (RFC 4585 §6.2.1).
#[derive(Debug, Default)]
pub struct Gaps {
    missing: Vec<Missing>,
    /// Something will not come any more.
    lost: bool,
}

impl Gaps {
    /// Whether something was given up since the last time. What shows pictures of this stream needs a keyframe, and would
    /// notice only after seconds.
    pub const fn take_lost(&mut self) -> bool {
        std::mem::replace(&mut self.lost, false)
    }

    /// The stream went on from `newest` to `seq`.
    pub fn passed(&mut self, newest: u64, seq: u64, now_us: i64) {
        if seq.saturating_sub(newest) > MAX_GAP {
            self.missing.clear();
            self.lost = true;
            return;
        }
        for seq in newest + 1..seq {
            if self.missing.len() >= MAX_MISSING {
                self.missing.remove(0);
                self.lost = true;
            }
            self.missing.push(Missing { seq, noticed_us: now_us, asked_us: now_us, asked: 0 });
        }
    }

    /// A packet came after all.
    pub fn came(&mut self, seq: u64) {
        if !self.missing.is_empty() {
            self.missing.retain(|missing| missing.seq != seq);
        }
    }

    /// When something should be asked for.
    #[must_use]
    pub fn deadline_us(&self, rtt_us: i64) -> Option<i64> {
        self.missing.iter().map(|missing| missing.due_us(rtt_us)).min()
    }

    /// Writes the numbers to ask for now, in rising order, and says how many; forgets those that are no longer
    /// worth it.
    pub fn poll(&mut self, now_us: i64, rtt_us: i64, out: &mut [u16; MAX_MISSING]) -> usize {
        let mut count = 0;
        let lost = &mut self.lost;
        self.missing.retain_mut(|missing| {
            if missing.due_us(rtt_us) > now_us {
                return true;
            }
            if missing.asked == MAX_ASKED || missing.noticed_us.saturating_add(MISSING_KEPT_US) <= now_us {
                *lost = true;
                return false;
            }
            missing.asked += 1;
            missing.asked_us = now_us;
            out[count] = missing.seq as u16;
            count += 1;
            true
        });
        count
    }
}

impl Missing {
    fn due_us(&self, rtt_us: i64) -> i64 {
        let after = if self.asked == 0 { REORDERING_US } else { rtt_us.max(20_000) + 10_000 };
        self.asked_us.saturating_add(after)
    }
}

/// One block of a receiver report, as far as the stream itself knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Block {
    /// Share lost since the last block, in 256ths.
    pub fraction: u8,
    /// Lost in all; negative when there were repeats.
    pub lost: i32,
    /// The newest number.
    pub highest: u32,
    /// Interarrival jitter, in ticks of the stream's clock.
    pub jitter: u32,
}

/// Counts for receiver reports.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    first: Option<u64>,
    received: u64,
    expected_before: u64,
    received_before: u64,
    /// In sixteenths of a tick.
    jitter: u64,
    transit: Option<i64>,
}

impl Tally {
    /// A packet came (repairs left out).
    pub fn count(&mut self, seq: u64, timestamp: u32, at_us: i64, clock_rate: u32) {
        let first = self.first.get_or_insert(seq);
        *first = seq.min(*first);
        self.received += 1;
        let ticks = at_us.wrapping_mul(i64::from(clock_rate)) / 1_000_000;
        // In 32 bits, as on the wire.
        let transit = i64::from((ticks as u32).wrapping_sub(timestamp));
        if let Some(before) = self.transit.replace(transit) {
            let d = u64::from((transit as u32).wrapping_sub(before as u32).cast_signed().unsigned_abs());
            self.jitter = self.jitter + d - ((self.jitter + 8) >> 4);
        }
    }

    /// The block to report now.
    pub fn report(&mut self, newest: Option<u64>) -> Option<Block> {
        let (first, newest) = (self.first?, newest?);
        let expected = newest.saturating_sub(first) + 1;
        let expected_now = expected.saturating_sub(self.expected_before);
        let received_now = self.received.saturating_sub(self.received_before);
        self.expected_before = expected;
        self.received_before = self.received;
        let lost_now = expected_now.saturating_sub(received_now);
        let lost =
            i64::try_from(expected).unwrap_or(i64::MAX) - i64::try_from(self.received).unwrap_or(i64::MAX);
        Some(Block {
            fraction: (lost_now * 256).checked_div(expected_now).unwrap_or(0).min(255) as u8,
            lost: lost.clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest: newest as u32,
            jitter: (self.jitter >> 4) as u32,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn asked(gaps: &mut Gaps, ms: i64, rtt_ms: i64) -> Vec<u16> {
        let mut out = [0; MAX_MISSING];
        let count = gaps.poll(ms * 1_000, rtt_ms * 1_000, &mut out);
        out[..count].to_vec()
    }

    #[test]
    fn a_gap_is_asked_for_until_it_is_closed_or_old() {
        let mut gaps = Gaps::default();
        gaps.passed(10, 14, 0);
        assert_eq!(gaps.deadline_us(50_000), Some(REORDERING_US));
        assert_eq!(asked(&mut gaps, 4, 50), [0_u16; 0], "it may be reordering");
        gaps.came(12);
        assert_eq!(asked(&mut gaps, 5, 50), [11, 13]);
        assert_eq!(asked(&mut gaps, 40, 50), [0_u16; 0], "under way");
        assert_eq!(asked(&mut gaps, 65, 50), [11, 13]);
        gaps.came(11);
        assert_eq!(asked(&mut gaps, 125, 50), [13]);
        assert!(!gaps.take_lost());
        assert_eq!(asked(&mut gaps, 1_000, 50), [0_u16; 0], "too old");
        assert!(gaps.take_lost() && !gaps.take_lost(), "said once");
        assert_eq!(gaps.deadline_us(50_000), None);
    }

    #[test]
    fn so_often_and_no_more() {
        let mut gaps = Gaps::default();
        gaps.passed(0, 2, 0);
        let times = (5..400).filter(|ms| !asked(&mut gaps, *ms, 0).is_empty()).count();
        assert_eq!(times, usize::from(MAX_ASKED));
        assert!(gaps.take_lost());
    }

    #[test]
    fn so_many_at_a_time_and_a_wide_gap_is_a_new_beginning() {
        let mut gaps = Gaps::default();
        gaps.passed(0, MAX_GAP, 0);
        assert_eq!(asked(&mut gaps, 5, 0).len(), MAX_GAP as usize - 1);
        gaps.passed(MAX_GAP, 2 * MAX_GAP, 5_000);
        assert_eq!(gaps.missing.len(), MAX_MISSING);
        assert!(gaps.take_lost(), "the oldest of them");
        gaps.passed(MAX_GAP, 2 * MAX_GAP + 1, 5_000);
        assert_eq!(gaps.missing.len(), 0);
        assert!(gaps.take_lost());
    }

    #[test]
    fn numbers_are_asked_for_in_order_across_a_turn() {
        let mut gaps = Gaps::default();
        gaps.passed(65_533, 65_538, 0);
        assert_eq!(asked(&mut gaps, 5, 0), [65_534, 65_535, 0, 1]);
    }

    #[test]
    fn repeats_and_what_is_too_old_are_told_from_new_ones() {
        let mut window = Window::default();
        for seq in [100, 101, 105] {
            assert!(window.is_new(seq));
            window.saw(seq);
            assert!(!window.is_new(seq));
        }
        assert!(window.is_new(104) && window.is_new(99));
        window.saw(100 + WINDOW);
        assert!(!window.is_new(100), "outside the window");
        assert!(window.is_new(104));
        window.saw(10_000);
        assert!(window.is_new(9_999) && !window.is_new(105));
    }

    #[test]
    fn a_report_says_what_was_lost_and_how_unsteady_it_came() {
        let mut tally = Tally::default();
        for n in 0..100_u64 {
            if n % 10 != 3 {
                // Every other packet 2 ms late.
                let at = n as i64 * 20_000 + if n % 2 == 0 { 0 } else { 2_000 };
                tally.count(n, n as u32 * 960, at, 48_000);
            }
        }
        let block = tally.report(Some(99)).unwrap();
        assert_eq!((block.fraction, block.lost, block.highest), (25, 10, 99));
        assert!((70..=100).contains(&block.jitter), "{}", block.jitter);
        for n in 100..110 {
            tally.count(n, n as u32 * 960, n as i64 * 20_000, 48_000);
        }
        assert_eq!(tally.report(Some(109)).unwrap().fraction, 0, "since the last report");
        assert_eq!(Tally::default().report(None), None);
    }

    proptest! {
        #[test]
        fn the_window_agrees_with_a_set(steps in proptest::collection::vec(0_u64..700, 1..300)) {
            let (mut window, mut set) = (Window::default(), std::collections::BTreeSet::new());
            let mut base = 0;
            for step in steps {
                let seq = base + step;
                let newest = set.last().copied().unwrap_or(seq);
                let fresh = seq > newest || newest - seq < WINDOW && !set.contains(&seq);
                prop_assert_eq!(window.is_new(seq), fresh || set.is_empty());
                window.saw(seq);
                set.insert(seq);
                base = set.last().copied().unwrap_or(0).saturating_sub(300);
            }
        }

        #[test]
        fn any_numbers_are_survived(seqs in proptest::collection::vec((any::<u16>(), any::<u32>(), any::<i64>()), 0..60)) {
            let (mut window, mut gaps, mut tally) = (Window::default(), Gaps::default(), Tally::default());
            let mut out = [0; MAX_MISSING];
            for (number, timestamp, at) in seqs {
                let seq = window.guess(number);
                if let Some(newest) = window.newest() {
                    gaps.passed(newest, seq, at);
                }
                gaps.came(seq);
                window.saw(seq);
                tally.count(seq, timestamp, at, 90_000);
                gaps.poll(at, 0, &mut out);
                tally.report(window.newest());
                prop_assert!(gaps.missing.len() <= MAX_MISSING);
            }
        }
    }
}
