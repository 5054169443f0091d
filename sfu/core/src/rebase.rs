//! Gives every outgoing track one unbroken run of sequence numbers and timestamps, whatever is put
//! into it: another participant, another layer, a source that skips.
//!
//! Outgoing sequence numbers begin below 65,536: a receiver that joins cannot know a rollover counter
//! (RFC 3711 §3.3.1).

use crate::clock::{PAUSE_US, since};

/// How many past corrections are remembered, so that late packets still find theirs.
const SEGMENTS: usize = 8;

/// An outgoing position.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    /// Extended sequence number.
    pub seq: u64,
    /// RTP timestamp.
    pub timestamp: u32,
}

/// One packet of the source, as far as numbering is concerned.
#[derive(Clone, Copy, Debug)]
pub struct Incoming {
    /// Extended sequence number.
    pub seq: u64,
    /// RTP timestamp.
    pub timestamp: u32,
    /// When it was captured, or arrived, on the node's own clock, in microseconds.
    pub at_us: i64,
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    from: u64,
    /// Outgoing minus incoming sequence number.
    delta: i64,
}

/// Numbers one outgoing track.
#[derive(Clone, Debug)]
pub struct Rebaser {
    clock_rate: u32,
    next_seq: u64,
    segments: [Option<Segment>; SEGMENTS],
    newest: u64,
    timestamp_delta: u32,
    last: Option<(u32, i64)>,
}

impl Rebaser {
    /// A track that begins at `start`; only its low 15 bits are used, so that the first rollover is far.
    #[must_use]
    pub fn new(clock_rate: u32, start: u16) -> Self {
        Self {
            clock_rate,
            next_seq: u64::from(start & 0x7fff),
            segments: [None; SEGMENTS],
            newest: 0,
            timestamp_delta: 0,
            last: None,
        }
    }

    /// The first packet of another source: it follows the last one without a gap in numbers, and in
    /// time as much later as it really was.
    pub fn switch(&mut self, packet: Incoming) -> Position {
        let seq = self.next_seq;
        self.segments = [None; SEGMENTS];
        self.segments[0] = Some(Segment { from: packet.seq, delta: delta(seq, packet.seq) });
        self.newest = packet.seq;
        let timestamp = match self.last {
            None => packet.timestamp,
            Some((last, at_us)) => last.wrapping_add(self.ticks(packet.at_us.saturating_sub(at_us)).max(1)),
        };
        self.timestamp_delta = timestamp.wrapping_sub(packet.timestamp);
        self.sent(seq, timestamp, packet.at_us)
    }

    /// Whether the source's timestamps stood still while time went on, as a browser's do while a microphone is off.
    /// Its next packet is then to be taken for the first of another source.
    #[must_use]
    pub fn paused(&self, packet: Incoming) -> bool {
        self.last.is_some_and(|(last, at_us)| {
            let timestamp = packet.timestamp.wrapping_add(self.timestamp_delta);
            let passed_us = since(last, timestamp, self.clock_rate);
            packet.seq > self.newest
                && packet.at_us.saturating_sub(at_us).saturating_sub(passed_us) > PAUSE_US
        })
    }

    /// A further packet of the same source; `None` when it is older than the source's first.
    pub fn map(&mut self, packet: Incoming) -> Option<Position> {
        let segment =
            self.segments.iter().flatten().filter(|s| s.from <= packet.seq).max_by_key(|s| s.from)?;
        let seq = packet.seq.checked_add_signed(segment.delta)?;
        let timestamp = packet.timestamp.wrapping_add(self.timestamp_delta);
        if packet.seq > self.newest {
            self.newest = packet.seq;
            return Some(self.sent(seq, timestamp, packet.at_us));
        }
        Some(Position { seq, timestamp })
    }

    /// A packet of the source that is not forwarded (padding): the numbers after it close up, so that
    /// nobody asks for it. One that arrives late leaves its gap.
    pub fn skip(&mut self, seq: u64) {
        let Some(last) = self.segments.iter().flatten().max_by_key(|s| s.from).copied() else { return };
        if seq != self.newest.wrapping_add(1) {
            return;
        }
        self.newest = seq;
        // A run of padding moves one correction along rather than pushing out the others.
        if let Some(same) = self.segments.iter_mut().flatten().find(|s| s.from == seq && s.from == last.from)
        {
            *same = Segment { from: seq + 1, delta: last.delta - 1 };
            return;
        }
        let oldest = self.segments.iter_mut().min_by_key(|s| s.map_or(0, |s| s.from));
        if let Some(slot) = oldest {
            *slot = Some(Segment { from: seq + 1, delta: last.delta - 1 });
        }
    }

    fn sent(&mut self, seq: u64, timestamp: u32, at_us: i64) -> Position {
        self.next_seq = self.next_seq.max(seq + 1);
        self.last = Some((timestamp, at_us));
        Position { seq, timestamp }
    }

    fn ticks(&self, us: i64) -> u32 {
        let ticks = us.max(0).unsigned_abs().saturating_mul(u64::from(self.clock_rate)) / 1_000_000;
        // An hour of silence may wrap the timestamp, as it would at the source.
        (ticks & u64::from(u32::MAX)) as u32
    }
}

