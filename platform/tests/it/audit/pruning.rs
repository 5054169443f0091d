//! Pruning: what goes when its time is over, what stays, what a verifier says of either, and what a crash leaves.

use super::{
    CHAIN, TENANT, attacker::Attacker, attacker::Dice, exported, fill, fill_since, judge, later, sealer,
    seals,
};
use crate::postgres::config;
use parking_lot::Mutex;
use platform::{
    audit::{
        ChainId, Chains, Copier, Metrics, Pruner, Seal, Signer, Trail, Watcher,
        export::{ExportError, export},
        prune::{Held, Holds, Kept, Outcome, Terms},
        seal::What,
        second_place::{NotTaken, PlaceFuture, SecondPlace},
        verify::{Anchors, Kind, Report, verify},
    },
    clock::ManualClock,
    event_log::{ReadError, Store, StoreFuture, postgres::PostgresStore, sqlite::SqliteStore},
    limits::{MIN_AUDIT_RETENTION, WATCH_AGAIN},
};
use prometheus::Registry;
use std::{future::ready, io::Cursor, sync::Arc, time::Duration};
use testkit::{
    engines::Postgres,
    event_log::{DECIDED, Fault, Faulty, MemoryStore},
};
use uuid::Uuid;

const SEVEN_YEARS: Duration = Duration::from_secs(2_557 * 24 * 3_600);

/// What a test says that is held; `Err` where it cannot be read.
#[derive(Clone)]
struct Said(Arc<Mutex<Result<Vec<Held>, ReadError>>>);

impl Default for Said {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Ok(Vec::new()))))
    }
}

impl Said {
    fn say(&self, held: Result<Vec<Held>, ReadError>) {
        *self.0.lock() = held;
    }
}

impl Holds for Said {
    fn held(&self, _: model::TenantId) -> StoreFuture<'_, Result<Vec<Held>, ReadError>> {
        Box::pin(ready(self.0.lock().clone()))
    }
}

struct Rig {
    store: Arc<dyn Store>,
    signer: Arc<Signer>,
    clock: Arc<ManualClock>,
    said: Said,
    registry: Registry,
}

impl Rig {
    /// Over a store with so many rows of `DECIDED`, sealed by tens, seven years ago.
    async fn over(store: Arc<dyn Store>, rows: u64) -> Self {
        let (signer, clock) = (Arc::new(Signer::ephemeral(later(0))), Arc::new(ManualClock::new(later(0))));
        let rig = Self { store, signer, clock, said: Said::default(), registry: Registry::new() };
        rig.grow(0, rows).await;
        rig.clock.advance(SEVEN_YEARS);
        rig
    }

    async fn in_memory(rows: u64) -> Self {
        Self::over(Arc::new(MemoryStore::default()), rows).await
    }

    /// More rows, sealed by tens within the hour.
    async fn grow(&self, from: u64, rows: u64) {
        let begin = self.now();
        fill_since(&*self.store, begin, from, rows).await;
        self.clock.advance(Duration::from_secs(3_600));
        sealer(Arc::clone(&self.store), &self.signer, &self.clock, 10).look(true).await;
    }

    fn now(&self) -> model::Timestamp {
        use platform::clock::Clock as _;
        self.clock.now()
    }

    fn pruner(&self, terms: Terms) -> Pruner<dyn Store> {
        let metrics = Metrics::new(&Registry::new()).unwrap();
        self.pruner_over(Arc::clone(&self.store), terms, &metrics)
    }

    fn pruner_over(&self, store: Arc<dyn Store>, terms: Terms, metrics: &Metrics) -> Pruner<dyn Store> {
        let (holds, clock) = (Arc::new(self.said.clone()), Arc::clone(&self.clock) as Arc<_>);
        Pruner::new(store, Arc::clone(&self.signer), clock, holds, terms, metrics)
    }

    async fn prune(&self) -> Outcome {
        self.pruner(TERMS).prune(CHAIN).await
    }

