//! In which order an inbox handles what comes, and what it misses. Pure: time is an argument.
//!
//! What comes may come late, early, twice or not at all; what is handled is 1, 2, 3, … of each partition.

use super::super::{letter::Letter, told::Ends};
use crate::{
    event_log::{Partition, Position},
    limits::{INBOX_PATIENCE, MAX_EARLY, MAX_HANDLER_PAUSE, MAX_PARTITIONS, OUTBOX_LOOKS, OUTBOX_PAGE},
};
use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Unbounded},
    time::Duration,
};
use tokio::time::Instant;

/// How often an inbox that stands still must hear of an outbox that ends before its own place, until it believes it.
const AHEAD: u32 = 5;

/// What became of a letter that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// It waits for its turn.
    Kept,
    /// It was handled before, or waits already.
    Repeated,
    /// There is no room for it. It comes again when its turn is near.
    Dropped,
}

/// Why an inbox cannot go on in a partition by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Astray {
    /// The messages between are forgotten: make anew from events what they would have made, then
    /// [`super::Handle::resume`].
    Gone {
        /// Handled up to here.
        place: Position,
        /// The oldest message that there still is.
        oldest: Position,
    },
    /// The outbox ends before what was handled: it is not the one of before, restored from a backup for example. New
    /// messages are taken for old ones until it has grown that far.
    Ahead {
        /// Handled up to here.
        place: Position,
        /// The newest message that there is.
        head: Position,
    },
}

/// All partitions of a lane.
#[derive(Default)]
pub(super) struct Order {
    partitions: BTreeMap<Partition, Sequence>,
    /// Whose turn it was last.
    last: Option<Partition>,
}

struct Sequence {
    /// Everything up to here is handled.
    place: Position,
    /// What has come of what comes after it.
    waiting: BTreeMap<Position, Letter>,
    /// As far as is known.
    oldest: Position,
    head: Position,
    /// How often the head was before the place, while that stood still.
    ahead: u32,
    /// When to ask, should the next one still be missing.
    ask_at: Instant,
    /// Until where was asked for.
    asked: Position,
    /// Not to be tried before then, after so many attempts.
    paused: Option<(Instant, u32)>,
}

impl Order {
    pub(super) fn knows(&self, partition: Partition) -> bool {
        self.partitions.contains_key(&partition)
    }

    /// Whether there is room for another partition.
    pub(super) fn has_room(&self) -> bool {
        self.partitions.len() < MAX_PARTITIONS
    }

    /// Where the place of a partition is, as the store says; after anybody may have moved it.
    pub(super) fn place(&mut self, partition: Partition, place: Position, now: Instant) {
        let sequence = self.partitions.entry(partition).or_insert_with(|| Sequence::new(now));
        if place == sequence.place {
            return;
        }
        sequence.place = place;
        sequence.waiting = sequence.waiting.split_off(&Position(place.0 + 1));
        (sequence.paused, sequence.ahead) = (None, 0);
        let page_is_done = place == sequence.asked;
        sequence.ask_at = if page_is_done { now } else { now + INBOX_PATIENCE };
    }

    /// A letter has come, of a partition that is known.
    pub(super) fn take_in(&mut self, letter: Letter, now: Instant) -> Judged {
        let Some(sequence) = self.partitions.get_mut(&letter.partition) else { return Judged::Dropped };
        let position = letter.position;
        if position <= sequence.place || sequence.waiting.contains_key(&position) {
            return Judged::Repeated;
        }
        sequence.patiently(now, |sequence| {
            sequence.waiting.insert(position, letter);
            let full = sequence.waiting.len() > MAX_EARLY;
            let dropped = if full { sequence.waiting.pop_last() } else { None };
            if dropped.is_some_and(|(dropped, _)| dropped == position) {
                Judged::Dropped
            } else {
                Judged::Kept
            }
        })
    }

    /// How far the outbox goes, in a partition that is known.
    pub(super) fn ends(&mut self, ends: Ends, now: Instant) {
        let Some(sequence) = self.partitions.get_mut(&Partition(ends.partition)) else { return };
        sequence.patiently(now, |sequence| {
            (sequence.oldest, sequence.head) = (Position(ends.oldest), Position(ends.head));
            sequence.ahead = if sequence.head < sequence.place { sequence.ahead + 1 } else { 0 };
        });
    }

