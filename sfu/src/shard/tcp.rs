//! ICE-TCP, passive side (RFC 6544): connections, RFC 4571 frames, bounded queues.
//!
//! A connection belongs to nobody until an authenticated STUN check arrives on it; strangers get five
//! seconds and are few. What a slow peer does not read in time is dropped, oldest first: late sound is
//! worse than none.

use crate::{
    addresses,
    limits::tcp as limits,
    metrics::{Drop, ShardMetrics},
};
use mio::{
    Interest, Registry, Token,
    net::{TcpListener, TcpStream},
};
use sfu_core::framing::{self, Deframer};
use slab::Slab;
use std::{
    collections::{HashMap, VecDeque},
    io::{self, Read as _, Write as _},
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

/// Tokens of connections begin here.
pub(crate) const FIRST_TOKEN: usize = 16;

pub(crate) struct Tcp {
    listener: Option<TcpListener>,
    registry: Registry,
    connections: Slab<Connection>,
    strangers: HashMap<IpAddr, usize>,
    dirty: Vec<usize>,
    now: Instant,
}

struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    local: SocketAddr,
    session: Option<u32>,
    opened: Instant,
    deframer: Deframer,
    queue: Queue,
    /// Whether the socket took everything at the last write.
    writable: bool,
    dirty: bool,
    broken: bool,
}

/// Frames that wait to be written.
#[derive(Default)]
struct Queue {
    bytes: VecDeque<u8>,
    /// Length of each frame that is wholly or partly in `bytes`, and when it came.
    frames: VecDeque<(usize, Instant)>,
    /// How much of the first frame is written.
    written: usize,
}

/// What came of reading a connection.
pub(crate) struct Readable {
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
}

/// Whether one more connection is taken, with so many open, and of them so many strangers.
const fn has_room(open: usize, strangers: usize, strangers_from_there: usize) -> bool {
    open < limits::CONNECTIONS
        && strangers < limits::STRANGERS
        && strangers_from_there < limits::STRANGERS_PER_ADDRESS
}

impl Tcp {
    pub(crate) fn new(listener: Option<TcpListener>, registry: Registry, now: Instant) -> Self {
        Self {
            listener,
            registry,
            connections: Slab::new(),
            strangers: HashMap::new(),
            dirty: Vec::new(),
            now,
        }
    }

    pub(crate) fn set_now(&mut self, now: Instant) {
        self.now = now;
    }

    pub(crate) fn register(&mut self, token: Token) -> io::Result<()> {
        match &mut self.listener {
            Some(listener) => self.registry.register(listener, token, Interest::READABLE),
            None => Ok(()),
        }
    }