    async fn report(&self, anchor: Option<&Seal>) -> Report {
        let keys = self.signer.public_keys();
        judge(&exported(&*self.store, &self.store.partitions(), keys).await, keys, anchor)
    }

    /// The numbers of the rows that are there, the first and the last.
    async fn rows(&self) -> (u64, u64) {
        let first = self.store.audit_rows(CHAIN, 0, 1).await.unwrap().pop().unwrap().number;
        let end = self.store.audit_ends(None, 10).await.unwrap();
        (first, end.iter().find(|end| end.partition == CHAIN.partition).unwrap().number)
    }
}

const TERMS: Terms = Terms { retention: SEVEN_YEARS, copied: false };

#[tokio::test]
async fn what_is_old_enough_goes_up_to_a_seal_and_the_trail_verifies_and_says_so() {
    let rig = Rig::in_memory(45).await;
    let before = seals(&*rig.store).await;
    rig.clock.set(later(0));
    rig.clock.advance(SEVEN_YEARS);
    assert_eq!(rig.prune().await.rows, 0, "the seals are an hour younger");
    rig.clock.advance(Duration::from_secs(3_600));
    let outcome = rig.prune().await;
    // Five seals: ten rows each, and five, which are the newest and stay.
    assert_eq!((outcome.rows, outcome.pruned_to, outcome.kept), (40, Some(40), Kept::Time));
    assert_eq!(rig.rows().await, (41, 45));
    let report = rig.report(before.last()).await;
    assert!(report.is_clean(), "{report:#?}");
    let pruned = report.pruned[0];
    assert_eq!(
        (report.pruned.len(), pruned.partition, pruned.to, pruned.at),
        (1, CHAIN.partition, 40, rig.now())
    );
    // For the auditor, in the chain of what the batch lane records.
    let mut said = Vec::new();
    for partition in rig.store.partitions() {
        let rows = rig.store.audit(TENANT, partition, 0, 1_000).await.unwrap();
        said.extend(rows.into_iter().filter(|row| row.action == "audit.prune"));
    }
    assert_eq!(said.len(), 1);
    let body: serde_json::Value = serde_json::from_str(&said[0].body).unwrap();
    let number = seals(&*rig.store).await.last().unwrap().number;
    let wanted = serde_json::json!({
        "partition": CHAIN.partition.0, "from": 1, "to": 40, "rows": 40, "seal": number, "retentionDays": 2_557,
    });
    assert_eq!(body, wanted);
    // Nothing more, however often.
    assert_eq!(rig.prune().await.rows, 0);
    assert_eq!(seals(&*rig.store).await.len(), before.len() + 1);
    // The sealer goes on behind it, and the next year's rows go the same way.
    rig.grow(100, 30).await;
    assert!(rig.report(None).await.is_clean());
    rig.clock.advance(SEVEN_YEARS);
    let outcome = rig.prune().await;
    assert_eq!((outcome.pruned_to, rig.rows().await), (Some(65), (66, 75)));
    let report = rig.report(before.last()).await;
    assert!(report.is_clean() && report.pruned[0].to == 65, "{report:#?}");
}

#[tokio::test]
async fn many_rows_go_on_the_word_of_one_seal_each_up_to_the_limit() {
    let rig = Rig::in_memory(95).await;
    let before = seals(&*rig.store).await.len();
    let pruner = rig.pruner(TERMS).with_at_once(20);
    assert_eq!(pruner.prune(CHAIN).await.rows, 90);
    let forgotten: Vec<_> =
        seals(&*rig.store).await[before..].iter().map(|s| (s.what, s.from, s.to)).collect();
    let said = |from, to| (What::Forgotten, from, to);
    assert_eq!(forgotten, [said(1, 20), said(21, 40), said(41, 60), said(61, 80), said(81, 90)]);
    assert!(rig.report(None).await.is_clean());
}

