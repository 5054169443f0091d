//! What the SFU decides, without a socket, a clock or a lock.
//!
//! Reading order: [`port`] (what signaling asks of the media plane).

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod port;
