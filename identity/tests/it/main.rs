//! Identity as browsers meet it, on a real router over a store in memory.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod browser;
mod conventions;
mod joining;
mod managing;
mod signing_in;
