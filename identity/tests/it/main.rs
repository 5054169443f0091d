//! Identity as browsers meet it, on a real router over a store in memory.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod alarm;
mod authenticator;
mod browser;
mod conventions;
mod emergencies;
mod failures;
mod holds;
mod joining;
mod managing;
mod partners;
mod passkeys;
mod provider;
mod signing_in;
mod trail;
