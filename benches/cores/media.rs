//! What each packet passes on its way: whose is it, what does it say, where does it go.

use crate::single;
use criterion::Criterion;
use sfu_core::{
    clock::{PublisherClock, StreamClock},
    demux, framing,
    history::{self, History},
    limits::{HISTORY_PICTURES, MAX_MISSING, PICTURE_BLOCK_BYTES},
    rebase::{self, Rebaser},
    reception::{Gaps, Tally, Window},
    rtp::{self, Ids, Outgoing},
    sdp,
    slots::Slots,
    table::{Flow, Flows, Ufrags},
    vp8::{self, Continuity},
    wheel::Wheel,
};
use std::{
    hint::black_box,
    net::{Ipv4Addr, SocketAddr},
};

/// Remote addresses that are known, and sessions: a full node.
const KNOWN: u32 = 10_000;

/// Between two packets of a picture at 1 Mbit/s.
const GAP_US: i64 = 8_000;

/// Payload of a packet of a picture, bytes.
const PAYLOAD: usize = 1_000;

const IDS: Ids = Ids { mid: 4, rid: 10, repaired_rid: 11, transport_number: 3, audio_level: 1 };

pub(crate) fn all(criterion: &mut Criterion) {
    demux(criterion);
    headers(criterion);
    reception(criterion);
    history(criterion);
    forwarding(criterion);
    tables(criterion);
}

/// A packet of a picture as Chromium sends it, with room for the tag.
fn video_packet() -> Vec<u8> {
    let mut packet = vec![0x90, 96, 0x12, 0x34, 0, 1, 2, 3, 0xca, 0xfe, 0, 1];
    // Send time, transport-wide number, mid, and padding to a word.
    packet.extend([0xbe, 0xde, 0, 3]);
    packet.extend([0x22, 1, 2, 3, 0x31, 0x56, 0x78, 0x40, b'1', 0, 0, 0]);
    packet.extend(picture(PAYLOAD));
    packet.extend([0; 16]);
    packet
}

/// A payload: picture id of 15 bits, TL0 index, layer, then an interframe.
fn picture(len: usize) -> Vec<u8> {
    let mut payload = vec![0x90, 0xe0, 0x92, 0x34, 0x17, 0x40, 0x01];
    payload.resize(len, 0xa5);
    payload
}

/// A check as browsers make it: username, priority, role, nomination, integrity, fingerprint.
fn check(ufrag: &str) -> Vec<u8> {
    let username = format!("{ufrag}:abcd");
    let mut attributes = Vec::new();
    let mut attribute = |kind: u16, value: &[u8]| {
        attributes.extend(kind.to_be_bytes());
        attributes.extend((value.len() as u16).to_be_bytes());
        attributes.extend(value);
        attributes.resize(attributes.len().next_multiple_of(4), 0);
    };
    attribute(0x0006, username.as_bytes());
    attribute(0xc057, &[0, 0, 0, 10]);
    attribute(0x802a, &[7; 8]);
    attribute(0x0025, &[]);
    attribute(0x0024, &[0x6e, 0, 0x1e, 0xff]);
    attribute(0x0008, &[9; 20]);
    attribute(0x8028, &[5; 4]);
    let mut message = vec![0, 1];
    message.extend((attributes.len() as u16).to_be_bytes());
    message.extend([0x21, 0x12, 0xa4, 0x42]);
    message.extend([3; 12]);
    message.extend(attributes);
    message
}

fn address(n: u32) -> SocketAddr {
    (Ipv4Addr::from(0x0a00_0000 + n * 7), 40_000 + (n % 20_000) as u16).into()
}

fn ufrag(n: u32) -> String {
    format!("{n:08x}")
}

/// Far from the last one each time, so that a table does not stay in the cache for it.
fn scattered(n: &mut u32) -> u32 {
    *n = n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    (*n >> 8) % KNOWN
}

