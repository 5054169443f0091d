//! One PeerConnection on a shard: its state machine, what comes in, what goes out.

use super::{net::Remote, rooms::RoomKey, track::OutTrack};
use crate::engine::Prepared;
use model::{ParticipantId, TenantId};
use sfu_core::{
    clock::{PublisherClock, StreamClock},
    keyframe::Throttle,
    port::{Direction, Quality, SessionId},
    pulse::Pulse,
    sdp::{Kind, Line, Sink, Source},
    slots::Slots,
};
use std::time::{Duration, Instant};
use str0m::{
    Rtc,
    bwe::Bitrate,
    channel::ChannelId,
    format::Codec,
    media::{Mid, Pt},
    rtp::Ssrc,
};

/// How often link figures are told.
const QUALITY_EVERY: Duration = Duration::from_secs(1);

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

/// One encoded stream that comes in.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) ssrc: Ssrc,
    pub(crate) source: Source,
    pub(crate) clock: StreamClock,
    pub(crate) keyframe: Throttle,
    pub(crate) last: Instant,
}

impl Incoming {
    pub(crate) fn new(ssrc: Ssrc, source: Source, now: Instant) -> Self {
        Self { ssrc, source, clock: StreamClock::default(), keyframe: Throttle::default(), last: now }
    }
}

pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) identity: Identity,
    pub(crate) rtc: Box<Rtc>,
    pub(crate) ufrag: String,
    pub(crate) lines: Vec<Line>,
    pub(crate) mids: Vec<(Mid, Option<Source>)>,
    /// When ICE and DTLS were up.
    pub(crate) connected: Option<Instant>,
    pub(crate) created: Instant,
    /// The last authenticated STUN check.
    pub(crate) checked: Option<Instant>,
    pub(crate) room: Option<RoomKey>,
    pub(crate) incoming: Vec<Incoming>,
    pub(crate) clock: PublisherClock,
    /// Who receives microphone, camera and screen.
    pub(crate) subscribers: [Vec<Subscription>; 3],
    pub(crate) slots: Slots,
    pub(crate) tracks: Vec<OutTrack>,
    pub(crate) told_slots: bool,
    pub(crate) shown_screen: Option<ParticipantId>,
    pub(crate) pulse_channel: Option<ChannelId>,
    pub(crate) pulse_open: bool,
    pub(crate) pulse: Pulse,
    /// Where the engine sends: the last remote it used.
    pub(crate) remote: Option<Remote>,
    pub(crate) engine_due: Option<Instant>,
    pub(crate) quality: Quality,
    pub(crate) quality_due: Instant,
    pub(crate) sent_bytes: u64,
    pub(crate) received_bytes: u64,
    /// What the estimator keeps going and what it probes for.
    pub(crate) least: Bitrate,
    pub(crate) most: Bitrate,
    /// The repair streams towards the client.
    pub(crate) rtx: Vec<Ssrc>,
    pub(crate) figures: Figures,
    pub(crate) milestones: Milestones,
}

/// Cumulative counts that the engine reports per line, to turn into differences.
#[derive(Default)]
pub(crate) struct Figures {
    pub(crate) egress: Vec<(Mid, u64, u64)>,
    pub(crate) ingress: Vec<(Mid, Option<str0m::media::Rid>, u64, u64)>,
}

/// What a session did for the first time.
#[derive(Default)]
pub(crate) struct Milestones {
    pub(crate) received: bool,
    pub(crate) sent: bool,
    pub(crate) shown: bool,
}

impl Session {
    pub(crate) fn new(
        id: SessionId,
        identity: Identity,
        prepared: Prepared,
        seed: u16,
        now: Instant,
    ) -> Self {
        let mut session = Self {
            id,
            identity,
            rtc: prepared.rtc,
            ufrag: prepared.credentials.ufrag,
            lines: Vec::new(),
            mids: Vec::new(),
            connected: None,
            created: now,
            checked: None,
            room: None,
            incoming: Vec::new(),
            clock: PublisherClock::default(),
            subscribers: Default::default(),
            slots: Slots::new(prepared.slots),
            tracks: Vec::new(),
            told_slots: false,
            shown_screen: None,
            pulse_channel: prepared.pulse,
            pulse_open: false,
            pulse: Pulse::new(now),
            remote: None,
            engine_due: Some(now),
            quality: Quality::default(),
            quality_due: now + QUALITY_EVERY,
            sent_bytes: 0,
            received_bytes: 0,
            least: Bitrate::ZERO,
            most: Bitrate::ZERO,
            rtx: Vec::new(),
            figures: Figures::default(),
            milestones: Milestones::default(),
        };
        session.set_lines(prepared.lines, seed);
        session
    }