fn delta(outgoing: u64, incoming: u64) -> i64 {
    i64::try_from(i128::from(outgoing) - i128::from(incoming)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seq: u64, timestamp: u32, ms: i64) -> Incoming {
        Incoming { seq, timestamp, at_us: ms * 1_000 }
    }

    #[test]
    fn a_source_that_paused_goes_on_as_much_later_as_it_was() {
        let mut track = Rebaser::new(48_000, 7);
        let before = track.switch(at(10, 0, 0));
        assert!(!track.paused(at(11, 960, 900)), "late, as packets are");
        assert!(!track.paused(at(500, 48_000 * 9, 9_000)), "nothing came, and the source counted on");
        let after = at(11, 960, 5_000);
        assert!(track.paused(after));
        assert!(!track.paused(at(9, 0, 5_000)), "an old one");
        let position = track.switch(after);
        assert_eq!(position.seq, before.seq + 1);
        assert_eq!(position.timestamp, before.timestamp + 5 * 48_000);
        assert!(!track.paused(at(12, 1_920, 5_020)));
    }

    fn video() -> Rebaser {
        Rebaser::new(90_000, 100)
    }

    #[test]
    fn it_begins_below_65536_whatever_the_source_says() {
        for start in [0, 0x7fff, 0x8000, u16::MAX] {
            let mut track = Rebaser::new(90_000, start);
            assert!(track.switch(at(7_000_000, 5, 0)).seq < 0x8000);
        }
    }

    #[test]
    fn order_and_gaps_of_one_source_are_kept() {
        let mut track = video();
        assert_eq!(track.switch(at(10, 1_000, 0)), Position { seq: 100, timestamp: 1_000 });
        assert_eq!(track.map(at(13, 4_000, 33)), Some(Position { seq: 103, timestamp: 4_000 }));
        assert_eq!(track.map(at(11, 1_000, 33)), Some(Position { seq: 101, timestamp: 1_000 }));
        assert_eq!(track.map(at(9, 1_000, 33)), None);
    }

    #[test]
    fn another_source_follows_without_a_gap_and_as_much_later_as_it_was() {
        let mut track = video();
        track.switch(at(10, 1_000, 0));
        track.map(at(11, 4_000, 33));
        let first = track.switch(at(60_000, 77, 133));
        assert_eq!(first, Position { seq: 102, timestamp: 4_000 + 9_000 });
        assert_eq!(track.map(at(60_001, 77 + 3_000, 166)), Some(Position { seq: 103, timestamp: 16_000 }));
        assert_eq!(track.map(at(12, 5_000, 170)), None, "the old source is over");
    }

    #[test]
    fn a_source_that_seems_to_come_from_the_past_still_moves_time_forward() {
        let mut track = video();
        track.switch(at(10, 1_000, 500));
        assert_eq!(track.switch(at(1, 9, 100)).timestamp, 1_001);
    }

    #[test]
    fn padding_leaves_no_gap_and_late_packets_find_their_number() {
        let mut track = video();
        track.switch(at(10, 0, 0));
        track.skip(11);
        assert_eq!(track.map(at(12, 0, 1)).unwrap().seq, 101);
        track.skip(13);
        track.skip(14);
        assert_eq!(track.map(at(16, 0, 1)).unwrap().seq, 103);
        assert_eq!(track.map(at(15, 0, 1)).unwrap().seq, 102);
        track.skip(12);
        assert_eq!(track.map(at(17, 0, 1)).unwrap().seq, 104, "a late one changes nothing");
    }

    #[test]
    fn a_run_of_padding_does_not_close_the_door_on_what_was_before() {
        let mut track = video();
        track.switch(at(10, 0, 0));
        for seq in 12..40 {
            track.skip(seq);
        }
        track.map(at(12, 0, 1));
        for seq in 13..40 {
            track.skip(seq);
        }
        assert_eq!(track.map(at(40, 0, 2)).unwrap().seq, 103);
        assert_eq!(track.map(at(11, 0, 2)).unwrap().seq, 101, "a repair from before the padding");
    }

    proptest! {
        #[test]
        fn numbers_only_repeat_for_the_same_packet(
            moves in proptest::collection::vec((0_u8..10, 0_u64..6, 0_u32..9_000), 1..200),
        ) {
            let mut track = video();
            let mut seq = 1_u64 << 40;
            track.switch(at(seq, 0, 0));
            let mut last_out = 100;
            for (n, (kind, step, ts)) in moves.into_iter().enumerate() {
                let ms = i64::try_from(n).unwrap();
                match kind {
                    0 => {
                        seq = seq.wrapping_mul(31) >> 3;
                        let out = track.switch(at(seq, ts, ms)).seq;
                        prop_assert_eq!(out, last_out + 1);
                        last_out = out;
                    }
                    1 => { seq += 1; track.skip(seq); }
                    _ => {
                        seq += step + 1;
                        let out = track.map(at(seq, ts, ms)).unwrap().seq;
                        prop_assert!(out > last_out);
                        last_out = out;
                    }
                }
            }
        }

        #[test]
        fn any_numbers_are_survived(
            moves in proptest::collection::vec((any::<u8>(), any::<u64>(), any::<u32>(), any::<i64>()), 0..50),
        ) {
            let mut track = video();
            for (kind, seq, timestamp, at_us) in moves {
                // The media engine extends 16 bits; 48 bits of rollover is past any call.
                let packet = Incoming { seq: seq >> 2, timestamp, at_us };
                match kind % 3 {
                    0 => { track.switch(packet); }
                    1 => { track.map(packet); }
                    _ => track.skip(packet.seq),
                }
            }
        }
    }
}
