//! One client, sans-IO: datagrams and time in, datagrams and milestones out.
//!
//! The engine connects and keeps the path alive (STUN, DTLS, the data channel). Media and RTCP are handled
//! here, as a browser would: sender and receiver reports once a second, transport-wide feedback, requests for
//! lost packets, answers to such requests and to requests for keyframes.
//!
//! Contract: after each call send what is in `outbox`, and call [`Session::handle_timeout`] at
//! [`Session::due`].

use super::{
    Counters, Milestones, Options, Sending, Sink, Source, Told, handshake,
    incoming::Incoming,
    lines::{self, Line},
    observed::Observed,
    outgoing::{Outbox, Outgoing, TRANSPORT_CC},
    rtcp::{self, Arrivals, Said},
    rtp,
    srtp::Srtp,
};
use anyhow::{Context as _, Result, anyhow, ensure};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use str0m::{
    Event, Input, Output, Rtc,
    change::SdpAnswer,
    crypto::dtls::SrtpProfile,
    net::{Protocol, Receive},
};

/// How long arrivals are gathered before they are reported, as libwebrtc does at these rates.
const FEEDBACK_EVERY: Duration = Duration::from_millis(50);

const REPORT_EVERY: Duration = Duration::from_secs(1);

/// Streams that are only padding, or not announced: their packets count for feedback only.
const MOST_STRANGERS: usize = 8;

/// What a page says on the data channel: reports are enough while nobody speaks, and one in three seconds will do.
const COUNTS_BYTES: [[u8; 1]; 2] = [[0x02], [0x03]];

/// How far ahead the engine's next wish lies when it has none.
const NEVER: Duration = Duration::from_secs(86_400);

pub(super) struct Session {
    rtc: Rtc,
    srtp: Option<Srtp>,
    local: SocketAddr,
    remote: SocketAddr,
    pub(super) outbox: Outbox,
    noted: Noted,
    outgoing: Vec<Outgoing>,
    /// When the next frame of any of them is due.
    sends_due: Option<Instant>,
    incoming: Vec<Incoming>,
    routes: Vec<Route>,
    /// Whether any of them may have something to ask for.
    asking: bool,
    strangers: Vec<(u32, rtp::Extended)>,
    /// SSRC our reports are from.
    own: u32,
    /// Number of the transport-wide extension, and of the next packet out.
    transport_id: u8,
    transport: u16,
    arrivals: Arrivals,
    start: Instant,
    engine_due: Instant,
    feedback_due: Option<Instant>,
    report_due: Instant,
}

/// Which line a stream belongs to. Apart from the lines, so that a packet finds its own without looking at the others.
struct Route {
    ssrc: u32,
    line: u16,
    repaired: bool,
}

fn routes(incoming: &[Incoming]) -> Vec<Route> {
    let of = |(n, line): (u16, &Incoming)| {
        let media = Route { ssrc: line.ssrc, line: n, repaired: false };
        let repairs = line.repair_ssrc.map(|ssrc| Route { ssrc, line: n, repaired: true });
        std::iter::once(media).chain(repairs)
    };
    (0..).zip(incoming).flat_map(of).collect()
}

/// What happened, and whether it is known outside.
#[derive(Default)]
struct Noted {
    milestones: Milestones,
    news: bool,
}

impl Noted {
    /// Something happened, perhaps for the first time.
    fn first(&mut self, which: impl FnOnce(&mut Milestones) -> &mut Option<Instant>, now: Instant) {
        let at = which(&mut self.milestones);
        if at.is_none() {
            *at = Some(now);
            self.news = true;
        }
    }

    fn change(&mut self, change: impl FnOnce(&mut Milestones)) {
        change(&mut self.milestones);
        self.news = true;
    }
}

/// An offer that waits for its answer.
pub(super) struct Pending(handshake::Offered, SocketAddr);

impl Session {
    pub(super) fn offer(options: Options, local: SocketAddr, now: Instant) -> Result<(Pending, String)> {
        let offered = handshake::offer(options, local, now)?;
        let sdp = offered.sdp.clone();
        Ok((Pending(offered, local), sdp))
    }

