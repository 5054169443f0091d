//! The world: machines, a desk that books, people, and what goes wrong.

use crate::{
    bus::Transport,
    checks, desk,
    ledger::Ledger,
    machine::{self, Machine, Site},
    media::Media,
    net::{Net, Place},
    person::Person,
    random::Random,
    sim::Sim,
    store::Reach,
};
use model::{TenantId, Timestamp, WaitingRoomId};
use parking_lot::Mutex;
use platform::{
    clock::Clock,
    event_log::{Store, sqlite::SqliteStore},
    keys::Keys,
};
use prometheus::Registry;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;
use testkit::event_log::MemoryStore;
use tokio::{task::JoinSet, time::sleep};
use uuid::Uuid;

pub(crate) const ORIGIN: &str = "http://clinic.test";
pub(crate) type WorldKeys = Arc<Keys>;

/// Waiting rooms, and whose they are.
pub(crate) const ROOMS: [(TenantId, WaitingRoomId); 3] = [
    (TenantId(Uuid::from_u128(0x1)), WaitingRoomId(Uuid::from_u128(0xA))),
    (TenantId(Uuid::from_u128(0x2)), WaitingRoomId(Uuid::from_u128(0xB))),
    (TenantId(Uuid::from_u128(0x1)), WaitingRoomId(Uuid::from_u128(0xC))),
];
/// One seed in so many is on SQLite: it costs many times more.
const ON_SQLITE: u64 = 40;
/// A process that reaches the store again knows within it which waiting rooms are no longer its own.
const NOTICED_WITHIN: Duration = Duration::from_secs(5);
/// How long everything may take to be right again after the last fault.
const SETTLES_WITHIN: Duration = Duration::from_secs(120);

/// Words that stand in everything of a waiting room.
pub(crate) fn tag(room: usize) -> String {
    format!("<room-{room}>")
}

/// A machine's wall clock: the world's, and wrong by so much.
pub(crate) struct SkewedClock {
    sim: Arc<Sim>,
    skew: AtomicI64,
}

impl SkewedClock {
    pub(crate) fn new(sim: &Arc<Sim>) -> Arc<Self> {
        Arc::new(Self { sim: Arc::clone(sim), skew: AtomicI64::new(0) })
    }

    pub(crate) fn set(&self, skew_ms: i64) {
        self.skew.store(skew_ms, Ordering::SeqCst);
    }
}

impl Clock for SkewedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + self.skew.load(Ordering::SeqCst)) + self.sim.now()
    }
}

/// A clock that is right.
pub(crate) fn clock(sim: &Arc<Sim>) -> Arc<dyn Clock> {
    SkewedClock::new(sim)
}

pub(crate) struct World {
    pub(crate) site: Arc<Site>,
    pub(crate) machines: Vec<Arc<Machine>>,
    pub(crate) people: Mutex<Vec<Arc<Mutex<Person>>>>,
    /// Machines that are down, or on their way up.
    down: Mutex<Vec<usize>>,
    calm: AtomicBool,
    /// Until when some process did not reach the store.
    unreached: Mutex<Duration>,
    /// Of the store, if it has one.
    _disk: Option<TempDir>,
}

/// What a seed came to.
pub(crate) struct Told {
    pub(crate) fingerprint: u64,
    pub(crate) lasted: Duration,
    pub(crate) counts: BTreeMap<&'static str, u64>,
}

/// Runs one seed on this thread.
pub(crate) fn run(seed: u64, loud: bool) -> Result<Told, String> {
    let mut ids = Random::new(seed ^ 0x1D5);
    platform::ids::choose(move || ids.uuid());
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let panics = crate::panics_of_this_thread();
    let told = runtime.block_on(story(seed, loud));
    drop(runtime);
    match crate::panics_of_this_thread() - panics {
        0 => told,
        n => Err(format!("{n} tasks panicked: see above\n{}", told.err().unwrap_or_default())),
    }
}