    /// Takes the connections that wait, within the limits.
    pub(crate) fn accept(&mut self, metrics: &ShardMetrics) {
        while let Some(Ok((mut stream, peer))) = self.listener.as_ref().map(TcpListener::accept) {
            let peer = addresses::plain(peer);
            let strangers: usize = self.strangers.values().sum();
            let from_there = self.strangers.get(&peer.ip()).copied().unwrap_or(0);
            let Ok(local) = stream.local_addr().map(addresses::plain) else { continue };
            if !has_room(self.connections.len(), strangers, from_there) {
                continue;
            }
            let _ = stream.set_nodelay(true);
            let entry = self.connections.vacant_entry();
            let token = Token(FIRST_TOKEN + entry.key());
            if self.registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE).is_err() {
                continue;
            }
            entry.insert(Connection {
                stream,
                peer,
                local,
                session: None,
                opened: self.now,
                deframer: Deframer::default(),
                queue: Queue::default(),
                writable: true,
                dirty: false,
                broken: false,
            });
            *self.strangers.entry(peer.ip()).or_insert(0) += 1;
            metrics.tcp_connections.set(self.connections.len() as u64);
        }
    }

    /// Reads what is there, within the budget of a turn. Says whether there may be more, `None` when the
    /// connection is over.
    pub(crate) fn read(&mut self, key: usize, scratch: &mut [u8]) -> Option<bool> {
        let connection = self.connections.get_mut(key)?;
        for _ in 0..limits::READ_BYTES.div_ceil(scratch.len().max(1)) {
            match connection.stream.read(scratch) {
                Ok(0) => return None,
                Ok(n) => connection.deframer.extend(&scratch[..n]),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Some(false),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        Some(true)
    }

    /// The next frame, copied out; `None` when there is none, `Err` when the stream speaks something else.
    pub(crate) fn next_frame(
        &mut self,
        key: usize,
        out: &mut Vec<u8>,
    ) -> Result<Option<Readable>, framing::FrameTooLong> {
        let Some(connection) = self.connections.get_mut(key) else { return Ok(None) };
        let Some(frame) = connection.deframer.next_frame()? else { return Ok(None) };
        out.clear();
        out.extend_from_slice(frame);
        Ok(Some(Readable { peer: connection.peer, local: connection.local }))
    }

    /// An authenticated check arrived: the connection belongs to a session from now on.
    pub(crate) fn adopt(&mut self, key: usize, session: u32) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.session.replace(session).is_none() {
            let ip = connection.peer.ip();
            self.no_longer_strange(ip);
        }
    }

    /// Queues a packet, dropping what is too old or too much.
    pub(crate) fn push(&mut self, key: usize, packet: &[u8], metrics: &ShardMetrics) {
        let now = self.now;
        let (Some(connection), Some(header)) = (self.connections.get_mut(key), framing::header(packet))
        else {
            metrics.dropped(Drop::NoPath);
            return;
        };
        connection.queue.push(header, packet, now);
        let dropped = connection.queue.trim(now);
        metrics.drops[Drop::TcpFull as usize].add(dropped);
        metrics.datagrams_out.inc();
        if !connection.dirty {
            connection.dirty = true;
            self.dirty.push(key);
        }
    }

    /// Writes what is queued, as far as sockets take it.
    pub(crate) fn flush(&mut self, _metrics: &ShardMetrics) {
        while let Some(key) = self.dirty.pop() {
            if let Some(connection) = self.connections.get_mut(key) {
                connection.dirty = false;
                connection.write();
            }
        }
    }

    /// The socket takes more again.
    pub(crate) fn writable(&mut self, key: usize) {
        if let Some(connection) = self.connections.get_mut(key) {
            connection.writable = true;
            connection.write();
        }
    }

    /// Connections that took too long to authenticate, or broke.
    pub(crate) fn overdue(&self, out: &mut Vec<usize>) {
        let late = |c: &Connection| c.session.is_none() && c.opened + limits::AUTHENTICATE_WITHIN <= self.now;
        out.extend(self.connections.iter().filter(|(_, c)| c.broken || late(c)).map(|(key, _)| key));
    }

    /// Connections of a session.
    pub(crate) fn of_session(&self, session: u32, out: &mut Vec<usize>) {
        out.extend(self.connections.iter().filter(|(_, c)| c.session == Some(session)).map(|(key, _)| key));
    }

    /// Closes a connection; the address it came from.
    pub(crate) fn close(&mut self, key: usize, metrics: &ShardMetrics) -> Option<SocketAddr> {
        let mut connection = self.connections.try_remove(key)?;
        let _ = self.registry.deregister(&mut connection.stream);
        if connection.session.is_none() {
            self.no_longer_strange(connection.peer.ip());
        }
        metrics.tcp_connections.set(self.connections.len() as u64);
        Some(connection.peer)
    }

    fn no_longer_strange(&mut self, ip: IpAddr) {
        if let Some(count) = self.strangers.get_mut(&ip) {
            *count -= 1;
            if *count == 0 {
                self.strangers.remove(&ip);
            }
        }
    }
}

