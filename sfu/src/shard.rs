//! One shard: a thread that owns its sockets, sessions and rooms, and shares nothing.
//!
//! ```text
//! wait ─▶ commands ─▶ datagrams ─▶ timers ─▶ forward (sound first) ─▶ flush ─▶ wait
//! ```
//!
//! Reading order: this loop; [`gate`] (what may come in), [`drive`] (the engine), [`rooms`] and
//! [`track`] (who sees whom), [`udp`], [`tcp`] and [`net`] (out again), [`outbox`].

use crate::{
    config::Config,
    metrics::{Drop, Feedback, ShardMetrics, Stage},
};
use command::{Command, Join, Seat};
use drive::{Drive, Turn, Want};
use gate::{Credential, Gate, Origin};
use mio::{Events, Interest, Poll, Token, Waker, unix::SourceFd};
use net::{Net, Path, Remote};
use outbox::Outbox;
use rooms::{Changes, Room, RoomKey};
use session::{Identity, Session};
use sfu_core::{
    port::{ClosedReason, MediaError, MediaEvent, SessionId, Transport},
    pulse::PULSE,
    sdp::Source,
    wheel::Wheel,
};
use slab::Slab;
use std::{
    collections::HashMap,
    io,
    net::{IpAddr, TcpListener, UdpSocket},
    os::fd::AsRawFd as _,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc::Receiver},
    time::{Duration, Instant},
};
use str0m::{
    Input,
    bwe::Bitrate,
    crypto::CryptoProvider,
    media::KeyframeRequestKind,
    net::{Protocol, Receive},
};
use tcp::Tcp;
use track::{Forward, Refused};
use udp::{ReadBuffer, Udp};

pub(crate) mod command;
mod drive;
mod gate;
mod net;
mod outbox;
pub(crate) mod rooms;
pub(crate) mod session;
mod tcp;
mod track;
pub(crate) mod udp;

const WAKE: Token = Token(0);
const UDP: Token = Token(1);
const LISTEN: Token = Token(2);

/// Commands taken in one turn, so that a storm of joins does not delay media.
const COMMANDS_PER_TURN: usize = 32;

/// Reads of up to 32 coalesced buffers in one turn; what is left comes in the next, at once.
const READS_PER_TURN: usize = 4;

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

pub(crate) struct Shard {
    config: Config,
    goal: Bitrate,
    port: u16,
    advertised: Vec<IpAddr>,
    commands: Receiver<Command>,
    poll: Poll,
    outbox: Outbox,
    metrics: Arc<ShardMetrics>,
    start: Instant,
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
            goal: Bitrate::kbps(parts.config.max_estimate_kbps),
            config: parts.config,
            port: parts.port,
            advertised: parts.advertised,
            commands: parts.commands,
            poll: parts.poll,
            outbox: Outbox::new(parts.events),
            metrics: parts.metrics,
            start: now,
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

