//! What driving left to do: packets to subscribers, sound first; repairs; keyframe requests; pulses.

use super::{
    Shard,
    drive::{self, Drive, Lacking, Turn, Want},
    nanos, receive, reports,
    session::Session,
    track::{Forward, OutTrack, Refused},
};
use crate::metrics::{Drop, ShardMetrics, Stage};
use sfu_core::{
    history::History,
    limits::RESEND_AFTER_US,
    port::ClosedReason,
    pulse::{PULSE, QUIET, Sign},
    rebase::Position,
    rtp::Outgoing,
    sdp::{Sink, Source},
    vp8::{self, Rewrite},
};
use std::time::Instant;

/// Padding in one probe packet, the most that its last byte can say (RFC 3550 §5.1).
const PADDING: usize = 255;

/// Probe packets sent at a time.
const PROBES_AT_ONCE: usize = 64;

impl Shard {
    /// Carries out what driving left to do, then sends. `arrived` is when the packets were read.
    #[expect(clippy::disallowed_methods, reason = "how long forwarding took")]
    pub(super) fn settle(&mut self, arrived: Instant, now: Instant) {
        let mut forwarded = 0;
        loop {
            let turn = &self.turn;
            let nothing = turn.sounds.is_empty() && turn.pictures.is_empty() && turn.repairs.is_empty();
            let nobody = turn.too_fast.is_empty() && turn.connected.is_empty() && turn.closing.is_empty();
            if nothing && nobody && turn.wants.is_empty() {
                break;
            }
            forwarded += self.forward_waiting(now);
            let mut repairs = std::mem::take(&mut self.turn.repairs);
            for lacking in repairs.drain(..) {
                self.repair(lacking, now);
            }
            // Nothing was added meanwhile: repairing asks for nothing.
            self.turn.repairs = repairs;
            for want in std::mem::take(&mut self.turn.wants) {
                self.want(want, now);
            }
            let mut too_fast = std::mem::take(&mut self.turn.too_fast);
            for publisher in too_fast.drain(..) {
                self.steer(publisher, now);
            }
            self.turn.too_fast = too_fast;
            for key in std::mem::take(&mut self.turn.connected) {
                self.connected(key, now);
            }
            for (key, reason) in std::mem::take(&mut self.turn.closing) {
                self.close(key, reason, now);
            }
        }
        let mut shown = std::mem::take(&mut self.turn.shown);
        for session in shown.drain(..).filter_map(|key| self.sessions.get(key as usize)) {
            // For traces only: what has no room is not recorded.
            let _ = self.shown.as_ref().map(|to| to.try_send(session.id));
        }
        self.turn.shown = shown;
        self.net.flush(&self.metrics);
        if forwarded > 0 {
            let took = Instant::now().saturating_duration_since(arrived);
            self.metrics.forward_time.observe(nanos(took), forwarded);
        }
    }

    /// Forwards what came in. Sound first: a picture's burst must not delay a word.
    pub(super) fn forward_waiting(&mut self, now: Instant) -> u64 {
        self.forward_all(|turn| &mut turn.sounds, now) + self.forward_all(|turn| &mut turn.pictures, now)
    }

    fn forward_all(&mut self, of: fn(&mut Turn) -> &mut Vec<Forward>, now: Instant) -> u64 {
        let mut batch = std::mem::take(&mut self.scratch.forwards);
        std::mem::swap(of(&mut self.turn), &mut batch);
        let mut written = 0;
        for packet in batch.drain(..) {
            written += self.forward(&packet, now);
        }
        self.scratch.forwards = batch;
        written
    }

    fn forward(&mut self, packet: &Forward, now: Instant) -> u64 {
        let source = packet.source as usize;
        let Some(publisher) = self.sessions.get_mut(packet.publisher as usize) else { return 0 };
        let subscribers = std::mem::take(&mut publisher.subscribers[source]);
        let mut written = 0;
        for subscription in &subscribers {
            let (from, to) = (packet.publisher, subscription.session);
            self.drive_pair(from, packet.ssrc, to, now, |history, session, with| {
                written += u64::from(write(to, session, subscription.sink, packet, history, with));
            });
        }
        if let Some(publisher) = self.sessions.get_mut(packet.publisher as usize) {
            publisher.subscribers[source] = subscribers;
        }
        written
    }

    /// Sends again what a subscriber lacks, if it is still there and was not sent a moment ago.
    fn repair(&mut self, lacking: Lacking, now: Instant) {
        let now_us = self.micros(now);
        let Some(session) = self.sessions.get_mut(lacking.subscriber as usize) else { return };
        let rtt_us = session.egress.rtt_us().unwrap_or(0);
        let Some(track) = session.tracks.get_mut(lacking.track as usize) else { return };
        let repairable = track.repairs.is_some();
        let Some(logged) = track.logged(lacking.number).filter(|logged| repairable && !logged.waits) else {
            return;
        };
        let soon = logged.repaired_us.saturating_add(RESEND_AFTER_US.max(rtt_us / 2));
        if soon > now_us {
            return;
        }
        logged.repaired_us = now_us;
        self.send_logged(lacking, true, now);
    }

