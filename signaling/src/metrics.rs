//! What an operator watches.

use crate::find::Home;
use model::{TenantId, Timestamp};
use parking_lot::Mutex;
use platform::clock::Clock;
use prometheus::{
    Histogram, HistogramOpts, IntCounterVec, IntGauge, Opts, Registry,
    core::{Collector, Desc},
    proto::MetricFamily,
};
use signaling_core::{
    owner::{AppendFailure, Appended, Handled},
    port::Census,
    visit::Escalation,
};
use std::{collections::HashMap, sync::Arc, time::Duration};

pub(crate) struct Metrics {
    connections: IntGauge,
    closed: IntCounterVec,
    refused: IntCounterVec,
    commands: IntCounterVec,
    appends: IntCounterVec,
    append_seconds: Histogram,
    room_queue: Histogram,
    owned: IntCounterVec,
    escalations: IntCounterVec,
    admit_to_seat: Histogram,
    waits: Arc<Waits>,
}

/// Who waits and talks where, since when: one entry per waiting room with somebody in it.
struct Waits {
    clock: Arc<dyn Clock>,
    rooms: Mutex<HashMap<Home, Counted>>,
    people: IntGauge,
    oldest: prometheus::Gauge,
}

/// Of one waiting room.
#[derive(Clone, Copy, Default)]
struct Counted {
    waiting: u32,
    /// Since when the first of them waits.
    since: Option<Timestamp>,
    in_call: u32,
}

impl Counted {
    fn oldest(&self, now: Timestamp) -> Duration {
        self.since.map_or(Duration::ZERO, |since| now.since(since))
    }
}

