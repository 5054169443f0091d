//! Random histories: an owner, a store that fails in every way, a process that dies, and a rival. Whatever happens,
//! what was acknowledged is recorded in its place, once, or parked; what was refused is nowhere.

use super::{LONG, ROOM, open, owner};
use model::{CommandId, Epoch};
use platform::event_log::{
    Append, AppendError, EventStore as _, Fence, Moment, NewEvent, Ownership as _, RecordedEvent, Refusal,
    Version,
    journal::{Journaled, Why},
};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;
use testkit::event_log::{DECIDED, Fault, Faulty, MemoryStore, stream};
use uuid::Uuid;

const STREAMS: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    /// The owner wants something. `wild`: without having heard what became of what it wanted before, or where the
    /// stream is.
    Want {
        stream: usize,
        wild: bool,
    },
    /// Who asked does not wait for the answer.
    Abandon {
        stream: usize,
    },
    Fault(Fault),
    Deliver,
    /// The process dies, and another incarnation starts.
    Crash,
    /// The owner takes its room again, if it can.
    Own,
    /// Somebody else takes the room and writes.
    Rival {
        stream: usize,
    },
    Wait,
}

fn steps(with_rivals: bool) -> impl Strategy<Value = Vec<Step>> {
    let fault = prop::sample::select(vec![
        Fault::None,
        Fault::Away,
        Fault::ReadOnly,
        Fault::Unsure,
        Fault::Forgetful,
        Fault::Silent,
        Fault::Late,
    ]);
    let wild = if with_rivals { 0.2 } else { 0.0 };
    let step = prop_oneof![
        12 => (0..STREAMS, prop::bool::weighted(wild)).prop_map(|(stream, wild)| Step::Want { stream, wild }),
        1 => (0..STREAMS).prop_map(|stream| Step::Abandon { stream }),
        4 => fault.prop_map(Step::Fault),
        1 => Just(Step::Deliver),
        1 => Just(Step::Crash),
        2 => Just(Step::Own),
        u32::from(with_rivals) => (0..STREAMS).prop_map(|stream| Step::Rival { stream }),
        2 => Just(Step::Wait),
    ];
    prop::collection::vec(step, 1..40)
}

struct World {
    memory: Arc<MemoryStore>,
    faulty: Arc<Faulty<MemoryStore>>,
    dir: TempDir,
    journaled: Journaled<Faulty<MemoryStore>>,
    /// The room, while it is owned: where its streams are, and what is wanted and not answered.
    owned: Option<(Fence, [Mind; STREAMS])>,
    keys: u128,
    acknowledged: Vec<(usize, u128, u64)>,
    /// Those that may be recorded, though nobody was told so.
    open: HashSet<u128>,
}

/// What the owner believes of a stream.
#[derive(Clone, Copy, Default)]
struct Mind {
    head: u64,
    wanted: Option<u128>,
}

fn want(fence: Fence, of: usize, expected: u64, key: u128) -> Append {
    let event = NewEvent { kind: "noted", schema: 1, body: key.to_string(), phi: None, effective: None };
    Append {
        key: Some(CommandId(Uuid::from_u128(key))),
        fence: Some(fence),
        ..Append::new(stream(of as u128), Version(expected), vec![event], DECIDED)
    }
}

fn key_of(event: &RecordedEvent) -> u128 {
    event.body.parse().unwrap()
}

impl World {
    async fn new() -> Self {
        let memory = Arc::new(MemoryStore::default());
        let faulty = Arc::new(Faulty::new(Arc::clone(&memory)));
        let dir = tempfile::tempdir().unwrap();
        let journaled = open(dir.path(), &faulty).await;
        let (owned, keys, acknowledged, open) = (None, 0, Vec::new(), HashSet::new());
        let mut world = Self { memory, faulty, dir, journaled, owned, keys, acknowledged, open };
        world.own().await;
        world
    }

