//! The second place: what is copied, what anchors, and that nothing waits for it.

use super::{CHAIN, exported, fill, judge, later, sealer, seals};
use parking_lot::Mutex;
use platform::{
    audit::{
        Copier, Metrics, SecondPlace, Signer,
        second_place::{NotTaken, PlaceFuture, directory::Directory, name_of},
        verify::{Anchors, verify},
    },
    clock::ManualClock,
    event_log::{Partition, Store},
};
use prometheus::Registry;
use std::{future::ready, sync::Arc};
use testkit::event_log::MemoryStore;

fn metric(registry: &Registry, name: &str) -> f64 {
    let families = registry.gather();
    let family = families.iter().find(|family| family.name() == name).unwrap();
    let metric = &family.get_metric()[0];
    metric.get_gauge().get_value() + metric.get_counter().get_value()
}

#[tokio::test]
async fn each_seal_is_copied_once_and_its_copy_verifies_alone_and_anchors_an_export() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let signer = Arc::new(Signer::ephemeral(later(0)));
    let clock = Arc::new(ManualClock::new(later(1_000)));
    let (dir, registry) = (tempfile::tempdir().unwrap(), Registry::new());
    let metrics = Metrics::new(&registry).unwrap();
    let place = Arc::new(Directory::new(dir.path().to_owned()));
    let make = |metrics: &Metrics| {
        let keys = signer.public_keys().clone();
        Copier::new(Arc::clone(&store), Arc::clone(&place) as _, keys, Arc::clone(&clock) as _, metrics)
    };
    let mut copier = make(&metrics);
    let mut sealer = sealer(Arc::clone(&store), &signer, &clock, 10);
    for n in 0..3 {
        fill(&*store, n * 10, 10).await;
        sealer.look(false).await;
        assert!(copier.look().await);
        // A process that starts again goes on where the one before was.
        copier = make(&metrics);
    }
    assert_eq!(metric(&registry, "telehealth_audit_copied_seals_total") as u64, 3);
    let keys = signer.public_keys();
    let all = seals(&*store).await;
    for seal in &all {
        let copy = std::fs::File::open(dir.path().join(name_of(seal))).unwrap();
        let report = verify(&copy, Some(keys), &Anchors::default()).unwrap();
        assert!(report.is_clean() && report.rows == 10 && report.unsealed.is_empty(), "{report:#?}");
        let mut anchors = Anchors::default();
        anchors.add_file(&copy, Some(keys)).unwrap();
        let export = exported(&*store, &[Partition(0), Partition(1), Partition(2)], keys).await;
        assert!(verify(&export, Some(keys), &anchors).unwrap().is_clean());
    }
    // Somebody else's keys make nothing of it an anchor.
    let copy = std::fs::File::open(dir.path().join(name_of(&all[2]))).unwrap();
    let mut anchors = Anchors::default();
    anchors.add_file(&copy, Some(Signer::ephemeral(later(0)).public_keys())).unwrap();
    assert_eq!((anchors.unproven(), anchors.of(CHAIN.tenant)), (1, 0));
}

/// A place that takes nothing until it is told to.
#[derive(Default)]
struct Sulking {
    takes: Mutex<bool>,
    kept: Mutex<Vec<String>>,
}

impl SecondPlace for Sulking {
    fn keep(&self, name: String, _: Vec<u8>) -> PlaceFuture<'_, Result<(), NotTaken>> {
        let takes = *self.takes.lock();
        if takes {
            self.kept.lock().push(name);
        }
        Box::pin(ready(if takes { Ok(()) } else { Err(NotTaken("it sulks".to_owned())) }))
    }
}

#[tokio::test]
async fn a_place_that_takes_nothing_delays_copies_and_nothing_else() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let signer = Arc::new(Signer::ephemeral(later(0)));
    let clock = Arc::new(ManualClock::new(later(100)));
    let (place, registry) = (Arc::new(Sulking::default()), Registry::new());
    let metrics = Metrics::new(&registry).unwrap();
    let keys = signer.public_keys().clone();
    let mut copier =
        Copier::new(Arc::clone(&store), Arc::clone(&place) as _, keys, Arc::clone(&clock) as _, &metrics);
    fill(&*store, 0, 20).await;
    sealer(Arc::clone(&store), &signer, &clock, 10).look(true).await;
    clock.set(later(130));
    assert!(!copier.look().await);
    assert_eq!(metric(&registry, "telehealth_audit_copy_lag_seconds") as u64, 30);
    assert_eq!(metric(&registry, "telehealth_audit_copy_failures_total") as u64, 1);
    fill(&*store, 20, 10).await;
    sealer(Arc::clone(&store), &signer, &clock, 10).look(true).await;
    *place.takes.lock() = true;
    assert!(copier.look().await);
    assert_eq!(metric(&registry, "telehealth_audit_copy_lag_seconds") as u64, 0);
    let names: Vec<_> = seals(&*store).await.iter().map(name_of).collect();
    assert_eq!(*place.kept.lock(), names);
    assert!(copier.look().await);
    assert_eq!(place.kept.lock().len(), 3, "once each");
    let file = exported(&*store, &[Partition(0)], signer.public_keys()).await;
    assert!(judge(&file, signer.public_keys(), None).is_clean());
}
