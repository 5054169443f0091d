//! What this process has announced and keeps up. Redis is rebuilt from it.

use crate::{
    limits::MAX_ANNOUNCED,
    presence::{Key, PresenceError},
};
use bytes::Bytes;
use parking_lot::Mutex;
use std::{collections::HashMap, time::Duration};
use tokio::time::Instant;

/// Pause before an announcement that failed is tried again.
const RETRY: Duration = Duration::from_millis(200);

#[derive(Default)]
pub(super) struct Held(Mutex<State>);

#[derive(Default)]
struct State {
    entries: HashMap<Key, Entry>,
    versions: u64,
}

struct Entry {
    announcement: Announcement,
    due: Instant,
}

/// One announcement, as it is sent.
#[derive(Clone)]
pub(super) struct Announcement {
    pub(super) value: Bytes,
    pub(super) ttl: Duration,
    /// When Redis first heard it, microseconds by its clock; 0 as long as we do not know that it did.
    pub(super) stamp: u64,
    /// When it was made here.
    pub(super) since: Instant,
    version: u64,
}

impl Held {
    /// Takes an announcement; what is given back is to be sent.
    pub(super) fn put(&self, key: &Key, value: Bytes, ttl: Duration) -> Result<Announcement, PresenceError> {
        let mut state = self.0.lock();
        if state.entries.len() >= MAX_ANNOUNCED && !state.entries.contains_key(key) {
            return Err(PresenceError::Full);
        }
        state.versions += 1;
        let now = Instant::now();
        let announcement = Announcement { value, ttl, stamp: 0, since: now, version: state.versions };
        // Should sending it fail, the keeper takes over.
        let entry = Entry { announcement: announcement.clone(), due: now + RETRY };
        state.entries.insert(key.clone(), entry);
        Ok(announcement)
    }

    /// Redis has it; or, without a stamp, has something newer of another process.
    pub(super) fn announced(&self, key: &Key, sent: &Announcement, stamp: Option<u64>) {
        let mut state = self.0.lock();
        let Some(entry) = state.entries.get_mut(key).filter(|e| e.announcement.version == sent.version)
        else {
            return;
        };
        match stamp {
            Some(stamp) => {
                entry.announcement.stamp = stamp;
                entry.due = Instant::now() + sent.ttl / 3;
            }
            None => drop(state.entries.remove(key)),
        }
    }

    pub(super) fn failed(&self, key: &Key, sent: &Announcement) {
        let mut state = self.0.lock();
        if let Some(entry) = state.entries.get_mut(key).filter(|e| e.announcement.version == sent.version) {
            entry.due = Instant::now() + RETRY;
        }
    }

    /// Forgets a key; the stamp it was announced with.
    pub(super) fn remove(&self, key: &Key) -> Option<u64> {
        self.0.lock().entries.remove(key).map(|entry| entry.announcement.stamp)
    }

    pub(super) fn holds(&self, key: &Key) -> bool {
        self.0.lock().entries.contains_key(key)
    }

    pub(super) fn len(&self) -> usize {
        self.0.lock().entries.len()
    }

    /// Everything has to be said anew.
    pub(super) fn all_due(&self) {
        let now = Instant::now();
        self.0.lock().entries.values_mut().for_each(|entry| entry.due = now);
    }

    /// What has to be said again now.
    pub(super) fn due(&self) -> Vec<(Key, Announcement)> {
        let now = Instant::now();
        let state = self.0.lock();
        let due = state.entries.iter().filter(|(_, entry)| entry.due <= now);
        due.map(|(key, entry)| (key.clone(), entry.announcement.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> Key {
        Key::new("node", None, n.to_string()).unwrap()
    }

    const TTL: Duration = Duration::from_secs(9);

    #[tokio::test]
    async fn a_process_announces_as_much_as_it_may_and_not_more() {
        let held = Held::default();
        for n in 0..MAX_ANNOUNCED {
            held.put(&key(n), Bytes::new(), TTL).unwrap();
        }
        assert!(matches!(held.put(&key(MAX_ANNOUNCED), Bytes::new(), TTL), Err(PresenceError::Full)));
        held.put(&key(0), Bytes::new(), TTL).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_said_is_said_again_after_a_third_of_its_time_and_what_failed_soon() {
        let held = Held::default();
        let sent = held.put(&key(1), Bytes::new(), TTL).unwrap();
        assert!(held.due().is_empty());
        tokio::time::advance(RETRY).await;
        assert_eq!(held.due().len(), 1, "nobody said that it arrived");
        held.announced(&key(1), &sent, Some(7));
        tokio::time::advance(TTL / 3 - Duration::from_millis(1)).await;
        assert!(held.due().is_empty());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(held.due()[0].1.stamp, 7);
    }

    #[tokio::test]
    async fn word_of_an_older_announcement_changes_nothing() {
        let held = Held::default();
        let older = held.put(&key(1), "a".into(), TTL).unwrap();
        held.put(&key(1), "b".into(), TTL).unwrap();
        held.announced(&key(1), &older, None);
        assert!(held.holds(&key(1)));
        assert_eq!(held.remove(&key(1)), Some(0));
    }
}
