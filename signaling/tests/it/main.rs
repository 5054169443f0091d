//! The whole service over real WebSockets, on a real event log in a temporary directory. Only the far
//! side of the media port is a stand-in, which records what it is told.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::disallowed_methods, reason = "a test that bounds a time measures it")]

mod access;
mod client;
mod media;
mod world;

mod fleet;
mod history;
mod hostile;
mod journal;
mod life;
mod recovery;
mod units;
mod visit;
