//! A simulation of the fleet: seeded, in virtual time, on one thread a seed, with everything that can go wrong.
//!
//! What runs is what runs in production: the signaling service with its sockets' tasks, rooms and sweeps, the local
//! journal, the event log's rules, the relay, the in-process bus and the inbox. What is simulated is what lies between:
//! the network, the way to the store, the bus's transport, media nodes, clocks, and people. See docs/simulator.md.
//!
//! A failing seed is printed with the end of its story; `SIM_SEED=<seed> cargo test -p signaling --test sim one_seed --
//! --nocapture` tells all of it.

#![expect(clippy::unwrap_used, reason = "a simulation that cannot go on has failed")]

mod bus;
mod checks;
mod desk;
mod ledger;
mod letters;
mod machine;
mod media;
mod net;
mod page;
mod person;
#[path = "../../core/tests/sim/random.rs"]
mod random;
mod sim;
mod store;
mod world;

use std::{
    cell::Cell,
    collections::BTreeMap,
    sync::{
        Once,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

/// Seeds of one run, unless `SIM_SEEDS` says otherwise.
const SEEDS: u64 = 1_000;

/// What must have happened over all of them: a simulation in which nothing goes wrong proves nothing.
const HAPPENS: [&str; 33] = [
    "acknowledged",
    "append-late",
    "append-repeated",
    "bus-away",
    "bus-doubled",
    "bus-lost",
    "bus-noisy",
    "bus-refused",
    "bus-reordered",
    "bus-wiped",
    "clock-set",
    "command-pressed-twice",
    "command-said-again",
    "connection-broken",
    "crash",
    "cut-both-ways",
    "cut-one-way",
    "drained",
    "fenced",
    "invited-again",
    "media-lost",
    "on-sqlite",
    "parked",
    "started-with-a-journal",
    "store-away",
    "store-bad",
    "store-cut-off",
    "store-did-and-forgot",
    "store-lost",
    "store-refused",
    "store-silent",
    "store-slow",
    "takeover",
];

thread_local! {
    static PANICS: Cell<u64> = const { Cell::new(0) };
}

/// A task's panic ends that task and nothing else: it is counted here, and fails the seed.
fn panics_of_this_thread() -> u64 {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.set(PANICS.get() + 1);
            before(info);
        }));
    });
    PANICS.get()
}

#[test]
fn many_seeds() {
    let seeds = std::env::var("SIM_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(SEEDS);
    let first: u64 = std::env::var("SIM_FIRST").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    let (next, failed) = (AtomicU64::new(first), AtomicBool::new(false));
    let workers = std::thread::available_parallelism().map_or(2, std::num::NonZero::get).min(8);
    let run = || {
        let (mut lasted, mut counts) = (Duration::ZERO, BTreeMap::<_, u64>::new());
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + seeds || failed.load(Ordering::Relaxed) {
                return (lasted, counts);
            }
            match world::run(seed, false) {
                Ok(told) => {
                    lasted += told.lasted;
                    told.counts.into_iter().for_each(|(what, n)| *counts.entry(what).or_default() += n);
                }
                Err(why) => {
                    failed.store(true, Ordering::Relaxed);
                    let again = "cargo test -p signaling --test sim one_seed -- --nocapture";
                    eprintln!(
                        "{why}\nseed {seed} failed, number {}: SIM_SEED={seed} {again}",
                        seed - first + 1
                    );
                }
            }
        }
    };
    let (mut lasted, mut counts) = (Duration::ZERO, BTreeMap::<_, u64>::new());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(run)).collect();
        for thread in threads {
            let (time, theirs) = thread.join().unwrap();
            lasted += time;
            theirs.into_iter().for_each(|(what, n)| *counts.entry(what).or_default() += n);
        }
    });
    assert!(!failed.load(Ordering::Relaxed), "a seed failed: see above");
    println!("{seeds} seeds, {:.1} virtual hours: {counts:#?}", lasted.as_secs_f64() / 3_600.0);
    // Some of it is rare: a short run by hand need not see all.
    if seeds >= SEEDS {
        for what in HAPPENS {
            assert!(counts.contains_key(what), "never happened: {what}");
        }
    }
}

#[test]
fn one_seed() {
    let Some(seed) = std::env::var("SIM_SEED").ok().and_then(|seed| seed.parse().ok()) else { return };
    if let Err(why) = world::run(seed, true) {
        panic!("{}", why.lines().last().unwrap_or_default());
    }
}

/// The same seed is the same story, or a failure could not be replayed.
#[test]
fn a_seed_replays() {
    let story = |seed| world::run(seed, false).unwrap().fingerprint;
    // On two and three machines, in memory and on SQLite.
    for seed in [1, 2, 3, 41, 73, 116] {
        assert_eq!(story(seed), story(seed), "seed {seed}");
    }
    assert_ne!(story(1), story(2));
}
