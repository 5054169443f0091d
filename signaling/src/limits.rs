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
