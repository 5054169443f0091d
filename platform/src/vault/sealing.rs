//! The decorator: a store that keeps PHI sealed in the one below it.
//!
//! What is below, the local journal too, sees ciphertext only; [`Sealing::inner`] gives it to who computes over rows as they
//! are stored. A data key is durable before anything that is sealed with it. While keyring or KEK are away, scopes whose keys
//! are held go on, and others are refused as unavailable at once.
//!
//! | | sealed with the key of | bound to |
//! |---|---|---|
//! | event, snapshot | its stream | tenant, category, stream, version (and schema, of a snapshot) |
//! | audit row | the stream it was appended with | tenant, action, actor, subject, time, body |
//! | row of a projection | the stream whose event made it | tenant, table, generation, key |
//! | row that was not made from a stream's event | a scope made from table and key | the same |
//!
//! An envelope is longer than what is in it, 4/3 of it and 62 bytes; limits are of what is in it.

use super::{Vault, VaultError, keys::Scope, place::Place};
use crate::event_log::{AppendError, ReadError, Refusal};
use std::{fmt, sync::Arc};

mod read;
mod store;
mod write;

/// A store before another that encrypts PHI. See the [module](self).
pub struct Sealing<S: ?Sized> {
    inner: Arc<S>,
    vault: Arc<Vault>,
}

impl<S: ?Sized> Sealing<S> {
    /// Before a store.
    pub const fn new(inner: Arc<S>, vault: Arc<Vault>) -> Self {
        Self { inner, vault }
    }

    /// The store below, with ciphertext where there is PHI.
    pub const fn inner(&self) -> &Arc<S> {
        &self.inner
    }

    /// The keys.
    pub const fn vault(&self) -> &Arc<Vault> {
        &self.vault
    }
}

impl<S: ?Sized> fmt::Debug for Sealing<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealing").field("vault", &self.vault).finish_non_exhaustive()
    }
}

/// Nothing was recorded.
impl From<VaultError> for Refusal {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Shredded | VaultError::Invalid => Self::Invalid,
            VaultError::Away | VaultError::Kek(_) | VaultError::Lost | VaultError::Tampered => {
                Self::Unavailable
            }
        }
    }
}

impl From<VaultError> for AppendError {
    fn from(error: VaultError) -> Self {
        Self::Rejected(error.into())
    }
}

/// What it was is counted and said where it was found.
impl From<VaultError> for ReadError {
    fn from(_: VaultError) -> Self {
        Self
    }
}

/// Text with NUL is refused here: below, nobody sees it.
fn storable(text: &str) -> Result<(), VaultError> {
    if text.contains('\0') { Err(VaultError::Invalid) } else { Ok(()) }
}
