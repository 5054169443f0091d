//! A timer wheel of one-millisecond ticks: who is due is found without asking everybody.

/// A turn of the wheel takes four seconds. Whoever is due later is moved on once a turn.
const SLOTS: usize = 4_096;
const WORDS: usize = SLOTS / 64;
const NEVER: u64 = u64::MAX;

/// Timers for small integer keys, one each. Ticks are milliseconds since the owner's start.
#[derive(Debug)]
pub struct Wheel {
    slots: Vec<Vec<u32>>,
    /// Bit per slot: something may be in it.
    filled: Box<[u64; WORDS]>,
    now: u64,
    /// When each key is due, `NEVER` if it is not.
    due: Vec<u64>,
}

impl Default for Wheel {
    fn default() -> Self {
        Self { slots: vec![Vec::new(); SLOTS], filled: Box::new([0; WORDS]), now: 0, due: Vec::new() }
    }
}

impl Wheel {
    /// Sets a key's timer, replacing its former one. A tick that has passed becomes the next one.
    pub fn set(&mut self, key: u32, tick: u64) {
        let tick = tick.max(self.now + 1);
        let index = key as usize;
        if self.due.len() <= index {
            self.due.resize(index + 1, NEVER);
        }
        if self.due[index] == tick {
            return;
        }
        self.due[index] = tick;
        self.place(key, tick);
    }

    /// Stops a key's timer.
    pub fn clear(&mut self, key: u32) {
        if let Some(due) = self.due.get_mut(key as usize) {
            *due = NEVER;
        }
    }

    /// Moves time to `tick` and appends who became due, each once.
    pub fn advance(&mut self, tick: u64, out: &mut Vec<u32>) {
        // A thread that slept longer than a turn of the wheel visits every slot once.
        let first = (self.now + 1).max(tick.saturating_sub(SLOTS as u64 - 1));
        if tick <= self.now {
            return;
        }
        self.now = tick;
        for at in first..=tick {
            let slot = slot(at);
            if self.filled[slot / 64] & (1 << (slot % 64)) == 0 {
                continue;
            }
            self.filled[slot / 64] &= !(1 << (slot % 64));
            let mut keys = std::mem::take(&mut self.slots[slot]);
            for key in keys.drain(..) {
                let due = self.due[key as usize];
                if due <= tick {
                    self.due[key as usize] = NEVER;
                    out.push(key);
                } else if due != NEVER {
                    self.place(key, due);
                }
            }
            // Keep the memory, unless somebody was placed there meanwhile.
            if self.slots[slot].is_empty() {
                self.slots[slot] = keys;
            }
        }
    }

    /// The next tick at which somebody may be due.
    #[must_use]
    pub fn next(&self) -> Option<u64> {
        let first = slot(self.now + 1);
        let (word, bit) = (first / 64, first % 64);
        // The first word twice: from the bit on, and what is before the bit at the end.
        let ahead = |n: usize| match n {
            0 => self.filled[word] & (u64::MAX << bit),
            WORDS => self.filled[word] & !(u64::MAX << bit),
            _ => self.filled[(word + n) % WORDS],
        };
        let n = (0..=WORDS).find(|n| ahead(*n) != 0)?;
        let found = (word + n) % WORDS * 64 + ahead(n).trailing_zeros() as usize;
        Some(self.now + 1 + ((found + SLOTS - first) % SLOTS) as u64)
    }

    fn place(&mut self, key: u32, due: u64) {
        let slot = slot(due.min(self.now + SLOTS as u64 - 1));
        if !self.slots[slot].contains(&key) {
            self.slots[slot].push(key);
        }
        self.filled[slot / 64] |= 1 << (slot % 64);
    }
}

const fn slot(tick: u64) -> usize {
    (tick % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn advance(wheel: &mut Wheel, tick: u64) -> Vec<u32> {
        let mut out = Vec::new();
        wheel.advance(tick, &mut out);
        out
    }

    #[test]
    fn keys_become_due_once_and_not_before() {
        let mut wheel = Wheel::default();
        wheel.set(3, 10);
        wheel.set(4, 10_000);
        assert_eq!(wheel.next(), Some(10));
        assert_eq!(advance(&mut wheel, 9), [0_u32; 0]);
        assert_eq!(advance(&mut wheel, 10), [3]);
        assert_eq!(advance(&mut wheel, 9_999), [0_u32; 0]);
        assert_eq!(advance(&mut wheel, 10_000), [4]);
        assert_eq!(wheel.next(), None);
    }

    #[test]
    fn a_timer_is_replaced_and_stopped() {
        let mut wheel = Wheel::default();
        wheel.set(1, 10);
        wheel.set(1, 5);
        assert_eq!(advance(&mut wheel, 20), [1]);
        wheel.set(1, 30);
        wheel.set(1, 40);
        assert_eq!(advance(&mut wheel, 39), [0_u32; 0]);
        assert_eq!(advance(&mut wheel, 40), [1]);
        wheel.set(1, 50);
        wheel.clear(1);
        assert_eq!(advance(&mut wheel, 1_000), [0_u32; 0]);
    }

    #[test]
    fn a_passed_tick_is_the_next_one() {
        let mut wheel = Wheel::default();
        advance(&mut wheel, 100);
        wheel.set(1, 3);
        assert_eq!(wheel.next(), Some(101));
        assert_eq!(advance(&mut wheel, 101), [1]);
    }

    proptest! {
        #[test]
        fn agrees_with_a_sorted_map(
            moves in proptest::collection::vec((0_u32..8, prop_oneof![0_u64..700, 4_000_u64..10_000], prop_oneof![0_u64..400, 3_000_u64..9_000]),
                1..200,
            ),
        ) {
            let (mut wheel, mut model, mut now) = (Wheel::default(), BTreeMap::new(), 0);
            for (key, after, step) in moves {
                let tick = (now + after).max(now + 1);
                wheel.set(key, tick);
                model.insert(key, tick);
                let soonest = model.values().min().copied().unwrap();
                prop_assert!(wheel.next().unwrap() <= soonest, "it never sleeps past a timer");
                now += step;
                let mut due = advance(&mut wheel, now);
                due.sort_unstable();
                let expected: Vec<u32> =
                    model.iter().filter(|(_, at)| **at <= now).map(|(key, _)| *key).collect();
                prop_assert_eq!(&due, &expected);
                model.retain(|_, at| *at > now);
            }
        }
    }
}
