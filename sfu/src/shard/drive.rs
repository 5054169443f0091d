//! Driving one session's engine: after every change, drain it.

use super::{
    net::Net,
    rooms::kind,
    session::{Incoming, Session},
    track::{Forward, clock_rate},
};
use crate::{
    engine::profile,
    limits::STREAMS_PER_SESSION,
    metrics::{Drop, Feedback, Media, Path, Profile, ShardMetrics, Stage},
};
use sfu_core::{
    demux::{self, Class},
    port::ClosedReason,
    rebase,
    sdp::{Kind, Source},
    vp8,
};
use std::time::{Duration, Instant, SystemTime};
use str0m::{
    Event, Input, Output,
    bwe::BweKind,
    media::{KeyframeRequest, Rid, SenderFeedback},
    net::Transmit,
    rtp::{RtpPacket, Vp8Descriptor},
    stats::{MediaEgressStats, MediaIngressStats, PeerStats},
};

/// Outputs of one session taken at a time, so that nobody's keyframe starves another's voice. What is
/// left comes in the next turn.
const OUTPUTS_PER_TURN: usize = 512;

/// What driving sessions leaves to do.
#[derive(Default)]
pub(crate) struct Turn {
    pub(crate) sounds: Vec<Forward>,
    pub(crate) pictures: Vec<Forward>,
    /// Publisher streams (key, source, stream if one in particular) somebody needs a keyframe of.
    pub(crate) wants: Vec<Want>,
    pub(crate) connected: Vec<u32>,
    pub(crate) closing: Vec<(u32, ClosedReason)>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Want {
    pub(crate) publisher: u32,
    pub(crate) source: Source,
    pub(crate) ssrc: Option<str0m::rtp::Ssrc>,
}

/// What driving needs besides the session.
pub(crate) struct Drive<'a> {
    pub(crate) net: &'a mut Net,
    pub(crate) turn: &'a mut Turn,
    pub(crate) metrics: &'a ShardMetrics,
    /// The shard's time zero.
    pub(crate) start: Instant,
    pub(crate) now: Instant,
}

/// Drains the engine: sends what it sends, takes what it received, and feeds it the time whenever it
/// is due at once (its pacer lets one packet go per call).
pub(crate) fn drain(key: u32, session: &mut Session, with: &mut Drive<'_>) -> Result<(), ClosedReason> {
    for _ in 0..OUTPUTS_PER_TURN {
        match session.rtc.poll_output() {
            Ok(Output::Timeout(at)) if at <= with.now => {
                if !session.rtc.is_alive() {
                    return Err(ClosedReason::Peer);
                }
                session.rtc.handle_input(Input::Timeout(with.now)).map_err(|_| ClosedReason::Failed)?;
            }
            Ok(Output::Timeout(at)) => {
                session.engine_due = Some(at);
                return if session.rtc.is_alive() { Ok(()) } else { Err(ClosedReason::Peer) };
            }
            Ok(Output::Transmit(transmit)) => send(session, &transmit, with),
            Ok(Output::Event(event)) => take(key, session, event, with)?,
            Err(_) => return Err(ClosedReason::Failed),
        }
    }
    session.engine_due = Some(with.now);
    Ok(())
}

fn send(session: &mut Session, transmit: &Transmit, with: &mut Drive<'_>) {
    let Some(remote) = with.net.send(transmit, with.metrics) else { return };
    session.remote = Some(remote);
    session.sent_bytes += transmit.contents.len() as u64;
    if is_repair(&transmit.contents, &session.rtx) {
        with.metrics.rtx_out.inc();
    }
}

/// The SSRC of an RTP packet stands in the clear (RFC 3550 §5.1).
fn is_repair(packet: &[u8], rtx: &[str0m::rtp::Ssrc]) -> bool {
    let Some(ssrc) = packet.get(8..12).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes) else {
        return false;
    };
    demux::classify(packet) == Class::Media && rtx.iter().any(|known| **known == ssrc)
}

