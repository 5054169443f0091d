//! Packets on their way, by when they come out. No clock.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

/// What comes out when, and of two at one time the earlier first.
#[derive(Debug)]
pub(crate) struct Held<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    number: u64,
}

impl<T> Default for Held<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), number: 0 }
    }
}

impl<T> Held<T> {
    pub(crate) fn push(&mut self, at_ns: u64, packet: T) {
        self.number += 1;
        self.heap.push(Reverse(Entry { at_ns, number: self.number, packet }));
    }

    /// The next that is out by now, and when it came.
    pub(crate) fn pop(&mut self, now_ns: u64) -> Option<(u64, T)> {
        self.due_ns().filter(|due| *due <= now_ns)?;
        self.heap.pop().map(|Reverse(entry)| (entry.at_ns, entry.packet))
    }

    /// When the next one comes out.
    pub(crate) fn due_ns(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse(entry)| entry.at_ns)
    }

    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }
}

#[derive(Debug)]
struct Entry<T> {
    at_ns: u64,
    number: u64,
    packet: T,
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at_ns, self.number).cmp(&(other.at_ns, other.number))
    }
}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for Entry<T> {}
