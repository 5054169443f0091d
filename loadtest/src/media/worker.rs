//! Many clients on one thread: their sockets, their timers, and how late this thread is.

use super::{
    Act, Heard, Milestones, Network, Observation, now,
    observed::Observed,
    outgoing::Outbox,
    session::Session,
    weak::{Direction, Weak},
};
use anyhow::Result;
use mio::{Events, Interest, Poll, Registry, Token, Waker, unix::SourceFd};
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use rustix::{
    thread::{CpuSet, sched_setaffinity},
    time::{ClockId, clock_gettime},
};
use std::{
    collections::{BTreeSet, HashMap},
    io::{self, IoSliceMut},
    net::UdpSocket,
    os::fd::AsRawFd as _,
    sync::{Arc, mpsc::Receiver},
    time::{Duration, Instant},
};
use tokio::sync::{oneshot, watch};

/// Token of the waker; clients count from 1.
pub(super) const WAKE: Token = Token(0);

/// How often sockets are looked at, at most. The kernel notes when a packet came, so no figure depends on it.
const READ_EVERY: Duration = Duration::from_millis(1);

/// Time between readings, in multiples of what one took: with much to read fewer of them bring more at once.
const READ_REST: u32 = 3;

/// Between readings, at most: what is asked for in what was read is answered after that.
const READ_LATEST: Duration = Duration::from_millis(5);

/// A packet that seems to have waited for longer was stamped by a clock that jumped.
const LONGEST_UNREAD: Duration = Duration::from_secs(1);

const READ_BYTES: usize = 65_536;
const READS: usize = 4;

pub(super) enum Command {
    Start { id: usize, client: Box<Running> },
    Act { id: usize, act: Act },
    Remove { id: usize },
    Observe { reply: oneshot::Sender<Observation> },
    Quit,
}

/// A client with its socket.
pub(super) struct Running {
    session: Session,
    socket: UdpSocket,
    state: UdpSocketState,
    milestones: watch::Sender<Milestones>,
    /// The network between session and socket, if it is a weak one.
    weak: Option<Box<Weak>>,
    due: Instant,
    heard: Heard,
}

impl Running {
    pub(super) fn new(
        session: Session,
        socket: UdpSocket,
        milestones: watch::Sender<Milestones>,
        network: Option<Network>,
        heard: Heard,
    ) -> Result<Self> {
        socket.connect(session.remote())?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        let weak =
            network.map(|network| Weak::new(network, session.remote(), now()).map(Box::new)).transpose()?;
        let due = session.due();
        Ok(Self { session, socket, state, milestones, weak, due, heard })
    }

    /// When its timer is due.
    fn next_due(&self) -> Instant {
        let weak = self.weak.as_ref().and_then(|weak| weak.due());
        weak.into_iter().chain([self.session.due()]).min().unwrap_or(self.due)
    }

    fn register(&self, registry: &Registry, id: usize) -> io::Result<()> {
        registry.register(&mut SourceFd(&self.socket.as_raw_fd()), Token(id), Interest::READABLE)
    }

