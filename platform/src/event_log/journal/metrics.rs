//! What the journal counts.

use super::{parked::Why, state::State};
use model::Timestamp;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

#[derive(Clone)]
pub(super) struct JournalMetrics {
    pub(super) journaled: IntCounter,
    pub(super) away: IntGauge,
    replays: IntCounterVec,
    parked_total: IntCounterVec,
    entries: IntGauge,
    bytes: IntGauge,
    oldest: IntGauge,
    parked: IntGauge,
}

impl JournalMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            journaled: IntCounter::new(
                "telehealth_journal_appends_total",
                "Appends that were acknowledged from the local journal",
            )?,
            away: IntGauge::new(
                "telehealth_journal_store_away",
                "1 while the store does not answer and owners write into the local journal",
            )?,
            replays: IntCounterVec::new(
                Opts::new(
                    "telehealth_journal_replays_total",
                    "Tries to record what was journaled, by outcome",
                ),
                &["outcome"],
            )?,
            parked_total: IntCounterVec::new(
                Opts::new("telehealth_journal_parked_total", "Entries that cannot be recorded, by why"),
                &["why"],
            )?,
            entries: IntGauge::new("telehealth_journal_entries", "Entries that are not yet recorded")?,
            bytes: IntGauge::new(
                "telehealth_journal_bytes",
                "Size of the entries that are not yet recorded",
            )?,
            oldest: IntGauge::new(
                "telehealth_journal_oldest_seconds",
                "Age of the oldest entry that is not yet recorded",
            )?,
            parked: IntGauge::new(
                "telehealth_journal_parked_entries",
                "Entries that wait for somebody to look",
            )?,
        };
        let Self { journaled, away, replays, parked_total, entries, bytes, oldest, parked } = metrics.clone();
        registry.register(Box::new(journaled))?;
        registry.register(Box::new(replays))?;
        registry.register(Box::new(parked_total))?;
        for gauge in [away, entries, bytes, oldest, parked] {
            registry.register(Box::new(gauge))?;
        }
        Ok(metrics)
    }

    pub(super) fn replayed(&self, outcome: &'static str) {
        self.replays.with_label_values(&[outcome]).inc();
    }

    /// The first of them for a reason of its own, the others because of it.
    pub(super) fn parked(&self, why: Why, entries: usize) {
        self.parked_total.with_label_values(&[why.as_str()]).inc();
        self.parked_total.with_label_values(&[Why::Behind.as_str()]).inc_by(entries.saturating_sub(1) as u64);
    }

    pub(super) fn show(&self, state: &State, now: Timestamp) {
        self.entries.set(state.waiting.entries as i64);
        self.bytes.set(state.waiting.bytes as i64);
        self.parked.set(state.parked.entries as i64);
        let age = state.oldest().map_or(0, |since| now.as_millis().saturating_sub(since.as_millis()));
        self.oldest.set(age.max(0) / 1_000);
    }
}
