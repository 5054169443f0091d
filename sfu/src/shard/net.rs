//! The shard's sockets, and which session a remote address was authenticated for.

use super::{tcp::Tcp, udp::Udp};
use crate::metrics::{Drop, ShardMetrics};
use sfu_core::table::{Flow, Flows};
use std::net::{IpAddr, SocketAddr};
use str0m::net::Protocol;

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
}

impl Net {
    pub(crate) fn flow(&self, remote: Remote) -> Option<&Flow<Path>> {
        self.flows.get(&remote)
    }

    /// Sends what the engine wants sent, on the path the remote address was authenticated on.
    pub(crate) fn send(&mut self, proto: Protocol, to: SocketAddr, bytes: &[u8], metrics: &ShardMetrics) -> bool {
        let remote = Remote { tcp: proto != Protocol::Udp, addr: to };
        match self.flows.get(&remote).map(|flow| flow.path) {
            Some(Path::Udp(from)) => self.udp.push(to, from, bytes, metrics),
            Some(Path::Tcp(connection)) => self.tcp.push(connection, bytes, metrics),
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
