//! Every bound of the link, with what happens when it fills.

use std::time::Duration;

/// Longest message either way. An offer of 48 KiB and what JSON makes of its line ends fit. A longer question is not
/// sent and answered with `OfferTooLarge`; a longer message that arrives ends the stream.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024;
/// Read buffer of a stream: tungstenite's default of 128 KiB is zero-filled for each.
pub const READ_BUFFER: usize = 4 * 1024;
/// Bytes that may wait inside a stream's write buffer.
pub const WRITE_BUFFER: usize = 4 * MAX_MESSAGE_BYTES;
/// Longest `node` and `region`, in bytes. A hello with longer ones ends the stream.
pub const MAX_NAME_BYTES: usize = 128;
/// Capabilities of a hello that are looked at.
pub const MAX_CAPABILITIES: usize = 32;

/// Signaling processes connected to one node. One more is answered with 503 and comes again.
pub const MAX_STREAMS: usize = 64;
/// Messages that wait for one signaling process. One more that matters ends the stream, which comes up again and asks
/// what is there; samples are dropped.
pub const STREAM_QUEUE: usize = 1_024;
/// Questions of one stream being answered by the node. One more is answered with `busy`.
pub const NODE_QUESTIONS: usize = 128;
/// Affinities a node remembers the claim of. One more is answered with `busy`.
pub const MAX_CLAIMS: usize = 65_536;
/// Events kept for sessions whose `answer` is on its way; the oldest are dropped.
pub const MAX_EARLY_EVENTS: usize = 256;

/// Nodes of a fleet. Further ones are left out.
pub const MAX_NODES: usize = 64;
/// Sessions a process knows of on one node. One more connect is answered with `Busy`.
pub const MAX_SESSIONS: usize = 65_536;
/// Connects and restarts that wait to be sent to one node. One more is answered with `Busy`.
pub const MAX_WAITING: usize = 256;
/// Questions to one node without an answer. Further ones wait. Below [`NODE_QUESTIONS`], so that a process alone is
/// never told to come back.
pub const MAX_ASKED: usize = 64;
/// Events that wait for signaling. Who has more to say waits; samples are dropped.
pub const EVENT_QUEUE: usize = 1_024;

/// How long a token that opens a stream is valid. Covers clocks that disagree a little.
pub const TOKEN_TTL: Duration = Duration::from_secs(60);
/// How long opening a stream may take, the hello of the other end included. Then it is tried again.
pub const OPEN_WITHIN: Duration = Duration::from_secs(3);
/// How long a message may take to leave. Then the stream ends.
pub const WRITE_WITHIN: Duration = Duration::from_secs(3);
/// How often a node says how loaded it is, and a process that it is there.
pub const BEAT: Duration = Duration::from_secs(1);
/// Silence after which a stream counts as dead: three beats and some.
pub const SILENCE: Duration = Duration::from_millis(3_500);
/// How long a connect or a restart may take until it is answered with `Busy`. Below the patience of signaling.
pub const CALL_WITHIN: Duration = Duration::from_secs(4);
/// The same for a claim: a waiting room lets nobody in before.
pub const CLAIM_WITHIN: Duration = Duration::from_secs(2);
/// How long a question may have no answer at all until the stream counts as broken: a node answers each in
/// [`CALL_WITHIN`], if only with `busy`.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(8);
/// How long the sessions of an affinity that somebody else took are remembered, so that what is still asked of them is
/// answered with `Fenced`. Then they are forgotten.
pub const FENCED_KEPT: Duration = Duration::from_secs(60);
/// Waiting rooms that leave a node which drains, each time it is looked at, [`AGAIN`]: 40 a second. The rest stay a
/// moment longer.
pub const MOVED_AT_ONCE: usize = 4;
/// Pause before what a node was too busy for is said again.
pub const AGAIN: Duration = Duration::from_millis(100);
/// First pause before a stream is opened again; doubles up to [`BACKOFF_MAX`], each shortened by chance by up to half.
pub const BACKOFF_MIN: Duration = Duration::from_millis(50);
/// Longest pause before a stream is opened again. It is tried for ever.
pub const BACKOFF_MAX: Duration = Duration::from_secs(1);
/// How long a node may be out of reach until an affinity that lives there moves at its next connect. Below
/// [`DEAD_AFTER`]: a browser whose sound has stopped offers anew after half a second.
pub const LOST_AFTER: Duration = Duration::from_millis(400);
/// How long a node that is not listed any more may be out of reach until its sessions count as lost.
pub const DEAD_AFTER: Duration = Duration::from_secs(1);
/// How long an affinity may be claimed by nobody until those of its sessions end that are in no room or not connected.
/// A call goes on for as long as its people do.
pub const ORPHAN_AFTER: Duration = Duration::from_secs(10 * 60);
/// How often it is looked for those.
pub const ORPHANS_EVERY: Duration = Duration::from_secs(30);
