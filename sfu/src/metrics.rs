//! Figures of the media plane. A shard counts into atomics that only it writes (a plain load and
//! store, no lock and no contended line); a scrape reads them.

use prometheus::{
    Registry,
    core::{Collector, Desc},
    proto,
};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

mod export;

/// A counter or gauge with one writer.
#[derive(Debug, Default)]
pub(crate) struct Cell(AtomicU64);

impl Cell {
    pub(crate) fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }
    pub(crate) fn inc(&self) {
        self.add(1);
    }
    pub(crate) fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Upper bounds of the time histograms, in seconds; one bucket above them.
pub(crate) const TIME_BOUNDS: [f64; 14] =
    [0.000_05, 0.000_1, 0.000_2, 0.000_3, 0.000_5, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5];

/// A histogram with one writer.
#[derive(Debug, Default)]
pub(crate) struct Times {
    buckets: [Cell; TIME_BOUNDS.len() + 1],
    sum_ns: Cell,
}

impl Times {
    /// Counts `n` things that each took `ns` nanoseconds.
    pub(crate) fn observe(&self, ns: u64, n: u64) {
        let seconds = ns as f64 / 1e9;
        let bucket = TIME_BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(TIME_BOUNDS.len());
        self.buckets[bucket].add(n);
        self.sum_ns.add(ns.saturating_mul(n));
    }
}

/// Upper bounds of the run-length histograms; one bucket above them.
pub(crate) const RUN_BOUNDS: [u64; 6] = [1, 2, 4, 8, 16, 32];

/// How many datagrams went through the kernel in one piece.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    buckets: [Cell; RUN_BOUNDS.len() + 1],
    datagrams: Cell,
}

impl Runs {
    pub(crate) fn observe(&self, run: u64) {
        let bucket = RUN_BOUNDS.iter().position(|bound| run <= *bound).unwrap_or(RUN_BOUNDS.len());
        self.buckets[bucket].inc();
        self.datagrams.add(run);
    }
}

macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $label:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum $name { $($variant,)+ }
        impl $name {
            pub(crate) const ALL: &[Self] = &[$(Self::$variant,)+];
            pub(crate) const COUNT: usize = Self::ALL.len();
            pub(crate) const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }
        }
    };
}

labels! {
    /// What a media packet carries.
    Media { Audio = "audio", Video = "video", Screen = "screen", }
}
labels! {
    /// How far a session got.
    Stage {
        Answered = "answered",
        Checked = "ice",
        Connected = "connected",
        Received = "first-packet-in",
        Sent = "first-packet-out",
        Shown = "first-picture-out",
    }
}
labels! {
    /// The SRTP protection profile a session negotiated.
    Profile { Gcm256 = "aead-aes-256-gcm", Gcm128 = "aead-aes-128-gcm", Cm = "aes-128-cm-sha1-80", }
}
labels! {
    /// What the selected candidate pair runs over.
    Path { Udp4 = "udp4", Udp6 = "udp6", Tcp4 = "tcp4", Tcp6 = "tcp6", }
}
labels! {
    /// Why a packet went no further.
    Drop {
        Unseated = "unseated",
        NotForwarded = "nobody-subscribes",
        NotSharing = "not-sharing",
        NoKeyframe = "awaiting-keyframe",
        Padding = "padding",
        Late = "late",
        Repeat = "repeat",
        LinkFull = "link-full",
        Direction = "direction",
        Malformed = "malformed",
        TooLong = "too-long",
        Rejected = "not-authentic",
        SocketFull = "socket-full",
        TcpFull = "tcp-queue-full",
        NoPath = "no-path",
    }
}
labels! {
    /// What was wrong with a packet of nobody known.
    Stranger {
        Garbage = "garbage",
        UnknownAddress = "unknown-address",
        UnknownUfrag = "unknown-ufrag",
        BadIntegrity = "bad-integrity",
        NotARequest = "not-a-binding-request",
        OverBudget = "over-budget",
    }
}
labels! {
    /// RTCP feedback and repair, and who sent it.
    Feedback {
        NackIn = "nack-in",
        NackOut = "nack-out",
        PliIn = "pli-in",
        PliOut = "pli-out",
    }
}

/// Counts of one media kind in one direction.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) packets: Cell,
    pub(crate) bytes: Cell,
}

