//! The media plane: forwards sound and pictures between the people of a room.
//!
//! What this is: sockets, one pinned thread per shard, the packet path, and the driving of str0m, which does ICE,
//! DTLS, SDP and data channels. Every decision that needs no socket is in [`sfu_core`].
//! What it deliberately is not: a place that knows visits, queues or people's names. It needs no
//! database and no signaling to keep running calls running.
//!
//! ```text
//!  signaling, HTTP ──▶ service (answers offers, places sessions) ──commands──▶ shard 0 ◀──▶ UDP, TCP port
//!        ▲                  directory, engine                     ──commands──▶ shard 1 ◀──▶ UDP, TCP port + 1
//!        └──────────────────────── events ◀───────────────────────────────────────┘
//! ```
//!
//! Reading order: [`config`], [`limits`], [`service`] (the control side) with `directory` and `engine`
//! (the seam around str0m), `srtp`, `shard` (the loop that forwards), `traces`, [`metrics`], [`http`] (WHIP and WHEP).

#![forbid(unsafe_code)]

mod addresses;
pub mod config;
mod directory;
mod engine;
pub mod http;
#[doc(hidden)]
pub mod judged;
pub mod limits;
pub mod metrics;
pub mod service;
mod shard;
mod srtp;
mod traces;

pub use config::{Advertise, Config};
pub use service::{Error, Handle, Service};
