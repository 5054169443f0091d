//! KEKs that this process has itself.

use super::{Of, ProviderError, Wrapped};
use crate::vault::key::Key;

/// KEKs by their ids, the one that wraps last.
#[derive(Debug)]
pub(super) struct Keks(Vec<(String, Key)>);

impl Keks {
    /// Oldest first; `None` without any. `kind` begins their ids.
    pub(super) fn new(kind: &str, keys: Vec<Key>) -> Option<Self> {
        let named = |key: Key| (format!("{kind}-{}", key.fingerprint()), key);
        (!keys.is_empty()).then(|| Self(keys.into_iter().map(named).collect()))
    }

    fn newest(&self) -> Result<&(String, Key), ProviderError> {
        self.0.last().ok_or(ProviderError::Away)
    }

    pub(super) fn present(&self) -> Result<String, ProviderError> {
        self.newest().map(|(id, _)| id.clone())
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.0.iter().any(|(known, _)| known == id)
    }

    pub(super) fn wrap(&self, of: Of, key: &Key) -> Result<Wrapped, ProviderError> {
        let (id, kek) = self.newest()?;
        let bytes = kek.wrap(&of.bytes(), key).map_err(|_| ProviderError::Away)?;
        Ok(Wrapped { kek: id.clone(), bytes })
    }

    pub(super) fn unwrap(&self, of: Of, wrapped: &Wrapped) -> Result<Key, ProviderError> {
        let found = self.0.iter().find(|(id, _)| *id == wrapped.kek);
        let (_, kek) = found.ok_or_else(|| ProviderError::Missing(wrapped.kek.clone()))?;
        kek.unwrap(&of.bytes(), &wrapped.bytes).ok_or(ProviderError::Damaged)
    }
}
