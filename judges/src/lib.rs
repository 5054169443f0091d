//! Judges of the whole that are not part of it: what must hold for any bytes a stranger sends, which dependencies may
//! come in, and what must not stand in the repository.
//!
//! What this is: functions that panic where something is wrong. Tests run them with the seeds in `fuzz/seeds/` and
//! bounded changes of those; `make fuzz` runs the same functions under cargo-fuzz.
//! What it deliberately is not: a place for tests of one crate, which stand in that crate.
//!
//! Reading order: [`targets`] (one function for each parser of outside bytes), [`mutate`], [`dependencies`],
//! [`secrets`], [`asvs`] (what is said of a standard). docs/security-tests.md says what judges what.

#![forbid(unsafe_code)]
#![expect(clippy::expect_used, clippy::panic, reason = "a judge says no by panicking")]

pub mod asvs;
pub mod dependencies;
pub mod mutate;
pub mod secrets;
pub mod targets;
