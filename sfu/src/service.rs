//! The control side: binds the sockets, starts the shards, answers offers, and knows which session is
//! where. Nothing here is on the path of a packet.

use crate::{
    addresses,
    config::Config,
    directory::{Directory, Entry, Limits, Seating},
    engine::{self, Engine},
    limits,
    metrics::Metrics,
    shard::{
        self, Parts, Shard,
        command::{Command, Join, Seat},
        rooms::RoomKey,
        session::{Identity, Role},
        udp,
    },
    traces::Traces,
};
use model::{ParticipantId, RoomId, TenantId};
use platform::trace::Tracer;
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
    net::{IpAddr, SocketAddr, TcpListener, UdpSocket},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    time::{Duration, Instant},
};
use str0m::{Candidate, net::TcpType};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How often ending a session is tried again when its shard had no room for the command.
const END_AGAIN: Duration = Duration::from_millis(100);

mod error;

pub use error::Error;

/// The media plane of one node: bound, not yet running.
pub struct Service {
    shards: Vec<Parts>,
    inner: Arc<Inner>,
    from_shards: mpsc::Receiver<MediaEvent>,
    events: mpsc::Sender<MediaEvent>,
    /// Sessions that were shown their first picture. Samples: what has no room is dropped.
    shown: mpsc::Receiver<SessionId>,
}

/// Talks to a running [`Service`]; cheap to clone.
#[derive(Clone)]
pub struct Handle(Arc<Inner>);

struct Inner {
    engine: Engine,
    links: Vec<Link>,
    directory: Mutex<Directory>,
    metrics: Metrics,
    draining: AtomicBool,
    next_id: AtomicU64,
    parsing: Semaphore,
    waiting: AtomicUsize,
    /// Sessions to end that their shard's queue had no room for: ending must not fail. At most one entry
    /// a session.
    ending: Mutex<Vec<(usize, SessionId, ClosedReason)>>,
    traces: OnceLock<Traces>,
}

/// The way to a shard.
struct Link {
    commands: SyncSender<Command>,
    waker: mio::Waker,
    addr: SocketAddr,
    candidates: Vec<Candidate>,
}

impl Service {
    /// Binds the sockets. Nothing is received until [`Service::run`].
    ///
    /// # Errors
    /// See [`enum@Error`]; a port in use is named.
    pub fn new(
        config: Config,
        registry: &prometheus::Registry,
    ) -> Result<(Self, Handle, mpsc::Receiver<MediaEvent>), Error> {
        config.check()?;
        let metrics = Metrics::new(config.shards);
        let engine = Engine::new().ok_or_else(|| Error::System {
            what: "make a DTLS certificate",
            source: std::io::Error::other("the crypto provider made none"),
        })?;
        let (to_control, from_shards) = mpsc::channel(limits::EVENT_QUEUE);
        let (_, shown) = mpsc::channel(1);
        let (mut shards, mut links) = (Vec::new(), Vec::new());
        for n in 0..config.shards {
            let port = if config.udp_port == 0 { 0 } else { config.udp_port + n as u16 };
            let (udp, tcp, addr) = bind(&config, port)?;
            let system = |what| move |source| Error::System { what, source };
            let ips =
                addresses::advertised(&config.advertise, addr.ip()).map_err(system("list its addresses"))?;
            let (poll, waker) = shard::poll().map_err(system("make a poll"))?;
            let (commands, receiver) = sync_channel(limits::SHARD_QUEUE);
            let candidates = candidates(&ips, addr.port(), tcp.is_some());
            shards.push(Parts {
                config: config.clone(),
                udp,
                tcp,
                port: addr.port(),
                advertised: ips,
                commands: receiver,
                poll,
                events: to_control.clone(),
                shown: None,
                metrics: metrics.shard(n),
                crypto: engine.crypto(),
            });
            links.push(Link { commands, waker, addr, candidates });
        }
        metrics.register(registry)?;
        let inner = Arc::new(Inner {
            engine,
            links,
            directory: Mutex::new(Directory::new(Limits {
                sessions: config.max_sessions,
                rooms: config.max_rooms,
                participants: config.max_participants_per_room,
            })),
            metrics,
            draining: AtomicBool::new(false),
            next_id: AtomicU64::new(1),
            parsing: Semaphore::new(limits::OFFERS_AT_ONCE),
            waiting: AtomicUsize::new(0),
            ending: Mutex::new(Vec::new()),
            traces: OnceLock::new(),
        });
        let (events, receiver) = mpsc::channel(limits::EVENT_QUEUE);
        let handle = Handle(Arc::clone(&inner));
        Ok((Self { shards, inner, from_shards, events, shown }, handle, receiver))
    }

    /// Records traces from now on.
    #[must_use]
    pub fn traced(mut self, tracer: Tracer) -> Self {
        if tracer.is_on() && self.inner.traces.set(Traces::new(tracer)).is_ok() {
            let (tell, shown) = mpsc::channel(limits::EVENT_QUEUE);
            self.shown = shown;
            for shard in &mut self.shards {
                shard.shown = Some(tell.clone());
            }
        }
        self
    }

