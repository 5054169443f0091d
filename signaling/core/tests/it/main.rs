//! What a waiting room does, as transcripts; who may say what; what the log holds.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod codec;
mod limits;
mod policy;
mod script;
mod transcripts;
