//! What seals the audit trail, copies it to a second place, looks at it, and prunes it.

use super::{Base, keys_dir};
use crate::{config::Config, failure::Failure};
use platform::{
    audit::{Chains, Copier, Metrics, Pruner, Sealer, Signer, Watcher, prune::Holds},
    clock::Clock,
    event_log::Store,
};
use prometheus::Registry;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Of this process. Others may do the same.
pub(crate) struct Audit {
    raw: Arc<dyn Store>,
    signer: Arc<Signer>,
    metrics: Metrics,
    sealer: Sealer<dyn Store>,
    copier: Option<Copier<dyn Store>>,
    watcher: Watcher<dyn Store>,
    chains: Arc<Chains>,
    pruner: Option<Pruner<dyn Store>>,
}

/// Over the store in which PHI is as it is on disk, so that a key that is shredded leaves the chain as it was.
///
/// # Errors
/// One line that names what cannot be used.
pub(super) fn wire(base: &Base<'_>, raw: &Arc<dyn Store>) -> Result<Audit, Failure> {
    let metrics = Metrics::new(&base.registry)?;
    let signer = Arc::new(Signer::load_or_create(&keys_dir(base.config), base.clock.now())?);
    let place = base.config.audit.second_place(Arc::clone(&base.clock))?;
    let copier = place.map(|place| {
        let (keys, clock) = (signer.public_keys().clone(), Arc::clone(&base.clock));
        Copier::new(Arc::clone(raw), place, keys, clock, &metrics)
    });
    let chains = Arc::new(Chains::new(copier.as_ref().map(|_| metrics.clone())));
    let (keys, clock) = (signer.public_keys().clone(), Arc::clone(&base.clock));
    let watcher = Watcher::new(Arc::clone(raw), keys, clock, Arc::clone(&chains));
    let sealer = Sealer::new(Arc::clone(raw), Arc::clone(&signer), Arc::clone(&base.clock), &metrics);
    let raw = Arc::clone(raw);
    Ok(Audit { raw, signer, metrics, sealer, copier, watcher, chains, pruner: None })
}

/// What prunes, for the command line.
///
/// # Errors
/// One line that names what cannot be used.
pub(crate) fn pruner(
    config: &Config,
    raw: Arc<dyn Store>,
    holds: Arc<dyn Holds>,
    clock: Arc<dyn Clock>,
) -> Result<Pruner<dyn Store>, Failure> {
    let signer = Arc::new(Signer::load_or_create(&keys_dir(config), clock.now())?);
    let metrics = Metrics::new(&Registry::new())?;
    Ok(Pruner::new(raw, signer, clock, holds, config.audit.terms()?, &metrics))
}

impl Audit {
    /// What is known of the chains, for auditors to see.
    pub(crate) fn chains(&self) -> Arc<Chains> {
        Arc::clone(&self.chains)
    }

    /// And prunes, once a day, if it is to: who knows of holds is there only now.
    ///
    /// # Errors
    /// What the configuration says of the time cannot be.
    pub(super) fn pruning(self, base: &Base<'_>, holds: Arc<dyn Holds>) -> Result<Self, Failure> {
        if !base.config.audit.prune {
            return Ok(self);
        }
        let (raw, signer) = (Arc::clone(&self.raw), Arc::clone(&self.signer));
        let (terms, clock) = (base.config.audit.terms()?, Arc::clone(&base.clock));
        let pruner = Pruner::new(raw, signer, clock, holds, terms, &self.metrics);
        Ok(Self { pruner: Some(pruner), ..self })
    }

    /// Until it is told to stop; then what is there is sealed.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let copies = async {
            if let Some(copier) = self.copier {
                copier.run(stop.clone()).await;
            }
        };
        let prunes = async {
            if let Some(pruner) = self.pruner {
                pruner.run(stop.clone()).await;
            }
        };
        tokio::join!(self.sealer.run(stop.clone()), copies, self.watcher.run(stop.clone()), prunes);
    }
}
