//! Hearing what is told: a ring that keeps the newest.

use super::Message;
use crate::limits::MAX_HEARD;
use parking_lot::Mutex;
use std::{collections::VecDeque, fmt, sync::Arc};
use tokio::sync::Notify;

/// What a listener hears.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Heard {
    /// A message.
    Message(Message),
    /// At least this many were missed: the listener was too slow, or (0: nobody knows how many) the
    /// connection was broken for a while. Read the truth where it stands.
    Missed(u64),
}

/// Hears what is told, until it is dropped.
pub struct Listener(Arc<Ring>);

/// The side that puts messages in. Never waits.
#[derive(Clone)]
pub(super) struct Ears(Arc<Ring>);

#[derive(Default)]
struct Ring {
    state: Mutex<State>,
    changed: Notify,
    dropped: Notify,
}

#[derive(Default)]
struct State {
    messages: VecDeque<Message>,
    missed: Option<u64>,
    closed: bool,
    gone: bool,
}

/// A ring of `limits::MAX_HEARD` messages.
pub(super) fn ears() -> (Ears, Listener) {
    let ring = Arc::<Ring>::default();
    (Ears(Arc::clone(&ring)), Listener(ring))
}

impl Ears {
    /// Puts a message in; answers how many had to go for it.
    pub(super) fn tell(&self, message: Message) -> u64 {
        let mut state = self.0.state.lock();
        let lost = u64::from(state.messages.len() >= MAX_HEARD && state.messages.pop_front().is_some());
        if lost > 0 {
            *state.missed.get_or_insert(0) += lost;
        }
        state.messages.push_back(message);
        drop(state);
        self.0.changed.notify_one();
        lost
    }

    /// Something may have been missed, and nobody knows how much.
    pub(super) fn interrupted(&self) {
        self.0.state.lock().missed.get_or_insert(0);
        self.0.changed.notify_one();
    }

    /// Nothing more will come.
    pub(super) fn close(&self) {
        self.0.state.lock().closed = true;
        self.0.changed.notify_one();
    }

    pub(super) fn is_gone(&self) -> bool {
        self.0.state.lock().gone
    }

    /// Returns when the listener was dropped.
    pub(super) async fn gone(&self) {
        while !self.is_gone() {
            self.0.dropped.notified().await;
        }
    }
}

impl Listener {
    /// The next thing, or `None` when the bus is gone. May be cancelled without losing anything.
    pub async fn next(&mut self) -> Option<Heard> {
        loop {
            {
                let mut state = self.0.state.lock();
                if let Some(missed) = state.missed.take() {
                    return Some(Heard::Missed(missed));
                }
                if let Some(message) = state.messages.pop_front() {
                    return Some(Heard::Message(message));
                }
                if state.closed {
                    return None;
                }
            }
            self.0.changed.notified().await;
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.state.lock().gone = true;
        self.0.dropped.notify_one();
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::Subject;
    use uuid::Uuid;

    fn message(n: usize) -> Message {
        Message::new(Uuid::from_u128(n as u128), Subject::new("a").unwrap(), "")
    }

    #[tokio::test]
    async fn a_slow_listener_hears_the_newest_and_how_many_it_missed() {
        let (ears, mut listener) = ears();
        let lost: u64 = (0..MAX_HEARD).map(|n| ears.tell(message(n))).sum();
        assert_eq!(lost, 0, "as many as it may be behind");
        assert_eq!(ears.tell(message(MAX_HEARD)), 1);
        assert_eq!(listener.next().await, Some(Heard::Missed(1)));
        for n in 1..=MAX_HEARD {
            assert_eq!(listener.next().await, Some(Heard::Message(message(n))));
        }
        ears.close();
        assert_eq!(listener.next().await, None);
    }

    #[tokio::test]
    async fn whoever_tells_learns_that_the_listener_is_gone() {
        let (ears, listener) = ears();
        assert!(!ears.is_gone());
        drop(listener);
        ears.gone().await;
    }
}