fn demux(criterion: &mut Criterion) {
    let mut group = single(criterion, "demux");
    let packet = video_packet();
    group.bench_function("classify", |b| b.iter(|| demux::classify(black_box(&packet))));

    let mut flows = Flows::default();
    let mut ufrags = Ufrags::new(KNOWN as usize);
    for session in 0..KNOWN {
        flows.authenticated(address(session), Flow { session, path: (), seen: 0 });
        ufrags.insert(ufrag(session).as_bytes(), session);
    }
    let addresses: Vec<_> = (0..KNOWN).map(address).collect();
    let mut at = 1;
    group.bench_function("session of an address, of 10,000", |b| {
        b.iter(|| flows.get(&addresses[scattered(&mut at) as usize]).map(|flow| flow.session));
    });
    let message = check(&ufrag(1_234));
    group.bench_function("session of a check, of 10,000", |b| {
        b.iter(|| {
            demux::binding_username(black_box(&message)).and_then(|name| ufrags.get(name.local)).copied()
        });
    });

    let mut stream = Vec::new();
    for _ in 0..8 {
        stream.extend(framing::header(&packet).unwrap());
        stream.extend(&packet);
    }
    let mut deframer = framing::Deframer::default();
    group.throughput(criterion::Throughput::Elements(8));
    group.bench_function("frames of a TCP read", |b| {
        b.iter(|| {
            deframer.extend(&stream);
            while let Some(frame) = deframer.next_frame().unwrap() {
                black_box(frame);
            }
        });
    });
    group.finish();
}

fn headers(criterion: &mut Criterion) {
    let mut group = single(criterion, "rtp");
    let packet = video_packet();
    group.bench_function("parse", |b| b.iter(|| rtp::parse(black_box(&packet))));
    let header = rtp::parse(&packet).unwrap();
    group.bench_function("extensions", |b| {
        b.iter(|| rtp::extensions(black_box(&packet), black_box(&header), &IDS));
    });
    let outgoing = Outgoing {
        payload_type: 96,
        marker: true,
        seq: 7,
        timestamp: 90_000,
        ssrc: 0xcafe,
        padding: false,
        transport_number: Some(1_234),
        audio_level: Some(30),
    };
    let mut out = Vec::with_capacity(2_000);
    group.bench_function("write", |b| {
        b.iter(|| {
            out.clear();
            black_box(&outgoing).write(&mut out, &IDS)
        });
    });
    group.finish();

    let mut group = single(criterion, "vp8");
    let payload = picture(PAYLOAD);
    group.bench_function("parse", |b| b.iter(|| vp8::parse(black_box(&payload))));
    let mut payload = picture(PAYLOAD);
    let to = vp8::Rewrite { picture_id: Some(0x234), tl0: Some(9) };
    group.bench_function("rewrite", |b| b.iter(|| vp8::rewrite(black_box(&mut payload), to)));
    let descriptor = vp8::parse(&payload).unwrap();
    let mut continuity = Continuity::default();
    continuity.switch(&descriptor);
    group.bench_function("continuity", |b| b.iter(|| continuity.map(black_box(&descriptor))));
    group.finish();
}

fn reception(criterion: &mut Criterion) {
    let mut group = single(criterion, "reception");
    let (mut window, mut tally, mut gaps) = (Window::default(), Tally::default(), Gaps::default());
    let (mut number, mut at_us) = (0_u16, 0_i64);
    group.bench_function("in order", |b| {
        b.iter(|| {
            (number, at_us) = (number.wrapping_add(1), at_us + GAP_US);
            let seq = window.guess(black_box(number));
            if window.is_new(seq) {
                tally.count(seq, (at_us * 9 / 100) as u32, at_us, 90_000);
                gaps.came(seq);
                window.saw(seq);
            }
        });
    });

    // Lost, noticed with the next packet, asked for, and repaired.
    let (mut seq, mut asked) = (100, [0; MAX_MISSING]);
    group.bench_function("a packet lost and repaired", |b| {
        b.iter(|| {
            seq += 2;
            at_us += 2 * GAP_US;
            gaps.passed(seq - 2, seq, at_us);
            let count = gaps.poll(at_us + 6_000, 20_000, &mut asked);
            gaps.came(seq - 1);
            count
        });
    });
    group.finish();
}

fn about(seq: u64) -> history::Packet {
    history::Packet {
        seq,
        timestamp: seq as u32 * 750,
        marker: false,
        audio_level: None,
        at_us: seq as i64 * GAP_US,
    }
}

fn history(criterion: &mut Criterion) {
    let mut group = single(criterion, "history");
    let payload = picture(PAYLOAD);
    let mut history = History::new(HISTORY_PICTURES, PICTURE_BLOCK_BYTES);
    let mut seq = 0;
    let mut store = |history: &mut History| {
        seq += 1;
        history.insert(about(seq), payload.len(), |bytes| {
            bytes.copy_from_slice(&payload);
            Some(bytes.len())
        });
        seq
    };
    group.bench_function("store", |b| b.iter(|| store(&mut history)));
    let newest = store(&mut history);
    let mut back = 0;
    group.bench_function("look up", |b| {
        b.iter(|| {
            back = (back + 7) % 50;
            history.get(newest - black_box(back)).map(|(packet, bytes)| (packet.marker, bytes.len()))
        });
    });
    group.finish();
}

