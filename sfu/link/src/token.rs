//! Who may open a stream: a process that has the fleet's keys.

use crate::limits::TOKEN_TTL;
use model::Timestamp;
use platform::keys::{Keys, TokenError};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What these tokens are for, and no others.
pub const AUDIENCE: &str = "media-link";

/// What a token says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LinkClaims {
    /// Which process opens the stream.
    pub process: Uuid,
}

/// Signs a token for one stream.
#[must_use]
pub fn sign(keys: &Keys, now: Timestamp, process: Uuid) -> String {
    keys.sign(AUDIENCE, TOKEN_TTL, now, &LinkClaims { process })
}

/// Which process a token speaks for.
///
/// # Errors
/// It is not valid.
pub fn verify(keys: &Keys, now: Timestamp, token: &str) -> Result<LinkClaims, TokenError> {
    keys.verify(AUDIENCE, now, token).map(|verified| verified.claims)
}
