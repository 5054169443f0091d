//! Who works here, and who is signed in: the life of an account and of a session, as pure machines.
//!
//! ```text
//! account:  (nothing) ─invited─▶ Invited ─joined─▶ Active ◀─enabled/disabled─▶ Disabled
//!                                   ▲                │
//!                                   └──reinvited─────┘   all factors are gone; whoever opens the link sets them anew
//!
//! session:  (nothing) ─started─▶ Open ◀─locked/unlocked─▶ Locked ─ended─▶ Ended
//!                                  └ renewed, every few minutes ┘
//!
//! emergency: lasts ─60 min, handed back, found wrong─▶ over ─▶ reviewed by somebody else
//! ```
//!
//! All decide, are appended, then evolve. What this deliberately is not: a place that hashes passwords, reads clocks or
//! draws random numbers. A shell brings hashes, times and ids.
//!
//! Reading order: [`account`], [`session`], [`passkey`], [`emergency`], [`hold`], [`secret`], [`text`], [`codec`], [`limits`].

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod account;
pub mod codec;
pub mod emergency;
pub mod hold;
pub mod limits;
pub mod partner;
pub mod passkey;
pub mod secret;
pub mod session;
pub mod text;
