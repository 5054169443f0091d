//! Our congestion control beside str0m's, over the same paths in virtual time.

#[path = "../core/tests/link/mod.rs"]
mod link;

use anyhow::{Context, Result};
use link::{Back, JOURNEYS, Journey, Link, Travelled, session};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use str0m::bwe::{Bitrate, BweKind};
use str0m::media::{MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpWrite, Ssrc};
use str0m::{Candidate, Event, Input, Output, Rtc};

/// Bytes of a packet that are not payload: header, extensions and tag.
const AROUND: usize = 44;

/// One end: an engine, its address, and what it said since it was last asked.
struct End {
    rtc: Rtc,
    own: SocketAddr,
    other: SocketAddr,
    timeout: Instant,
    out: Vec<Vec<u8>>,
    received_bytes: usize,
    estimate_bps: u64,
}

impl End {
    fn new(builder: str0m::RtcConfig, own: &str, other: &str, now: Instant) -> Result<Self> {
        let (own, other) = (own.parse()?, other.parse()?);
        let mut rtc = builder.set_rtp_mode(true).build(now);
        rtc.add_local_candidate(Candidate::host(own, "udp")?);
        rtc.add_remote_candidate(Candidate::host(other, "udp")?);
        rtc.direct_api().declare_media(mid(), MediaKind::Video);
        let estimate_bps = session::INITIAL_BPS;
        Ok(Self { rtc, own, other, timeout: now, out: Vec::new(), received_bytes: 0, estimate_bps })
    }

    fn drain(&mut self) -> Result<()> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(at) => {
                    self.timeout = at;
                    return Ok(());
                }
                Output::Transmit(packet) => self.out.push(packet.contents.to_vec()),
                Output::Event(Event::EgressBitrateEstimate(BweKind::Twcc { estimate, .. })) => {
                    self.estimate_bps = estimate.as_u64();
                }
                Output::Event(Event::RtpPacket(packet)) => {
                    self.received_bytes += packet.payload.len() + AROUND;
                }
                Output::Event(_) => {}
            }
        }
    }

    fn receive(&mut self, bytes: &[u8], at: Instant) -> Result<()> {
        let contents = bytes.try_into()?;
        let packet = Receive { proto: Protocol::Udp, source: self.other, destination: self.own, contents };
        self.rtc.handle_input(Input::Receive(at, packet))?;
        self.drain()
    }

    fn pass(&mut self, now: Instant) -> Result<()> {
        // Its timers may be due again at once.
        for _ in 0..100 {
            if self.timeout > now {
                break;
            }
            self.rtc.handle_input(Input::Timeout(now))?;
            self.drain()?;
        }
        Ok(())
    }
}

fn mid() -> Mid {
    "v".into()
}

fn ssrcs() -> (Ssrc, Ssrc) {
    (42.into(), 43.into())
}

/// Two ends that have met over a path without bounds, and when.
fn connected(start: Instant) -> Result<(End, End, Instant)> {
    let estimating = Rtc::builder().enable_bwe(Some(Bitrate::bps(session::INITIAL_BPS)));
    let mut sender = End::new(estimating, "1.1.1.1:1000", "2.2.2.2:2000", start)?;
    let mut receiver = End::new(Rtc::builder(), "2.2.2.2:2000", "1.1.1.1:1000", start)?;
    let (ssrc, rtx) = ssrcs();
    sender.rtc.direct_api().declare_stream_tx(ssrc, Some(rtx), mid(), None);
    receiver.rtc.direct_api().expect_stream_rx(ssrc, Some(rtx), mid(), None);
    receiver.rtc.direct_api().enable_twcc_feedback();
    introduce(&mut sender.rtc, &mut receiver.rtc, true)?;
    introduce(&mut receiver.rtc, &mut sender.rtc, false)?;
    let mut now = start;
    for _ in 0..5_000 {
        now += Duration::from_millis(1);
        sender.pass(now)?;
        receiver.pass(now)?;
        for packet in std::mem::take(&mut sender.out) {
            receiver.receive(&packet, now)?;
        }
        for packet in std::mem::take(&mut receiver.out) {
            sender.receive(&packet, now)?;
        }
        if sender.rtc.is_connected() && receiver.rtc.is_connected() {
            return Ok((sender, receiver, now));
        }
    }
    anyhow::bail!("they did not meet")
}

