//! Sessions come, renew their path, and go.

use super::{
    Shard,
    command::Join,
    drive::{self, Drive, Turn, Want},
    forward::give_up,
    gate::Credential,
    session::{Identity, Session},
};
use crate::{
    engine::{self, Draft},
    metrics::Stage,
};
use sfu_core::{
    port::{ClosedReason, MediaError, MediaEvent, SessionId, Transport},
    sdp::{self, Source},
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

impl Shard {
    pub(super) fn join(&mut self, join: Join, now: Instant) {
        let Join { id, identity, prepared, seat, seed, ready } = join;
        let pwd = prepared.credentials.pwd.clone();
        let now_us = self.micros(now);
        let rates = (self.config.initial_estimate_kbps * 1_000, self.goal_bps);
        let key =
            self.sessions.insert(Box::new(Session::new(id, identity, prepared, seed, rates, (now, now_us))));
        let session = &self.sessions[key];
        let key = key as u32;
        if !self.gate.ufrags.insert(session.ufrag.as_bytes(), Credential { session: key, pwd }) {
            self.sessions.remove(key as usize);
            self.outbox.tell(MediaEvent::Closed { session: id, reason: ClosedReason::Failed });
            return;
        }
        // Whoever asked may have left meanwhile; then the session expires unconnected.
        let _ = ready.send(());
        self.by_id.insert(id, key);
        self.metrics.stage(Stage::Answered);
        self.metrics.sessions.set(self.sessions.len() as u64);
        self.drive(key, now, |_, _| Ok(()));
        if seat.is_some() {
            self.seat(key, seat, now);
        }
    }

    pub(super) fn reoffer(
        &mut self,
        id: SessionId,
        mut draft: Draft,
        seed: u16,
        now: Instant,
    ) -> Result<String, MediaError> {
        let key = *self.by_id.get(&id).ok_or(MediaError::NoSuchSession)?;
        let now_us = self.micros(now);
        let session = self.sessions.get_mut(key as usize).ok_or(MediaError::NoSuchSession)?;
        let accepted = catch_unwind(AssertUnwindSafe(|| {
            engine::accept(&mut session.rtc, &draft, session.pulse_channel.is_some())
        }));
        let Ok(accepted) = accepted else {
            self.metrics.panics.inc();
            self.close(key, ClosedReason::Failed, now);
            return Err(MediaError::OfferInvalid("the media engine cannot answer it"));
        };
        let outcome = accepted.map(|(answer, credentials)| {
            // What waits is known by the place of its track, which may change.
            give_up(session, &self.metrics);
            if session.ufrag != credentials.ufrag {
                self.gate.ufrags.remove(session.ufrag.as_bytes());
                let credential = Credential { session: key, pwd: credentials.pwd };
                self.gate.ufrags.insert(credentials.ufrag.as_bytes(), credential);
                session.ufrag = credentials.ufrag;
                session.engine_checked = None;
            }
            let answer = sdp::renumber(&answer, &session.numbers.settle(&mut draft.lines));
            session.set_lines(draft.lines, seed, now_us);
            answer
        });
        let room = session.room;
        self.drive(key, now, |_, _| Ok(()));
        if let Some(room) = room {
            self.rebuild(room, now);
        }
        outcome
    }

    pub(super) fn connected(&mut self, key: u32, now: Instant) {
        let Some(session) = self.sessions.get(key as usize) else { return };
        let (id, identity, room) = (session.id, session.identity, session.room);
        let tcp = session.path.is_some_and(|path| path.remote.tcp);
        let transport = if tcp { Transport::Tcp } else { Transport::Udp };
        self.outbox.tell(MediaEvent::Connected { session: id, transport });
        if let Some(room) = room {
            self.rebuild(room, now);
        }
        for (publisher, source) in self.watched_by(key) {
            self.want(Want { publisher, source, ssrc: None }, now);
        }
        self.replace(id, identity, now);
    }

    /// Whose pictures a session shows.
    fn watched_by(&self, key: u32) -> Vec<(u32, Source)> {
        let tracks = self.sessions.get(key as usize).map_or(&[][..], |session| &session.tracks);
        tracks
            .iter()
            .filter_map(|track| track.route)
            .filter(|(_, source)| *source != Source::Microphone)
            .collect()
    }

    /// The newest connected session of an identity stays; older ones end.
    pub(super) fn replace(&mut self, id: SessionId, identity: Identity, now: Instant) {
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

    pub(super) fn close(&mut self, key: u32, reason: ClosedReason, now: Instant) {
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
        self.turn.repairs.retain(|r| r.subscriber != key);
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
    pub(super) fn say_goodbye(&mut self, session: &mut Session, now: Instant) {
        let (mut turn, now_us, epoch_us) = (Turn::default(), self.micros(now), self.epoch_us);
        let (net, metrics) = (&mut self.net, &self.metrics);
        let mut with = Drive { net, turn: &mut turn, metrics, now, now_us, epoch_us };
        let _ = catch_unwind(AssertUnwindSafe(|| {
            let _ = session.rtc.close();
            drive::drain(u32::MAX, session, &mut with)
        }));
    }

    #[expect(clippy::disallowed_methods, reason = "the last reading of the shard's clock")]
    pub(super) fn goodbye(&mut self) {
        let now = Instant::now();
        let keys: Vec<u32> = self.sessions.iter().map(|(key, _)| key as u32).collect();
        for key in keys {
            self.close(key, ClosedReason::Asked, now);
        }
        self.net.flush(&self.metrics);
        self.outbox.flush();
    }
}
