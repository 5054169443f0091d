//! The signaling wire format: every message a browser and the server exchange over the WebSocket,
//! defined once. The TypeScript in `web/protocol/generated/` is made from these types and a test
//! fails when it is out of date. `docs/signaling-protocol.md` explains each message with a literal.
//!
//! What this is: types, their limits, and the bounded parser for bytes from outside.
//! What it deliberately is not: behaviour. Who may say what is `signaling-core`'s business.
//!
//! Reading order: [`client`] (what browsers say), [`server`] (what they hear), [`view`] (the
//! projections inside), [`close`] (how a connection ends), [`limits`].

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod client;
pub mod close;
pub mod limits;
pub mod server;
pub mod view;

pub use client::ClientMessage;
pub use close::CloseCode;
pub use server::{ErrorCode, ServerMessage};

/// The WebSocket subprotocol (RFC 6455 §1.9) of this version.
pub const SUBPROTOCOL: &str = "telehealth.v1";