    /// Answers the offer of somebody who only sends: lines become slots in their order.
    pub(super) fn accept(offer: &str, local: SocketAddr, now: Instant) -> Result<(Self, String)> {
        let (remote, usable) = usable(offer, local)?;
        let (rtc, answer) = handshake::accept(&usable, local, now)?;
        let theirs = lines::read(offer);
        let (mut voices, mut cameras) = (0, 0);
        let incoming = theirs.iter().filter_map(|line| {
            let (slots, sink): (_, fn(usize) -> Sink) =
                if line.video { (&mut cameras, Sink::Video) } else { (&mut voices, Sink::Audio) };
            let slot = *slots;
            *slots += 1;
            Incoming::new(sink(slot), line)
        });
        let incoming = incoming.collect();
        Ok((Self::new(rtc, [local, remote], vec![], incoming, &theirs, now), answer))
    }

    fn new(
        rtc: Rtc,
        [local, remote]: [SocketAddr; 2],
        outgoing: Vec<Outgoing>,
        incoming: Vec<Incoming>,
        theirs: &[Line],
        now: Instant,
    ) -> Self {
        let mut session = Self {
            rtc,
            srtp: None,
            local,
            remote,
            outbox: Outbox::default(),
            noted: Noted::default(),
            own: outgoing.first().map_or(1, |first| first.ssrc),
            outgoing,
            sends_due: None,
            routes: routes(&incoming),
            incoming,
            asking: false,
            strangers: Vec::new(),
            transport_id: theirs.iter().find_map(|line| line.extension(TRANSPORT_CC)).unwrap_or(0),
            transport: 0,
            arrivals: Arrivals::new(now),
            start: now,
            engine_due: now,
            feedback_due: None,
            report_due: now + REPORT_EVERY,
        };
        session.engine_timeout(now);
        session
    }
}

impl Pending {
    /// Takes the answer: the session is ready to connect.
    pub(super) fn answered(self, answer: &str, now: Instant) -> Result<Session> {
        let Self(handshake::Offered { mut rtc, pending, sdp, sends, receives }, local) = self;
        let (remote, usable) = usable(answer, local)?;
        let (ours, theirs) = (lines::read(&sdp), lines::read(answer));
        let parsed = SdpAnswer::from_sdp_string(&usable).map_err(|e| anyhow!("{e}"))?;
        rtc.sdp_api().accept_answer(pending, parsed)?;
        let (outgoing, incoming) = agreed((&sends, &receives), &ours, &theirs, now)?;
        Ok(Session::new(rtc, [local, remote], outgoing, incoming, &theirs, now))
    }
}

/// What is sent and received, by the lines of an offer and of its answer: first what is sent, then what is received.
pub(super) fn agreed(
    (sends, receives): (&[Source], &[Sink]),
    ours: &[Line],
    theirs: &[Line],
    now: Instant,
) -> Result<(Vec<Outgoing>, Vec<Incoming>)> {
    ensure!(theirs.len() == ours.len(), "the answer has {} lines, the offer {}", theirs.len(), ours.len());
    let mut pairs = ours.iter().zip(theirs);
    // The lines lead: a zip asks its left side first, and must not take a pair that it then drops.
    let outgoing = sends
        .iter()
        .zip(pairs.by_ref())
        .flat_map(|(source, (ours, theirs))| Outgoing::lines(*source, ours, theirs, now))
        .collect();
    let incoming =
        receives.iter().zip(pairs).filter_map(|(sink, (_, theirs))| Incoming::new(*sink, theirs)).collect();
    Ok((outgoing, incoming))
}

/// Where the other end can be reached from here, and its SDP with that candidate only.
fn usable(sdp: &str, local: SocketAddr) -> Result<(SocketAddr, String)> {
    let same_net = |addr: SocketAddr| {
        addr.is_ipv4() == local.is_ipv4() && addr.ip().is_loopback() == local.ip().is_loopback()
    };
    let (remote, usable) = lines::only_candidate(sdp, same_net);
    Ok((remote.context("no candidate can be reached from here")?, usable))
}

