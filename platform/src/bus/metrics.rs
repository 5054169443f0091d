//! What the bus counts.

use super::{BusError, ConsumerName};
use crate::lane::Lane;
use prometheus::{IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry};

#[derive(Clone)]
pub(super) struct BusMetrics {
    published: IntCounterVec,
    delivered: IntCounterVec,
    redelivered: IntCounterVec,
    parked: IntCounterVec,
    expired: IntCounterVec,
    resets: IntCounterVec,
    missed: IntCounter,
    pending: IntGaugeVec,
    connected: IntGaugeVec,
}

impl BusMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let by = |name: &str, help: &str, labels: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(format!("telehealth_bus_{name}"), help), labels)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let gauge = |name: &str, help: &str, labels: &[&str]| {
            let gauge = IntGaugeVec::new(Opts::new(format!("telehealth_bus_{name}"), help), labels)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let missed = IntCounter::new("telehealth_bus_missed_total", "Messages that slow listeners lost")?;
        registry.register(Box::new(missed.clone()))?;
        Ok(Self {
            published: by("published_total", "Publishes by outcome", &["lane", "outcome"])?,
            delivered: by("delivered_total", "Deliveries to durable consumers", &["lane"])?,
            redelivered: by("redelivered_total", "Deliveries that were not the first", &["lane"])?,
            parked: by("parked_total", "Messages given up after the last attempt", &["lane"])?,
            expired: by("expired_total", "Messages dropped past their deadline", &["lane"])?,
            resets: by("resets_total", "Times that a lane lost what it held", &["lane"])?,
            missed,
            pending: gauge("consumer_pending", "Messages a consumer has yet to see", &["consumer", "lane"])?,
            connected: gauge("connected", "1 while the connection is up", &["connection"])?,
        })
    }

    pub(super) fn published(&self, lane: Lane, outcome: &Result<Published, BusError>) {
        let label = match outcome {
            Ok(Published::New) => "published",
            Ok(Published::Repeated) => "repeated",
            Err(BusError::TooLarge) => "too-large",
            Err(_) => "unavailable",
        };
        self.published.with_label_values(&[lane.as_str(), label]).inc();
    }

    pub(super) fn delivered(&self, lane: Lane, attempt: u32) {
        self.delivered.with_label_values(&[lane.as_str()]).inc();
        if attempt > 1 {
            self.redelivered.with_label_values(&[lane.as_str()]).inc();
        }
    }

    pub(super) fn parked(&self, lane: Lane) {
        self.parked.with_label_values(&[lane.as_str()]).inc();
    }

    pub(super) fn expired(&self, lane: Lane) {
        self.expired.with_label_values(&[lane.as_str()]).inc();
    }

    pub(super) fn reset(&self, lane: Lane) {
        self.resets.with_label_values(&[lane.as_str()]).inc();
    }

    pub(super) fn missed(&self, count: u64) {
        self.missed.inc_by(count);
    }

    pub(super) fn pending(&self, consumer: &ConsumerName, lane: Lane, count: u64) {
        let gauge = self.pending.with_label_values(&[consumer.as_str(), lane.as_str()]);
        gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub(super) fn is_connected(&self, connection: &str) -> bool {
        self.connected.with_label_values(&[connection]).get() == 1
    }

    pub(super) fn connected(&self, connection: &str, up: bool) {
        self.connected.with_label_values(&[connection]).set(up.into());
    }
}

/// What a publish did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Published {
    New,
    /// The id had been published before; nothing was put in now.
    Repeated,
}