fn take(key: u32, session: &mut Session, event: Event, with: &mut Drive<'_>) -> Result<(), ClosedReason> {
    match event {
        Event::RtpPacket(packet) => received(key, session, packet, with),
        Event::Connected => connected(key, session, with),
        Event::KeyframeRequest(request) => keyframe_requested(session, request, with),
        Event::SenderFeedback(feedback) => sender_report(session, feedback, with),
        Event::EgressBitrateEstimate(BweKind::Twcc { estimate, .. }) => {
            session.quality.estimate = model::Bitrate::bps(estimate.as_u64());
        }
        Event::ChannelOpen(id, _) if session.pulse_channel.is_none_or(|known| known == id) => {
            session.pulse_channel = Some(id);
            session.pulse_open = true;
            session.pulse.open();
        }
        Event::ChannelClose(id) if session.pulse_channel == Some(id) => session.pulse_open = false,
        Event::PeerStats(stats) => peer_stats(session, &stats),
        Event::MediaEgressStats(stats) => egress(session, &stats, with.metrics),
        Event::MediaIngressStats(stats) => ingress(session, &stats, with.metrics),
        Event::Closed => return Err(ClosedReason::Peer),
        _ => {}
    }
    Ok(())
}

fn connected(key: u32, session: &mut Session, with: &mut Drive<'_>) {
    session.connected = Some(with.now);
    with.metrics.stage(Stage::Connected);
    // The engine derives its keys on this thread just before it says so.
    let profile = profile::take().unwrap_or(Profile::Cm);
    with.metrics.profiles[profile as usize].inc();
    if let Some(remote) = session.remote {
        let path = match (remote.tcp, remote.addr.is_ipv4()) {
            (false, true) => Path::Udp4,
            (false, false) => Path::Udp6,
            (true, true) => Path::Tcp4,
            (true, false) => Path::Tcp6,
        };
        with.metrics.paths[path as usize].inc();
    }
    with.turn.connected.push(key);
}

fn received(key: u32, session: &mut Session, packet: RtpPacket, with: &mut Drive<'_>) {
    let ssrc = packet.header.ssrc;
    if session.incoming(ssrc).is_none() && !admit(session, ssrc, with) {
        with.metrics.dropped(Drop::Direction);
        return;
    }
    if !session.milestones.received {
        session.milestones.received = true;
        with.metrics.stage(Stage::Received);
    }
    let (seated, clock) = (session.room.is_some(), session.clock);
    let Some(incoming) = session.incoming.iter_mut().find(|i| i.ssrc == ssrc) else { return };
    incoming.last = with.now;
    let source = incoming.source;
    let traffic = &with.metrics.received[media(source) as usize];
    traffic.packets.inc();
    traffic.bytes.add(packet.payload.len() as u64);
    if !seated {
        with.metrics.dropped(Drop::Unseated);
        return;
    }
    let picture = match kind(source) {
        Kind::Audio => None,
        Kind::Video if packet.payload.is_empty() => None,
        Kind::Video => match (vp8::parse(&packet.payload), Vp8Descriptor::parse(&packet.payload)) {
            (Some(descriptor), Ok(patchable)) => Some((descriptor, patchable)),
            _ => return with.metrics.dropped(Drop::Malformed),
        },
    };
    if picture.is_some_and(|(descriptor, _)| descriptor.keyframe) {
        incoming.keyframe.satisfied();
    }
    let arrived_us = micros(packet.timestamp.saturating_duration_since(with.start));
    let rtp = packet.header.timestamp;
    let captured_us = clock.captured_us(&incoming.clock, rtp, clock_rate(kind(source)), arrived_us);
    if session.subscribers[source as usize].is_empty() {
        let why = if source == Source::Screen { Drop::NotSharing } else { Drop::NotForwarded };
        with.metrics.dropped(why);
        return;
    }
    let early = Duration::from_micros(u64::try_from(arrived_us - captured_us).unwrap_or(0));
    let forward = Forward {
        publisher: key,
        source,
        ssrc,
        numbers: rebase::Incoming {
            seq: *packet.seq_no,
            timestamp: packet.header.timestamp,
            at_us: captured_us,
        },
        marker: packet.header.marker,
        audio_level: packet.header.ext_vals.audio_level,
        voice_activity: packet.header.ext_vals.voice_activity,
        payload: packet.payload,
        captured: packet.timestamp.checked_sub(early).unwrap_or(packet.timestamp),
        picture,
    };
    match source {
        Source::Microphone => with.turn.sounds.push(forward),
        Source::Camera | Source::Screen => with.turn.pictures.push(forward),
    }
}

