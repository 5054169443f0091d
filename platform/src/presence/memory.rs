//! Presence within one process: nothing to install, and nobody else to tell.

use super::{Key, Listing, Presence, PresenceError, PresenceFuture, within_limits};
use crate::limits::{MAX_ANNOUNCED, MAX_LISTED};
use bytes::Bytes;
use model::TenantId;
use parking_lot::Mutex;
use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};
use tokio::time::Instant;

/// Presence. Dropped, what it announced goes after its TTL, as if the process were gone.
pub struct MemoryPresence {
    shared: Arc<Mutex<Shared>>,
    me: u64,
}

#[derive(Default)]
struct Shared {
    entries: BTreeMap<Key, Entry>,
    announcers: u64,
}

struct Entry {
    value: Bytes,
    ttl: Duration,
    by: u64,
    /// Set once whoever announced it is gone.
    until: Option<Instant>,
}

impl Entry {
    fn is_there(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl MemoryPresence {
    /// Nobody is anywhere.
    pub fn new() -> Self {
        Self { shared: Arc::default(), me: 0 }
    }

    /// Somebody else who sees and announces in the same place: what another process is to Redis.
    pub fn another(&self) -> Self {
        let mut shared = self.shared.lock();
        shared.announcers += 1;
        Self { shared: Arc::clone(&self.shared), me: shared.announcers }
    }

    fn put(&self, key: Key, value: Bytes, ttl: Duration) -> Result<(), PresenceError> {
        let ttl = within_limits(&value, ttl)?;
        let mut shared = self.shared.lock();
        let now = Instant::now();
        if shared.entries.len() >= MAX_ANNOUNCED && !shared.entries.contains_key(&key) {
            shared.entries.retain(|_, entry| entry.is_there(now));
            if shared.entries.len() >= MAX_ANNOUNCED {
                return Err(PresenceError::Full);
            }
        }
        shared.entries.insert(key, Entry { value, ttl, by: self.me, until: None });
        Ok(())
    }

    fn listing(&self, kind: &'static str, tenant: Option<TenantId>) -> Listing {
        let (shared, now) = (self.shared.lock(), Instant::now());
        let from = Key { kind, tenant, id: String::new() };
        let here =
            shared.entries.range(from..).take_while(|(key, _)| key.kind == kind && key.tenant == tenant);
        let here = here.filter(|(_, entry)| entry.is_there(now));
        let mut entries: Vec<_> =
            here.map(|(key, entry)| (key.id.clone(), entry.value.clone())).take(MAX_LISTED + 1).collect();
        let cut = entries.len() > MAX_LISTED;
        entries.truncate(MAX_LISTED);
        Listing { entries, cut }
    }
}

impl Default for MemoryPresence {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryPresence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryPresence").finish_non_exhaustive()
    }
}

impl Drop for MemoryPresence {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut shared = self.shared.lock();
        for entry in shared.entries.values_mut().filter(|entry| entry.by == self.me) {
            entry.until = Some(now + entry.ttl);
        }
    }
}

impl Presence for MemoryPresence {
    fn announce(&self, key: Key, value: Bytes, ttl: Duration) -> PresenceFuture<'_, ()> {
        Box::pin(async move { self.put(key, value, ttl) })
    }

    fn withdraw(&self, key: Key) -> PresenceFuture<'_, ()> {
        Box::pin(async move {
            let mut shared = self.shared.lock();
            if shared.entries.get(&key).is_some_and(|entry| entry.by == self.me) {
                shared.entries.remove(&key);
            }
            Ok(())
        })
    }

    fn get(&self, key: Key) -> PresenceFuture<'_, Option<Bytes>> {
        Box::pin(async move {
            let (shared, now) = (self.shared.lock(), Instant::now());
            Ok(shared.entries.get(&key).filter(|entry| entry.is_there(now)).map(|entry| entry.value.clone()))
        })
    }

    fn list(&self, kind: &'static str, tenant: Option<TenantId>) -> PresenceFuture<'_, Listing> {
        Box::pin(async move { Ok(self.listing(kind, tenant)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_announces_as_much_as_it_may_and_not_more() {
        let presence = MemoryPresence::new();
        let announce = async |n: usize| {
            let key = Key::new("node", None, n.to_string()).unwrap();
            presence.announce(key, Bytes::new(), Duration::from_secs(9)).await
        };
        for n in 0..MAX_ANNOUNCED {
            announce(n).await.unwrap();
        }
        assert_eq!(announce(MAX_ANNOUNCED).await, Err(PresenceError::Full));
        announce(0).await.unwrap();
    }
}
