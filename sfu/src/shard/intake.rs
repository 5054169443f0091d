//! Packets in: read, admitted by the gate, handed to their session.

use super::{
    READS_PER_TURN, Shard, consent,
    gate::{self, Origin},
    net::{Path, Remote},
    udp::ReadBuffer,
};
use crate::metrics::{Drop, Stage};
use quinn_udp::BATCH_SIZE;
use sfu_core::limits::HISTORY_SOUNDS;
use std::{io, net::IpAddr, time::Instant};
use str0m::{
    Input,
    net::{Protocol, Receive},
};

/// Packets that came in and wait to be forwarded. Every stream's history holds as many.
const FORWARDS_AT_ONCE: usize = HISTORY_SOUNDS;

impl Shard {
    /// Reads datagrams within the budget of a turn; whether there may be more.
    #[expect(clippy::disallowed_methods, reason = "arrival times of media")]
    pub(super) fn read_udp(&mut self, buffer: &mut ReadBuffer) -> bool {
        for _ in 0..READS_PER_TURN {
            let count = match self.net.udp.read(buffer) {
                Ok(count) => count,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return false,
                Err(_) => continue,
            };
            let now = Instant::now();
            let tick = self.tick(now);
            for run in buffer.runs(count) {
                self.metrics.datagrams_in.add(run as u64);
                self.metrics.runs_in.observe(run as u64);
            }
            for datagram in buffer.datagrams(count) {
                let remote = Remote { tcp: false, addr: datagram.from };
                let origin = Origin { remote, path: Path::Udp(datagram.to), tick };
                self.packet(datagram.bytes, origin, datagram.to, now);
            }
            self.settle(now, now);
            // A batch that is not full emptied the socket; what comes now wakes the shard anew.
            if count < BATCH_SIZE {
                return false;
            }
        }
        true
    }

    pub(super) fn read_tcp(&mut self, key: usize, scratch: &mut [u8], now: Instant) {
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

    pub(super) fn hang_up(&mut self, connection: usize) {
        if let Some(addr) = self.net.tcp.close(connection, &self.metrics) {
            self.net.flows.remove(&Remote { tcp: true, addr });
        }
    }

    pub(super) fn packet(&mut self, bytes: &[u8], origin: Origin, to: Option<IpAddr>, now: Instant) {
        let Some(admitted) = self.gate.admit(bytes, origin, &mut self.net, &self.metrics) else { return };
        if admitted.media {
            self.take_media(admitted.session, now, bytes, origin);
            // What waits to be forwarded stays in its history only so long.
            if self.turn.sounds.len() + self.turn.pictures.len() >= FORWARDS_AT_ONCE {
                self.forward_waiting(now);
            }
            return;
        }
        if let Some(check) = admitted.check
            && self.answer(admitted.session, check, origin, bytes.len(), now)
        {
            return;
        }
        let proto = if origin.remote.tcp { Protocol::Tcp } else { Protocol::Udp };
        let from = origin.remote.addr;
        let destination = gate::local_candidate(to, self.port, from, &self.advertised);
        let Ok(receive) = Receive::new(proto, from, destination, bytes) else {
            self.metrics.dropped(Drop::Malformed);
            return;
        };
        self.drive(admitted.session, now, |session, with| {
            if let Some(check) = admitted.check {
                session.engine_checked = Some(now);
                if session.checked.replace(now).is_none() {
                    with.metrics.stage(Stage::Checked);
                }
                consent::nominated(admitted.session, session, check, origin, with);
            }
            session.received_bytes += bytes.len() as u64;
            // The engine refuses what does not decrypt or fit; that is the sender's fault, not an end.
            if session.rtc.handle_input(Input::Receive(now, receive)).is_err() {
                with.metrics.dropped(Drop::Rejected);
            }
            Ok(())
        });
    }
}