    /// What is to be handled next. Partitions take turns.
    pub(super) fn next(&mut self, now: Instant) -> Option<&Letter> {
        let after = self.last.map_or(Unbounded, Excluded);
        let later = self.partitions.range((after, Unbounded));
        let mut turns =
            later.chain(self.partitions.iter()).map(|(partition, sequence)| (*partition, sequence));
        let (partition, _) = turns.find(|(_, sequence)| sequence.is_ready(now))?;
        self.last = Some(partition);
        self.partitions.get(&partition)?.waiting.first_key_value().map(|(_, letter)| letter)
    }

    /// Up to where a partition is handled.
    pub(super) fn handled(&self, partition: Partition) -> Option<Position> {
        self.partitions.get(&partition).map(|sequence| sequence.place)
    }

    /// The next letter of a partition cannot be handled now.
    pub(super) fn pause(&mut self, partition: Partition, now: Instant) {
        if let Some(sequence) = self.partitions.get_mut(&partition) {
            let attempts = sequence.paused.map_or(0, |(_, attempts)| attempts) + 1;
            sequence.paused = Some((now + pause(attempts), attempts));
        }
    }

    /// After which positions of which partitions something is missing that should be there by now. Asking is up to the
    /// caller.
    pub(super) fn missing(&mut self, now: Instant) -> Vec<(Partition, Position)> {
        let due = self.partitions.iter_mut().filter(|(_, s)| s.is_missing() && s.ask_at <= now);
        due.map(|(partition, sequence)| {
            sequence.ask_at = now + OUTBOX_LOOKS;
            sequence.asked = Position(sequence.place.0 + OUTBOX_PAGE as u64);
            (*partition, sequence.place)
        })
        .collect()
    }

    /// When to look again though nothing has come.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let deadlines = self.partitions.values().filter_map(|sequence| {
            let paused = sequence.paused.filter(|_| sequence.has_next()).map(|(until, _)| until);
            paused.or_else(|| sequence.is_missing().then_some(sequence.ask_at))
        });
        deadlines.min()
    }

    /// Where every partition is.
    pub(super) fn places(&self) -> impl Iterator<Item = (Partition, Position)> {
        self.partitions.iter().map(|(partition, sequence)| (*partition, sequence.place))
    }

    /// Partitions in which it cannot go on by itself.
    pub(super) fn astray(&self) -> impl Iterator<Item = (Partition, Astray)> {
        self.partitions.iter().filter_map(|(partition, sequence)| Some((*partition, sequence.astray()?)))
    }

    /// Messages that are known to be there and are not handled.
    pub(super) fn lag(&self) -> u64 {
        let newest = |s: &Sequence| s.waiting.last_key_value().map_or(s.head, |(last, _)| s.head.max(*last));
        self.partitions.values().map(|s| newest(s).0.saturating_sub(s.place.0)).sum()
    }
}

impl Sequence {
    const fn new(now: Instant) -> Self {
        Self {
            place: Position(0),
            waiting: BTreeMap::new(),
            oldest: Position(1),
            head: Position(0),
            ahead: 0,
            ask_at: now,
            asked: Position(0),
            paused: None,
        }
    }

    /// Whoever only now learns that something is missing waits a little for it to come by itself.
    fn patiently<T>(&mut self, now: Instant, change: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.is_missing();
        let result = change(self);
        if !before && self.is_missing() {
            self.ask_at = now + INBOX_PATIENCE;
        }
        result
    }

    fn has_next(&self) -> bool {
        self.waiting.contains_key(&Position(self.place.0 + 1))
    }

    fn is_gone(&self) -> bool {
        self.oldest.0 > self.place.0 + 1
    }

    fn is_ready(&self, now: Instant) -> bool {
        self.has_next() && self.paused.is_none_or(|(until, _)| until <= now)
    }

    fn is_missing(&self) -> bool {
        !self.has_next() && !self.is_gone() && (self.head > self.place || !self.waiting.is_empty())
    }

    fn astray(&self) -> Option<Astray> {
        if self.is_gone() && !self.has_next() {
            return Some(Astray::Gone { place: self.place, oldest: self.oldest });
        }
        (self.ahead >= AHEAD).then_some(Astray::Ahead { place: self.place, head: self.head })
    }
}

/// A hundredth of the longest, doubled each time.
fn pause(attempts: u32) -> Duration {
    let doubled = 1_u32 << attempts.saturating_sub(1).min(16);
    (MAX_HANDLER_PAUSE / 100 * doubled).min(MAX_HANDLER_PAUSE)
}

#[cfg(test)]
mod tests;
