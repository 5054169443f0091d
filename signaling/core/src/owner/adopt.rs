//! Media that was there before this process: it went on while nobody spoke for it, and is taken over as it
//! is. Nobody hears a gap.

use super::{Output, Owner, media::ToldSharer, people::Media};
use crate::visit::Phase;
use model::{ParticipantId, Role, Timestamp, VisitId};
use sfu_core::port::{Direction, Existing, SessionId};
use signaling_protocol::view::Health;
use std::collections::BTreeMap;

impl Owner {
    /// The media node has these sessions of this waiting room. Called once after [`Owner::start`] and before
    /// anybody is let in, so that no page that is still connected is told to offer anew.
    ///
    /// Who is in the waiting room keeps their newest session that is connected, and is seated as the visits
    /// say. Everything else ends: sessions of strangers, of people who left, of visits that are over. What
    /// was being negotiated when the process before died is negotiated again.
    pub fn adopt(&mut self, now: Timestamp, existing: Vec<Existing>) {
        self.take_over(now, existing);
        if let Some(visit) = self.queue().in_call() {
            // Nobody here knows whom the process before named.
            self.sharers.insert(visit, ToldSharer(None));
        }
        self.finish(now);
    }

    pub(super) fn take_over(&mut self, now: Timestamp, existing: Vec<Existing>) {
        let mut best = BTreeMap::<ParticipantId, Existing>::new();
        // What WHIP and WHEP made has tokens and an end of its own.
        for found in existing.into_iter().filter(|found| found.direction == Direction::Both) {
            match best.remove(&found.participant) {
                Some(other) => {
                    let (keep, end) =
                        if rank(&found) > rank(&other) { (found, other) } else { (other, found) };
                    self.let_go(end.session);
                    best.insert(keep.participant, keep);
                }
                None => {
                    best.insert(found.participant, found);
                }
            }
        }
        for found in best.into_values() {
            self.take_over_one(now, found);
        }
    }

    fn take_over_one(&mut self, now: Timestamp, found: Existing) {
        let Existing { session, participant, room, connected, shown, .. } = found;
        let Some((role, visit)) = self.who_is(participant) else { return self.let_go(session) };
        let person = self.person(participant, role, visit);
        match &person.media {
            Some(media) if media.session == session || media.older.contains(&session) => return,
            // They have offered anew since.
            Some(_) => return self.let_go(session),
            None => {}
        }
        let slots = shown.map(|shown| (shown.slots, shown.screen));
        person.media = Some(Media { session, older: Vec::new(), seated: Some(room), slots });
        if person.connection.is_none() {
            person.presence.away_since.get_or_insert(now);
        }
        if connected.is_some() {
            self.network(session, Health::Good);
        }
    }

    /// A participant of this waiting room, unless their visit is over.
    fn who_is(&self, participant: ParticipantId) -> Option<(Role, Option<VisitId>)> {
        if self.clinician() == Some(participant) {
            return Some((Role::Clinician, None));
        }
        let visit = self.visits.values().find(|visit| {
            !matches!(visit.phase(), Phase::Ended { .. })
                && visit.booked().is_some_and(|booked| booked.patient == participant)
        })?;
        Some((Role::Patient, Some(visit.id())))
    }

    fn let_go(&mut self, session: SessionId) {
        self.outputs.push_back(Output::Disconnect { session });
    }
}

/// Connected before unconnected, then the newest.
const fn rank(found: &Existing) -> (bool, SessionId) {
    (found.connected.is_some(), found.session)
}
