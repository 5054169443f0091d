//! Every kind of tampering at each of a thousand random places of a real SQLite file: all of it is found, and called by
//! its name.

use super::{
    TENANT,
    attacker::{Attacker, Dice},
    exported, fill, judge, later, sealer, seals,
};
use platform::{
    audit::{
        PublicKeys, Seal, Signer,
        chain::{Canonical, encode},
        verify::{Kind, Report},
    },
    clock::ManualClock,
    event_log::{
        Store,
        sqlite::{ReadOnly, SqliteStore, partitions},
    },
};
use prometheus::Registry;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Rows that are sealed, so many to a seal, and rows that are not yet.
const SEALED: u64 = 400;
const PER_SEAL: usize = 20;
const UNSEALED: u64 = 7;

/// Places that are attacked.
const POINTS: usize = 1_000;

struct Rig {
    dir: tempfile::TempDir,
    signer: Arc<Signer>,
    keys: PublicKeys,
    seals: Vec<Seal>,
    runtime: tokio::runtime::Runtime,
}

impl Rig {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let signer = Arc::new(Signer::ephemeral(later(0)));
        let path = dir.path().join("events.sqlite");
        let seals = runtime.block_on(async {
            let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path, &Registry::new()).unwrap());
            let clock = Arc::new(ManualClock::new(later(0)));
            let mut sealer = sealer(Arc::clone(&store), &signer, &clock, PER_SEAL);
            for n in (0..SEALED).step_by(PER_SEAL) {
                fill(&*store, n, PER_SEAL as u64).await;
                clock.set(later(n + PER_SEAL as u64));
                sealer.look(false).await;
            }
            fill(&*store, SEALED, UNSEALED).await;
            sealer.look(false).await;
            seals(&*store).await
        });
        assert_eq!((seals.len(), seals.last().unwrap().to), (SEALED as usize / PER_SEAL, SEALED));
        // One file, without a log of its own.
        let connection = rusqlite::Connection::open(&path).unwrap();
        let whole = dir.path().join("whole.sqlite");
        connection.execute("VACUUM INTO ?1", [whole.to_str().unwrap()]).unwrap();
        let keys = signer.public_keys().clone();
        Self { dir, signer, keys, seals, runtime }
    }

    /// A fresh copy of the file.
    fn copy(&self) -> PathBuf {
        let path = self.dir.path().join("attacked.sqlite");
        for beside in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(self.dir.path().join(format!("attacked.sqlite{beside}")));
        }
        std::fs::copy(self.dir.path().join("whole.sqlite"), &path).unwrap();
        path
    }

    fn judge(&self, path: &Path, anchor: Option<&Seal>) -> Report {
        let trail = ReadOnly::open(path).unwrap();
        let file = self.runtime.block_on(exported(&trail, &partitions(), &self.keys));
        judge(&file, &self.keys, anchor)
    }

    /// What is found after an attack, with the newest seal that the second place has.
    fn after(&self, attack: impl FnOnce(&Attacker)) -> Report {
        let path = self.copy();
        attack(&Attacker::on(&path));
        self.judge(&path, self.seals.last())
    }
}

/// Calls it at each point; says which one and what was found when it is not what it should be.
#[track_caller]
fn at_each_point(
    seed: u64,
    mut attack: impl FnMut(&Rig, u64, &mut Dice) -> (Report, Box<dyn Fn(&Report) -> bool>),
) {
    let (rig, mut dice) = (Rig::new(), Dice(seed));
    for point in 0..POINTS {
        // Not the last one: beside rows that are not sealed, whether it is gone or another one cannot be told.
        let row = dice.roll(1, SEALED - 1);
        let (report, rightly) = attack(&rig, row, &mut dice);
        assert!(rightly(&report), "seed {seed}, point {point}, row {row}: {:#?}", report.findings);
        assert!(!report.is_clean());
    }
}

/// The findings of a kind, as ranges.
fn of(report: &Report, kind: Kind) -> Vec<(u64, u64)> {
    let of_kind = report.findings.iter().filter(|finding| finding.kind == kind);
    of_kind.map(|finding| (finding.from, finding.to)).collect()
}

fn only(report: &Report, kinds: &[Kind]) -> bool {
    report.findings.iter().all(|finding| kinds.contains(&finding.kind))
}