impl Connection {
    fn write(&mut self) {
        while self.writable && !self.queue.bytes.is_empty() {
            let (first, _) = self.queue.bytes.as_slices();
            match self.stream.write(first) {
                Ok(0) => self.fail(),
                Ok(n) => self.queue.wrote(n),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.fail(),
            }
        }
    }

    fn fail(&mut self) {
        self.broken = true;
        self.writable = false;
    }
}

impl Queue {
    fn push(&mut self, header: [u8; 2], packet: &[u8], now: Instant) {
        self.bytes.extend(header);
        self.bytes.extend(packet);
        self.frames.push_back((packet.len() + 2, now));
    }

    /// Drops the oldest whole frames while there is too much or they are too old; how many. A frame that
    /// is partly written stays, or the stream would be torn.
    fn trim(&mut self, now: Instant) -> u64 {
        let mut dropped = 0;
        loop {
            let begun = usize::from(self.written > 0);
            let Some((len, at)) = self.frames.get(begun).copied() else { return dropped };
            let old = now.saturating_duration_since(at) > limits::QUEUE_AGE;
            if !old && self.bytes.len() <= limits::QUEUE_BYTES {
                return dropped;
            }
            let from = if begun == 1 { self.frames[0].0 - self.written } else { 0 };
            self.bytes.drain(from..from + len);
            self.frames.remove(begun);
            dropped += 1;
        }
    }

    fn wrote(&mut self, mut n: usize) {
        self.bytes.drain(..n);
        while let Some((len, _)) = self.frames.front() {
            let left = len - self.written;
            if n < left {
                self.written += n;
                return;
            }
            n -= left;
            self.written = 0;
            self.frames.pop_front();
        }
    }
}

/// Longest time between two looks for overdue connections.
pub(crate) const SWEEP_EVERY: Duration = Duration::from_millis(500);

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do")]
mod tests {
    use super::*;

    fn push(queue: &mut Queue, len: usize, now: Instant) {
        queue.push(framing::header(&vec![0; len]).unwrap(), &vec![7; len], now);
    }

    #[test]
    fn connections_of_a_shard() {
        let (most, strangers, from_one) =
            (limits::CONNECTIONS - 1, limits::STRANGERS - 1, limits::STRANGERS_PER_ADDRESS - 1);
        assert!(has_room(most, strangers, from_one), "the last of each");
        assert!(!has_room(most + 1, strangers, from_one));
        assert!(!has_room(most, strangers + 1, from_one));
        assert!(!has_room(most, strangers, from_one + 1));
    }

    #[test]
    fn a_queue_is_bounded_by_bytes() {
        let now = Instant::now();
        let mut queue = Queue::default();
        let frame = limits::QUEUE_BYTES / 256 - 2;
        for _ in 0..256 {
            push(&mut queue, frame, now);
        }
        assert_eq!(queue.trim(now), 0, "at the limit");
        push(&mut queue, frame, now);
        assert_eq!(queue.trim(now), 1, "one past it");
        assert_eq!(queue.bytes.len(), limits::QUEUE_BYTES);
    }

    #[test]
    fn a_queue_is_bounded_by_age_and_never_tears_a_frame() {
        let now = Instant::now();
        let mut queue = Queue::default();
        push(&mut queue, 10, now);
        push(&mut queue, 20, now);
        queue.wrote(5);
        let at_limit = now + limits::QUEUE_AGE;
        push(&mut queue, 30, at_limit);
        assert_eq!(queue.trim(at_limit), 0);
        assert_eq!(queue.trim(at_limit + Duration::from_millis(1)), 1);
        assert_eq!(queue.bytes.len(), 7 + 32, "the begun frame and the fresh one");
        assert_eq!(queue.bytes.iter().skip(7).take(2).copied().collect::<Vec<_>>(), [0, 30]);
        queue.wrote(7 + 32);
        assert!(queue.frames.is_empty() && queue.written == 0);
    }
}
