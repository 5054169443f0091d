//! A path in virtual time, the journeys over it, and what is measured on the way. Shared by the tests of
//! congestion control and by those that compare it with another's.

pub(crate) mod session;

use std::collections::VecDeque;

/// A bottleneck with a queue, some distance, and bad weather. Seeded: it does the same each time.
pub(crate) struct Link<P> {
    journey: &'static Journey,
    queue: VecDeque<(f64, P)>,
    /// Of all that waits.
    queued_bits: f64,
    /// Until when packets were served.
    served_us: i64,
    newest_arrival_us: i64,
    flying: VecDeque<(i64, P)>,
    chance: Chance,
}

/// Seeded randomness (splitmix64).
struct Chance(u64);

/// What happens on the path, and what is sent over it.
pub(crate) struct Journey {
    pub(crate) name: &'static str,
    pub(crate) seconds: i64,
    /// From which second on the path carries how much.
    pub(crate) rates: &'static [(i64, u64)],
    /// The longest the queue gets before it drops.
    pub(crate) queue_ms: i64,
    /// From which second on it takes how long.
    pub(crate) delays_ms: &'static [(i64, u64)],
    /// At most so much more, without changing the order.
    pub(crate) jitter_ms: i64,
    /// Percent lost, at random and whatever is sent.
    pub(crate) loss: f64,
    /// From which second on the session could use how much.
    pub(crate) wants: &'static [(i64, u64)],
    /// What somebody else sends through the same queue.
    pub(crate) others: &'static [(i64, u64)],
}

pub(crate) const CALM: Journey = Journey {
    name: "3 Mbit/s, calm",
    seconds: 60,
    rates: &[(0, 3_000_000)],
    queue_ms: 300,
    delays_ms: &[(0, 25)],
    jitter_ms: 1,
    loss: 0.0,
    wants: &[(0, 4_000_000)],
    others: &[(0, 0)],
};

pub(crate) const STEADY: Journey =
    Journey { name: "1 of 2 Mbit/s used", rates: &[(0, 2_000_000)], wants: &[(0, 1_000_000)], ..CALM };
pub(crate) const STEPS: Journey =
    Journey { name: "3, 0.5, 3 Mbit/s", rates: &[(0, 3_000_000), (20, 500_000), (40, 3_000_000)], ..CALM };
pub(crate) const SOME_LOSS: Journey = Journey { name: "5 % lost", loss: 5.0, ..CALM };
pub(crate) const MUCH_LOSS: Journey = Journey { name: "15 % lost", loss: 15.0, ..CALM };
pub(crate) const NARROW: Journey =
    Journey { name: "100 kbit/s", rates: &[(0, 100_000)], wants: &[(0, 1_000_000)], queue_ms: 1_000, ..CALM };
pub(crate) const BUFFERBLOAT: Journey =
    Journey { name: "1 Mbit/s, 2 s queue", rates: &[(0, 1_000_000)], queue_ms: 2_000, ..CALM };
pub(crate) const SHALLOW: Journey =
    Journey { name: "1 Mbit/s, 20 ms queue", rates: &[(0, 1_000_000)], queue_ms: 20, ..CALM };
pub(crate) const SHARED: Journey =
    Journey { name: "others come and go", others: &[(0, 0), (20, 2_000_000), (40, 0)], ..CALM };
pub(crate) const JITTER: Journey = Journey { name: "20 ms jitter", jitter_ms: 20, ..CALM };
pub(crate) const IDLE: Journey =
    Journey { name: "60 s idle", seconds: 100, wants: &[(0, 2_000_000), (20, 0), (80, 2_000_000)], ..CALM };
pub(crate) const REROUTED: Journey =
    Journey { name: "25, 250, 25 ms away", delays_ms: &[(0, 25), (20, 250), (40, 25)], ..CALM };
pub(crate) const OUTAGE: Journey =
    Journey { name: "3 s outage", rates: &[(0, 3_000_000), (20, 0), (23, 3_000_000)], ..CALM };

/// All of them.
pub(crate) const JOURNEYS: [&Journey; 13] = [
    &STEADY,
    &CALM,
    &STEPS,
    &SOME_LOSS,
    &MUCH_LOSS,
    &NARROW,
    &BUFFERBLOAT,
    &SHALLOW,
    &SHARED,
    &JITTER,
    &IDLE,
    &OUTAGE,
    &REROUTED,
];

