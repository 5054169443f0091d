//! The sealer: when it seals, two of them, restarts, and what it does not go on from.

use super::{CHAIN, attacker::Attacker, exported, fill, judge, later, sealer, seals};
use model::TenantId;
use platform::{
    audit::{Chains, Signer, Watcher, seal},
    clock::ManualClock,
    event_log::{Append, Category, NewAudit, NewEvent, Store, StreamId, Version, sqlite::SqliteStore},
    lane::Lane,
    limits::{MAX_CHAINS_KNOWN, SEALED_ROWS},
};
use prometheus::Registry;
use std::{sync::Arc, time::Duration};
use testkit::{
    event_log::{MemoryStore, VISIT},
    wait,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(later(10_000)))
}

#[tokio::test]
async fn rows_are_sealed_when_there_are_enough_or_when_they_have_waited() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let signer = Arc::new(Signer::ephemeral(later(0)));
    let mut sealer = sealer(Arc::clone(&store), &signer, &clock(), 10);
    fill(&*store, 0, 9).await;
    sealer.look(false).await;
    assert!(seals(&*store).await.is_empty(), "nine of ten, and just come");
    fill(&*store, 9, 14).await;
    sealer.look(false).await;
    let ranges =
        |seals: &[platform::audit::Seal]| -> Vec<_> { seals.iter().map(|s| (s.from, s.to)).collect() };
    assert_eq!(ranges(&seals(&*store).await), [(1, 10), (11, 20)]);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(59)).await;
    sealer.look(false).await;
    assert_eq!(seals(&*store).await.len(), 2);
    tokio::time::advance(Duration::from_secs(1)).await;
    sealer.look(false).await;
    assert_eq!(ranges(&seals(&*store).await), [(1, 10), (11, 20), (21, 23)]);
    let all = seals(&*store).await;
    assert_eq!((all[1].previous, all[2].previous), (all[0].hash(), all[1].hash()));
}

#[tokio::test]
async fn two_sealers_and_a_restart_make_one_chain() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let signer = Arc::new(Signer::ephemeral(later(0)));
    let make = || sealer(Arc::clone(&store), &signer, &clock(), 10);
    let (mut one, mut other) = (make(), make());
    for n in 0..30 {
        fill(&*store, n * 7, 7).await;
        let (_, ()) = tokio::join!(one.look(n % 2 == 0), other.look(n % 3 == 0));
        if n % 10 == 9 {
            other = make();
        }
    }
    one.look(true).await;
    let keys = signer.public_keys();
    let file = exported(&*store, &store.partitions(), keys).await;
    let report = judge(&file, keys, seals(&*store).await.last());
    assert!(report.is_clean() && report.unsealed.is_empty() && report.rows == 210, "{report:#?}");
    assert_eq!(seals(&*store).await.last().unwrap().to, 210);
}

#[tokio::test]
async fn it_seals_by_itself_and_all_there_is_when_it_ends() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let signer = Arc::new(Signer::ephemeral(later(0)));
    let stop = CancellationToken::new();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(sealer(Arc::clone(&store), &signer, &clock(), 10).run(stop.clone()));
    fill(&*store, 0, 25).await;
    wait::eventually("two seals", async || seals(&*store).await.len() == 2).await;
    stop.cancel();
    tasks.join_all().await;
    assert_eq!(seals(&*store).await.last().unwrap().to, 25);
}

#[tokio::test]
async fn a_seal_has_as_many_rows_as_it_may_and_no_more() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let signer = Arc::new(Signer::ephemeral(later(0)));
    fill(&*store, 0, SEALED_ROWS as u64 + 1).await;
    sealer(Arc::clone(&store), &signer, &clock(), usize::MAX).look(true).await;
    let seals = seals(&*store).await;
    assert_eq!(seals.iter().map(|seal| seal.digests.len()).collect::<Vec<_>>(), [SEALED_ROWS, 1]);
}

#[tokio::test]
async fn it_does_not_go_on_from_a_seal_that_is_not_ours_nor_over_rows_that_are_gone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.sqlite");
    let open = || -> Arc<dyn Store> { Arc::new(SqliteStore::open(&path, &Registry::new()).unwrap()) };
    let signer = Arc::new(Signer::ephemeral(later(0)));
    let store = open();
    fill(&*store, 0, 30).await;
    sealer(Arc::clone(&store), &signer, &clock(), 10).look(true).await;
    fill(&*store, 30, 10).await;
    drop(store);
    let check = async |what: &str, sealed: usize| {
        let store = open();
        sealer(Arc::clone(&store), &signer, &clock(), 10).look(true).await;
        let all = store.read(seal::stream(CHAIN), Default::default(), 100, Default::default()).await.unwrap();
        assert_eq!(all.len(), sealed, "{what}");
    };
    let honest = seals(&*open()).await.pop().unwrap();
    let stranger = Signer::ephemeral(later(0));
    Attacker::on(&path).replace_seal(&honest.clone().sign(&stranger));
    check("signed by somebody else", 3).await;
    Attacker::on(&path).replace_seal(&honest);
    Attacker::on(&path).delete(33);
    check("a row is gone before it was sealed", 3).await;
    Attacker::on(&path).truncate(25);
    check("sealed rows are gone", 3).await;
    Attacker::on(&path).forget_seals(2);
    check("rolled back: it goes on, and a seal of the second place shows it", 3).await;
    assert_eq!(seal::AUDIT_SEAL, Category { name: "audit-seal", lane: Lane::Batch });
}

#[tokio::test]
async fn more_chains_than_are_remembered_are_sealed_and_looked_at_all_the_same() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let (signer, clock) = (Arc::new(Signer::ephemeral(later(0))), clock());
    let record = async |tenant: TenantId, n: u128| {
        let stream = StreamId { tenant, category: VISIT, id: Uuid::from_u128(n) };
        let event = NewEvent { kind: "noted", schema: 1, body: "{}".into(), phi: None, effective: None };
        let audit =
            NewAudit { action: "visit.note", actor: None, subject: None, body: "{}".into(), phi: None };
        let append = Append::new(stream, Version(0), vec![event], later(0));
        store.append(Append { audit: vec![audit], ..append }).await.unwrap();
    };
    let tenant = |n: usize| TenantId(Uuid::from_u128(n as u128 + 1));
    for n in 0..=MAX_CHAINS_KNOWN {
        record(tenant(n), 1).await;
    }
    let mut sealer = sealer(Arc::clone(&store), &signer, &clock, 10);
    let chains = Arc::new(Chains::new(None));
    let keys = signer.public_keys().clone();
    let mut watcher = Watcher::new(Arc::clone(&store), keys, Arc::clone(&clock) as _, Arc::clone(&chains));
    for round in 1..=2_u64 {
        // The second time, all have been forgotten.
        sealer.look(true).await;
        watcher.look().await.unwrap();
        for n in [0, MAX_CHAINS_KNOWN / 2, MAX_CHAINS_KNOWN] {
            let (_, state) = chains.of(tenant(n))[0];
            assert_eq!((state.sealed_rows, state.seals, state.broken), (round, round, None), "{n}");
            record(tenant(n), 1 + u128::from(round)).await;
        }
    }
}
