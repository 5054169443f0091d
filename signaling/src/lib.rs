//! The WebSocket shell around `signaling-core`: sockets, tasks, the store and the media node.
//!
//! What this is: one task per waiting room that drives its [`signaling_core::Owner`] with a single
//! `select!`, and one per connection that drives its [`signaling_core::connection::Connection`].
//! What it deliberately is not: a place with rules. Who may do what, and what follows, is decided in
//! the core.
//!
//! ```text
//! browser ⇄ socket task ──Input──▶ room task ⇄ event store
//!                ▲  ▲───ToSocket────────┘  ▲──▶ media node
//!                │                         └── media events, links, invitations
//!                └──WebSocket──▶ the process that owns the room, if that is another one
//! ```
//!
//! Every queue between them has a bound in [`limits`]. A slow reader fills only its own and is closed
//! with 1013.
//!
//! Reading order: [`config`], [`service`], [`handle`], `room`, `socket`, `upgrade`, `sessions`; `history`; `find` and
//! `searches` (where a room lives), `load`, `index`; `peers` and `inside` (what processes say to each other), [`network`],
//! [`links`], `sweep`; `metrics`, [`limits`].

#![forbid(unsafe_code)]

pub mod access;
mod config;
mod find;
pub mod handle;
mod history;
mod index;
mod inside;
pub mod limits;
pub mod links;
mod load;
mod metrics;
pub mod network;
mod peers;
mod room;
mod rooms;
mod searches;
mod seat_watch;
pub mod service;
mod sessions;
mod shared;
mod socket;
mod sweep;
mod traces;
mod upgrade;
mod visits;
mod who;

pub use config::Config;
pub use handle::{Handle, HandleError, Invitation, NewInvitation, NewWaitingRoom, OpenedRoom};
pub use links::RemoteLinks;
pub use load::VISIT;
pub use rooms::Rooms;
pub use service::{Deps, Error, Service};
pub use visits::RemoteVisits;

/// What the routes under `/api` say of themselves.
#[must_use]
pub fn operations() -> Vec<platform::api::Operation> {
    let mut all = vec![history::operation()];
    all.extend(access::operations());
    all
}