#[tokio::test]
async fn under_a_hold_nothing_goes_from_the_first_row_that_it_covers() {
    let rig = Rig::in_memory(100).await;
    // Row 34 is of n = 33, which has nobody as its actor's neighbour: its own subject.
    let row = rig.store.audit_rows(CHAIN, 33, 1).await.unwrap().pop().unwrap();
    let (subject, mentioned) = (row.subject.unwrap(), Uuid::from_u128(0xabc));
    rig.said.say(Ok(vec![Held::Everything]));
    let outcome = rig.prune().await;
    assert_eq!((outcome.rows, outcome.kept), (0, Kept::Held));
    rig.said.say(Err(ReadError));
    assert_eq!((rig.prune().await.kept, rig.rows().await.0), (Kept::Later, 1), "nobody knows: nothing goes");
    rig.said.say(Ok(vec![Held::Of(mentioned), Held::Of(subject)]));
    let outcome = rig.prune().await;
    assert_eq!((outcome.pruned_to, outcome.kept), (Some(30), Kept::Held), "up to the seal before");
    assert_eq!(rig.prune().await.rows, 0);
    assert!(rig.report(None).await.is_clean());
    rig.said.say(Ok(Vec::new()));
    assert_eq!(rig.prune().await.pruned_to, Some(90));
    assert!(rig.report(None).await.is_clean());
    let row = platform::event_log::AuditRow { body: format!("{{\"visits\":[\"{mentioned}\"]}}"), ..row };
    assert!(Held::Of(mentioned).covers(&row) && !Held::Of(Uuid::from_u128(0xabd)).covers(&row));
    assert!(Held::Of(row.subject.unwrap()).covers(&row));
}

/// Holds that begin while rows go.
struct SecondThoughts(Mutex<usize>);

impl Holds for SecondThoughts {
    fn held(&self, _: model::TenantId) -> StoreFuture<'_, Result<Vec<Held>, ReadError>> {
        let mut asked = self.0.lock();
        *asked += 1;
        Box::pin(ready(Ok(if *asked > 2 { vec![Held::Everything] } else { Vec::new() })))
    }
}

#[tokio::test]
async fn a_hold_that_comes_while_rows_go_keeps_those_that_are_still_there() {
    let rig = Rig::in_memory(600).await;
    let (holds, clock) = (Arc::new(SecondThoughts(Mutex::default())), Arc::clone(&rig.clock) as Arc<_>);
    let metrics = Metrics::new(&rig.registry).unwrap();
    let pruner = Pruner::new(Arc::clone(&rig.store), Arc::clone(&rig.signer), clock, holds, TERMS, &metrics);
    let outcome = pruner.prune(CHAIN).await;
    assert_eq!((outcome.pruned_to, outcome.kept, rig.rows().await.0), (Some(250), Kept::Held, 251));
    let report = rig.report(None).await;
    assert!(report.is_clean() && report.pruned[0].to == 590, "{report:#?}");
    // Lifted: the rest goes without a second word.
    let said = seals(&*rig.store).await.len();
    assert_eq!(rig.prune().await.pruned_to, Some(590));
    assert_eq!(seals(&*rig.store).await.len(), said);
}

/// A place that takes what it is given, up to a number.
struct Shelf(Mutex<usize>);

impl SecondPlace for Shelf {
    fn keep(&self, _: String, _: Vec<u8>) -> PlaceFuture<'_, Result<(), NotTaken>> {
        let mut room = self.0.lock();
        let left = room.checked_sub(1);
        *room = left.unwrap_or(0);
        Box::pin(ready(left.map(drop).ok_or_else(|| NotTaken("full".to_owned()))))
    }
}