    /// Forwards until `shutdown`, then says goodbye to every session.
    ///
    /// # Errors
    /// A shard's thread could not be started.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<(), Error> {
        let mut threads = Vec::new();
        for (n, parts) in self.shards.drain(..).enumerate() {
            threads.push(start(n, parts)?);
        }
        for link in &self.inner.links {
            tracing::info!(port = link.addr.port(), "Media on port {} (UDP and ICE-TCP)", link.addr.port());
        }
        let mut again = tokio::time::interval(END_AGAIN);
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                _ = again.tick() => self.inner.end_again(),
                event = self.from_shards.recv() => match event {
                    Some(event) => self.told(event, &shutdown).await,
                    // Every shard has stopped: nothing is forwarded any more.
                    None => break,
                },
                Some(session) = self.shown.recv() => {
                    if let Some(traces) = self.inner.traces.get() {
                        traces.shown(session);
                    }
                }
            }
        }
        self.inner.draining.store(true, Ordering::Relaxed);
        self.stop(threads).await;
        Ok(())
    }

    async fn told(&mut self, event: MediaEvent, shutdown: &CancellationToken) {
        self.inner.directory().told(&event);
        self.inner.trace(&event);
        if let MediaEvent::Connected { session, .. } = &event {
            let older = self.inner.directory().older_than(*session);
            for (older, shard) in older {
                self.inner.end(shard, older, ClosedReason::Replaced);
            }
        }
        if let MediaEvent::Quality { .. } = event {
            // A sample: whoever is slow misses it.
            let _ = self.events.try_send(event);
            return;
        }
        tokio::select! {
            _ = self.events.send(event) => {}
            () = shutdown.cancelled() => {}
        }
    }

    async fn stop(&mut self, threads: Vec<std::thread::JoinHandle<()>>) {
        let inner = Arc::clone(&self.inner);
        let stopping = tokio::task::spawn_blocking(move || {
            for link in &inner.links {
                // Blocks for as long as the shard's queue is full; it is being emptied.
                let _ = link.commands.send(Command::Stop);
                let _ = link.waker.wake();
            }
            for thread in threads {
                let _ = thread.join();
            }
        });
        tokio::pin!(stopping);
        loop {
            tokio::select! {
                _ = &mut stopping => break,
                // Goodbyes, for whoever still listens.
                Some(event) = self.from_shards.recv() => {
                    if let MediaEvent::Closed { session, .. } = &event {
                        self.inner.directory().remove(*session);
                    }
                    let _ = self.events.try_send(event);
                }
            }
        }
        while let Ok(event) = self.from_shards.try_recv() {
            let _ = self.events.try_send(event);
        }
    }
}

/// Binds UDP and, on the same number, TCP.
fn bind(config: &Config, port: u16) -> Result<(UdpSocket, Option<TcpListener>, SocketAddr), Error> {
    let refused = |transport, port| move |source| Error::Bind { transport, port, source };
    // With port 0 the number UDP got may be taken for TCP: try another.
    let attempts = if port == 0 { 16 } else { 1 };
    let mut last = None;
    for _ in 0..attempts {
        let udp = udp::bind(config.bind, port).map_err(refused("UDP", port))?;
        let addr = udp.local_addr().map_err(refused("UDP", port))?;
        if !config.tcp {
            return Ok((udp, None, addr));
        }
        match listen(addr) {
            Ok(listener) => return Ok((udp, Some(listener), addr)),
            Err(source) => last = Some(Error::Bind { transport: "TCP", port: addr.port(), source }),
        }
    }
    Err(last.unwrap_or_else(|| Error::Bind {
        transport: "TCP",
        port,
        source: std::io::ErrorKind::AddrInUse.into(),
    }))
}

fn listen(addr: SocketAddr) -> std::io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // A restart must not wait for the last process's connections to be forgotten.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(256)?;
    Ok(socket.into())
}

fn candidates(ips: &[IpAddr], port: u16, tcp: bool) -> Vec<Candidate> {
    let addrs = || ips.iter().map(|ip| SocketAddr::new(*ip, port));
    let udp = addrs().filter_map(|addr| Candidate::builder().udp().host(addr).build().ok());
    let passive = addrs()
        .filter_map(|addr| Candidate::builder().tcp().host(addr).tcptype(TcpType::Passive).build().ok());
    udp.chain(passive.filter(|_| tcp)).collect()
}

#[expect(clippy::disallowed_methods, reason = "a shard's time begins here")]
fn start(n: usize, parts: Parts) -> Result<std::thread::JoinHandle<()>, Error> {
    let system = |source| Error::System { what: "start a shard", source };
    let pin = parts.config.pin;
    let shard = Shard::new(parts, Instant::now()).map_err(system)?;
    std::thread::Builder::new()
        .name(format!("sfu-shard-{n}"))
        .spawn(move || {
            if pin && let Err(e) = shard::pin(n) {
                tracing::warn!(error = %e, "A media shard is not pinned to a core");
            }
            shard.run();
        })
        .map_err(system)
}

impl Inner {
    /// What an event is the end of.
    fn trace(&self, event: &MediaEvent) {
        match (self.traces.get(), event) {
            (Some(traces), MediaEvent::Connected { session, .. }) => traces.connected(*session),
            (Some(traces), MediaEvent::Closed { session, .. }) => traces.closed(*session),
            _ => {}
        }
    }

    fn directory(&self) -> MutexGuard<'_, Directory> {
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
    fn end(&self, shard: usize, session: SessionId, reason: ClosedReason) {
        if self.send(shard, Command::Close { session, reason }) == Err(MediaError::Busy) {
            let mut ending = self.ending.lock().unwrap_or_else(PoisonError::into_inner);
            if !ending.iter().any(|(_, known, _)| *known == session) {
                ending.push((shard, session, reason));
            }
        }
    }

    fn end_again(&self) {
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

    /// Whether this node has the session that a WHIP or WHEP resource names.
    pub fn has_resource(&self, resource: Uuid) -> bool {
        self.0.directory().by_resource(resource).is_some()
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

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("shards", &self.inner.links.len()).finish_non_exhaustive()
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