impl Metrics {
    pub(crate) fn new(registry: &Registry, clock: Arc<dyn Clock>) -> prometheus::Result<Self> {
        let fast = vec![0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
        let lengths = vec![0.0, 1.0, 4.0, 16.0, 64.0, 256.0, 1_024.0];
        let waits = Waits {
            clock,
            rooms: Mutex::default(),
            people: IntGauge::new("telehealth_signaling_waiting_people", "Patients who wait")?,
            oldest: prometheus::Gauge::new(
                "telehealth_signaling_waiting_age_max_seconds",
                "Age of the longest wait; 0 when nobody waits",
            )?,
        };
        let metrics = Self {
            connections: IntGauge::new("telehealth_signaling_connections", "Open WebSockets")?,
            closed: counter(
                "closed_total",
                "WebSockets closed, by close code; 0 is the peer just went",
                &["code"],
            )?,
            refused: counter("refused_total", "Upgrades refused, by problem code", &["code"])?,
            commands: counter(
                "commands_total",
                "Commands handled, by kind and outcome",
                &["kind", "outcome"],
            )?,
            appends: counter("appends_total", "Appends, by outcome", &["outcome"])?,
            append_seconds: histogram("append_seconds", "Time from append to on disk", fast.clone())?,
            room_queue: histogram(
                "room_queue_length",
                "Inputs that wait for a room's task, seen by each",
                lengths,
            )?,
            owned: counter(
                "waiting_room_owner_changes_total",
                "Waiting rooms taken over, and taken away",
                &["how"],
            )?,
            escalations: counter("escalations_total", "Waits escalated, by to whom", &["to"])?,
            admit_to_seat: histogram(
                "admit_to_seat_seconds",
                "Time from admit to a participant seated",
                fast,
            )?,
            waits: Arc::new(waits),
        };
        registry.register(Box::new(metrics.connections.clone()))?;
        for vec in [
            &metrics.closed,
            &metrics.refused,
            &metrics.commands,
            &metrics.appends,
            &metrics.owned,
            &metrics.escalations,
        ] {
            registry.register(Box::new(vec.clone()))?;
        }
        for histogram in [&metrics.append_seconds, &metrics.room_queue, &metrics.admit_to_seat] {
            registry.register(Box::new(histogram.clone()))?;
        }
        registry.register(Box::new(WaitsCollector(Arc::clone(&metrics.waits))))?;
        Ok(metrics)
    }

    /// A waiting room was taken over.
    pub(crate) fn taken(&self) {
        self.owned.with_label_values(&["taken"]).inc();
    }

    /// A waiting room was taken away.
    pub(crate) fn lost(&self) {
        self.owned.with_label_values(&["lost"]).inc();
    }

    /// Nobody waited any more for a program's question when it was its turn.
    pub(crate) fn overdue(&self) {
        self.commands.with_label_values(&["question", "overdue"]).inc();
    }

    pub(crate) fn opened(&self) {
        self.connections.inc();
    }

    pub(crate) fn closed(&self, code: Option<u16>) {
        self.connections.dec();
        self.closed.with_label_values(&[&code.unwrap_or(0).to_string()]).inc();
    }

    pub(crate) fn refused(&self, code: &str) {
        self.refused.with_label_values(&[code]).inc();
    }

    pub(crate) fn handled(&self, handled: &Handled) {
        let outcome = handled.outcome.map_or_else(|| "ok".to_owned(), name);
        self.commands.with_label_values(&[handled.kind, &outcome]).inc();
    }

    pub(crate) fn appended(&self, took: Duration, result: &Result<Appended, AppendFailure>) {
        let outcome = match result {
            Ok(Appended { repeated: false, .. }) => "ok",
            Ok(Appended { repeated: true, .. }) => "repeated",
            Err(AppendFailure::Conflict) => "conflict",
            Err(AppendFailure::TooLarge) => "too-large",
            Err(AppendFailure::Unavailable) => "unavailable",
            Err(AppendFailure::Fenced) => "fenced",
            Err(AppendFailure::Unknown) => "unknown",
        };
        self.appends.with_label_values(&[outcome]).inc();
        self.append_seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn room_queue(&self, length: usize) {
        self.room_queue.observe(f64::from(u32::try_from(length).unwrap_or(u32::MAX)));
    }

    pub(crate) fn escalated(&self, to: Escalation) {
        let to = match to {
            Escalation::Clinician => "clinician",
            Escalation::Desk => "desk",
        };
        self.escalations.with_label_values(&[to]).inc();
    }

    pub(crate) fn seated(&self, took: Duration) {
        self.admit_to_seat.observe(took.as_secs_f64());
    }

    /// Who waits in a room, since when each, and in how many of its visits people talk.
    pub(crate) fn waiting(&self, room: Home, since: impl Iterator<Item = Timestamp>, in_call: u32) {
        let mut counted = Counted { in_call, ..Counted::default() };
        for since in since {
            counted.waiting += 1;
            counted.since = Some(counted.since.map_or(since, |oldest| oldest.min(since)));
        }
        let mut rooms = self.waits.rooms.lock();
        if counted.waiting > 0 || counted.in_call > 0 {
            rooms.insert(room, counted);
        } else {
            rooms.remove(&room);
        }
    }

    pub(crate) fn forget_room(&self, room: Home) {
        self.waits.rooms.lock().remove(&room);
    }

    /// The visits of a unit, as far as they are this process's.
    pub(crate) fn census(&self, tenant: TenantId) -> Census {
        let now = self.waits.clock.now();
        let rooms = self.waits.rooms.lock();
        let of_unit = rooms.iter().filter(|(home, _)| home.tenant == tenant);
        let of_room = |counted: &Counted| Census {
            waiting: counted.waiting,
            in_call: counted.in_call,
            longest_wait: counted.oldest(now),
        };
        of_unit.fold(Census::default(), |sum, (_, counted)| sum.and(of_room(counted)))
    }
}

struct WaitsCollector(Arc<Waits>);

impl Collector for WaitsCollector {
    fn desc(&self) -> Vec<&Desc> {
        let mut desc = self.0.people.desc();
        desc.extend(self.0.oldest.desc());
        desc
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let now = self.0.clock.now();
        let (people, oldest) =
            self.0.rooms.lock().values().fold((0_i64, Duration::ZERO), |(sum, age), counted| {
                (sum + i64::from(counted.waiting), age.max(counted.oldest(now)))
            });
        self.0.people.set(people);
        self.0.oldest.set(oldest.as_secs_f64());
        let mut families = self.0.people.collect();
        families.extend(self.0.oldest.collect());
        families
    }
}

fn counter(name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
    IntCounterVec::new(Opts::new(format!("telehealth_signaling_{name}"), help), labels)
}

fn histogram(name: &str, help: &str, buckets: Vec<f64>) -> prometheus::Result<Histogram> {
    let opts = HistogramOpts::new(format!("telehealth_signaling_{name}"), help);
    Histogram::with_opts(opts.buckets(buckets))
}

/// An error code as clients see it.
fn name(code: signaling_protocol::ErrorCode) -> String {
    serde_json::to_value(code).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::WaitingRoomId;
    use uuid::Uuid;

    struct At(Timestamp);

    impl Clock for At {
        fn now(&self) -> Timestamp {
            self.0
        }
    }

    #[test]
    fn visits_are_counted_by_unit_and_a_room_that_is_empty_or_gone_counts_no_more() {
        let minute = |n: i64| Timestamp::from_millis(n * 60_000);
        let metrics = Metrics::new(&Registry::new(), Arc::new(At(minute(10)))).unwrap();
        let home = |unit: u128, room: u128| Home {
            tenant: TenantId(Uuid::from_u128(unit)),
            room: WaitingRoomId(Uuid::from_u128(room)),
        };
        let of = |unit: u128| metrics.census(TenantId(Uuid::from_u128(unit)));
        metrics.waiting(home(1, 1), [minute(8), minute(3)].into_iter(), 1);
        metrics.waiting(home(1, 2), [minute(6)].into_iter(), 0);
        metrics.waiting(home(2, 3), std::iter::empty(), 1);
        let seven = Duration::from_secs(7 * 60);
        assert_eq!(of(1), Census { waiting: 3, in_call: 1, longest_wait: seven });
        assert_eq!(of(2), Census { waiting: 0, in_call: 1, longest_wait: Duration::ZERO });
        metrics.waiting(home(1, 1), std::iter::empty(), 0);
        metrics.forget_room(home(2, 3));
        assert_eq!((of(1).waiting, of(1).in_call), (1, 0));
        assert_eq!(of(2), Census::default());
    }
}