#[tokio::test]
async fn what_is_not_in_the_second_place_stays() {
    let rig = Rig::in_memory(50).await;
    let terms = Terms { copied: true, ..TERMS };
    assert_eq!(rig.pruner(terms).prune(CHAIN).await.kept, Kept::NotCopied);
    let shelf = Arc::new(Shelf(Mutex::new(2)));
    let keys = rig.signer.public_keys().clone();
    let clock = Arc::clone(&rig.clock) as Arc<_>;
    let metrics = Metrics::new(&rig.registry).unwrap();
    let mut copier = Copier::new(Arc::clone(&rig.store), Arc::clone(&shelf) as _, keys, clock, &metrics);
    assert!(!copier.look().await);
    let outcome = rig.pruner(terms).prune(CHAIN).await;
    assert_eq!((outcome.pruned_to, outcome.kept), (Some(20), Kept::NotCopied));
    *shelf.0.lock() = 100;
    assert!(copier.look().await);
    assert_eq!(rig.pruner(terms).prune(CHAIN).await.pruned_to, Some(40));
    // What says so is copied too, and the copier goes on.
    assert!(copier.look().await);
    assert!(rig.report(seals(&*rig.store).await.last()).await.is_clean());
}

#[tokio::test]
async fn whatever_fails_wherever_it_dies_the_trail_verifies_and_the_next_look_ends_the_same() {
    for fault in [Fault::Away, Fault::Unsure, Fault::Forgetful] {
        for writes in 0..8 {
            let memory = Arc::new(MemoryStore::default());
            let rig = Rig::over(Arc::clone(&memory) as Arc<dyn Store>, 545).await;
            let faulty = Arc::new(Faulty::new(Arc::clone(&memory)));
            faulty.set_after(writes, fault);
            let metrics = Metrics::new(&Registry::new()).unwrap();
            let pruner =
                rig.pruner_over(Arc::clone(&faulty) as Arc<dyn Store>, TERMS, &metrics).with_at_once(300);
            let died = pruner.prune(CHAIN).await;
            let what = format!("{fault:?} after {writes} writes: {died:?}");
            let report = rig.report(None).await;
            assert!(report.is_clean(), "{what}: {report:#?}");
            let mut watched = Watched::over(&rig);
            assert_eq!(watched.finds(&rig).await, None, "{what}");
            faulty.set(Fault::None);
            assert_eq!(pruner.prune(CHAIN).await.kept, Kept::Time, "{what}");
            assert_eq!(rig.rows().await, (541, 545), "{what}");
            let report = rig.report(None).await;
            assert!(report.is_clean() && report.pruned[0].to == 540, "{what}: {report:#?}");
            assert_eq!(watched.finds(&rig).await, None, "{what}");
        }
    }
}

struct Watched {
    watcher: Watcher<dyn Store>,
    chains: Arc<Chains>,
}

impl Watched {
    fn over(rig: &Rig) -> Self {
        let chains = Arc::new(Chains::new(None));
        let (keys, clock) = (rig.signer.public_keys().clone(), Arc::clone(&rig.clock) as Arc<_>);
        let watcher = Watcher::new(Arc::clone(&rig.store), keys, clock, Arc::clone(&chains));
        Self { watcher, chains }
    }

    /// What is wrong with the chain, after a whole round.
    async fn finds(&mut self, rig: &Rig) -> Option<(&'static str, u64, u64)> {
        rig.clock.advance(WATCH_AGAIN);
        for _ in 0..=seals(&*rig.store).await.len() {
            self.watcher.look().await.unwrap();
        }
        let of_it = self.chains.of(TENANT).into_iter().find(|(id, _)| *id == CHAIN).unwrap().1;
        of_it.broken.map(|broken| (broken.what, broken.from, broken.to))
    }
}

