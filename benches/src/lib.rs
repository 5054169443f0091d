//! What the benches share: a server to measure, people in front of it, and what the machine says of both.
//!
//! The benches are strangers to the server, as a browser is: they start its binary, read the links it prints, and
//! speak its protocol.

#![forbid(unsafe_code)]

pub mod clients;
pub mod deployment;
pub mod machine;
pub mod pair;
