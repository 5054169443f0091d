//! The media node as the port describes it: who is connected, seated where, and who may share.

use model::{ParticipantId, RoomId};
use sfu_core::port::{Connect, MediaError, SessionId};
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
}

impl Media {
    /// A new session, and those of the same participant that it replaces once it is connected.
    pub(crate) fn connect(&mut self, connect: &Connect) -> (SessionId, Vec<SessionId>) {
        let older = self.sessions.iter().filter(|(_, session)| session.participant == connect.participant);
        let older = older.map(|(id, _)| *id).collect();
        self.next += 1;
        let session = SessionId(self.next);
        self.sessions.insert(session, Session { participant: connect.participant, room: connect.room });
        (session, older)
    }

    pub(crate) fn seat(&mut self, session: SessionId, room: Option<RoomId>) -> Result<(), MediaError> {
        self.sessions.get_mut(&session).ok_or(MediaError::NoSuchSession)?.room = room;
        Ok(())
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
