//! The link between processes against a real media plane, real clients and real sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod calls;
mod document;
mod door;
mod fake;
mod fleet;
mod limits;
mod media;
mod proxy;
mod takeover;
mod wire;
mod world;
