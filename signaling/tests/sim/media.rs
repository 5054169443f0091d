//! The media nodes as the port describes them: sessions outlive processes, and obey the newest owner.

use crate::sim::Sim;
use model::{Epoch, ParticipantId, RoomId, TenantId};
use parking_lot::Mutex;
use sfu_core::port::{
    Affinity, Answer, Claim, ClosedReason, Connect, Direction, Existing, MediaError, MediaEvent, MediaNode,
    PortFuture, SessionId, Shown, Transport,
};
use std::{collections::BTreeMap, sync::Arc};
use tokio::{sync::mpsc, time::sleep};

/// Events that wait for a process. One more is dropped: it is told what there is when it claims again.
const EVENTS: usize = 1_024;

pub(crate) struct Media {
    sim: Arc<Sim>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next: u64,
    sessions: BTreeMap<SessionId, Session>,
    /// Who speaks for a waiting room, and in which epoch.
    claims: BTreeMap<u128, (Epoch, usize)>,
    ears: BTreeMap<usize, mpsc::Sender<MediaEvent>>,
}

#[derive(Clone, Copy)]
pub(crate) struct Session {
    pub(crate) participant: ParticipantId,
    pub(crate) room: Option<RoomId>,
    affinity: Affinity,
}

impl Media {
    pub(crate) fn new(sim: &Arc<Sim>) -> Arc<Self> {
        Arc::new(Self { sim: Arc::clone(sim), state: Mutex::default() })
    }

    /// What a process of this machine hears from now on.
    pub(crate) fn listen(&self, machine: usize) -> mpsc::Receiver<MediaEvent> {
        let (sender, events) = mpsc::channel(EVENTS);
        self.state.lock().ears.insert(machine, sender);
        events
    }

    pub(crate) fn sessions(&self) -> Vec<Session> {
        self.state.lock().sessions.values().copied().collect()
    }

    /// Somebody's media is lost, as when a phone leaves the network.
    pub(crate) fn lose_one(&self) {
        let mut state = self.state.lock();
        let all: Vec<_> = state.sessions.keys().copied().collect();
        if let Some(session) = self.sim.draw(|random| random.pick(&all)) {
            state.close(session, ClosedReason::Timeout);
            self.sim.count("media-lost");
        }
    }
}

impl State {
    fn close(&mut self, session: SessionId, reason: ClosedReason) {
        if let Some(Session { affinity, .. }) = self.sessions.remove(&session) {
            self.tell(affinity, MediaEvent::Closed { session, reason });
        }
    }

    fn tell(&self, affinity: Affinity, event: MediaEvent) {
        let machine = self.claims.get(&affinity.0).map(|(_, machine)| machine);
        if let Some(ears) = machine.and_then(|machine| self.ears.get(machine)) {
            let _ = ears.try_send(event);
        }
    }

    fn is_owner(&self, affinity: Affinity, machine: usize) -> bool {
        self.claims.get(&affinity.0).is_some_and(|(_, owner)| *owner == machine)
    }
}

/// One machine's way to them.
pub(crate) struct Link {
    pub(crate) media: Arc<Media>,
    pub(crate) machine: usize,
}

impl MediaNode for Link {
    fn claim(&self, claim: Claim) -> PortFuture<'_, Result<Vec<Existing>, MediaError>> {
        Box::pin(async move {
            sleep(self.media.sim.millis(0, 5)).await;
            let mut state = self.media.state.lock();
            let Claim { affinity, epoch, .. } = claim;
            if state.claims.get(&affinity.0).is_some_and(|(newest, _)| *newest > epoch) {
                return Err(MediaError::Fenced);
            }
            state.claims.insert(affinity.0, (epoch, self.machine));
            let here = state.sessions.iter().filter(|(_, session)| session.affinity == affinity);
            let existing = here.map(|(id, session)| Existing {
                session: *id,
                participant: session.participant,
                affinity,
                direction: Direction::Both,
                room: session.room,
                connected: Some(Transport::Udp),
                shown: Some(Shown { slots: vec![None; 3], screen: None }),
            });
            Ok(existing.collect())
        })
    }

    fn connect(&self, connect: Connect) -> PortFuture<'_, Result<Answer, MediaError>> {
        Box::pin(async move {
            sleep(self.media.sim.millis(0, 20)).await;
            let mut state = self.media.state.lock();
            let Connect { participant, affinity, room, .. } = connect;
            if !state.is_owner(affinity, self.machine) {
                return Err(MediaError::Fenced);
            }
            let older: Vec<_> = state
                .sessions
                .iter()
                .filter(|(_, s)| s.participant == participant)
                .map(|(id, _)| *id)
                .collect();
            older.into_iter().for_each(|id| state.close(id, ClosedReason::Replaced));
            state.next += 1;
            let session = SessionId(state.next);
            state.sessions.insert(session, Session { participant, room, affinity });
            state.tell(affinity, MediaEvent::Connected { session, transport: Transport::Udp });
            state.tell(affinity, MediaEvent::Slots { session, slots: vec![None; 3], screen: None });
            Ok(Answer { session, sdp: "answer".to_owned() })
        })
    }

    fn restart(&self, session: SessionId, _: String) -> PortFuture<'_, Result<Answer, MediaError>> {
        Box::pin(async move {
            let known = self.media.state.lock().sessions.contains_key(&session);
            if known {
                Ok(Answer { session, sdp: "answer".to_owned() })
            } else {
                Err(MediaError::NoSuchSession)
            }
        })
    }

    fn seat(&self, session: SessionId, room: Option<RoomId>) -> Result<(), MediaError> {
        if self.media.sim.chance(1) {
            return Err(MediaError::Busy);
        }
        let mut state = self.media.state.lock();
        let affinity = state.sessions.get(&session).ok_or(MediaError::NoSuchSession)?.affinity;
        if !state.is_owner(affinity, self.machine) {
            return Err(MediaError::Fenced);
        }
        if let Some(session) = state.sessions.get_mut(&session) {
            session.room = room;
        }
        Ok(())
    }

    fn set_sharer(
        &self,
        _: TenantId,
        affinity: Affinity,
        _: RoomId,
        _: Option<ParticipantId>,
    ) -> Result<(), MediaError> {
        if self.media.state.lock().is_owner(affinity, self.machine) {
            Ok(())
        } else {
            Err(MediaError::Fenced)
        }
    }

    fn disconnect(&self, session: SessionId) {
        let mut state = self.media.state.lock();
        let affinity = state.sessions.get(&session).map(|session| session.affinity);
        if affinity.is_some_and(|affinity| state.is_owner(affinity, self.machine)) {
            state.close(session, ClosedReason::Asked);
        }
    }
}
