//! From the outbox of one service to the inboxes of others. The event log is the record and the bus transport only:
//! wipe its store at any time, and nothing is missing afterwards and nothing is doubled.
//!
//! ```text
//! append ─▶ outbox of a partition ─▶ Relay ─publish─▶ lane of the bus ─▶ Inbox ─▶ handler ─▶ its rows and its place,
//!              1, 2, 3, …             │                                    ▲ │                 in one transaction
//!                                     ├─ tells every few seconds how far the outbox goes ──▶ │
//!                                     ◀─ asks for what is missing, tells how far it has come ┘
//! ```
//!
//! A message's place is its number in its partition, without gaps, so an inbox knows what is missing, what came early
//! and what it had before. The relay publishes in order, moves its place after that, and publishes everything it still
//! has whenever the transport's store is another one. It forgets only what was published and what all consumers it
//! knows have handled, or what a consumer has left standing for `limits::OUTBOX_KEPT_FOR_ABSENT`: that consumer hears of
//! it and stands still until it was made anew from events ([`inbox::Inbox::resume`]).
//!
//! Any number of processes may run the same relay or inbox. One has the turn, and takes it by compare-and-set; two at
//! once do nothing twice but work, because places move by compare-and-set, too.
//!
//! Reading order: [`letter`], `told`, `turn`, [`relay`] with its cores `course` and `retention`, [`inbox`] with its
//! core `order`.

pub mod inbox;
pub mod letter;
mod metrics;
pub mod relay;
mod told;
mod turn;

pub use inbox::{Handler, Inbox, Unhandled};
pub use letter::{Letter, Service};
pub use metrics::Metrics;
pub use relay::{Relay, Waker};
