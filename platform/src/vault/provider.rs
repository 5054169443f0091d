//! Who holds the key encryption key (KEK), under which tenants' keys are wrapped: a [directory](file), the
//! [environment](mod@environment), or a [service](kms) that never gives it out.

use super::{key::Key, place::Parts};
use model::TenantId;
use std::{fmt, future::Future, pin::Pin};

pub mod environment;
pub mod file;
pub mod kms;
mod local;

/// A future that a provider's methods return.
pub type ProviderFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, ProviderError>> + Send + 'a>>;

/// Wraps and unwraps tenants' keys. Older KEKs than the one that wraps still unwrap what they have wrapped.
pub trait KeyProvider: Send + Sync + 'static {
    /// Wraps a key under the present KEK.
    fn wrap<'a>(&'a self, of: Of, key: &'a Key) -> ProviderFuture<'a, Wrapped>;
    /// Unwraps what was wrapped for the same tenant and version.
    fn unwrap<'a>(&'a self, of: Of, wrapped: &'a Wrapped) -> ProviderFuture<'a, Key>;
    /// Id of the KEK that wraps: another one than what stands with a wrapped key means that it is to be wrapped anew.
    fn present(&self) -> ProviderFuture<'_, String>;
}

/// Whose key is wrapped: bound to it, so that it cannot be put in another's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Of {
    /// The tenant.
    pub tenant: TenantId,
    /// Which of its keys.
    pub version: u32,
}

impl Of {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut parts = Parts(Vec::with_capacity(80));
        parts.put(b"telehealth tenant key 1");
        parts.put(self.tenant.0.as_bytes());
        parts.put(&self.version.to_be_bytes());
        parts.0
    }
}

/// A wrapped key.
#[derive(Clone, PartialEq, Eq)]
pub struct Wrapped {
    /// Id of the KEK it is wrapped under, at most [`MAX_KEK_ID_BYTES`](crate::limits::MAX_KEK_ID_BYTES).
    pub kek: String,
    /// At most [`MAX_WRAPPED_BYTES`](crate::limits::MAX_WRAPPED_BYTES).
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wrapped").field("kek", &self.kek).finish_non_exhaustive()
    }
}

/// Why a key is not wrapped or unwrapped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// Nobody answers; later perhaps.
    #[error("who holds the key encryption key does not answer")]
    Away,
    /// The KEK is not there: what is wrapped under it cannot be read until it is.
    #[error("the key encryption key {0} is missing")]
    Missing(String),
    /// It was not wrapped under this KEK for this tenant.
    #[error("a wrapped key is damaged, or was wrapped for something else")]
    Damaged,
    /// It refuses: wrong credentials, for example.
    #[error("who holds the key encryption key refuses")]
    Refused,
}
