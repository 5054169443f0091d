//! Until when a piece of work may wait for its writer.

use crate::{
    event_log::Refusal,
    lane::{Lane, deadline},
    limits::MAX_APPEND_WAIT,
};
use tokio::time::Instant;

/// The last moment at which work may still be begun. Once it is begun, only its outcome counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn(Instant);

impl Turn {
    /// Of work of a lane that begins to wait now: the deadline of the task that asks, or as long as its lane's work
    /// may wait at all.
    ///
    /// # Errors
    /// `Overdue`: nobody waits for it.
    pub(super) fn begin(lane: Lane) -> Result<Self, Refusal> {
        let now = Instant::now();
        let longest = now + MAX_APPEND_WAIT[lane.index()];
        let latest = deadline::current().map_or(longest, |deadline| deadline.min(longest));
        if latest > now { Ok(Self(latest)) } else { Err(Refusal::Overdue) }
    }

    /// Whether it is too late to begin.
    pub(super) fn is_over(self, now: Instant) -> bool {
        self.0 <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn work_waits_until_its_deadline_and_never_longer_than_its_lane_may() {
        let ms = Duration::from_millis(1);
        for lane in Lane::ALL {
            let (now, longest) = (Instant::now(), MAX_APPEND_WAIT[lane.index()]);
            let check = |turn: Turn, wait| {
                assert!(!turn.is_over(now + wait - ms) && turn.is_over(now + wait), "{lane} {turn:?}");
            };
            check(Turn::begin(lane).unwrap(), longest);
            deadline::scope(now + longest * 2, async { check(Turn::begin(lane).unwrap(), longest) }).await;
            deadline::scope(now + 7 * ms, async { check(Turn::begin(lane).unwrap(), 7 * ms) }).await;
            let late = deadline::scope(now, async { Turn::begin(lane) }).await;
            assert_eq!(late.unwrap_err(), Refusal::Overdue);
        }
        assert!(MAX_APPEND_WAIT.is_sorted_by(|above, below| above > below), "batch is dropped first");
    }
}
