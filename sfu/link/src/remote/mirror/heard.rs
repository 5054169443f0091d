//! What the node says.

use super::{asked::What, *};
use crate::protocol::{Existing as Listed, Tell};
use sfu_core::port::Quality;

impl Mirror {
    /// Takes a message. State changes are kept for [`Mirror::event`]; a sample is returned.
    pub(in crate::remote) fn heard(&mut self, tell: Tell, now: Instant) -> Option<MediaEvent> {
        match tell {
            Tell::Hello(_) | Tell::Unknown => {}
            Tell::Load(load) => {
                self.placed = 0;
                if let Some(hello) = &mut self.hello {
                    hello.load = load;
                }
            }
            Tell::Claimed { call, sessions } => {
                let asked = self.answered(call, now, Ok(()))?;
                if let What::Todo(Todo::Claim(key)) = asked.what {
                    self.resync(key, sessions);
                }
            }
            Tell::Answer { call, session, sdp } => {
                if let Some(asked) = self.answered(call, now, Ok(())) {
                    self.answer(asked, session, sdp.into_exposed());
                }
            }
            Tell::Done { call } => drop(self.answered(call, now, Ok(()))),
            Tell::Refused { call, error } => self.refused(call, now, &error.error()),
            Tell::Fenced { tenant, affinity, epoch } => {
                let key = (tenant, sfu_core::port::Affinity(affinity.as_u128()));
                if self.claims.get(&key).is_some_and(|held| held.epoch < epoch) {
                    self.fence(key, now);
                }
            }
            Tell::Connected { session, transport } => {
                let (session, known) = self.known(session)?;
                known.connected = Some(transport);
                self.told.push_back(MediaEvent::Connected { session, transport });
            }
            Tell::Closed { session, reason } => {
                let (session, _) = self.known(session)?;
                self.close(session, reason);
            }
            Tell::Slots { session, slots, screen } => {
                let (session, known) = self.known(session)?;
                known.shown = Some(Shown { slots: slots.clone(), screen });
                self.told.push_back(MediaEvent::Slots { session, slots, screen });
            }
            Tell::Quality { session, estimate, sent, received, loss, rtt_ms } => {
                let (session, _) = self.known(session)?;
                let quality = Quality { estimate, sent, received, loss, rtt_ms };
                return Some(MediaEvent::Quality { session, quality });
            }
        }
        None
    }

    /// What the node calls a session, unless nobody wants to hear of it.
    fn known(&mut self, remote: u64) -> Option<(SessionId, &mut Known)> {
        let session = *self.remote.get(&remote)?;
        Some((session, self.sessions.get_mut(&session)?))
    }

    fn answered(&mut self, call: u64, now: Instant, outcome: Result<(), &MediaError>) -> Option<Asked> {
        let asked = self.asked.remove(&call)?;
        let took = asked.at.map(|at| now.saturating_duration_since(at)).unwrap_or_default();
        self.metrics.answered(asked.kind(), outcome, took);
        Some(asked)
    }

    fn answer(&mut self, asked: Asked, remote: u64, sdp: String) {
        match asked.what {
            What::Connect { participant, direction, room, waiter } => {
                let known = Known {
                    key: asked.key,
                    remote,
                    participant,
                    direction,
                    room,
                    connected: None,
                    shown: None,
                    ending: false,
                    lost: false,
                };
                let session = self.add(known);
                if waiter.send(Ok(Answer { session, sdp })).is_err() {
                    // Whoever asked has given up: nobody will use it.
                    self.disconnect(session);
                }
            }
            What::Restart { session, waiter } => {
                let _ = waiter.send(Ok(Answer { session, sdp }));
            }
            What::Todo(_) => {}
        }
    }

    fn refused(&mut self, call: u64, now: Instant, error: &MediaError) {
        let Some(asked) = self.answered(call, now, Err(error)) else { return };
        let newest = self.claims.get(&asked.key).is_some_and(|held| held.epoch == asked.epoch);
        if *error == MediaError::Fenced && newest {
            self.fence(asked.key, now);
        }
        match asked.what {
            What::Connect { waiter, .. } | What::Restart { waiter, .. } => {
                let _ = waiter.send(Err(error.clone()));
            }
            What::Todo(todo) => self.cannot_be(todo, error),
        }
    }

    fn cannot_be(&mut self, todo: Todo, error: &MediaError) {
        match (todo, error) {
            (Todo::End(session), MediaError::NoSuchSession) => self.close(session, ClosedReason::Asked),
            (Todo::Seat(session), MediaError::NoSuchSession) => self.close(session, ClosedReason::Failed),
            (_, MediaError::Fenced | MediaError::NoSuchSession) => {}
            _ => {
                self.later.insert(todo);
            }
        }
    }

    /// Somebody else has it now. Its sessions go on, and are no longer ours to say anything of.
    fn fence(&mut self, key: Key, now: Instant) {
        let Some(held) = self.claims.get_mut(&key) else { return };
        if held.fenced.is_none() {
            held.fenced = Some(now);
            self.metrics.fenced();
        }
        for waiter in std::mem::take(&mut held.waiters) {
            let _ = waiter.send(Err(MediaError::Fenced));
        }
    }

    /// The node has said what an affinity has. What this process did not know of is found; what it knows of and is
    /// not there is gone; what is not as it should be is said again.
    fn resync(&mut self, key: Key, listed: Vec<Listed>) {
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
        let (ending, lost) = (false, false);
        self.add(Known { key, remote, participant, direction, room, connected, shown, ending, lost })
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
            let Some(known) = self.sessions.get_mut(&session) else { continue };
            // Not connected: its answer was lost with a stream, and no browser has it.
            if elsewhere || known.connected.is_none() {
                known.lost = true;
                self.disconnect(session);
            } else {
                let existing = Box::new(known.existing(session));
                self.told.push_back(MediaEvent::Found { existing });
            }
        }
    }

    fn existing(&self, key: Key) -> Vec<Existing> {
        let Some(held) = self.claims.get(&key) else { return Vec::new() };
        let known = held.sessions.iter().filter_map(|session| Some((*session, self.sessions.get(session)?)));
        let wanted = known.filter(|(_, known)| !known.ending && !known.lost);
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
