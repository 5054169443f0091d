//! Every limit of the HTTP listener and its lanes, and what happens beyond it.

use platform::lane::Lane;
use std::time::Duration;

/// HTTP connections at a time, those being upgraded to WebSockets included; open WebSockets are
/// signaling's to count. Beyond it new ones wait in the kernel's queue.
pub const MAX_CONNECTIONS: usize = 10_000;

/// Time for a TLS handshake. Beyond it the connection is dropped.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Time for a request's headers, waiting for a first or a next request included. Beyond it the
/// connection is closed.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(15);

/// Bytes of a request's head. Beyond it: 431.
pub const MAX_HEAD_BYTES: usize = 16 * 1_024;

/// Streams at a time on one HTTP/2 connection. Beyond it the client waits.
pub const MAX_STREAMS: u32 = 100;

/// Time at a drain for a connection without a request to send what it still holds. Beyond it the
/// connection is dropped: one that dawdles over its headers must not hold up the end.
pub const IDLE_GRACE: Duration = Duration::from_secs(1);

/// Connections whose newest request is of a lane. Beyond it such a request is answered 503 and its connection closed.
/// What the lower lanes may hold together is less than [`MAX_CONNECTIONS`], so that there is always room for a
/// critical one.
pub const CONNECTIONS_OF_A_LANE: [usize; Lane::ALL.len()] = [MAX_CONNECTIONS, 6_000, 1_000];

/// Requests of a lane that are being worked on. Further ones wait. Critical ones are cheap and mostly wait for
/// the store; each of the batch lane keeps a thread busy.
pub const WORKERS: [usize; Lane::ALL.len()] = [2_048, 256, 24];

/// Requests of a lane that wait. Beyond it: 503.
pub const QUEUE: [usize; Lane::ALL.len()] = [4_096, 512, 64];

/// When who was shed may try again: the lower the lane, the later.
pub const RETRY_AFTER: [Duration; Lane::ALL.len()] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(10)];

/// Threads for a lane's blocking work, such as its reads of the store. Further work waits for one.
pub const BLOCKING_THREADS: [usize; 2] = [8, 2];

/// What the system takes from a thread of a lane when there is too little processor time for all, by the scale of
/// `nice(1)`: a thread at 19 gets a seventieth of what one at 0 gets. Threads at 0 are the critical lane's and
/// the media's.
pub const NICENESS: [i32; 2] = [5, 19];

/// How often it is looked how late the process is.
pub const DELAY_SAMPLE: Duration = Duration::from_millis(20);

/// So many of them are one look of [`Overload`](platform::lane::overload::Overload).
pub const DELAY_SAMPLES: usize = 5;

/// Most hops that are followed from the right of a list of proxies: whoever is reached then is taken for the client.
pub const MAX_FORWARDED_HOPS: usize = 16;
