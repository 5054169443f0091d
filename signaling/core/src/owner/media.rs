//! Whose media is where: derived from the visits after every step, never remembered apart from them.

use super::{
    ConnectionId, Output, Owner, Ticket,
    people::{Media, PendingOffer},
};
use crate::{
    limits,
    queue::Queue,
    rejection::words,
    visit::{Phase, Visit},
};
use model::{CommandId, ParticipantId, Phi, Role, RoomId, Timestamp, VisitId};
use sfu_core::port::{
    Affinity, Answer, ClosedReason, Connect, Direction, MediaError, MediaEvent, Quality, SessionId,
};
use signaling_protocol::{
    ErrorCode, ServerMessage,
    limits::MAX_OFFER_BYTES,
    view::{DeviceHealth, Health, MediaWish},
};

/// Who the media node was last told may share; `None` inside when it must be told again.
#[derive(Debug)]
pub(super) struct ToldSharer(pub(super) Option<Option<ParticipantId>>);

/// Loss towards a participant at which their network counts as weak.
const WEAK_LOSS: f32 = 0.1;
/// Round trip at which their network counts as weak, milliseconds.
const WEAK_RTT_MS: u32 = 800;

impl Owner {
    /// What a participant should do about media.
    pub(super) fn wish(&self, now: Timestamp, queue: &Queue, participant: ParticipantId) -> MediaWish {
        let Some(person) = self.people.get(&participant) else { return MediaWish::Idle };
        let visit = match person.role {
            Role::Clinician => queue.in_call(),
            _ => person.visit,
        };
        let Some(visit) = visit.and_then(|id| self.visits.get(&id)) else {
            let present = person.role == Role::Clinician && self.clinician_present(now);
            return if present { MediaWish::Warm } else { MediaWish::Idle };
        };
        match visit.phase() {
            Phase::InCall(_) if visit.seats().has_left(participant) => MediaWish::Idle,
            Phase::InCall(_) => MediaWish::Live,
            Phase::Waiting(_) => {
                let near = queue.ahead(visit.id()).is_some_and(|ahead| ahead < limits::WARM_SEATS);
                if near && self.clinician_present(now) { MediaWish::Warm } else { MediaWish::Idle }
            }
            Phase::Booked | Phase::Ended { .. } => MediaWish::Idle,
        }
    }

    /// The room a live participant belongs in.
    fn room_of(&self, queue: &Queue, participant: ParticipantId) -> Option<RoomId> {
        let person = self.people.get(&participant)?;
        let visit = if person.role == Role::Clinician { queue.in_call() } else { person.visit };
        visit.map(RoomId::from)
    }

    /// Where a session is to be: `None` nowhere at all, `Some(None)` warm, `Some(Some(room))` live.
    fn desired_seat(
        &self,
        now: Timestamp,
        queue: &Queue,
        participant: ParticipantId,
    ) -> Option<Option<RoomId>> {
        match self.wish(now, queue, participant) {
            MediaWish::Idle => None,
            MediaWish::Warm => Some(None),
            MediaWish::Live => self.room_of(queue, participant).map(Some),
        }
    }

    pub(super) fn offer(
        &mut self,
        now: Timestamp,
        from: ConnectionId,
        participant: ParticipantId,
        re: CommandId,
        sdp: Phi<String>,
        restart: bool,
    ) {
        if let Err(code) = self.begin_offer(now, from, participant, re, sdp, restart) {
            self.send(from, ServerMessage::Error { re: Some(re), code, message: words(code).to_owned() });
        }
    }

    fn begin_offer(
        &mut self,
        now: Timestamp,
        from: ConnectionId,
        participant: ParticipantId,
        re: CommandId,
        sdp: Phi<String>,
        restart: bool,
    ) -> Result<(), ErrorCode> {
        if sdp.expose().len() > MAX_OFFER_BYTES {
            return Err(ErrorCode::OfferTooLarge);
        }
        let seat = self.desired_seat(now, &self.queue(), participant).ok_or(ErrorCode::WrongState)?;
        let ticket = self.ticket();
        let (tenant, affinity) = (self.tenant, Affinity(self.id.0.as_u128()));
        let person = self.people.get_mut(&participant).ok_or(ErrorCode::WrongState)?;
        if person.offers.len() >= limits::MAX_PENDING_OFFERS {
            return Err(ErrorCode::TooManyRequests);
        }
        let offer = sdp.into_exposed();
        let output = match (&person.media, restart) {
            (Some(media), true) => Output::Restart { ticket, session: media.session, offer },
            (None, true) => {
                self.send(from, ServerMessage::MediaClosed);
                return Err(ErrorCode::WrongState);
            }
            (_, false) => {
                let direction = Direction::Both;
                let connect = Connect { tenant, participant, affinity, direction, room: seat, offer };
                Output::Connect { ticket, connect }
            }
        };
        if !restart {
            person.newest_offer = Some(ticket);
        }
        person.offers.push(PendingOffer { ticket, re, from, seated: seat, restart });
        self.outputs.push_back(output);
        Ok(())
    }

