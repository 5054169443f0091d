//! What the vault counts.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

#[derive(Clone)]
pub(super) struct VaultMetrics {
    sealed: IntCounter,
    opened: IntCounterVec,
    failures: IntCounterVec,
    pub(super) held: IntGauge,
    pub(super) rewrapped: IntCounter,
}

/// What was found where PHI is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opened {
    Sealed,
    Plain,
    Shredded,
}

/// What could not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Not what was sealed at this place.
    Tampered,
    /// There is no key, and it was not shredded.
    Lost,
    /// Keyring or KEK do not answer.
    Away,
    /// The KEK is missing or refuses.
    Kek,
}

impl VaultMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counters = |name, help| IntCounterVec::new(Opts::new(name, help), &["outcome"]);
        let metrics = Self {
            sealed: IntCounter::new("telehealth_vault_sealed_total", "PHI that was sealed")?,
            opened: counters("telehealth_vault_opened_total", "PHI that was read, by how it was found")?,
            failures: counters("telehealth_vault_failures_total", "PHI that could not be sealed or opened")?,
            held: IntGauge::new("telehealth_vault_held_keys", "Data keys that are held unwrapped")?,
            rewrapped: IntCounter::new("telehealth_vault_rewrapped_total", "Keys that were wrapped anew")?,
        };
        registry.register(Box::new(metrics.sealed.clone()))?;
        registry.register(Box::new(metrics.opened.clone()))?;
        registry.register(Box::new(metrics.failures.clone()))?;
        registry.register(Box::new(metrics.held.clone()))?;
        registry.register(Box::new(metrics.rewrapped.clone()))?;
        for failure in [Failure::Tampered, Failure::Lost, Failure::Away, Failure::Kek] {
            metrics.failures.with_label_values(&[failure.name()]).inc_by(0);
        }
        Ok(metrics)
    }

    pub(super) fn sealed(&self) {
        self.sealed.inc();
    }

    pub(super) fn opened(&self, found: Opened) {
        let label = match found {
            Opened::Sealed => "sealed",
            Opened::Plain => "plain",
            Opened::Shredded => "shredded",
        };
        self.opened.with_label_values(&[label]).inc();
    }

    pub(super) fn failed(&self, failure: Failure) {
        self.failures.with_label_values(&[failure.name()]).inc();
    }
}

impl Failure {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Tampered => "tampered",
            Self::Lost => "lost",
            Self::Away => "away",
            Self::Kek => "kek",
        }
    }
}
