//! Packets that were sent and have not been spoken of by feedback yet.

use crate::limits::{MAX_SENT, SENT_KEPT_US};
use std::collections::VecDeque;

/// A packet that was sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sent {
    pub(super) at_us: i64,
    /// The probe it belongs to; 0 is none.
    pub(super) probe: u32,
    pub(super) bytes: u16,
    fate: Fate,
}

/// What feedback has said of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Fate {
    #[default]
    Unknown,
    Missing,
    Arrived,
}

/// What feedback newly says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum News {
    Missing,
    Arrived,
    /// It had been called missing before.
    ArrivedAfterAll,
}

/// The newest packets, oldest first. In steady state nothing is allocated.
#[derive(Debug, Default)]
pub(super) struct History {
    packets: VecDeque<Sent>,
    /// The number that the next one goes by.
    next: u16,
}

impl History {
    /// Remembers a packet and says which number it goes by.
    pub(super) fn push(&mut self, bytes: usize, probe: u32, now_us: i64) -> u16 {
        let old = |first: &Sent| first.at_us.saturating_add(SENT_KEPT_US) < now_us;
        while self.packets.len() >= MAX_SENT || self.packets.front().is_some_and(old) {
            self.packets.pop_front();
        }
        let bytes = u16::try_from(bytes).unwrap_or(u16::MAX);
        self.packets.push_back(Sent { at_us: now_us, probe, bytes, fate: Fate::Unknown });
        let number = self.next;
        self.next = number.wrapping_add(1);
        number
    }

    /// What feedback says of a number; `None` when it is unknown, or nothing new.
    pub(super) fn heard(&mut self, number: u16, arrived: bool) -> Option<(Sent, News)> {
        // The number after the newest is no packet; it would look 65,536 old.
        let age = usize::from(self.next.wrapping_sub(number).wrapping_sub(1)) + 1;
        let place = self.packets.len().checked_sub(age)?;
        let packet = self.packets.get_mut(place)?;
        let (fate, news) = match (packet.fate, arrived) {
            (Fate::Unknown, false) => (Fate::Missing, News::Missing),
            (Fate::Unknown, true) => (Fate::Arrived, News::Arrived),
            (Fate::Missing, true) => (Fate::Arrived, News::ArrivedAfterAll),
            (Fate::Missing, false) | (Fate::Arrived, _) => return None,
        };
        packet.fate = fate;
        Some((*packet, news))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_is_news_once() {
        let mut history = History::default();
        assert!(history.heard(0, true).is_none(), "nothing was sent");
        assert_eq!(history.push(100, 0, 5), 0);
        assert!(history.heard(1, true).is_none(), "this one was not sent");
        let mut said = |arrived| history.heard(0, arrived).map(|(_, news)| news);
        assert_eq!(said(false), Some(News::Missing));
        assert_eq!(said(false), None);
        assert_eq!(said(true), Some(News::ArrivedAfterAll));
        assert_eq!(said(true), None);
        assert_eq!(said(false), None);
    }

    #[test]
    fn so_many_are_remembered_and_numbers_wrap() {
        let mut history = History::default();
        for at in 0..70_000 {
            assert_eq!(history.push(100, 0, at), at as u16);
        }
        let oldest = 70_000 - MAX_SENT as i64;
        assert!(history.heard((oldest - 1) as u16, true).is_none());
        assert_eq!(history.heard(oldest as u16, true).unwrap().0.at_us, oldest);
        assert_eq!(history.heard(69_999_u32 as u16, true).unwrap().0.at_us, 69_999);
    }

    #[test]
    fn what_is_old_is_forgotten() {
        let mut history = History::default();
        history.push(100, 0, 0);
        history.push(100, 0, SENT_KEPT_US);
        assert!(history.heard(0, false).is_some(), "just not old");
        history.push(100, 0, SENT_KEPT_US + 1);
        assert!(history.heard(0, true).is_none());
        assert_eq!(history.heard(1, true).unwrap().0.at_us, SENT_KEPT_US);
    }

    #[test]
    fn the_memory_is_small() {
        assert!(MAX_SENT * size_of::<Sent>() <= 16 * 1024);
    }
}