fn introduce(to: &mut Rtc, whom: &mut Rtc, first: bool) -> Result<()> {
    let fingerprint = whom.direct_api().local_dtls_fingerprint().clone();
    let credentials = whom.direct_api().local_ice_credentials();
    let mut to = to.direct_api();
    to.set_remote_fingerprint(fingerprint);
    to.set_remote_ice_credentials(credentials);
    to.set_ice_controlling(first);
    to.start_dtls(first)?;
    Ok(())
}

/// The same session as [`session::travel`], paced and estimated by str0m.
fn travel(journey: &'static Journey, seed: u64, start: Instant) -> Result<Travelled> {
    let (mut sender, mut receiver, start) = connected(start)?;
    let mut link: Link<Vec<u8>> = Link::new(journey, seed);
    let mut back: Back<Vec<u8>> = Back::new(journey, seed);
    let mut travelled = Travelled::default();
    let pt = sender.rtc.codec_config().find(|c| c.spec().codec == str0m::format::Codec::Vp8);
    let pt = pt.context("VP8 is on")?.pt();
    let (mut seq, mut wanted) = (1_u64, None);
    for ms in 0..journey.seconds * 1_000 {
        let now_us = ms * 1_000;
        let at = |us: i64| start + Duration::from_micros(us.unsigned_abs());
        let now = at(now_us);
        while let Some((arrival, packet)) = link.poll(now_us) {
            receiver.receive(&packet, at(arrival))?;
        }
        receiver.pass(now)?;
        travelled.delivered(std::mem::take(&mut receiver.received_bytes));
        while let Some(packet) = back.poll(now_us) {
            sender.receive(&packet, now)?;
        }
        if wanted != Some(journey.wanted_bps(now_us)) {
            wanted = Some(journey.wanted_bps(now_us));
            sender.rtc.bwe().set_bitrate(Bitrate::ZERO, Bitrate::bps(journey.wanted_bps(now_us)));
            sender.drain()?;
        }
        for bytes in session::frame(journey, sender.estimate_bps, now_us) {
            let payload = vec![0x55; bytes.saturating_sub(AROUND).max(1)];
            let packet = RtpWrite::new(pt, seq.into(), (ms * 90) as u32, now, payload);
            sender.rtc.direct_api().stream_tx(&ssrcs().0).context("it was declared")?.write_rtp(packet);
            sender.drain()?;
            seq += 1;
        }
        sender.pass(now)?;
        for packet in std::mem::take(&mut sender.out) {
            link.send(packet.len(), packet, now_us);
        }
        for packet in std::mem::take(&mut receiver.out) {
            back.send(packet, now_us);
        }
        travelled.tick(journey, &link, sender.estimate_bps, now_us);
    }
    Ok(travelled)
}

/// What ours must keep to beside theirs: nearly as much carried, and queues that are short or hardly longer.
fn compare(journey: &Journey, ours: &Travelled, theirs: &Travelled) {
    let (end, name) = (journey.seconds, journey.name);
    let (used, their_used) = (ours.used(5, end), theirs.used(5, end));
    assert!(used >= 0.8 * their_used, "{name}: {used} used, {their_used} by str0m");
    let (queued, their_queued) = (ours.queued_ms(5, end), theirs.queued_ms(5, end));
    assert!(
        queued < f64::max(100.0, 1.5 * their_queued),
        "{name}: {queued} ms queued, {their_queued} by str0m"
    );
    // What is lost on the way takes no room in the queue: more may be sent than is carried.
    let over = ours.longest_overshoot_s();
    assert!(over <= 4.0 || journey.loss > 0.0, "{name}: {over} s over");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "any instant will do")]
fn ours_does_as_well_as_str0ms() -> Result<()> {
    let start = Instant::now();
    println!("{:<24}{:^66}  {:^66}", "", "ours", "str0m's");
    for (journey, seed) in JOURNEYS.into_iter().flat_map(|journey| (1..=3).map(move |seed| (journey, seed))) {
        let ours = session::travel(journey, seed);
        let theirs = travel(journey, seed, start)?;
        println!("{:<24}{}  {}", journey.name, ours.summary(), theirs.summary());
        compare(journey, &ours, &theirs);
    }
    Ok(())
}
