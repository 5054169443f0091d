//! What tests share: real engines on free ports, a trace collector, an event log in memory, the suites that every event
//! log, bus and presence must pass, and a WebRTC client that says what it received.
//!
//! Dev-only: nothing that ships depends on it.

#![forbid(unsafe_code)]

pub mod bus;
pub mod collector;
pub mod engines;
pub mod event_log;
pub mod media_client;
pub mod presence;
pub mod vault;
pub mod wait;
