//! What relays and inboxes count.

use crate::lane::Lane;
use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry};
use std::{fmt, time::Duration};

/// For all relays and inboxes of a process. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    depth: IntGaugeVec,
    oldest: IntGaugeVec,
    published: IntCounterVec,
    forgotten: IntCounterVec,
    repeated: IntCounterVec,
    relays: IntGaugeVec,
    consumes: IntGaugeVec,
    lag: IntGaugeVec,
    handled: IntCounterVec,
    duplicates: IntCounterVec,
    gaps: IntCounterVec,
    parked: IntCounterVec,
    postponed: IntCounterVec,
    astray: IntGaugeVec,
}

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    /// They are registered already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str, of: &str| {
            let gauge = IntGaugeVec::new(Opts::new(format!("telehealth_{name}"), help), &[of, "lane"])?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let count = |name: &str, help: &str, labels: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(format!("telehealth_{name}"), help), labels)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let relay = ["service", "lane"];
        let inbox = ["inbox", "lane"];
        Ok(Self {
            depth: gauge("outbox_depth_messages", "Messages that are not published yet", "service")?,
            oldest: gauge("outbox_oldest_seconds", "Age of the oldest unpublished message", "service")?,
            published: count(
                "outbox_published_total",
                "Publishes from the outbox by outcome",
                &["service", "lane", "outcome"],
            )?,
            forgotten: count(
                "outbox_forgotten_unread_total",
                "Messages forgotten although a consumer had not handled them",
                &relay,
            )?,
            repeated: count("outbox_repeated_total", "Messages told again to an inbox that asked", &relay)?,
            relays: gauge("outbox_relays", "1 where this process has the turn to relay", "service")?,
            consumes: gauge("inbox_consumes", "1 where this process has the turn to consume", "inbox")?,
            lag: gauge("inbox_lag_messages", "Messages in the outbox that are not handled yet", "inbox")?,
            handled: count("inbox_handled_total", "Messages handled", &inbox)?,
            duplicates: count("inbox_duplicates_total", "Messages that came again", &inbox)?,
            gaps: count("inbox_gaps_total", "Times that an inbox asked for what did not come", &inbox)?,
            parked: count("inbox_parked_total", "Messages that the handler refused for ever", &inbox)?,
            postponed: count(
                "inbox_postponed_total",
                "Times that a message could not be handled yet",
                &inbox,
            )?,
            astray: gauge(
                "inbox_astray_partitions",
                "Partitions in which an inbox stands still until it is made anew from events",
                "inbox",
            )?,
        })
    }

    pub(super) fn of_relay(&self, service: &str, lane: Lane) -> RelayMetrics {
        RelayMetrics { all: self.clone(), service: service.to_owned(), lane }
    }

    pub(super) fn of_inbox(&self, inbox: &str, lane: Lane) -> InboxMetrics {
        InboxMetrics { all: self.clone(), inbox: inbox.to_owned(), lane }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// Of one lane of a relay.
pub(super) struct RelayMetrics {
    all: Metrics,
    service: String,
    lane: Lane,
}

impl RelayMetrics {
    pub(super) fn depth(&self, messages: u64, oldest: Duration) {
        let labels = [self.service.as_str(), self.lane.as_str()];
        self.all.depth.with_label_values(&labels).set(messages as i64);
        self.all.oldest.with_label_values(&labels).set(oldest.as_secs() as i64);
    }

    pub(super) fn turn(&self, ours: bool) {
        self.all.relays.with_label_values(&[self.service.as_str(), self.lane.as_str()]).set(ours.into());
    }

    pub(super) fn published(&self, count: u64) {
        self.outcome("published", count);
    }

    pub(super) fn failed(&self) {
        self.outcome("failed", 1);
    }

    fn outcome(&self, outcome: &str, count: u64) {
        let labels = [self.service.as_str(), self.lane.as_str(), outcome];
        self.all.published.with_label_values(&labels).inc_by(count);
    }

    pub(super) fn forgotten(&self, count: u64) {
        self.all.forgotten.with_label_values(&[self.service.as_str(), self.lane.as_str()]).inc_by(count);
    }

    pub(super) fn repeated(&self) {
        self.all.repeated.with_label_values(&[self.service.as_str(), self.lane.as_str()]).inc();
    }
}

/// Of one lane of an inbox.
pub(super) struct InboxMetrics {
    all: Metrics,
    inbox: String,
    lane: Lane,
}

impl InboxMetrics {
    pub(super) fn lag(&self, messages: u64) {
        self.gauge(&self.all.lag, messages);
    }

    pub(super) fn astray(&self, partitions: usize) {
        self.gauge(&self.all.astray, partitions as u64);
    }

    pub(super) fn turn(&self, ours: bool) {
        self.gauge(&self.all.consumes, ours.into());
    }

    pub(super) fn handled(&self) {
        self.count(&self.all.handled);
    }

    pub(super) fn duplicate(&self) {
        self.count(&self.all.duplicates);
    }

    pub(super) fn gap(&self) {
        self.count(&self.all.gaps);
    }

    pub(super) fn parked(&self) {
        self.count(&self.all.parked);
    }

    pub(super) fn postponed(&self) {
        self.count(&self.all.postponed);
    }

    fn gauge(&self, gauge: &IntGaugeVec, value: u64) {
        gauge.with_label_values(&[self.inbox.as_str(), self.lane.as_str()]).set(value as i64);
    }

    fn count(&self, counter: &IntCounterVec) {
        counter.with_label_values(&[self.inbox.as_str(), self.lane.as_str()]).inc();
    }
}
