//! Media in: opened, told apart, kept in its stream's history, and left to forward.

use super::{
    consent,
    drive::{Drive, Lacking, Want},
    gate::Origin,
    incoming::{self, Incoming, Rid, clock_rate},
    reports::{self, ASSUMED_RTT_US},
    rooms::kind,
    session::Session,
    track::Forward,
};
use crate::{
    limits::{REPAIRS_PER_TURN, STREAMS_PER_SESSION},
    metrics::{Drop, Feedback, Media, Stage},
    srtp::Srtp,
};
use sfu_core::{
    history,
    limits::{HISTORY_PICTURES, MAX_FEEDBACK_MESSAGES},
    rebase,
    reception::Window,
    rtcp::{self, Said},
    rtp::{self, Extensions, Header},
    sdp::{Kind, Source},
    twcc, vp8,
};

/// A packet of SRTP or SRTCP from an address that is the session's.
pub(super) fn media(key: u32, session: &mut Session, packet: &[u8], origin: Origin, with: &mut Drive<'_>) {
    session.received_bytes += packet.len() as u64;
    if session.srtp.is_none() {
        return with.metrics.dropped(Drop::Rejected);
    }
    // RFC 5761 §4.
    let control = packet.get(1).is_some_and(|kind| (192..=223).contains(kind));
    let outcome =
        if control { rtcp_in(key, session, packet, with) } else { rtp_in(key, session, packet, with) };
    // Each of these says that the packet opened and had not come before.
    if let Ok(()) | Err(Drop::Padding | Drop::Unseated | Drop::NotSharing | Drop::NotForwarded) = outcome {
        consent::proven(key, session, origin, with);
    }
    if let Err(why) = outcome {
        with.metrics.dropped(why);
    }
}

/// Which of a session's streams a packet belongs to, and whether it repairs it.
enum Place {
    Main(usize),
    Repair(usize),
}

fn place(streams: &[Incoming], ssrc: u32) -> Option<Place> {
    let repairs = |stream: &Incoming| stream.repair.as_ref().is_some_and(|(repair, _)| *repair == ssrc);
    let main = streams.iter().position(|stream| stream.ssrc == ssrc).map(Place::Main);
    main.or_else(|| streams.iter().position(repairs).map(Place::Repair))
}

/// A packet that is in its stream's history.
struct Arrived {
    stream: usize,
    seq: u64,
    timestamp: u32,
}

fn rtp_in(key: u32, session: &mut Session, packet: &[u8], with: &mut Drive<'_>) -> Result<(), Drop> {
    let header = rtp::parse(packet).ok_or(Drop::Malformed)?;
    let extensions = rtp::extensions(packet, &header, &session.ids);
    let place = match place(&session.incoming, header.ssrc) {
        Some(known) => known,
        None => {
            meet(session, packet, &header, &extensions, with)?;
            place(&session.incoming, header.ssrc).ok_or(Drop::Direction)?
        }
    };
    match place {
        Place::Main(stream) => main_in(key, session, stream, packet, &header, &extensions, with),
        Place::Repair(stream) => repair_in(key, session, stream, packet, &header, &extensions, with),
    }
}

/// How long a packet's payload is once it is opened.
fn payload_len(srtp: &Srtp, packet: &[u8], header: &Header) -> Result<usize, Drop> {
    packet.len().checked_sub(header.len + srtp.tag_len()).ok_or(Drop::Malformed)
}

/// Opens a packet that is not for a history yet.
fn open(srtp: &Srtp, packet: &[u8], header: &Header, index: u64, opened: &mut Vec<u8>) -> Result<(), Drop> {
    opened.clear();
    opened.resize(payload_len(srtp, packet, header)?, 0);
    srtp.open_rtp(packet, header.len, header.ssrc, index, opened).ok_or(Drop::Rejected)
}

/// What a history remembers of a packet.
fn about(seq: u64, header: &Header, extensions: &Extensions<'_>, at_us: i64) -> history::Packet {
    let Header { timestamp, marker, .. } = *header;
    history::Packet { seq, timestamp, marker, audio_level: extensions.audio_level, at_us }
}

