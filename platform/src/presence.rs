//! Presence: who is where now, and how loaded a node is. Nothing in here is a record: whoever announced
//! something keeps it up, and all of it can be rebuilt from those who are alive.
//!
//! ```text
//! announce ─▶ kept up by this process until it withdraws ─▶ gone one TTL after the process is
//! ```
//!
//! The newest announcement of a key wins, whichever process made it; the one before learns nothing and
//! cannot undo it. Values carry ids and numbers, no PHI.

use crate::limits::{MAX_PRESENCE_BYTES, MAX_PRESENCE_ID_BYTES, PRESENCE_TTL};
use bytes::Bytes;
use model::TenantId;
use std::{future::Future, pin::Pin, time::Duration};

pub mod memory;
pub mod redis;

/// A future that presence's methods return.
pub type PresenceFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, PresenceError>> + Send + 'a>>;

/// What is announced.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key {
    kind: &'static str,
    tenant: Option<TenantId>,
    id: String,
}

/// The kind or id is empty, too long, or holds something else than its alphabet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a valid key of presence")]
pub struct InvalidKey;

impl Key {
    /// `kind` is `[a-z-]{1,32}`, `participant` for example. `tenant` is whose it is, `None` for what
    /// belongs to the platform itself, such as nodes. `id` is `[A-Za-z0-9_.-]`, at most
    /// `limits::MAX_PRESENCE_ID_BYTES`.
    ///
    /// # Errors
    /// It is none of that.
    pub fn new(
        kind: &'static str,
        tenant: Option<TenantId>,
        id: impl Into<String>,
    ) -> Result<Self, InvalidKey> {
        let id = id.into();
        let in_kind = |b: u8| b.is_ascii_lowercase() || b == b'-';
        let in_id = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        let valid = (1..=32).contains(&kind.len())
            && kind.bytes().all(in_kind)
            && (1..=MAX_PRESENCE_ID_BYTES).contains(&id.len())
            && id.bytes().all(in_id);
        if valid { Ok(Self { kind, tenant, id }) } else { Err(InvalidKey) }
    }

    /// What kind of thing.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Whose it is.
    pub fn tenant(&self) -> Option<TenantId> {
        self.tenant
    }

    /// Which one.
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// What is there of one kind.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Listing {
    /// Ids and values, in the order of the ids.
    pub entries: Vec<(String, Bytes)>,
    /// There are more than `limits::MAX_LISTED`, and some are missing here.
    pub cut: bool,
}

/// Why presence did not do it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PresenceError {
    /// It does not answer in time. What was announced is announced as soon as it does; what was
    /// withdrawn goes at the latest when its TTL is over.
    #[error("presence is not available now")]
    Unavailable,
    /// The value is larger than `limits::MAX_PRESENCE_BYTES`; nothing was announced.
    #[error("the value is too large")]
    TooLarge,
    /// This process keeps up `limits::MAX_ANNOUNCED` already; nothing was announced.
    #[error("this process has announced too much")]
    Full,
}

/// Presence. Adapters: in-process (`presence::memory`), Redis (`presence::redis`). Every operation ends
/// within `limits::PRESENCE_TIME_LIMIT`.
pub trait Presence: Send + Sync + 'static {
    /// Says that something is so, and keeps saying it until it is withdrawn, announced with another
    /// value, or announced by another process. It is gone `ttl` after this process is; `ttl` is cut to
    /// `limits::PRESENCE_TTL`.
    fn announce(&self, key: Key, value: Bytes, ttl: Duration) -> PresenceFuture<'_, ()>;

    /// Takes back what this process announced. What another process has announced since stays.
    fn withdraw(&self, key: Key) -> PresenceFuture<'_, ()>;

    /// What is announced under a key.
    fn get(&self, key: Key) -> PresenceFuture<'_, Option<Bytes>>;

    /// Everything of one kind of one tenant, at most `limits::MAX_LISTED`.
    fn list(&self, kind: &'static str, tenant: Option<TenantId>) -> PresenceFuture<'_, Listing>;
}

fn within_limits(value: &Bytes, ttl: Duration) -> Result<Duration, PresenceError> {
    if value.len() > MAX_PRESENCE_BYTES {
        return Err(PresenceError::TooLarge);
    }
    Ok(ttl.clamp(*PRESENCE_TTL.start(), *PRESENCE_TTL.end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_as_long_as_they_may_be_and_hold_their_alphabet() {
        assert!(Key::new("node", None, "a".repeat(MAX_PRESENCE_ID_BYTES)).is_ok());
        assert!(Key::new("node", None, "a".repeat(MAX_PRESENCE_ID_BYTES + 1)).is_err());
        for (kind, id) in
            [("", "a"), ("Node", "a"), ("node", ""), ("node", "a}b"), ("node", "a b"), ("n:", "a")]
        {
            assert!(Key::new(kind, None, id).is_err(), "{kind:?} {id:?}");
        }
    }

    #[test]
    fn values_and_times_are_held_to_their_limits() {
        let ttl = Duration::from_secs(10);
        assert_eq!(within_limits(&vec![0; MAX_PRESENCE_BYTES].into(), ttl), Ok(ttl));
        let larger = within_limits(&vec![0; MAX_PRESENCE_BYTES + 1].into(), ttl);
        assert_eq!(larger, Err(PresenceError::TooLarge));
        assert_eq!(within_limits(&Bytes::new(), Duration::ZERO), Ok(*PRESENCE_TTL.start()));
        assert_eq!(within_limits(&Bytes::new(), Duration::MAX), Ok(*PRESENCE_TTL.end()));
    }
}
