//! What seals the audit trail, and copies it to a second place.

use super::{Base, keys_dir};
use crate::failure::Failure;
use platform::{
    audit::{Chains, Copier, Metrics, Sealer, Signer, Watcher},
    event_log::Store,
};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Of this process. Others may do the same.
pub(crate) struct Audit {
    sealer: Sealer<dyn Store>,
    copier: Option<Copier<dyn Store>>,
    watcher: Watcher<dyn Store>,
    chains: Arc<Chains>,
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
    let sealer = Sealer::new(Arc::clone(raw), signer, Arc::clone(&base.clock), &metrics);
    Ok(Audit { sealer, copier, watcher, chains })
}

impl Audit {
    /// What is known of the chains, for auditors to see.
    pub(crate) fn chains(&self) -> Arc<Chains> {
        Arc::clone(&self.chains)
    }

    /// Until it is told to stop; then what is there is sealed.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let copies = async {
            if let Some(copier) = self.copier {
                copier.run(stop.clone()).await;
            }
        };
        tokio::join!(self.sealer.run(stop.clone()), copies, self.watcher.run(stop.clone()));
    }
}
