//! The WebSocket shell around `signaling-core`: sockets, tasks, the store and the media node.
//!
//! What this is: one task per waiting room that drives its [`signaling_core::Owner`] with a single
//! `select!`, and one per connection that drives its [`signaling_core::connection::Connection`].
//! What it deliberately is not: a place with rules. Who may do what, and what follows, is decided in
//! the core.
//!
//! ```text
//! browser ⇄ socket task ──Input──▶ room task ⇄ event store
//!                ▲───ToSocket───────────┘  ▲──▶ media node
//!                                          └── media events, links, invitations
//! ```
//!
//! Every queue between them has a bound in [`limits`]. A slow reader fills only its own and is closed
//! with 1013.
//!
//! Reading order: [`config`], [`service`], [`handle`], `room`, `socket`, `upgrade`, `load`,
//! `sessions`, `metrics`, [`limits`].

#![forbid(unsafe_code)]

pub mod config;
pub mod handle;
pub mod limits;
mod load;
mod metrics;
mod room;
pub mod service;
mod sessions;
mod shared;
mod socket;
mod upgrade;

pub use config::Config;
pub use handle::{Handle, HandleError, Invitation, NewInvitation, NewWaitingRoom, OpenedRoom};
pub use service::{Deps, Error, Service};
