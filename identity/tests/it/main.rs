//! Identity as browsers meet it, on a real router over a store in memory.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod authenticator;
mod browser;
mod joining;
mod managing;
mod passkeys;
mod provider;
mod signing_in;
