//! Erasing, and rotating while people read and write.

use super::rig::{Fixed, TENANT, append, json, keyring, open, stream, vault};
use model::phi::ERASED;
use platform::{
    event_log::{
        AppendError, Change, EventStore as _, Moment, Partition, Position, Projection, Projector,
        Records as _, Refusal, Row, Snapshot, Snapshots as _, TailEvent, Version,
    },
    limits::MAX_REASON_BYTES,
    vault::{
        INDEX_SCOPE, Sealing, Vault, VaultError, keyring::Shredding, provider::ProviderError,
        provider::file::FileKeys,
    },
};
use prometheus::Registry;
use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use uuid::Uuid;

/// A row with what was noted last.
struct Notes;

impl Projection for Notes {
    const NAME: &'static str = "notes.1";

    fn changes(event: &TailEvent) -> Vec<Change> {
        let row = Row { key: event.stream.to_string(), body: "{}".into(), phi: event.event.phi.clone() };
        vec![Change::Put { tenant: event.tenant, row }]
    }
}

#[tokio::test]
async fn what_was_shredded_reads_as_erased_and_all_else_stays_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(open(dir.path()));
    for id in [1, 2] {
        store.append(append(stream(id), 0, "words")).await.unwrap();
    }
    let snapshot = Snapshot {
        stream: stream(1),
        version: Version(1),
        schema: 1,
        body: "{}".into(),
        phi: Some(json("words")),
    };
    store.save(snapshot).await.unwrap();
    let notes = Projector::<Notes, _>::new(Arc::clone(&store));
    notes.catch_up().await.unwrap();
    let key = stream(1).id.to_string();
    assert_eq!(notes.row(TENANT, &key).await.unwrap().unwrap().phi, Some(json("words")));
    let below = store.inner().tail(Partition(0), Position(0), 10).await.unwrap();

    assert_eq!(store.vault().shred(TENANT, stream(1).id, "asked for").await, Ok(Shredding::Done));
    for process in [Arc::clone(&store), Arc::new(sealing_again(&store, dir.path()))] {
        let event = process.read(stream(1), Version(0), 10, Moment::NOW).await.unwrap().remove(0);
        assert_eq!((event.kind.as_str(), event.body.as_str()), ("noted", "{}"));
        assert_eq!(event.phi.as_deref(), Some(ERASED));
        let audit = process.audit(TENANT, Partition(0), 0, 10).await.unwrap();
        assert_eq!(audit[0].phi.as_deref(), Some(ERASED));
        assert_eq!(audit[1].phi, Some(json("words")), "another visit's");
        assert_eq!(process.snapshot(stream(1)).await.unwrap().unwrap().phi.as_deref(), Some(ERASED));
        let notes = Projector::<Notes, _>::new(Arc::clone(&process));
        assert_eq!(notes.row(TENANT, &key).await.unwrap().unwrap().phi.as_deref(), Some(ERASED));
        let other = process.read(stream(2), Version(0), 10, Moment::NOW).await.unwrap().remove(0);
        assert_eq!(other.phi, Some(json("words")));
        let refused = process.append(append(stream(1), 1, "more")).await;
        assert_eq!(refused, Err(AppendError::Rejected(Refusal::Invalid)));
        let mut bare = append(stream(1), 9, "");
        (bare.events[0].phi, bare.audit[0].phi) = (None, None);
        let answer = process.append(bare).await;
        assert!(matches!(answer, Err(AppendError::Rejected(Refusal::Conflict { .. }))), "no PHI, no key");
    }
    let now = store.inner().tail(Partition(0), Position(0), 10).await.unwrap();
    assert_eq!(now, below, "rows as they are stored have not changed");
    // A table that is made anew loses what it cannot read any more.
    notes.rebuild().await.unwrap();
    assert_eq!(notes.row(TENANT, &key).await.unwrap().unwrap().phi, None);
}

/// Another process on the same files.
fn sealing_again(store: &super::rig::Sealed, dir: &std::path::Path) -> super::rig::Sealed {
    Sealing::new(Arc::clone(store.inner()), vault(dir, keyring(dir)).0)
}

#[tokio::test]
async fn what_one_process_shreds_another_that_held_its_key_forgets() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.append(append(stream(1), 0, "words")).await.unwrap();
    let (elsewhere, _) = vault(dir.path(), keyring(dir.path()));
    elsewhere.shred(TENANT, stream(1).id, "asked for").await.unwrap();
    store.vault().look().await.unwrap();
    let event = store.read(stream(1), Version(0), 10, Moment::NOW).await.unwrap().remove(0);
    assert_eq!(event.phi.as_deref(), Some(ERASED));
}

