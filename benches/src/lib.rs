//! What the benches share: a server to measure, people in front of it, and what the machine says of both.
//!
//! The benches are strangers to the server, as a browser is: they start its binary, read the links it prints, and
//! speak its protocol.

#![forbid(unsafe_code)]

use anyhow::{Context as _, Result};
use std::str::FromStr;

pub mod clients;
pub mod deployment;
pub mod machine;
pub mod pair;

/// A knob of a bench, from the environment.
///
/// # Errors
/// It is set to something else than such a value.
pub fn env<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(name: &str, default: T) -> Result<T> {
    match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name}={text}")),
        Err(_) => Ok(default),
    }
}