/// The first packet of a stream: whether it is authentic, and the line it is on may send at all.
fn meet(
    session: &mut Session,
    packet: &[u8],
    header: &Header,
    extensions: &Extensions<'_>,
    with: &mut Drive<'_>,
) -> Result<(), Drop> {
    let (n, repairs) = incoming::identify(&session.senders, header, extensions).ok_or(Drop::Direction)?;
    let sender = &session.senders[n];
    let srtp = session.srtp.as_ref().ok_or(Drop::Rejected)?;
    open(srtp, packet, header, header.seq.into(), &mut with.turn.opened)?;
    if repairs {
        let stream = incoming::repaired(&session.incoming, n, &sender.line, header.ssrc, extensions);
        let stream = stream.ok_or(Drop::Direction)?;
        session.incoming[stream].repair = Some((header.ssrc, Window::default()));
    } else {
        let mut stream = Incoming::new(
            header.ssrc,
            (n, &sender.line.mid),
            sender.source.ok_or(Drop::Direction)?,
            with.now,
        );
        stream.rid = extensions.rid.and_then(Rid::new);
        remember(&mut session.incoming, stream);
    }
    Ok(())
}

/// One more stream; for one too many, the stalest is forgotten.
fn remember(streams: &mut Vec<Incoming>, new: Incoming) {
    if streams.len() >= STREAMS_PER_SESSION {
        let stalest = (0..streams.len()).min_by_key(|n| streams[*n].last);
        stalest.map(|n| streams.swap_remove(n));
    }
    streams.push(new);
}

fn main_in(
    key: u32,
    session: &mut Session,
    n: usize,
    packet: &[u8],
    header: &Header,
    extensions: &Extensions<'_>,
    with: &mut Drive<'_>,
) -> Result<(), Drop> {
    let stream = &mut session.incoming[n];
    let sender = stream.sender.and_then(|n| session.senders.get(n)).ok_or(Drop::Direction)?;
    if sender.source.is_none() || header.payload_type != sender.payload_type {
        return Err(Drop::Direction);
    }
    let seq = stream.seen.guess(header.seq);
    if !stream.seen.is_new(seq) {
        return Err(Drop::Repeat);
    }
    let srtp = session.srtp.as_ref().ok_or(Drop::Rejected)?;
    let len = payload_len(srtp, packet, header)?;
    let about = about(seq, header, extensions, with.now_us);
    let open = |bytes: &mut [u8]| {
        srtp.open_rtp(packet, header.len, header.ssrc, seq, bytes)?;
        Some(rtp::without_padding(bytes, header)?.len())
    };
    stream.history.insert(about, len, open).ok_or(Drop::Rejected)?;
    stream.tally.count(seq, header.timestamp, with.now_us, clock_rate(kind(stream.source)));
    came(session, extensions, with);
    accept(key, session, Arrived { stream: n, seq, timestamp: header.timestamp }, with)
}

/// A repair (RFC 4588): the packet that was lost, behind its number.
fn repair_in(
    key: u32,
    session: &mut Session,
    n: usize,
    packet: &[u8],
    header: &Header,
    extensions: &Extensions<'_>,
    with: &mut Drive<'_>,
) -> Result<(), Drop> {
    let stream = &mut session.incoming[n];
    let srtp = session.srtp.as_ref().ok_or(Drop::Rejected)?;
    let sender = stream.sender.and_then(|n| session.senders.get(n)).ok_or(Drop::Direction)?;
    if sender.source.is_none() {
        return Err(Drop::Direction);
    }
    let (_, seen) = stream.repair.as_mut().ok_or(Drop::Direction)?;
    let index = seen.guess(header.seq);
    if !seen.is_new(index) {
        return Err(Drop::Repeat);
    }
    open(srtp, packet, header, index, &mut with.turn.opened)?;
    seen.saw(index);
    let opened = std::mem::take(&mut with.turn.opened);
    came(session, extensions, with);
    let outcome = repaired_in(key, session, n, &opened, header, extensions, with);
    with.turn.opened = opened;
    outcome
}

