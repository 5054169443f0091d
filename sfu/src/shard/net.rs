//! The shard's sockets, and which session a remote address was authenticated for.

use super::{tcp::Tcp, udp::Udp};
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

    /// Sends what the engine wants sent, if the remote address was authenticated.
    ///
    /// The engine names the local candidate of the pair it chose, and the reply must leave from there: a
    /// client checks several of our addresses from one of its own. Only where that candidate is a NAT's
    /// address does the one the last check came to stand in for it.
    pub(crate) fn send(&mut self, transmit: &Transmit, metrics: &ShardMetrics) -> Option<Remote> {
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
                return None;
            }
        }
        Some(remote)
    }

    pub(crate) fn flush(&mut self, metrics: &ShardMetrics) {
        self.udp.flush(metrics);
        self.tcp.flush(metrics);
    }
}
