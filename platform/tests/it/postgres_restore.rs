//! What docs/postgresql.md says of backups, done: a copy of the running database, its log archived, and a new one brought
//! forward to a point in time or to the end.

use crate::{
    filled::{Beside, fill},
    postgres::config,
};
use platform::event_log::{EventStore as _, Moment, Version, postgres::PostgresStore};
use prometheus::Registry;
use std::{sync::Arc, time::Instant};
use testkit::{
    engines::{Postgres, until},
    event_log::{append, stream},
};

/// Each with events in pages of 64.
const STREAMS: u64 = 100;
const EVENTS: u64 = 100_000;

/// Who writes while the copy is made.
const BESIDE: u128 = 9_999;

async fn open(server: &Postgres) -> Arc<PostgresStore> {
    Arc::new(PostgresStore::open(&config(server, "events"), &Registry::new()).await.unwrap())
}

/// How many events a stream has; they are numbered without gaps.
async fn versions(store: &PostgresStore, id: u128) -> u64 {
    let mut found = 0;
    loop {
        let page = store.read(stream(id), Version(found), 1_000, Moment::NOW).await.unwrap();
        if page.is_empty() {
            return found;
        }
        for event in page {
            found += 1;
            assert_eq!(event.version.0, found);
        }
    }
}

/// All of it up to now is in the archive.
fn archived(server: &Postgres) {
    let last = server.ask("SELECT pg_walfile_name(pg_switch_wal())");
    until("the log is archived", || {
        server.ask(&format!("SELECT last_archived_wal >= '{last}' FROM pg_stat_archiver")) == "t"
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_comes_back_as_it_was_at_a_time_or_at_its_end() {
    let (archive, base) = (readable_by_all(), readable_by_all());
    let server = Postgres::start_archiving(archive.path());
    let store = open(&server).await;
    fill(&store, STREAMS, EVENTS).await;

    let beside = Beside::start(&store, BESIDE);
    until("it is written", || beside.written() > 0);
    let (begun, before) = (Instant::now(), beside.written());
    tokio::task::block_in_place(|| server.base_backup(base.path()));
    let copied = begun.elapsed();
    let beside = beside.stop().await;
    assert!(beside > before, "it was written on while the copy was made");

    // What comes after this moment is what somebody wants to be undone.
    let moment = server.ask("SELECT clock_timestamp()");
    for head in 0..3 {
        store.append(append(stream(BESIDE + 1), head, None, 1)).await.unwrap();
    }
    archived(&server);
    drop(store);
    drop(server);

    for (to, undone) in [(Some(moment.as_str()), 0), (None, 3)] {
        let begun = Instant::now();
        let server = Postgres::restored(base.path(), archive.path(), to);
        println!("{EVENTS} events: copied in {copied:?}, restored in {:?}", begun.elapsed());
        let store = open(&server).await;
        for n in 0..STREAMS {
            assert_eq!(versions(&store, n.into()).await, EVENTS / STREAMS);
        }
        assert_eq!(versions(&store, BESIDE).await, beside);
        assert_eq!(versions(&store, BESIDE + 1).await, undone);
        assert_eq!(server.amcheck("events"), "");
        // It goes on from there.
        let next = store.append(append(stream(BESIDE + 1), undone, None, 1)).await.unwrap();
        assert_eq!(next.version.0, undone + 1);
    }
}

/// A directory that the server's user can reach.
fn readable_by_all() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(dir.path(), mode).unwrap();
    dir
}
