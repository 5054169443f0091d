//! What the benches share. Servers, and people in front of them, come from `loadtest`.
//!
//! The benches are strangers to the server, as a browser is: they start its binary, read the links it prints, and
//! speak its protocol.

#![forbid(unsafe_code)]

use anyhow::{Context as _, Result};
use std::{process::Command, str::FromStr};

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

/// Which source is measured, where git can say.
#[must_use]
pub fn build() -> Option<String> {
    let git = Command::new("git").args(["describe", "--always", "--dirty"]).output().ok()?;
    let said = String::from_utf8(git.stdout).ok().filter(|_| git.status.success())?;
    Some(said.trim().to_owned())
}