#[test]
fn an_untouched_trail_passes() {
    let rig = Rig::new();
    let path = rig.copy();
    for anchor in [None, rig.seals.first(), rig.seals.last()] {
        let report = rig.judge(&path, anchor);
        assert!(report.is_clean(), "{:#?}", report.findings);
        assert_eq!((report.rows, report.seals), (SEALED + UNSEALED, SEALED / PER_SEAL as u64));
        let unsealed: Vec<_> = report.unsealed.iter().map(|rows| (rows.from, rows.to)).collect();
        assert_eq!(unsealed, [(SEALED + 1, SEALED + UNSEALED)]);
    }
}

#[test]
fn every_edit_is_found_and_its_row_named() {
    at_each_point(1, |rig, row, dice| {
        let report = rig.after(|attacker| attacker.edit(row, dice));
        (
            report,
            Box::new(move |report| of(report, Kind::Edited) == [(row, row)] && report.findings.len() == 1),
        )
    });
}

#[test]
fn every_deletion_is_found_and_its_row_named_whether_or_not_the_rest_is_renumbered() {
    at_each_point(2, |rig, row, dice| {
        let clever = dice.roll(0, 1) == 1;
        let report = rig.after(|attacker| {
            attacker.delete(row);
            if clever {
                attacker.renumber(row + 1, -1);
            }
        });
        let shifted = if clever { vec![(row + 1, SEALED)] } else { vec![] };
        (
            report,
            Box::new(move |report| {
                of(report, Kind::Deleted) == [(row, row)]
                    && of(report, Kind::Renumbered) == shifted
                    && only(report, &[Kind::Deleted, Kind::Renumbered])
            }),
        )
    });
}

#[test]
fn every_insertion_is_found_and_its_place_named() {
    at_each_point(3, |rig, row, _| {
        let report = rig.after(|attacker| {
            attacker.renumber(row, 1);
            attacker.insert(row, row);
        });
        (
            report,
            Box::new(move |report| {
                of(report, Kind::Inserted) == [(row, row)]
                    && of(report, Kind::Renumbered) == [(row, SEALED)]
                    && only(report, &[Kind::Inserted, Kind::Renumbered])
            }),
        )
    });
}

#[test]
fn rows_that_change_places_are_found_and_named() {
    at_each_point(4, |rig, row, dice| {
        let other = dice.roll(row + 1, (row + 60).min(SEALED));
        let swap = dice.roll(0, 1) == 1 || other == row + 1;
        let report =
            rig.after(
                |attacker| {
                    if swap { attacker.swap(row, other) } else { attacker.move_behind(row, other) }
                },
            );
        (
            report,
            Box::new(move |report| {
                let mut moved = of(report, Kind::Reordered);
                let within = moved.iter().all(|(from, to)| row <= *from && *to <= other);
                let any = !moved.is_empty();
                // Beside rows that are not sealed, one that is in its order and has another number is that.
                moved.extend(of(report, Kind::Renumbered));
                let names = |row: u64| moved.iter().any(|(from, to)| (*from..=*to).contains(&row));
                let named = names(row) && names(other);
                any && within && named && only(report, &[Kind::Reordered, Kind::Renumbered])
            }),
        )
    });
}

#[test]
fn every_truncation_is_found_and_the_rows_named_with_a_seal_from_the_second_place() {
    at_each_point(5, |rig, row, dice| {
        let clever = dice.roll(0, 1) == 1;
        let path = rig.copy();
        let attacker = Attacker::on(&path);
        attacker.truncate(row);
        if clever {
            attacker.forget_seals(row / PER_SEAL as u64);
            // Without the second place, nobody could know.
            assert!(rig.judge(&path, None).is_clean());
        }
        let report = rig.judge(&path, rig.seals.last().filter(|_| clever));
        (
            report,
            Box::new(move |report| {
                of(report, Kind::Truncated) == [(row + 1, SEALED)]
                    && only(report, &[Kind::Truncated, Kind::SealMissing])
            }),
        )
    });
}

