//! A client's packets on a weak network: held back in both directions until they come out of its links.

use super::outgoing::Outbox;
use crate::netem::path::{Arrived, Network, Path};
pub(super) use crate::netem::script::Direction;
use anyhow::Result;
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

pub(super) struct Weak {
    path: Path,
    began: Instant,
    /// What IP and UDP add to a packet.
    headers: usize,
    /// How often the address has changed that packets come from.
    readdressed: u64,
}

impl Weak {
    pub(super) fn new(network: Network, remote: SocketAddr, now: Instant) -> Result<Self> {
        let headers = if remote.is_ipv4() { 28 } else { 48 };
        Ok(Self { path: Path::new(network)?, began: now, headers, readdressed: 0 })
    }

    /// Takes all that a client sends.
    pub(super) fn send(&mut self, now: Instant, outbox: &mut Outbox) {
        let mut rest = outbox.bytes.as_slice();
        for length in outbox.lengths.drain(..) {
            let (packet, after) = rest.split_at(length);
            self.enter(now, Direction::Up, packet);
            rest = after;
        }
        outbox.bytes.clear();
    }

    pub(super) fn enter(&mut self, now: Instant, direction: Direction, packet: &[u8]) {
        let ns = self.ns(now);
        self.path.enter(ns, direction, packet.len() + self.headers, packet);
    }

    /// The next packet that has arrived by now, and when it did.
    pub(super) fn poll(&mut self, now: Instant) -> Option<(Arrived, Instant)> {
        let arrived = self.path.poll(self.ns(now))?;
        let at = self.began + Duration::from_nanos(arrived.at_ns);
        Some((arrived, at))
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.path.due_ns().map(|ns| self.began + Duration::from_nanos(ns))
    }

    /// Whether packets come from another address from now on.
    pub(super) fn take_readdressed(&mut self) -> bool {
        std::mem::replace(&mut self.readdressed, self.path.readdressed()) != self.path.readdressed()
    }

    fn ns(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.began).as_nanos() as u64
    }
}
