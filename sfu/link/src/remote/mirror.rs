//! What this process knows of one node, and what it wants to be so there. Does no IO: the writer asks for the
//! [next](Mirror::next) message, the reader hands in what was [heard](Mirror::heard).
//!
//! Session ids here are the process's own: they never mean another session, whatever node counts from one again.

mod asked;
mod heard;
mod port;
mod resync;
mod stream;
#[cfg(test)]
mod tests;

use crate::{
    Key, limits,
    metrics::Metrics,
    protocol::{self, Ask, Hello, Load},
};
use asked::{Asked, Question, Todo, What};
use model::{Epoch, ParticipantId, Phi, RoomId, TraceContext};
use sfu_core::port::{
    Answer, Claim, ClosedReason, Connect, Direction, Existing, MediaError, MediaEvent, SessionId, Shown,
    Transport,
};
use std::collections::{BTreeSet, HashMap, VecDeque};
use tokio::{sync::oneshot, time::Instant};
use uuid::Uuid;

type ClaimWaiter = oneshot::Sender<Result<Vec<Existing>, MediaError>>;
type AnswerWaiter = oneshot::Sender<Result<Answer, MediaError>>;

pub(super) struct Mirror {
    metrics: Metrics,
    next_session: u64,
    next_call: u64,
    /// Who the node is, as its last hello said.
    hello: Option<Hello>,
    up: bool,
    down_since: Instant,
    /// Placed since the node last said how loaded it is.
    placed: u32,
    claims: HashMap<Key, Held>,
    sessions: HashMap<SessionId, Known>,
    /// The same by the node's numbers.
    remote: HashMap<u64, SessionId>,
    /// What the node is still to be told, in this order.
    todo: BTreeSet<Todo>,
    /// What it was too busy for.
    later: BTreeSet<Todo>,
    waiting: VecDeque<Question>,
    asked: HashMap<u64, Asked>,
    /// Events on their way to signaling.
    told: VecDeque<MediaEvent>,
}

/// An affinity this process speaks for.
struct Held {
    epoch: Epoch,
    /// Since when somebody else has it.
    fenced: Option<Instant>,
    /// It lives on another node.
    elsewhere: bool,
    waiters: Vec<ClaimWaiter>,
    sessions: BTreeSet<SessionId>,
    /// Who may share in the room of the call.
    sharer: Option<(RoomId, Option<ParticipantId>)>,
}

struct Known {
    key: Key,
    remote: u64,
    participant: ParticipantId,
    direction: Direction,
    /// Where it is to be.
    room: Option<RoomId>,
    /// Of which trace that is part.
    trace: Option<TraceContext>,
    connected: Option<Transport>,
    shown: Option<Shown>,
    /// It was listed before the `answer` that says whose question it answers.
    unanswered: bool,
    /// It is to go.
    ending: bool,
    /// It was reported closed already.
    lost: bool,
}

impl Mirror {
    pub(super) fn new(slot: u16, metrics: Metrics, now: Instant) -> Self {
        Self {
            metrics,
            next_session: (u64::from(slot) << 48) + 1,
            next_call: 1,
            hello: None,
            up: false,
            down_since: now,
            placed: 0,
            claims: HashMap::new(),
            sessions: HashMap::new(),
            remote: HashMap::new(),
            todo: BTreeSet::new(),
            later: BTreeSet::new(),
            waiting: VecDeque::new(),
            asked: HashMap::new(),
            told: VecDeque::new(),
        }
    }

    pub(super) const fn is_up(&self) -> bool {
        self.up
    }

    pub(super) fn down_since(&self) -> Option<Instant> {
        (!self.up).then_some(self.down_since)
    }

    pub(super) fn load(&self) -> Load {
        let mut load = self.hello.as_ref().map(|hello| hello.load).unwrap_or_default();
        load.sessions = load.sessions.saturating_add(self.placed);
        load
    }

    pub(super) fn region(&self) -> &str {
        self.hello.as_ref().map_or("", |hello| hello.region.as_str())
    }

    pub(super) fn placed(&mut self) {
        self.placed = self.placed.saturating_add(1);
    }

    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    pub(super) fn sessions_of(&self, key: Key) -> usize {
        let Some(held) = self.claims.get(&key) else { return 0 };
        held.sessions.iter().filter(|id| self.sessions.get(id).is_some_and(|known| !known.lost)).count()
    }

    fn call(&mut self) -> u64 {
        self.next_call += 1;
        self.next_call
    }

    fn speaks_for(&self, key: Key) -> Result<Epoch, MediaError> {
        match self.claims.get(&key) {
            Some(held) if held.fenced.is_none() => Ok(held.epoch),
            Some(_) => Err(MediaError::Fenced),
            None => Err(MediaError::Busy),
        }
    }

    fn alive(&mut self, session: SessionId) -> Result<&mut Known, MediaError> {
        let known = self.sessions.get_mut(&session).filter(|known| !known.ending && !known.lost);
        known.ok_or(MediaError::NoSuchSession)
    }

    fn ask(&mut self, call: u64, ask: &Ask, asked: Asked) -> Result<(), MediaError> {
        let text = protocol::encode(ask).map_err(|_| MediaError::OfferTooLarge)?;
        if self.waiting.len() >= limits::MAX_WAITING {
            return Err(MediaError::Busy);
        }
        self.waiting.push_back(Question { call, text, asked });
        Ok(())
    }

    fn add(&mut self, known: Known) -> SessionId {
        let session = SessionId(self.next_session);
        self.next_session += 1;
        self.remote.insert(known.remote, session);
        if let Some(held) = self.claims.get_mut(&known.key) {
            held.sessions.insert(session);
        }
        self.sessions.insert(session, known);
        session
    }

    /// It is gone from the node.
    fn close(&mut self, session: SessionId, reason: ClosedReason) {
        let Some(known) = self.sessions.remove(&session) else { return };
        self.remote.remove(&known.remote);
        if let Some(held) = self.claims.get_mut(&known.key) {
            held.sessions.remove(&session);
        }
        self.todo.remove(&Todo::Seat(session));
        self.todo.remove(&Todo::End(session));
        self.later.remove(&Todo::Seat(session));
        if !known.lost {
            self.told.push_back(MediaEvent::Closed { session, reason });
        }
    }

    /// It is of no use any more, wherever it is.
    fn lose(&mut self, session: SessionId) {
        if let Some(known) = self.sessions.get_mut(&session)
            && !std::mem::replace(&mut known.lost, true)
        {
            self.told.push_back(MediaEvent::Closed { session, reason: ClosedReason::Failed });
        }
    }
}

impl Held {
    const fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            fenced: None,
            elsewhere: false,
            waiters: Vec::new(),
            sessions: BTreeSet::new(),
            sharer: None,
        }
    }
}
