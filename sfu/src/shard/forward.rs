//! What driving left to do: packets to subscribers, sound first; keyframe requests; pulses.

use super::{
    Shard,
    drive::{self, Drive, Turn, Want},
    nanos,
    session::Session,
    track::{Forward, Refused},
};
use crate::metrics::{Drop, Feedback, Stage};
use sfu_core::{
    port::ClosedReason,
    pulse::PULSE,
    sdp::{Sink, Source},
};
use std::time::Instant;
use str0m::media::KeyframeRequestKind;

impl Shard {
    /// Carries out what driving left to do, then sends. `arrived` is when the packets were read.
    #[expect(clippy::disallowed_methods, reason = "how long forwarding took")]
    pub(super) fn settle(&mut self, arrived: Instant, now: Instant) {
        let mut forwarded = 0;
        loop {
            let turn = &self.turn;
            let idle = turn.sounds.is_empty() && turn.pictures.is_empty() && turn.wants.is_empty();
            if idle && turn.connected.is_empty() && turn.closing.is_empty() {
                break;
            }
            // Sound first: a picture's burst must not delay a word.
            forwarded += self.forward_all(|turn| &mut turn.sounds, now);
            forwarded += self.forward_all(|turn| &mut turn.pictures, now);
            for want in std::mem::take(&mut self.turn.wants) {
                self.want(want, now);
            }
            for key in std::mem::take(&mut self.turn.connected) {
                self.connected(key, now);
            }
            for (key, reason) in std::mem::take(&mut self.turn.closing) {
                self.close(key, reason, now);
            }
        }
        self.net.flush(&self.metrics);
        if forwarded > 0 {
            let took = Instant::now().saturating_duration_since(arrived);
            self.metrics.forward_time.observe(nanos(took), forwarded);
        }
    }

    pub(super) fn forward_all(&mut self, of: fn(&mut Turn) -> &mut Vec<Forward>, now: Instant) -> u64 {
        let mut batch = std::mem::take(&mut self.scratch.forwards);
        std::mem::swap(of(&mut self.turn), &mut batch);
        let mut written = 0;
        for packet in batch.drain(..) {
            written += self.forward(&packet, now);
        }
        self.scratch.forwards = batch;
        written
    }

    pub(super) fn forward(&mut self, packet: &Forward, now: Instant) -> u64 {
        let source = packet.source as usize;
        let Some(publisher) = self.sessions.get_mut(packet.publisher as usize) else { return 0 };
        let subscribers = std::mem::take(&mut publisher.subscribers[source]);
        let mut written = 0;
        for subscription in &subscribers {
            self.drive(subscription.session, now, |session, with| {
                written += u64::from(write(session, subscription.sink, packet, with));
                Ok(())
            });
        }
        if let Some(publisher) = self.sessions.get_mut(packet.publisher as usize) {
            publisher.subscribers[source] = subscribers;
        }
        written
    }

    pub(super) fn want(&mut self, want: Want, now: Instant) {
        self.drive(want.publisher, now, |session, with| {
            for incoming in &mut session.incoming {
                let this =
                    incoming.source == want.source && want.ssrc.is_none_or(|ssrc| ssrc == incoming.ssrc);
                if this && incoming.source != Source::Microphone {
                    incoming.keyframe.want(now);
                }
            }
            ask_for_keyframes(want.publisher, session, with)
        });
    }
}

/// Writes a packet into a subscriber's track; whether it was written.
fn write(session: &mut Session, sink: Sink, packet: &Forward, with: &mut Drive<'_>) -> bool {
    let metrics = with.metrics;
    if session.connected.is_none() {
        return false;
    }
    let Some(track) = session.tracks.iter_mut().find(|track| track.sink == sink) else { return false };
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
    let mut api = session.rtc.direct_api();
    let Some(stream) = api.stream_tx(&track.ssrc) else { return false };
    track.write(stream, packet, at, ids);
    session.pulse.sent_media(with.now);
    let traffic = &metrics.forwarded[drive::media(packet.source) as usize];
    traffic.packets.inc();
    traffic.bytes.add(packet.payload.len() as u64);
    if !session.milestones.sent {
        session.milestones.sent = true;
        metrics.stage(Stage::Sent);
    }
    if !session.milestones.shown && packet.picture.is_some() {
        session.milestones.shown = true;
        metrics.stage(Stage::Shown);
    }
    true
}

/// Sends the keyframe requests that are due.
pub(super) fn ask_for_keyframes(
    key: u32,
    session: &mut Session,
    with: &mut Drive<'_>,
) -> Result<(), ClosedReason> {
    for n in 0..session.incoming.len() {
        let incoming = &mut session.incoming[n];
        if session.subscribers[incoming.source as usize].is_empty() {
            incoming.keyframe.satisfied();
            continue;
        }
        if !incoming.keyframe.poll(with.now) {
            continue;
        }
        let ssrc = incoming.ssrc;
        if let Some(stream) = session.rtc.direct_api().stream_rx(&ssrc) {
            stream.request_keyframe(KeyframeRequestKind::Pli);
            with.metrics.feedback[Feedback::PliOut as usize].inc();
        }
        drive::drain(key, session, with)?;
    }
    Ok(())
}

pub(super) fn pulse(key: u32, session: &mut Session, with: &mut Drive<'_>) -> Result<(), ClosedReason> {
    if !session.pulse_open || !session.pulse.poll(with.now) {
        return Ok(());
    }
    if let Some(mut channel) = session.pulse_channel.and_then(|id| session.rtc.channel(id))
        && matches!(channel.write(true, &PULSE), Ok(true))
    {
        with.metrics.pulses.inc();
    }
    drive::drain(key, session, with)
}