fn repaired_in(
    key: u32,
    session: &mut Session,
    n: usize,
    opened: &[u8],
    header: &Header,
    extensions: &Extensions<'_>,
    with: &mut Drive<'_>,
) -> Result<(), Drop> {
    let stream = &mut session.incoming[n];
    let plain = rtp::without_padding(opened, header).ok_or(Drop::Malformed)?;
    // Padding alone probes the link.
    let Some((number, payload)) = plain.split_first_chunk::<2>() else { return Err(Drop::Padding) };
    let seq = stream.seen.guess(u16::from_be_bytes(*number));
    if payload.is_empty() || !stream.seen.is_new(seq) {
        return Err(Drop::Repeat);
    }
    let about = about(seq, header, extensions, with.now_us);
    let copy = |bytes: &mut [u8]| {
        bytes.copy_from_slice(payload);
        Some(payload.len())
    };
    stream.history.insert(about, payload.len(), copy).ok_or(Drop::Malformed)?;
    accept(key, session, Arrived { stream: n, seq, timestamp: header.timestamp }, with)
}

/// Counts an authentic packet for the client's own estimate.
fn came(session: &mut Session, extensions: &Extensions<'_>, with: &Drive<'_>) {
    if let Some(number) = extensions.transport_number {
        session.arrivals.record(number, with.now_us);
        session.reports.arrived(with.now_us);
    }
}

/// A packet that is in its history: what is missing, what it says of the stream, and whom it is for.
fn accept(key: u32, session: &mut Session, packet: Arrived, with: &mut Drive<'_>) -> Result<(), Drop> {
    let rtt_us = session.egress.rtt_us().unwrap_or(ASSUMED_RTT_US);
    let stream = &mut session.incoming[packet.stream];
    let source = stream.source;
    match stream.seen.newest() {
        Some(newest) if packet.seq > newest + 1 && source != Source::Microphone => {
            stream.gaps.passed(newest, packet.seq, with.now_us);
            session.reports.missing(stream.gaps.deadline_us(rtt_us));
        }
        Some(newest) if packet.seq < newest => stream.gaps.came(packet.seq),
        _ => {}
    }
    stream.seen.saw(packet.seq);
    stream.last = with.now;
    session.reports.flowed(with.now_us);
    if !session.milestones.received {
        session.milestones.received = true;
        with.metrics.stage(Stage::Received);
    }
    let payload = stream.history.get(packet.seq).map(|(_, payload)| payload).unwrap_or_default();
    let traffic = &with.metrics.received[medium(source) as usize];
    traffic.packets.inc();
    traffic.bytes.add(payload.len() as u64);
    let picture = match kind(source) {
        Kind::Video if !payload.is_empty() => Some(vp8::parse(payload).ok_or(Drop::Malformed)?),
        _ => None,
    };
    let empty = payload.is_empty();
    if session.room.is_none() {
        return Err(Drop::Unseated);
    }
    if picture.is_some_and(|descriptor| descriptor.keyframe) {
        stream.keyframe.satisfied();
    }
    if session.subscribers[source as usize].is_empty() {
        return Err(if source == Source::Screen { Drop::NotSharing } else { Drop::NotForwarded });
    }
    let rate = clock_rate(kind(source));
    let at_us = session.clock.captured_us(&mut stream.clock, packet.timestamp, rate, with.now_us);
    let numbers = rebase::Incoming { seq: packet.seq, timestamp: packet.timestamp, at_us };
    let forward = Forward { publisher: key, source, ssrc: stream.ssrc, numbers, empty, picture };
    match source {
        Source::Microphone => with.turn.sounds.push(forward),
        Source::Camera | Source::Screen => with.turn.pictures.push(forward),
    }
    Ok(())
}

fn rtcp_in(key: u32, session: &mut Session, packet: &[u8], with: &mut Drive<'_>) -> Result<(), Drop> {
    let mut opened = std::mem::take(&mut with.turn.opened);
    let srtp = session.srtp.as_mut().ok_or(Drop::Rejected)?;
    let authentic = srtp.open_rtcp(packet, &mut opened).is_some();
    if authentic {
        let mut feedback = 0;
        for said in rtcp::read(&opened) {
            feedback += usize::from(matches!(said, Said::Arrived { .. }));
            if feedback <= MAX_FEEDBACK_MESSAGES || !matches!(said, Said::Arrived { .. }) {
                hear(key, session, said, with);
            }
        }
    }
    with.turn.opened = opened;
    if authentic { Ok(()) } else { Err(Drop::Rejected) }
}