/// Many small steps of life, crash and law, in any order: whatever went lawfully is no finding, what is held is there,
/// and what is not old enough too.
#[tokio::test]
async fn after_any_course_of_things_the_trail_verifies_and_nothing_went_that_had_to_stay() {
    for seed in 0..40 {
        let mut dice = Dice(seed);
        let memory = Arc::new(MemoryStore::default());
        let rig = Rig::over(Arc::clone(&memory) as Arc<dyn Store>, 5).await;
        let faulty = Arc::new(Faulty::new(Arc::clone(&memory)));
        let metrics = Metrics::new(&Registry::new()).unwrap();
        let pruner = rig.pruner_over(Arc::clone(&faulty) as Arc<dyn Store>, TERMS, &metrics).with_at_once(25);
        let (mut n, mut held): (u64, Option<platform::event_log::AuditRow>) = (1_000, None);
        for step in 0..40 {
            match dice.roll(0, 6) {
                0 | 1 => {
                    let rows = dice.roll(1, 35);
                    rig.grow(n, rows).await;
                    n += rows;
                }
                2 => rig.clock.advance(Duration::from_secs(dice.roll(1, 3_000) * 24 * 3_600)),
                3 if held.is_none() => {
                    let (first, last) = rig.rows().await;
                    let row = dice.roll(first, last);
                    let row = rig.store.audit_rows(CHAIN, row - 1, 1).await.unwrap().pop();
                    held = row.filter(|row| row.subject.is_some());
                    let of = held.iter().filter_map(|row| row.subject).map(Held::Of).collect();
                    rig.said.say(Ok(of));
                }
                4 => {
                    held = None;
                    rig.said.say(Ok(Vec::new()));
                }
                _ => {
                    let fault = [Fault::Away, Fault::Unsure, Fault::Forgetful][dice.roll(0, 2) as usize];
                    faulty.set_after(dice.roll(0, 9) as usize, fault);
                    let outcome = pruner.prune(CHAIN).await;
                    assert!(
                        !matches!(outcome.kept, Kept::Broken(_)),
                        "seed {seed}, step {step}: {outcome:?}"
                    );
                    faulty.set(Fault::None);
                }
            }
            if let Some(row) = &held {
                let there = rig.store.audit_rows(CHAIN, row.number - 1, 1).await.unwrap();
                assert_eq!(there.first(), Some(row), "seed {seed}, step {step}: held, and gone");
            }
            let report = rig.report(None).await;
            assert!(report.is_clean(), "seed {seed}, step {step}: {report:#?}");
        }
        // The first row that is there is too young, or under a hold, or of the newest seal.
        rig.said.say(Ok(Vec::new()));
        assert_eq!(pruner.prune(CHAIN).await.kept, Kept::Time, "seed {seed}");
        let all = seals(&*rig.store).await;
        let newest = all.iter().rfind(|seal| seal.what == What::Rows).unwrap();
        let (first, _) = rig.rows().await;
        let covering = all.iter().find(|seal| seal.what == What::Rows && seal.to >= first).unwrap();
        let young = rig.now().since(covering.at) < SEVEN_YEARS;
        assert!(young || covering.number == newest.number, "seed {seed}: {first} could have gone");
    }
}

struct OnDisk {
    _dir: tempfile::TempDir,
    path: std::path::PathBuf,
    rig: Rig,
}

/// A hundred rows in a file; lawfully pruned up to the thirtieth.
async fn on_disk() -> OnDisk {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.sqlite");
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path, &Registry::new()).unwrap());
    let rig = Rig::over(store, 100).await;
    let row = rig.store.audit_rows(CHAIN, 33, 1).await.unwrap().pop().unwrap();
    rig.said.say(Ok(vec![Held::Of(row.subject.unwrap())]));
    assert_eq!(rig.prune().await.pruned_to, Some(30));
    rig.said.say(Ok(Vec::new()));
    OnDisk { _dir: dir, path, rig }
}

/// Kinds and ranges of what is found.
fn found(report: &Report) -> Vec<(Kind, u64, u64)> {
    let mut found: Vec<_> = report.findings.iter().map(|f| (f.kind, f.from, f.to)).collect();
    found.sort_unstable();
    found
}

