//! What the binary and the benches share of the server: its HTTP listener with its lanes. Everything else is the
//! binary's.

#![forbid(unsafe_code)]

pub mod http;
