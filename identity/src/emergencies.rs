//! Break-glass in a process: what is known of a unit's emergencies, and who is told of a new one.
//!
//! It stands on the store and on nothing else. Each process reads what came since it last looked, at most every second:
//! what somebody may see in an emergency, what pages of administrators and auditors show, a metric and a line in the log.

use crate::{limits::ALARM_LOOKS, service::Identity};
use identity_core::emergency::Emergencies;
use model::TenantId;
use platform::event_log::ReadError;
use policy::EmergencyId;
use prometheus::{IntCounter, IntGauge, Registry};
use std::{collections::BTreeSet, fmt, sync::Arc};
use tenancy::Directory;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

impl Identity {
    /// A unit's emergencies as they were within the last second.
    ///
    /// # Errors
    /// The store does not answer: nobody sees anything because of what was true some time ago.
    pub(crate) async fn emergencies(&self, tenant: TenantId) -> Result<Arc<Emergencies>, ReadError> {
        self.board.read(&self.records, tenant).await
    }
}

/// Counts emergencies and logs each, wherever it was declared.
pub struct Alarm {
    identity: Arc<Identity>,
    /// Whose; without, the unit that identity is in.
    units: Option<Arc<Directory>>,
    begun: IntCounter,
    open: IntGauge,
    unreviewed: IntGauge,
    failures: IntCounter,
    said: BTreeSet<EmergencyId>,
}

impl Alarm {
    /// Registers its metrics.
    ///
    /// # Errors
    /// They are registered already.
    pub fn new(identity: Arc<Identity>, registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(format!("telehealth_identity_{name}"), help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(format!("telehealth_identity_{name}"), help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        Ok(Self {
            identity,
            units: None,
            begun: counter(
                "emergencies_total",
                "Emergencies that this process has heard of since its start",
            )?,
            open: gauge("emergencies_open", "Emergencies that last")?,
            unreviewed: gauge("emergencies_unreviewed", "Emergencies that nobody has reviewed")?,
            failures: counter("emergency_looks_failed_total", "Times that emergencies could not be read")?,
            said: BTreeSet::new(),
        })
    }

    /// In all healthcare units of the platform.
    #[must_use]
    pub fn of_units(self, units: Arc<Directory>) -> Self {
        Self { units: Some(units), ..self }
    }

    /// Looks until it is told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut looks = interval(ALARM_LOOKS);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = looks.tick() => self.look().await,
            }
        }
    }

    /// Looks once, in every unit.
    pub async fn look(&mut self) {
        let now = self.identity.records.clock.now();
        let tenants = match &self.units {
            Some(units) => units.now().all().map(|unit| unit.id).collect(),
            None => vec![self.identity.tenant],
        };
        let (mut open, mut unreviewed, mut failed, mut lasting) = (0, 0, false, BTreeSet::new());
        for tenant in tenants {
            let Ok(all) = self.identity.emergencies(tenant).await else {
                self.failures.inc();
                failed = true;
                continue;
            };
            for (id, one) in all.all() {
                unreviewed += i64::from(one.review.is_none());
                if !one.lasts(now) {
                    continue;
                }
                open += 1;
                lasting.insert(id);
                if self.said.insert(id) {
                    self.begun.inc();
                    tracing::warn!(
                        tenant.id = %tenant, emergency.id = %id, account.id = %one.by,
                        waiting_room.id = %one.waiting_room,
                        "Somebody has declared an emergency, and sees what they have no right to otherwise"
                    );
                }
            }
        }
        if failed {
            return;
        }
        // What is over is not said again.
        self.said = lasting;
        self.open.set(open);
        self.unreviewed.set(unreviewed);
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alarm").finish_non_exhaustive()
    }
}
