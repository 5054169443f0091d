//! What sending counts. Labels are of a handful of values: never a unit's or a webhook's.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use webhooks_core::Answer;

pub(crate) struct Metrics {
    pub(crate) backlog: IntGauge,
    pub(crate) age: IntGauge,
    pub(crate) webhooks: IntGaugeVec,
    pub(crate) turn: IntGauge,
    pub(crate) forgotten: IntCounter,
    pub(crate) off: IntCounter,
    pub(crate) begun_anew: IntCounter,
    deliveries: IntCounterVec,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let name = |name: &str| format!("telehealth_webhooks_{name}");
        let gauge = |of: &str, help: &str| {
            let gauge = IntGauge::new(name(of), help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let counter = |of: &str, help: &str| {
            let counter = IntCounter::new(name(of), help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let webhooks = IntGaugeVec::new(Opts::new(name("endpoints"), "Webhooks by state"), &["state"])?;
        registry.register(Box::new(webhooks.clone()))?;
        let deliveries = IntCounterVec::new(
            Opts::new(name("deliveries_total"), "Events sent, by what came of it"),
            &["outcome"],
        )?;
        registry.register(Box::new(deliveries.clone()))?;
        Ok(Self {
            backlog: gauge("backlog_events", "Events that webhooks have still to be sent")?,
            age: gauge("backlog_age_seconds", "Age of the oldest of them, of webhooks that are switched on")?,
            webhooks,
            turn: gauge("sends", "1 where this process has the turn to send")?,
            forgotten: counter("forgotten_unsent_total", "Events forgotten before a webhook had them")?,
            off: counter("switched_off_total", "Webhooks switched off because nobody listened")?,
            begun_anew: counter(
                "begun_anew_total",
                "Times that the store was away, or another process sent, too",
            )?,
            deliveries,
        })
    }

    pub(crate) fn sent(&self, answer: Answer) {
        let outcome = match answer {
            Answer::Accepted(_) => "accepted",
            Answer::Refused(_) => "refused",
            Answer::Forbidden => "forbidden",
            Answer::NotTrusted => "not-trusted",
            Answer::TooLate => "too-late",
            Answer::NoName | Answer::NoConnection | Answer::Broken => "unreachable",
            Answer::Unreadable => "unreadable",
        };
        self.deliveries.with_label_values(&[outcome]).inc();
    }
}
