//! One shard: a thread that owns its sockets, sessions and rooms, and shares nothing.
//!
//! ```text
//! wait ─▶ commands ─▶ datagrams ─▶ timers ─▶ forward (sound first) ─▶ flush ─▶ wait
//! ```
//!
//! Reading order: this loop; [`intake`], [`gate`] and [`consent`] (what may come in), [`drive`] (the engine: ICE, DTLS),
//! [`receive`] and [`incoming`] (media in), [`life`], [`seats`] and [`rooms`] (who is with whom), [`forward`] and
//! [`track`] (who sees whom), [`egress`], [`steer`] and [`reports`] (how fast, and what is said of it), [`udp`], [`tcp`] and
//! [`net`] (out again), [`outbox`].

use crate::{config::Config, metrics::ShardMetrics};
use command::{Command, ProbeToken};
use drive::{Drive, Turn};
use forward::pulse;
use gate::{Gate, Origin, probe};
use mio::{Events, Interest, Poll, Token, Waker, unix::SourceFd};
use net::Net;
use outbox::Outbox;
use rooms::{Room, RoomKey};
use session::Session;
use sfu_core::{
    history::History,
    port::{ClosedReason, MediaEvent, SessionId},
    wheel::Wheel,
};
use slab::Slab;
use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket},
    os::fd::AsRawFd as _,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc::Receiver},
    time::{Duration, Instant},
};
use str0m::{Input, crypto::CryptoProvider};
use tcp::Tcp;
use track::Forward;
use udp::{ReadBuffer, Udp};

pub(crate) mod command;
mod consent;
mod drive;
mod egress;
mod forward;
pub(crate) mod gate;
mod incoming;
mod intake;
mod life;
pub(crate) mod net;
mod numbers;
mod outbox;
mod receive;
mod reports;
pub(crate) mod rooms;
mod seats;
pub(crate) mod session;
mod steer;
pub(crate) mod tcp;
mod track;
pub(crate) mod udp;

const WAKE: Token = Token(0);
const UDP: Token = Token(1);
const LISTEN: Token = Token(2);

/// Commands taken in one turn, so that a storm of joins does not delay media.
const COMMANDS_PER_TURN: usize = 32;

/// Reads of up to 32 coalesced buffers in one turn; what is left comes in the next, at once.
const READS_PER_TURN: usize = 4;

/// Timers that no packet waits for fire on a grid of so many ticks.
const TICKS_OF_A_GRID: u64 = 10;

/// What a shard is made of.
pub(crate) struct Parts {
    pub(crate) config: Config,
    pub(crate) udp: UdpSocket,
    pub(crate) tcp: Option<TcpListener>,
    pub(crate) port: u16,
    pub(crate) advertised: Vec<IpAddr>,
    pub(crate) commands: Receiver<Command>,
    pub(crate) poll: Poll,
    pub(crate) events: tokio::sync::mpsc::Sender<MediaEvent>,
    /// Who is told which sessions were shown their first picture, if anybody.
    pub(crate) shown: Option<tokio::sync::mpsc::Sender<SessionId>>,
    pub(crate) metrics: Arc<ShardMetrics>,
    pub(crate) crypto: Arc<CryptoProvider>,
}

/// A place to wait, and the means to end the wait from another thread.
pub(crate) fn poll() -> io::Result<(Poll, Waker)> {
    let poll = Poll::new()?;
    let waker = Waker::new(poll.registry(), WAKE)?;
    Ok((poll, waker))
}

/// Keeps the calling thread on one of the cores it may use, so that its caches stay warm.
pub(crate) fn pin(n: usize) -> io::Result<()> {
    let allowed = rustix::thread::sched_getaffinity(None)?;
    let cores: Vec<usize> = (0..rustix::thread::CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).collect();
    // From the last core down: interrupts and everything else tend to the first.
    let Some(core) = cores.iter().rev().cycle().nth(n) else { return Ok(()) };
    let mut one = rustix::thread::CpuSet::new();
    one.set(*core);
    Ok(rustix::thread::sched_setaffinity(None, &one)?)
}

/// What came of changing a session: it goes on, it is over, or it panicked.
type Outcome = std::thread::Result<Result<(), ClosedReason>>;

