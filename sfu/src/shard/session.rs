//! One PeerConnection on a shard: its state machine, what comes in, what goes out.

use super::{
    egress::Egress,
    incoming::{Incoming, Sender},
    net::Chosen,
    numbers::Numbers,
    reports::Reports,
    rooms::RoomKey,
    track::{OutTrack, Repairs, Wire},
};
use crate::{
    engine::{Agreement, Prepared, Streams, keys::Agreed},
    srtp::Srtp,
};
use model::{ParticipantId, TenantId};
use sfu_core::{
    clock::PublisherClock,
    port::{Direction, Quality, SessionId},
    pulse::Pulse,
    rtp::Ids,
    sdp::Sink,
    slots::Slots,
    steer::Steer,
    twcc::Arrivals,
};
use std::time::{Duration, Instant};
use str0m::{Rtc, channel::ChannelId};

/// Whose session it is and what for: a newer one with the same identity replaces an older one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Identity {
    pub(crate) tenant: TenantId,
    pub(crate) participant: ParticipantId,
    pub(crate) role: Role,
}

/// [`Direction`] as part of a key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Role {
    Both,
    Publish,
    Subscribe(ParticipantId),
}

impl Role {
    pub(crate) const fn of(direction: Direction) -> Self {
        match direction {
            Direction::Both => Self::Both,
            Direction::Publish => Self::Publish,
            Direction::Subscribe { to } => Self::Subscribe(to),
        }
    }
    pub(crate) const fn direction(self) -> Direction {
        match self {
            Self::Both => Direction::Both,
            Self::Publish => Direction::Publish,
            Self::Subscribe(to) => Direction::Subscribe { to },
        }
    }
    pub(crate) const fn publishes(self) -> bool {
        matches!(self, Self::Both | Self::Publish)
    }
    pub(crate) const fn subscribes(self) -> bool {
        matches!(self, Self::Both | Self::Subscribe(_))
    }
}

/// A subscriber's track that a publisher's source feeds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Subscription {
    pub(crate) session: u32,
    pub(crate) sink: Sink,
}

pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) identity: Identity,
    pub(crate) rtc: Box<Rtc>,
    pub(crate) ufrag: String,
    pub(crate) numbers: Numbers,
    /// Where the handshake leaves the keys, and what was made of them.
    pub(crate) agreed: Agreed,
    pub(crate) srtp: Option<Srtp>,
    /// The lines on which the client may send, and how it numbers header extensions there.
    pub(crate) senders: Vec<Sender>,
    pub(crate) ids: Ids,
    /// When ICE and DTLS were up.
    pub(crate) connected: Option<Instant>,
    pub(crate) created: Instant,
    /// The last authenticated STUN check.
    pub(crate) checked: Option<Instant>,
    /// The last of them that the engine heard of, with the credentials that it has now.
    pub(crate) engine_checked: Option<Instant>,
    pub(crate) room: Option<RoomKey>,
    pub(crate) incoming: Vec<Incoming>,
    pub(crate) clock: PublisherClock,
    /// Who receives microphone, camera and screen.
    pub(crate) subscribers: [Vec<Subscription>; 3],
    pub(crate) slots: Slots,
    pub(crate) tracks: Vec<OutTrack>,
    /// Tracks whose line is not in use for now.
    resting: Vec<OutTrack>,
    pub(crate) told_slots: bool,
    pub(crate) shown_screen: Option<ParticipantId>,
    pub(crate) pulse_channel: Option<ChannelId>,
    pub(crate) pulse_open: bool,
    pub(crate) pulse: Pulse,
    /// The path that the client chose.
    pub(crate) path: Option<Chosen>,
    /// One that was nominated after it, from where nothing has come yet that only the client can have sent.
    pub(crate) proposed: Option<Chosen>,
    pub(crate) engine_due: Option<Instant>,
    /// [`Session::next_due`], in ticks of the shard.
    pub(crate) due_tick: u64,
    pub(crate) quality: Quality,
    pub(crate) sent_bytes: u64,
    pub(crate) received_bytes: u64,
    /// What the session could use, in bit/s.
    pub(crate) useful_bps: u64,
    pub(crate) egress: Egress,
    /// What came in, for the client's own estimate.
    pub(crate) arrivals: Arrivals,
    pub(crate) reports: Reports,
    /// What it was told to send its pictures with.
    pub(crate) steer: Steer,
    pub(crate) milestones: Milestones,
}

/// What a session did for the first time.
#[derive(Default)]
pub(crate) struct Milestones {
    pub(crate) received: bool,
    pub(crate) sent: bool,
    pub(crate) shown: bool,
    /// The same since it was seated where it is.
    pub(crate) shown_here: bool,
}

impl Session {
    pub(crate) fn new(
        id: SessionId,
        identity: Identity,
        prepared: Prepared,
        seed: u16,
        (initial_bps, max_bps): (u64, u64),
        (now, now_us): (Instant, i64),
    ) -> Self {
        let mut session = Self {
            id,
            identity,
            rtc: prepared.rtc,
            ufrag: prepared.credentials.ufrag,
            numbers: Numbers::default(),
            agreed: prepared.agreed,
            srtp: None,
            senders: Vec::new(),
            ids: Ids::default(),
            connected: None,
            created: now,
            checked: None,
            engine_checked: None,
            room: None,
            incoming: Vec::new(),
            clock: PublisherClock::default(),
            subscribers: Default::default(),
            slots: Slots::new(0),
            tracks: Vec::new(),
            resting: Vec::new(),
            told_slots: false,
            shown_screen: None,
            pulse_channel: prepared.pulse,
            pulse_open: false,
            pulse: Pulse::new(now),
            path: None,
            proposed: None,
            engine_due: Some(now),
            due_tick: 0,
            quality: Quality::default(),
            sent_bytes: 0,
            received_bytes: 0,
            useful_bps: 0,
            egress: Egress::new(initial_bps, max_bps, now_us),
            arrivals: Arrivals::default(),
            reports: Reports::default(),
            steer: Steer::default(),
            milestones: Milestones::default(),
        };
        let mut lines = prepared.lines;
        session.numbers.settle(&mut lines);
        session.set_lines(lines, seed, now_us);
        session
    }

