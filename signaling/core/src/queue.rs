//! The queue, as a projection: who waits in which order, and how long that honestly takes.

use crate::{
    limits,
    visit::{Phase, Visit},
};
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
        let least = short.saturating_mul(ahead).as_secs() / 60;
        let most = long.saturating_mul(ahead + busy) + limits::ESTIMATE_SLACK;
        let most = most.as_secs().div_ceil(60);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Recorded;
    use crate::visit::Event;
    use model::ParticipantId;
    use signaling_protocol::view::{DeviceHealth, Modality};
    use uuid::Uuid;

    fn visit(id: u128, events: &[(i64, Event)]) -> Visit {
        let mut visit = Visit::new(VisitId(Uuid::from_u128(id)));
        for (minute, event) in events {
            let at = Timestamp(minute * 60_000);
            visit.evolve(&Recorded { at, by: None, command: None, event: event.clone() });
        }
        visit
    }

    fn waits(id: u128, since: i64) -> Visit {
        visit(id, &[(since, check_in())])
    }

    fn check_in() -> Event {
        Event::CheckedIn { modality: Modality::Video, devices: DeviceHealth::default() }
    }

    fn consulted(id: u128, from: i64, to: i64) -> Visit {
        let by = ParticipantId(Uuid::nil());
        let ended = Event::Ended { outcome: Outcome::Done };
        visit(id, &[(from, check_in()), (from, Event::Admitted { by }), (to, ended)])
    }

    #[test]
    fn order_is_check_in_and_nothing_else() {
        let visits = [waits(3, 5), waits(1, 9), waits(2, 1), visit(4, &[])];
        let queue = Queue::of(visits.iter());
        let order: Vec<_> = queue.waiting().iter().map(|visit| visit.0.as_u128()).collect();
        assert_eq!(order, [2, 3, 1]);
        assert_eq!(queue.ahead(VisitId(Uuid::from_u128(1))), Some(2));
        assert_eq!(queue.ahead(VisitId(Uuid::from_u128(4))), None);
    }

    #[test]
    fn an_estimate_needs_three_consultations_and_somebody_to_admit() {
        let mut visits = vec![consulted(1, 0, 10), consulted(2, 10, 22)];
        assert_eq!(Queue::of(visits.iter()).minutes(1, true), None, "two are not enough");
        visits.push(consulted(3, 22, 42));
        let queue = Queue::of(visits.iter());
        assert_eq!(queue.minutes(1, false), None, "nobody to admit");
        assert_eq!(queue.minutes(0, true), Some((0, 5)));
        assert_eq!(queue.minutes(2, true), Some((20, 45)));
    }

    #[test]
    fn only_the_last_ten_consultations_count() {
        let slow = (0_u32..5).map(|n| consulted(100 + u128::from(n), i64::from(n), i64::from(n) + 300));
        let quick =
            (0_u32..10).map(|n| consulted(200 + u128::from(n), 1_000 + i64::from(n), 1_010 + i64::from(n)));
        let visits: Vec<_> = slow.chain(quick).collect();
        assert_eq!(Queue::of(visits.iter()).minutes(1, true), Some((10, 15)));
    }

    #[test]
    fn stamps_never_stand_still_and_never_run_backwards() {
        let mut stamps = Stamps::default();
        let times: Vec<_> =
            [5, 5, 1, 9].into_iter().map(|now| stamps.next(Timestamp(now)).as_millis()).collect();
        assert_eq!(times, [5, 6, 7, 9]);
        stamps.seen(Timestamp(50));
        assert_eq!(stamps.next(Timestamp(10)), Timestamp(51));
    }
}
