//! Every bound of the shell, with what happens when it fills. Rates, timeouts and queues of a
//! connection are in [`signaling_core::limits`].

use std::time::Duration;

/// Most WebSockets an operator may allow at once.
pub const MAX_CONNECTIONS: usize = 1_000_000;
/// Inputs that wait for one waiting room's task. Whoever adds one more waits in turn: a socket stops
/// reading, which is back-pressure on that browser.
pub const ROOM_QUEUE: usize = 1_024;
/// Messages between a room's task and a socket's. One more closes that connection with 1013.
pub const SOCKET_QUEUE: usize = 128;
/// Requests to open waiting rooms that wait for the service.
pub const CONTROL_QUEUE: usize = 16;
/// Media events kept for sessions nobody has claimed yet; the oldest are dropped.
pub const MAX_ORPHANED_EVENTS: usize = 1_024;
/// Pings, and the ends of patience of a connection, come together once in so long.
pub const DEADLINES: Duration = Duration::from_millis(250);
/// How long an append or a read may take until its outcome counts as unknown.
pub const STORE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an offer may take to be answered until the client is told to try again.
pub const MEDIA_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a program's question (an invitation, a link) may take.
pub const ASK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long all signaling processes may take to count a unit's visits. Beyond it nobody knows now how many there are.
pub const COUNT_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest WebSocket message that is read at all. What is longer than the protocol allows but not than
/// this is read and refused by name; longer breaks off.
pub const READ_LIMIT: usize = 2 * signaling_protocol::limits::MAX_MESSAGE_BYTES;
/// Read buffer of a socket, bytes: tungstenite's default of 128 KiB is zero-filled for each.
pub const READ_BUFFER: usize = 4 * 1024;
/// Bytes that may wait inside a socket's write buffer: the largest message and a close frame.
pub const WRITE_BUFFER: usize = 1024 * 1024;
/// How long a socket that is being closed is given to take what is left and the close frame.
pub const CLOSE_WRITE: Duration = Duration::from_secs(5);
/// How long it is given to answer the close frame after that.
pub const CLOSE_LINGER: Duration = Duration::from_secs(1);
/// Streams listed in one page while loading.
pub const STREAM_PAGE: usize = 512;
/// Visits of one waiting room that its index lists as open. Those of an early build stay listed when they are over; one
/// more is not read when the room is taken over.
pub const MAX_LISTED_OPEN: usize = 50_000;
/// Visits' streams read at a time while a waiting room is loaded.
pub const STREAMS_AT_ONCE: usize = 16;
/// Waiting rooms taken over at a time when a process begins or another is gone.
pub const ROOMS_AT_ONCE: usize = 32;
/// How long finding a waiting room's owner, and taking it over, may take until the client is told to try again.
pub const FIND_TIMEOUT: Duration = Duration::from_secs(4);
/// How often an owner that was found may turn out not to be, until the client is told to try again.
pub const MAX_FINDS: usize = 4;
/// Searches that wait for the result of another for the same waiting room. One more is told to try again.
pub const MAX_ASKING: usize = 4_096;
/// How long what a page says may take to be passed on until the way to its owner counts as broken.
pub const FORWARD_WITHIN: Duration = Duration::from_secs(5);
/// Silence after which the process that owns a waiting room counts as gone, and another takes over.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(1);
/// How long, and how often, the store is asked whether a waiting room is still ours before somebody comes back to it.
/// Beyond it they are let in: while the store is away, the owner goes on.
pub const OWNER_LOOK: Duration = Duration::from_millis(500);
/// See [`OWNER_LOOK`].
pub const OWNER_LOOKS: u32 = 3;
/// Waiting rooms whose owner is remembered for when the store cannot be asked. Beyond it all are forgotten.
pub const MAX_REMEMBERED: usize = 65_536;
/// How often it is asked whether somebody with an account may still have the seat they hold. Whom nobody lets in any more
/// loses it within as long; while nobody can say, they keep it. Who comes back is asked about for [`OWNER_LOOK`].
pub const SEAT_LOOK: Duration = Duration::from_secs(5);
/// How often a process looks whether others are gone whose waiting rooms nobody has asked for.
pub const SWEEP: Duration = Duration::from_secs(2);
/// How often the index is brought up to date while nobody asks.
pub const INDEX_EVERY: Duration = Duration::from_secs(1);
/// Lifetime of a token between processes.
pub const PEER_TOKEN_TTL: Duration = Duration::from_secs(30);
/// Largest body with a link's secret in it, bytes. A longer one is refused.
pub const MAX_LINK_BODY_BYTES: usize = 1024;
/// Largest question or answer between processes, bytes. A longer one is refused.
pub const MAX_ASK_BYTES: usize = 64 * 1024;

/// Most visits on one page of a waiting room's history; who asks for more is refused. Some 100 reads of the store.
pub const HISTORY_PAGE: usize = 100;

/// Visits of one page that are read at a time: as many as the batch lane has connections for.
pub const HISTORY_READS: usize = platform::limits::READERS;

/// Commands of one waiting room whose spans are open. Further ones are not recorded.
pub(crate) const MAX_TRACED_COMMANDS: usize = 1_024;

/// Visits of one waiting room whose traces are remembered. Beyond it all are forgotten, and what follows in a visit that
/// goes on is recorded under its pages' own traces.
pub(crate) const MAX_TRACED_VISITS: usize = 1_024;

/// Rows of the audit trail about a visit, or about its waiting room meanwhile, that are looked at for a patient who asks
/// who opened it: the newest. With more, the page says that there is more.
pub const ACCESS_ROWS_LOOKED_AT: usize = 1_000;

/// Lines that a patient is shown of who opened their visit: the newest.
pub const MAX_ACCESS_LINES: usize = 200;

/// How often so many rows of a waiting room are read to find the emergencies since a visit was booked. Beyond it the page
/// says that there is more.
pub const ACCESS_PAGES_OF_ROOM: usize = 4;
