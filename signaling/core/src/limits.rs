//! Every bound of the state machines, with what happens when it fills.

use std::time::Duration;

/// Visits of one waiting room that are not over. One more `invite` is refused with `full`.
pub const MAX_OPEN_VISITS: usize = 1_000;
/// Visits of one waiting room that are over and kept in memory, the newest: days of work. Of older ones
/// only the log knows; their links are unknown.
pub const MAX_ENDED_VISITS: usize = 1_000;
/// Events of one visit after which nobody talks or shares any more (`full`); it can still be ended.
pub const MAX_EVENTS_PER_VISIT: u64 = 5_000;
/// Commands one stream remembers as carried out; the oldest are forgotten.
pub const MAX_HANDLED: usize = 2_048;
/// Chat messages in one visit. One more is refused with `full`.
pub const MAX_CHAT_PER_VISIT: usize = 1_000;
/// Messages in one `chat-history`; older ones are left out.
pub const CHAT_HISTORY_MESSAGES: usize = 200;
/// Bytes of text in one `chat-history`; older ones are left out.
pub const CHAT_HISTORY_BYTES: usize = 128 * 1024;
/// Lines a clinician's queue shows; `more` counts the rest.
pub const MAX_QUEUE_LINES: usize = 300;
/// Visits that are over and still stand at the end of the queue.
pub const ENDED_LINES: usize = 10;
/// Commands that wait behind an append of one stream. One more is refused with `unavailable`.
pub const MAX_WAITING_COMMANDS: usize = 32;
/// Offers of one participant that are being answered. One more is refused with `too-many-requests`.
pub const MAX_PENDING_OFFERS: usize = 2;
/// Join tokens one waiting room remembers as used. One more hello is refused with `unavailable` until
/// the oldest has expired.
pub const MAX_USED_TOKENS: usize = 4_096;

/// Patients at the head of a queue whose media is connected before they are admitted.
pub const WARM_SEATS: usize = 3;
/// How long a clinician who lost the connection still counts as present: a reload or a restart must
/// not tear the warm seats down.
pub const PRESENCE_GRACE: Duration = Duration::from_secs(30);
/// How long a visit in course is kept when its clinician has neither a connection nor media. Longer,
/// and it ends as a technical failure; never as a no-show. A patient who is gone is the clinician's
/// decision.
pub const SEAT_GRACE: Duration = Duration::from_secs(10 * 60);
/// Age of a wait at which the desk is told.
pub const ESCALATE_TO_DESK: Duration = Duration::from_secs(15 * 60);
/// The same when the clinician is not present at all.
pub const ESCALATE_WHEN_ABSENT: Duration = Duration::from_secs(5 * 60);
/// How often the desk is reminded after that.
pub const ESCALATE_AGAIN: Duration = Duration::from_secs(15 * 60);

/// First pause before an append or a read is tried again; doubles up to [`RETRY_MAX`].
pub const RETRY_MIN: Duration = Duration::from_millis(50);
/// Longest pause between two tries.
pub const RETRY_MAX: Duration = Duration::from_secs(2);
/// Pause before the media node is told again after it said that it is busy.
pub const MEDIA_RETRY: Duration = Duration::from_millis(50);
/// Events read from the store in one page.
pub const READ_PAGE: usize = 256;

/// Consultations an estimate of the wait is made from: the most recent.
pub const ESTIMATE_FROM: usize = 10;
/// Fewer than this and there is no estimate: an honest `null`.
pub const ESTIMATE_NEEDS: usize = 3;

/// Added to the upper end of an estimate: the note, a cup of water, the next admission.
pub const ESTIMATE_SLACK: Duration = Duration::from_secs(5 * 60);

/// How often the server pings a connection.
pub const PING_INTERVAL: Duration = Duration::from_secs(15);
/// Silence after which a connection counts as dead (two pings and some).
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(40);
/// Messages a second one connection may send for long. Faster closes 4429.
pub const MESSAGES_PER_SECOND: u32 = 20;
/// Messages one connection may send at once.
pub const MESSAGE_BURST: u32 = 40;
/// Messages held while a `hello` is being answered. One more closes 4429.
pub const MAX_HELD_MESSAGES: usize = 16;
/// Messages that wait for a slow reader. One more closes 1013. Newer views replace older ones of
/// their kind and do not count.
pub const MAX_OUTGOING_MESSAGES: usize = 64;
/// How long one frame may take to leave before the connection counts as too slow (1013).
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