    fn tick(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.start).as_millis() as u64
    }

    // ---- commands ----

    /// Carries out what was asked for, within the budget of a turn; whether there may be more.
    fn commands(&mut self, now: Instant) -> bool {
        for _ in 0..COMMANDS_PER_TURN {
            let Ok(command) = self.commands.try_recv() else { return false };
            match command {
                Command::Join(join) => self.join(*join, now),
                Command::Reoffer { session, offer, parsed, seed, reply } => {
                    let _ = reply.send(self.reoffer(session, *offer, *parsed, seed, now));
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

    fn join(&mut self, join: Join, now: Instant) {
        let (id, seat) = (join.id, join.seat);
        let pwd = join.prepared.credentials.pwd.clone();
        let key = self.sessions.insert(Box::new(Session::new(join, now)));
        let session = &self.sessions[key];
        let key = key as u32;
        if !self.gate.ufrags.insert(session.ufrag.as_bytes(), Credential { session: key, pwd }) {
            self.sessions.remove(key as usize);
            self.outbox.tell(MediaEvent::Closed { session: id, reason: ClosedReason::Failed });
            return;
        }
        self.by_id.insert(id, key);
        self.metrics.stage(Stage::Answered);
        self.metrics.sessions.set(self.sessions.len() as u64);
        self.drive(key, now, |_, _| Ok(()));
        if seat.is_some() {
            self.seat(key, seat, now);
        }
    }

    fn reoffer(
        &mut self,
        id: SessionId,
        offer: sfu_core::sdp::Offer,
        parsed: str0m::change::SdpOffer,
        seed: u16,
        now: Instant,
    ) -> Result<String, MediaError> {
        let key = *self.by_id.get(&id).ok_or(MediaError::NoSuchSession)?;
        let session = self.sessions.get_mut(key as usize).ok_or(MediaError::NoSuchSession)?;
        let accepted =
            catch_unwind(AssertUnwindSafe(|| crate::engine::accept(&mut session.rtc, parsed, &offer.lines)));
        let Ok(accepted) = accepted else {
            self.metrics.panics.inc();
            self.close(key, ClosedReason::Failed, now);
            return Err(MediaError::OfferInvalid("the media engine cannot answer it"));
        };
        let outcome = accepted.map(|(answer, credentials)| {
            if session.ufrag != credentials.ufrag {
                self.gate.ufrags.remove(session.ufrag.as_bytes());
                let credential = Credential { session: key, pwd: credentials.pwd };
                self.gate.ufrags.insert(credentials.ufrag.as_bytes(), credential);
                session.ufrag = credentials.ufrag;
            }
            session.set_lines(offer.lines, seed);
            answer
        });
        let room = session.room;
        self.drive(key, now, |_, _| Ok(()));
        if let Some(room) = room {
            self.rebuild(room, now);
        }
        outcome
    }

    // ---- rooms ----

    fn seat(&mut self, key: u32, seat: Option<Seat>, now: Instant) {
        let Some(session) = self.sessions.get_mut(key as usize) else { return };
        let (before, after) = (session.room, seat.map(|seat| seat.room));
        session.room = after;
        if before != after {
            if let Some(before) = before {
                self.leave(key, before, now);
            }
            if let Some(session) = self.sessions.get_mut(key as usize) {
                let mut changes = Changes::default();
                rooms::unseat(key, session, &mut changes);
                self.apply(changes, now);
            }
        }
        if let Some(seat) = seat {
            let room = self.rooms.entry(seat.room).or_default();
            room.sharer = seat.sharer;
            if !room.members.contains(&key) {
                room.members.push(key);
            }
            self.rebuild(seat.room, now);
        }
        self.count_rooms();
    }

    fn leave(&mut self, key: u32, room_key: RoomKey, now: Instant) {
        let Some(room) = self.rooms.get_mut(&room_key) else { return };
        room.members.retain(|member| *member != key);
        if room.members.is_empty() {
            self.rooms.remove(&room_key);
        } else {
            self.rebuild(room_key, now);
        }
    }

    fn rebuild(&mut self, room: RoomKey, now: Instant) {
        let mut changes = Changes::default();
        if let Some(room) = self.rooms.get(&room) {
            rooms::rebuild(room, &mut self.sessions, self.goal, &mut changes);
        }
        self.apply(changes, now);
    }

    fn apply(&mut self, changes: Changes, now: Instant) {
        for event in changes.events {
            self.outbox.tell(event);
        }
        for key in changes.touched {
            self.drive(key, now, |session, _| {
                session.rtc.bwe().set_bitrate(session.least, session.most);
                Ok(())
            });
        }
        for (publisher, source) in changes.newly_watched {
            self.turn.wants.push(Want { publisher, source, ssrc: None });
        }
    }

    fn count_rooms(&self) {
        self.metrics.rooms.set(self.rooms.len() as u64);
        let seated = self.rooms.values().map(|room| room.members.len()).sum::<usize>();
        self.metrics.seated.set(seated as u64);
    }

    // ---- packets in ----

    /// Reads datagrams within the budget of a turn; whether there may be more.
    #[expect(clippy::disallowed_methods, reason = "arrival times of media")]
    fn read_udp(&mut self, buffer: &mut ReadBuffer) -> bool {
        for _ in 0..READS_PER_TURN {
            let count = match self.net.udp.read(buffer) {
                Ok(count) => count,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return false,
                Err(_) => continue,
            };
            let now = Instant::now();
            let tick = self.tick(now);
            for datagram in buffer.datagrams(count) {
                self.metrics.datagrams_in.inc();
                let remote = Remote { tcp: false, addr: datagram.from };
                let origin = Origin { remote, path: Path::Udp(datagram.to), tick };
                self.packet(datagram.bytes, origin, datagram.to, now);
            }
            self.settle(now, now);
        }
        true
    }

    fn read_tcp(&mut self, key: usize, scratch: &mut [u8], now: Instant) {
        let more = self.net.tcp.read(key, scratch);
        let mut frame = std::mem::take(&mut self.scratch.frame);
        let torn = loop {
            match self.net.tcp.next_frame(key, &mut frame) {
                Ok(Some(readable)) => {
                    self.metrics.datagrams_in.inc();
                    let remote = Remote { tcp: true, addr: readable.peer };
                    let origin = Origin { remote, path: Path::Tcp(key), tick: self.tick(now) };
                    self.packet(&frame, origin, Some(readable.local.ip()), now);
                }
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        self.scratch.frame = frame;
        self.settle(now, now);
        match more {
            Some(true) if !torn => self.half_read.push(key),
            Some(false) if !torn => {}
            _ => self.hang_up(key),
        }
    }

    fn hang_up(&mut self, connection: usize) {
        if let Some(addr) = self.net.tcp.close(connection, &self.metrics) {
            self.net.flows.remove(&Remote { tcp: true, addr });
        }
    }

    fn packet(&mut self, bytes: &[u8], origin: Origin, to: Option<IpAddr>, now: Instant) {
        let Some(admitted) = self.gate.admit(bytes, origin, &mut self.net, &self.metrics) else { return };
        let proto = if origin.remote.tcp { Protocol::Tcp } else { Protocol::Udp };
        let from = origin.remote.addr;
        let destination = gate::local_candidate(to, self.port, from, &self.advertised);
        let Ok(receive) = Receive::new(proto, from, destination, bytes) else {
            self.metrics.dropped(Drop::Malformed);
            return;
        };
        self.drive(admitted.session, now, |session, with| {
            if admitted.check && session.checked.replace(now).is_none() {
                with.metrics.stage(Stage::Checked);
            }
            session.received_bytes += bytes.len() as u64;
            // The engine refuses what does not decrypt or fit; that is the sender's fault, not an end.
            if session.rtc.handle_input(Input::Receive(now, receive)).is_err() {
                with.metrics.dropped(Drop::Rejected);
            }
            Ok(())
        });
    }

    // ---- driving ----

    /// Changes a session and drains its engine. A panic ends this session and no other.
    fn drive(
        &mut self,
        key: u32,
        now: Instant,
        change: impl FnOnce(&mut Session, &mut Drive<'_>) -> Result<(), ClosedReason>,
    ) {
        let Some(session) = self.sessions.get_mut(key as usize) else { return };
        let mut with = Drive {
            net: &mut self.net,
            turn: &mut self.turn,
            metrics: &self.metrics,
            start: self.start,
            now,
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            change(session, &mut with)?;
            drive::drain(key, session, &mut with)
        }));
        let reason = match outcome {
            Ok(Ok(())) => {
                let due = session.next_due(self.config.consent_timeout(), self.config.connect_timeout());
                // Rounded up: a timer that fires early would find nothing due and spin.
                let tick = due.saturating_duration_since(self.start).as_micros().div_ceil(1_000) as u64;
                self.wheel.set(key, tick);
                return;
            }
            Ok(Err(reason)) => reason,
            Err(_) => {
                self.metrics.panics.inc();
                ClosedReason::Failed
            }
        };
        self.turn.closing.push((key, reason));
    }

    fn timers(&mut self, now: Instant) {
        let mut due = std::mem::take(&mut self.scratch.keys);
        due.clear();
        self.wheel.advance(self.tick(now), &mut due);
        for key in due.drain(..) {
            let (consent, connect) = (self.config.consent_timeout(), self.config.connect_timeout());
            let mut quality = None;
            self.drive(key, now, |session, with| {
                if session.expired(now, consent, connect) {
                    return Err(ClosedReason::Timeout);
                }
                if session.engine_due.is_some_and(|at| at <= now) {
                    session.rtc.handle_input(Input::Timeout(now)).map_err(|_| ClosedReason::Failed)?;
                    drive::drain(key, session, with)?;
                }
                quality = session.poll_quality(now);
                ask_for_keyframes(key, session, with)?;
                pulse(key, session, with)
            });
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

    /// Carries out what driving left to do, then sends. `arrived` is when the packets were read.
    #[expect(clippy::disallowed_methods, reason = "how long forwarding took")]
    fn settle(&mut self, arrived: Instant, now: Instant) {
        let mut forwarded = 0;
        loop {
            let turn = &self.turn;
            let idle = turn.sounds.is_empty() && turn.pictures.is_empty() && turn.wants.is_empty();
            if idle && turn.connected.is_empty() && turn.closing.is_empty() {
                break;
            }
            // Sound first: a picture's burst must not delay a word.
            forwarded += self.forward_all(|turn| &mut turn.sounds, now);
            forwarded += self.forward_all(|turn| &mut turn.pictures, now);
            for want in std::mem::take(&mut self.turn.wants) {
                self.want(want, now);
            }
            for key in std::mem::take(&mut self.turn.connected) {
                self.connected(key, now);
            }
            for (key, reason) in std::mem::take(&mut self.turn.closing) {
                self.close(key, reason, now);
            }
        }
        self.net.flush(&self.metrics);
        if forwarded > 0 {
            let took = Instant::now().saturating_duration_since(arrived);
            self.metrics.forward_time.observe(nanos(took), forwarded);
        }
    }

    fn forward_all(&mut self, of: fn(&mut Turn) -> &mut Vec<Forward>, now: Instant) -> u64 {
        let mut batch = std::mem::take(&mut self.scratch.forwards);
        std::mem::swap(of(&mut self.turn), &mut batch);
        let mut written = 0;
        for packet in batch.drain(..) {
            written += self.forward(&packet, now);
        }
        self.scratch.forwards = batch;
        written
    }

    fn forward(&mut self, packet: &Forward, now: Instant) -> u64 {
        let source = packet.source as usize;
        let Some(publisher) = self.sessions.get_mut(packet.publisher as usize) else { return 0 };
        let subscribers = std::mem::take(&mut publisher.subscribers[source]);
        let mut written = 0;
        for subscription in &subscribers {
            self.drive(subscription.session, now, |session, with| {
                written += u64::from(write(session, subscription.sink, packet, with));
                Ok(())
            });
        }
        if let Some(publisher) = self.sessions.get_mut(packet.publisher as usize) {
            publisher.subscribers[source] = subscribers;
        }
        written
    }

    fn want(&mut self, want: Want, now: Instant) {
        self.drive(want.publisher, now, |session, with| {
            for incoming in &mut session.incoming {
                let this =
                    incoming.source == want.source && want.ssrc.is_none_or(|ssrc| ssrc == incoming.ssrc);
                if this && incoming.source != Source::Microphone {
                    incoming.keyframe.want(now);
                }
            }
            ask_for_keyframes(want.publisher, session, with)
        });
    }

    // ---- coming and going ----

    fn connected(&mut self, key: u32, now: Instant) {
        let Some(session) = self.sessions.get(key as usize) else { return };
        let (id, identity, room) = (session.id, session.identity, session.room);
        let tcp = session.remote.is_some_and(|remote| remote.tcp);
        let transport = if tcp { Transport::Tcp } else { Transport::Udp };
        self.outbox.tell(MediaEvent::Connected { session: id, transport });
        if let Some(room) = room {
            self.rebuild(room, now);
        }
        self.replace(id, identity, now);
    }

    /// The newest connected session of an identity stays; older ones end.
    fn replace(&mut self, id: SessionId, identity: Identity, now: Instant) {
        let same = |session: &Session| session.identity == identity && session.connected.is_some();
        let newest = self.sessions.iter().filter(|(_, s)| same(s)).map(|(_, s)| s.id).max().unwrap_or(id);
        let older: Vec<u32> = self
            .sessions
            .iter()
            .filter(|(_, s)| s.identity == identity && s.id < newest)
            .map(|(key, _)| key as u32)
            .collect();
        for key in older {
            self.close(key, ClosedReason::Replaced, now);
        }
    }

    fn close(&mut self, key: u32, reason: ClosedReason, now: Instant) {
        let Some(mut session) = self.sessions.try_remove(key as usize) else { return };
        if matches!(reason, ClosedReason::Asked | ClosedReason::Replaced) {
            self.say_goodbye(&mut session, now);
        }
        self.wheel.clear(key);
        self.gate.ufrags.remove(session.ufrag.as_bytes());
        let mut connections = std::mem::take(&mut self.scratch.connections);
        connections.clear();
        self.net.tcp.of_session(key, &mut connections);
        self.net.flush(&self.metrics);
        for connection in connections.drain(..) {
            self.net.tcp.close(connection, &self.metrics);
        }
        self.scratch.connections = connections;
        self.net.flows.forget(key);
        self.by_id.remove(&session.id);
        self.turn.sounds.retain(|f| f.publisher != key);
        self.turn.pictures.retain(|f| f.publisher != key);
        self.turn.wants.retain(|w| w.publisher != key);
        self.metrics.sessions.set(self.sessions.len() as u64);
        self.metrics.closed.inc();
        if let Some(room) = session.room {
            self.leave(key, room, now);
        }
        self.count_rooms();
        self.outbox.tell(MediaEvent::Closed { session: session.id, reason });
        // A state machine that panicked may panic again as it goes.
        let _ = catch_unwind(AssertUnwindSafe(move || drop(session)));
    }

    /// DTLS close_notify, so that the other end knows at once.
    fn say_goodbye(&mut self, session: &mut Session, now: Instant) {
        let mut turn = Turn::default();
        let mut with =
            Drive { net: &mut self.net, turn: &mut turn, metrics: &self.metrics, start: self.start, now };
        let _ = catch_unwind(AssertUnwindSafe(|| {
            let _ = session.rtc.close();
            drive::drain(u32::MAX, session, &mut with)
        }));
    }

    #[expect(clippy::disallowed_methods, reason = "the last reading of the shard's clock")]
    fn goodbye(&mut self) {
        let now = Instant::now();
        let keys: Vec<u32> = self.sessions.iter().map(|(key, _)| key as u32).collect();
        for key in keys {
            self.close(key, ClosedReason::Asked, now);
        }
        self.net.flush(&self.metrics);
        self.outbox.flush();
    }
}

/// Writes a packet into a subscriber's track; whether it was written.
fn write(session: &mut Session, sink: sfu_core::sdp::Sink, packet: &Forward, with: &mut Drive<'_>) -> bool {
    let metrics = with.metrics;
    if session.connected.is_none() {
        return false;
    }
    let Some(track) = session.tracks.iter_mut().find(|track| track.sink == sink) else { return false };
    let (at, ids) = match track.take(packet, with.now) {
        Ok(place) => place,
        Err(refused) => {
            match refused {
                Refused::AwaitsKeyframe => {
                    let Forward { publisher, source, ssrc, .. } = *packet;
                    with.turn.wants.push(Want { publisher, source, ssrc: Some(ssrc) });
                    metrics.dropped(Drop::NoKeyframe);
                }
                Refused::OtherLayer => metrics.dropped(Drop::NotForwarded),
                Refused::Padding => metrics.dropped(Drop::Padding),
                Refused::Late => metrics.dropped(Drop::Late),
            }
            return false;
        }
    };
    let mut api = session.rtc.direct_api();
    let Some(stream) = api.stream_tx(&track.ssrc) else { return false };
    track.write(stream, packet, at, ids);
    session.pulse.sent_media(with.now);
    let traffic = &metrics.forwarded[drive::media(packet.source) as usize];
    traffic.packets.inc();
    traffic.bytes.add(packet.payload.len() as u64);
    if !session.milestones.sent {
        session.milestones.sent = true;
        metrics.stage(Stage::Sent);
    }
    if !session.milestones.shown && packet.picture.is_some() {
        session.milestones.shown = true;
        metrics.stage(Stage::Shown);
    }
    true
}

/// Sends the keyframe requests that are due.
fn ask_for_keyframes(key: u32, session: &mut Session, with: &mut Drive<'_>) -> Result<(), ClosedReason> {
    for n in 0..session.incoming.len() {
        let incoming = &mut session.incoming[n];
        if session.subscribers[incoming.source as usize].is_empty() {
            incoming.keyframe.satisfied();
            continue;
        }
        if !incoming.keyframe.poll(with.now) {
            continue;
        }
        let ssrc = incoming.ssrc;
        if let Some(stream) = session.rtc.direct_api().stream_rx(&ssrc) {
            stream.request_keyframe(KeyframeRequestKind::Pli);
            with.metrics.feedback[Feedback::PliOut as usize].inc();
        }
        drive::drain(key, session, with)?;
    }
    Ok(())
}

fn pulse(key: u32, session: &mut Session, with: &mut Drive<'_>) -> Result<(), ClosedReason> {
    if !session.pulse_open || !session.pulse.poll(with.now) {
        return Ok(());
    }
    if let Some(mut channel) = session.pulse_channel.and_then(|id| session.rtc.channel(id))
        && matches!(channel.write(true, &PULSE), Ok(true))
    {
        with.metrics.pulses.inc();
    }
    drive::drain(key, session, with)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
