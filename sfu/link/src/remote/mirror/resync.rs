//! What the node lists, held against what is known and wanted.

use super::*;
use crate::protocol::Existing as Listed;

impl Mirror {
    /// The node has said what an affinity has. What this process did not know of is found; what it knows of and is
    /// not there is gone; what is not as it should be is said again.
    pub(super) fn resync(&mut self, key: Key, listed: Vec<Listed>) {
        let Some(held) = self.claims.get_mut(&key) else { return };
        let waiters = std::mem::take(&mut held.waiters);
        let (elsewhere, shares) = (held.elsewhere, held.sharer.is_some());
        let missing: Vec<_> = held
            .sessions
            .iter()
            .copied()
            .filter(|id| {
                let remote = self.sessions.get(id).map(|known| known.remote);
                !listed.iter().any(|listed| Some(listed.session) == remote)
            })
            .collect();
        for session in missing {
            let asked = self.sessions.get(&session).is_some_and(|known| known.ending);
            self.close(session, if asked { ClosedReason::Asked } else { ClosedReason::Failed });
        }
        let mut found = Vec::new();
        for listed in listed {
            match self.remote.get(&listed.session).copied() {
                Some(session) => self.compare(session, listed),
                None => found.push(self.find(key, listed)),
            }
        }
        if shares {
            self.todo.insert(Todo::Sharer(key));
        }
        if elsewhere || !self.tell_waiters(key, waiters) {
            self.report(found, elsewhere);
        }
    }

    fn compare(&mut self, session: SessionId, listed: Listed) {
        let Some(known) = self.sessions.get_mut(&session) else { return };
        if known.ending {
            self.todo.insert(Todo::End(session));
            return;
        }
        if listed.room != known.room {
            self.todo.insert(Todo::Seat(session));
        }
        let now = listed.known_as(session, known.key.1);
        if let Some(transport) = now.connected
            && known.connected.replace(transport).is_none()
        {
            self.told.push_back(MediaEvent::Connected { session, transport });
        }
        if let Some(shown) = now.shown
            && known.shown.as_ref() != Some(&shown)
        {
            known.shown = Some(shown.clone());
            let Shown { slots, screen } = shown;
            self.told.push_back(MediaEvent::Slots { session, slots, screen });
        }
    }

    fn find(&mut self, key: Key, listed: Listed) -> SessionId {
        let (remote, participant, room) = (listed.session, listed.participant, listed.room);
        let Existing { direction, connected, shown, .. } = listed.known_as(SessionId(0), key.1);
        let unanswered = connected.is_none() && self.is_asked_for(key, participant);
        let (ending, lost) = (false, false);
        self.add(Known {
            key,
            remote,
            participant,
            direction,
            room,
            connected,
            trace: None,
            shown,
            unanswered,
            ending,
            lost,
        })
    }

    /// Whether a connect of this participant is on its way: what is listed of them may be its session.
    fn is_asked_for(&self, key: Key, participant: ParticipantId) -> bool {
        self.asked.values().any(|asked| {
            asked.key == key
                && matches!(&asked.what, What::Connect { participant: who, .. } if *who == participant)
        })
    }

    /// Who asked is told everything. Whether anybody still listened.
    fn tell_waiters(&mut self, key: Key, waiters: Vec<ClaimWaiter>) -> bool {
        let mut heard = false;
        for waiter in waiters {
            heard |= waiter.send(Ok(self.existing(key))).is_ok();
        }
        heard
    }

    /// Sessions that nobody asked for: found late, or of no use.
    fn report(&mut self, found: Vec<SessionId>, elsewhere: bool) {
        for session in found {
            let known = self.sessions.get_mut(&session).filter(|known| !known.unanswered);
            let Some(known) = known else { continue };
            // Not connected: its answer was lost with a stream, and no browser has it.
            if elsewhere || known.connected.is_none() {
                known.lost = true;
                self.disconnect(session);
            } else {
                let (tenant, existing) = (known.key.0, Box::new(known.existing(session)));
                self.told.push_back(MediaEvent::Found { tenant, existing });
            }
        }
    }

    fn existing(&self, key: Key) -> Vec<Existing> {
        let Some(held) = self.claims.get(&key) else { return Vec::new() };
        let known = held.sessions.iter().filter_map(|session| Some((*session, self.sessions.get(session)?)));
        let wanted = known.filter(|(_, known)| !known.unanswered && !known.ending && !known.lost);
        wanted.map(|(session, known)| known.existing(session)).collect()
    }
}

impl Known {
    fn existing(&self, session: SessionId) -> Existing {
        Existing {
            session,
            participant: self.participant,
            affinity: self.key.1,
            direction: self.direction,
            room: self.room,
            connected: self.connected,
            shown: self.shown.clone(),
        }
    }
}
