//! How fast one session may be sent to: Google congestion control, from the public draft
//! (draft-ietf-rmcat-gcc-02) and what is known of how libwebrtc refined it. It decides from
//! transport-wide feedback alone.
//!
//! ```text
//! sent ─▶ history ─┬▶ groups ─▶ trend ──┐
//! feedback ────────┼▶ acked ────────────┼▶ rate ──┐
//!                  ├▶ loss ─────────────┼─────────┴▶ estimate: the lower of both
//!                  └▶ cluster ─▶ prober ┘              (limited: is less sent than that?)
//! ```
//!
//! All times are microseconds on the node's clock, all rates bits of UDP payload per second.

mod acked;
mod cluster;
mod groups;
mod least;
mod limited;
mod loss;
mod prober;
mod rate;
mod receiver;
mod recovery;
mod sent;
mod silence;
mod standing;
mod trend;

use crate::twcc::Feedback;
use acked::Acked;
use cluster::Cluster;
use groups::Groups;
use least::Least;
use limited::Limited;
use loss::Loss;
use prober::{Path, Prober};
use rate::{Rate, Signs};
use receiver::ReceiverClock;
use recovery::Recovery;
use sent::{History, News};
use silence::Silence;
use standing::{Standing, Verdict};
use trend::{Trend, Usage};

/// The round trip that is taken while none was measured.
const UNKNOWN_RTT_US: i64 = 200_000;

/// After so long without feedback what delay was like is no comparison any more.
const STALE_US: i64 = 2_000_000;

/// A queue shorter than this is none: bursts of our own make as much.
const HARMLESS_QUEUE_US: i64 = 8_000;

/// A probe makes a queue where it meets the path's limit: so long a one, for so long after it began.
const PROBE_QUEUE_US: i64 = 40_000;
const PROBE_QUEUES_US: i64 = 400_000;

/// Where an estimate begins and how far it may go.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// What is presumed of a path nothing is known of.
    pub initial_bps: u64,
    /// The estimate never goes below: who sends nothing learns nothing.
    pub min_bps: u64,
    /// The estimate never goes above.
    pub max_bps: u64,
}

/// How far a rate may go.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    min: u64,
    max: u64,
}

impl Bounds {
    fn clamp(self, bps: u64) -> u64 {
        bps.min(self.max).max(self.min)
    }
}

/// Packets to send beside the media, to measure whether more would arrive.
///
/// The caller sends padding or repeats at `bps` until `bytes` and `packets` are both reached, best in equal
/// packets of `bytes / packets`, spread over `bytes / bps`. Media sent meanwhile counts as part of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Probe {
    /// Goes with each of its packets into [`Congestion::sent`].
    pub id: u32,
    /// How fast.
    pub bps: u64,
    /// How much, at least.
    pub bytes: u32,
    /// How many, at least.
    pub packets: u32,
}

/// Congestion control of one session, at the sending side.
#[derive(Debug)]
pub struct Congestion {
    bounds: Bounds,
    history: History,
    groups: Groups,
    trend: Trend,
    standing: Standing,
    acked: Acked,
    rate: Rate,
    loss: Loss,
    limited: Limited,
    prober: Prober,
    /// The newest probe.
    cluster: Option<Cluster>,
    probed_us: Option<i64>,
    silence: Silence,
    rtt: Option<Least>,
    receiver: ReceiverClock,
    heard_us: Option<i64>,
    recovery: Recovery,
}

impl Congestion {
    /// A session of which nothing is known.
    #[must_use]
    pub fn new(config: Config, now_us: i64) -> Self {
        let bounds = Bounds { min: config.min_bps, max: config.max_bps.max(config.min_bps) };
        Self {
            bounds,
            history: History::default(),
            groups: Groups::default(),
            trend: Trend::default(),
            standing: Standing::default(),
            acked: Acked::default(),
            rate: Rate::new(config.initial_bps, bounds, now_us),
            loss: Loss::new(now_us),
            limited: Limited::new(now_us),
            prober: Prober::default(),
            cluster: None,
            probed_us: None,
            silence: Silence::default(),
            rtt: None,
            receiver: ReceiverClock::default(),
            heard_us: None,
            recovery: Recovery::default(),
        }
    }

    /// What the session could use: up to this is probed for. 0 means that nobody is fed: nothing is probed and the
    /// estimate is kept.
    pub fn aim(&mut self, most_bps: u64, now_us: i64) {
        self.prober.aim(most_bps, self.estimate_bps(), now_us);
    }