async fn story(seed: u64, loud: bool) -> Result<Told, String> {
    let sim = Sim::new(seed, loud);
    let world = World::new(seed, &sim);
    for machine in &world.machines {
        machine.start().await;
    }
    let mut tasks = JoinSet::new();
    tasks.spawn(desk::desk(Arc::clone(&world)));
    let trouble = sim.millis(15_000, 45_000);
    while sim.now() < trouble && !sim.has_failed() {
        sleep(sim.millis(100, 2_500)).await;
        world.trouble(&mut tasks);
    }
    world.heal().await;
    let healed = sim.now();
    while !sim.has_failed() {
        let Err(wrong) = checks::settled(&world).await else { break };
        if sim.now() - healed > SETTLES_WITHIN {
            sim.fail(format!("not well {SETTLES_WITHIN:?} after the last fault: {wrong}"));
        }
        sleep(Duration::from_millis(500)).await;
    }
    if !sim.has_failed() {
        checks::judge(&world).await;
    }
    tasks.shutdown().await;
    world.machines.iter().for_each(|machine| machine.crash());
    sim.verdict()?;
    let mut counts = sim.counts();
    // That was us.
    counts.entry("crash").and_modify(|crashes| *crashes -= world.machines.len() as u64);
    Ok(Told { fingerprint: sim.fingerprint(), lasted: sim.now(), counts })
}

impl World {
    fn new(seed: u64, sim: &Arc<Sim>) -> Arc<Self> {
        static KEYS: OnceLock<WorldKeys> = OnceLock::new();
        let on_sqlite = (seed % ON_SQLITE == 3).then(machine::disk);
        let ours: Arc<dyn Store> = match &on_sqlite {
            None => Arc::new(MemoryStore::default()),
            Some(dir) => {
                sim.count("on-sqlite");
                Arc::new(SqliteStore::open(&dir.path().join("events.db"), &Registry::new()).unwrap())
            }
        };
        let site = Arc::new(Site {
            sim: Arc::clone(sim),
            net: Net::new(Arc::clone(sim)),
            ours,
            theirs: Arc::new(MemoryStore::default()),
            ledger: Ledger::new(Arc::clone(sim), true),
            heard: Ledger::new(Arc::clone(sim), false),
            transport: Transport::new(sim),
            media: Media::new(sim),
            keys: Arc::clone(KEYS.get_or_init(|| Arc::new(Keys::ephemeral()))),
        });
        let count = if sim.chance(30) { 3 } else { 2 };
        let machines = (0..count).map(|index| Machine::new(&site, index)).collect();
        let (people, down, calm) = (Mutex::default(), Mutex::default(), AtomicBool::new(false));
        Arc::new(Self { site, machines, people, down, calm, unreached: Mutex::default(), _disk: on_sqlite })
    }

    /// Every process reaches the store, and has for long enough to have noticed.
    pub(crate) fn store_is_reached(&self) -> bool {
        let long = self.site.sim.now().saturating_sub(*self.unreached.lock()) > NOTICED_WITHIN;
        long && self.machines.iter().all(|machine| *machine.reach.lock() == Reach::Well)
    }

    /// Nobody begins anything any more.
    pub(crate) fn is_calm(&self) -> bool {
        self.calm.load(Ordering::SeqCst)
    }

    pub(crate) fn any(&self) -> usize {
        self.site.sim.draw(|random| random.below(self.machines.len() as u64)) as usize
    }

    /// Something goes wrong, and is well again after a while.
    fn trouble(self: &Arc<Self>, tasks: &mut JoinSet<()>) {
        let sim = &self.site.sim;
        let (machine, lasts) = (self.any(), sim.millis(300, 9_000));
        let which = sim.draw(|random| random.below(100));
        let what = match which {
            0..14 => return self.stop(tasks, machine, false),
            14..20 => return self.stop(tasks, machine, true),
            20..28 => self.cut(tasks, machine, true, lasts),
            28..36 => self.cut(tasks, machine, false, lasts),
            36..56 => self.store(tasks, Some(machine), lasts),
            56..60 => self.store(tasks, None, lasts),
            60..68 => self.bus(tasks, machine, lasts),
            68..72 => {
                self.site.transport.wipe();
                "bus-wiped"
            }
            72..90 => {
                if self.site.net.break_one() {
                    "connection-broken"
                } else {
                    return;
                }
            }
            90..93 => return self.site.media.lose_one(),
            _ => self.set_clock(machine),
        };
        sim.count(what);
        sim.tell(|| format!("{what}: machine {machine}, {} ms", lasts.as_millis()));
    }

