//! Every reason an owner wakes up by itself.

use super::{
    Owner, Stream,
    lane::{Command, Job, Lane, Origin, derived_key},
};
use crate::{
    limits,
    record::Actor,
    visit::{self, Escalation, Phase, Visit},
};
use model::{Timestamp, VisitId};

impl Owner {
    /// It is `now`. Called at [`Owner::poll_timeout`]; earlier or later does no harm.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.retry(now);
        if self.draining.is_none() && now >= self.deadlines_pause {
            for (visit, command) in self.due(now) {
                self.meet(now, visit, command);
            }
        }
        // Who counts as present may have changed, and with it what everybody sees.
        self.dirty = true;
        self.finish(now);
    }

    /// When it wants to be woken next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let retries = self.lanes.values().filter_map(Lane::next_try);
        let visits = self.visits.values().filter_map(|visit| self.next_deadline(visit));
        let deadlines = visits.map(|at| at.max(self.deadlines_pause));
        retries.chain(deadlines).chain(self.media_retry).chain(self.presence_ends()).min()
    }

    fn due(&self, now: Timestamp) -> Vec<(VisitId, visit::Command)> {
        let visits =
            self.visits.values().filter(|visit| self.next_deadline(visit).is_some_and(|at| at <= now));
        visits
            .filter_map(|visit| match visit.phase() {
                Phase::Waiting(_) => Some((visit.id(), visit::Command::Escalate)),
                Phase::InCall(_) if self.abandoned_at().is_some_and(|at| at <= now) => {
                    Some((visit.id(), visit::Command::Abandon))
                }
                Phase::InCall(_) => Some((visit.id(), visit::Command::Return)),
                Phase::Booked | Phase::Ended { .. } => None,
            })
            .collect()
    }

    /// The next deadline of a visit with nothing in flight.
    fn next_deadline(&self, visit: &Visit) -> Option<Timestamp> {
        if self.lanes.contains_key(&Stream::Visit(visit.id())) {
            return None;
        }
        match visit.phase() {
            Phase::Waiting(wait) => {
                let (own, _) = visit.next_deadline()?;
                let unattended =
                    self.unattended_at(wait.with).map(|at| at.max(wait.since + limits::ESCALATE_WHEN_ABSENT));
                Some(unattended.map_or(own, |at| own.min(at)))
            }
            Phase::InCall(_) if self.somebody_is_back(visit) => Some(Timestamp::default()),
            Phase::InCall(_) => self.abandoned_at(),
            Phase::Booked | Phase::Ended { .. } => None,
        }
    }

    /// When a wait is escalated because no clinician is there at all.
    fn unattended_at(&self, with: Escalation) -> Option<Timestamp> {
        let presence = self.presence(self.clinician()?);
        if presence.connected || with != Escalation::Clinician {
            return None;
        }
        let since = presence.away_since.unwrap_or_default();
        Some(since + limits::ESCALATE_WHEN_ABSENT)
    }

    /// When the clinician of the call has been gone for too long, without sound or word.
    fn abandoned_at(&self) -> Option<Timestamp> {
        let person = self.people.get(&self.clinician()?)?;
        if person.connection.is_some() || person.media.is_some() {
            return None;
        }
        Some(person.presence.away_since? + limits::SEAT_GRACE)
    }

    /// Somebody who left the call has a connection again.
    fn somebody_is_back(&self, visit: &Visit) -> bool {
        self.members_back(visit).next().is_some()
    }

    fn members_back<'a>(
        &'a self,
        visit: &'a Visit,
    ) -> impl Iterator<Item = (model::ParticipantId, model::Role)> + 'a {
        self.people
            .iter()
            .filter(|(id, person)| {
                person.connection.is_some()
                    && visit.seats().has_left(**id)
                    && !self.goodbyes.iter().any(|(to, _)| Some(*to) == person.connection)
            })
            .map(|(id, person)| (*id, person.role))
    }

    /// When a clinician who lost the connection stops counting as present.
    fn presence_ends(&self) -> Option<Timestamp> {
        let presence = self.presence(self.clinician()?);
        let ends = presence.away_since? + limits::PRESENCE_GRACE;
        (!presence.connected && ends > self.presence_checked).then_some(ends)
    }

    fn meet(&mut self, now: Timestamp, id: VisitId, command: visit::Command) {
        let Some(visit) = self.visits.get(&id) else { return };
        let (by, what) = match command {
            visit::Command::Return => {
                let Some((id, role)) = self.members_back(visit).next() else { return };
                (Actor::Person { id, role }, "return")
            }
            visit::Command::Abandon => (Actor::Platform, "abandon"),
            _ => (Actor::Platform, "escalate"),
        };
        let key = derived_key(what, id.0, visit.version());
        let job = Job { command: Command::Visit(command), by, key, origin: Origin::Deadline };
        self.submit(now, Stream::Visit(id), job);
    }
}
