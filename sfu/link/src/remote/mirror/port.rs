//! What signaling asks, through the port.

use super::*;
use platform::trace;

impl Mirror {
    /// From now on, in this epoch. Without a waiter, what is found is reported.
    pub(in crate::remote) fn claim(&mut self, claim: Claim, waiter: Option<ClaimWaiter>) {
        let key = (claim.tenant, claim.affinity);
        let full = self.claims.len() >= limits::MAX_CLAIMS && !self.claims.contains_key(&key);
        let older = self.claims.get(&key).is_some_and(|held| held.epoch > claim.epoch);
        if full || older {
            if let Some(waiter) = waiter {
                let _ = waiter.send(Err(if older { MediaError::Fenced } else { MediaError::Busy }));
            }
            return;
        }
        let held = self.claims.entry(key).or_insert_with(|| Held::new(claim.epoch));
        (held.epoch, held.fenced) = (claim.epoch, None);
        held.waiters.retain(|waiter| !waiter.is_closed());
        held.waiters.extend(waiter);
        self.todo.insert(Todo::Claim(key));
    }

    pub(in crate::remote) fn connect(
        &mut self,
        connect: Connect,
        waiter: AnswerWaiter,
    ) -> Result<(), MediaError> {
        let Connect { tenant, participant, affinity, direction, room, offer } = connect;
        let key = (tenant, affinity);
        if !self.claims.contains_key(&key) {
            self.claim(Claim { tenant, affinity, epoch: Epoch::default() }, None);
        }
        let epoch = self.speaks_for(key)?;
        let unanswered = self.waiting.len() + self.asked.len();
        if self.sessions.len() + unanswered >= limits::MAX_SESSIONS {
            return Err(MediaError::Busy);
        }
        let call = self.call();
        let affinity = Uuid::from_u128(affinity.0);
        let what = What::Connect { participant, direction, room, waiter };
        let (direction, offer) = (direction.into(), Phi::new(offer));
        let traceparent = trace::current();
        let ask =
            Ask::Connect { call, tenant, affinity, epoch, participant, direction, room, offer, traceparent };
        self.ask(call, &ask, Asked { key, epoch, what, at: None })
    }

    pub(in crate::remote) fn restart(
        &mut self,
        session: SessionId,
        offer: String,
        waiter: AnswerWaiter,
    ) -> Result<(), MediaError> {
        let (key, remote) = self.alive(session).map(|known| (known.key, known.remote))?;
        let epoch = self.speaks_for(key)?;
        let call = self.call();
        let ask = Ask::Restart { call, session: remote, epoch, offer: Phi::new(offer) };
        self.ask(call, &ask, Asked { key, epoch, what: What::Restart { session, waiter }, at: None })
    }

    pub(in crate::remote) fn seat(
        &mut self,
        session: SessionId,
        room: Option<RoomId>,
    ) -> Result<(), MediaError> {
        let known = self.alive(session)?;
        known.room = room;
        known.trace = trace::current();
        let key = known.key;
        self.speaks_for(key)?;
        self.todo.insert(Todo::Seat(session));
        Ok(())
    }

    pub(in crate::remote) fn set_sharer(
        &mut self,
        key: Key,
        room: RoomId,
        sharer: Option<ParticipantId>,
    ) -> Result<(), MediaError> {
        self.speaks_for(key)?;
        if let Some(held) = self.claims.get_mut(&key) {
            held.sharer = Some((room, sharer));
            self.todo.insert(Todo::Sharer(key));
        }
        Ok(())
    }

    pub(in crate::remote) fn disconnect(&mut self, session: SessionId) {
        if let Some(known) = self.sessions.get_mut(&session) {
            known.ending = true;
            self.todo.insert(Todo::End(session));
        }
    }

    /// Reports the sessions of an affinity, or all, as lost, and ends them once the node can be told. With all of
    /// them, who waits for the node need not wait longer.
    pub(in crate::remote) fn give_up(&mut self, key: Option<Key>) {
        if key.is_none() {
            self.waiting.clear();
        }
        let given_up: Vec<_> = self
            .sessions
            .iter()
            .filter(|(_, known)| key.is_none_or(|key| known.key == key))
            .map(|(session, _)| *session)
            .collect();
        for session in given_up {
            self.lose(session);
            self.disconnect(session);
        }
    }

    pub(in crate::remote) fn elsewhere(&mut self, key: Key, elsewhere: bool) {
        if let Some(held) = self.claims.get_mut(&key) {
            held.elsewhere = elsewhere;
        }
    }
}
