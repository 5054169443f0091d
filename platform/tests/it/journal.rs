//! The local journal before stores that fail.

use model::{CommandId, Epoch};
use platform::{
    clock::SystemClock,
    event_log::{
        Append, AppendError, EventStore as _, Fence, Holder, Moment, Ownership as _, Partition, Records as _,
        Refusal, Snapshot, Snapshots as _, Store, StreamId, Version,
        journal::{Journaled, OpenError, Patience, Why},
        sqlite,
    },
    lane::Lane,
    limits::MAX_READ,
};
use prometheus::Registry;
use proptest::test_runner::{Config, TestRunner};
use std::{cell::Cell, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc, time::Duration};
use tempfile::TempDir;
use testkit::{
    event_log::{
        DECIDED, Fault, Faulty, MemoryStore, VISIT, agrees_with_memory, append, command, conformance, steps,
        stream,
    },
    wait::{eventually, soon},
};
use tokio::time::timeout;
use uuid::Uuid;

mod disk_full;
mod history;
mod kill;
mod limits;
mod maintenance;
mod postgres;

pub(crate) fn owner(process: u128) -> Holder {
    Holder { process: Uuid::from_u128(process), address: String::new() }
}

pub(crate) const ROOM: Uuid = Uuid::from_u128(77);
const UNAVAILABLE: AppendError = AppendError::Rejected(Refusal::Unavailable);
const FENCED: AppendError = AppendError::Rejected(Refusal::Fenced);

/// Long enough for everything that comes about.
pub(crate) const LONG: Duration = Duration::from_secs(30);

pub(crate) const QUICK: Patience = Patience {
    store: Duration::from_millis(50),
    replay: Duration::from_millis(100),
    pause: Duration::from_millis(2),
};

pub(crate) async fn open<S: Store + ?Sized>(dir: &Path, inner: &Arc<S>) -> Journaled<S> {
    Journaled::open_with(QUICK, dir, Arc::clone(inner), Arc::new(SystemClock), &Registry::new())
        .await
        .unwrap()
}

/// A command of the owner.
pub(crate) fn by(fence: Fence, stream: StreamId, expected: u64, key: u128) -> Append {
    Append { fence: Some(fence), ..command(stream, expected, key) }
}

/// A store in memory, what can go wrong with it, and the journal before it.
struct Place {
    memory: Arc<MemoryStore>,
    faulty: Arc<Faulty<MemoryStore>>,
    dir: TempDir,
    journaled: Journaled<Faulty<MemoryStore>>,
    fence: Fence,
}

impl Place {
    /// With an owner, and two events in stream 1.
    async fn new() -> Self {
        let memory = Arc::new(MemoryStore::default());
        let faulty = Arc::new(Faulty::new(Arc::clone(&memory)));
        let dir = tempfile::tempdir().unwrap();
        let journaled = open(dir.path(), &faulty).await;
        let fence = journaled.take(stream(1).tenant, ROOM, Epoch(0), owner(1), DECIDED).await.unwrap();
        for expected in [0, 1] {
            journaled.append(by(fence, stream(1), expected, 100 + u128::from(expected))).await.unwrap();
        }
        Self { memory, faulty, dir, journaled, fence }
    }

    async fn append(&self, expected: u64, key: u128) -> Result<(u64, bool, bool), AppendError> {
        let appended = self.journaled.append(by(self.fence, stream(1), expected, key)).await?;
        assert_eq!(appended.answer, Some(format!("{{\"command\":\"{key}\"}}")));
        Ok((appended.version.0, appended.repeated, appended.provisional))
    }

    async fn reopen(&mut self) {
        self.journaled.close().await;
        self.journaled = open(self.dir.path(), &self.faulty).await;
    }

    /// As long as somebody else has the room.
    async fn rival(&self) -> Fence {
        let tenant = stream(1).tenant;
        self.memory.take(tenant, ROOM, self.fence.epoch, owner(2), DECIDED).await.unwrap()
    }

    async fn versions(&self, of: &dyn Store) -> Vec<u64> {
        let events = of.read(stream(1), Version(0), MAX_READ, Moment::NOW).await.unwrap();
        events.iter().map(|event| event.version.0).collect()
    }