    /// The media node has answered an [`Output::Connect`] or [`Output::Restart`].
    pub fn handle_answer(&mut self, now: Timestamp, ticket: Ticket, result: Result<Answer, MediaError>) {
        let asked = self.people.iter_mut().find_map(|(id, person)| {
            let at = person.offers.iter().position(|offer| offer.ticket == ticket)?;
            Some((*id, person.offers.remove(at)))
        });
        match (asked, result) {
            (Some((participant, offer)), Ok(answer)) => self.answered(now, participant, &offer, answer),
            (Some((participant, offer)), Err(error)) => self.offer_failed(participant, &offer, &error),
            (None, Ok(answer)) => self.outputs.push_back(Output::Disconnect { session: answer.session }),
            (None, Err(_)) => {}
        }
        self.finish(now);
    }

    fn answered(&mut self, now: Timestamp, participant: ParticipantId, offer: &PendingOffer, answer: Answer) {
        let wanted = self.desired_seat(now, &self.queue(), participant).is_some();
        let Some(person) = self.people.get_mut(&participant) else { return };
        let asker_is_here = person.connection == Some(offer.from);
        let newest = person.newest_offer == Some(offer.ticket);
        if offer.restart {
            if asker_is_here {
                self.send(offer.from, ServerMessage::Answer { re: offer.re, sdp: answer.sdp.into() });
            }
            return;
        }
        // A newer offer, another page, or a visit that is over: nobody would use this session.
        if !newest || !asker_is_here || !wanted {
            self.outputs.push_back(Output::Disconnect { session: answer.session });
            return;
        }
        let mut older = person.media.take().map_or_else(Vec::new, |media| {
            let mut older = media.older;
            older.push(media.session);
            older
        });
        older.retain(|session| *session != answer.session);
        let seated = Some(offer.seated);
        person.media = Some(Media { session: answer.session, older, seated, slots: None });
        self.send(offer.from, ServerMessage::Answer { re: offer.re, sdp: answer.sdp.into() });
    }

    fn offer_failed(&mut self, participant: ParticipantId, offer: &PendingOffer, error: &MediaError) {
        let code = match error {
            MediaError::OfferTooLarge => ErrorCode::OfferTooLarge,
            MediaError::OfferInvalid(_) => ErrorCode::OfferInvalid,
            MediaError::NoSuchSession => ErrorCode::WrongState,
            MediaError::Busy => ErrorCode::Unavailable,
            // Whoever owns the room now answers the next offer.
            MediaError::Draining | MediaError::Fenced => ErrorCode::Restarting,
        };
        let here = self.people.get(&participant).and_then(|person| person.connection) == Some(offer.from);
        if here {
            if *error == MediaError::NoSuchSession {
                self.send(offer.from, ServerMessage::MediaClosed);
            }
            let message = words(code).to_owned();
            self.send(offer.from, ServerMessage::Error { re: Some(offer.re), code, message });
        }
    }

    /// The media node tells something.
    pub fn handle_media(&mut self, now: Timestamp, event: MediaEvent) {
        match event {
            MediaEvent::Connected { session, .. } => self.network(session, Health::Good),
            MediaEvent::Closed { session, reason } => self.media_closed(now, session, reason),
            MediaEvent::Slots { session, slots, screen } => {
                if let Some((participant, media)) = self.media_of(session) {
                    media.slots = Some((slots.clone(), screen));
                    self.tell(participant, ServerMessage::Slots { slots, screen });
                }
            }
            MediaEvent::Quality { session, quality } => self.network(session, health_of(quality)),
            MediaEvent::Found { existing, .. } => self.take_over(now, vec![*existing]),
        }
        self.finish(now);
    }

    fn media_of(&mut self, session: SessionId) -> Option<(ParticipantId, &mut Media)> {
        self.people.iter_mut().find_map(|(id, person)| {
            let media = person.media.as_mut()?;
            (media.session == session).then_some((*id, media))
        })
    }