    /// Takes the lines of an accepted offer. Tracks that were there go on as they are, so that an ICE
    /// restart does not disturb a picture.
    pub(crate) fn set_lines(&mut self, lines: Vec<Agreement>, seed: u16, now_us: i64) {
        let publishes = self.identity.role.publishes();
        let subscribes = self.identity.role.subscribes();
        self.senders.clear();
        self.ids = Ids::default();
        // Whoever had a number keeps counting, though a line was away for a while: a key must not meet a number twice.
        let mut tracks = std::mem::take(&mut self.tracks);
        tracks.append(&mut self.resting);
        let slots = sfu_core::sdp::slots(lines.iter().map(|agreed| &agreed.line));
        for Agreement { line, payload_type, repair_type, ids, streams } in lines {
            // One number means one thing on every line of a bundle (RFC 9143 §9.1).
            self.ids.join(&ids);
            let (kind, sink) = (line.kind, line.sink.filter(|_| subscribes));
            if line.source.is_some() || line.sink.is_none() {
                let source = line.source.filter(|_| publishes);
                self.senders.push(Sender { line, source, payload_type, repair_type });
            }
            let Some((sink, Streams { ssrc, repairs })) = sink.zip(streams) else { continue };
            let repairs = repairs.zip(repair_type).map(|(ssrc, payload_type)| Repairs { ssrc, payload_type });
            let wire = Wire { ssrc, payload_type, ids: ids.sendable() };
            self.tracks.push(match tracks.iter().position(|track| track.wire.ssrc == ssrc) {
                Some(known) => tracks.swap_remove(known).renewed(wire, repairs, sink),
                None => {
                    let seed = seed.wrapping_add(self.tracks.len() as u16);
                    OutTrack::new(wire, repairs, sink, kind, seed)
                }
            });
        }
        // A stream whose number is forgotten does not come back.
        tracks.retain(|track| self.numbers.hold(track.wire.ssrc));
        self.resting = tracks.into_iter().map(OutTrack::rest).collect();
        for stream in &mut self.incoming {
            stream.sender = self.senders.iter().position(|sender| sender.line.mid == stream.mid);
            let source = stream.sender.and_then(|n| self.senders[n].source);
            stream.source = source.unwrap_or(stream.source);
        }
        let informed = self.tracks.iter().any(|track| track.wire.ids.transport_number != 0);
        self.egress.set_informed(informed, now_us);
        if slots != self.slots.as_slice().len() {
            self.slots = Slots::new(slots);
        }
    }

    /// The source that our own reports come from.
    pub(crate) fn own_ssrc(&self) -> u32 {
        self.tracks.first().map_or(1, |track| track.wire.ssrc)
    }

    /// When something is due that is not a packet. Media flowing only ever puts off what is looked at here, or makes
    /// [`Session::media_due_us`] earlier; so this is asked for on every other change.
    pub(crate) fn next_due(&self, consent: Duration, connect: Duration) -> Instant {
        let mut due = match self.connected {
            None => self.created + connect,
            Some(since) => self.checked.unwrap_or(since) + consent,
        };
        if let Some(engine) = self.engine_due {
            due = due.min(engine);
        }
        if self.pulse_open {
            due = due.min(self.pulse.deadline());
        }
        for incoming in &self.incoming {
            if let Some(at) = incoming.keyframe.deadline() {
                due = due.min(at);
            }
        }
        due
    }

    /// When pictures that wait, a probe or a report are due, in microseconds.
    pub(crate) fn media_due_us(&self) -> Option<i64> {
        self.egress.deadline_us().into_iter().chain(self.reports.deadline_us()).min()
    }

    /// Whether the time to connect, or the peer's consent, is over.
    pub(crate) fn expired(&self, now: Instant, consent: Duration, connect: Duration) -> bool {
        match self.connected {
            None => self.created + connect <= now,
            Some(since) => self.checked.unwrap_or(since) + consent <= now,
        }
    }

    /// The link's figures of the last so many microseconds.
    pub(crate) fn sample(&mut self, us: i64) -> Quality {
        let us = u64::try_from(us).unwrap_or(0).max(1);
        let rate = |bytes: u64| model::Bitrate::bps(bytes.saturating_mul(8_000_000) / us);
        self.quality.sent = rate(std::mem::take(&mut self.sent_bytes));
        self.quality.received = rate(std::mem::take(&mut self.received_bytes));
        self.quality.estimate = model::Bitrate::bps(self.egress.estimate_bps());
        self.quality.loss = self.egress.loss();
        self.quality.rtt_ms = self.egress.rtt_us().and_then(|us| u32::try_from(us / 1_000).ok());
        self.quality
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("id", &self.id).finish_non_exhaustive()
    }
}