#[tokio::test]
async fn shredding_asks_for_a_scope_that_has_a_key_and_a_reason_of_some_length() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.append(append(stream(1), 0, "words")).await.unwrap();
    let vault = store.vault();
    for bad in ["", "  ", "a\0b", &"x".repeat(MAX_REASON_BYTES + 1)] {
        assert_eq!(vault.shred(TENANT, stream(1).id, bad).await, Err(VaultError::Invalid), "{bad}");
    }
    assert_eq!(vault.shred(TENANT, INDEX_SCOPE, "why").await, Err(VaultError::Invalid));
    assert_eq!(vault.shred(TENANT, Uuid::from_u128(9), "why").await, Ok(Shredding::NoKey));
    let longest = "x".repeat(MAX_REASON_BYTES);
    assert_eq!(vault.shred(TENANT, stream(1).id, &longest).await, Ok(Shredding::Done));
    assert_eq!(vault.shred(TENANT, stream(1).id, "again").await, Ok(Shredding::Before));
    let reserved = platform::event_log::StreamId { id: INDEX_SCOPE, ..stream(1) };
    let refused = store.append(append(reserved, 0, "x")).await;
    assert_eq!(refused, Err(AppendError::Rejected(Refusal::Invalid)));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_rotated_while_people_read_and_write() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(open(dir.path()));
    for id in 0..700 {
        store.append(append(stream(id), 0, "before")).await.unwrap();
    }
    let stop = Arc::new(AtomicBool::new(false));
    let mut people = tokio::task::JoinSet::new();
    for n in 0..3_u128 {
        let (stop, store) = (Arc::clone(&stop), Arc::new(sealing_again(&store, dir.path())));
        people.spawn(async move {
            let mut written = 0_u128;
            while !stop.load(Ordering::Relaxed) {
                let id = 10_000 * (n + 1) + written;
                store.append(append(stream(id), 0, "meanwhile")).await.unwrap();
                for read in [id, written % 700] {
                    let page = store.read(stream(read), Version(0), 10, Moment::NOW).await.unwrap();
                    assert!(page[0].phi.is_some());
                }
                written += 1;
            }
            written
        });
    }
    let (rotating, _) = vault(dir.path(), keyring(dir.path()));
    for newest in 2..=6 {
        assert_eq!(rotating.rotate(TENANT).await, Ok(newest));
        while !rotating.rewrap(TENANT).await.unwrap().done {}
    }
    stop.store(true, Ordering::Relaxed);
    let written: u128 = people.join_all().await.iter().sum();
    assert!(written > 0);
    while !rotating.rewrap(TENANT).await.unwrap().done {}
    let status = rotating.status(TENANT).await.unwrap();
    assert_eq!((status.newest, status.versions, status.stale), (6, 1, 0), "old versions are gone");
    assert_eq!(u128::from(status.data_keys), 700 + written);
    let fresh = sealing_again(&store, dir.path());
    let (mut after, mut seen) = (Position(0), 0);
    loop {
        let page = fresh.tail(Partition(0), after, 1_000).await.unwrap();
        let Some(last) = page.last() else { break };
        (after, seen) = (last.position, seen + page.len() as u128);
    }
    assert_eq!(seen, 700 + written);
}

#[tokio::test]
async fn a_new_kek_takes_over_and_the_old_one_may_go() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.append(append(stream(1), 0, "words")).await.unwrap();
    let keks = FileKeys::open(&dir.path().join("keys"), false).unwrap();
    keks.rotate().unwrap();
    let (rotating, _) = vault(dir.path(), keyring(dir.path()));
    assert_eq!(rotating.rewrap_tenant(TENANT).await, Ok(1));
    assert_eq!(rotating.rewrap_tenant(TENANT).await, Ok(0));
    fs::remove_file(dir.path().join("keys/phi-0001.kek")).unwrap();
    let fresh = sealing_again(&store, dir.path());
    fresh.vault().check().await.unwrap();
    assert!(fresh.read(stream(1), Version(0), 10, Moment::NOW).await.is_ok());
}

#[tokio::test]
async fn with_another_kek_nothing_is_read_and_what_is_missing_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.append(append(stream(1), 0, "words")).await.unwrap();
    let kek = store.vault().status(TENANT).await.unwrap().keks.remove(0);
    let other = FileKeys::open(&dir.path().join("others"), true).unwrap();
    let vault = Vault::new(keyring(dir.path()), Arc::new(other), Arc::new(Fixed), &Registry::new()).unwrap();
    assert_eq!(vault.check().await, Err(VaultError::Kek(ProviderError::Missing(kek))));
    let wrong = Sealing::new(Arc::clone(store.inner()), Arc::new(vault));
    assert!(wrong.read(stream(1), Version(0), 10, Moment::NOW).await.is_err());
    let refused = wrong.append(append(stream(1), 1, "words")).await;
    assert_eq!(refused, Err(AppendError::Rejected(Refusal::Unavailable)));
}