pub(crate) struct Shard {
    config: Config,
    goal_bps: u64,
    port: u16,
    advertised: Vec<IpAddr>,
    commands: Receiver<Command>,
    poll: Poll,
    outbox: Outbox,
    shown: Option<tokio::sync::mpsc::Sender<SessionId>>,
    metrics: Arc<ShardMetrics>,
    start: Instant,
    /// The same, in microseconds since 1900.
    epoch_us: i64,
    net: Net,
    gate: Gate,
    wheel: Wheel,
    sessions: Slab<Box<Session>>,
    by_id: HashMap<SessionId, u32>,
    rooms: HashMap<RoomKey, Room>,
    turn: Turn,
    scratch: Scratch,
    /// Connections with more to read than a turn allows.
    half_read: Vec<usize>,
    stopping: bool,
}

/// Memory that is reused from turn to turn.
#[derive(Default)]
struct Scratch {
    forwards: Vec<Forward>,
    keys: Vec<u32>,
    connections: Vec<usize>,
    frame: Vec<u8>,
}

impl Shard {
    pub(crate) fn new(parts: Parts, now: Instant) -> io::Result<Self> {
        let udp = Udp::new(parts.udp)?;
        let registry = parts.poll.registry().try_clone()?;
        parts.poll.registry().register(&mut SourceFd(&udp.socket().as_raw_fd()), UDP, Interest::READABLE)?;
        let listener = parts.tcp.map(mio::net::TcpListener::from_std);
        let mut tcp = Tcp::new(listener, registry, now);
        tcp.register(LISTEN)?;
        let limit = parts.config.max_sessions * 2;
        let own = crate::addresses::own(&parts.advertised)?;
        Ok(Self {
            goal_bps: parts.config.max_estimate_kbps * 1_000,
            config: parts.config,
            port: parts.port,
            advertised: parts.advertised,
            commands: parts.commands,
            poll: parts.poll,
            outbox: Outbox::new(parts.events),
            shown: parts.shown,
            metrics: parts.metrics,
            start: now,
            epoch_us: since_1900_us(),
            net: Net { udp, tcp, flows: Default::default(), own },
            gate: Gate::new(limit, parts.crypto),
            wheel: Wheel::default(),
            sessions: Slab::new(),
            by_id: HashMap::new(),
            rooms: HashMap::new(),
            turn: Turn::default(),
            scratch: Scratch::default(),
            half_read: Vec::new(),
            stopping: false,
        })
    }

