//! Accepting connections: the newest one of a participant is the one that counts.

use super::{
    ConnectionId, Output, Owner, Stream,
    lane::{Command, Job, Origin},
    people::Connected,
};
use crate::{
    record::Actor,
    rejection::Rejection,
    token::{Bearer, UseError, Verified},
    visit, waiting_room,
};
use model::{CommandId, Generation, ParticipantId, Role, Timestamp, VisitId};
use signaling_protocol::{ErrorCode, ServerMessage};
use uuid::Uuid;

impl Owner {
    /// A connection said hello with a token whose signature is good.
    pub fn handle_hello(
        &mut self,
        now: Timestamp,
        from: ConnectionId,
        token: &Verified,
        can_share_screen: bool,
    ) {
        if let Err(because) = self.hello(now, from, token, can_share_screen) {
            self.outputs.push_back(Output::Close { to: from, because: Some(because) });
        }
        self.finish(now);
    }

    fn hello(
        &mut self,
        now: Timestamp,
        from: ConnectionId,
        token: &Verified,
        can_share_screen: bool,
    ) -> Result<(), ErrorCode> {
        if let Some(because) = self.draining {
            return Err(because);
        }
        let bearer = token.bearer();
        let seat = self.seat_of(&bearer).ok_or(ErrorCode::NotAuthorized)?;
        match *token {
            Verified::Join { jti, expires_at, .. } => {
                if self.seat_is_recorded(seat, bearer.participant, jti) {
                    return Err(ErrorCode::NotAuthorized);
                }
                self.used_tokens.take(now, jti, expires_at).map_err(|error| match error {
                    UseError::Used => ErrorCode::NotAuthorized,
                    UseError::Full => ErrorCode::Unavailable,
                })?;
                self.joining.insert(from);
                let origin = Origin::Hello { from, bearer, jti, can_share_screen };
                self.take_seat(now, seat, &bearer, jti, origin);
                Ok(())
            }
            Verified::Resume { claims } => {
                let current = self.generation(seat, bearer.participant);
                if claims.generation == Generation::default() {
                    // Nobody was ever given it.
                    return Err(ErrorCode::NotAuthorized);
                }
                match claims.generation.cmp(&current) {
                    std::cmp::Ordering::Less => Err(ErrorCode::Replaced),
                    // A seat that was never taken: not one of ours.
                    std::cmp::Ordering::Greater => Err(ErrorCode::NotAuthorized),
                    std::cmp::Ordering::Equal => {
                        self.welcome(now, from, &bearer, can_share_screen, true);
                        Ok(())
                    }
                }
            }
        }
    }

    /// The stream that holds the bearer's seat; `None` for whoever has none here.
    fn seat_of(&self, bearer: &Bearer) -> Option<Stream> {
        if bearer.tenant != self.tenant || bearer.waiting_room != self.id {
            return None;
        }
        match (bearer.role, bearer.visit) {
            (Role::Clinician, None) => {
                (self.clinician() == Some(bearer.participant)).then_some(Stream::WaitingRoom)
            }
            (Role::Patient, Some(visit)) => {
                let booked = self.visits.get(&visit)?.booked()?;
                (booked.patient == bearer.participant).then_some(Stream::Visit(visit))
            }
            _ => None,
        }
    }

    fn seat_is_recorded(&self, seat: Stream, participant: ParticipantId, jti: Uuid) -> bool {
        let key = CommandId(jti);
        match seat {
            Stream::WaitingRoom => self.room.has_handled(Some(participant), key),
            Stream::Visit(visit) => {
                self.visits.get(&visit).is_some_and(|visit| visit.has_handled(Some(participant), key))
            }
        }
    }

    fn generation(&self, seat: Stream, participant: ParticipantId) -> Generation {
        match seat {
            Stream::WaitingRoom => self.room.generation(participant),
            Stream::Visit(visit) => {
                self.visits.get(&visit).map(|visit| visit.seats().generation(participant)).unwrap_or_default()
            }
        }
    }

    fn take_seat(&mut self, now: Timestamp, seat: Stream, bearer: &Bearer, jti: Uuid, origin: Origin) {
        let command = match seat {
            Stream::WaitingRoom => Command::Room(waiting_room::Command::TakeSeat),
            Stream::Visit(_) => Command::Visit(visit::Command::TakeSeat),
        };
        let by = Actor::Person { id: bearer.participant, role: bearer.role };
        self.submit(now, seat, Job { command, by, key: CommandId(jti), origin });
    }

