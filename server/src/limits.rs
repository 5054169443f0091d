//! Every limit of the binary's own plumbing, and what happens beyond it.

use std::time::Duration;

/// Time for a WHIP or WHEP request, its body's arrival included. Beyond it: 408.
pub(crate) const MEDIA_REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// Time from the signal to the end: clients are told, writes finish, requests end, the database gets what the local
/// journal holds. What is not done by then is cut off; the journal keeps what is left for the next start.
pub(crate) const DRAIN_DEADLINE: Duration = Duration::from_secs(9);

/// Most rooms and participants that `telehealth token` makes tokens for in one call.
pub(crate) const MAX_TOKEN_ROOMS: u32 = 10_000;
/// See [`MAX_TOKEN_ROOMS`].
pub(crate) const MAX_TOKEN_PARTICIPANTS: u32 = 50;
/// Longest lifetime of such a token.
pub(crate) const MAX_TOKEN_TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Most waiting rooms that `--demo-rooms` opens.
pub(crate) const MAX_DEMO_ROOMS: u32 = 2_500;

/// How often a process looks who else is there.
pub(crate) const NODES_EVERY: Duration = Duration::from_secs(1);

/// How long a process that is gone is still announced.
pub(crate) const NODE_TTL: Duration = Duration::from_secs(10);

/// How long a process is believed to be there after it was last seen announced: longer than Redis takes to be
/// replaced, or to be told everything again after it was wiped.
pub(crate) const NODE_MISSED: Duration = Duration::from_secs(30);

/// How long a process waits at its start for a database that does not answer yet. Beyond it, it ends with an error.
pub(crate) const STORE_PATIENCE: Duration = Duration::from_secs(60);

/// How often it is looked whether the certificate's files were replaced. A new one is used after two looks at most, and
/// the one in which it was written.
pub(crate) const CERTIFICATE_LOOK: Duration = Duration::from_secs(2);

/// Longest operation of an operator, and longest answer, bytes: a thousand units with all their hosts fit. Beyond it it is
/// cut off, and refused.
pub(crate) const CONTROL_BYTES: u64 = 8 * 1024 * 1024;

/// How long an operation may take, its arrival included. Beyond it the connection is dropped.
pub(crate) const CONTROL_WITHIN: Duration = Duration::from_secs(10);

/// Most healthcare units of a demonstration. Beyond it, the command line is refused.
pub(crate) const MAX_DEMO_UNITS: u32 = 8;

/// How often a media node that drains looks whether everybody has moved to another.
pub(crate) const MOVED_LOOK: Duration = Duration::from_millis(50);

/// How often the process looks whether it still does what it is there for.
pub(crate) const PROBE_EVERY: Duration = Duration::from_secs(1);

/// How long one probe may take. Beyond it, it has failed.
pub(crate) const PROBE_WITHIN: Duration = Duration::from_secs(2);

/// How long a process waits at its start until the database has what its journal holds. Beyond it, it begins all the
/// same: rooms of that journal are taken over once they can be.
pub(crate) const REPLAY_PATIENCE: Duration = Duration::from_secs(5);

/// Most other media nodes that are asked which of them has a room or a session. Those beyond it are not found.
pub(crate) const MAX_NODES_ASKED: usize = 64;

/// How long a media node may take to say whether it has a room or a session. Beyond it, it does not have it.
pub(crate) const DEVICE_ASK_WITHIN: Duration = Duration::from_secs(1);

/// How long a media node may take to answer a WHIP or WHEP request that was passed on to it. Beyond it: 503.
pub(crate) const DEVICE_PASS_WITHIN: Duration = Duration::from_secs(10);

/// Longest answer of a media node that is passed back, bytes: an SDP answer has some ten thousand. Beyond it: 503.
pub(crate) const DEVICE_ANSWER_BYTES: usize = 256 * 1024;