    async fn parked(&self) -> Vec<(u128, Why)> {
        let parked = self.journaled.parked(0).await.unwrap();
        parked.iter().map(|parked| (parked.key.0.as_u128(), parked.why)).collect()
    }
}

#[tokio::test]
async fn a_journal_before_memory_and_sqlite_conforms() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    // The suite knows nothing of a journal: nobody is to be taken for away because this machine is busy.
    let patient = Patience { store: LONG, ..QUICK };
    let (clock, registry) = (Arc::new(SystemClock), Registry::new());
    let memory = Arc::new(MemoryStore::default());
    let before_memory =
        Journaled::open_with(patient, dirs[0].path(), memory, clock.clone(), &registry).await.unwrap();
    conformance(Arc::new(before_memory)).await;
    let sqlite: Arc<dyn Store> = Arc::new(crate::sqlite::open(dirs[1].path()));
    let before_sqlite =
        Journaled::open_with(patient, dirs[1].path(), sqlite, clock, &Registry::new()).await.unwrap();
    conformance(Arc::new(before_sqlite)).await;
}

#[test]
fn a_journal_agrees_with_the_store_in_memory_on_any_history_without_faults() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let patient = Patience { store: LONG, ..QUICK };
    let (memory, registry) = (Arc::new(MemoryStore::default()), Registry::new());
    let opened = Journaled::open_with(patient, dir.path(), memory, Arc::new(SystemClock), &registry);
    let store = runtime.block_on(opened).unwrap();
    let run = Cell::new(0);
    TestRunner::new(Config { cases: 64, failure_persistence: None, ..Config::default() })
        .run(&steps(), |steps| {
            run.set(run.get() + 1);
            runtime.block_on(agrees_with_memory(&store, run.get(), &steps));
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn the_owner_goes_on_while_the_store_is_away_and_all_of_it_is_recorded_afterwards() {
    for fault in [Fault::Away, Fault::ReadOnly, Fault::Unsure, Fault::Forgetful, Fault::Silent, Fault::Late] {
        let place = Place::new().await;
        place.faulty.set(fault);
        for expected in 2..6 {
            let appended = place.append(expected, expected.into()).await;
            assert_eq!(appended, Ok((expected + 1, false, true)), "{fault:?}");
        }
        assert!(place.journaled.is_away(), "{fault:?}");
        assert_eq!(place.append(0, 3).await, Ok((4, true, true)), "{fault:?}: a repeated key");
        let late = place.append(4, 9).await;
        assert_eq!(late, Err(Refusal::Conflict { actual: Version(6) }.into()), "{fault:?}");
        place.faulty.set(Fault::None);
        assert_eq!(place.journaled.replayed(LONG).await, Ok(()), "{fault:?}");
        place.faulty.deliver().await;
        assert_eq!(place.versions(&*place.memory).await, [1, 2, 3, 4, 5, 6], "{fault:?}");
        let appended = soon("the store is used again", async {
            place.journaled.append(by(place.fence, stream(1), 6, 6)).await
        });
        assert!(!appended.await.unwrap().provisional, "{fault:?}");
        assert_eq!(place.append(0, 3).await, Ok((4, true, false)), "{fault:?}");
        let outbox = place.memory.audit(stream(1).tenant, Partition(0), 0, 100).await.unwrap();
        assert_eq!(outbox.len(), 7, "{fault:?}: what stands with the events is recorded once");
        assert_eq!(place.parked().await, []);
    }
}

#[tokio::test]
async fn what_may_not_be_journaled_is_refused_at_once() {
    let place = Place::new().await;
    place.faulty.set(Fault::Away);
    assert_eq!(place.append(2, 2).await, Ok((3, false, true)));
    let urgent = by(place.fence, stream(1), 3, 3);
    let standard =
        StreamId { category: platform::event_log::Category { lane: Lane::Batch, ..VISIT }, ..stream(1) };
    for (append, why) in [
        (Append { fence: None, ..urgent.clone() }, "nobody's"),
        (Append { key: None, ..urgent.clone() }, "without a key"),
        (Append { stream: standard, ..urgent.clone() }, "not urgent"),
        (Append { stream: stream(2), ..urgent.clone() }, "of a stream that was not seen"),
    ] {
        assert_eq!(place.journaled.append(append).await, Err(UNAVAILABLE), "{why}");
    }
    let other = Fence { epoch: Epoch(9), ..place.fence };
    assert_eq!(place.journaled.append(Append { fence: Some(other), ..urgent.clone() }).await, Err(FENCED));
    let empty = Append { events: Vec::new(), ..urgent };
    assert_eq!(place.journaled.append(empty).await, Err(Refusal::TooLarge.into()));
    place.faulty.set(Fault::None);
    assert_eq!(place.journaled.replayed(LONG).await, Ok(()));
    assert_eq!(place.versions(&*place.memory).await, [1, 2, 3]);
}

#[tokio::test]
async fn an_append_without_a_key_that_may_be_recorded_stays_in_the_way_of_others() {
    let place = Place::new().await;
    place.faulty.set(Fault::Late);
    let bare = Append { key: None, ..by(place.fence, stream(1), 2, 0) };
    assert_eq!(place.journaled.append(bare).await, Err(AppendError::Unknown));
    assert_eq!(place.append(2, 2).await, Err(UNAVAILABLE), "it could be the second at this version");
    place.faulty.set(Fault::None);
    place.faulty.deliver().await;
    eventually("the store is back", async || !place.journaled.is_away()).await;
    assert_eq!(place.append(3, 3).await, Ok((4, false, false)));
    assert_eq!(place.versions(&*place.memory).await, [1, 2, 3, 4]);
}

#[tokio::test]
async fn what_is_read_is_what_the_store_has_and_behind_it_what_the_journal_has() {
    let place = Place::new().await;
    place.faulty.set(Fault::ReadOnly);
    for expected in 2..5 {
        place.append(expected, expected.into()).await.unwrap();
    }
    let read = async |after, limit, moment| {
        let events = place.journaled.read(stream(1), Version(after), limit, moment).await?;
        Ok::<_, platform::event_log::ReadError>(events.iter().map(|e| e.version.0).collect::<Vec<_>>())
    };
    assert_eq!(read(0, 100, Moment::NOW).await.unwrap(), [1, 2, 3, 4, 5]);
    assert_eq!(read(1, 3, Moment::NOW).await.unwrap(), [2, 3, 4]);
    assert_eq!(read(0, 2, Moment::NOW).await.unwrap(), [1, 2]);
    assert_eq!(read(4, 100, Moment::NOW).await.unwrap(), [5]);
    let before = model::Timestamp::from_millis(DECIDED.as_millis() - 1);
    assert_eq!(read(0, 100, Moment::known_at(before)).await.unwrap(), [0; 0]);
    assert_eq!(read(0, 100, Moment::as_of(DECIDED)).await.unwrap(), [1, 2, 3, 4, 5]);
    // Nobody can say what comes before, but what comes after is here.
    place.faulty.set(Fault::Away);
    assert!(read(0, 100, Moment::NOW).await.is_err());
    assert_eq!(read(2, 100, Moment::NOW).await.unwrap(), [3, 4, 5]);
    let journaled = place.journaled.read(stream(1), Version(2), 100, Moment::NOW).await.unwrap();
    place.faulty.set(Fault::None);
    place.journaled.replayed(LONG).await.unwrap();
    let recorded = place.memory.read(stream(1), Version(2), 100, Moment::NOW).await.unwrap();
    assert!(journaled == recorded, "they stood there as they were recorded");
}

#[tokio::test]
async fn the_next_incarnation_replays_before_it_takes_over() {
    let mut place = Place::new().await;
    place.faulty.set(Fault::Away);
    place.append(2, 2).await.unwrap();
    place.append(3, 3).await.unwrap();
    place.reopen().await;
    let tenant = stream(1).tenant;
    let take = async |place: &Place, expected| {
        place.journaled.take(tenant, ROOM, Epoch(expected), owner(1), DECIDED).await
    };
    assert_eq!(take(&place, 1).await, Err(UNAVAILABLE), "it would fence its own journal");
    assert_eq!(place.journaled.replayed(Duration::from_millis(20)).await, Err(2));
    assert_eq!(place.append(4, 3).await, Ok((4, true, true)), "it knows what it has acknowledged");
    place.faulty.set(Fault::None);
    assert_eq!(place.journaled.replayed(LONG).await, Ok(()));
    assert_eq!(take(&place, 1).await, Ok(Fence { scope: ROOM, epoch: Epoch(2) }));
    assert_eq!(place.versions(&*place.memory).await, [1, 2, 3, 4]);
    place.reopen().await;
    assert_eq!(*place.journaled.unrecorded().borrow(), 0, "nothing stays behind");
}

#[tokio::test]
async fn what_somebody_else_has_overtaken_is_parked_and_the_owner_is_told() {
    let mut place = Place::new().await;
    place.faulty.set(Fault::Away);
    place.append(2, 2).await.unwrap();
    place.append(3, 3).await.unwrap();
    let snapshot = |version| Snapshot {
        stream: stream(1),
        version: Version(version),
        schema: 1,
        body: "{}".to_owned(),
        phi: None,
    };
    let new = place.rival().await;
    place.memory.append(by(new, stream(1), 2, 50)).await.unwrap();
    place.faulty.set(Fault::None);
    assert_eq!(place.journaled.replayed(LONG).await, Ok(()));
    assert_eq!(place.parked().await, [(2, Why::Fenced), (3, Why::Behind)]);
    assert_eq!(place.versions(&*place.memory).await, [1, 2, 3]);
    // Its memory has events that nobody has recorded.
    assert_eq!(place.append(4, 4).await, Err(FENCED));
    assert_eq!(place.journaled.save(snapshot(4)).await, Err(UNAVAILABLE));
    // They are kept until somebody has looked.
    place.reopen().await;
    let parked = place.journaled.parked(0).await.unwrap();
    assert_eq!(parked.len(), 2);
    let first = &parked[0];
    assert_eq!(
        (first.tenant, first.stream, first.category.as_str()),
        (stream(1).tenant, stream(1).id, "visit")
    );
    assert_eq!((first.key, first.expected, first.at), (CommandId(Uuid::from_u128(2)), Version(2), DECIDED));
    assert_eq!((first.fence, first.why), (place.fence, Why::Fenced));
    assert_eq!(place.journaled.parked(first.seq).await.unwrap().len(), 1);
    assert_eq!(place.journaled.discard(first.seq).await, Ok(true));
    assert_eq!(place.journaled.discard(first.seq).await, Ok(false));
    assert_eq!(place.parked().await, [(3, Why::Behind)]);
    // Whoever takes the room again reads it and goes on.
    let tenant = stream(1).tenant;
    place.fence = place.journaled.take(tenant, ROOM, Epoch(2), owner(1), DECIDED).await.unwrap();
    assert_eq!(place.append(3, 5).await, Ok((4, false, false)));
    assert_eq!(place.journaled.save(snapshot(4)).await, Ok(()));
}

#[tokio::test]
async fn an_event_of_somebody_without_a_fence_parks_what_was_decided_without_it() {
    let mut place = Place::new().await;
    place.faulty.set(Fault::Away);
    place.append(2, 2).await.unwrap();
    place.append(3, 3).await.unwrap();
    let mut theirs = append(stream(1), 2, Some(60), 1);
    theirs.events[0].body = "{}".to_owned();
    place.memory.append(theirs).await.unwrap();
    place.faulty.set(Fault::ReadOnly);
    assert_eq!(place.versions(&place.journaled).await, [1, 2, 3], "not a history that nobody has");
    place.faulty.set(Fault::None);
    place.journaled.replayed(LONG).await.unwrap();
    assert_eq!(place.parked().await, [(2, Why::Conflict), (3, Why::Behind)]);
    assert_eq!(place.append(3, 4).await, Err(FENCED), "it does not know what it is told");
    let tenant = stream(1).tenant;
    place.fence = place.journaled.take(tenant, ROOM, Epoch(1), owner(1), DECIDED).await.unwrap();
    assert_eq!(place.append(3, 4).await, Ok((4, false, false)));
}

#[tokio::test]
async fn whoever_waits_for_a_scope_hears_when_all_of_it_is_recorded() {
    let place = Place::new().await;
    let tenant = stream(1).tenant;
    let recorded = |scope| timeout(LONG, place.journaled.recorded(tenant, scope));
    assert_eq!(recorded(ROOM).await, Ok(Ok(())), "nothing was provisional");
    place.faulty.set(Fault::Away);
    place.append(2, 2).await.unwrap();
    let other = Uuid::from_u128(78);
    assert_eq!(recorded(other).await, Ok(Ok(())), "it is another's");
    let mut waits = std::pin::pin!(recorded(ROOM));
    assert!(futures_util::poll!(waits.as_mut()).is_pending());
    place.append(3, 3).await.unwrap();
    place.faulty.set(Fault::None);
    assert_eq!(waits.await, Ok(Ok(())));
    assert_eq!(place.versions(&*place.memory).await, [1, 2, 3, 4]);
}

#[tokio::test]
async fn whoever_waits_for_a_scope_hears_that_some_of_it_never_will_be_recorded() {
    let place = Place::new().await;
    place.faulty.set(Fault::Away);
    place.append(2, 2).await.unwrap();
    let mut waits = std::pin::pin!(timeout(LONG, place.journaled.recorded(stream(1).tenant, ROOM)));
    assert!(futures_util::poll!(waits.as_mut()).is_pending());
    place.rival().await;
    place.faulty.set(Fault::None);
    assert_eq!(waits.await, Ok(Err(Refusal::Fenced)));
    assert_eq!(place.parked().await, [(2, Why::Fenced)]);
}

#[tokio::test]
async fn while_a_room_is_being_taken_nothing_is_journaled_under_its_owner() {
    let place = Place::new().await;
    place.faulty.set(Fault::Silent);
    let tenant = stream(1).tenant;
    {
        let taking = place.journaled.take(tenant, ROOM, Epoch(1), owner(1), DECIDED);
        let mut taking = std::pin::pin!(taking);
        assert!(futures_util::poll!(taking.as_mut()).is_pending());
        assert_eq!(place.append(2, 2).await, Err(AppendError::Unknown), "it was asked, and not journaled");
        assert_eq!(place.append(2, 2).await, Err(UNAVAILABLE));
    }
    assert_eq!(place.append(2, 2).await, Ok((3, false, true)), "whoever wanted it has given up");
}

#[tokio::test]
async fn one_process_has_the_journal_and_nobody_else_may_read_it() {
    let place = Place::new().await;
    let second =
        Journaled::open(place.dir.path(), Arc::clone(&place.memory), Arc::new(SystemClock), &Registry::new())
            .await;
    let in_use =
        |error: &OpenError| matches!(error, OpenError::File { source: sqlite::OpenError::InUse { .. }, .. });
    assert!(second.as_ref().is_err_and(in_use), "{second:?}");
    for entry in std::fs::read_dir(place.dir.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", entry.file_name());
    }
}

#[tokio::test]
async fn its_figures_tell_how_much_is_not_recorded() {
    let place = Place::new().await;
    place.journaled.close().await;
    let registry = Registry::new();
    let faulty = Arc::clone(&place.faulty);
    let clock = Arc::new(platform::clock::ManualClock::new(DECIDED));
    let journaled =
        Journaled::open_with(QUICK, place.dir.path(), faulty, clock.clone(), &registry).await.unwrap();
    journaled.read(stream(1), Version(0), 100, Moment::NOW).await.unwrap();
    let figure = |name: &str| {
        let families = registry.gather();
        let family = families.iter().find(|family| family.name() == name).unwrap();
        let metric = &family.get_metric()[0];
        metric.get_gauge().get_value() + metric.get_counter().get_value()
    };
    place.faulty.set(Fault::Away);
    for expected in [2, 3] {
        journaled.append(by(place.fence, stream(1), expected, expected.into())).await.unwrap();
    }
    clock.advance(Duration::from_secs(90));
    eventually("the age is told", async || figure("telehealth_journal_oldest_seconds") == 90.0).await;
    assert_eq!(figure("telehealth_journal_store_away"), 1.0);
    assert_eq!(figure("telehealth_journal_entries"), 2.0);
    assert!(figure("telehealth_journal_bytes") > 500.0);
    place.faulty.set(Fault::None);
    journaled.replayed(LONG).await.unwrap();
    eventually("all figures are told", async || figure("telehealth_journal_oldest_seconds") == 0.0).await;
    assert_eq!(figure("telehealth_journal_entries") + figure("telehealth_journal_bytes"), 0.0);
    assert_eq!(figure("telehealth_journal_store_away"), 0.0);
    assert_eq!(figure("telehealth_journal_appends_total"), 2.0);
}
