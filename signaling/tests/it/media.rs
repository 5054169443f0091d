//! The far side of the media port: answers every offer, and remembers who sits where.

use model::{ParticipantId, RoomId, TenantId};
use parking_lot::Mutex;
use sfu_core::port::{
    Affinity, Answer, Claim, ClosedReason, Connect, Direction, Existing, MediaError, MediaEvent, MediaNode,
    PortFuture, SessionId, Shown, Transport,
};
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::mpsc;

#[derive(Default)]
struct State {
    next: u64,
    /// Sessions that are up: whose, and seated where.
    sessions: BTreeMap<SessionId, (ParticipantId, Option<RoomId>)>,
    /// Under which affinity sessions were made.
    affinities: BTreeMap<SessionId, Affinity>,
    sharers: BTreeMap<RoomId, Option<ParticipantId>>,
    busy: bool,
}

pub(crate) struct FakeMedia {
    state: Mutex<State>,
    events: Mutex<mpsc::Sender<MediaEvent>>,
}

impl FakeMedia {
    pub(crate) fn new() -> (Arc<Self>, mpsc::Receiver<MediaEvent>) {
        let (events, receiver) = mpsc::channel(64);
        (Arc::new(Self { state: Mutex::default(), events: Mutex::new(events) }), receiver)
    }

    /// The process before is gone: what happens is told here from now on.
    pub(crate) fn listen(&self) -> mpsc::Receiver<MediaEvent> {
        let (events, receiver) = mpsc::channel(64);
        *self.events.lock() = events;
        receiver
    }

    fn events(&self) -> mpsc::Sender<MediaEvent> {
        self.events.lock().clone()
    }

    /// The session of a participant.
    pub(crate) fn session_of(&self, participant: ParticipantId) -> Option<SessionId> {
        let state = self.state.lock();
        state.sessions.iter().rev().find(|(_, (who, _))| *who == participant).map(|(id, _)| *id)
    }

    /// Where a participant is seated; the outer `None` when they have no session.
    pub(crate) fn seat_of(&self, participant: ParticipantId) -> Option<Option<RoomId>> {
        let state = self.state.lock();
        state.sessions.values().rev().find(|(who, _)| *who == participant).map(|(_, room)| *room)
    }

    pub(crate) fn sharer(&self, room: RoomId) -> Option<ParticipantId> {
        self.state.lock().sharers.get(&room).copied().flatten()
    }

    pub(crate) fn be_busy(&self, busy: bool) {
        self.state.lock().busy = busy;
    }

    /// A session is lost, as when a phone leaves the network.
    pub(crate) async fn lose(&self, participant: ParticipantId) {
        let session = {
            let mut state = self.state.lock();
            let session = state.sessions.iter().find(|(_, (who, _))| *who == participant).map(|(id, _)| *id);
            session.inspect(|session| {
                state.sessions.remove(session);
            })
        };
        self.events()
            .send(MediaEvent::Closed { session: session.unwrap(), reason: ClosedReason::Timeout })
            .await
            .unwrap();
    }
}

impl MediaNode for FakeMedia {
    fn claim(&self, claim: Claim) -> PortFuture<'_, Result<Vec<Existing>, MediaError>> {
        let state = self.state.lock();
        let mine = state.sessions.iter().filter(|(id, _)| state.affinities[id] == claim.affinity);
        let existing = mine
            .map(|(session, (participant, room))| Existing {
                session: *session,
                participant: *participant,
                affinity: claim.affinity,
                direction: Direction::Both,
                room: *room,
                connected: Some(Transport::Udp),
                shown: Some(Shown { slots: vec![None; 3], screen: None }),
            })
            .collect();
        Box::pin(std::future::ready(Ok(existing)))
    }

    fn connect(&self, connect: Connect) -> PortFuture<'_, Result<Answer, MediaError>> {
        Box::pin(async move {
            let (session, replaced) = {
                let mut state = self.state.lock();
                if connect.offer.contains("garbage") {
                    return Err(MediaError::OfferInvalid("no media lines"));
                }
                state.next += 1;
                let session = SessionId(state.next);
                let older: Vec<_> = state
                    .sessions
                    .iter()
                    .filter(|(_, (who, _))| *who == connect.participant)
                    .map(|(id, _)| *id)
                    .collect();
                for id in &older {
                    state.sessions.remove(id);
                }
                state.sessions.insert(session, (connect.participant, connect.room));
                state.affinities.insert(session, connect.affinity);
                (session, older)
            };
            // Events overtake the answer, as they may.
            for session in replaced {
                let _ =
                    self.events().send(MediaEvent::Closed { session, reason: ClosedReason::Replaced }).await;
            }
            let _ = self.events().send(MediaEvent::Connected { session, transport: Transport::Udp }).await;
            let slots = MediaEvent::Slots { session, slots: vec![None; 3], screen: None };
            let _ = self.events().send(slots).await;
            Ok(Answer { session, sdp: format!("answer to {}", connect.offer) })
        })
    }

    fn restart(&self, session: SessionId, offer: String) -> PortFuture<'_, Result<Answer, MediaError>> {
        Box::pin(async move {
            if !self.state.lock().sessions.contains_key(&session) {
                return Err(MediaError::NoSuchSession);
            }
            Ok(Answer { session, sdp: format!("restart of {offer}") })
        })
    }

    fn seat(&self, session: SessionId, room: Option<RoomId>) -> Result<(), MediaError> {
        let mut state = self.state.lock();
        if state.busy {
            return Err(MediaError::Busy);
        }
        let seat = state.sessions.get_mut(&session).ok_or(MediaError::NoSuchSession)?;
        seat.1 = room;
        Ok(())
    }

    fn set_sharer(
        &self,
        _: TenantId,
        _: Affinity,
        room: RoomId,
        sharer: Option<ParticipantId>,
    ) -> Result<(), MediaError> {
        self.state.lock().sharers.insert(room, sharer);
        Ok(())
    }

    fn disconnect(&self, session: SessionId) {
        self.state.lock().sessions.remove(&session);
    }
}