    /// Runs until told to stop.
    #[expect(clippy::disallowed_methods, reason = "the shard's loop is where media time is read")]
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(256);
        let mut buffer = ReadBuffer::default();
        let mut read = vec![0; 16 * 1024];
        let mut udp_readable = true;
        let mut sweep_at = self.start + tcp::SWEEP_EVERY;
        let (mut told, mut backlog) = (true, false);
        while !self.stopping {
            let now = Instant::now();
            let busy = udp_readable || backlog || !self.half_read.is_empty();
            let wait = if busy { Duration::ZERO } else { self.wait(now, told) };
            if let Err(e) = self.poll.poll(&mut events, Some(wait))
                && e.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(error = %e, "A media shard cannot wait for its sockets and stops");
                return;
            }
            let began = Instant::now();
            self.net.tcp.set_now(began);
            self.gate.refill();
            backlog = self.commands(began);
            for key in std::mem::take(&mut self.half_read) {
                self.read_tcp(key, &mut read, began);
            }
            for event in &events {
                match event.token() {
                    WAKE => {}
                    UDP => udp_readable = true,
                    LISTEN => self.net.tcp.accept(&self.metrics),
                    Token(token) => {
                        let key = token - tcp::FIRST_TOKEN;
                        if event.is_writable() {
                            self.net.tcp.writable(key);
                        }
                        if event.is_readable() {
                            self.read_tcp(key, &mut read, began);
                        }
                    }
                }
            }
            if udp_readable {
                udp_readable = self.read_udp(&mut buffer);
            }
            let now = Instant::now();
            self.net.tcp.set_now(now);
            self.timers(now);
            if now >= sweep_at {
                sweep_at = now + tcp::SWEEP_EVERY;
                self.sweep();
            }
            self.settle(began, now);
            told = self.outbox.flush();
            self.metrics.loop_time.observe(nanos(Instant::now().saturating_duration_since(began)), 1);
        }
        self.goodbye();
    }

    fn wait(&self, now: Instant, told: bool) -> Duration {
        let longest = if told { Duration::from_millis(250) } else { Duration::from_millis(5) };
        let Some(tick) = self.wheel.next() else { return longest };
        let at = self.start + Duration::from_millis(tick);
        at.saturating_duration_since(now).min(longest)
    }

    fn micros(&self, at: Instant) -> i64 {
        i64::try_from(at.saturating_duration_since(self.start).as_micros()).unwrap_or(i64::MAX)
    }

    fn tick(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.start).as_millis() as u64
    }

    /// Carries out what was asked for, within the budget of a turn; whether there may be more.
    fn commands(&mut self, now: Instant) -> bool {
        for _ in 0..COMMANDS_PER_TURN {
            let Ok(command) = self.commands.try_recv() else { return false };
            match command {
                Command::Join(join) => self.join(*join, now),
                Command::Reoffer { session, draft, seed, reply } => {
                    let _ = reply.send(self.reoffer(session, *draft, seed, now));
                }
                Command::Seat { session, seat } => {
                    if let Some(key) = self.by_id.get(&session).copied() {
                        self.seat(key, seat, now);
                    }
                }
                Command::Sharer(seat) => {
                    if let Some(room) = self.rooms.get_mut(&seat.room) {
                        room.sharer = seat.sharer;
                        self.rebuild(seat.room, now);
                    }
                }
                Command::Probe { token, reply } => self.probe(token, reply),
                Command::Close { session, reason } => {
                    if let Some(key) = self.by_id.get(&session).copied() {
                        self.close(key, reason, now);
                    }
                }
                Command::Stop => self.stopping = true,
            }
            // Before the next command, which may give a closed session's key to another.
            self.settle(now, now);
        }
        true
    }

    /// A datagram to ourselves: through the way out, the kernel and the way in.
    fn probe(&mut self, token: ProbeToken, reply: tokio::sync::oneshot::Sender<()>) {
        let Ok(mut to) = self.net.udp.socket().local_addr() else { return };
        if to.ip().is_unspecified() {
            to.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        self.net.udp.push(to, None, &probe(token), &self.metrics);
        self.gate.expect(token, reply);
    }

    /// Changes a session and drains its engine.
    fn drive(
        &mut self,
        key: u32,
        now: Instant,
        change: impl FnOnce(&mut Session, &mut Drive<'_>) -> Result<(), ClosedReason>,
    ) {
        self.with_session(key, now, |session, with| {
            change(session, with)?;
            drive::drain(key, session, with)
        });
    }

    /// Changes a session. A panic ends this session and no other.
    fn with_session(
        &mut self,
        key: u32,
        now: Instant,
        change: impl FnOnce(&mut Session, &mut Drive<'_>) -> Result<(), ClosedReason>,
    ) {
        let (now_us, epoch_us) = (self.micros(now), self.epoch_us);
        let Some(session) = self.sessions.get_mut(key as usize) else { return };
        let (net, turn, metrics) = (&mut self.net, &mut self.turn, &self.metrics);
        let mut with = Drive { net, turn, metrics, now, now_us, epoch_us };
        let outcome = catch_unwind(AssertUnwindSafe(|| change(session, &mut with)));
        self.afterwards(key, outcome);
    }

    /// Gives a subscriber something out of the history of a publisher's stream.
    fn drive_pair(
        &mut self,
        publisher: u32,
        ssrc: u32,
        subscriber: u32,
        now: Instant,
        give: impl FnOnce(&History, &mut Session, &mut Drive<'_>),
    ) {
        let (now_us, epoch_us) = (self.micros(now), self.epoch_us);
        // Slots are used again, and logs remember them: who is not in the same room now gets nothing.
        let room = |key: u32| self.sessions.get(key as usize).and_then(|session| session.room);
        if publisher == subscriber || room(publisher).is_none() || room(publisher) != room(subscriber) {
            return;
        }
        let Some((from, to)) = self.sessions.get2_mut(publisher as usize, subscriber as usize) else {
            return;
        };
        let Some(stream) = from.incoming.iter().find(|stream| stream.ssrc == ssrc) else { return };
        let (net, turn, metrics) = (&mut self.net, &mut self.turn, &self.metrics);
        let mut with = Drive { net, turn, metrics, now, now_us, epoch_us };
        let outcome = catch_unwind(AssertUnwindSafe(|| give(&stream.history, to, &mut with)));
        if self.went_well(subscriber, outcome.map(Ok)) {
            self.set_timer(subscriber);
        }
    }

    /// Takes in media of a session.
    fn take_media(&mut self, key: u32, now: Instant, bytes: &[u8], origin: Origin) {
        let (now_us, epoch_us) = (self.micros(now), self.epoch_us);
        let Some(session) = self.sessions.get_mut(key as usize) else { return };
        let (net, turn, metrics) = (&mut self.net, &mut self.turn, &self.metrics);
        let mut with = Drive { net, turn, metrics, now, now_us, epoch_us };
        let outcome =
            catch_unwind(AssertUnwindSafe(|| receive::media(key, session, bytes, origin, &mut with)));
        if self.went_well(key, outcome.map(Ok)) {
            self.set_timer(key);
        }
    }

    /// Sets a session's timer, or notes that it is over.
    fn afterwards(&mut self, key: u32, outcome: Outcome) {
        if !self.went_well(key, outcome) {
            return;
        }
        let Some(session) = self.sessions.get_mut(key as usize) else { return };
        let due = session.next_due(self.config.consent_timeout(), self.config.connect_timeout());
        // Rounded up: a timer that fires early would find nothing due and spin. On a grid, so that thousands who are
        // silent share a wake-up; nothing here is as pressing as a packet.
        let ticks = due.saturating_duration_since(self.start).as_micros().div_ceil(1_000) as u64;
        session.due_tick =
            if session.connected.is_some() { ticks.next_multiple_of(TICKS_OF_A_GRID) } else { ticks };
        self.set_timer(key);
    }

    /// Sets a session's timer after media flowed.
    fn set_timer(&mut self, key: u32) {
        let Some(session) = self.sessions.get(key as usize) else { return };
        let media = session.media_due_us().map_or(u64::MAX, |us| us.max(0).cast_unsigned().div_ceil(1_000));
        self.wheel.set(key, session.due_tick.min(media));
    }

    /// Whether nothing ended the session.
    fn went_well(&mut self, key: u32, outcome: Outcome) -> bool {
        let reason = match outcome {
            Ok(Ok(())) => return true,
            Ok(Err(reason)) => reason,
            Err(_) => {
                self.metrics.panics.inc();
                ClosedReason::Failed
            }
        };
        self.turn.closing.push((key, reason));
        false
    }

    fn timers(&mut self, now: Instant) {
        let mut due = std::mem::take(&mut self.scratch.keys);
        due.clear();
        self.wheel.advance(self.tick(now), &mut due);
        for key in due.drain(..) {
            let (consent, connect) = (self.config.consent_timeout(), self.config.connect_timeout());
            let mut quality = None;
            self.with_session(key, now, |session, with| {
                if session.expired(now, consent, connect) {
                    return Err(ClosedReason::Timeout);
                }
                if session.engine_due.is_some_and(|at| at <= now) {
                    session.rtc.handle_input(Input::Timeout(now)).map_err(|_| ClosedReason::Failed)?;
                    drive::drain(key, session, with)?;
                }
                receive::ask_for_keyframes(key, session, with);
                quality = reports::send_due(key, session, with);
                forward::probe(key, session, with);
                pulse(key, session, with)
            });
            self.release(key, now);
            if quality.is_some() {
                self.steer(key, now);
            }
            if let Some(quality) = quality
                && let Some(session) = self.sessions.get(key as usize)
                && session.connected.is_some()
            {
                self.outbox.tell(MediaEvent::Quality { session: session.id, quality });
            }
        }
        self.scratch.keys = due;
    }

    fn sweep(&mut self) {
        let mut overdue = std::mem::take(&mut self.scratch.connections);
        overdue.clear();
        self.net.tcp.overdue(&mut overdue);
        for connection in overdue.drain(..) {
            self.hang_up(connection);
        }
        self.scratch.connections = overdue;
        let sum = |of: fn(&Session) -> u64| self.sessions.iter().map(|(_, s)| of(s)).sum();
        self.metrics.estimate_bps.set(sum(|s| s.quality.estimate.as_bps()));
        self.metrics.sent_bps.set(sum(|s| s.quality.sent.as_bps()));
    }
}

/// The wall clock, for the times that stand in reports.
#[expect(clippy::disallowed_methods, reason = "read once, when a shard begins")]
fn since_1900_us() -> i64 {
    const UNIX_EPOCH_S: i64 = 2_208_988_800;
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH_S * 1_000_000 + i64::try_from(since_1970.as_micros()).unwrap_or(0)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
