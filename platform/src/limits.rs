//! Every limit of this crate, and what happens beyond it.

/// Longest token that is looked at, bytes. Longer ones are refused unread: ours are under 1 KiB, and
/// base64 and JSON of a stranger's megabyte would be parsed before its signature is known.
pub const MAX_TOKEN_BYTES: usize = 2_048;