    /// A packet of so many bytes of UDP payload goes out now, as part of a probe or not. Returns the
    /// transport-wide number that it must carry.
    pub fn sent(&mut self, bytes: usize, probe: Option<u32>, now_us: i64) -> u16 {
        // Padding shows that the path could be used more, not that it is.
        let used = if probe.is_some() { 0 } else { bytes };
        self.limited.sent(used, self.estimate_bps(), now_us);
        self.silence.sent(now_us);
        let cluster = self.cluster.as_mut().filter(|cluster| match probe {
            Some(id) => cluster.id() == id,
            None => !cluster.is_sent(),
        });
        let id = cluster.map_or(0, |cluster| {
            cluster.sent(bytes, now_us);
            cluster.id()
        });
        self.history.push(bytes, id, now_us)
    }

    /// The receiver says what arrived.
    pub fn feedback(&mut self, feedback: &Feedback<'_>, now_us: i64) {
        if self.is_stale(now_us) {
            self.groups = Groups::default();
            self.trend = Trend::default();
        }
        let offset_us = self.receiver.offset_us(feedback.reference());
        let mut newest_us = None;
        let mut heard = false;
        for (number, arrival) in feedback.statuses() {
            let Some((packet, news)) = self.history.heard(number, arrival.is_some()) else { continue };
            heard = true;
            match news {
                News::ArrivedAfterAll => self.loss.arrived_after_all(),
                News::Missing | News::Arrived => {
                    self.loss.heard(news == News::Missing, packet.at_us, packet.bytes);
                }
            }
            let Some(at_us) = arrival.map(|at| at.saturating_add(offset_us)) else { continue };
            newest_us = newest_us.max(Some(packet.at_us));
            self.acked.arrived(at_us, packet.bytes);
            if let Some(delta) = self.groups.arrived(packet.at_us, at_us, now_us) {
                self.trend.add(delta, now_us);
            }
            if let Some(cluster) = self.cluster.as_mut().filter(|cluster| cluster.id() == packet.probe) {
                cluster.arrived(packet, at_us);
            }
        }
        if heard {
            self.heard_us = Some(now_us);
            self.silence.over();
            if let Some(at_us) = newest_us {
                self.set_rtt(now_us.saturating_sub(at_us), now_us);
            }
            self.decide(now_us);
        }
    }

    fn decide(&mut self, now_us: i64) {
        let before_bps = self.estimate_bps();
        self.limited.sent(0, before_bps, now_us);
        let acked_bps = self.acked.bps();
        let verdict = self.standing.judge(self.trend.usage(), self.trend.queue_us(), acked_bps);
        if verdict == Verdict::LongerRoute {
            self.trend.get_used_to_it(now_us);
        }
        let usage = match self.usage(now_us) {
            Usage::Normal if verdict == Verdict::Queue => Usage::Over,
            usage => usage,
        };
        let signs = Signs {
            usage,
            queue_us: self.trend.queue_us(),
            acked_bps,
            rtt_us: self.rtt_us().unwrap_or(UNKNOWN_RTT_US),
            limited: self.limited.get(),
        };
        self.rate.update(signs, now_us);
        let reduced = self.rate.was_reduced(now_us);
        let rate_bps = self.rate.bps();
        let Signs { limited, rtt_us, .. } = signs;
        self.loss.update(loss::Signs { rate_bps, reduced, limited, rtt_us }, now_us);
        self.measure(now_us);
        self.recover(before_bps, now_us);
    }

    /// Nothing was heard for so long that nothing is known of the path's queue.
    fn is_stale(&self, now_us: i64) -> bool {
        self.heard_us.is_some_and(|at| now_us.saturating_sub(at) > STALE_US)
    }

    /// What delay says of the path, apart from what is our own doing.
    fn usage(&self, now_us: i64) -> Usage {
        if self.is_stale(now_us) {
            return Usage::Normal;
        }
        let queue_us = self.trend.queue_us();
        let probing = self.probed_us.is_some_and(|at| now_us.saturating_sub(at) < PROBE_QUEUES_US);
        let harmless = queue_us < HARMLESS_QUEUE_US || probing && queue_us < PROBE_QUEUE_US;
        match self.trend.usage() {
            Usage::Over if harmless => Usage::Normal,
            usage => usage,
        }
    }

    /// Takes what the newest probe measured. Only upwards: a few packets on a restless path would
    /// otherwise cut a good estimate, and a path that became slow shows by its queue.
    fn measure(&mut self, now_us: i64) {
        let Some((id, bps)) =
            self.cluster.and_then(|cluster| Some((cluster.id(), cluster.result(self.loss.share())?)))
        else {
            return;
        };
        self.cluster = None;
        self.prober.measured(id, bps, self.estimate_bps(), now_us);
        if bps > self.rate.bps() && self.usage(now_us) != Usage::Over {
            self.rate.set(bps, now_us);
        }
    }

