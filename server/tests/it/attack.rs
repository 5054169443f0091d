//! The attacks of OWASP ASVS 5.0, chapter V17 (WebRTC), on the real binary while calls go on: what each of them is for is
//! in its name, docs/security-tests.md has the table. Short here; `make attack` runs them at length.
//!
//! Everything is sent to loopback, is bounded in number and time, and ends by itself.

mod media;
mod packets;
mod setup;
mod signaling;
mod stage;
mod tap;