#[tokio::test]
async fn what_goes_without_a_signed_word_is_found_and_named_beside_what_went_lawfully() {
    let disk = on_disk().await;
    assert!(disk.rig.report(None).await.is_clean());
    let mut watched = Watched::over(&disk.rig);
    assert_eq!(watched.finds(&disk.rig).await, None);
    // Somebody goes on where the lawful cut ended.
    for number in 31..=44 {
        Attacker::on(&disk.path).delete(number);
    }
    let report = disk.rig.report(None).await;
    assert_eq!((found(&report), report.pruned[0].to), (vec![(Kind::Deleted, 31, 44)], 30), "{report:#?}");
    assert_eq!(watched.finds(&disk.rig).await, Some(("missing-rows", 31, 44)));
    // And no pruner sweeps the traces away.
    assert!(matches!(disk.rig.prune().await.kept, Kept::Broken(_)));
    assert_eq!(disk.rig.rows().await.0, 45);

    // A front that nobody signed for at all.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.sqlite");
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path, &Registry::new()).unwrap());
    let rig = Rig::over(store, 60).await;
    for number in 1..=20 {
        Attacker::on(&path).delete(number);
    }
    let report = rig.report(None).await;
    assert!(report.pruned.is_empty());
    assert_eq!(found(&report), [(Kind::Deleted, 1, 20)], "{report:#?}");

    // Behind the cut everything is found as before it: a row edited, one gone, one more, the end cut off.
    let mut dice = Dice(5);
    for (attack, wanted) in [
        (0, (Kind::Edited, 57, 57)),
        (1, (Kind::Deleted, 57, 57)),
        (2, (Kind::Truncated, 57, 100)),
        (3, (Kind::Reordered, 35, 35)),
    ] {
        let disk = on_disk().await;
        let attacker = Attacker::on(&disk.path);
        match attack {
            0 => attacker.edit(57, &mut dice),
            1 => attacker.delete(57),
            2 => attacker.truncate(56),
            _ => attacker.swap(35, 57),
        }
        let report = disk.rig.report(None).await;
        assert!(found(&report).contains(&wanted) && report.pruned[0].to == 30, "{attack}: {report:#?}");
        let kept = disk.rig.prune().await;
        assert!(matches!(kept.kept, Kept::Broken(_)) || attack == 2, "{attack}: {kept:?}");
    }
}

#[tokio::test]
async fn who_takes_the_word_away_or_turns_back_to_before_it_is_found() {
    let disk = on_disk().await;
    let all = seals(&*disk.rig.store).await;
    let word = all.last().unwrap().clone();
    assert_eq!(word.what, What::Forgotten);
    Attacker::on(&disk.path).forget_seals(word.number - 1);
    let found = found(&disk.rig.report(Some(&word)).await);
    assert!(found.contains(&(Kind::SealMissing, word.number, word.number)), "{found:?}");
    assert!(found.iter().any(|(kind, from, to)| (*kind, *from, *to) == (Kind::Deleted, 1, 30)), "{found:?}");
}

#[tokio::test]
async fn who_has_the_key_and_prunes_before_the_time_is_found_all_the_same() {
    let rig = Rig::in_memory(40).await;
    rig.clock.set(later(0));
    let within = |days: u64| Terms { retention: Duration::from_secs(days * 24 * 3_600), copied: false };
    rig.clock.advance(Duration::from_secs(1_000 * 24 * 3_600));
    assert_eq!(rig.pruner(within(900)).prune(CHAIN).await.rows, 30);
    let report = rig.report(None).await;
    let wanted = [(1, 10), (11, 20), (21, 30)].map(|(from, to)| (Kind::PrunedEarly, from, to));
    assert_eq!(found(&report), wanted, "{report:#?}");
    assert!(report.findings[0].to_string().contains("rows 1 to 10"), "{}", report.findings[0]);

    // To the moment.
    for (short, clean) in [(1, false), (0, true)] {
        let rig = Rig::in_memory(40).await;
        rig.clock.set(seals(&*rig.store).await[0].at);
        rig.clock.advance(MIN_AUDIT_RETENTION - Duration::from_millis(short));
        assert_eq!(rig.pruner(within(2_000)).prune(CHAIN).await.rows, 30);
        assert_eq!(rig.report(None).await.is_clean(), clean);
    }
}

/// A trail whose rows go while they are read.
struct Shrinking<'a>(&'a Rig, Mutex<bool>);

