//! The packets of one stream that came in lately, opened: what subscribers are sent and what their repairs come
//! from. One history serves all of them.
//!
//! Payloads lie end to end in a ring of bytes that grows to what the stream needs, and no further than
//! [`MAX_HISTORY_BYTES`]; in steady state nothing is allocated.

use crate::limits::{HISTORY_KEPT_US, HISTORY_STEP_BYTES, MAX_HISTORY_BYTES};
use std::collections::VecDeque;

/// What is remembered of a packet beside its payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet {
    /// Extended sequence number.
    pub seq: u64,
    /// RTP timestamp.
    pub timestamp: u32,
    /// The last packet of a frame.
    pub marker: bool,
    /// Voice activity and loudness.
    pub audio_level: Option<u8>,
    /// When it arrived, in microseconds.
    pub at_us: i64,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    packet: Packet,
    /// Position of its first byte, counted from the ring's beginning and never wrapping.
    from: u64,
    len: u16,
}

/// One stream's history.
#[derive(Debug, Default)]
pub struct History {
    bytes: Vec<u8>,
    slots: Vec<Option<Slot>>,
    /// Where each payload begins and when it came, oldest first.
    order: VecDeque<(u64, i64)>,
    /// Where the next payload goes; never wraps.
    end: u64,
}

impl History {
    /// A history of at most `packets`.
    #[must_use]
    pub fn new(packets: usize) -> Self {
        let packets = packets.max(1);
        let order = VecDeque::with_capacity(packets + 1);
        Self { bytes: Vec::new(), slots: vec![None; packets], order, end: 0 }
    }

    /// Lets `fill` write a payload of `len` bytes and keeps it if that succeeds. `fill` says how many of the
    /// bytes, from which offset on, are the payload.
    pub fn insert(
        &mut self,
        packet: Packet,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> Option<std::ops::Range<usize>>,
    ) -> Option<&[u8]> {
        if len > HISTORY_STEP_BYTES {
            return None;
        }
        let start = self.reserve(len, packet.at_us);
        let at = (start % self.bytes.len().max(1) as u64) as usize;
        let kept = fill(self.bytes.get_mut(at..at + len)?)?;
        let (from, used) = (start + kept.start as u64, kept.end.checked_sub(kept.start)?);
        if kept.end > len {
            return None;
        }
        self.end = start + len as u64;
        let place = (packet.seq % self.slots.len() as u64) as usize;
        self.slots[place] = Some(Slot { packet, from, len: used as u16 });
        self.order.push_back((start, packet.at_us));
        // More than there are places for: the oldest lost its place.
        if self.order.len() > self.slots.len() {
            self.order.pop_front();
        }
        self.bytes.get(at + kept.start..at + kept.end)
    }

    /// A packet that is still there, and its payload.
    #[must_use]
    pub fn get(&self, seq: u64) -> Option<(Packet, &[u8])> {
        let slot = self.slots.get((seq % self.slots.len().max(1) as u64) as usize)?.as_ref()?;
        if slot.packet.seq != seq || !self.holds(slot) {
            return None;
        }
        let at = (slot.from % self.bytes.len() as u64) as usize;
        Some((slot.packet, self.bytes.get(at..at + usize::from(slot.len))?))
    }

