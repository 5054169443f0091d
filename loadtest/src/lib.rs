//! Synthetic clients: people at browsers, as far as a server can tell.
//!
//! What this is: a signaling client ([`participant`]) and media clients ([`media`]) that are cheap enough for
//! one core of them to load one core of SFU, and that notice when they themselves are the bottleneck.
//! What it deliberately is not: part of the server. It knows the signaling protocol and the vocabulary of
//! `model` and nothing else: a stranger, like a browser. A test that asks what arrived packet by packet uses
//! `testkit::media_client`, which is slower and remembers everything.
//!
//! Reading order: [`consult`] (the steps of a visit), [`participant`] (signaling) and
//! [`tenacity`] (how it survives a restart), [`media`], then its `session` (one
//! client, sans-IO), `worker` (many on one thread) and `interop` (a stranger's, for tests). [`plot`] draws what was
//! measured. The program `loadtest` is in
//! `main.rs`; its journeys and reports are described in docs/load-testing.md.

// Not `forbid`: netem's `sys` makes two calls that the compiler cannot check, and says why they are sound.
#![deny(unsafe_code)]
#![deny(missing_docs)]

pub mod consult;
pub mod deployment;
pub mod http;
pub mod machine;
pub mod media;
pub mod net;
pub mod netem;
pub mod participant;
pub mod plot;
pub mod random;
pub mod search;
pub mod tenacity;