impl Trail for Shrinking<'_> {
    fn audit_ends(
        &self,
        after: Option<(model::TenantId, platform::event_log::Partition)>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<platform::event_log::AuditEnd>, ReadError>> {
        self.0.store.audit_ends(after, limit)
    }

    fn audit_rows(
        &self,
        chain: ChainId,
        after: u64,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<platform::event_log::AuditRow>, ReadError>> {
        Box::pin(async move {
            let now = limit > 1 && !std::mem::replace(&mut *self.1.lock(), true);
            if now {
                assert_eq!(self.0.prune().await.rows, 40);
            }
            self.0.store.audit_rows(chain, after, limit).await
        })
    }

    fn audit_seals(
        &self,
        chain: ChainId,
        after: u64,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<platform::event_log::RecordedEvent>, ReadError>> {
        self.0.store.audit_seals(chain, after, limit)
    }
}

#[tokio::test]
async fn an_export_during_which_rows_went_says_so_and_is_none() {
    let rig = Rig::in_memory(50).await;
    let (keys, partitions) = (rig.signer.public_keys(), rig.store.partitions());
    let shrinking = Shrinking(&rig, Mutex::new(false));
    let to = || Cursor::new(Vec::new());
    let cut = export(&shrinking, TENANT, keys, rig.now(), &partitions, to()).await;
    assert!(matches!(cut, Err(ExportError::Pruned { partition }) if partition == CHAIN.partition.0));
    let again = export(&shrinking, TENANT, keys, rig.now(), &partitions, to()).await.unwrap().1;
    assert!(verify(&again.into_inner(), Some(keys), &Anchors::default()).unwrap().is_clean());
}

#[tokio::test]
async fn in_sqlite_and_in_postgres_rows_go_alike_and_numbers_go_on_after_a_restart() {
    let disk = on_disk().await;
    assert_eq!(disk.rig.prune().await.pruned_to, Some(90));
    let OnDisk { _dir, path, rig } = disk;
    let Rig { store, signer, clock, said, registry } = rig;
    drop(store);
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path, &Registry::new()).unwrap());
    let rig = Rig { store, signer, clock, said, registry };
    rig.grow(1_000, 5).await;
    assert_eq!(rig.rows().await, (91, 105));
    assert!(rig.report(None).await.is_clean());
    let backup = path.with_extension("backup");
    platform::event_log::sqlite::backup::backup(&path, &backup).unwrap();

    // The database's own clock says what is old enough there: rows of long ago.
    let server = Postgres::start(false);
    let opened = PostgresStore::open(&config(&server, "events"), &Registry::new()).await.unwrap();
    let store: Arc<dyn Store> = Arc::new(opened);
    let long_ago = model::Timestamp::from_millis(1_000_000_000_000);
    let (signer, clock) = (Arc::new(Signer::ephemeral(long_ago)), Arc::new(ManualClock::new(long_ago)));
    let rig = Rig { store, signer, clock, said: Said::default(), registry: Registry::new() };
    rig.grow(0, 1_500).await;
    let chain = rig.store.audit_ends(None, 10).await.unwrap().remove(0);
    let chain = ChainId { tenant: chain.tenant, partition: chain.partition };
    rig.clock.advance(SEVEN_YEARS);
    let outcome = rig.pruner(TERMS).prune(chain).await;
    assert_eq!((outcome.rows, outcome.pruned_to, outcome.kept), (1_490, Some(1_490), Kept::Time));
    let report = rig.report(None).await;
    assert!(report.is_clean() && report.pruned[0].to == 1_490, "{report:#?}");

    // And what it holds to be too young it does not let go of, whatever a process says the time is.
    fill(&*rig.store, 5_000, 40).await;
    rig.clock.set(DECIDED + Duration::from_secs(10_000));
    sealer(Arc::clone(&rig.store), &rig.signer, &rig.clock, 10).look(true).await;
    rig.clock.advance(SEVEN_YEARS);
    let outcome = rig.pruner(TERMS).prune(chain).await;
    assert!(matches!(outcome.kept, Kept::Broken(_)), "{outcome:?}");
    assert!(rig.store.audit_rows(chain, 1_510, 100).await.unwrap().len() >= 30);
}
