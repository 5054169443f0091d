//! What callers hold of a running service: it answers offers, and knows which session is where.

use crate::{
    config::Config,
    directory::{Directory, Entry, Limits, Seating},
    engine::{self, Engine},
    limits,
    metrics::Metrics,
    shard::{
        command::{Command, Join, Seat},
        rooms::RoomKey,
        session::{Identity, Role},
    },
    traces::Traces,
};
use model::{ParticipantId, RoomId, TenantId};
use sfu_core::{
    limits::MAX_OFFER_BYTES,
    port::{
        Affinity, Answer, Claim, ClosedReason, Connect, Existing, MediaError, MediaEvent, MediaNode,
        PortFuture, SessionId,
    },
};
use std::{
    collections::hash_map::DefaultHasher,
    fmt,
    hash::{Hash as _, Hasher as _},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        mpsc::{SyncSender, TrySendError},
    },
    time::Instant,
};
use str0m::Candidate;
use tokio::sync::Semaphore;
use uuid::Uuid;

/// Talks to a running [`Service`](super::Service); cheap to clone.
#[derive(Clone)]
pub struct Handle(Arc<Inner>);

pub(super) struct Inner {
    engine: Engine,
    pub(super) links: Vec<Link>,
    pub(super) directory: Mutex<Directory>,
    metrics: Metrics,
    pub(super) draining: AtomicBool,
    next_id: AtomicU64,
    parsing: Semaphore,
    waiting: AtomicUsize,
    /// Sessions to end that their shard's queue had no room for: ending must not fail. At most one entry
    /// a session.
    ending: Mutex<Vec<(usize, SessionId, ClosedReason)>>,
    pub(super) traces: OnceLock<Traces>,
}

/// The way to a shard.
pub(super) struct Link {
    pub(super) commands: SyncSender<Command>,
    pub(super) waker: mio::Waker,
    pub(super) addr: SocketAddr,
    pub(super) candidates: Vec<Candidate>,
}

impl Inner {
    pub(super) fn new(config: &Config, engine: Engine, links: Vec<Link>, metrics: Metrics) -> Self {
        let limits = Limits {
            sessions: config.max_sessions,
            rooms: config.max_rooms,
            participants: config.max_participants_per_room,
        };
        Self {
            engine,
            links,
            directory: Mutex::new(Directory::new(limits)),
            metrics,
            draining: AtomicBool::new(false),
            next_id: AtomicU64::new(1),
            parsing: Semaphore::new(limits::OFFERS_AT_ONCE),
            waiting: AtomicUsize::new(0),
            ending: Mutex::new(Vec::new()),
            traces: OnceLock::new(),
        }
    }

    /// What an event is the end of.
    pub(super) fn trace(&self, event: &MediaEvent) {
        match (self.traces.get(), event) {
            (Some(traces), MediaEvent::Connected { session, .. }) => traces.connected(*session),
            (Some(traces), MediaEvent::Closed { session, .. }) => traces.closed(*session),
            _ => {}
        }
    }

    pub(super) fn directory(&self) -> MutexGuard<'_, Directory> {
        self.directory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, shard: usize, command: Command) -> Result<(), MediaError> {
        let link = self.links.get(shard).ok_or(MediaError::NoSuchSession)?;
        link.commands.try_send(command).map_err(|refused| match refused {
            TrySendError::Full(_) => MediaError::Busy,
            TrySendError::Disconnected(_) => MediaError::Draining,
        })?;
        link.waker.wake().map_err(|_| MediaError::Busy)
    }

    /// Ends a session, later if its shard is busy.
    pub(super) fn end(&self, shard: usize, session: SessionId, reason: ClosedReason) {
        if self.send(shard, Command::Close { session, reason }) == Err(MediaError::Busy) {
            let mut ending = self.ending.lock().unwrap_or_else(PoisonError::into_inner);
            if !ending.iter().any(|(_, known, _)| *known == session) {
                ending.push((shard, session, reason));
            }
        }
    }

    pub(super) fn end_again(&self) {
        let waiting = std::mem::take(&mut *self.ending.lock().unwrap_or_else(PoisonError::into_inner));
        for (shard, session, reason) in waiting {
            self.end(shard, session, reason);
        }
    }

    fn place(&self, connect: &Connect, room: Option<RoomKey>) -> usize {
        if let Some(shard) = room.and_then(|room| self.directory().shard_of(room)) {
            return shard;
        }
        let mut hasher = DefaultHasher::new();
        (connect.tenant, connect.affinity).hash(&mut hasher);
        (hasher.finish() % self.links.len() as u64) as usize
    }

    /// Runs parsing on the blocking pool, so many at once, so many waiting.
    async fn parse<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, MediaError> + Send + 'static,
    ) -> Result<T, MediaError> {
        let _place = Waiting::take(&self.waiting)?;
        let _turn = self.parsing.acquire().await.map_err(|_| MediaError::Draining)?;
        let inner = Arc::clone(self);
        let outcome = tokio::task::spawn_blocking(move || work(&inner)).await;
        outcome.unwrap_or(Err(MediaError::OfferInvalid("the media engine cannot answer it")))
    }
}