    /// Sends pictures whose turn it is.
    pub(super) fn release(&mut self, key: u32, now: Instant) {
        let now_us = self.micros(now);
        while let Some(session) = self.sessions.get_mut(key as usize) {
            if session.egress.overdue(now_us) {
                return give_up(session, &self.metrics);
            }
            let Some(waiting) = session.egress.release(now_us) else { return };
            let track = session.tracks.get_mut(waiting.track as usize);
            let logged = track.and_then(|track| track.logged(waiting.number));
            // Once and no more: a number that was sent must not be sealed again.
            if logged.is_some_and(|logged| std::mem::take(&mut logged.waits)) {
                let packet = Lacking { subscriber: key, track: waiting.track, number: waiting.number };
                self.send_logged(packet, false, now);
            }
        }
    }

    /// Sends a packet that is written down in its track, for the first time or as a repair.
    fn send_logged(&mut self, packet: Lacking, repair: bool, now: Instant) {
        let Lacking { subscriber, track: n, number } = packet;
        let Some(session) = self.sessions.get_mut(subscriber as usize) else { return };
        let logged = session.tracks.get_mut(n as usize).and_then(|track| track.logged(number).copied());
        let Some(logged) = logged else { return };
        self.drive_pair(logged.publisher, logged.ssrc, subscriber, now, |history, session, with| {
            let Some((about, payload)) = history.get(logged.seq) else { return };
            if repair && !session.egress.spend_on_repair(payload.len()) {
                return;
            }
            let content = Content { payload, marker: about.marker, audio_level: None, ids: logged.ids };
            let as_what = if repair { As::Repair } else { As::Media };
            if send(subscriber, session, n as usize, logged.at, &content, as_what, with) && repair {
                with.metrics.rtx_out.inc();
            }
        });
    }

    pub(super) fn want(&mut self, want: Want, now: Instant) {
        self.with_session(want.publisher, now, |session, with| {
            for stream in &mut session.incoming {
                let this = stream.source == want.source && want.ssrc.is_none_or(|ssrc| ssrc == stream.ssrc);
                if this && stream.source != Source::Microphone {
                    stream.keyframe.want(now);
                }
            }
            receive::ask_for_keyframes(want.publisher, session, with);
            Ok(())
        });
    }
}

/// Writes a packet into a subscriber's track; whether it was written.
fn write(
    key: u32,
    session: &mut Session,
    sink: Sink,
    packet: &Forward,
    history: &History,
    with: &mut Drive<'_>,
) -> bool {
    let metrics = with.metrics;
    if session.srtp.is_none() {
        return false;
    }
    let Some(n) = session.tracks.iter().position(|track| track.sink == sink) else { return false };
    let track = &mut session.tracks[n];
    let (at, ids) = match track.take(packet, with.now) {
        Ok(place) => place,
        Err(refused) => {
            match refused {
                Refused::AwaitsKeyframe => {
                    let Forward { publisher, source, ssrc, .. } = *packet;
                    with.turn.wants.push(Want { publisher, source, ssrc: Some(ssrc) });
                    metrics.dropped(Drop::NoKeyframe);
                }
                Refused::OtherLayer => metrics.dropped(Drop::NotForwarded),
                Refused::Padding => metrics.dropped(Drop::Padding),
                Refused::Late => metrics.dropped(Drop::Late),
            }
            return false;
        }
    };
    // A packet that fell out of its history was overtaken by a burst.
    let Some((about, payload)) = history.get(packet.numbers.seq) else {
        metrics.dropped(Drop::Late);
        return false;
    };
    if packet.picture.is_some() && !session.egress.lets_through(with.now_us) {
        if !with.turn.too_fast.contains(&packet.publisher) {
            with.turn.too_fast.push(packet.publisher);
        }
        if !session.egress.hold(n as u32, at.seq as u16, with.now_us) {
            session.tracks[n].forget(at.seq as u16);
            session.tracks[n].begin_again();
            give_up(session, with.metrics);
            return false;
        }
        if let Some(logged) = session.tracks[n].logged(at.seq as u16) {
            logged.waits = true;
        }
    } else {
        let content = Content { payload, marker: about.marker, audio_level: about.audio_level, ids };
        if !send(key, session, n, at, &content, As::Media, with) {
            return false;
        }
    }
    session.pulse.sent_media(with.now);
    session.reports.flowed(with.now_us);
    let traffic = &metrics.forwarded[receive::medium(packet.source) as usize];
    traffic.packets.inc();
    traffic.bytes.add(payload.len() as u64);
    if !session.milestones.sent {
        session.milestones.sent = true;
        metrics.stage(Stage::Sent);
    }
    if !session.milestones.shown_here && packet.picture.is_some() {
        session.milestones.shown_here = true;
        with.turn.shown.push(key);
        if !session.milestones.shown {
            session.milestones.shown = true;
            metrics.stage(Stage::Shown);
        }
    }
    true
}

