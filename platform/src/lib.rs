//! Process plumbing that knows no domain noun: clock, keys, the event log, encryption at rest, the
//! audit trail, bus, outbox, presence, telemetry, problems, lifecycle.
//!
//! Reading order: [`clock`], [`ids`], [`keys`], [`lane`], [`event_log`], [`vault`], [`audit`], [`bus`], [`outbox`], [`presence`],
//! [`problem`], [`body`], [`throttle`], [`rate`], [`api`], [`conditional`], [`once`], [`mod@exchange`], [`outbound`], [`telemetry`], [`mod@trace`], [`lifecycle`], [`limits`].

#![forbid(unsafe_code)]

pub mod api;
pub mod audit;
pub mod body;
pub mod bus;
pub mod clock;
pub mod conditional;
pub mod event_log;
pub mod exchange;
pub mod ids;
pub mod keys;
pub mod lane;
pub mod lifecycle;
pub mod limits;
pub mod once;
pub mod outbound;
pub mod outbox;
pub mod presence;
pub mod problem;
pub mod rate;
pub mod telemetry;
pub mod throttle;
pub mod trace;
pub mod vault;