/// A place in the queue of offers.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn take(count: &'a AtomicUsize) -> Result<Self, MediaError> {
        if count.fetch_add(1, Ordering::Relaxed) >= limits::OFFERS_WAITING {
            count.fetch_sub(1, Ordering::Relaxed);
            return Err(MediaError::Busy);
        }
        Ok(Self(count))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Forgets a booked session that did not come about.
struct Booking<'a> {
    inner: &'a Inner,
    id: SessionId,
    kept: bool,
}

impl Drop for Booking<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.inner.directory().remove(self.id);
        }
    }
}

fn seed() -> u16 {
    let mut bytes = [0; 2];
    // Where counting begins is no secret: zero will do.
    let _ = getrandom::fill(&mut bytes);
    u16::from_le_bytes(bytes)
}

impl Handle {
    pub(super) fn to(inner: &Arc<Inner>) -> Self {
        Self(Arc::clone(inner))
    }

    /// Where each shard listens: the same port for UDP and TCP.
    #[must_use]
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.0.links.iter().map(|link| link.addr).collect()
    }

    /// Takes no new sessions from now on; running ones go on, and may restart ICE.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
    }

    /// Whether [`Handle::drain`] was called, or the service is stopping.
    #[must_use]
    pub fn draining(&self) -> bool {
        self.0.draining.load(Ordering::Relaxed)
    }

    /// The figures that are scraped, for tests and the console.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.0.metrics.clone()
    }

    /// Whether every shard works: it takes a command, sends a datagram and receives it.
    pub async fn probe(&self) -> bool {
        for shard in 0..self.0.links.len() {
            let mut token = [0; 16];
            let (reply, came) = tokio::sync::oneshot::channel();
            let sent = getrandom::fill(&mut token).is_ok()
                && self.0.send(shard, Command::Probe { token, reply }).is_ok();
            if !sent || !matches!(tokio::time::timeout(limits::PROBE_WITHIN, came).await, Ok(Ok(()))) {
                return false;
            }
        }
        true
    }

    /// Sessions known to the control side, warm ones included.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.0.directory().len()
    }

    pub(crate) async fn connect_as(
        &self,
        connect: Connect,
        resource: Option<Uuid>,
    ) -> Result<Answer, MediaError> {
        let inner = &self.0;
        if connect.offer.len() > MAX_OFFER_BYTES {
            return Err(MediaError::OfferTooLarge);
        }
        if self.draining() {
            return Err(MediaError::Draining);
        }
        let room = connect.room.map(|room| (connect.tenant, room));
        let shard = inner.place(&connect, room);
        let id = SessionId(inner.next_id.fetch_add(1, Ordering::Relaxed));
        let identity = Identity {
            tenant: connect.tenant,
            participant: connect.participant,
            role: Role::of(connect.direction),
        };
        let affinity = connect.affinity;
        let entry = Entry { shard, identity, affinity, room, connected: None, shown: None, resource };
        inner.directory().add(id, entry)?;
        let participant = connect.participant;
        let mut span = inner.traces.get().map(|traces| traces.connect(id, participant)).unwrap_or_default();
        span.fail("not connected");
        let mut booking = Booking { inner, id, kept: false };
        let offer = connect.offer;
        let mut prepared = inner.parse(move |inner| answer(inner, &offer, shard)).await?;
        let sdp = std::mem::take(&mut prepared.answer);
        let seat = room.map(|room| Seat { room, sharer: inner.directory().sharer(room) });
        let (ready, taken) = tokio::sync::oneshot::channel();
        let join = Join { id, identity, prepared, seat, seed: seed(), ready };
        inner.send(shard, Command::Join(Box::new(join)))?;
        booking.kept = true;
        // A check that overtook its session would be a stranger's, and repeated only 250 ms later.
        taken.await.map_err(|_| if self.draining() { MediaError::Draining } else { MediaError::Busy })?;
        if let Some(traces) = inner.traces.get() {
            traces.answered(id, participant, connect.room, span.context());
        }
        span.succeed();
        Ok(Answer { session: id, sdp })
    }

    async fn reoffer(&self, session: SessionId, offer: String) -> Result<Answer, MediaError> {
        if offer.len() > MAX_OFFER_BYTES {
            return Err(MediaError::OfferTooLarge);
        }
        let shard = self.0.directory().get(session).ok_or(MediaError::NoSuchSession)?.shard;
        let draft = self.0.parse(move |inner| draft(inner, &offer, shard)).await?;
        let (reply, answer) = tokio::sync::oneshot::channel();
        let draft = Box::new(draft);
        self.0.send(shard, Command::Reoffer { session, draft, seed: seed(), reply })?;
        let sdp = answer.await.map_err(|_| MediaError::NoSuchSession)??;
        Ok(Answer { session, sdp })
    }

    pub(crate) fn by_resource(&self, resource: Uuid) -> Option<(SessionId, Identity, Option<RoomKey>)> {
        let directory = self.0.directory();
        let id = directory.by_resource(resource)?;
        directory.get(id).map(|entry| (id, entry.identity, entry.room))
    }

    /// Whether somebody is in a room on this node.
    pub fn has_room(&self, tenant: TenantId, room: RoomId) -> bool {
        self.0.directory().shard_of((tenant, room)).is_some()
    }

    /// Whether this node has the session of a tenant that a WHIP or WHEP resource names.
    pub fn has_resource(&self, tenant: TenantId, resource: Uuid) -> bool {
        self.by_resource(resource).is_some_and(|(_, identity, _)| identity.tenant == tenant)
    }

    /// Whether a participant has a connected session that publishes.
    pub(crate) fn publishes(&self, tenant: TenantId, participant: ParticipantId) -> bool {
        self.0.directory().publishes(tenant, participant)
    }
}

