//! The shard's sockets, and which session a remote address was authenticated for.

use super::{gate::Origin, tcp::Tcp, udp::Udp};
use crate::metrics::{Drop, ShardMetrics};
use sfu_core::table::{Flow, Flows};
use std::net::{IpAddr, SocketAddr};
use str0m::net::{Protocol, Transmit};

/// A remote transport address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Remote {
    pub(crate) tcp: bool,
    pub(crate) addr: SocketAddr,
}

/// The way back to a remote address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Path {
    /// From this local address.
    Udp(Option<IpAddr>),
    /// On this connection.
    Tcp(usize),
}

/// The path a client chose for what is sent to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chosen {
    pub(crate) remote: Remote,
    path: Path,
    /// [`Flows::version`] at which the remote address was last seen to be the session's.
    version: u64,
}

impl Chosen {
    /// A path that an authenticated check came on.
    pub(crate) const fn new(remote: Remote, path: Path) -> Self {
        Self { remote, path, version: u64::MAX }
    }

    /// Whether a packet came on it.
    pub(crate) fn is(&self, origin: Origin) -> bool {
        self.remote == origin.remote && self.path == origin.path
    }
}

pub(crate) struct Net {
    pub(crate) udp: Udp,
    pub(crate) tcp: Tcp,
    pub(crate) flows: Flows<Remote, Path>,
    /// Advertised addresses that this machine itself has.
    pub(crate) own: Vec<IpAddr>,
}

impl Net {
    pub(crate) fn flow(&self, remote: Remote) -> Option<&Flow<Path>> {
        self.flows.get(&remote)
    }

    /// Whether a path still leads to this session: an address may have changed hands, a connection ended and its
    /// place been taken by another.
    pub(crate) fn leads_to(&self, session: u32, chosen: &mut Chosen) -> bool {
        let version = self.flows.version();
        if chosen.version == version {
            return true;
        }
        let Some(flow) = self.flows.get(&chosen.remote).filter(|flow| flow.session == session) else {
            return false;
        };
        chosen.version = version;
        if chosen.remote.tcp {
            // The same client may be back on another connection.
            chosen.path = flow.path;
        }
        true
    }

    /// Where to write the next packet: at the end of what is there already.
    pub(crate) fn begin(&mut self, metrics: &ShardMetrics) -> &mut Vec<u8> {
        self.udp.begin(metrics)
    }

    /// Sends what was written from `start` on.
    pub(crate) fn finish(&mut self, start: usize, chosen: Chosen, metrics: &ShardMetrics) {
        match chosen.path {
            Path::Udp(from) => self.udp.finish(start, chosen.remote.addr, from),
            Path::Tcp(connection) => {
                self.tcp.push(connection, self.udp.written(start), metrics);
                self.udp.abandon(start);
            }
        }
    }

    /// Forgets what was written from `start` on.
    pub(crate) fn abandon(&mut self, start: usize) {
        self.udp.abandon(start);
    }

    /// Sends what the engine wants sent, if the remote address was authenticated.
    ///
    /// The engine names the local candidate of the pair it chose, and the reply must leave from there: a
    /// client checks several of our addresses from one of its own. Only where that candidate is a NAT's
    /// address does the one the last check came to stand in for it.
    pub(crate) fn send(&mut self, transmit: &Transmit, metrics: &ShardMetrics) -> bool {
        let remote = Remote { tcp: transmit.proto != Protocol::Udp, addr: transmit.destination };
        match self.flows.get(&remote).map(|flow| flow.path) {
            Some(Path::Udp(checked)) => {
                let chosen = transmit.source.ip();
                let from = if self.own.contains(&chosen) { Some(chosen) } else { checked };
                self.udp.push(remote.addr, from, &transmit.contents, metrics);
            }
            Some(Path::Tcp(connection)) => self.tcp.push(connection, &transmit.contents, metrics),
            None => {
                metrics.dropped(Drop::NoPath);
                return false;
            }
        }
        true
    }

    pub(crate) fn flush(&mut self, metrics: &ShardMetrics) {
        self.udp.flush(metrics);
        self.tcp.flush(metrics);
    }
}
