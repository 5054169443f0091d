//! Rooms and waiting rooms, without a socket, a clock or a database.
//!
//! Reading order: [`port`] (what other services ask of signaling).

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod port;
