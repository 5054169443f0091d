//! The queue, as a projection: who waits in which order, and how long that honestly takes.

use crate::{limits, visit::{Phase, Visit}};
use model::{Timestamp, VisitId};
use signaling_protocol::view::Outcome;
use std::time::Duration;

/// A waiting room's queue at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// Who waits, in order of check-in.
    waiting: Vec<VisitId>,
    /// The visit in course.
    in_call: Option<VisitId>,
    /// Lengths of the last consultations, shortest first.
    lengths: Vec<Duration>,
}

impl Queue {
    /// Projects the visits of a waiting room.
    #[must_use]
    pub fn of<'a>(visits: impl Iterator<Item = &'a Visit>) -> Self {
        let mut waiting = Vec::new();
        let mut consulted = Vec::new();
        let mut in_call = None;
        for visit in visits {
            match visit.phase() {
                Phase::Waiting(wait) => waiting.push((wait.since, visit.id())),
                Phase::InCall(_) => in_call = Some(visit.id()),
                Phase::Ended { at, outcome: Outcome::Done, started_at: Some(started_at), .. } => {
                    consulted.push((*at, at.since(*started_at)));
                }
                Phase::Booked | Phase::Ended { .. } => {}
            }
        }
        waiting.sort_unstable();
        consulted.sort_unstable_by_key(|(at, _)| std::cmp::Reverse(*at));
        let mut lengths: Vec<_> =
            consulted.into_iter().take(limits::ESTIMATE_FROM).map(|(_, length)| length).collect();
        lengths.sort_unstable();
        Self { waiting: waiting.into_iter().map(|(_, visit)| visit).collect(), in_call, lengths }
    }

    /// Who waits, in order of check-in.
    #[must_use]
    pub fn waiting(&self) -> &[VisitId] {
        &self.waiting
    }

    /// The visit in course.
    #[must_use]
    pub const fn in_call(&self) -> Option<VisitId> {
        self.in_call
    }

    /// How many people are before this one; `None` when they do not wait.
    #[must_use]
    pub fn ahead(&self, visit: VisitId) -> Option<usize> {
        self.waiting.iter().position(|waiting| *waiting == visit)
    }

    /// How many minutes with so many people ahead: from the quartiles of recent consultations, rounded
    /// away from each other. `None` when there is nothing to base it on, or nobody to admit.
    #[must_use]
    pub fn minutes(&self, ahead: usize, clinician_present: bool) -> Option<(u32, u32)> {
        if self.lengths.len() < limits::ESTIMATE_NEEDS || !clinician_present {
            return None;
        }
        let last = self.lengths.len() - 1;
        let (short, long) = (self.lengths[last / 4], self.lengths[last - last / 4]);
        let ahead = u32::try_from(ahead).ok()?;
        let busy = u32::from(self.in_call.is_some());
        // One minute per person for the note and the next admission.
        let least = short.saturating_mul(ahead).as_secs() / 60;
        let most = long.saturating_mul(ahead + busy).as_secs().div_ceil(60) + u64::from(ahead) + 1;
        Some((u32::try_from(least).ok()?, u32::try_from(most).ok()?))
    }
}

/// A clock for events of one waiting room that never stands still and never runs backwards, so that
/// the order of check-ins is the order of their times.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stamps {
    last: Timestamp,
}

impl Stamps {
    /// A time no earlier than `now` and later than every one before.
    pub fn next(&mut self, now: Timestamp) -> Timestamp {
        self.last = now.max(self.last + Duration::from_millis(1));
        self.last
    }

    /// Takes note of a recorded time.
    pub fn seen(&mut self, at: Timestamp) {
        self.last = self.last.max(at);
    }
}