    /// Takes what has come.
    fn read(&mut self, buffer: &mut [u8], observed: &mut Observed) {
        loop {
            let mut meta = [RecvMeta::default(); READS];
            let mut chunks = buffer.chunks_mut(READ_BYTES);
            let mut slices: [IoSliceMut<'_>; READS] =
                std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
            let socket = UdpSockRef::from(&self.socket);
            let count = match self.state.recv(socket, &mut slices, &mut meta) {
                Ok(count) => count,
                // What was sent before met a closed port. It has been told, and more may have come.
                Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => continue,
                Err(_) => return,
            };
            let (at, time) = (now(), time_of_day());
            self.heard.note(at);
            for (meta, bytes) in meta[..count].iter().zip(buffer.chunks_mut(READ_BYTES)) {
                let ago = meta.timestamp.map_or(Duration::ZERO, |came| time.saturating_sub(came));
                let arrived = at.checked_sub(ago.min(LONGEST_UNREAD)).unwrap_or(at);
                let received_ns = meta.timestamp.map(nanos);
                for datagram in bytes[..meta.len].chunks_mut(meta.stride.max(1)) {
                    self.take(datagram, (arrived, received_ns), at, observed);
                }
            }
            // Fewer than asked for: there was no more.
            if count < READS {
                return;
            }
        }
    }

    /// Takes a datagram from the socket.
    fn take(
        &mut self,
        datagram: &mut [u8],
        came: (Instant, Option<u64>),
        at: Instant,
        observed: &mut Observed,
    ) {
        match &mut self.weak {
            Some(weak) => weak.enter(came.0, Direction::Down, datagram),
            None => self.session.handle_datagram(datagram, came, at, observed),
        }
    }

    /// Hands over what has come out of a weak network by now, in both directions.
    fn carry(&mut self, at: Instant, observed: &mut Observed) {
        while let Some((mut held, arrived)) = self.weak.as_mut().and_then(|weak| weak.poll(at)) {
            match held.direction {
                Direction::Up => {
                    let _ = self.socket.send(&held.packet);
                }
                Direction::Down => {
                    let ns = nanos(time_of_day().saturating_sub(at.saturating_duration_since(arrived)));
                    self.session.handle_datagram(&mut held.packet, (arrived, Some(ns)), at, observed);
                }
            }
        }
    }

    /// Goes on at another port if its network has another address for it now; the old socket if so.
    fn readdress(&mut self) -> Option<UdpSocket> {
        self.weak.as_mut().is_some_and(|weak| weak.take_readdressed()).then_some(())?;
        let ip = self.socket.local_addr().ok()?.ip();
        let socket = UdpSocket::bind((ip, 0)).ok()?;
        socket.connect(self.session.remote()).ok()?;
        self.state = UdpSocketState::new(UdpSockRef::from(&socket)).ok()?;
        Some(std::mem::replace(&mut self.socket, socket))
    }

    /// Sends what is to be sent, datagrams of one size together; tells what has newly happened.
    fn flush(&mut self) {
        let destination = self.session.remote();
        if let Some(weak) = &mut self.weak {
            weak.send(now(), &mut self.session.outbox);
        }
        let outbox = &mut self.session.outbox;
        let mut start = 0;
        let mut lengths = outbox.lengths.as_slice();
        while let Some(&first) = lengths.first() {
            let most = self.state.max_gso_segments().max(1);
            let mut run = lengths.iter().take(most).take_while(|len| **len == first).count();
            if run < most && lengths.get(run).is_some_and(|last| *last < first) {
                run += 1;
            }
            let end = start + lengths[..run].iter().sum::<usize>();
            let contents = &outbox.bytes[start..end];
            if run == 1 {
                // To where the socket is connected: a sixth cheaper than with an address and options.
                let _ = self.socket.send(contents);
            } else {
                let transmit =
                    Transmit { destination, ecn: None, contents, segment_size: Some(first), src_ip: None };
                let refused = self.state.try_send(UdpSockRef::from(&self.socket), &transmit).is_err();
                if refused && self.state.max_gso_segments() < most {
                    continue;
                }
            }
            start = end;
            lengths = &lengths[run..];
        }
        outbox.bytes.clear();
        outbox.lengths.clear();
        if let Some(milestones) = self.session.take_news() {
            self.milestones.send_replace(milestones);
        }
    }
}

pub(super) struct Worker {
    poll: Poll,
    commands: Receiver<Command>,
    clients: HashMap<usize, Box<Running>>,
    timers: BTreeSet<(Instant, usize)>,
    /// Lent to the client that is at work: one that stays in the processor's cache, not one of each that does not.
    outbox: Outbox,
    observed: Observed,
    /// Packets and losses that clients no longer tell of; and those that were told.
    gone: (u64, u64),
    told: (u64, u64),
    /// Wall and processor time when the load was last told.
    since: (Instant, Duration),
}

impl Worker {
    pub(super) fn new(commands: Receiver<Command>) -> io::Result<(Self, Arc<Waker>)> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        let (observed, since) = (Observed::new()?, (now(), Duration::ZERO));
        let (clients, timers) = (HashMap::new(), BTreeSet::new());
        let (gone, told) = ((0, 0), (0, 0));
        let outbox = Outbox::default();
        Ok((Self { poll, commands, clients, timers, outbox, observed, gone, told, since }, waker))
    }

    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(4_096);
        let mut buffer = vec![0; READ_BYTES * READS];
        self.since = (now(), processor_time());
        let mut read_at = now();
        loop {
            // A wait for sockets would be ended by every packet, at the expense of the kernel that delivers it: on the
            // server's core, where both share a machine. So it sleeps, and looks at the sockets now and then.
            let wait = if self.clients.is_empty() {
                None
            } else {
                let until = self.timers.first().map_or(read_at, |(due, _)| read_at.min(*due));
                sleep_until(until);
                Some(Duration::ZERO)
            };
            let at = now();
            if wait.is_none() || at >= read_at {
                if let Err(e) = self.poll.poll(&mut events, wait)
                    && e.kind() != io::ErrorKind::Interrupted
                {
                    return;
                }
                while let Ok(command) = self.commands.try_recv() {
                    if !self.command(command) {
                        return;
                    }
                }
                for event in &events {
                    if event.token() != WAKE {
                        self.read(event.token().0, &mut buffer);
                    }
                }
                let took = now().saturating_duration_since(at);
                read_at = at + took + (took * READ_REST).clamp(READ_EVERY, READ_LATEST);
            }
            self.run_timers();
        }
    }

    /// Whether to go on.
    fn command(&mut self, command: Command) -> bool {
        match command {
            Command::Start { id, mut client } => {
                let _ = client.register(self.poll.registry(), id);
                client.flush();
                client.due = client.next_due();
                self.timers.insert((client.due, id));
                self.clients.insert(id, client);
            }
            Command::Act { id, act } => self.act(id, act),
            Command::Remove { id } => {
                self.count(id);
                if let Some(client) = self.clients.remove(&id) {
                    self.timers.remove(&(client.due, id));
                    let _ = self.poll.registry().deregister(&mut SourceFd(&client.socket.as_raw_fd()));
                }
            }
            Command::Observe { reply } => {
                let _ = reply.send(self.observe());
            }
            Command::Quit => return false,
        }
        true
    }

    fn act(&mut self, id: usize, act: Act) {
        match act {
            Act::Send { source, sending } => self.touch(id, |session| session.send(source, sending, now())),
            Act::Stop { source } => self.touch(id, |session| session.stop(source)),
            Act::Forget { done } => {
                self.count(id);
                self.touch(id, Session::forget);
                let _ = done.send(());
            }
            Act::Counters { reply } => {
                let counters = self.clients.get(&id).map(|client| client.session.counters());
                let _ = reply.send(counters.unwrap_or_default());
            }
            Act::Sent { reply } => {
                let sent = self.clients.get(&id).map(|client| client.session.sent());
                let _ = reply.send(sent.unwrap_or_default());
            }
        }
    }

    /// Changes a client, sends what follows, sets its timer.
    fn touch(&mut self, id: usize, change: impl FnOnce(&mut Session)) {
        self.with(id, None, |client, _, _| change(&mut client.session));
    }

    /// Has a client do something, sends what follows, sets its timer, to no earlier than `earliest`.
    fn with(
        &mut self,
        id: usize,
        earliest: Option<Instant>,
        work: impl FnOnce(&mut Running, &mut Observed, &Registry),
    ) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        std::mem::swap(&mut client.session.outbox, &mut self.outbox);
        work(client, &mut self.observed, self.poll.registry());
        client.flush();
        std::mem::swap(&mut client.session.outbox, &mut self.outbox);
        let due = client.next_due();
        let due = earliest.map_or(due, |earliest| due.max(earliest));
        if due != client.due {
            self.timers.remove(&(client.due, id));
            self.timers.insert((due, id));
            client.due = due;
        }
    }

    fn read(&mut self, id: usize, buffer: &mut [u8]) {
        self.with(id, None, |client, observed, _| client.read(buffer, observed));
    }

    fn run_timers(&mut self) {
        let at = now();
        // Whatever is due at once comes in the next turn, after everybody else.
        let next = at + Duration::from_micros(100);
        while let Some(&(due, id)) = self.timers.first()
            && due <= at
        {
            self.with(id, Some(next), |client, observed, registry| {
                client.carry(at, observed);
                if client.session.due() <= at {
                    client.session.handle_timeout(at, nanos(time_of_day()), observed);
                }
                if let Some(old) = client.readdress() {
                    let _ = registry.deregister(&mut SourceFd(&old.as_raw_fd()));
                    let _ = client.register(registry, id);
                }
            });
        }
    }

    /// Keeps what a client counted before it forgets it, or goes.
    fn count(&mut self, id: usize) {
        if let Some(client) = self.clients.get(&id) {
            self.gone = add(self.gone, client.session.totals());
        }
    }

    fn observe(&mut self) -> Observation {
        let (at, processor) = (now(), processor_time());
        let (wall_then, processor_then) = std::mem::replace(&mut self.since, (at, processor));
        let wall = at.saturating_duration_since(wall_then).as_secs_f64();
        let (packets, lost) =
            self.clients.values().fold(self.gone, |sum, client| add(sum, client.session.totals()));
        let told = std::mem::replace(&mut self.told, (packets, lost));
        let new = (packets.saturating_sub(told.0), lost.saturating_sub(told.1));
        self.observed
            .take(new, processor.saturating_sub(processor_then).as_secs_f64() / wall.max(f64::EPSILON))
    }
}

fn add(one: (u64, u64), other: (u64, u64)) -> (u64, u64) {
    (one.0 + other.0, one.1 + other.1)
}

/// Sleeps more finely than a wait for sockets, which counts milliseconds.
fn sleep_until(at: Instant) {
    let left = at.saturating_duration_since(now());
    if !left.is_zero() {
        std::thread::sleep(left);
    }
}

/// Keeps the calling thread on one core.
///
/// # Errors
/// There is no such core.
pub fn stay_on(core: usize) -> io::Result<()> {
    let mut one = CpuSet::new();
    one.set(core);
    Ok(sched_setaffinity(None, &one)?)
}

/// Since 1970, by the clock the kernel stamps packets with.
fn time_of_day() -> Duration {
    let time = clock_gettime(ClockId::Realtime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Processor time of this thread.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}
