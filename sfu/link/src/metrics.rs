//! What is counted of the link, on both ends. A node's id is a label: there are at most
//! [`crate::limits::MAX_NODES`].

use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};
use sfu_core::port::MediaError;
use std::time::Duration;

/// The figures; cheap to clone, registered once in a process.
#[derive(Clone, Debug)]
pub struct Metrics {
    up: IntGaugeVec,
    calls: IntCounterVec,
    seconds: HistogramVec,
    resyncs: IntCounterVec,
    fenced: IntCounter,
    streams: IntGauge,
    refused: IntCounterVec,
    cut: IntCounter,
}

impl Metrics {
    /// Makes and registers them.
    ///
    /// # Errors
    /// A metric of such a name is registered already.
    pub fn new(registry: &Registry) -> prometheus::Result<Self> {
        let opts = |name: &str, help: &str| Opts::new(format!("telehealth_media_link_{name}"), help);
        let buckets = vec![0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0];
        let seconds = HistogramOpts::new("telehealth_media_link_call_seconds", "Time from asked to answered")
            .buckets(buckets);
        let metrics = Self {
            up: IntGaugeVec::new(opts("up", "Whether the stream to a media node is up"), &["node"])?,
            calls: IntCounterVec::new(opts("calls_total", "Questions to nodes"), &["kind", "outcome"])?,
            seconds: HistogramVec::new(seconds, &["kind"])?,
            resyncs: IntCounterVec::new(
                opts("resyncs_total", "Streams that came up, and what is there was asked for"),
                &["node"],
            )?,
            fenced: IntCounter::with_opts(opts("fenced_total", "Refusals to who was taken over"))?,
            streams: IntGauge::with_opts(opts("streams", "Signaling processes connected to this node"))?,
            refused: IntCounterVec::new(opts("refused_total", "Streams refused, by problem"), &["code"])?,
            cut: IntCounter::with_opts(opts("cut_total", "Streams ended because they read too slowly"))?,
        };
        for vec in [&metrics.calls, &metrics.resyncs, &metrics.refused] {
            registry.register(Box::new(vec.clone()))?;
        }
        for counter in [&metrics.fenced, &metrics.cut] {
            registry.register(Box::new(counter.clone()))?;
        }
        registry.register(Box::new(metrics.up.clone()))?;
        registry.register(Box::new(metrics.seconds.clone()))?;
        registry.register(Box::new(metrics.streams.clone()))?;
        Ok(metrics)
    }

    pub(crate) fn link(&self, node: &str, up: bool) {
        self.up.with_label_values(&[node]).set(up.into());
        if up {
            self.resyncs.with_label_values(&[node]).inc();
        }
    }

    pub(crate) fn forget(&self, node: &str) {
        let _ = self.up.remove_label_values(&[node]);
        let _ = self.resyncs.remove_label_values(&[node]);
    }

    pub(crate) fn answered(&self, kind: &str, outcome: Result<(), &MediaError>, took: Duration) {
        let outcome = match outcome {
            Ok(()) => "ok",
            Err(MediaError::OfferTooLarge) => "offer-too-large",
            Err(MediaError::OfferInvalid(_)) => "offer-invalid",
            Err(MediaError::NoSuchSession) => "no-such-session",
            Err(MediaError::Busy) => "busy",
            Err(MediaError::Draining) => "draining",
            Err(MediaError::Fenced) => "fenced",
        };
        self.calls.with_label_values(&[kind, outcome]).inc();
        self.seconds.with_label_values(&[kind]).observe(took.as_secs_f64());
    }

    pub(crate) fn timed_out(&self, kind: &str) {
        self.calls.with_label_values(&[kind, "timeout"]).inc();
    }

    pub(crate) fn fenced(&self) {
        self.fenced.inc();
    }

    pub(crate) fn stream_opened(&self) {
        self.streams.inc();
    }

    pub(crate) fn stream_closed(&self) {
        self.streams.dec();
    }

    pub(crate) fn refused(&self, code: &str) {
        self.refused.with_label_values(&[code]).inc();
    }

    pub(crate) fn stream_cut(&self) {
        self.cut.inc();
    }
}
