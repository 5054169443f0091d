//! Every limit of this crate, and what happens beyond it.

/// Longest token that is looked at, bytes. Longer ones are refused unread: ours are under 1 KiB, and
/// base64 and JSON of a stranger's megabyte would be parsed before its signature is known.
pub const MAX_TOKEN_BYTES: usize = 2_048;

/// Most events in one append. One command decides a handful; more is a programming mistake, refused as
/// too large.
pub const MAX_EVENTS_PER_APPEND: usize = 64;

/// Most bytes of one event, body and PHI together. Larger appends are refused as too large.
pub const MAX_EVENT_BYTES: usize = 64 * 1_024;

/// Appends that may wait for the writer. Beyond it an append is refused as unavailable, with nothing
/// recorded: the caller sheds load instead of piling up memory.
pub const MAX_QUEUED_APPENDS: usize = 4_096;

/// Most appends in one transaction. More would make the first of them wait for the last.
pub const MAX_APPENDS_PER_COMMIT: usize = 1_024;

/// Most events or streams that one read returns; a larger `limit` is cut to it. Callers page.
pub const MAX_READ: usize = 1_000;

/// Reads that run at a time, each on its own connection; further ones wait their turn.
pub const READERS: usize = 2;

/// Most bytes of the answer that is kept with a command. Larger ones are refused as too large.
pub const MAX_ANSWER_BYTES: usize = 16 * 1_024;

/// Most messages for other services in one append; more are refused as too large.
pub const MAX_MESSAGES_PER_APPEND: usize = 16;

/// Longest subject of such a message, bytes; a longer one is refused as too large.
pub const MAX_SUBJECT_BYTES: usize = 128;

/// Most audit rows in one append; more are refused as too large.
pub const MAX_AUDITS_PER_APPEND: usize = 16;

/// Most events a projection takes at a time. More would hold the writer up for longer.
pub const PROJECTED_AT_ONCE: usize = 500;

/// Most changes one step of a projection may have; more are refused as too large.
pub const MAX_CHANGES: usize = 8 * PROJECTED_AT_ONCE;

/// Longest key of a projection's row, bytes; a longer one is refused as too large.
pub const MAX_KEY_BYTES: usize = 256;

/// Streams whose place the writer remembers. Beyond it all are forgotten and looked up again.
pub const MAX_KNOWN_STREAMS: usize = 65_536;