impl Session {
    pub(super) fn remote(&self) -> SocketAddr {
        self.remote
    }

    // ---- what its user wants ----

    pub(super) fn send(&mut self, source: Source, sending: Sending, now: Instant) {
        for line in self.outgoing.iter_mut().filter(|line| line.source == source) {
            line.send(sending, now);
        }
        self.plan_sends();
    }

    pub(super) fn stop(&mut self, source: Source) {
        for line in self.outgoing.iter_mut().filter(|line| line.source == source) {
            line.stop();
        }
        self.plan_sends();
    }

    pub(super) fn forget(&mut self) {
        for line in &mut self.incoming {
            line.forget();
        }
        self.noted.change(|milestones| milestones.frames.clear());
    }

    /// The milestones, if any is new since this was last asked.
    pub(super) fn take_news(&mut self) -> Option<Milestones> {
        std::mem::take(&mut self.noted.news).then(|| self.noted.milestones.clone())
    }

    pub(super) fn counters(&self) -> Vec<(Sink, Counters)> {
        self.incoming.iter().map(|line| (line.sink, line.counters())).collect()
    }

    pub(super) fn sent(&self) -> Vec<(Source, Told)> {
        self.outgoing.iter().map(|line| (line.source, line.sent())).collect()
    }

    /// Packets that came, and packets given up.
    pub(super) fn totals(&self) -> (u64, u64) {
        let counters = self.incoming.iter().map(|line| line.counters);
        counters.fold((0, 0), |(packets, lost), line| (packets + line.packets, lost + line.lost))
    }

    // ---- time ----

    pub(super) fn due(&self) -> Instant {
        if self.srtp.is_none() {
            return self.engine_due;
        }
        // Asked for after every packet: what the lines want is looked up only if it may have changed.
        let mut due = self.engine_due.min(self.report_due);
        for at in [self.sends_due, self.feedback_due].into_iter().flatten() {
            due = due.min(at);
        }
        if self.asking {
            due = self.incoming.iter().filter_map(Incoming::due).fold(due, Instant::min);
        }
        due
    }

    fn plan_sends(&mut self) {
        self.sends_due = self.outgoing.iter().filter_map(Outgoing::due).min();
    }

    /// Does what is due. `wall_ns` is the time of day, which packets carry.
    pub(super) fn handle_timeout(&mut self, now: Instant, wall_ns: u64, observed: &mut Observed) {
        if self.engine_due <= now {
            self.engine_timeout(now);
        }
        let Some(srtp) = &mut self.srtp else { return };
        if self.sends_due.is_some_and(|due| due <= now) {
            for line in &mut self.outgoing {
                if let Some(by) = line.run(now, wall_ns, srtp, &mut self.transport, &mut self.outbox) {
                    observed.late(by);
                }
            }
            self.plan_sends();
        }
        let Some(srtp) = &mut self.srtp else { return };
        let start = self.outbox.bytes.len();
        let out = &mut self.outbox.bytes;
        if self.report_due <= now {
            self.report_due = now + REPORT_EVERY;
            let ntp = ntp(now.saturating_duration_since(self.start));
            for line in &self.outgoing {
                line.report(ntp, out);
            }
            let blocks: Vec<_> = self.incoming.iter_mut().filter_map(|line| line.report(now)).collect();
            rtcp::receiver_report(out, self.own, &blocks);
        }
        if self.feedback_due.is_some_and(|due| due <= now) {
            let ssrc = self.incoming.first().map_or(0, |line| line.ssrc);
            self.arrivals.report(out, self.own, ssrc);
            self.feedback_due = (!self.arrivals.is_empty()).then_some(now);
        }
        if self.asking {
            for line in &mut self.incoming {
                if line.due().is_some_and(|due| due <= now) {
                    line.ask(now, self.own, out);
                }
            }
            self.asking = self.incoming.iter().any(|line| line.due().is_some());
        }
        seal_rtcp(srtp, &mut self.outbox, start);
    }