    /// Takes the lines of an accepted offer. Tracks that were there go on as they are, so that an ICE
    /// restart does not disturb a picture.
    pub(crate) fn set_lines(&mut self, lines: Vec<Line>, seed: u16) {
        let publishes = self.identity.role.publishes();
        let subscribes = self.identity.role.subscribes();
        self.mids = lines
            .iter()
            .map(|line| (Mid::from(line.mid.as_str()), line.source.filter(|_| publishes)))
            .collect();
        let mut tracks = std::mem::take(&mut self.tracks);
        self.rtx.clear();
        for line in lines.iter().filter(|_| subscribes) {
            let Some(sink) = line.sink else { continue };
            let mid = Mid::from(line.mid.as_str());
            let Some(pt) = self.payload_type(mid, line.kind) else { continue };
            let streams =
                self.rtc.direct_api().stream_tx_by_mid(mid, None).map(|stream| (stream.ssrc(), stream.rtx()));
            let Some((ssrc, rtx)) = streams else { continue };
            self.rtx.extend(rtx);
            let track = match tracks.iter().position(|t| t.mid == mid && t.sink == sink && t.ssrc == ssrc) {
                Some(known) => tracks.swap_remove(known).with_payload_type(pt),
                None => {
                    OutTrack::new(mid, ssrc, pt, sink, line.kind, seed.wrapping_add(self.tracks.len() as u16))
                }
            };
            self.tracks.push(track);
        }
        let count = sfu_core::sdp::Offer { sdp: String::new(), lines: lines.clone(), data: false }.slots();
        if count != self.slots.as_slice().len() {
            self.slots = Slots::new(count);
        }
        self.lines = lines;
    }

    /// The number this client gave the codec of a line.
    fn payload_type(&self, mid: Mid, kind: Kind) -> Option<Pt> {
        let codec = match kind {
            Kind::Audio => Codec::Opus,
            Kind::Video => Codec::Vp8,
        };
        let media = self.rtc.media(mid)?;
        let params = self.rtc.codec_config().params();
        params
            .iter()
            .find(|p| p.spec().codec == codec && media.remote_pts().contains(&p.pt()))
            .map(|p| p.pt())
    }

    /// When something is due that is not a packet.
    pub(crate) fn next_due(&self, consent: Duration, connect: Duration) -> Instant {
        let mut due = match self.connected {
            None => self.created + connect,
            Some(since) => self.checked.unwrap_or(since) + consent,
        };
        due = due.min(self.quality_due);
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

    /// Whether the time to connect, or the peer's consent, is over.
    pub(crate) fn expired(&self, now: Instant, consent: Duration, connect: Duration) -> bool {
        match self.connected {
            None => self.created + connect <= now,
            Some(since) => self.checked.unwrap_or(since) + consent <= now,
        }
    }

    /// Link figures, once a second.
    pub(crate) fn poll_quality(&mut self, now: Instant) -> Option<Quality> {
        if self.quality_due > now {
            return None;
        }
        let over = now.saturating_duration_since(self.quality_due) + QUALITY_EVERY;
        let rate =
            |bytes: u64| model::Bitrate::bps(bytes.saturating_mul(8_000) / (over.as_millis() as u64).max(1));
        self.quality.sent = rate(std::mem::take(&mut self.sent_bytes));
        self.quality.received = rate(std::mem::take(&mut self.received_bytes));
        self.quality_due = now + QUALITY_EVERY;
        Some(self.quality)
    }

    pub(crate) fn incoming(&mut self, ssrc: Ssrc) -> Option<&mut Incoming> {
        self.incoming.iter_mut().find(|incoming| incoming.ssrc == ssrc)
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("id", &self.id).finish_non_exhaustive()
    }
}
