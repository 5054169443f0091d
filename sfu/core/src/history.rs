//! The packets of one stream that came in lately, opened: what subscribers are sent and what their repairs come
//! from. One history serves all of them.
//!
//! Payloads lie end to end in blocks of one size. A block is written over when all in it is old; while none is,
//! there is one block more, up to [`MAX_HISTORY_BYTES`] of them. In steady state nothing is allocated.

use crate::limits::{HISTORY_KEPT_US, MAX_HISTORY_BYTES};

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
    /// Which block, and which writing of it: it is written over long before its turns come round.
    block: u16,
    turn: u16,
    from: u16,
    len: u16,
}

#[derive(Debug)]
struct Block {
    bytes: Box<[u8]>,
    used: usize,
    /// How often it was written over.
    turn: u16,
    newest_us: i64,
}

/// One stream's history.
#[derive(Debug, Default)]
pub struct History {
    blocks: Vec<Block>,
    /// The block that is being written.
    current: usize,
    block_bytes: usize,
    slots: Box<[Option<Slot>]>,
}

impl History {
    /// A history of at most so many packets, in blocks of so many bytes: longer packets are not kept.
    #[must_use]
    pub fn new(packets: usize, block_bytes: usize) -> Self {
        Self { blocks: Vec::new(), current: 0, block_bytes, slots: vec![None; packets.max(1)].into() }
    }

    /// Lets `fill` write a payload of `len` bytes and keeps it if that succeeds. `fill` says how many of the bytes,
    /// from the first on, are the payload.
    pub fn insert(
        &mut self,
        packet: Packet,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> Option<()> {
        let place = (packet.seq % self.slots.len().max(1) as u64) as usize;
        let newer = |slot: &Slot| slot.packet.seq > packet.seq && self.holds(slot);
        // One that comes so late must not push out what somebody may yet ask for.
        if len > self.block_bytes || self.slots.get(place)?.as_ref().is_some_and(newer) {
            return None;
        }
        let at = self.room_for(len, packet.at_us);
        let block = self.blocks.get_mut(at)?;
        let from = block.used;
        let kept = fill(block.bytes.get_mut(from..from + len)?)?.min(len);
        block.used += kept;
        block.newest_us = packet.at_us;
        let slot = Slot { packet, block: at as u16, turn: block.turn, from: from as u16, len: kept as u16 };
        *self.slots.get_mut(place)? = Some(slot);
        Some(())
    }

    /// A packet that is still there, and its payload.
    #[must_use]
    pub fn get(&self, seq: u64) -> Option<(Packet, &[u8])> {
        let slot = self.slots.get((seq % self.slots.len().max(1) as u64) as usize)?.as_ref()?;
        let block = self.blocks.get(usize::from(slot.block))?;
        if slot.packet.seq != seq || slot.turn != block.turn {
            return None;
        }
        let from = usize::from(slot.from);
        Some((slot.packet, block.bytes.get(from..from + usize::from(slot.len))?))
    }

    /// Whether nothing was written over it since.
    fn holds(&self, slot: &Slot) -> bool {
        self.blocks.get(usize::from(slot.block)).is_some_and(|block| block.turn == slot.turn)
    }

    /// Bytes of memory held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.blocks.len() * self.block_bytes + self.slots.len() * size_of::<Option<Slot>>()
    }

