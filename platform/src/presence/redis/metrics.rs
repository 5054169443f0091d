//! What presence counts.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

#[derive(Clone)]
pub(super) struct PresenceMetrics {
    errors: IntCounterVec,
    pub(super) rebuilds: IntCounter,
    pub(super) announced: IntGauge,
    pub(super) connected: IntGauge,
}

impl PresenceMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            errors: IntCounterVec::new(
                Opts::new("telehealth_presence_errors_total", "Operations that failed"),
                &["operation"],
            )?,
            rebuilds: IntCounter::new(
                "telehealth_presence_rebuilds_total",
                "Times that everything was announced anew, because Redis was wiped or replaced",
            )?,
            announced: IntGauge::new("telehealth_presence_announced", "Entries that this process keeps up")?,
            connected: IntGauge::new("telehealth_presence_connected", "1 while Redis answers")?,
        };
        registry.register(Box::new(metrics.errors.clone()))?;
        registry.register(Box::new(metrics.rebuilds.clone()))?;
        registry.register(Box::new(metrics.announced.clone()))?;
        registry.register(Box::new(metrics.connected.clone()))?;
        Ok(metrics)
    }

    pub(super) fn failed(&self, operation: &str) {
        self.errors.with_label_values(&[operation]).inc();
    }
}
