//! Every fuzz target with its committed seeds, and so many changes of them: what `make fuzz` runs cannot rot between two
//! runs of it. `UPDATE_SEEDS=1` makes the seeds anew, from our own encoders.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod seeds;

use judges::{
    mutate::{Random, changed},
    targets::{ALL, Target},
};
use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target)
}

fn committed(target: &str) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder(target)).unwrap_or_else(|_| panic!("{target} has no seeds"));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn update() {
    if std::env::var_os("UPDATE_SEEDS").is_none() {
        return;
    }
    for (target, all) in seeds::all() {
        let folder = folder(target);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        for (n, seed) in all.iter().enumerate() {
            fs::write(folder.join(format!("{n:02}")), seed).unwrap();
        }
    }
}

/// Runs it; bytes on which it fails are said in full, so that they can become a test.
fn judge(target: &Target, bytes: &[u8]) -> bool {
    catch_unwind(AssertUnwindSafe(|| (target.run)(bytes))).unwrap_or_else(|_| {
        panic!("{} fails on these bytes: \"{}\"", target.name, bytes.escape_ascii());
    })
}

fn replay(name: &str) {
    let target = judges::targets::of(name);
    let seeds = committed(name);
    assert!(seeds.iter().any(|seed| judge(&target, seed)), "{name}: no seed is accepted any more");
    let mut random = Random::new(0x5eed);
    let mut taken = 0;
    for n in 0..target.changes {
        let (seed, other) = (&seeds[n % seeds.len()], &seeds[random.below(seeds.len())]);
        taken += usize::from(judge(&target, &changed(seed, other, &mut random)));
    }
    println!("{name}: {} seeds, {} changed, {taken} of them accepted", seeds.len(), target.changes);
    assert!(taken < target.changes, "{name} accepts anything");
}

macro_rules! replays {
    ($($name:ident)*) => {
        $(#[test] fn $name() { replay(stringify!($name)); })*
        const REPLAYED: &[&str] = &[$(stringify!($name)),*];
    };
}

replays! {
    signaling_message token offer answer demux gate framing rtp_forward rtcp srtp whip media_link events graphql
}

#[test]
fn every_target_is_replayed_has_small_seeds_and_a_program_for_the_fuzzer() {
    update();
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let listed = fs::read_to_string(programs.join("Cargo.toml")).unwrap();
    for target in ALL {
        let name = target.name;
        assert!(REPLAYED.contains(&name), "{name} is not replayed");
        assert!(listed.contains(&format!("name = \"{name}\"")), "{name} is not in fuzz/Cargo.toml");
        let program = fs::read_to_string(programs.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(program.contains(&format!("\"{name}\"")), "{name}.rs runs something else");
        let bytes: usize = committed(name).iter().map(Vec::len).sum();
        assert!(bytes <= 64 * 1_024, "{name}: {bytes} bytes of seeds");
    }
    assert_eq!(REPLAYED.len(), ALL.len());
}

#[test]
fn a_target_that_fails_says_on_what() {
    let broken = Target { name: "broken", run: |bytes| panic!("no {}", bytes.len()), changes: 1 };
    let said = catch_unwind(AssertUnwindSafe(|| judge(&broken, b"a\n"))).unwrap_err();
    assert!(said.downcast_ref::<String>().unwrap().contains(r#"broken fails on these bytes: "a\n""#));
}
