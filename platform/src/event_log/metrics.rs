//! What the store counts.

use crate::{
    event_log::{AppendError, Refusal, judge::Outcome},
    lane::Lane,
};
use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

#[derive(Clone)]
pub(in crate::event_log) struct StoreMetrics {
    appends: IntCounterVec,
    waiting: IntGaugeVec,
    read_failures: IntCounterVec,
    writable: IntGauge,
    pub(in crate::event_log) commit_seconds: Histogram,
    pub(in crate::event_log) commit_appends: Histogram,
}

impl StoreMetrics {
    pub(in crate::event_log) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            appends: IntCounterVec::new(
                Opts::new("telehealth_store_appends_total", "Appends to the event log by outcome"),
                &["outcome"],
            )?,
            waiting: IntGaugeVec::new(
                Opts::new("telehealth_store_queue_appends", "Appends that wait for the writer, by lane"),
                &["lane"],
            )?,
            read_failures: IntCounterVec::new(
                Opts::new(
                    "telehealth_store_read_failures_total",
                    "Reads of the event log that failed, by lane",
                ),
                &["lane"],
            )?,
            writable: IntGauge::new("telehealth_store_writable", "1 while the event log takes appends")?,
            commit_seconds: Histogram::with_opts(
                HistogramOpts::new("telehealth_store_commit_seconds", "Time of one durable commit")
                    .buckets(vec![0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0]),
            )?,
            commit_appends: Histogram::with_opts(
                HistogramOpts::new("telehealth_store_commit_appends", "Appends that share one commit")
                    .buckets(vec![1.0, 2.0, 4.0, 16.0, 64.0, 256.0, 1_024.0]),
            )?,
        };
        registry.register(Box::new(metrics.appends.clone()))?;
        registry.register(Box::new(metrics.waiting.clone()))?;
        registry.register(Box::new(metrics.read_failures.clone()))?;
        registry.register(Box::new(metrics.writable.clone()))?;
        registry.register(Box::new(metrics.commit_seconds.clone()))?;
        registry.register(Box::new(metrics.commit_appends.clone()))?;
        metrics.writable.set(1);
        Ok(metrics)
    }

    pub(in crate::event_log) fn count(&self, outcome: &Outcome) {
        let label = match outcome {
            Ok(appended) if appended.repeated => "repeated",
            Ok(_) => "recorded",
            Err(AppendError::Rejected(refusal)) => match refusal {
                Refusal::Conflict { .. } => "conflict",
                Refusal::Fenced => "fenced",
                Refusal::TooLarge => "too-large",
                Refusal::Invalid => "invalid",
                Refusal::Overdue => "overdue",
                Refusal::Unavailable => "unavailable",
            },
            Err(AppendError::Unknown) => "unknown",
        };
        self.appends.with_label_values(&[label]).inc();
    }

    /// Whether the last commit went through.
    pub(in crate::event_log) fn writable(&self, writable: bool) {
        self.writable.set(writable.into());
    }

    /// Counts the reads of a lane that fail.
    pub(in crate::event_log) fn read_failures(&self, lane: Lane) -> IntCounter {
        self.read_failures.with_label_values(&[lane.as_str()])
    }

    /// How many wait in each lane.
    pub(in crate::event_log) fn waiting(&self, lanes: [usize; Lane::ALL.len()]) {
        for (lane, waiting) in Lane::ALL.into_iter().zip(lanes) {
            self.waiting_in(lane, waiting);
        }
    }

    /// How many wait for a writer of a lane.
    pub(in crate::event_log) fn waiting_in(&self, lane: Lane, waiting: usize) {
        self.waiting.with_label_values(&[lane.as_str()]).set(waiting as i64);
    }
}
