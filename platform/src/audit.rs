//! The audit trail's hash chain: rows that nobody can alter, take out, put in or move without it being found.
//!
//! Every append carries rows for the auditor, numbered from 1 without gaps in each tenant and partition. The
//! [`sealer`] chains them and signs where the chain is, at least once a minute; a seal is an event, so that it is as
//! durable as what it is about. An [`export`] is a file with rows, seals and public keys, which [`mod@verify`] judges
//! without a server and without a store.
//!
//! ```text
//! append ─▶ row ─▶ sealer: chain, digests, signature ─▶ seal, an event ─▶ second place
//!             └───────────────── export ──────────────────┘                    │ anchor
//!                                   └─▶ verify ◀───────────────────────────────┘
//! ```
//!
//! What it is deliberately not: it does not keep anybody from writing to the database. It makes what they did be found,
//! down to the row. What is cut off at the end, together with its seals, shows only beside a seal that somebody else
//! kept. docs/audit.md says what is proven and what is not.
//!
//! Reading order: [`chain`], [`keys`], [`seal`], [`trail`], [`sealer`], [`second_place`],
//! [`file`](mod@file), [`export`], [`mod@verify`], [`watch`], [`prune`].

pub mod chain;
pub mod export;
pub mod file;
pub mod keys;
mod metrics;
pub mod prune;
pub mod seal;
pub mod sealer;
pub mod second_place;
pub mod trail;
pub mod verify;
pub mod watch;

pub use chain::ChainId;
pub use keys::{PublicKeys, Signer};
pub use metrics::Metrics;
pub use prune::Pruner;
pub use seal::Seal;
pub use sealer::Sealer;
pub use second_place::{Copier, SecondPlace};
pub use trail::Trail;
pub use watch::{Chains, Watcher};
