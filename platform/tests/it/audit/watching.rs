//! The watcher: it says that all is well while it is, and finds what somebody did to the database.

use super::{
    CHAIN, TENANT,
    attacker::{Attacker, Dice},
    fill, later, sealer,
};
use platform::{
    audit::{Chains, Signer, Watcher},
    clock::ManualClock,
    event_log::{Store, sqlite::SqliteStore},
    limits::{WATCH_AGAIN, WATCHED_SEALS},
};
use prometheus::Registry;
use std::{path::PathBuf, sync::Arc};

struct Place {
    path: PathBuf,
    store: Arc<dyn Store>,
    clock: Arc<ManualClock>,
    chains: Arc<Chains>,
    watcher: Watcher<dyn Store>,
    _folder: tempfile::TempDir,
}

/// With twenty-five rows, sealed by tens.
async fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.sqlite");
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path, &Registry::new()).unwrap());
    let (clock, signer) = (Arc::new(ManualClock::new(later(10_000))), Arc::new(Signer::ephemeral(later(0))));
    fill(&*store, 0, 25).await;
    sealer(Arc::clone(&store), &signer, &clock, 10).look(false).await;
    let chains = Arc::new(Chains::new(None));
    let keys = signer.public_keys().clone();
    let watcher = Watcher::new(Arc::clone(&store), keys, Arc::clone(&clock) as Arc<_>, Arc::clone(&chains));
    Place { path, store, clock, chains, watcher, _folder: folder }
}

impl Place {
    /// What is wrong, after looking at all of it anew.
    async fn finds(&mut self) -> Option<(&'static str, u64, u64)> {
        self.clock.advance(WATCH_AGAIN);
        self.watcher.look().await.unwrap();
        let (id, state) = self.chains.of(TENANT)[0];
        assert_eq!(id, CHAIN);
        state.broken.map(|broken| (broken.what, broken.from, broken.to))
    }
}

#[tokio::test]
async fn a_trail_that_nobody_touched_is_whole_and_says_how_far_it_is_sealed() {
    let mut place = place().await;
    assert!(place.chains.of(TENANT).is_empty(), "nothing was looked at yet");
    assert_eq!(place.finds().await, None);
    let (_, state) = place.chains.of(TENANT)[0];
    assert_eq!((state.rows, state.sealed_rows, state.seals), (25, 20, 2));
    assert!(state.verified_at.is_some() && state.sealed_at.is_some());
    fill(&*place.store, 25, 3).await;
    place.watcher.look().await.unwrap();
    assert_eq!(place.chains.of(TENANT)[0].1.rows, 28);
    const { assert!(2 < WATCHED_SEALS, "otherwise one look is not enough here") };
}

#[tokio::test]
async fn what_somebody_does_to_sealed_rows_is_found_and_what_is_not_sealed_is_not() {
    let mut dice = Dice(7);
    let mut edited = place().await;
    Attacker::on(&edited.path).edit(13, &mut dice);
    assert_eq!(edited.finds().await, Some(("rows", 11, 20)));

    let mut deleted = place().await;
    Attacker::on(&deleted.path).delete(4);
    assert_eq!(deleted.finds().await, Some(("missing-rows", 4, 4)));

    let mut swapped = place().await;
    Attacker::on(&swapped.path).swap(2, 9);
    assert_eq!(swapped.finds().await, Some(("rows", 1, 10)));

    let mut cut = place().await;
    for number in 15..=25 {
        Attacker::on(&cut.path).delete(number);
    }
    assert_eq!(cut.finds().await, Some(("missing-rows", 15, 20)));

    let mut unsealed = place().await;
    Attacker::on(&unsealed.path).edit(23, &mut dice);
    assert_eq!(unsealed.finds().await, None);
}
