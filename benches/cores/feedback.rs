//! What is said of packets, and how fast to send.

use crate::single;
use criterion::{BatchSize, Criterion, Throughput};
use sfu_core::{
    congestion::{Config, Congestion},
    limits::MAX_FEEDBACK_BYTES,
    pacer::Pacer,
    reception::Block,
    rtcp::{self, Reported, SenderReport},
    twcc::{self, Arrivals},
};
use std::{cell::RefCell, hint::black_box};

/// Packets of one report: 100 ms of a call at 1 Mbit/s and Opus.
const REPORTED: usize = 18;

/// Between two packets: a frame of four at once, then two words, 30 times a second.
const GAPS_US: [i64; 6] = [10_733, 200, 200, 200, 10_000, 12_000];

/// Between two packets on average.
const GAP_US: i64 = 5_555;

/// Bytes of a packet.
const BYTES: usize = 1_036;

pub(crate) fn all(criterion: &mut Criterion) {
    reports(criterion);
    arrivals(criterion);
    congestion(criterion);
}

fn block() -> Block {
    Block { fraction: 3, lost: 17, highest: 70_000, jitter: 120 }
}

fn reported(ssrc: u32) -> Reported {
    Reported { ssrc, block: block(), last_report: 0x1234_5678, delay: 6_000 }
}

fn reports(criterion: &mut Criterion) {
    let mut group = single(criterion, "rtcp");
    // What a browser sends every second: a sender report, its name, and what it lacks and received.
    let mut compound = Vec::new();
    SenderReport { ssrc: 1, ntp: rtcp::ntp(1_000_000), rtp: 90_000, packets: 1_000, bytes: 1_000_000 }
        .write(&mut compound);
    rtcp::canonical_name(&mut compound, 1, "a-name-of-sixteen");
    rtcp::receiver_report(&mut compound, 1, [reported(2), reported(3)]);
    rtcp::nack(&mut compound, 1, 2, &[10, 11, 14, 40]);
    group.bench_function("read a compound of four", |b| {
        b.iter(|| rtcp::read(black_box(&compound)).map(|said| std::mem::size_of_val(&said)).sum::<usize>());
    });
    let pairs = [0, 10, 0, 9, 0, 40, 0, 0];
    group.bench_function("numbers of a NACK", |b| {
        b.iter(|| rtcp::missing(black_box(&pairs)).fold(0_u16, u16::wrapping_add));
    });
    let mut out = Vec::with_capacity(1_500);
    group.bench_function("write a receiver report of two", |b| {
        b.iter(|| {
            out.clear();
            rtcp::receiver_report(&mut out, 1, [reported(2), reported(3)]);
        });
    });
    group.bench_function("write a NACK of four", |b| {
        b.iter(|| {
            out.clear();
            rtcp::nack(&mut out, 1, 2, black_box(&[10, 11, 14, 40]));
        });
    });
    group.finish();
}

/// A call's packets and when they arrive: 20 ms later and not quite evenly, one in fifty never.
#[derive(Default)]
struct Link {
    number: u16,
    now_us: i64,
}

impl Link {
    fn next(&mut self) -> (u16, Option<i64>) {
        let number = self.number;
        self.number = number.wrapping_add(1);
        self.now_us += GAPS_US[usize::from(number) % GAPS_US.len()];
        let jitter = i64::from(number.wrapping_mul(40_503) >> 6);
        (number, (number % 50 != 49).then_some(self.now_us + 20_000 + jitter))
    }

    /// Puts a report's packets down.
    fn arrive(&mut self, arrivals: &mut Arrivals) {
        for _ in 0..REPORTED {
            if let (number, Some(at_us)) = self.next() {
                arrivals.record(number, at_us);
            }
        }
    }
}

fn arrivals(criterion: &mut Criterion) {
    let mut group = single(criterion, "twcc");
    let (mut link, mut arrivals) = (Link::default(), Arrivals::default());
    let mut out = Vec::with_capacity(MAX_FEEDBACK_BYTES);
    group.bench_function("record", |b| {
        b.iter(|| {
            let (number, at_us) = link.next();
            arrivals.record(number, at_us.unwrap_or(link.now_us));
        });
    });

    group.throughput(Throughput::Elements(REPORTED as u64));
    group.bench_function("record and write a report, per packet", |b| {
        b.iter(|| {
            link.arrive(&mut arrivals);
            out.clear();
            while arrivals.write(&mut out, 1, 2) {}
        });
    });
    link.arrive(&mut arrivals);
    out.clear();
    arrivals.write(&mut out, 1, 2);
    group.bench_function("read a report, per packet", |b| {
        b.iter(|| {
            let feedback = twcc::read(black_box(&out[12..])).unwrap();
            feedback.statuses().filter(|(_, arrived)| arrived.is_some()).count()
        });
    });
    group.finish();
}

/// A session in the middle of a call.
struct Call {
    link: Link,
    arrivals: Arrivals,
    congestion: Congestion,
    report: Vec<u8>,
}

impl Call {
    fn new() -> Self {
        let config = Config { initial_bps: 1_000_000, min_bps: 60_000, max_bps: 3_000_000 };
        let mut congestion = Congestion::new(config, 0);
        congestion.aim(1_748_000, 0);
        Self { link: Link::default(), arrivals: Arrivals::default(), congestion, report: Vec::new() }
    }

    /// Sends a report's packets; the other end writes the report.
    fn send(&mut self) {
        for _ in 0..REPORTED {
            let (number, at_us) = self.link.next();
            assert_eq!(self.congestion.sent(BYTES, None, self.link.now_us), number);
            if let Some(at_us) = at_us {
                self.arrivals.record(number, at_us);
            }
        }
        self.report.clear();
        self.arrivals.write(&mut self.report, 1, 2);
    }

    fn hear(&mut self) {
        let feedback = twcc::read(&self.report[12..]).unwrap();
        self.congestion.feedback(&feedback, self.link.now_us + 40_000);
    }
}

fn congestion(criterion: &mut Criterion) {
    let mut group = single(criterion, "congestion");
    let mut call = Call::new();
    group.bench_function("sent", |b| {
        b.iter(|| {
            call.link.now_us += GAP_US;
            call.congestion.sent(BYTES, None, call.link.now_us)
        });
    });
    let mut call = Call::new();
    for _ in 0..100 {
        call.send();
        call.hear();
    }
    let mut most_bps = 1_748_000;
    group.bench_function("aim", |b| {
        b.iter(|| {
            most_bps ^= 48_000;
            call.congestion.aim(black_box(most_bps), call.link.now_us);
        });
    });
    group.bench_function("deadline and poll", |b| {
        b.iter(|| (call.congestion.deadline_us(), call.congestion.poll_probe(call.link.now_us)));
    });
    group.throughput(Throughput::Elements(REPORTED as u64));
    // Alternately prepared and measured.
    let call = RefCell::new(call);
    group.bench_function("a report heard, per packet", |b| {
        let prepare = || call.borrow_mut().send();
        b.iter_batched(prepare, |()| call.borrow_mut().hear(), BatchSize::PerIteration);
    });
    group.finish();

    let mut group = single(criterion, "pacer");
    let (mut pacer, mut now_us) = (Pacer::new(2_500_000, 0), 0);
    group.bench_function("ask and send", |b| {
        b.iter(|| {
            now_us += GAP_US;
            if pacer.ready(black_box(now_us)) {
                pacer.sent(BYTES);
            }
            pacer.ready_at_us()
        });
    });
    group.finish();
}
