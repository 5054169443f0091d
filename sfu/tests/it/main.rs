//! The media plane against real clients over real sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod fleet;
mod flood;
mod forward;
mod http;
mod network;
mod node;
mod offers;
mod reoffers;
