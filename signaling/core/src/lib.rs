//! Visits and waiting rooms, without a socket, a clock or a database.
//!
//! What this is: every rule of signaling as a state machine that is told the time and handed its
//! input, so that a simulation can drive years of crashes through it in seconds.
//! What it deliberately is not: IO. No tokio, no store, no randomness; `Cargo.toml` is the proof.
//!
//! ```text
//! Booked ──check-in──▶ Waiting ──admit──▶ InCall ──end──▶ Ended
//!    │                    ├─deny, leave──────────────────▶ ▲
//!    └────────────────────┴─end (absent, technology)────────┘
//! ```
//!
//! Two shapes. What must survive a crash **decides, is appended, then evolves**: [`visit`] and
//! [`waiting_room`]. What lives and dies with a process **is handled, then polled**: [`owner`], which
//! holds the durable machines of one waiting room, and [`connection`], one WebSocket.
//!
//! Reading order: [`visit`], [`waiting_room`], [`queue`], [`rights`], [`views`], [`codec`],
//! [`owner`], [`connection`], [`history`], [`token`], [`port`], [`limits`].

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod codec;
pub mod connection;
pub mod history;
pub mod limits;
pub mod link;
pub mod owner;
pub mod port;
pub mod queue;
pub mod record;
pub mod rejection;
pub mod rights;
pub mod seat;
pub mod token;
pub mod views;
pub mod visit;
pub mod waiting_room;

pub use link::LinkHash;
pub use owner::Owner;
pub use rejection::Rejection;
pub use visit::Visit;
pub use waiting_room::WaitingRoom;
