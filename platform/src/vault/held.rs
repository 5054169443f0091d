//! Data keys that this process holds unwrapped: a bounded number of them, those used last.

use super::key::Key;
use model::TenantId;
use std::collections::HashMap;
use uuid::Uuid;

/// What is known of a scope.
#[derive(Clone, Debug)]
pub(super) enum Held {
    Key(Key),
    /// There was a key, and there will not be another.
    Shredded,
}

/// Two halves: what is used moves to the young one; when that is full, the old one is wiped and they change places.
#[derive(Debug)]
pub(super) struct Cache {
    young: HashMap<(TenantId, Uuid), Held>,
    old: HashMap<(TenantId, Uuid), Held>,
    half: usize,
}

impl Cache {
    pub(super) fn new(capacity: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), half: (capacity / 2).max(1) }
    }

    pub(super) fn get(&mut self, scope: (TenantId, Uuid)) -> Option<Held> {
        if let Some(held) = self.young.get(&scope) {
            return Some(held.clone());
        }
        let held = self.old.remove(&scope)?;
        self.put(scope, held.clone());
        Some(held)
    }

    /// Once a scope is known to be shredded, it stays so: an answer that was under way does not bring its key back.
    pub(super) fn put(&mut self, scope: (TenantId, Uuid), held: Held) {
        let known = self.young.get(&scope).or_else(|| self.old.get(&scope));
        if matches!(known, Some(Held::Shredded)) && matches!(held, Held::Key(_)) {
            return;
        }
        self.old.remove(&scope);
        if self.young.len() >= self.half && !self.young.contains_key(&scope) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(scope, held);
    }

    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(n: u128) -> (TenantId, Uuid) {
        (TenantId(Uuid::from_u128(1)), Uuid::from_u128(n))
    }

    fn key(n: u8) -> Held {
        Held::Key(Key::from_bytes(&[n; 32]).unwrap())
    }

    #[test]
    fn what_is_used_stays_and_there_are_never_more_than_the_limit() {
        let mut cache = Cache::new(10);
        cache.put(scope(0), key(0));
        for n in 1..100 {
            cache.put(scope(n), key(1));
            assert!(cache.get(scope(0)).is_some(), "{n}");
            assert!(cache.len() <= 10);
        }
        assert!(cache.get(scope(1)).is_none());
        assert!(cache.get(scope(99)).is_some());
    }

    #[test]
    fn an_answer_that_comes_late_brings_no_key_back() {
        let mut cache = Cache::new(10);
        cache.put(scope(1), key(1));
        cache.put(scope(1), Held::Shredded);
        cache.put(scope(1), key(1));
        assert!(matches!(cache.get(scope(1)), Some(Held::Shredded)));
    }
}