    /// After a fall that is over, the path is tried again.
    fn recover(&mut self, before_bps: u64, now_us: i64) {
        let path = self.path(now_us);
        self.recovery.moved(before_bps, path.estimate_bps, now_us);
        if path.calm
            && let Some(bps) = self.recovery.take(path.estimate_bps, now_us)
        {
            self.prober.recover(bps, now_us);
        }
    }

    fn path(&self, now_us: i64) -> Path {
        let calm =
            self.usage(now_us) == Usage::Normal && !self.loss.forbids_more() && !self.silence.is_long();
        Path { estimate_bps: self.estimate_bps(), calm, limited: self.limited.get() }
    }

    /// What the path carries, as far as is known.
    #[must_use]
    pub fn estimate_bps(&self) -> u64 {
        let rate = self.rate.bps();
        self.bounds.clamp(self.loss.limit_bps().map_or(rate, |limit| rate.min(limit)))
    }

    /// Share of packets that do not arrive, from 0 to 1, smoothed over about a second.
    #[must_use]
    pub const fn loss(&self) -> f32 {
        self.loss.share() as f32
    }

    /// The least round trip of the last 10 to 20 seconds, once there was one.
    #[must_use]
    pub fn rtt_us(&self) -> Option<i64> {
        self.rtt.map(|rtt| rtt.get())
    }

    /// A round trip was measured by other means.
    pub fn set_rtt(&mut self, rtt_us: i64, now_us: i64) {
        let rtt_us = rtt_us.max(0);
        self.rtt.get_or_insert_with(|| Least::new(rtt_us, now_us)).add(rtt_us, now_us);
    }

    /// How much longer packets take than the fastest of late: about what they wait in queues.
    #[must_use]
    pub fn queue_us(&self) -> i64 {
        self.trend.queue_us()
    }

    /// When [`Congestion::poll_probe`] should be called at the latest.
    #[must_use]
    pub fn deadline_us(&self) -> Option<i64> {
        let silence = self.silence.deadline_us(self.rtt_us().unwrap_or(UNKNOWN_RTT_US));
        [silence, self.prober.deadline_us(self.estimate_bps(), self.limited.get())]
            .into_iter()
            .flatten()
            .min()
    }

