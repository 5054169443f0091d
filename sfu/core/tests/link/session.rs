//! A session under our own congestion control: thirty frames a second, as large as it may.

use super::{Back, Journey, Link, Travelled};
use sfu_core::congestion::{Config, Congestion, Probe};
use sfu_core::pacer::Pacer;
use sfu_core::twcc::{Arrivals, read};
use std::collections::VecDeque;

pub(crate) const INITIAL_BPS: u64 = 300_000;
pub(crate) const MIN_BPS: u64 = 30_000;
const CONFIG: Config = Config { initial_bps: INITIAL_BPS, min_bps: MIN_BPS, max_bps: 10_000_000 };

/// Bytes of the largest packet.
const PACKET: usize = 1_200;

/// Share of the estimate that is used.
const USED: f64 = 0.95;

const FEEDBACK_MS: i64 = 50;

/// The receiver's clock is not ours.
const AHEAD_US: i64 = 123_456_789;

/// The packets of a frame, if one is due in this millisecond.
pub(crate) fn frame(journey: &Journey, estimate_bps: u64, now_us: i64) -> impl Iterator<Item = usize> {
    let ms = now_us / 1_000;
    let due = ms * 30 / 1_000 != (ms - 1) * 30 / 1_000;
    let bps = journey.wanted_bps(now_us).min((estimate_bps as f64 * USED) as u64);
    let mut left = if due { (bps / 30 / 8) as usize } else { 0 };
    std::iter::from_fn(move || {
        let packet = left.min(PACKET);
        left -= packet;
        (packet > 0).then_some(packet.max(60))
    })
}

struct Packet {
    number: u16,
    bytes: usize,
    media: bool,
}

struct Sending {
    congestion: Congestion,
    link: Link<Packet>,
    /// Media that waits for the pacer.
    paced: VecDeque<usize>,
    pacer: Pacer,
    probe: Option<(Probe, u32, u32, f64)>,
}

impl Sending {
    fn send(&mut self, bytes: usize, probe: Option<u32>, now_us: i64) {
        let number = self.congestion.sent(bytes, probe, now_us);
        self.link.send(bytes, Packet { number, bytes, media: probe.is_none() }, now_us);
    }

    fn media(&mut self, journey: &Journey, now_us: i64) {
        self.paced.extend(frame(journey, self.congestion.estimate_bps(), now_us));
        self.pacer.set_pace(self.congestion.estimate_bps(), now_us);
        while self.pacer.ready(now_us)
            && let Some(bytes) = self.paced.pop_front()
        {
            self.pacer.sent(bytes);
            self.send(bytes, None, now_us);
        }
    }

    fn probe(&mut self, now_us: i64) {
        if self.probe.is_none() {
            self.probe = self.congestion.poll_probe(now_us).map(|probe| (probe, 0, 0, 1.0));
        }
        let Some((probe, mut packets, mut bytes, mut credit)) = self.probe.take() else { return };
        let size = (probe.bytes.div_ceil(probe.packets) as usize).clamp(60, PACKET);
        credit += probe.bps as f64 / 1e3;
        while credit > 0.0 && (packets < probe.packets || bytes < probe.bytes) {
            self.send(size, Some(probe.id), now_us);
            credit -= size as f64 * 8.0;
            packets += 1;
            bytes += size as u32;
        }
        self.probe =
            (packets < probe.packets || bytes < probe.bytes).then_some((probe, packets, bytes, credit));
    }
}

/// Travels once.
pub(crate) fn travel(journey: &'static Journey, seed: u64) -> Travelled {
    let mut sending = Sending {
        congestion: Congestion::new(CONFIG, 0),
        link: Link::new(journey, seed),
        paced: VecDeque::new(),
        pacer: Pacer::new(INITIAL_BPS, 0),
        probe: None,
    };
    let (mut travelled, mut arrivals) = (Travelled::default(), Arrivals::default());
    let mut back = Back::new(journey, seed);
    for ms in 0..journey.seconds * 1_000 {
        let now_us = ms * 1_000;
        while let Some((at, packet)) = sending.link.poll(now_us) {
            arrivals.record(packet.number, at + AHEAD_US);
            if packet.media {
                travelled.delivered(packet.bytes);
            }
        }
        if ms % FEEDBACK_MS == 0 {
            let mut report = Vec::new();
            while arrivals.write(&mut report, 1, 2) {
                back.send(std::mem::take(&mut report), now_us);
            }
        }
        while let Some(report) = back.poll(now_us) {
            sending.congestion.feedback(&read(&report[12..]).expect("ours is well formed"), now_us);
        }
        let wanted = journey.wanted_bps(now_us);
        sending.congestion.aim(wanted, now_us);
        sending.media(journey, now_us);
        sending.probe(now_us);
        let estimate = sending.congestion.estimate_bps();
        travelled.tick(journey, &sending.link, estimate, now_us);
    }
    travelled
}