/// The value that holds in this second.
fn at(schedule: &[(i64, u64)], now_us: i64) -> u64 {
    schedule.iter().rev().find(|(from, _)| from * 1_000_000 <= now_us).map_or(0, |(_, value)| *value)
}

impl Journey {
    pub(crate) fn wanted_bps(&self, now_us: i64) -> u64 {
        at(self.wants, now_us)
    }

    fn delay_us(&self, now_us: i64) -> i64 {
        at(self.delays_ms, now_us).cast_signed() * 1_000
    }

    /// What the path leaves to the session.
    pub(crate) fn capacity_bps(&self, now_us: i64) -> u64 {
        at(self.rates, now_us).saturating_sub(at(self.others, now_us))
    }
}

impl<P> Link<P> {
    pub(crate) fn new(journey: &'static Journey, seed: u64) -> Self {
        Self {
            journey,
            queue: VecDeque::new(),
            queued_bits: 0.0,
            served_us: 0,
            newest_arrival_us: 0,
            flying: VecDeque::new(),
            chance: Chance(seed),
        }
    }

    /// A packet enters, or is dropped.
    pub(crate) fn send(&mut self, bytes: usize, packet: P, now_us: i64) {
        self.serve(now_us);
        let bits = bytes as f64 * 8.0;
        // Even the smallest queue holds a few packets.
        let rate = at(self.journey.rates, now_us) as f64;
        let room = (rate * self.journey.queue_ms as f64 / 1e3).max(4.0 * 1_250.0 * 8.0);
        if self.queued_bits + bits <= room && !self.chance.loses(self.journey) {
            self.queued_bits += bits;
            self.queue.push_back((bits, packet));
        }
    }

    /// The next packet that has arrived by now, and when.
    pub(crate) fn poll(&mut self, now_us: i64) -> Option<(i64, P)> {
        self.serve(now_us);
        self.flying.pop_front_if(|(at, _)| *at <= now_us)
    }

    /// How long a packet that came now would wait.
    pub(crate) fn queue_us(&self, now_us: i64) -> i64 {
        (self.queued_bits / self.journey.capacity_bps(now_us).max(100_000) as f64 * 1e6) as i64
    }

    fn serve(&mut self, now_us: i64) {
        while self.served_us < now_us {
            // Schedules change at whole seconds only.
            let until_us = now_us.min((self.served_us / 1_000_000 + 1) * 1_000_000);
            let rate = self.journey.capacity_bps(self.served_us) as f64 / 1e6;
            let Some((bits, _)) = self.queue.front_mut() else {
                self.served_us = until_us;
                continue;
            };
            let could = rate * (until_us - self.served_us) as f64;
            if could < *bits {
                *bits -= could;
                self.queued_bits -= could;
                self.served_us = until_us;
                continue;
            }
            self.served_us += (*bits / rate) as i64;
            self.queued_bits -= *bits;
            if let Some((_, packet)) = self.queue.pop_front() {
                let jitter_us = self.chance.next() * self.journey.jitter_ms as f64 * 1e3;
                let at = self.served_us + self.journey.delay_us(self.served_us) + jitter_us as i64;
                self.newest_arrival_us = at.max(self.newest_arrival_us + 1);
                self.flying.push_back((self.newest_arrival_us, packet));
            }
        }
    }
}

impl Chance {
    /// From 0 to 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn loses(&mut self, journey: &Journey) -> bool {
        self.next() < journey.loss / 100.0
    }
}

/// The way back: wide, as far, and as lossy.
pub(crate) struct Back<P> {
    journey: &'static Journey,
    flying: VecDeque<(i64, P)>,
    chance: Chance,
}

impl<P> Back<P> {
    pub(crate) fn new(journey: &'static Journey, seed: u64) -> Self {
        Self { journey, flying: VecDeque::new(), chance: Chance(!seed) }
    }

    pub(crate) fn send(&mut self, packet: P, now_us: i64) {
        if !self.chance.loses(self.journey) {
            self.flying.push_back((now_us + self.journey.delay_us(now_us), packet));
        }
    }

    pub(crate) fn poll(&mut self, now_us: i64) -> Option<P> {
        self.flying.pop_front_if(|(at, _)| *at <= now_us).map(|(_, packet)| packet)
    }
}

