//! The control stream between signaling processes and media nodes, where they are processes of their own.
//!
//! What this is: [`sfu_core::port::MediaNode`] over a WebSocket, for one node ([`RemoteNode`]) and for several
//! ([`Fleet`]), and the other end of it ([`node`]). [`protocol`] is what they say; docs/media-link.md is the same
//! for people.
//! What it deliberately is not: on the path of a packet. A node forwards with nobody connected to it.
//!
//! ```text
//! signaling ──MediaNode──▶ Fleet ──▶ RemoteNode ──WebSocket──▶ node ──MediaNode──▶ sfu
//!           ◀──────────── MediaEvent ───────────── events ───◀      ◀─MediaEvent──
//! ```
//!
//! * A session belongs to an affinity, an affinity to whoever claimed it last. A claim of an older epoch is
//!   fenced, and with it everything its maker asks.
//! * A stream that breaks ends no session. It comes up again, claims again, and both ends agree on what is there.
//! * What is to be (who sits where, who shares, who is to go) is kept here until the node has said that it is so.
//!
//! Reading order: [`protocol`], [`token`], [`node`], [`remote`], [`fleet`], [`metrics`], [`limits`].

#![forbid(unsafe_code)]

pub mod fleet;
pub mod limits;
pub mod metrics;
pub mod node;
pub mod protocol;
pub mod remote;
pub mod token;

pub use fleet::{Fleet, NodeInfo};
pub use metrics::Metrics;
pub use remote::RemoteNode;

use model::TenantId;
use sfu_core::port::Affinity;

/// What is claimed and placed as one: an affinity of one healthcare unit.
pub(crate) type Key = (TenantId, Affinity);
