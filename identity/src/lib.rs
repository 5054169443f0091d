//! Signing in, and the people who work here: the shell around `identity-core`.
//!
//! ```text
//! invitation's link ─▶ password + authenticator app ─▶ recovery codes
//! password ─▶ ticket (5 min) ─▶ code of the app ─▶ session: refresh token in a cookie, access token in the page
//! passkey ─▶ session, at once
//! access token (5 min) ─▶ Caller ─▶ policy ─▶ Permit ─▶ People
//! ```
//!
//! The refresh token is opaque, stands in a cookie that no script reads, and is replaced each time it is used. The access
//! token is a signed statement of a few minutes that every process can check by itself; whether its session still counts
//! is looked up at most every two seconds, so that whoever is let in no more is out at once, everywhere.
//!
//! Reading order: [`service`], [`records`], [`caller`], [`emergencies`], `routes`, [`passwords`], [`codes`], [`limits`].

#![forbid(unsafe_code)]

mod answers;
pub mod caller;
pub mod codes;
mod config;
pub mod emergencies;
mod followed;
pub mod limits;
mod passkeys;
pub mod passwords;
mod problems;
pub mod provider;
pub mod records;
mod routes;
pub mod service;
mod shown;

pub use config::Config;
pub use emergencies::Alarm;
pub use problems::{CONFIRM_FIRST, INVALID, NOT_ALLOWED, SESSION_LOCKED, SIGNED_OUT, denied};
pub use routes::{operations, router};
pub use service::{Deps, FirstAdministrator, Identity};
