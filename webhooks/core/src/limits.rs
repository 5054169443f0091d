//! Every limit of the machines, and what happens beyond it.

use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Webhooks of a unit, switched off or not. A further one is refused: another has to be removed first.
pub const MAX_WEBHOOKS: usize = 10;

/// Characters of what people write about a webhook. More are refused.
pub const MAX_NOTE_CHARS: usize = 200;

/// How long the secret of before signs too, after it was changed: the time there is to give the receiver the new one.
pub const OLD_SECRET_FOR: Duration = DAY;

/// Orders (replays, switching on) that a webhook remembers. Somebody who gives more within the moment that carrying them out
/// takes has the oldest forgotten.
pub const MAX_ORDERS_KEPT: usize = 16;

/// Pause after the first failure; twice as long after each further one. Shorter finds a receiver again sooner that was away
/// for a moment; longer spares one that has too much to do.
pub const FIRST_RETRY: Duration = Duration::from_secs(1);

/// Longest pause. A receiver that was away for a night is found again within this.
pub const LONGEST_RETRY: Duration = Duration::from_secs(60 * 60);

/// How long nothing but failures may come back, from the first one on. Beyond it the webhook is switched off, so that nobody is
/// asked for ever: somebody has to look, and to switch it on again.
pub const OFF_AFTER: Duration = Duration::from_secs(5 * 24 * 60 * 60);

/// How long an event is kept for webhooks that are behind, and for replays. Older ones are forgotten here when newer ones
/// come, which is counted where a webhook had not had them; the visit itself is not forgotten.
pub const EVENTS_KEPT_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Events of a unit that are kept. Beyond it the oldest are forgotten as above.
pub const MAX_EVENTS_KEPT: u64 = 100_000;

/// Deliveries of a webhook that can be looked at. Beyond it the oldest are forgotten.
pub const MAX_DELIVERIES_KEPT: u64 = 100;