    fn engine_timeout(&mut self, now: Instant) {
        let _ = self.rtc.handle_input(Input::Timeout(now));
        self.drain(now);
    }

    // ---- in ----

    /// `received_ns` is the time of day at which the kernel had it, if it says so; `arrived` is then the same moment.
    pub(super) fn handle_datagram(
        &mut self,
        bytes: &mut [u8],
        (arrived, received_ns): (Instant, Option<u64>),
        now: Instant,
        observed: &mut Observed,
    ) {
        match (bytes.first(), bytes.get(1)) {
            (Some(128..=191), Some(192..=223)) => self.rtcp(bytes, now),
            (Some(128..=191), _) => {
                if let Some((sent_ns, received_ns)) = self.rtp(bytes, arrived).zip(received_ns) {
                    observed.arrived(sent_ns, received_ns);
                }
            }
            (Some(0..=3 | 20..=63), _) => {
                let Ok(receive) = Receive::new(Protocol::Udp, self.remote, self.local, bytes) else { return };
                let _ = self.rtc.handle_input(Input::Receive(now, receive));
                self.drain(now);
            }
            _ => {}
        }
    }

    /// When a media packet that came straight said it was sent.
    fn rtp(&mut self, packet: &mut [u8], now: Instant) -> Option<u64> {
        let srtp = self.srtp.as_mut()?;
        let parsed = rtp::read(packet)?;
        let rtp::Header { ssrc, seq, .. } = parsed.header;
        let number =
            parsed.extension(packet, self.transport_id).and_then(|value| value.first_chunk().copied());
        let route = self.routes.iter().find(|route| route.ssrc == ssrc);
        let mut line =
            route.and_then(|route| Some((self.incoming.get_mut(usize::from(route.line))?, route.repaired)));
        let index = match &mut line {
            Some((line, false)) => &mut line.index,
            Some((line, true)) => &mut line.repair_index,
            None => stranger(&mut self.strangers, ssrc)?,
        };
        let guess = index.guess(seq);
        let payload = srtp.open_rtp(packet, parsed.len, ssrc, guess)?;
        index.saw(guess);
        if let Some(number) = number {
            self.arrivals.arrived(u16::from_be_bytes(number), now);
            self.feedback_due.get_or_insert(now + FEEDBACK_EVERY);
        }
        let padding = if parsed.padded { payload.last().copied().map_or(0, usize::from) } else { 0 };
        let payload = payload.get(..payload.len().checked_sub(padding)?)?;
        let (line, repaired) = line?;
        let asks = if repaired {
            // The number it was first sent with stands in front (RFC 4588 §4).
            let (original, payload) = payload.split_first_chunk::<2>()?;
            let original = u16::from_be_bytes(*original);
            line.took(
                line.index.guess(original),
                rtp::Header { seq: original, ..parsed.header },
                payload,
                now,
            )
        } else {
            line.took(guess, parsed.header, payload, now)
        };
        if asks {
            let start = self.outbox.bytes.len();
            line.ask(now, self.own, &mut self.outbox.bytes);
            seal_rtcp(srtp, &mut self.outbox, start);
            self.asking = true;
        }
        if let Some(at) = line.first_frame
            && !self.noted.milestones.frames.iter().any(|(sink, _)| *sink == line.sink)
        {
            self.noted.change(|milestones| milestones.frames.push((line.sink, at)));
        }
        (!repaired).then_some(line.sent_ns)
    }