    async fn step(&mut self, step: &Step) {
        match step {
            Step::Want { stream, wild } => self.want(*stream, *wild).await,
            Step::Abandon { stream } => self.abandon(*stream).await,
            Step::Fault(fault) => self.faulty.set(*fault),
            Step::Deliver => self.faulty.deliver().await,
            Step::Crash => {
                self.journaled.close().await;
                self.journaled = open(self.dir.path(), &self.faulty).await;
                self.owned = None;
            }
            Step::Own => self.own().await,
            Step::Rival { stream } => self.rival(*stream).await,
            Step::Wait => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }

    /// Takes the room, then reads all of it.
    async fn own(&mut self) {
        let soon = Duration::from_millis(200);
        let (tenant, journaled) = (stream(0).tenant, &self.journaled);
        let taking = async {
            let epoch = journaled.owner(tenant, ROOM).await.ok()?.map_or(Epoch(0), |owned| owned.epoch);
            let fence = journaled.take(tenant, ROOM, epoch, owner(1), DECIDED).await.ok()?;
            let mut minds = [Mind::default(); STREAMS];
            for (n, mind) in minds.iter_mut().enumerate() {
                let read = journaled.read(stream(n as u128), Version(0), 1_000, Moment::NOW).await.ok()?;
                mind.head = read.len() as u64;
            }
            Some((fence, minds))
        };
        if self.owned.is_none() {
            self.owned = tokio::time::timeout(soon, taking).await.ok().flatten();
        }
    }

    fn next(&mut self, of: usize, wild: bool) -> Option<(Append, u128)> {
        let (fence, minds) = self.owned.as_mut()?;
        let mind = &mut minds[of];
        let key = match mind.wanted {
            Some(key) if !wild => key,
            _ => {
                self.keys += 1;
                self.keys
            }
        };
        mind.wanted = Some(key);
        let expected = if wild { mind.head + key as u64 % 3 } else { mind.head };
        Some((want(*fence, of, expected, key), key))
    }

    async fn want(&mut self, of: usize, wild: bool) {
        let Some((append, key)) = self.next(of, wild) else { return };
        let outcome = self.journaled.append(append).await;
        let doubtful = self.open.contains(&key);
        let Some((_, minds)) = self.owned.as_mut() else { return };
        let mind = &mut minds[of];
        match outcome {
            Ok(appended) => {
                self.acknowledged.push((of, key, appended.version.0));
                if !appended.repeated && appended.version.0 == mind.head + 1 {
                    *mind = Mind { head: mind.head + 1, wanted: None };
                } else {
                    self.catch_up(of).await;
                }
            }
            Err(AppendError::Unknown) => drop(self.open.insert(key)),
            Err(AppendError::Rejected(Refusal::Fenced)) => self.owned = None,
            Err(AppendError::Rejected(Refusal::Conflict { .. })) => self.catch_up(of).await,
            Err(AppendError::Rejected(_)) if doubtful => {}
            Err(AppendError::Rejected(_)) => mind.wanted = None,
        }
    }

    /// Reads what it does not know yet, if it can. If it cannot, what it wanted stands.
    async fn catch_up(&mut self, of: usize) {
        let Some((_, minds)) = self.owned.as_mut() else { return };
        let mind = &mut minds[of];
        let read = self.journaled.read(stream(of as u128), Version(mind.head), 1_000, Moment::NOW);
        let Ok(Ok(page)) = tokio::time::timeout(Duration::from_millis(200), read).await else { return };
        for event in page {
            if event.version.0 == mind.head + 1 {
                mind.head += 1;
                mind.wanted = mind.wanted.filter(|wanted| *wanted != key_of(&event));
            }
        }
    }

    async fn abandon(&mut self, of: usize) {
        let Some((append, key)) = self.next(of, false) else { return };
        self.open.insert(key);
        let mut asked = self.journaled.append(append);
        let _ = futures_util::poll!(&mut asked);
    }

    async fn rival(&mut self, of: usize) {
        let tenant = stream(0).tenant;
        let epoch = self.memory.owner(tenant, ROOM).await.unwrap().map_or(Epoch(0), |owned| owned.epoch);
        let fence = self.memory.take(tenant, ROOM, epoch, owner(2), DECIDED).await.unwrap();
        let head = self.recorded(of).await.len() as u64;
        self.keys += 1;
        self.open.insert(self.keys);
        self.memory.append(want(fence, of, head, self.keys)).await.unwrap();
    }

    async fn recorded(&self, of: usize) -> Vec<u128> {
        let events = self.memory.read(stream(of as u128), Version(0), 1_000, Moment::NOW).await.unwrap();
        events.iter().map(key_of).collect()
    }

    /// Everything is well again: what is there?
    async fn check(&self, may_park: bool) {
        self.faulty.set(Fault::None);
        self.faulty.deliver().await;
        assert_eq!(self.journaled.replayed(LONG).await, Ok(()));
        let parked = self.journaled.parked(0).await.unwrap();
        assert!(may_park || parked.is_empty(), "{parked:?}");
        let parked: HashMap<_, _> = parked.iter().map(|p| (p.key.0.as_u128(), p.why)).collect();
        let mut everything = HashSet::new();
        for of in 0..STREAMS {
            let recorded = self.recorded(of).await;
            for key in &recorded {
                assert!(everything.insert(*key), "{key} is there twice");
                let told = self.acknowledged.iter().any(|(_, known, _)| known == key);
                assert!(told || self.open.contains(key), "{key} was refused and is there");
                assert!(
                    parked.get(key).is_none_or(|why| *why == Why::Elsewhere),
                    "{key} is parked and there"
                );
            }
            for (_, key, version) in self.acknowledged.iter().filter(|(stream, _, _)| *stream == of) {
                let there = recorded.get(*version as usize - 1) == Some(key);
                assert!(
                    there || parked.contains_key(key),
                    "{key} was acknowledged at {version}: {recorded:?}"
                );
            }
        }
    }
}

fn run(with_rivals: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    TestRunner::new(Config { cases: 96, failure_persistence: None, ..Config::default() })
        .run(&steps(with_rivals), |steps| {
            runtime.block_on(async {
                let mut world = World::new().await;
                for step in &steps {
                    world.step(step).await;
                }
                world.check(with_rivals).await;
                world.journaled.close().await;
            });
            Ok(())
        })
        .unwrap();
}

#[test]
fn an_owner_without_rivals_loses_nothing_that_was_acknowledged_and_nothing_is_parked() {
    run(false);
}

#[test]
fn with_rivals_and_owners_out_of_their_minds_what_was_acknowledged_is_recorded_or_parked() {
    run(true);
}
