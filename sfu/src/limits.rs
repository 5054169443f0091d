//! Every bound of the media plane that is not a knob, and what happens when it fills.
//! The bounds of pure decisions are in [`sfu_core::limits`].

use std::time::Duration;

/// Shards on one node. Past it the configuration is refused.
pub const MAX_SHARDS: usize = 64;

/// Highest `max_sessions` an operator may set.
pub const MAX_SESSIONS: usize = 65_536;

/// Highest `max_rooms` an operator may set.
pub const MAX_ROOMS: usize = 65_536;

/// Highest `max_participants_per_room` an operator may set: fan-out is quadratic.
pub const MAX_ROOM_MEMBERS: usize = 64;

/// Candidate addresses in one answer; further interfaces are left out. Each is a line in the SDP and
/// a pair for every client to check.
pub const MAX_ADVERTISED: usize = 16;

/// Commands waiting for a shard. Full: the caller is told that the node is busy.
pub const SHARD_QUEUE: usize = 1_024;

/// Events waiting between the shards and signaling. Full: state changes are kept and coalesced in the
/// shard, samples are dropped.
pub const EVENT_QUEUE: usize = 1_024;

/// Offers being parsed at once. Parsing costs up to 7 ms of a core.
pub const OFFERS_AT_ONCE: usize = 2;

/// Offers waiting to be parsed. Full: busy.
pub const OFFERS_WAITING: usize = 256;

/// Kernel buffer of a shard's UDP socket, each way. Holds 100 ms of a flood; Linux silently caps it at
/// `net.core.rmem_max`/`wmem_max`, which should be at least this.
pub const SOCKET_BUFFER: usize = 4 * 1024 * 1024;

/// How long closing goodbyes (DTLS close_notify) may take on shutdown.
pub const GOODBYE: Duration = Duration::from_millis(200);

/// Streams remembered of one session: every layer of microphone, camera and screen, and as many again for a
/// sender that begins anew. Past it, the one unheard for longest is forgotten.
pub const STREAMS_PER_SESSION: usize = 16;

/// Sources of one client whose reports are told from repeats. A browser has a dozen. For one too many, the one known
/// for longest is forgotten.
pub const REPORTING_SOURCES: usize = 32;

/// Repairs carried out in one turn of the loop. Who lacks more asks again.
pub const REPAIRS_PER_TURN: usize = 1_024;

/// Bounds of ICE-TCP.
pub mod tcp {
    use std::time::Duration;

    /// Connections on one shard. Further ones are closed as they come.
    pub const CONNECTIONS: usize = 4_096;
    /// Connections that have not authenticated. Further ones are closed as they come.
    pub const STRANGERS: usize = 256;
    /// Of those, from one address.
    pub const STRANGERS_PER_ADDRESS: usize = 32;
    /// How long a connection may take to authenticate. Then it is closed.
    pub const AUTHENTICATE_WITHIN: Duration = Duration::from_secs(5);
    /// Unsent bytes of one connection. Then the oldest packets are dropped.
    pub const QUEUE_BYTES: usize = 256 * 1024;
    /// Age of an unsent packet. Then it is dropped.
    pub const QUEUE_AGE: Duration = Duration::from_millis(400);
    /// Bytes read from one connection in a turn of the loop.
    pub const READ_BYTES: usize = 64 * 1024;
}

/// Lines whose numbers a session remembers: those of an offer with as many as may be, and as many that went. One past
/// it the oldest is forgotten, and has other numbers should it come back.
pub const MAX_REMEMBERED_LINES: usize = 2 * sfu_core::limits::MAX_M_LINES;

/// How long a shard may take to send itself a datagram. Longer, and the node is not ready.
pub const PROBE_WITHIN: Duration = Duration::from_secs(1);
