//! Participants as the process knows them, beside what is recorded.

use super::{ConnectionId, Owner, Ticket};
use crate::{limits, views::Presence};
use model::{CommandId, Generation, ParticipantId, Role, RoomId, Timestamp, VisitId};
use sfu_core::port::SessionId;
use signaling_protocol::view::{QueueView, VisitView};

/// A participant.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) role: Role,
    /// The one visit of everybody but clinicians.
    pub(super) visit: Option<VisitId>,
    pub(super) connection: Option<ConnectionId>,
    pub(super) presence: Presence,
    pub(super) media: Option<Media>,
    pub(super) offers: Vec<PendingOffer>,
    /// The newest offer of a new session, answered or not: only its answer counts.
    pub(super) newest_offer: Option<Ticket>,
}

impl Person {
    pub(super) fn new(role: Role, visit: Option<VisitId>) -> Self {
        Self {
            role,
            visit,
            connection: None,
            presence: Presence::default(),
            media: None,
            offers: Vec::new(),
            newest_offer: None,
        }
    }
}

/// A participant's media session.
#[derive(Debug)]
pub(super) struct Media {
    pub(super) session: SessionId,
    /// Sessions before it that the media node has not closed yet.
    pub(super) older: Vec<SessionId>,
    /// Where the media node was last told to seat it; `None` when it must be told again.
    pub(super) seated: Option<Option<RoomId>>,
    /// What the client was last told about its slots.
    pub(super) slots: Option<(Vec<Option<ParticipantId>>, Option<ParticipantId>)>,
}

/// An offer the media node is answering.
#[derive(Debug)]
pub(super) struct PendingOffer {
    pub(super) ticket: Ticket,
    pub(super) re: CommandId,
    pub(super) from: ConnectionId,
    /// The seat asked for with it.
    pub(super) seated: Option<RoomId>,
    pub(super) restart: bool,
}

/// A connection that was welcomed.
#[derive(Debug)]
pub(super) struct Connected {
    pub(super) participant: ParticipantId,
    pub(super) role: Role,
    pub(super) visit: Option<VisitId>,
    pub(super) generation: Generation,
    /// The views it was last sent, so that it is sent none twice.
    pub(super) last_visit: Option<Option<Box<VisitView>>>,
    pub(super) last_queue: Option<Box<QueueView>>,
}

impl Owner {
    /// A connection is gone: its socket closed, or it never said hello. The place and seat are kept.
    pub fn handle_disconnected(&mut self, now: Timestamp, connection: ConnectionId) {
        self.joining.remove(&connection);
        self.forget_connection(now, connection);
        self.finish(now);
    }

    /// Whoever was connected so may have their seat no more. What they showed and heard ends; the seat is there for others.
    pub fn handle_dismissed(&mut self, now: Timestamp, connection: ConnectionId) {
        if let Some(connected) = self.connections.get(&connection) {
            self.end_media(connected.participant);
        }
        self.handle_disconnected(now, connection);
    }

    /// True when it was known.
    pub(super) fn forget_connection(&mut self, now: Timestamp, connection: ConnectionId) -> bool {
        let Some(connected) = self.connections.remove(&connection) else { return false };
        let Some(person) = self.people.get_mut(&connected.participant) else { return true };
        if person.connection == Some(connection) {
            person.connection = None;
            person.presence.connected = false;
            person.presence.away_since = Some(now);
            self.dirty = true;
        }
        self.forget_person_of_the_past(connected.participant);
        true
    }

    /// People of visits that are over are not kept in memory.
    fn forget_person_of_the_past(&mut self, participant: ParticipantId) {
        let Some(person) = self.people.get(&participant) else { return };
        let over = person
            .visit
            .is_some_and(|visit| self.visits.get(&visit).is_none_or(|visit| visit.phase().is_over()));
        if over && person.connection.is_none() && person.media.is_none() && person.offers.is_empty() {
            self.people.remove(&participant);
        }
    }

    pub(super) fn presence(&self, participant: ParticipantId) -> Presence {
        self.people.get(&participant).map(|person| person.presence).unwrap_or_default()
    }

    /// Connected, or gone so shortly that it may be a reload.
    pub(super) fn clinician_present(&self, now: Timestamp) -> bool {
        self.clinician().is_some_and(|id| {
            let presence = self.presence(id);
            presence.connected
                || presence.away_since.is_some_and(|since| now < since + limits::PRESENCE_GRACE)
        })
    }
}
