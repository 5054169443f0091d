//! What a sealer and a copier count.

use prometheus::{IntCounter, IntGauge, Opts, Registry};

/// Of a process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(super) sealed: IntCounter,
    pub(super) seals: IntCounter,
    pub(super) unsealed: IntGauge,
    pub(super) failures: IntCounter,
    pub(super) broken: IntGauge,
    pub(super) copied: IntCounter,
    pub(super) copy_failures: IntCounter,
    pub(super) uncopied: IntGauge,
    pub(super) copy_lag: IntGauge,
    pub(super) pruned: IntCounter,
    pub(super) prune_failures: IntCounter,
}

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    /// They are registered already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::with_opts(Opts::new(format!("telehealth_audit_{name}"), help))?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::with_opts(Opts::new(format!("telehealth_audit_{name}"), help))?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        Ok(Self {
            sealed: counter("sealed_rows_total", "Rows of the audit trail that this process has sealed")?,
            seals: counter("seals_total", "Seals that this process has made")?,
            unsealed: gauge("unsealed_rows", "Rows of the audit trail that are not sealed yet")?,
            failures: counter(
                "seal_failures_total",
                "Times that rows could not be sealed, to be tried again",
            )?,
            broken: gauge("broken_chains", "Chains that cannot go on: verify the trail")?,
            copied: counter("copied_seals_total", "Seals copied to the second place by this process")?,
            copy_failures: counter(
                "copy_failures_total",
                "Times that a copy was not taken, to be tried again",
            )?,
            uncopied: gauge("uncopied_seals", "Seals that are not in the second place yet")?,
            copy_lag: gauge("copy_lag_seconds", "Age of the oldest seal that is not in the second place")?,
            pruned: counter("pruned_rows_total", "Rows whose time was over that this process has pruned")?,
            prune_failures: counter("prune_failures_total", "Times that a chain could not be pruned")?,
        })
    }
}
