//! PHI at rest: encrypted before it reaches a store, by a decorator that services do not know of.
//!
//! ```text
//! services ─▶ Sealing ─▶ Journaled<PostgresStore> | SqliteStore      the files, logs and backups of which hold ciphertext
//!                │
//!                └─▶ Vault: data key of the scope ◀─unwrap─ tenant's key ◀─unwrap─ KEK
//!                               └── Keyring ──┘                └── Keyring ──┘       └── KeyProvider
//! ```
//!
//! Three levels. A scope (a stream: one visit, one person's record) has a data key, which is made with its first PHI and
//! can be [shredded](Vault::shred). Data keys are wrapped under the tenant's key, which is [rotated](Vault::rotate) by
//! making a new version; that is wrapped under the key encryption key (KEK), which a [`provider`] holds. Wrapped keys live
//! in the [`keyring`], which is no part of the event log nor of its backups.
//!
//! What was shredded reads as [`model::phi::ERASED`]: the record stays, with who, when and what kind. Ciphertext stays
//! too, so that what is computed over stored rows stays valid. What an earlier build wrote in plain is read as it is.
//!
//! Reading order: `envelope`, `place` (what a ciphertext is bound to), `key`, [`provider`], [`keyring`], `held`, `keys` (which
//! key), `open` (text to text), [`sealing`] (the decorator), `rotation`.

use crate::{clock::Clock, limits::MAX_KEYS_HELD};
use held::Cache;
use keyring::Keyring;
use metrics::VaultMetrics;
use model::TenantId;
use parking_lot::Mutex;
use prometheus::Registry;
use provider::KeyProvider;
use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, atomic::AtomicU64},
};
use tokio::time::Instant;
use uuid::Uuid;

mod envelope;
mod held;
mod key;
pub mod keyring;
mod keys;
mod metrics;
mod open;
mod place;
pub mod provider;
mod rotation;
pub mod sealing;

pub(crate) use envelope::text_bytes;
pub use key::Key;
pub use rotation::Rewrapped;
pub use sealing::Sealing;

/// The scope of each tenant's key for [blind indexes](Vault::blind). No stream may be called so.
pub const INDEX_SCOPE: Uuid = Uuid::max();

/// Seals and opens PHI, and looks after the keys. Cheap to share behind an `Arc`.
pub struct Vault {
    keyring: Arc<dyn Keyring>,
    provider: Arc<dyn KeyProvider>,
    clock: Arc<dyn Clock>,
    metrics: VaultMetrics,
    accepts_plain: bool,
    held: Mutex<Cache>,
    tenants: Mutex<HashMap<TenantId, Arc<keys::TenantKeys>>>,
    /// Until when the keyring and the provider are not asked, because they did not answer.
    away_until: Mutex<Option<Instant>>,
    /// The newest erasure that is known here.
    shredded: AtomicU64,
    /// Where something could not be opened, so that it is said once.
    said: Mutex<HashSet<(TenantId, Uuid, &'static str)>>,
}

/// Why PHI was not sealed or opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// A key is needed that is not held, and keyring or provider do not answer.
    #[error("the keys cannot be had now")]
    Away,
    /// The KEK is not there, or refuses.
    #[error("the key encryption key cannot be used: {0}")]
    Kek(provider::ProviderError),
    /// The scope was shredded: nothing can be sealed for it.
    #[error("the key of this record was destroyed")]
    Shredded,
    /// There is no key of this scope in the keyring, and it was not shredded: the keyring is not the one it was.
    #[error("the key of this record is lost")]
    Lost,
    /// What stands there was not sealed for this place, or was altered.
    #[error("this was not sealed for where it stands, or was altered")]
    Tampered,
    /// Text that no envelope can hold, a reserved scope, or a reason that is too long.
    #[error("this cannot be sealed")]
    Invalid,
}

impl Vault {
    /// A vault over a keyring.
    ///
    /// # Errors
    /// Its metrics are registered already.
    pub fn new(
        keyring: Arc<dyn Keyring>,
        provider: Arc<dyn KeyProvider>,
        clock: Arc<dyn Clock>,
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        Ok(Self {
            keyring,
            provider,
            clock,
            metrics: VaultMetrics::new(registry)?,
            accepts_plain: true,
            held: Mutex::new(Cache::new(MAX_KEYS_HELD)),
            tenants: Mutex::default(),
            away_until: Mutex::default(),
            shredded: AtomicU64::new(0),
            said: Mutex::default(),
        })
    }

    /// Takes plain PHI in a store for tampering: where no earlier build has ever written.
    #[must_use]
    pub fn refusing_plain(self) -> Self {
        Self { accepts_plain: false, ..self }
    }

    /// The keyring.
    pub fn keyring(&self) -> &Arc<dyn Keyring> {
        &self.keyring
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("held", &self.held.lock().len()).finish_non_exhaustive()
    }
}
