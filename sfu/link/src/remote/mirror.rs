//! What this process knows of one node, and what it wants to be so there. Does no IO: the writer asks for the
//! [next](Mirror::next) message, the reader hands in what was [heard](Mirror::heard).
//!
//! Session ids here are the process's own: they never mean another session, whatever node counts from one again.

mod asked;
mod heard;
mod stream;

use crate::{
    Key, limits,
    metrics::Metrics,
    protocol::{self, Ask, Hello, Load},
};
use asked::{Asked, Question, Todo, What};
use model::{Epoch, ParticipantId, Phi, RoomId};
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
    connected: Option<Transport>,
    shown: Option<Shown>,
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

    // ---- what the port asks ----

    /// From now on, in this epoch. Without a waiter, what is found is reported.
    pub(super) fn claim(&mut self, claim: Claim, waiter: Option<ClaimWaiter>) {
        let key = (claim.tenant, claim.affinity);
        let full = self.claims.len() >= limits::MAX_CLAIMS && !self.claims.contains_key(&key);
        let older = self.claims.get(&key).is_some_and(|held| held.epoch > claim.epoch);
        if full || older {
            if let Some(waiter) = waiter {
                let _ = waiter.send(Err(if older { MediaError::Fenced } else { MediaError::Busy }));
            }
            return;
        }
        let held = self.claims.entry(key).or_insert_with(|| Held::new(claim.epoch));
        (held.epoch, held.fenced) = (claim.epoch, None);
        held.waiters.retain(|waiter| !waiter.is_closed());
        held.waiters.extend(waiter);
        self.todo.insert(Todo::Claim(key));
    }

    pub(super) fn connect(&mut self, connect: Connect, waiter: AnswerWaiter) -> Result<(), MediaError> {
        let Connect { tenant, participant, affinity, direction, room, offer } = connect;
        let key = (tenant, affinity);
        if !self.claims.contains_key(&key) {
            self.claim(Claim { tenant, affinity, epoch: Epoch::default() }, None);
        }
        let epoch = self.speaks_for(key)?;
        let unanswered = self.waiting.len() + self.asked.len();
        if self.sessions.len() + unanswered >= limits::MAX_SESSIONS {
            return Err(MediaError::Busy);
        }
        let call = self.call();
        let affinity = Uuid::from_u128(affinity.0);
        let what = What::Connect { participant, direction, room, waiter };
        let (direction, offer) = (direction.into(), Phi::new(offer));
        let ask = Ask::Connect { call, tenant, affinity, epoch, participant, direction, room, offer };
        self.ask(call, &ask, Asked { key, epoch, what, at: None })
    }

    pub(super) fn restart(
        &mut self,
        session: SessionId,
        offer: String,
        waiter: AnswerWaiter,
    ) -> Result<(), MediaError> {
        let (key, remote) = self.alive(session).map(|known| (known.key, known.remote))?;
        let epoch = self.speaks_for(key)?;
        let call = self.call();
        let ask = Ask::Restart { call, session: remote, epoch, offer: Phi::new(offer) };
        self.ask(call, &ask, Asked { key, epoch, what: What::Restart { session, waiter }, at: None })
    }

    pub(super) fn seat(&mut self, session: SessionId, room: Option<RoomId>) -> Result<(), MediaError> {
        let known = self.alive(session)?;
        known.room = room;
        let key = known.key;
        self.speaks_for(key)?;
        self.todo.insert(Todo::Seat(session));
        Ok(())
    }

    pub(super) fn set_sharer(
        &mut self,
        key: Key,
        room: RoomId,
        sharer: Option<ParticipantId>,
    ) -> Result<(), MediaError> {
        self.speaks_for(key)?;
        if let Some(held) = self.claims.get_mut(&key) {
            held.sharer = Some((room, sharer));
            self.todo.insert(Todo::Sharer(key));
        }
        Ok(())
    }

    pub(super) fn disconnect(&mut self, session: SessionId) {
        if let Some(known) = self.sessions.get_mut(&session) {
            known.ending = true;
            self.todo.insert(Todo::End(session));
        }
    }

    /// Reports the sessions of an affinity, or all, as lost, and ends them once the node can be told. With all of
    /// them, who waits for the node need not wait longer.
    pub(super) fn give_up(&mut self, key: Option<Key>) {
        if key.is_none() {
            self.waiting.clear();
        }
        let given_up: Vec<_> = self
            .sessions
            .iter()
            .filter(|(_, known)| key.is_none_or(|key| known.key == key))
            .map(|(session, _)| *session)
            .collect();
        for session in given_up {
            self.lose(session);
            self.disconnect(session);
        }
    }

    pub(super) fn elsewhere(&mut self, key: Key, elsewhere: bool) {
        if let Some(held) = self.claims.get_mut(&key) {
            held.elsewhere = elsewhere;
        }
    }

    // ---- what can be seen of it ----

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

    // ---- small steps ----

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