#[expect(clippy::disallowed_methods, reason = "a session's time begins here")]
fn answer(inner: &Inner, offer: &str, shard: usize) -> Result<engine::Prepared, MediaError> {
    inner.engine.answer(offer, &inner.links[shard].candidates, Instant::now())
}

#[expect(clippy::disallowed_methods, reason = "what is made of it is as old as the draft, and goes with it")]
fn draft(inner: &Inner, offer: &str, shard: usize) -> Result<engine::Draft, MediaError> {
    inner.engine.draft(offer, &inner.links[shard].candidates, Instant::now())
}

impl MediaNode for Handle {
    /// Nobody is fenced off here: a process has one caller. What several processes share a node by
    /// (`sfu-link`) keeps the epochs.
    fn claim(&self, claim: Claim) -> PortFuture<'_, Result<Vec<Existing>, MediaError>> {
        let existing = self.0.directory().existing(claim.tenant, claim.affinity);
        Box::pin(std::future::ready(Ok(existing)))
    }

    fn connect(&self, connect: Connect) -> PortFuture<'_, Result<Answer, MediaError>> {
        Box::pin(self.connect_as(connect, None))
    }

    fn restart(&self, session: SessionId, offer: String) -> PortFuture<'_, Result<Answer, MediaError>> {
        Box::pin(self.reoffer(session, offer))
    }

    /// A session can only be seated with others of its shard. If the room is elsewhere (it was opened
    /// under another affinity) the session ends and the caller is told that it is gone: connecting anew
    /// *with* the room places it right.
    fn seat(&self, session: SessionId, room: Option<RoomId>) -> Result<(), MediaError> {
        let mut directory = self.0.directory();
        let entry = directory.get(session).ok_or(MediaError::NoSuchSession)?;
        let (shard, before) = (entry.shard, entry.room);
        let room = room.map(|room| (entry.identity.tenant, room));
        let participant = entry.identity.participant;
        match directory.seat(session, room)? {
            Seating::Done(sharer) => {
                let traced = room.filter(|_| before != room).and_then(|(_, room)| {
                    let traces = self.0.traces.get()?;
                    Some((traces, room, traces.seat(session, participant, room)))
                });
                let seat = room.map(|room| Seat { room, sharer });
                let sent = self.0.send(shard, Command::Seat { session, seat });
                match (&sent, traced) {
                    // As it was; the shard knows of nothing.
                    (Err(_), _) => drop(directory.seat(session, before)),
                    (Ok(()), Some((traces, room, seat))) => traces.seated(session, participant, room, seat),
                    (Ok(()), None) => {}
                }
                sent
            }
            Seating::Elsewhere => {
                drop(directory);
                self.disconnect(session);
                Err(MediaError::NoSuchSession)
            }
        }
    }

    fn set_sharer(
        &self,
        tenant: TenantId,
        _: Affinity,
        room: RoomId,
        sharer: Option<ParticipantId>,
    ) -> Result<(), MediaError> {
        let room = (tenant, room);
        let mut directory = self.0.directory();
        match directory.set_sharer(room, sharer)? {
            Some(shard) => self.0.send(shard, Command::Sharer(Seat { room, sharer })),
            None => Ok(()),
        }
    }

    fn disconnect(&self, session: SessionId) {
        let Some(shard) = self.0.directory().get(session).map(|entry| entry.shard) else { return };
        self.0.end(shard, session, ClosedReason::Asked);
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("shards", &self.0.links.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_offers_wait_and_one_more_is_told_to_come_back() {
        let count = AtomicUsize::new(0);
        let mut waiting: Vec<_> =
            (0..limits::OFFERS_WAITING).map(|_| Waiting::take(&count)).collect::<Result<_, _>>().unwrap();
        assert_eq!(Waiting::take(&count).err(), Some(MediaError::Busy));
        waiting.pop();
        assert!(Waiting::take(&count).is_ok());
    }
}