fn hear(key: u32, session: &mut Session, said: Said<'_>, with: &mut Drive<'_>) {
    let track =
        |session: &Session, ssrc: u32| session.tracks.iter().position(|track| track.wire.ssrc == ssrc);
    match said {
        Said::Sent { ssrc, ntp, rtp } => {
            let Some(stream) = session.incoming.iter_mut().find(|stream| stream.ssrc == ssrc) else { return };
            session.clock.report(&mut stream.clock, rtcp::ntp_us(ntp), rtp, with.now_us);
            stream.reported = Some(((ntp >> 16) as u32, with.now_us));
        }
        Said::Received { ssrc, fraction, last_report, delay } => {
            if track(session, ssrc).is_some() {
                let now = (rtcp::ntp(with.ntp_us()) >> 16) as u32;
                let rtt_us = rtcp::round_trip_us(now, last_report, delay);
                session.egress.report(f32::from(fraction) / 256.0, rtt_us);
            }
        }
        Said::Missing { ssrc, pairs } => {
            let Some(n) = track(session, ssrc) else { return };
            with.metrics.feedback[Feedback::NackIn as usize].inc();
            let room = REPAIRS_PER_TURN.saturating_sub(with.turn.repairs.len()).min(HISTORY_PICTURES);
            let track = &mut session.tracks[n];
            let known = rtcp::missing(pairs).filter(|number| track.logged(*number).is_some());
            let lacking = known.map(|number| Lacking { subscriber: key, track: n as u32, number });
            with.turn.repairs.extend(lacking.take(room));
        }
        Said::WantsKeyframe { ssrc } => {
            with.metrics.feedback[Feedback::PliIn as usize].inc();
            let Some(track) = track(session, ssrc).map(|n| &session.tracks[n]) else { return };
            let Some((publisher, source)) = track.route else { return };
            with.turn.wants.push(Want { publisher, source, ssrc: track.current.map(|(_, ssrc)| ssrc) });
        }
        Said::Arrived { feedback } => {
            if let Some(feedback) = twcc::read(feedback) {
                session.egress.feedback(&feedback, with.now_us);
            }
        }
    }
}

pub(crate) const fn medium(source: Source) -> Media {
    match source {
        Source::Microphone => Media::Audio,
        Source::Camera => Media::Video,
        Source::Screen => Media::Screen,
    }
}

/// Sends the keyframe requests that are due.
pub(super) fn ask_for_keyframes(key: u32, session: &mut Session, with: &mut Drive<'_>) {
    for n in 0..session.incoming.len() {
        let stream = &mut session.incoming[n];
        if session.subscribers[stream.source as usize].is_empty() {
            stream.keyframe.satisfied();
        } else if stream.keyframe.poll(with.now) {
            let ssrc = stream.ssrc;
            reports::ask_for_keyframe(key, session, ssrc, with);
            with.metrics.feedback[Feedback::PliOut as usize].inc();
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "any instant will do")]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn streams_of_one_session() {
        let start = Instant::now();
        let mut streams = Vec::new();
        for n in 0..STREAMS_PER_SESSION as u32 {
            let heard = start + Duration::from_secs(u64::from(n));
            remember(&mut streams, Incoming::new(n, (0, "0"), Source::Camera, heard));
        }
        assert_eq!(streams.len(), STREAMS_PER_SESSION, "at the limit");
        streams[0].last = start + Duration::from_secs(60);
        remember(&mut streams, Incoming::new(99, (0, "0"), Source::Camera, start));
        assert_eq!(streams.len(), STREAMS_PER_SESSION, "one past it");
        assert!(streams.iter().all(|stream| stream.ssrc != 1), "the one unheard for longest is forgotten");
        assert!(streams.iter().any(|stream| stream.ssrc == 0));
    }
}