    fn rtcp(&mut self, packet: &mut [u8], now: Instant) {
        let Some(srtp) = &mut self.srtp else { return };
        let Some(compound) = srtp.open_rtcp(packet) else { return };
        self.noted.first(|milestones| &mut milestones.rtcp, now);
        for said in rtcp::read(compound) {
            match said {
                Said::WantsKeyframe { ssrc } => {
                    for line in self.outgoing.iter_mut().filter(|line| line.ssrc == ssrc) {
                        line.want_keyframe();
                    }
                }
                Said::Missing { ssrc, pairs } => {
                    for line in self.outgoing.iter_mut().filter(|line| line.ssrc == ssrc) {
                        line.repair(pairs, srtp, &mut self.transport, &mut self.outbox);
                    }
                }
                Said::Took { ssrc, lost, highest } => {
                    for line in self.outgoing.iter_mut().filter(|line| line.ssrc == ssrc) {
                        line.took(lost, highest);
                    }
                }
                Said::Reported { ssrc, ntp_middle } => {
                    for line in self.incoming.iter_mut().filter(|line| line.ssrc == ssrc) {
                        line.sender_reported(ntp_middle, now);
                    }
                }
            }
        }
    }

    // ---- the engine ----

    fn drain(&mut self, now: Instant) {
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) if at <= now && self.rtc.is_alive() => {
                    if self.rtc.handle_input(Input::Timeout(now)).is_err() {
                        return self.ended(now);
                    }
                }
                Ok(Output::Timeout(at)) => {
                    self.engine_due = at;
                    if !self.rtc.is_alive() {
                        self.ended(now);
                    }
                    return;
                }
                Ok(Output::Transmit(transmit)) => {
                    // Media and RTCP are ours: the engine's would use the same packet indices.
                    if !matches!(transmit.contents.first(), Some(128..=191)) {
                        let start = self.outbox.bytes.len();
                        self.outbox.bytes.extend_from_slice(&transmit.contents);
                        self.outbox.seal(start);
                    }
                }
                Ok(Output::Event(Event::Connected)) => self.connected(now),
                Ok(Output::Event(Event::ChannelOpen(id, _))) => {
                    if let Some(mut channel) = self.rtc.channel(id) {
                        for word in COUNTS_BYTES {
                            let _ = channel.write(true, &word);
                        }
                    }
                }
                Ok(Output::Event(Event::Closed)) => self.ended(now),
                Ok(Output::Event(Event::ChannelData(_))) => {
                    self.noted.first(|milestones| &mut milestones.pulse, now);
                }
                Ok(Output::Event(_)) => {}
                Err(_) => return self.ended(now),
            }
        }
    }

    fn connected(&mut self, now: Instant) {
        let Some(keys) = handshake::take_keys() else { return };
        // The one profile our servers and browsers agree on.
        if keys.profile != SrtpProfile::AEAD_AES_256_GCM {
            self.noted.change(|milestones| milestones.strange_profile = true);
        } else {
            self.srtp = Srtp::new(&keys.material, keys.client);
        }
        if self.srtp.is_some() {
            self.noted.first(|milestones| &mut milestones.connected, now);
        }
    }

    fn ended(&mut self, now: Instant) {
        self.engine_due = now + NEVER;
        self.srtp = None;
        self.noted.first(|milestones| &mut milestones.closed, now);
    }
}

/// Encrypts the compound packet that begins at `start`, if there is one.
fn seal_rtcp(srtp: &mut Srtp, outbox: &mut Outbox, start: usize) {
    if outbox.bytes.len() == start {
        return;
    }
    match srtp.protect_rtcp(&mut outbox.bytes, start) {
        Some(()) => outbox.seal(start),
        None => outbox.bytes.truncate(start),
    }
}

fn stranger(strangers: &mut Vec<(u32, rtp::Extended)>, ssrc: u32) -> Option<&mut rtp::Extended> {
    if let Some(n) = strangers.iter().position(|(known, _)| *known == ssrc) {
        return strangers.get_mut(n).map(|(_, index)| index);
    }
    if strangers.len() >= MOST_STRANGERS {
        return None;
    }
    strangers.push((ssrc, rtp::Extended::default()));
    strangers.last_mut().map(|(_, index)| index)
}

/// NTP time of a moment on a clock that began in 2026: what matters is that all lines share it.
fn ntp(since: Duration) -> u64 {
    const BEGAN: u64 = 3_976_214_400;
    let fraction = u64::from(since.subsec_nanos()) * (1 << 32) / 1_000_000_000;
    ((BEGAN + since.as_secs()) << 32) | fraction
}
