//! What services see, and what stands below.

use super::rig::{TENANT, append, count, json, keyring, open, stands_in, stream, vault};
use platform::{
    event_log::{
        AppendError, EventStore as _, Moment, Partition, Position, Records as _, Refusal, Snapshot,
        Snapshots as _, Version,
    },
    limits::MAX_EVENT_BYTES,
    vault::Sealing,
};
use proptest::test_runner::{Config as Cases, TestRunner};
use std::{cell::Cell, sync::Arc};
use testkit::{
    event_log::{agrees_with_memory, conformance, steps},
    vault::MemoryKeyring,
};

const CANARY: &str = "Xochitl Canarymoor";

#[tokio::test]
async fn a_sealed_store_is_a_store() {
    let dir = tempfile::tempdir().unwrap();
    conformance(Arc::new(open(dir.path()))).await;
}

#[test]
fn a_sealed_store_agrees_with_the_one_in_memory_on_any_history() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let run = Cell::new(0);
    TestRunner::new(Cases { cases: 32, failure_persistence: None, ..Cases::default() })
        .run(&steps(), |steps| {
            run.set(run.get() + 1);
            runtime.block_on(agrees_with_memory(&store, run.get(), &steps));
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn services_see_text_and_the_files_hold_none() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.append(append(stream(1), 0, CANARY)).await.unwrap();
    store.append(append(stream(1), 1, CANARY)).await.unwrap();
    let snapshot = Snapshot {
        stream: stream(1),
        version: Version(2),
        schema: 1,
        body: "{}".into(),
        phi: Some(json(CANARY)),
    };
    store.save(snapshot.clone()).await.unwrap();
    let events = store.read(stream(1), Version(0), 10, Moment::NOW).await.unwrap();
    assert!(events.iter().all(|event| event.phi == Some(json(CANARY))) && events.len() == 2);
    let tail = store.tail(Partition(0), Position(0), 10).await.unwrap();
    assert!(tail.iter().all(|tail| tail.event.phi == Some(json(CANARY))) && tail.len() == 2);
    let audit = store.audit(TENANT, Partition(0), 0, 10).await.unwrap();
    assert!(audit.iter().all(|row| row.phi == Some(json(CANARY))) && audit.len() == 2);
    assert_eq!(store.snapshot(stream(1)).await.unwrap().as_ref(), Some(&snapshot));
    let below = store.inner().read(stream(1), Version(0), 10, Moment::NOW).await.unwrap();
    let sealed: Vec<_> = below.into_iter().map(|event| event.phi.unwrap()).collect();
    assert!(sealed.iter().all(|phi| phi.starts_with("v1.") && !phi.contains("Canarymoor")));
    assert_ne!(sealed[0], sealed[1], "the same text is another ciphertext");
    assert!(!stands_in(dir.path(), b"Canarymoor"));
}

#[tokio::test]
async fn what_an_earlier_build_wrote_in_plain_is_read_and_what_comes_now_is_sealed() {
    let dir = tempfile::tempdir().unwrap();
    crate::sqlite::open(dir.path()).append(append(stream(1), 0, CANARY)).await.unwrap();
    assert!(stands_in(dir.path(), b"Canarymoor"), "this is how it is looked for");
    let (vault, metrics) = vault(dir.path(), keyring(dir.path()));
    let store = Sealing::new(Arc::new(crate::sqlite::open(dir.path())), vault);
    store.append(append(stream(1), 1, "after")).await.unwrap();
    let events = store.read(stream(1), Version(0), 10, Moment::NOW).await.unwrap();
    let phi: Vec<_> = events.into_iter().map(|event| event.phi.unwrap()).collect();
    assert_eq!(phi, [json(CANARY), json("after")]);
    assert!(!stands_in(dir.path(), b"after\""));
    let opened = |how: &str| count(&metrics, &format!("telehealth_vault_opened_total{{outcome=\"{how}\"}}"));
    assert_eq!((opened("plain"), opened("sealed")), (1, 1));
}

#[tokio::test]
async fn where_nothing_plain_was_ever_written_plain_text_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let inner = Arc::new(crate::sqlite::open(dir.path()));
    let registry = prometheus::Registry::new();
    let keys = platform::vault::provider::file::FileKeys::open(&dir.path().join("keys"), true).unwrap();
    let ring: Arc<MemoryKeyring> = Arc::default();
    let vault =
        platform::vault::Vault::new(ring, Arc::new(keys), Arc::new(super::rig::Fixed), &registry).unwrap();
    let store = Sealing::new(inner, Arc::new(vault.refusing_plain()));
    store.append(append(stream(1), 0, CANARY)).await.unwrap();
    assert!(store.read(stream(1), Version(0), 10, Moment::NOW).await.is_ok());
    store.inner().append(append(stream(1), 1, "put there")).await.unwrap();
    assert!(store.read(stream(1), Version(0), 10, Moment::NOW).await.is_err());
    assert_eq!(count(&registry, "telehealth_vault_failures_total{outcome=\"tampered\"}"), 1);
}