/// The link is too slow for what waits: the pictures begin again with the next keyframe, which is asked for when the
/// next packet comes.
pub(super) fn give_up(session: &mut Session, metrics: &ShardMetrics) {
    let Session { egress, tracks, .. } = session;
    for waiting in egress.give_up() {
        if let Some(track) = tracks.get_mut(waiting.track as usize) {
            track.forget(waiting.number);
            track.begin_again();
            metrics.dropped(Drop::LinkFull);
        }
    }
}

/// What a packet carries.
struct Content<'a> {
    payload: &'a [u8],
    marker: bool,
    audio_level: Option<u8>,
    ids: Rewrite,
}

/// As what a packet is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum As {
    Media,
    Repair,
    /// Padding alone, of this probe.
    Probe(u32),
}

/// Seals a packet and leaves it for the next flush; whether there was a way to send it.
fn send(
    key: u32,
    session: &mut Session,
    n: usize,
    at: Position,
    content: &Content<'_>,
    as_what: As,
    with: &mut Drive<'_>,
) -> bool {
    let Session { srtp, path, egress, tracks, sent_bytes, .. } = session;
    let (Some(srtp), Some(chosen), Some(track)) = (srtp.as_ref(), path.as_mut(), tracks.get_mut(n)) else {
        return false;
    };
    if !with.net.leads_to(key, chosen) {
        with.metrics.dropped(Drop::NoPath);
        return false;
    }
    if as_what == As::Media && !track.seal(at.seq) {
        with.metrics.dropped(Drop::Repeat);
        return false;
    }
    let Some((ssrc, payload_type, index)) = stream(track, as_what, at) else { return false };
    let ids = &track.wire.ids;
    let bytes = 12 + 8 + content.payload.len() + srtp.tag_len();
    let probe = if let As::Probe(id) = as_what { Some(id) } else { None };
    let out = with.net.begin(with.metrics);
    let start = out.len();
    let header = Outgoing {
        payload_type,
        marker: content.marker,
        seq: index as u16,
        timestamp: at.timestamp,
        ssrc,
        padding: probe.is_some(),
        transport_number: (ids.transport_number != 0).then(|| egress.number(bytes, probe, with.now_us)),
        audio_level: content.audio_level,
    };
    let len = header.write(out, ids);
    if as_what == As::Repair {
        out.extend_from_slice(&(at.seq as u16).to_be_bytes());
    }
    let payload = out.len();
    out.extend_from_slice(content.payload);
    if content.ids != Rewrite::default() {
        vp8::rewrite(&mut out[payload..], content.ids);
    }
    if srtp.seal_rtp(out, start, len, ssrc, index).is_none() {
        with.net.abandon(start);
        return false;
    }
    let bytes = out.len() - start;
    with.net.finish(start, *chosen, with.metrics);
    *sent_bytes += bytes as u64;
    match as_what {
        As::Media => {
            egress.sent(bytes);
            track.sent.0 = track.sent.0.wrapping_add(1);
            track.sent.1 = track.sent.1.wrapping_add(content.payload.len() as u32);
        }
        As::Repair => {}
        As::Probe(_) => egress.probed(bytes),
    }
    true
}

/// Source, payload type and extended number that a packet is sent with.
fn stream(track: &mut OutTrack, as_what: As, at: Position) -> Option<(u32, u8, u64)> {
    if as_what == As::Media {
        return Some((track.wire.ssrc, track.wire.payload_type, at.seq));
    }
    track.next_repair()
}

/// Sends the probe that is due, as padding on the repair stream of a picture that is shown.
pub(super) fn probe(key: u32, session: &mut Session, with: &mut Drive<'_>) {
    let mut padding = [0; PADDING];
    padding[PADDING - 1] = PADDING as u8;
    for _ in 0..PROBES_AT_ONCE {
        let Some(id) = session.egress.poll_probe(with.now_us) else { return };
        let shown = |track: &OutTrack| {
            track.repairs.is_some() && track.wire.ids.transport_number != 0 && track.newest.is_some()
        };
        let place = session.tracks.iter().position(shown);
        let Some((n, timestamp)) = place.and_then(|n| Some((n, session.tracks[n].newest?.0))) else {
            return session.egress.abandon_probe();
        };
        let content =
            Content { payload: &padding, marker: false, audio_level: None, ids: Rewrite::default() };
        if !send(key, session, n, Position { seq: 0, timestamp }, &content, As::Probe(id), with) {
            return session.egress.abandon_probe();
        }
    }
}

/// Gives the client the sign of life that is due.
pub(super) fn pulse(key: u32, session: &mut Session, with: &mut Drive<'_>) -> Result<(), ClosedReason> {
    if !session.pulse_open {
        return Ok(());
    }
    let word = match session.pulse.poll(with.now) {
        None => return Ok(()),
        Some(Sign::Report) => {
            reports::send_sign_of_life(key, session, with);
            return Ok(());
        }
        Some(Sign::Pulse) => &PULSE,
        Some(Sign::Quiet) => &QUIET,
    };
    if let Some(mut channel) = session.pulse_channel.and_then(|id| session.rtc.channel(id))
        && matches!(channel.write(true, word), Ok(true))
    {
        with.metrics.pulses.inc();
    }
    drive::drain(key, session, with)
}
