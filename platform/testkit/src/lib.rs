//! What tests share: an event log in memory, the suite every event log must pass, and a WebRTC client
//! that says what it received.
//!
//! Dev-only: nothing that ships depends on it.

#![forbid(unsafe_code)]

pub mod engines;
pub mod event_log;
pub mod media_client;
