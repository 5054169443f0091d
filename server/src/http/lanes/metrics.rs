//! What happens at the doors, by lane.

use platform::lane::Lane;
use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

#[derive(Clone)]
pub(super) struct LaneMetrics {
    running: IntGaugeVec,
    waiting: IntGaugeVec,
    allowed: IntGaugeVec,
    shed: IntCounterVec,
    wait_seconds: HistogramVec,
    pub(super) delay_seconds: Gauge,
}

/// Those of one lane.
pub(super) struct DoorMetrics {
    pub(super) running: IntGauge,
    pub(super) waiting: IntGauge,
    pub(super) allowed: IntGauge,
    pub(super) wait_seconds: Histogram,
}

impl LaneMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name, help| IntGaugeVec::new(Opts::new(name, help), &["lane"]);
        let metrics = Self {
            running: gauge("telehealth_http_lane_running_requests", "Requests that are worked on, by lane")?,
            waiting: gauge(
                "telehealth_http_lane_waiting_requests",
                "Requests that wait for a turn, by lane",
            )?,
            allowed: gauge(
                "telehealth_http_lane_allowed_requests",
                "Requests that may be worked on, by lane",
            )?,
            shed: IntCounterVec::new(
                Opts::new(
                    "telehealth_http_lane_shed_total",
                    "Requests that were not done, by lane and reason",
                ),
                &["lane", "reason"],
            )?,
            wait_seconds: HistogramVec::new(
                HistogramOpts::new("telehealth_http_lane_wait_seconds", "Wait for a turn, by lane")
                    .buckets(vec![0.000_1, 0.001, 0.005, 0.02, 0.1, 0.5, 2.0]),
                &["lane"],
            )?,
            delay_seconds: Gauge::new(
                "telehealth_process_delay_seconds",
                "Delay that stands in the process: how late it does what is ready, or the critical lane's queue",
            )?,
        };
        for gauge in [&metrics.running, &metrics.waiting, &metrics.allowed] {
            registry.register(Box::new(gauge.clone()))?;
        }
        registry.register(Box::new(metrics.shed.clone()))?;
        registry.register(Box::new(metrics.wait_seconds.clone()))?;
        registry.register(Box::new(metrics.delay_seconds.clone()))?;
        Ok(metrics)
    }

    pub(super) fn of(&self, lane: Lane) -> DoorMetrics {
        let label = &[lane.as_str()];
        DoorMetrics {
            running: self.running.with_label_values(label),
            waiting: self.waiting.with_label_values(label),
            allowed: self.allowed.with_label_values(label),
            wait_seconds: self.wait_seconds.with_label_values(label),
        }
    }

    pub(super) fn shed(&self, lane: Lane, reason: &'static str) {
        self.shed.with_label_values(&[lane.as_str(), reason]).inc();
    }
}
