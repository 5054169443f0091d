//! Which waiting room a media session belongs to. Events can overtake the answer that names the
//! session, so what nobody has claimed yet is kept for a moment.

use crate::limits;
use model::WaitingRoomId;
use sfu_core::port::{MediaEvent, SessionId};
use std::collections::{HashMap, VecDeque};

#[derive(Debug, Default)]
pub(crate) struct Sessions {
    rooms: HashMap<SessionId, WaitingRoomId>,
    orphans: VecDeque<MediaEvent>,
}

impl Sessions {
    /// Where an event goes; `None` keeps it until its session is claimed.
    pub(crate) fn route(&mut self, event: &MediaEvent) -> Option<WaitingRoomId> {
        let session = session_of(event);
        let room = self.rooms.get(&session).copied();
        if room.is_none() {
            if self.orphans.len() >= limits::MAX_ORPHANED_EVENTS {
                self.orphans.pop_front();
            }
            self.orphans.push_back(event.clone());
        }
        if matches!(event, MediaEvent::Closed { .. }) {
            self.rooms.remove(&session);
        }
        room
    }

    /// The room owns the session from now on. What it has missed is returned.
    pub(crate) fn claim(&mut self, session: SessionId, room: WaitingRoomId) -> Vec<MediaEvent> {
        self.rooms.insert(session, room);
        let (missed, others) = std::mem::take(&mut self.orphans)
            .into_iter()
            .partition::<VecDeque<_>, _>(|event| session_of(event) == session);
        self.orphans = others;
        if missed.iter().any(|event| matches!(event, MediaEvent::Closed { .. })) {
            self.rooms.remove(&session);
        }
        missed.into()
    }
}

const fn session_of(event: &MediaEvent) -> SessionId {
    match event {
        MediaEvent::Connected { session, .. }
        | MediaEvent::Closed { session, .. }
        | MediaEvent::Slots { session, .. }
        | MediaEvent::Quality { session, .. } => *session,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sfu_core::port::{ClosedReason, Quality};
    use uuid::Uuid;

    fn quality(session: u64) -> MediaEvent {
        MediaEvent::Quality { session: SessionId(session), quality: Quality::default() }
    }

    #[test]
    fn what_overtakes_the_answer_is_not_lost() {
        let (mut sessions, room) = (Sessions::default(), WaitingRoomId(Uuid::from_u128(1)));
        assert_eq!(sessions.route(&quality(7)), None);
        assert_eq!(sessions.route(&quality(8)), None);
        assert_eq!(sessions.claim(SessionId(7), room), [quality(7)]);
        assert_eq!(sessions.route(&quality(7)), Some(room));
        let closed = MediaEvent::Closed { session: SessionId(7), reason: ClosedReason::Asked };
        assert_eq!(sessions.route(&closed), Some(room));
        assert_eq!(sessions.route(&quality(7)), None);
    }

    #[test]
    fn keeps_as_many_as_its_limit_and_drops_the_oldest() {
        let (mut sessions, room) = (Sessions::default(), WaitingRoomId(Uuid::from_u128(1)));
        for n in 0..=limits::MAX_ORPHANED_EVENTS as u64 {
            sessions.route(&quality(n));
        }
        assert_eq!(sessions.claim(SessionId(0), room), []);
        assert_eq!(sessions.claim(SessionId(1), room), [quality(1)]);
    }
}