    /// Bytes of memory held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len() + self.slots.len() * size_of::<Option<Slot>>() + self.order.capacity() * 16
    }

    /// Whether nothing was written over it since.
    fn holds(&self, slot: &Slot) -> bool {
        self.end <= slot.from + self.bytes.len() as u64
    }

    /// Where `len` bytes in one piece may be written. Grows rather than write over what is young.
    fn reserve(&mut self, len: usize, now_us: i64) -> u64 {
        loop {
            let size = self.bytes.len() as u64;
            let mut start = self.end;
            if size > 0 && start % size + len as u64 > size {
                start += size - start % size;
            }
            let over = start + len as u64;
            let mut full = size == 0;
            while let Some((from, at_us)) = self.order.front().copied() {
                if from + size >= over {
                    break;
                }
                // What lies here was written a turn of the ring ago.
                if at_us.saturating_add(HISTORY_KEPT_US) > now_us && self.bytes.len() < MAX_HISTORY_BYTES {
                    full = true;
                    break;
                }
                self.order.pop_front();
            }
            if !full {
                return start;
            }
            self.grow();
        }
    }

    /// A larger ring with the same packets.
    fn grow(&mut self) {
        let old = std::mem::take(&mut self.bytes);
        let size = (old.len() + HISTORY_STEP_BYTES).min(MAX_HISTORY_BYTES);
        let mut bytes = Vec::with_capacity(size);
        let held = |slot: &Slot| self.end <= slot.from + old.len() as u64;
        let mut kept: Vec<(u64, usize)> = (0..self.slots.len())
            .filter_map(|n| self.slots[n].filter(held).map(|slot| (slot.from, n)))
            .collect();
        kept.sort_unstable();
        let mut slots = vec![None; self.slots.len()];
        self.order.clear();
        for (from, n) in kept {
            let Some(slot) = self.slots[n] else { continue };
            let at = (from % old.len() as u64) as usize;
            let moved = Slot { from: bytes.len() as u64, ..slot };
            bytes.extend_from_slice(&old[at..at + usize::from(slot.len)]);
            self.order.push_back((moved.from, slot.packet.at_us));
            slots[n] = Some(moved);
        }
        self.slots = slots;
        self.end = bytes.len() as u64;
        bytes.resize(size, 0);
        self.bytes = bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packet(seq: u64, ms: i64) -> Packet {
        Packet { seq, timestamp: 0, marker: false, audio_level: None, at_us: ms * 1_000 }
    }

    fn insert(history: &mut History, seq: u64, ms: i64, len: usize) -> bool {
        let fill = |bytes: &mut [u8]| {
            bytes.fill(seq as u8);
            Some(0..bytes.len())
        };
        history.insert(packet(seq, ms), len, fill).is_some()
    }

    #[test]
    fn what_came_in_lately_is_there_and_what_is_old_makes_room() {
        let mut history = History::new(256);
        for seq in 0..500 {
            assert!(insert(&mut history, seq, seq as i64 * 10, 1_000));
        }
        // A second of a hundred packets of a thousand bytes.
        assert!(
            (400..500).all(|seq| history.get(seq).is_some_and(|(_, payload)| payload == [seq as u8; 1_000]))
        );
        assert!(history.get(499 - 256).is_none(), "another packet has its place");
        let held = history.bytes();
        assert!((100_000..140_000).contains(&held), "{held} bytes");
        for seq in 500..2_000 {
            insert(&mut history, seq, seq as i64 * 10, 1_000);
        }
        assert_eq!(history.bytes(), held, "it has grown to what it needs");
    }

    #[test]
    fn it_never_grows_past_its_bound() {
        let mut history = History::new(256);
        for seq in 0..1_000 {
            assert!(insert(&mut history, seq, 0, 1_900));
        }
        assert!(history.bytes() <= MAX_HISTORY_BYTES + 256 * 100);
        let held = (0..1_000).filter(|seq| history.get(*seq).is_some()).count();
        assert!(held >= 128, "{held} of a burst are held");
    }

    #[test]
    fn what_does_not_open_leaves_nothing() {
        let mut history = History::new(8);
        assert!(insert(&mut history, 1, 0, 10));
        assert!(history.insert(packet(2, 0), 10, |_| None).is_none());
        assert!(history.get(2).is_none() && history.get(1).is_some());
        assert!(
            history
                .insert(packet(3, 0), 10, |bytes| {
                    bytes.fill(3);
                    Some(2..6)
                })
                .is_some_and(|payload| payload == [3; 4])
        );
        assert_eq!(history.get(3).unwrap().1, [3; 4]);
        assert!(history.insert(packet(4, 0), HISTORY_STEP_BYTES + 1, |_| Some(0..0)).is_none());
    }

    proptest! {
        #[test]
        fn a_packet_is_what_it_was_or_not_there(
            inserts in proptest::collection::vec((0_u64..600, 0_i64..50, 0_usize..1_500), 1..400),
        ) {
            let mut history = History::new(128);
            let (mut written, mut ms) = (std::collections::HashMap::new(), 0);
            for (n, (seq, step, len)) in inserts.into_iter().enumerate() {
                ms += step;
                let byte = n as u8;
                history.insert(packet(seq, ms), len, |bytes| { bytes.fill(byte); Some(0..len) });
                written.insert(seq, (byte, len));
                prop_assert!(history.get(seq).is_some(), "the newest is always there");
            }
            for (seq, (byte, len)) in written {
                if let Some((_, payload)) = history.get(seq) {
                    prop_assert_eq!(payload, vec![byte; len]);
                }
            }
        }
    }
}