/// All that is done for each subscriber of a packet but sealing and sending.
fn forwarding(criterion: &mut Criterion) {
    let mut group = single(criterion, "forward");
    let mut rebaser = Rebaser::new(90_000, 100);
    let numbers =
        |seq: u64| rebase::Incoming { seq, timestamp: seq as u32 * 750, at_us: seq as i64 * GAP_US };
    rebaser.switch(numbers(1));
    let mut seq = 1;
    group.bench_function("rebase", |b| {
        b.iter(|| {
            seq += 1;
            rebaser.map(black_box(numbers(seq)))
        });
    });

    let payload = picture(PAYLOAD);
    let mut history = History::new(HISTORY_PICTURES, PICTURE_BLOCK_BYTES);
    for seq in 0..100 {
        let copy = |bytes: &mut [u8]| {
            bytes.copy_from_slice(&payload);
            Some(bytes.len())
        };
        history.insert(about(seq), payload.len(), copy).unwrap();
    }
    let descriptor = vp8::parse(&payload).unwrap();
    let (mut rebaser, mut continuity) = (Rebaser::new(90_000, 100), Continuity::default());
    rebaser.switch(numbers(1));
    continuity.switch(&descriptor);
    let mut out = Vec::with_capacity(2_000);
    let mut seq = 1;
    group.bench_function("a packet, rewritten and copied", |b| {
        b.iter(|| {
            seq += 1;
            let at = rebaser.map(numbers(seq)).unwrap();
            let ids = continuity.map(&descriptor);
            let (about, payload) = history.get(90 + seq % 8).unwrap();
            out.clear();
            let header = Outgoing {
                payload_type: 96,
                marker: about.marker,
                seq: at.seq as u16,
                timestamp: at.timestamp,
                ssrc: 0xcafe,
                padding: false,
                transport_number: Some(seq as u16),
                audio_level: None,
            };
            let len = header.write(&mut out, &IDS);
            out.extend_from_slice(payload);
            vp8::rewrite(&mut out[len..], ids);
            black_box(&out);
        });
    });

    let (mut clock, mut stream) = (PublisherClock::default(), StreamClock::default());
    clock.report(&mut stream, 1_000_000, 90_000, 1_020_000);
    group.bench_function("time of capture", |b| {
        b.iter(|| clock.captured_us(&mut stream, black_box(93_000), 90_000, 1_060_000));
    });
    group.finish();
}

/// A wheel of the sessions of 200 consults, and 60 packets in each of its ticks.
#[derive(Default)]
struct Timers {
    wheel: Wheel,
    packets: u64,
    key: u32,
    due: Vec<u32>,
}

impl Timers {
    fn set(&mut self, due: impl Fn(u64, u32) -> u64) {
        self.packets += 1;
        let now = self.packets / 60;
        if self.packets.is_multiple_of(60) {
            self.due.clear();
            self.wheel.advance(now, &mut self.due);
        }
        self.key = (self.key + 7) % 400;
        self.wheel.set(self.key, due(now, self.key));
    }
}

/// What is looked up or set beside the packets themselves.
fn tables(criterion: &mut Criterion) {
    let mut group = single(criterion, "sessions");
    // After every packet a session's timer is set. It seldom moves, or, while pictures wait, always.
    group.bench_function("timer that stays, of 400", |b| {
        let mut timers = Timers::default();
        b.iter(|| timers.set(|now, key| (now / 100 + 1) * 100 + u64::from(key % 100)));
    });
    group.bench_function("timer that moves, of 400", |b| {
        let mut timers = Timers::default();
        b.iter(|| timers.set(|now, key| now + 5 + u64::from(key % 50)));
    });
    let people: Vec<_> = (1..=3).map(|n| model::ParticipantId(uuid::Uuid::from_u128(n))).collect();
    let mut slots = Slots::new(3);
    group.bench_function("slots of a subscriber, somebody comes and goes", |b| {
        b.iter(|| {
            slots.fit(black_box(&people));
            slots.fit(black_box(&people[1..]))
        });
    });
    let offer = include_str!("../../sfu/tests/fixtures/sdp/chromium.sdp");
    group.bench_function("an offer of Chromium", |b| b.iter(|| sdp::read_offer(black_box(offer))));
    group.finish();
}
