//! What the binary, the tests and the benches share of the server: its HTTP listener with its lanes, and what its
//! interface says of itself. Everything else is the
//! binary's.

#![forbid(unsafe_code)]

pub mod api;
pub mod http;
