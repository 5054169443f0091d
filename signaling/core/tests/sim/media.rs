//! The media node as the port describes it: who is connected, seated where, and who may share.

use model::{ParticipantId, RoomId};
use sfu_core::port::{Affinity, Connect, Direction, Existing, MediaError, MediaEvent, SessionId, Transport};
use std::collections::BTreeMap;

#[derive(Default)]
pub(crate) struct Media {
    next: u64,
    pub(crate) sessions: BTreeMap<SessionId, Session>,
    pub(crate) sharers: BTreeMap<RoomId, Option<ParticipantId>>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Session {
    pub(crate) participant: ParticipantId,
    pub(crate) room: Option<RoomId>,
    connected: bool,
}

impl Media {
    /// A new session, and those of the same participant that it replaces once it is connected.
    pub(crate) fn connect(&mut self, connect: &Connect) -> (SessionId, Vec<SessionId>) {
        let older = self.sessions.iter().filter(|(_, session)| session.participant == connect.participant);
        let older = older.map(|(id, _)| *id).collect();
        self.next += 1;
        let session = SessionId(self.next);
        self.sessions.insert(
            session,
            Session { participant: connect.participant, room: connect.room, connected: false },
        );
        (session, older)
    }

    pub(crate) fn seat(&mut self, session: SessionId, room: Option<RoomId>) -> Result<(), MediaError> {
        self.sessions.get_mut(&session).ok_or(MediaError::NoSuchSession)?.room = room;
        Ok(())
    }

    /// What is told of a session happens whether anybody listens or not.
    pub(crate) fn happens(&mut self, event: &MediaEvent) {
        match event {
            MediaEvent::Closed { session, .. } => drop(self.sessions.remove(session)),
            MediaEvent::Connected { session, .. } => {
                if let Some(session) = self.sessions.get_mut(session) {
                    session.connected = true;
                }
            }
            _ => {}
        }
    }

    /// What a process that claims the waiting room is told.
    pub(crate) fn existing(&self, affinity: Affinity) -> Vec<Existing> {
        let sessions = self.sessions.iter();
        sessions
            .map(|(id, session)| Existing {
                session: *id,
                participant: session.participant,
                affinity,
                direction: Direction::Both,
                room: session.room,
                connected: session.connected.then_some(Transport::Udp),
                shown: None,
            })
            .collect()
    }

    /// The process died: so did every session. Session ids go on: a node never uses one twice.
    pub(crate) fn crash(&mut self) {
        self.sessions.clear();
        self.sharers.clear();
    }

    /// Rooms in which somebody is heard by somebody else, with everybody seated there.
    pub(crate) fn rooms(&self) -> BTreeMap<RoomId, Vec<ParticipantId>> {
        let mut rooms = BTreeMap::<RoomId, Vec<ParticipantId>>::new();
        for session in self.sessions.values() {
            if let Some(room) = session.room {
                let seated = rooms.entry(room).or_default();
                if !seated.contains(&session.participant) {
                    seated.push(session.participant);
                }
            }
        }
        rooms
    }
}
