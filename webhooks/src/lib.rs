//! Tells partners' systems what happens to visits: the shell around `webhooks-core`.
//!
//! ```text
//! administrator ─routes─▶ records ─▶ the unit's stream of webhooks ─┐
//! visits' record ─tail─▶ deliverer ─▶ book: kept events, courses ◀──┴─▶ sender ─HTTPS─▶ partner's system
//! ```
//!
//! One process at a time sends, and whatever it knows stands in the store: another, or the same after `kill -9`, goes on where
//! it was. What this deliberately is not: a way to patients' data. What is sent are ids, times and an outcome.
//!
//! Reading order: [`deliverer`], `book`, `turn`, [`sender`], `signature`, `records`, `routes`, [`limits`].

#![forbid(unsafe_code)]

mod book;
mod config;
pub mod deliverer;
pub mod limits;
mod metrics;
mod problems;
mod records;
mod routes;
pub mod sender;
mod signature;
mod turn;

pub use config::Config;
pub use deliverer::Deliverer;
pub use routes::{Routes, operations};
pub use sender::Sender;
