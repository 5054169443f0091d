//! Process plumbing that knows no domain noun: configuration, telemetry, clock, keys, the event log,
//! problems, lifecycle.
//!
//! Reading order: [`event_log`].

#![forbid(unsafe_code)]

pub mod event_log;
