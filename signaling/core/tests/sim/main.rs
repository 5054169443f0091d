//! A simulation of one waiting room: seeded, on a virtual clock, with everything that can go wrong.
//!
//! The network delays and breaks connections, browsers reload, open second tabs and send commands
//! again. The store refuses, forgets to answer, answers late, applies an append after it said that it
//! does not know, and is delivered some twice. The process is killed at any moment and rebuilt from the
//! store; the media node dies with it, or goes on and is found again. After every step the invariants of [`world::World::check`] hold; at the end, when all is calm,
//! everybody has their answer and sees what the store says.
//!
//! A failing seed is printed; `SIM_SEED=<seed> cargo test -p signaling-core --test sim one_seed` replays
//! it with its story.

#![expect(clippy::unwrap_used, reason = "a simulation that cannot go on has failed")]

mod browser;
mod media;
mod random;
mod store;
mod world;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU64, Ordering},
};
use world::World;

const SEEDS: u64 = 1_200;

/// How often each thing happened over all seeds: a simulation that never crashes proves nothing.
#[derive(Default)]
struct Happened(std::collections::BTreeMap<&'static str, u64>);

#[test]
fn many_seeds() {
    let seeds = std::env::var("SIM_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(SEEDS);
    let next = AtomicU64::new(0);
    let workers = std::thread::available_parallelism().map_or(2, std::num::NonZero::get).min(4);
    let happened = parallel(workers, || {
        let mut happened = Happened::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return happened;
            }
            let mut world = World::new(seed, false);
            if catch_unwind(AssertUnwindSafe(|| world.run())).is_err() {
                next.store(seeds, Ordering::Relaxed);
                eprintln!("SIM_SEED={seed} cargo test -p signaling-core --test sim one_seed -- --nocapture");
                panic!("seed {seed} failed");
            }
            for (what, times) in world.happened() {
                *happened.0.entry(what).or_default() += times;
            }
        }
    });
    for what in [
        "crash",
        "append-unknown-applied",
        "append-unknown-lost",
        "append-unknown-late",
        "append-unavailable",
        "append-delivered-twice",
        "append-conflict",
        "append-repeated",
        "read-failed",
        "connection-broken",
        "command-sent-again",
        "replaced",
        "second-tab",
        "late-writer",
        "checked-in",
        "admitted",
        "ended",
        "denied",
        "left",
        "said",
        "escalated",
        "share-granted",
        "media-lost",
        "seat-busy",
        "crash-beside-media",
        "call-adopted",
    ] {
        assert!(happened.0.contains_key(what), "never happened: {what}; {:?}", happened.0);
    }
    println!("{seeds} seeds: {:?}", happened.0);
}

fn parallel(workers: usize, work: impl Fn() -> Happened + Sync) -> Happened {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(&work)).collect();
        let mut sum = Happened::default();
        for thread in threads {
            for (what, times) in thread.join().unwrap().0 {
                *sum.0.entry(what).or_default() += times;
            }
        }
        sum
    })
}

#[test]
fn one_seed() {
    let Some(seed) = std::env::var("SIM_SEED").ok().and_then(|seed| seed.parse().ok()) else { return };
    World::new(seed, true).run();
}

/// The same seed is the same story, or a failure could not be replayed.
#[test]
fn a_seed_replays() {
    let story = |seed| {
        let mut world = World::new(seed, false);
        world.run();
        world.fingerprint()
    };
    assert_eq!(story(7), story(7));
    assert_ne!(story(7), story(8));
}