#[test]
fn every_roll_back_is_found_with_a_seal_from_the_second_place() {
    at_each_point(6, |rig, row, dice| {
        let path = rig.copy();
        let attacker = Attacker::on(&path);
        attacker.truncate(row);
        attacker.forget_seals(row / PER_SEAL as u64);
        // The trail goes on from there, and some of the time the server seals what came since.
        for number in row + 1..=row + dice.roll(1, 60) {
            attacker.insert(number, 1_000 + number);
        }
        drop(attacker);
        if dice.roll(0, 4) == 1 {
            rig.runtime.block_on(async {
                let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path, &Registry::new()).unwrap());
                let clock = Arc::new(ManualClock::new(later(2_000)));
                sealer(Arc::clone(&store), &rig.signer, &clock, PER_SEAL).look(true).await;
            });
            assert!(rig.judge(&path, None).is_clean());
        }
        let report = rig.judge(&path, rig.seals.last());
        (report, Box::new(move |report| !of(report, Kind::RolledBack).is_empty()))
    });
}

#[test]
fn whoever_recomputes_seals_and_cannot_sign_is_found() {
    let (rig, mut dice) = (Rig::new(), Dice(7));
    let stranger = Signer::ephemeral(later(0));
    for point in 0..50 {
        let row = dice.roll(1, SEALED);
        let path = rig.copy();
        let attacker = Attacker::on(&path);
        attacker.edit(row, &mut dice);
        let rows = rig.runtime.block_on(async {
            let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path, &Registry::new()).unwrap());
            store.audit(TENANT, super::CHAIN.partition, 0, 1_000).await.unwrap()
        });
        let attacker = Attacker::on(&path);
        let (mut head, mut previous) = (super::CHAIN.genesis(), [0; 32]);
        let own_key = point % 2 == 1;
        for seal in &rig.seals {
            let mut forged = seal.clone();
            forged.digests.clear();
            for row in &rows[seal.from as usize - 1..seal.to as usize] {
                let mut bytes = Vec::new();
                encode(TENANT, row, &mut bytes);
                let row = Canonical::parse(&bytes).unwrap();
                head = head.after(row, row.number());
                forged.digests.push(row.digest());
            }
            (forged.head, forged.previous) = (head, previous);
            if seal.to >= row {
                if own_key {
                    forged = forged.sign(&stranger);
                }
                attacker.replace_seal(&forged);
            }
            previous = forged.hash();
        }
        drop(attacker);
        let report = rig.judge(&path, None);
        let kind = if own_key { Kind::UnknownKey } else { Kind::SealForged };
        let first = (row - 1) / PER_SEAL as u64 + 1;
        let wanted: Vec<_> = (first..=SEALED / PER_SEAL as u64).map(|seal| (seal, seal)).collect();
        assert_eq!(of(&report, kind), wanted, "point {point}, row {row}: {:#?}", report.findings);
        // And with the seals that were taken away, that of the second place shows the row as well.
        let report = rig.judge(&path, rig.seals.last());
        assert!(
            of(&report, Kind::Altered).len() == 1 || of(&report, Kind::Edited) == [(row, row)],
            "{report:#?}"
        );
    }
}

#[test]
fn a_missing_seal_is_named_and_its_rows_are_proven_by_the_next() {
    let rig = Rig::new();
    let report = rig.after(|attacker| attacker.delete_seal(5));
    assert_eq!(of(&report, Kind::SealMissing), [(5, 5)]);
    assert!(only(&report, &[Kind::SealMissing]), "{:#?}", report.findings);
    // An edit under it is found, though not which row it was.
    let report = rig.after(|attacker| {
        attacker.delete_seal(5);
        attacker.edit(90, &mut Dice(1));
    });
    assert_eq!((of(&report, Kind::SealMissing), of(&report, Kind::Altered)), (vec![(5, 5)], vec![(81, 120)]));
}

#[test]
fn much_damage_at_once_is_found_and_named() {
    let rig = Rig::new();
    let report = rig.after(|attacker| {
        attacker.edit(10, &mut Dice(3));
        attacker.delete(50);
        for row in 200..=320 {
            attacker.delete(row);
        }
        attacker.edit(390, &mut Dice(4));
    });
    assert_eq!(of(&report, Kind::Edited), [(10, 10), (390, 390)]);
    assert_eq!(of(&report, Kind::Deleted), [(50, 50), (200, 320)]);
    assert!(only(&report, &[Kind::Edited, Kind::Deleted]), "{:#?}", report.findings);
}

#[test]
fn unsealed_rows_that_were_taken_out_leave_a_gap_that_is_named() {
    let rig = Rig::new();
    let report = rig.after(|attacker| attacker.delete(SEALED + 3));
    assert_eq!(of(&report, Kind::Deleted), [(SEALED + 3, SEALED + 3)]);
}
