//! Every limit of this crate, and what happens beyond it.

use std::time::Duration;

/// Largest body of a request, bytes. Larger ones are refused with 413.
pub const MAX_BODY_BYTES: usize = 16 * 1_024;

/// Time a request may take, its body's arrival included. Beyond it: 408.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// Time that sending may take, from resolving the name to the end of the answer. Beyond it the event is sent again later.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of a receiver's answer that are read. None of them is looked at; a longer answer counts by its status.
pub const MAX_ANSWER_BYTES: usize = 4 * 1_024;

/// Requests to receivers at a time. Beyond it webhooks wait for their turn.
pub const MAX_SENDING: usize = 128;

/// How often new events, orders and pauses that are over are looked for.
pub const LOOKS: Duration = Duration::from_millis(500);

/// Events of the record that are read at a time.
pub const READ_AT_ONCE: usize = 500;

/// Pages of the record that are read before anything else is done: whoever is far behind sends meanwhile.
pub const PAGES_AT_ONCE: usize = 8;

/// Kept events that are looked at, at a time, for one that a webhook is told of.
pub const PEEKED_AT_ONCE: usize = 32;

/// Old events that are forgotten with one write.
pub const FORGOTTEN_AT_ONCE: u64 = 256;

/// Waiting rooms of visits that are remembered. Beyond it all are looked up again.
pub const MAX_HOMES: usize = 10_000;

/// How often a decision is made anew because somebody else was faster.
pub const TRIES: usize = 5;

/// How often whoever has the turn says so, in a fleet.
pub const BEAT: Duration = Duration::from_secs(2);

/// How long whoever has the turn may be silent. Then another process takes it.
pub const SILENCE: Duration = Duration::from_secs(6);
