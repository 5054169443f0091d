//! Where wrapped keys live: beside the event log and not in it, because what was shredded must be gone. Adapters:
//! [SQLite](sqlite) and [PostgreSQL](postgres) here, memory in `testkit`.

use model::{TenantId, Timestamp};
use std::{fmt, future::Future, pin::Pin};
use uuid::Uuid;

pub mod postgres;
pub mod sqlite;

/// A future that a keyring's methods return.
pub type KeyringFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, KeyringError>> + Send + 'a>>;

/// Why the keyring does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// Not now. What was to be changed may have been: each change may be asked for again.
    #[error("the keyring does not answer")]
    Away,
    /// A data key is wrapped under a tenant key that is not there any more: wrap it under the newest.
    #[error("the tenant's key is retired")]
    Retired,
}

/// A tenant's key, wrapped under the key encryption key.
#[derive(Clone, PartialEq, Eq)]
pub struct TenantKey {
    /// Whose.
    pub tenant: TenantId,
    /// From 1, without gaps when they are made.
    pub version: u32,
    /// Id of the KEK.
    pub kek: String,
    /// The key.
    pub wrapped: Vec<u8>,
    /// When it was made.
    pub at: Timestamp,
}

/// The key of one scope's data, wrapped under a version of its tenant's key.
#[derive(Clone, PartialEq, Eq)]
pub struct DataKey {
    /// Whose.
    pub tenant: TenantId,
    /// What it is for: the id of a stream.
    pub scope: Uuid,
    /// Under which version of the tenant's key it is wrapped.
    pub version: u32,
    /// The key.
    pub wrapped: Vec<u8>,
    /// When it was made.
    pub at: Timestamp,
}

/// What the keyring has of a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Its key.
    Key(DataKey),
    /// It had one, which was destroyed. There will not be another.
    Shredded {
        /// Whose.
        tenant: TenantId,
        /// Of which scope.
        scope: Uuid,
    },
}

impl Found {
    /// Of which scope.
    pub const fn scope(&self) -> (TenantId, Uuid) {
        match self {
            Self::Key(key) => (key.tenant, key.scope),
            Self::Shredded { tenant, scope } => (*tenant, *scope),
        }
    }
}

/// An erasure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shred {
    /// Whose.
    pub tenant: TenantId,
    /// What.
    pub scope: Uuid,
    /// Why, without PHI; at most [`MAX_REASON_BYTES`](crate::limits::MAX_REASON_BYTES).
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shredding {
    /// The key is gone, now.
    Done,
    /// It was gone before.
    Before,
    /// There is no key of this scope: nothing of it was ever sealed. Nothing is recorded either.
    NoKey,
}

/// An erasure that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shredded {
    /// Its number, from 1 without gaps, in the order of commits.
    pub number: u64,
    /// What was done.
    pub shred: Shred,
}

/// Versions of a tenant's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// Whose.
    pub tenant: TenantId,
    /// The oldest; another one than the newest while data keys are wrapped under it.
    pub oldest: u32,
    /// The newest.
    pub newest: u32,
}

/// How a tenant's keys stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantStatus {
    /// Whose.
    pub tenant: TenantId,
    /// Newest version of its key.
    pub newest: u32,
    /// How many versions there are.
    pub versions: u32,
    /// Ids of the KEKs that they are wrapped under, in their order.
    pub keks: Vec<String>,
    /// Data keys.
    pub data_keys: u64,
    /// Those of them that are wrapped under an older version.
    pub stale: u64,
    /// Scopes that were shredded.
    pub shredded: u64,
}

/// Keeps wrapped keys. What it answered is durable; each method may be called by many processes at once.
pub trait Keyring: Send + Sync + 'static {
    /// All versions of a tenant's key, in their order.
    fn tenant_keys(&self, tenant: TenantId) -> KeyringFuture<'_, Vec<TenantKey>>;
    /// Adds the version after the newest (1 as the first); `false` if somebody else was faster.
    fn add_tenant_key(&self, key: TenantKey) -> KeyringFuture<'_, bool>;
    /// Puts a key that was wrapped anew in the place of `old`; `false` if that is not there any more.
    fn rewrap_tenant_key(&self, old: TenantKey, new: TenantKey) -> KeyringFuture<'_, bool>;
    /// Deletes versions of a tenant's key that are not the newest and that nothing is wrapped under; says how many.
    fn retire(&self, tenant: TenantId) -> KeyringFuture<'_, u64>;
    /// What there is of scopes, at most [`KEYS_AT_ONCE`](crate::limits::KEYS_AT_ONCE); what is unknown is not in the answer.
    fn find(&self, scopes: Vec<(TenantId, Uuid)>) -> KeyringFuture<'_, Vec<Found>>;
    /// Adds keys for scopes that have none yet, and answers what stands there now for each: all agree on one.
    ///
    /// # Errors
    /// `Retired`: none was added.
    fn settle(&self, keys: Vec<DataKey>) -> KeyringFuture<'_, Vec<Found>>;
    /// Data keys of a tenant that are wrapped under an older version than its newest, at most `limit`.
    fn stale(&self, tenant: TenantId, limit: usize) -> KeyringFuture<'_, Vec<DataKey>>;
    /// Puts keys that were wrapped anew in the place of those given with them, as far as these are still there; says how
    /// many.
    fn rewrap(&self, keys: Vec<(DataKey, DataKey)>) -> KeyringFuture<'_, u64>;
    /// Destroys a scope's key, and remembers that.
    fn shred(&self, shred: Shred) -> KeyringFuture<'_, Shredding>;
    /// Erasures after a number, in their order, at most `limit`.
    fn shredded(&self, after: u64, limit: usize) -> KeyringFuture<'_, Vec<Shredded>>;
    /// Which versions there are of each tenant's key, after a tenant, in their order, at most `limit`.
    fn versions(&self, after: Option<TenantId>, limit: usize) -> KeyringFuture<'_, Vec<Versions>>;
    /// How a tenant's keys stand; counts them all.
    fn status(&self, tenant: TenantId) -> KeyringFuture<'_, TenantStatus>;
}

impl fmt::Debug for TenantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantKey")
            .field("tenant", &self.tenant)
            .field("version", &self.version)
            .field("kek", &self.kek)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataKey")
            .field("tenant", &self.tenant)
            .field("scope", &self.scope)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