    pub(super) fn network(&mut self, session: SessionId, health: Health) {
        let Some((participant, _)) = self.media_of(session) else { return };
        let Some(person) = self.people.get_mut(&participant) else { return };
        let visit = person.visit.and_then(|id| self.visits.get(&id));
        let known = person.presence.devices.or_else(|| checked_in_with(visit?)).unwrap_or_default();
        let devices = DeviceHealth { network: health, ..known };
        if person.presence.devices != Some(devices) {
            person.presence.devices = Some(devices);
            self.dirty = true;
        }
    }

    fn media_closed(&mut self, now: Timestamp, session: SessionId, reason: ClosedReason) {
        for person in self.people.values_mut() {
            if let Some(media) = &mut person.media {
                media.older.retain(|older| *older != session);
            }
        }
        let Some((participant, _)) = self.media_of(session) else { return };
        self.network(session, Health::Unknown);
        if let Some(person) = self.people.get_mut(&participant) {
            person.media = None;
            if person.connection.is_none() {
                // They were still talking until now.
                person.presence.away_since = Some(now);
            }
        }
        if reason != ClosedReason::Asked {
            self.tell(participant, ServerMessage::MediaClosed);
        }
    }

    /// The media node could not seat a session.
    pub fn handle_seat_failed(&mut self, now: Timestamp, session: SessionId, error: &MediaError) {
        match error {
            MediaError::NoSuchSession => self.media_closed(now, session, ClosedReason::Failed),
            // The room is somebody else's, who seats.
            MediaError::Fenced => {}
            _ => {
                if let Some((_, media)) = self.media_of(session) {
                    media.seated = None;
                    self.media_retry = Some(now + limits::MEDIA_RETRY);
                }
            }
        }
        self.finish(now);
    }

    /// The media node could not be told who shares.
    pub fn handle_sharer_failed(&mut self, now: Timestamp, visit: VisitId) {
        if let Some(told) = self.sharers.get_mut(&visit) {
            told.0 = None;
            self.media_retry = Some(now + limits::MEDIA_RETRY);
        }
        self.finish(now);
    }

    /// Ends a participant's media, whatever becomes of their connection.
    pub(super) fn end_media(&mut self, participant: ParticipantId) {
        let Some(person) = self.people.get_mut(&participant) else { return };
        person.offers.clear();
        let Some(media) = person.media.take() else { return };
        for session in media.older.into_iter().chain([media.session]) {
            self.outputs.push_back(Output::Disconnect { session });
        }
    }

    /// Tells the media node where what it was told last differs from what the visits say.
    pub(super) fn settle_media(&mut self, now: Timestamp) {
        if self.media_retry.is_some_and(|at| now < at) {
            return;
        }
        let queue = self.queue();
        let with_media: Vec<_> =
            self.people.iter().filter(|(_, person)| person.media.is_some()).map(|(id, _)| *id).collect();
        for participant in with_media {
            match self.desired_seat(now, &queue, participant) {
                None => self.end_media(participant),
                Some(seat) => self.settle_seat(participant, seat),
            }
        }
        self.settle_sharer(&queue);
        self.media_retry = None;
    }

    fn settle_seat(&mut self, participant: ParticipantId, seat: Option<RoomId>) {
        let Some(media) = self.people.get_mut(&participant).and_then(|person| person.media.as_mut()) else {
            return;
        };
        if media.seated == Some(seat) {
            return;
        }
        media.seated = Some(seat);
        let session = media.session;
        // A session that is being replaced does not come along.
        for older in std::mem::take(&mut media.older) {
            self.outputs.push_back(Output::Disconnect { session: older });
        }
        self.outputs.push_back(Output::Seat { session, room: seat });
    }

    fn settle_sharer(&mut self, queue: &Queue) {
        let in_call = queue.in_call();
        self.sharers.retain(|visit, _| Some(*visit) == in_call);
        let Some(visit) = in_call.and_then(|id| self.visits.get(&id)) else { return };
        let (id, sharer) = (visit.id(), visit.screen().sharer());
        let told = self.sharers.entry(id).or_insert(ToldSharer(Some(None)));
        if told.0 != Some(sharer) {
            told.0 = Some(sharer);
            self.outputs.push_back(Output::SetSharer { visit: id, sharer });
        }
    }
}

/// What the device test found at check-in: all that a restart leaves of it.
const fn checked_in_with(visit: &Visit) -> Option<DeviceHealth> {
    match visit.phase() {
        Phase::Waiting(wait) => Some(wait.devices),
        Phase::InCall(call) => Some(call.devices),
        Phase::Booked | Phase::Ended { .. } => None,
    }
}

fn health_of(quality: Quality) -> Health {
    let weak = quality.loss >= WEAK_LOSS || quality.rtt_ms.is_some_and(|rtt| rtt >= WEAK_RTT_MS);
    if weak { Health::Weak } else { Health::Good }
}
