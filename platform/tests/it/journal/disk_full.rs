//! The journal's disk is really full: a small tmpfs in a mount namespace of the test's own.

use super::{LONG, Place, ROOM, by, open, owner};
use crate::child::on_a_small_disk;
use model::Epoch;
use platform::event_log::{AppendError, EventStore as _, Moment, Ownership as _, Refusal, Version};
use std::{fs, path::Path, sync::Arc};
use testkit::event_log::{DECIDED, Fault, Faulty, MemoryStore, stream};

const DIR: &str = "JOURNAL_FULL_DIR";

#[test]
fn a_full_disk_is_said_clearly_and_loses_nothing_that_was_acknowledged() {
    on_a_small_disk("journal::disk_full::on_the_small_disk", DIR);
}

/// Not a test of its own: runs inside the namespace.
#[tokio::test]
async fn on_the_small_disk() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let dir = Path::new(&dir);
    let memory = Arc::new(MemoryStore::default());
    let faulty = Arc::new(Faulty::new(Arc::clone(&memory)));
    let journaled = open(dir, &faulty).await;
    let fence = journaled.take(stream(1).tenant, ROOM, Epoch(0), owner(1), DECIDED).await.unwrap();
    journaled.read(stream(1), Version(0), 10, Moment::NOW).await.unwrap();
    let ballast = dir.join("ballast");
    fs::write(&ballast, vec![7; 1_024 * 1_024]).unwrap();
    let big = |head| {
        let mut big = by(fence, stream(1), head, u128::from(head));
        big.events[0].body = "x".repeat(20_000);
        big
    };
    faulty.set(Fault::Away);
    let mut head = 0;
    let refusal = loop {
        match journaled.append(big(head)).await {
            Ok(appended) => head = appended.version.0,
            Err(error) => break error,
        }
        assert!(head < 1_000, "the disk never filled");
    };
    assert_eq!(refusal, AppendError::Rejected(Refusal::Unavailable));
    assert!(head > 0);
    assert_eq!(*journaled.unrecorded().borrow() as u64, head);
    // The store has them, even though the journal cannot note that: replayed again they are repeated.
    faulty.set(Fault::None);
    assert_eq!(journaled.replayed(LONG).await, Ok(()));
    assert_eq!(memory.read(stream(1), Version(0), 1_000, Moment::NOW).await.unwrap().len() as u64, head);
    journaled.close().await;
    fs::remove_file(ballast).unwrap();
    let journaled = open(dir, &faulty).await;
    assert_eq!(journaled.replayed(LONG).await, Ok(()));
    assert_eq!(journaled.parked(0).await, Ok(vec![]));
    assert_eq!(memory.read(stream(1), Version(0), 1_000, Moment::NOW).await.unwrap().len() as u64, head);
    journaled.read(stream(1), Version(0), 1_000, Moment::NOW).await.unwrap();
    faulty.set(Fault::Away);
    let appended = journaled.append(big(head)).await.unwrap();
    assert!(appended.provisional && appended.version.0 == head + 1);
    println!("healed after {head} entries");
}

/// A disk that fills between two appends and is emptied again needs no restart.
#[tokio::test]
async fn a_journal_that_could_not_be_written_is_written_again() {
    let place = Place::new().await;
    place.faulty.set(Fault::Away);
    place.append(2, 2).await.unwrap();
    // A transaction of somebody else stands for a disk that takes nothing.
    let rival = rusqlite::Connection::open(place.dir.path().join("journal.sqlite")).unwrap();
    rival.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(place.append(3, 3).await, Err(AppendError::Rejected(Refusal::Unavailable)));
    rival.execute_batch("ROLLBACK").unwrap();
    assert_eq!(place.append(3, 4).await, Ok((4, false, true)), "the one before left nothing behind");
    place.faulty.set(Fault::None);
    place.journaled.replayed(LONG).await.unwrap();
    assert_eq!(place.versions(&*place.memory).await, [1, 2, 3, 4]);
}