    /// Lets time pass; returns the probe that should go out now, if one is due.
    pub fn poll_probe(&mut self, now_us: i64) -> Option<Probe> {
        if self.silence.poll(self.rtt_us().unwrap_or(UNKNOWN_RTT_US), now_us) {
            let before_bps = self.estimate_bps();
            self.rate.halve(now_us);
            self.recover(before_bps, now_us);
        }
        let probe = self.prober.poll(self.path(now_us), now_us)?;
        self.cluster = Some(Cluster::new(probe));
        self.probed_us = Some(now_us);
        Some(probe)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twcc::{Arrivals, read};
    use proptest::prelude::*;

    const MS: i64 = 1_000;
    const CONFIG: Config = Config { initial_bps: 300_000, min_bps: 50_000, max_bps: 5_000_000 };

    /// A path that only delays; feedback every 50 ms, probes sent as told.
    struct Path {
        congestion: Congestion,
        arrivals: Arrivals,
        /// The receiver's clock minus ours.
        ahead_us: i64,
        deaf: bool,
    }

    impl Path {
        fn new() -> Self {
            let congestion = Congestion::new(CONFIG, 0);
            Self { congestion, arrivals: Arrivals::default(), ahead_us: 0, deaf: false }
        }

        fn send(&mut self, bytes: usize, probe: Option<u32>, now_us: i64) {
            let number = self.congestion.sent(bytes, probe, now_us);
            if !self.deaf {
                self.arrivals.record(number, now_us + 20 * MS + self.ahead_us);
            }
        }

        /// Sends one packet of so many bytes each 10 ms.
        fn run(&mut self, from_ms: i64, span_ms: i64, bytes: usize) -> u64 {
            for ms in from_ms..from_ms + span_ms {
                let now_us = ms * MS;
                if bytes > 0 && ms % 10 == 0 {
                    self.send(bytes, None, now_us);
                }
                while let Some(probe) = self.congestion.poll_probe(now_us) {
                    let size = probe.bytes.div_ceil(probe.packets);
                    for n in 0..i64::from(probe.packets) {
                        let gap = i64::from(size) * 8_000_000 / probe.bps as i64;
                        self.send(size as usize, Some(probe.id), now_us + n * gap);
                    }
                }
                if ms % 50 == 45 {
                    self.report(now_us + 20 * MS);
                }
            }
            self.congestion.estimate_bps()
        }

        fn report(&mut self, now_us: i64) {
            let mut out = Vec::new();
            while self.arrivals.write(&mut out, 1, 2) {
                self.congestion.feedback(&read(&out[12..]).unwrap(), now_us);
                // Once more, as from a network that doubles.
                self.congestion.feedback(&read(&out[12..]).unwrap(), now_us);
                out.clear();
            }
        }
    }

    #[test]
    fn probes_find_what_could_be_used_though_little_is_sent() {
        let mut path = Path::new();
        path.congestion.aim(2_000_000, 0);
        let estimate = path.run(0, 2_000, 200);
        assert!((1_900_000..2_600_000).contains(&estimate), "{estimate}");
        assert_eq!(path.congestion.rtt_us(), Some(20 * MS + 5 * MS));
        assert!(path.congestion.loss() < 0.001);
        assert_eq!(path.run(2_000, 20_000, 200), estimate, "it stays");
    }

    #[test]
    fn without_an_aim_nothing_grows_beyond_evidence() {
        let mut path = Path::new();
        assert_eq!(path.run(0, 20_000, 125), 300_000);
        let estimate = path.run(20_000, 20_000, 375);
        assert!((440_000..=460_000).contains(&estimate), "{estimate}");
    }

    #[test]
    fn silence_halves_and_a_probe_brings_back() {
        let mut path = Path::new();
        path.congestion.aim(2_000_000, 0);
        let before = path.run(0, 3_000, 1_250);
        path.deaf = true;
        let during = path.run(3_000, 2_000, 1_250);
        assert!((before / 16..=before / 4).contains(&during), "{before} became {during}");
        path.deaf = false;
        let after = path.run(5_000, 2_000, 1_250);
        assert!(after > before * 4 / 5, "{before} became {after}");
        assert_eq!(path.run(7_000, 60_000, 0), after, "who sends nothing misses nothing");
    }

    #[test]
    fn the_receivers_clock_may_wrap_and_jump() {
        let mut path = Path::new();
        path.congestion.aim(1_000_000, 0);
        // The reference time wraps in the middle.
        path.ahead_us = ((64 * MS) << 24) - 1_500 * MS;
        let before = path.run(0, 3_000, 1_000);
        for (n, jump) in (1_i64..).zip([3_600_000_000, -3_600_000_000, 700_000]) {
            path.ahead_us += jump;
            let after = path.run(n * 3_000, 3_000, 1_000);
            // A small jump may as well be a queue.
            let least = if jump.abs() > 3_000_000 { before * 4 / 5 } else { before / 2 };
            assert!(after >= least, "{before} became {after}");
        }
    }

    #[test]
    fn an_idle_session_costs_little() {
        assert!(size_of::<Congestion>() <= 1_288, "{}", size_of::<Congestion>());
    }

    proptest! {
        #[test]
        fn any_feedback_is_survived(
            config in any::<(u64, u64, u64)>(),
            steps in proptest::collection::vec(
                (0_u8..6, any::<i64>(), 0_i64..1_000_000, proptest::collection::vec(any::<u8>(), 8..60)),
                0..200,
            ),
            wild: bool,
        ) {
            let (initial_bps, min_bps, max_bps) = config;
            let mut congestion = Congestion::new(Config { initial_bps, min_bps, max_bps }, 0);
            let (mut now_us, mut newest, mut probe) = (0_i64, 0, None);
            for (kind, at, step, mut fci) in steps {
                now_us = if wild { at } else { now_us + step };
                match kind {
                    0 => congestion.aim(at.unsigned_abs(), now_us),
                    1 => probe = congestion.poll_probe(now_us).map(|probe| probe.id).or(probe),
                    2 | 3 => newest = congestion.sent(fci.len() * 20, probe.filter(|_| kind == 2), now_us),
                    _ => {
                        let base = newest.wrapping_sub(u16::from(fci[0]) % 8);
                        let count = u16::from(fci[3]) % 16;
                        fci[..4].copy_from_slice(&(u32::from(base) << 16 | u32::from(count)).to_be_bytes());
                        if let Some(feedback) = read(&fci) {
                            congestion.feedback(&feedback, now_us);
                        }
                    }
                }
                let estimate = congestion.estimate_bps();
                prop_assert!((min_bps..=max_bps.max(min_bps)).contains(&estimate));
                prop_assert!((0.0..=1.0).contains(&congestion.loss()));
                prop_assert!(congestion.rtt_us().is_none_or(|rtt| rtt >= 0) && congestion.queue_us() >= 0);
                let _ = congestion.deadline_us();
            }
        }
    }
}