#[tokio::test]
async fn the_longest_phi_that_fits_is_sealed_and_one_byte_more_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let of = |stream_id, bytes: usize| {
        let mut append = append(stream(stream_id), 0, "");
        append.audit.clear();
        append.events[0].phi = Some("x".repeat(bytes));
        append
    };
    let longest = MAX_EVENT_BYTES - "{}".len();
    store.append(of(1, longest)).await.unwrap();
    let phi = store.read(stream(1), Version(0), 1, Moment::NOW).await.unwrap().remove(0).phi;
    assert_eq!(phi.map(|phi| phi.len()), Some(longest));
    let refused = store.append(of(2, longest + 1)).await;
    assert_eq!(refused, Err(AppendError::Rejected(Refusal::TooLarge)));
}

#[tokio::test]
async fn while_the_keyring_is_away_what_is_held_goes_on_and_the_rest_hears_it_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let ring: Arc<MemoryKeyring> = Arc::default();
    let (vault, metrics) = vault(dir.path(), Arc::clone(&ring) as _);
    let inner = Arc::new(crate::sqlite::open(dir.path()));
    let store = Sealing::new(Arc::clone(&inner), vault);
    store.append(append(stream(1), 0, "before")).await.unwrap();
    ring.set_away(true);
    store.append(append(stream(1), 1, "meanwhile")).await.unwrap();
    assert_eq!(store.read(stream(1), Version(0), 10, Moment::NOW).await.unwrap().len(), 2);
    let begun = std::time::Instant::now();
    for n in 0..100 {
        let refused = store.append(append(stream(2), 0, "new")).await;
        assert_eq!(refused, Err(AppendError::Rejected(Refusal::Unavailable)), "{n}");
    }
    assert!(begun.elapsed() < std::time::Duration::from_millis(250), "{:?}", begun.elapsed());
    assert!(count(&metrics, "telehealth_vault_failures_total{outcome=\"away\"}") >= 100);
    assert!(inner.read(stream(2), Version(0), 10, Moment::NOW).await.unwrap().is_empty());
    ring.set_away(false);
    testkit::wait::eventually("the keyring to be asked again", async || {
        store.append(append(stream(2), 0, "new")).await.is_ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_come_to_a_scope_at_once_agree_on_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let inner = Arc::new(crate::sqlite::open(dir.path()));
    // Each with a keyring, a KEK and a cache of its own, as processes have them.
    let processes: Vec<_> = (0..4)
        .map(|_| Arc::new(Sealing::new(Arc::clone(&inner), vault(dir.path(), keyring(dir.path())).0)))
        .collect();
    let mut tasks = tokio::task::JoinSet::new();
    for (n, process) in processes.iter().enumerate() {
        let process = Arc::clone(process);
        tasks.spawn(async move {
            for id in 0..50_u128 {
                let rival = append(stream(id), 0, &format!("{n}"));
                match process.append(rival).await {
                    Ok(_) | Err(AppendError::Rejected(Refusal::Conflict { .. })) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        });
    }
    tasks.join_all().await;
    for process in &processes {
        for id in 0..50 {
            assert_eq!(process.read(stream(id), Version(0), 10, Moment::NOW).await.unwrap().len(), 1);
        }
    }
}

#[tokio::test]
async fn equal_texts_have_equal_blind_indexes_within_a_tenant_and_a_purpose() {
    let dir = tempfile::tempdir().unwrap();
    let (vault, _) = vault(dir.path(), keyring(dir.path()));
    let other = model::TenantId(uuid::Uuid::from_u128(2));
    let one = vault.blind(TENANT, "phone", "+1555").await.unwrap();
    assert_eq!(vault.blind(TENANT, "phone", "+1555").await.unwrap(), one);
    let (again, _) = super::rig::vault(dir.path(), keyring(dir.path()));
    assert_eq!(again.blind(TENANT, "phone", "+1555").await.unwrap(), one, "after a restart");
    for different in [
        vault.blind(TENANT, "phone", "+1556").await.unwrap(),
        vault.blind(TENANT, "mrn", "+1555").await.unwrap(),
        vault.blind(TENANT, "phone+", "1555").await.unwrap(),
        vault.blind(other, "phone", "+1555").await.unwrap(),
    ] {
        assert_ne!(different, one);
    }
}