    /// The block in which so many bytes have room.
    fn room_for(&mut self, len: usize, now_us: i64) -> usize {
        if self.blocks.get(self.current).is_some_and(|block| block.used + len <= self.block_bytes) {
            return self.current;
        }
        let oldest = (0..self.blocks.len()).min_by_key(|n| (self.blocks[*n].newest_us, self.blocks[*n].turn));
        let old = |n: &usize| self.blocks[*n].newest_us.saturating_add(HISTORY_KEPT_US) <= now_us;
        let full = (self.blocks.len() + 1) * self.block_bytes > MAX_HISTORY_BYTES;
        self.current = match oldest.filter(|n| full || old(n)) {
            Some(n) => {
                let block = &mut self.blocks[n];
                (block.used, block.turn) = (0, block.turn.wrapping_add(1));
                n
            }
            None => {
                let bytes = vec![0; self.block_bytes].into();
                self.blocks.push(Block { bytes, used: 0, turn: 0, newest_us: now_us });
                self.blocks.len() - 1
            }
        };
        self.current
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{MAX_DATAGRAM_BYTES, PICTURE_BLOCK_BYTES, SOUND_BLOCK_BYTES};
    use proptest::prelude::*;

    /// No packet is too long to be kept.
    const _: () =
        assert!(SOUND_BLOCK_BYTES >= MAX_DATAGRAM_BYTES && PICTURE_BLOCK_BYTES >= 2 * MAX_DATAGRAM_BYTES);

    fn packet(seq: u64, ms: i64) -> Packet {
        Packet { seq, timestamp: 0, marker: false, audio_level: None, at_us: ms * 1_000 }
    }

    fn insert(history: &mut History, seq: u64, ms: i64, len: usize) -> bool {
        let fill = |bytes: &mut [u8]| {
            bytes.fill(seq as u8);
            Some(bytes.len())
        };
        history.insert(packet(seq, ms), len, fill).is_some()
    }

    #[test]
    fn what_came_in_lately_is_there_and_what_is_old_makes_room() {
        let mut history = History::new(256, PICTURE_BLOCK_BYTES);
        for seq in 0..500 {
            assert!(insert(&mut history, seq, seq as i64 * 10, 1_000));
        }
        // Half a second of a hundred packets a second, of a thousand bytes.
        assert!(
            (450..500).all(|seq| history.get(seq).is_some_and(|(_, payload)| payload == [seq as u8; 1_000]))
        );
        assert!(history.get(499 - 256).is_none(), "another packet has its place");
        let held = history.bytes();
        assert!((60_000..80_000).contains(&held), "{held} bytes");
        for seq in 500..2_000 {
            insert(&mut history, seq, seq as i64 * 10, 1_000);
        }
        assert_eq!(history.bytes(), held, "it has grown to what it needs");
    }

    #[test]
    fn it_never_grows_past_its_bound() {
        let mut history = History::new(256, PICTURE_BLOCK_BYTES);
        for seq in 0..1_000 {
            assert!(insert(&mut history, seq, 0, 1_900));
        }
        assert!(history.bytes() <= MAX_HISTORY_BYTES + 256 * 64);
        let held = (0..1_000).filter(|seq| history.get(*seq).is_some()).count();
        assert!(held >= 128, "{held} of a burst are held");
    }

    #[test]
    fn one_that_comes_very_late_does_not_push_out_a_newer() {
        let mut history = History::new(8, PICTURE_BLOCK_BYTES);
        assert!(insert(&mut history, 20, 0, 10));
        assert!(!insert(&mut history, 12, 1, 10), "the same place");
        assert!(history.get(20).is_some() && history.get(12).is_none());
        assert!(insert(&mut history, 28, 2, 10));
    }

    #[test]
    fn what_does_not_open_leaves_nothing() {
        let mut history = History::new(8, PICTURE_BLOCK_BYTES);
        assert!(insert(&mut history, 1, 0, 10));
        assert!(history.insert(packet(2, 0), 10, |_| None).is_none());
        assert!(history.get(2).is_none() && history.get(1).is_some());
        let padded = |bytes: &mut [u8]| {
            bytes.fill(3);
            Some(4)
        };
        assert!(history.insert(packet(3, 0), 10, padded).is_some());
        assert_eq!(history.get(3).unwrap().1, [3; 4]);
        assert!(history.insert(packet(4, 0), PICTURE_BLOCK_BYTES, |_| Some(0)).is_some());
        assert!(history.insert(packet(5, 0), PICTURE_BLOCK_BYTES + 1, |_| Some(0)).is_none());
    }

    proptest! {
        #[test]
        fn a_packet_is_what_it_was_or_not_there(
            inserts in proptest::collection::vec((0_u64..600, 0_i64..50, 0_usize..1_500), 1..400),
        ) {
            let mut history = History::new(128, PICTURE_BLOCK_BYTES);
            let (mut written, mut ms) = (std::collections::HashMap::new(), 0);
            for (n, (seq, step, len)) in inserts.into_iter().enumerate() {
                ms += step;
                let byte = n as u8;
                let kept = history.insert(packet(seq, ms), len, |bytes| { bytes.fill(byte); Some(len) });
                if kept.is_some() {
                    written.insert(seq, (byte, len));
                }
                prop_assert!(kept.is_none() || history.get(seq).is_some(), "the newest is always there");
                prop_assert!(kept.is_some() || history.get(seq + 128).is_some() || seq + 128 < 600, "or a newer has its place");
            }
            for (seq, (byte, len)) in written {
                if let Some((_, payload)) = history.get(seq) {
                    prop_assert_eq!(payload, vec![byte; len]);
                }
            }
        }
    }
}