/// What was seen in one tenth of a second.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) at_us: i64,
    pub(crate) capacity_bps: u64,
    pub(crate) wanted_bps: u64,
    pub(crate) estimate_bps: u64,
    pub(crate) delivered_bits: u64,
    /// Mean of it.
    pub(crate) queue_us: i64,
}

impl std::fmt::Display for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { estimate_bps, delivered_bits, queue_us, .. } = self;
        let (estimate, arrived) = (estimate_bps / 1_000, delivered_bits / 100);
        write!(f, "{estimate:>5} of which {arrived:>5} arrive, {:>4} ms", queue_us / 1_000)
    }
}

/// A session's way through a journey.
#[derive(Debug, Default)]
pub(crate) struct Travelled {
    pub(crate) samples: Vec<Sample>,
    delivered_bits: u64,
    queue_us: i64,
}

impl Travelled {
    /// Media arrived.
    pub(crate) fn delivered(&mut self, bytes: usize) {
        self.delivered_bits += bytes as u64 * 8;
    }

    /// Call each millisecond.
    pub(crate) fn tick<P>(&mut self, journey: &Journey, link: &Link<P>, estimate_bps: u64, now_us: i64) {
        self.queue_us += link.queue_us(now_us) / 100;
        if now_us % 100_000 == 99_000 {
            let delivered_bits = std::mem::take(&mut self.delivered_bits);
            let (capacity_bps, wanted_bps) = (journey.capacity_bps(now_us), journey.wanted_bps(now_us));
            let queue_us = std::mem::take(&mut self.queue_us);
            self.samples.push(Sample {
                at_us: now_us,
                capacity_bps,
                wanted_bps,
                estimate_bps,
                delivered_bits,
                queue_us,
            });
        }
    }

    /// How it went, without the first five seconds.
    pub(crate) fn summary(&self) -> String {
        let until_s = i64::MAX / 2_000_000;
        let (mean, least, most) = self.estimates(5, until_s);
        format!(
            "{:>3.0} % used, {:>4.0} ms queued, {:>4} kbit/s ({:>4} to {:>4}), {:>4.1} s over",
            100.0 * self.used(5, until_s),
            self.queued_ms(5, until_s),
            mean / 1_000,
            least / 1_000,
            most / 1_000,
            self.longest_overshoot_s(),
        )
    }

    fn between(&self, from_s: i64, until_s: i64) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(move |s| (from_s * 1_000_000..until_s * 1_000_000).contains(&s.at_us))
    }

    /// Media that arrived, as share of what was wanted and could be carried.
    pub(crate) fn used(&self, from_s: i64, until_s: i64) -> f64 {
        let could = |s: &Sample| s.capacity_bps.min(s.wanted_bps) as f64 / 10.0;
        let (got, could) = self
            .between(from_s, until_s)
            .fold((0.0, 0.0), |(got, all), s| (got + s.delivered_bits as f64, all + could(s)));
        got / f64::max(could, 1.0)
    }

    /// Mean time in the queue, in milliseconds.
    pub(crate) fn queued_ms(&self, from_s: i64, until_s: i64) -> f64 {
        let (sum, count) = self
            .between(from_s, until_s)
            .fold((0.0, 0.0), |(sum, n), s| (sum + s.queue_us as f64 / 1e3, n + 1.0));
        sum / f64::max(count, 1.0)
    }

    /// Mean, least and greatest estimate.
    pub(crate) fn estimates(&self, from_s: i64, until_s: i64) -> (u64, u64, u64) {
        let all: Vec<u64> = self.between(from_s, until_s).map(|s| s.estimate_bps).collect();
        let mean = all.iter().sum::<u64>() / all.len().max(1) as u64;
        (mean, all.iter().copied().min().unwrap_or(0), all.iter().copied().max().unwrap_or(0))
    }

    /// The longest time, in seconds, for which more than a tenth over the path's capacity was estimated
    /// while that much was wanted.
    pub(crate) fn longest_overshoot_s(&self) -> f64 {
        let (mut longest, mut current) = (0_u32, 0_u32);
        for s in &self.samples {
            let over = s.estimate_bps.min(s.wanted_bps) as f64 > s.capacity_bps as f64 * 1.1;
            current = if over { current + 1 } else { 0 };
            longest = longest.max(current);
        }
        f64::from(longest) / 10.0
    }
}
