//! Driving one session's engine, which does ICE, DTLS and the data channel: after every change, drain it.

use super::{net::Net, session::Session, track::Forward};
use crate::{
    metrics::{Path, ShardMetrics, Stage},
    srtp::Srtp,
};
use sfu_core::{
    demux::{self, Class},
    port::ClosedReason,
    sdp::Source,
};
use std::time::{Duration, Instant};
use str0m::{Event, Input, Output, net::Transmit};

/// Outputs of one session taken at a time, so that nobody starves another. What is left comes in the next turn.
const OUTPUTS_PER_TURN: usize = 512;

/// An engine that asks to be called after so long has nothing to do: it asks for three seconds at most.
const ENGINE_IDLE: Duration = Duration::from_millis(2_900);

/// How long it is left alone then. Whatever happens to its session ends that.
const ENGINE_RESTS: Duration = Duration::from_secs(13);

/// What driving sessions leaves to do, and memory that is reused.
#[derive(Default)]
pub(crate) struct Turn {
    pub(crate) sounds: Vec<Forward>,
    pub(crate) pictures: Vec<Forward>,
    /// Publisher streams (key, source, stream if one in particular) somebody needs a keyframe of.
    pub(crate) wants: Vec<Want>,
    /// Packets that somebody lacks.
    pub(crate) repairs: Vec<Lacking>,
    /// Publishers whose pictures wait for a link.
    pub(crate) too_fast: Vec<u32>,
    /// Subscribers that were shown their first picture where they are seated.
    pub(crate) shown: Vec<u32>,
    pub(crate) connected: Vec<u32>,
    pub(crate) closing: Vec<(u32, ClosedReason)>,
    /// A packet as it was opened.
    pub(crate) opened: Vec<u8>,
    /// A report as it is written.
    pub(crate) compound: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Want {
    pub(crate) publisher: u32,
    pub(crate) source: Source,
    pub(crate) ssrc: Option<u32>,
}

/// A packet of a track that the subscriber lacks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lacking {
    pub(crate) subscriber: u32,
    pub(crate) track: u32,
    pub(crate) number: u16,
}

/// What driving needs besides the session.
pub(crate) struct Drive<'a> {
    pub(crate) net: &'a mut Net,
    pub(crate) turn: &'a mut Turn,
    pub(crate) metrics: &'a ShardMetrics,
    pub(crate) now: Instant,
    /// The same, in microseconds since the shard began.
    pub(crate) now_us: i64,
    /// When the shard began, in microseconds since 1900.
    pub(crate) epoch_us: i64,
}

impl Drive<'_> {
    /// Microseconds since 1900. It follows the clock that never jumps.
    pub(crate) const fn ntp_us(&self) -> i64 {
        self.epoch_us.saturating_add(self.now_us)
    }
}

/// Drains the engine: sends what it sends, takes what it tells, and feeds it the time while it is due at once.
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
                let idle = session.connected.is_some() && at >= with.now + ENGINE_IDLE;
                session.engine_due = Some(if idle { with.now + ENGINE_RESTS } else { at });
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
    // The engine has no media to send and no keys to send it with.
    if demux::classify(&transmit.contents) != Class::Media && with.net.send(transmit, with.metrics) {
        session.sent_bytes += transmit.contents.len() as u64;
    }
}

fn take(key: u32, session: &mut Session, event: Event, with: &mut Drive<'_>) -> Result<(), ClosedReason> {
    match event {
        Event::Connected => return connected(key, session, with),
        Event::ChannelOpen(id, _) if session.pulse_channel.is_none_or(|known| known == id) => {
            session.pulse_channel = Some(id);
            session.pulse_open = true;
            session.pulse.open();
        }
        Event::ChannelData(said) if session.pulse_channel == Some(said.id) => session.pulse.heard(&said.data),
        Event::ChannelClose(id) if session.pulse_channel == Some(id) => session.pulse_open = false,
        Event::Closed => return Err(ClosedReason::Peer),
        _ => {}
    }
    Ok(())
}

/// The handshake is over, and the other end is who its offer said.
fn connected(key: u32, session: &mut Session, with: &mut Drive<'_>) -> Result<(), ClosedReason> {
    let keys = session.agreed.get().ok_or(ClosedReason::Failed)?;
    let srtp = Srtp::new(keys.profile, &keys.material, keys.client).ok_or(ClosedReason::Failed)?;
    session.srtp = Some(srtp);
    session.connected = Some(with.now);
    with.metrics.stage(Stage::Connected);
    with.metrics.profiles[keys.profile as usize].inc();
    if let Some(chosen) = session.path {
        let path = match (chosen.remote.tcp, chosen.remote.addr.is_ipv4()) {
            (false, true) => Path::Udp4,
            (false, false) => Path::Udp6,
            (true, true) => Path::Tcp4,
            (true, false) => Path::Tcp6,
        };
        with.metrics.paths[path as usize].inc();
    }
    with.turn.connected.push(key);
    Ok(())
}
