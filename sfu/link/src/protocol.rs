//! What is said on a stream: JSON, one message a WebSocket text frame.
//!
//! A process asks ([`Ask`]), a node tells ([`Tell`]). Every question but `hello` carries a number of the asker's
//! choice, which its one answer repeats. Fields and messages that this build does not know are ignored, so that a
//! process and a node one version apart understand each other.

mod ask;
mod tell;
mod words;

pub use ask::Ask;
pub use tell::{Hello, Tell};
pub use words::{Direction, Existing, Load, Refusal};

use crate::limits::MAX_MESSAGE_BYTES;
use serde::{Serialize, de::DeserializeOwned};

/// The WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "telehealth.media.v1";
/// The version spoken by this build.
pub const VERSION: u32 = 1;
/// The oldest version it understands.
pub const OLDEST: u32 = 1;

/// The message is longer than [`MAX_MESSAGE_BYTES`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the message is too long")]
pub struct TooLong;

/// The message is not one of the protocol. Deliberately says nothing about it: it may hold PHI.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the message cannot be read")]
pub struct Unreadable;

/// Writes a message.
///
/// # Errors
/// [`TooLong`].
pub fn encode<T: Serialize>(message: &T) -> Result<String, TooLong> {
    let text = serde_json::to_string(message).map_err(|_| TooLong)?;
    if text.len() > MAX_MESSAGE_BYTES { Err(TooLong) } else { Ok(text) }
}

/// Reads a message.
///
/// # Errors
/// [`Unreadable`], also for what is too long.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Unreadable> {
    if text.len() > MAX_MESSAGE_BYTES {
        return Err(Unreadable);
    }
    serde_json::from_str(text).map_err(|_| Unreadable)
}