/// The first packet of a stream: whether the line it is on may send at all.
fn admit(session: &mut Session, ssrc: str0m::rtp::Ssrc, with: &Drive<'_>) -> bool {
    let Some(mid) = session.rtc.direct_api().stream_rx(&ssrc).map(|stream| stream.mid()) else {
        return false;
    };
    let Some(source) = session.mids.iter().find(|(m, _)| *m == mid).and_then(|(_, source)| *source) else {
        return false;
    };
    remember(&mut session.incoming, Incoming::new(ssrc, source, with.now));
    true
}

/// One more stream; for one too many, the stalest is forgotten.
fn remember(streams: &mut Vec<Incoming>, new: Incoming) {
    if streams.len() >= STREAMS_PER_SESSION {
        let stalest = (0..streams.len()).min_by_key(|n| streams[*n].last);
        stalest.map(|n| streams.swap_remove(n));
    }
    streams.push(new);
}

fn keyframe_requested(session: &Session, request: KeyframeRequest, with: &mut Drive<'_>) {
    with.metrics.feedback[Feedback::PliIn as usize].inc();
    let Some(track) = session.tracks.iter().find(|track| track.mid == request.mid) else { return };
    let Some((publisher, source)) = track.route else { return };
    with.turn.wants.push(Want { publisher, source, ssrc: track.current.map(|(_, ssrc)| ssrc) });
}

fn sender_report(session: &mut Session, feedback: SenderFeedback, with: &Drive<'_>) {
    let info = feedback.sender_info;
    let Ok(theirs) = info.ntp_time.duration_since(SystemTime::UNIX_EPOCH) else { return };
    let arrived = micros(feedback.received_at.saturating_duration_since(with.start));
    let Some(incoming) = session.incoming.iter_mut().find(|i| i.ssrc == info.ssrc) else { return };
    session.clock.report(&mut incoming.clock, micros(theirs), info.rtp_time.numer() as u32, arrived);
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

pub(crate) const fn media(source: Source) -> Media {
    match source {
        Source::Microphone => Media::Audio,
        Source::Camera => Media::Video,
        Source::Screen => Media::Screen,
    }
}

fn peer_stats(session: &mut Session, stats: &PeerStats) {
    session.quality.loss = stats.egress_loss_fraction.unwrap_or(0.0);
    session.quality.rtt_ms = stats.rtt.and_then(|rtt| u32::try_from(rtt.as_millis()).ok());
}

fn egress(session: &mut Session, stats: &MediaEgressStats, metrics: &ShardMetrics) {
    let known = session.figures.egress.iter_mut().find(|(mid, ..)| *mid == stats.mid);
    let before = known.as_ref().map_or((0, 0), |(_, nacks, plis)| (*nacks, *plis));
    metrics.feedback[Feedback::NackIn as usize].add(stats.nacks.saturating_sub(before.0));
    match known {
        Some(known) => (known.1, known.2) = (stats.nacks, stats.plis),
        None => session.figures.egress.push((stats.mid, stats.nacks, stats.plis)),
    }
}

fn ingress(session: &mut Session, stats: &MediaIngressStats, metrics: &ShardMetrics) {
    let this = |mid: &str0m::media::Mid, rid: &Option<Rid>| *mid == stats.mid && *rid == stats.rid;
    let known = session.figures.ingress.iter_mut().find(|(mid, rid, ..)| this(mid, rid));
    let before = known.as_ref().map_or(0, |(.., nacks, _)| *nacks);
    metrics.feedback[Feedback::NackOut as usize].add(stats.nacks.saturating_sub(before));
    match known {
        Some(known) => (known.2, known.3) = (stats.nacks, stats.plis),
        None => session.figures.ingress.push((stats.mid, stats.rid, stats.nacks, stats.plis)),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do")]
mod tests {
    use super::*;

    #[test]
    fn streams_of_one_session() {
        let start = Instant::now();
        let mut streams = Vec::new();
        for n in 0..STREAMS_PER_SESSION as u32 {
            let heard = start + Duration::from_secs(u64::from(n));
            remember(&mut streams, Incoming::new(n.into(), Source::Camera, heard));
        }
        assert_eq!(streams.len(), STREAMS_PER_SESSION, "at the limit");
        streams[0].last = start + Duration::from_secs(60);
        remember(&mut streams, Incoming::new(99.into(), Source::Camera, start));
        assert_eq!(streams.len(), STREAMS_PER_SESSION, "one past it");
        assert!(streams.iter().all(|stream| *stream.ssrc != 1), "the one unheard for longest is forgotten");
        assert!(streams.iter().any(|stream| *stream.ssrc == 0));
    }
}
