//! Webhooks of a healthcare unit's partners: what is told, to whom, in which order, and what happens when nobody listens. Pure.
//!
//! ```text
//! webhook:  added ─▶ on ──five days of failure, or 410──▶ off        removed: gone, from either
//!                    ▲  └ secret changed: the old one signs too, for a day
//!                    └────────switched on by somebody─────┘
//!
//! course:   event n accepted ─▶ event n+1 ─▶ …     one at a time, in the order of the unit's events
//!           event n refused  ─▶ event n again, after 1 s, 2 s, 4 s, … 1 h
//!           replay from m    ─▶ event m, and all after it, with the ids they had
//! ```
//!
//! Whatever is sent may have been sent before: a receiver's answer can be lost, and so can the note that it came. So every
//! event has an id that stays the same. What this deliberately is not: a place that signs, connects, reads clocks or draws
//! random numbers.
//!
//! Reading order: [`notice`] (what is told), [`webhook`] (to whom), [`course`] (how it goes on), [`codec`], [`limits`].

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod codec;
pub mod course;
pub mod limits;
pub mod notice;
pub mod webhook;

pub use course::{Answer, Because, Course};
pub use notice::{EventId, Kind, Notice};
pub use webhook::{Webhook, WebhookId, Webhooks};