    /// A join was recorded, or could not be.
    pub(super) fn answer_hello(
        &mut self,
        now: Timestamp,
        from: ConnectionId,
        bearer: &Bearer,
        jti: Uuid,
        can_share_screen: bool,
        result: Result<(), Rejection>,
    ) {
        let gave_up = !self.joining.remove(&from);
        match result {
            Ok(()) if gave_up => {}
            _ if self.draining.is_some() => {
                self.outputs.push_back(Output::Close { to: from, because: self.draining });
            }
            // Wrong state: the visit ended while the page was loading. They read how, and that is all.
            Ok(()) | Err(Rejection::WrongState) => self.welcome(now, from, bearer, can_share_screen, false),
            Err(rejection) => {
                self.used_tokens.give_back(jti);
                self.outputs.push_back(Output::Close { to: from, because: Some(rejection.code()) });
            }
        }
    }

    fn welcome(
        &mut self,
        now: Timestamp,
        to: ConnectionId,
        bearer: &Bearer,
        can_share_screen: bool,
        resumed: bool,
    ) {
        let Bearer { participant, role, visit, .. } = *bearer;
        let Some(seat) = self.seat_of(bearer) else { return };
        let generation = self.generation(seat, participant);
        self.part_with_older(now, participant);
        let person = self.person(participant, role, visit);
        person.connection = Some(to);
        person.presence.connected = true;
        person.presence.away_since = None;
        person.presence.can_share_screen = can_share_screen;
        self.connections.insert(
            to,
            Connected { participant, role, visit, generation, last_visit: None, last_queue: None },
        );
        self.outputs.push_back(Output::Welcome { to, bearer: *bearer, generation });
        if resumed && self.people.get(&participant).is_some_and(|person| person.media.is_none()) {
            // Before the view that asks for media, so that a page offers once.
            self.send(to, ServerMessage::MediaClosed);
        }
        self.dirty = false;
        self.publish(now);
        self.tell_history(to, role, visit);
        self.tell_slots(to, participant);
        let over = visit.and_then(|id| self.visits.get(&id)).is_some_and(|visit| visit.phase().is_over());
        if over {
            self.goodbyes.push((to, None));
        }
    }

    /// Closes the participant's live connection: it was replaced by the one being welcomed. Their media
    /// goes on: it may be the same page, back from a lost connection.
    fn part_with_older(&mut self, now: Timestamp, participant: ParticipantId) {
        if let Some(older) = self.people.get(&participant).and_then(|person| person.connection) {
            self.forget_connection(now, older);
            self.outputs.push_back(Output::Close { to: older, because: Some(ErrorCode::Replaced) });
        }
    }

    /// A seat has a new generation: connections with an older one are replaced, and their media ends,
    /// because the page that held it is not the one that counts any more.
    pub(super) fn replace(&mut self, now: Timestamp, participant: ParticipantId, generation: Generation) {
        self.end_media(participant);
        let Some(older) = self.people.get(&participant).and_then(|person| person.connection) else { return };
        if self.connections.get(&older).is_some_and(|connected| connected.generation < generation) {
            self.forget_connection(now, older);
            self.outputs.push_back(Output::Close { to: older, because: Some(ErrorCode::Replaced) });
        }
    }

    fn tell_history(&mut self, to: ConnectionId, role: Role, visit: Option<VisitId>) {
        let wanted = self.visits.values().filter(|v| match role {
            Role::Clinician => !v.chat().history().is_empty(),
            _ => Some(v.id()) == visit && !v.phase().is_over(),
        });
        let histories: Vec<_> = wanted
            .map(|visit| ServerMessage::ChatHistory {
                visit: visit.id(),
                messages: visit.chat().history().to_vec(),
            })
            .collect();
        for history in histories {
            self.send(to, history);
        }
    }

    /// A page that comes back to its media learns who is in its slots.
    fn tell_slots(&mut self, to: ConnectionId, participant: ParticipantId) {
        let media = self.people.get(&participant).and_then(|person| person.media.as_ref());
        if let Some((slots, screen)) = media.and_then(|media| media.slots.clone()) {
            self.send(to, ServerMessage::Slots { slots, screen });
        }
    }
}
