//! Which waiting room a media session belongs to. Events can overtake the answer that names the
//! session, so what nobody has claimed yet is kept for a moment.

use crate::{find::Home, limits};
use model::WaitingRoomId;
use sfu_core::port::{MediaEvent, SessionId};
use std::collections::{HashMap, VecDeque};
use uuid::Uuid;

#[derive(Debug, Default)]
pub(crate) struct Sessions {
    rooms: HashMap<SessionId, Home>,
    orphans: VecDeque<MediaEvent>,
}

impl Sessions {
    /// Where an event goes; `None` keeps it until its session is claimed. `here` says whether a waiting room is of this process.
    pub(crate) fn route(&mut self, event: &MediaEvent, here: impl FnOnce(Home) -> bool) -> Option<Home> {
        let session = event.session();
        if let MediaEvent::Found { tenant, existing } = event {
            // A session this process did not make: its affinity is the waiting room's id.
            let room = WaitingRoomId(Uuid::from_u128(existing.affinity.0));
            let home = Home { tenant: *tenant, room };
            return here(home).then(|| {
                self.rooms.insert(session, home);
                home
            });
        }
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

    /// The room is no longer here, and of its sessions nothing more will be told.
    pub(crate) fn forget(&mut self, room: Home) {
        self.rooms.retain(|_, home| *home != room);
    }

    /// The room owns the session from now on. What it has missed is returned.
    pub(crate) fn claim(&mut self, session: SessionId, room: Home) -> Vec<MediaEvent> {
        self.rooms.insert(session, room);
        let (missed, others) = std::mem::take(&mut self.orphans)
            .into_iter()
            .partition::<VecDeque<_>, _>(|event| event.session() == session);
        self.orphans = others;
        if missed.iter().any(|event| matches!(event, MediaEvent::Closed { .. })) {
            self.rooms.remove(&session);
        }
        missed.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{ParticipantId, TenantId};
    use sfu_core::port::{Affinity, ClosedReason, Direction, Existing, Quality};

    fn home(n: u128) -> Home {
        Home { tenant: TenantId(Uuid::nil()), room: WaitingRoomId(Uuid::from_u128(n)) }
    }

    fn here(_: Home) -> bool {
        true
    }

    fn quality(session: u64) -> MediaEvent {
        MediaEvent::Quality { session: SessionId(session), quality: Quality::default() }
    }

    #[test]
    fn what_overtakes_the_answer_is_not_lost() {
        let (mut sessions, room) = (Sessions::default(), home(1));
        assert_eq!(sessions.route(&quality(7), here), None);
        assert_eq!(sessions.route(&quality(8), here), None);
        assert_eq!(sessions.claim(SessionId(7), room), [quality(7)]);
        assert_eq!(sessions.route(&quality(7), here), Some(room));
        let closed = MediaEvent::Closed { session: SessionId(7), reason: ClosedReason::Asked };
        assert_eq!(sessions.route(&closed, here), Some(room));
        assert_eq!(sessions.route(&quality(7), here), None);
    }

    #[test]
    fn what_is_found_late_goes_to_the_room_its_affinity_names() {
        let (mut sessions, room) = (Sessions::default(), home(1));
        let existing = Existing {
            session: SessionId(7),
            participant: ParticipantId(Uuid::from_u128(2)),
            affinity: Affinity(1),
            direction: Direction::Both,
            room: None,
            connected: None,
            shown: None,
        };
        let (tenant, existing) = (room.tenant, Box::new(existing));
        let of_another = MediaEvent::Found { tenant: TenantId(Uuid::max()), existing: existing.clone() };
        assert_eq!(
            sessions.route(&of_another, |home| home == room),
            None,
            "another unit's room of the same id"
        );
        let found = MediaEvent::Found { tenant, existing };
        assert_eq!(sessions.route(&found, |home| home == room), Some(room));
        assert_eq!(sessions.route(&quality(7), here), Some(room));
    }

    #[test]
    fn of_a_room_that_is_elsewhere_nothing_is_kept() {
        let (mut sessions, room) = (Sessions::default(), home(1));
        sessions.claim(SessionId(7), room);
        sessions.claim(SessionId(8), home(2));
        sessions.forget(room);
        assert_eq!(sessions.rooms.keys().collect::<Vec<_>>(), [&SessionId(8)]);
    }

    #[test]
    fn keeps_as_many_as_its_limit_and_drops_the_oldest() {
        let (mut sessions, room) = (Sessions::default(), home(1));
        for n in 0..=limits::MAX_ORPHANED_EVENTS as u64 {
            sessions.route(&quality(n), here);
        }
        assert_eq!(sessions.claim(SessionId(0), room), []);
        assert_eq!(sessions.claim(SessionId(1), room), [quality(1)]);
    }
}
