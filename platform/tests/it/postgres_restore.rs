//! What docs/postgresql.md says of backups, done: a copy of the running database, its log archived, and a new one brought
//! forward to a point in time or to the end.

use crate::postgres::config;
use platform::event_log::{EventStore as _, Moment, Version, postgres::PostgresStore};
use prometheus::Registry;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};
use testkit::{
    engines::{Postgres, until},
    event_log::{append, command, stream},
};

/// Each with events in pages of 64.
const STREAMS: u64 = 100;
const EVENTS: u64 = 100_000;

/// Who writes while the copy is made.
const BESIDE: u128 = 9_999;

async fn open(server: &Postgres) -> Arc<PostgresStore> {
    Arc::new(PostgresStore::open(&config(server, "events"), &Registry::new()).await.unwrap())
}

async fn fill(store: &Arc<PostgresStore>) {
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..STREAMS {
        let store = Arc::clone(store);
        tasks.spawn(async move {
            let mut head = store.append(command(stream(n.into()), 0, 1)).await.unwrap().version.0;
            while head < EVENTS / STREAMS {
                let next = append(stream(n.into()), head, None, 64.min(EVENTS / STREAMS - head) as usize);
                head = store.append(next).await.unwrap().version.0;
            }
        });
    }
    tasks.join_all().await;
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
    fill(&store).await;

    let (stop, beside) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writing = tokio::spawn({
        let (store, stop, beside) = (Arc::clone(&store), Arc::clone(&stop), Arc::clone(&beside));
        async move {
            while !stop.load(Ordering::Relaxed) {
                let head = beside.load(Ordering::Relaxed);
                store.append(append(stream(BESIDE), head, None, 1)).await.unwrap();
                beside.store(head + 1, Ordering::Relaxed);
            }
        }
    });
    until("it is written", || beside.load(Ordering::Relaxed) > 0);
    let (begun, before) = (Instant::now(), beside.load(Ordering::Relaxed));
    tokio::task::block_in_place(|| server.base_backup(base.path()));
    let copied = begun.elapsed();
    stop.store(true, Ordering::Relaxed);
    writing.await.unwrap();
    let beside = beside.load(Ordering::Relaxed);
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