/// Everything one shard counts.
#[derive(Debug, Default)]
pub(crate) struct ShardMetrics {
    pub(crate) received: [Traffic; Media::COUNT],
    pub(crate) forwarded: [Traffic; Media::COUNT],
    pub(crate) datagrams_in: Cell,
    pub(crate) datagrams_out: Cell,
    pub(crate) sends: Cell,
    pub(crate) runs_in: Runs,
    pub(crate) runs_out: Runs,
    pub(crate) forward_time: Times,
    pub(crate) loop_time: Times,
    pub(crate) rooms: Cell,
    pub(crate) sessions: Cell,
    pub(crate) seated: Cell,
    pub(crate) stages: [Cell; Stage::COUNT],
    pub(crate) profiles: [Cell; Profile::COUNT],
    pub(crate) paths: [Cell; Path::COUNT],
    pub(crate) drops: [Cell; Drop::COUNT],
    pub(crate) strangers: [Cell; Stranger::COUNT],
    pub(crate) feedback: [Cell; Feedback::COUNT],
    pub(crate) rtx_out: Cell,
    pub(crate) estimate_bps: Cell,
    pub(crate) sent_bps: Cell,
    pub(crate) pulses: Cell,
    pub(crate) panics: Cell,
    pub(crate) tcp_connections: Cell,
    pub(crate) closed: Cell,
}

impl ShardMetrics {
    pub(crate) fn dropped(&self, why: Drop) {
        self.drops[why as usize].inc();
    }
    pub(crate) fn stage(&self, stage: Stage) {
        self.stages[stage as usize].inc();
    }
    pub(crate) fn stranger(&self, what: Stranger) {
        self.strangers[what as usize].inc();
    }
}

/// The figures of every shard, for scrapes and tests.
#[derive(Clone, Debug)]
pub struct Metrics {
    shards: Vec<Arc<ShardMetrics>>,
    descs: Arc<Vec<Desc>>,
}

impl Metrics {
    pub(crate) fn new(shards: usize) -> Self {
        let shards: Vec<_> = (0..shards).map(|_| Arc::new(ShardMetrics::default())).collect();
        let descs = export::families(&shards).iter().filter_map(export::desc).collect();
        Self { shards, descs: Arc::new(descs) }
    }

    pub(crate) fn register(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        registry.register(Box::new(self.clone()))
    }

    pub(crate) fn shard(&self, n: usize) -> Arc<ShardMetrics> {
        Arc::clone(&self.shards[n])
    }

    /// The sum over shards (and, without a label, over labels) of a counter or gauge, by the name and
    /// label value it has in a scrape. For tests and the console; `None` if there is no such figure.
    #[must_use]
    pub fn value(&self, name: &str, label: Option<&str>) -> Option<f64> {
        let families = export::families(&self.shards);
        let family = families.iter().find(|f| f.name() == name)?;
        let metrics = family
            .get_metric()
            .iter()
            .filter(|m| label.is_none_or(|wanted| m.get_label().iter().any(|pair| pair.value() == wanted)));
        Some(metrics.map(|m| m.get_counter().get_value() + m.get_gauge().get_value()).sum())
    }
}

impl Collector for Metrics {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }
    fn collect(&self) -> Vec<proto::MetricFamily> {
        export::families(&self.shards)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scrape_shows_what_was_counted() {
        let registry = Registry::new();
        let metrics = Metrics::new(2);
        metrics.register(&registry).unwrap();
        metrics.shard(0).received[Media::Audio as usize].packets.add(3);
        metrics.shard(1).received[Media::Audio as usize].packets.add(4);
        metrics.shard(0).forward_time.observe(150_000, 2);
        metrics.shard(1).forward_time.observe(9_000_000_000, 1);
        let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        for line in [
            r#"telehealth_sfu_packets_total{direction="in",kind="audio"} 7"#,
            r#"telehealth_sfu_forward_duration_seconds_bucket{le="0.0001"} 0"#,
            r#"telehealth_sfu_forward_duration_seconds_bucket{le="0.0002"} 2"#,
            r#"telehealth_sfu_forward_duration_seconds_bucket{le="+Inf"} 3"#,
            "telehealth_sfu_forward_duration_seconds_count 3",
            "telehealth_sfu_caught_panics_total 0",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert_eq!(metrics.value("telehealth_sfu_packets_total", Some("audio")), Some(7.0));
        assert_eq!(metrics.value("nothing", None), None);
    }

    #[test]
    fn registering_twice_is_refused() {
        let registry = Registry::new();
        Metrics::new(1).register(&registry).unwrap();
        assert!(Metrics::new(1).register(&registry).is_err());
    }
}
