//! Process plumbing that knows no domain noun: clock, keys, the event log, telemetry, problems,
//! lifecycle.
//!
//! Reading order: [`clock`], [`ids`], [`keys`], [`lane`], [`event_log`], [`problem`], [`telemetry`],
//! [`lifecycle`], [`limits`].

#![forbid(unsafe_code)]

pub mod clock;
pub mod event_log;
pub mod ids;
pub mod keys;
pub mod lane;
pub mod lifecycle;
pub mod limits;
pub mod problem;
pub mod telemetry;