    /// A process ends, with or without a word, and another one begins on the same machine.
    fn stop(self: &Arc<Self>, tasks: &mut JoinSet<()>, machine: usize, gently: bool) {
        if self.down.lock().contains(&machine) {
            return;
        }
        self.down.lock().push(machine);
        let (world, back) = (Arc::clone(self), self.site.sim.millis(50, 7_000));
        tasks.spawn(async move {
            let it = &world.machines[machine];
            if gently {
                it.drain().await
            } else {
                it.crash()
            }
            sleep(back).await;
            it.start().await;
            world.down.lock().retain(|down| *down != machine);
        });
    }

    fn cut(
        self: &Arc<Self>,
        tasks: &mut JoinSet<()>,
        one: usize,
        both: bool,
        lasts: Duration,
    ) -> &'static str {
        let other =
            (one + 1 + self.site.sim.draw(|random| random.below(self.machines.len() as u64 - 1)) as usize)
                % self.machines.len();
        let (one, other) = (Place::Machine(one), Place::Machine(other));
        self.site.net.cut(one, other);
        if both {
            self.site.net.cut(other, one);
        }
        let world = Arc::clone(self);
        tasks.spawn(async move {
            sleep(lasts).await;
            world.site.net.heal(one, other);
            world.site.net.heal(other, one);
        });
        if both { "cut-both-ways" } else { "cut-one-way" }
    }

    fn store(self: &Arc<Self>, tasks: &mut JoinSet<()>, one: Option<usize>, lasts: Duration) -> &'static str {
        let (reach, what) = match self.site.sim.draw(|random| random.below(4)) {
            0 => (Reach::Badly, "store-bad"),
            1 => (Reach::Slowly, "store-slow"),
            2 => (Reach::Away, "store-away"),
            _ => (Reach::Silent, "store-cut-off"),
        };
        let all = self.machines.iter().filter(|machine| one.is_none_or(|one| one == machine.index));
        let all: Vec<_> = all.map(|machine| Arc::clone(&machine.reach)).collect();
        all.iter().for_each(|its| *its.lock() = reach);
        let world = Arc::clone(self);
        tasks.spawn(async move {
            sleep(lasts).await;
            all.iter().for_each(|its| *its.lock() = Reach::Well);
            *world.unreached.lock() = world.site.sim.now();
        });
        what
    }

    fn bus(self: &Arc<Self>, tasks: &mut JoinSet<()>, machine: usize, lasts: Duration) -> &'static str {
        let away = self.site.sim.chance(40);
        let machine = &self.machines[machine];
        let line = Arc::clone(if away { &machine.bus_away } else { &machine.bus_noisy });
        line.store(true, Ordering::SeqCst);
        tasks.spawn(async move {
            sleep(lasts).await;
            line.store(false, Ordering::SeqCst);
        });
        if away { "bus-away" } else { "bus-noisy" }
    }

    /// Somebody sets the clocks, by up to an hour. All machines agree on the time afterwards, as they do where one
    /// time server is believed by all.
    fn set_clock(&self, _: usize) -> &'static str {
        const HOUR: i64 = 3_600_000;
        let skew = self.site.sim.draw(|random| match random.below(4) {
            0 => HOUR,
            1 => -HOUR,
            2 => 0,
            _ => random.below(2 * HOUR as u64) as i64 - HOUR,
        });
        self.machines.iter().for_each(|machine| machine.clock.set(skew));
        self.site.sim.tell(|| format!("clocks are {skew} ms off"));
        "clock-set"
    }

    /// All is well from now on, except that a clock that was set stays so.
    async fn heal(&self) {
        self.calm.store(true, Ordering::SeqCst);
        *self.unreached.lock() = self.site.sim.now();
        for machine in &self.machines {
            *machine.reach.lock() = Reach::Well;
            machine.bus_away.store(false, Ordering::SeqCst);
            machine.bus_noisy.store(false, Ordering::SeqCst);
        }
        self.site.net.heal_all();
        self.site.sim.tell(|| "all is well".to_owned());
        while !self.down.lock().is_empty() {
            sleep(Duration::from_millis(100)).await;
        }
    }
}
