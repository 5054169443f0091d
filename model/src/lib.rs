//! The vocabulary every part of the platform shares: typed ids, units, roles and [`Phi`].
//!
//! What this is: plain values without behaviour of their own.
//! What it deliberately is not: a place for logic, storage or wire formats. A type enters this
//! crate when a *third* crate needs it.
//!
//! Reading order: [`id`], [`phi`], [`time`], [`units`], [`role`], [`network`], [`trace`].

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod id;
pub mod network;
pub mod phi;
pub mod role;
pub mod time;
pub mod trace;
pub mod units;

pub use id::{CommandId, ParticipantId, RoomId, TenantId, VisitId, WaitingRoomId};
pub use network::{Network, NotANetwork};
pub use phi::Phi;
pub use role::Role;
pub use time::Timestamp;
pub use trace::TraceContext;
pub use units::{Bitrate, Epoch, Generation};
