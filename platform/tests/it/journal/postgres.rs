//! A real PostgreSQL that is stopped, killed and started again while an owner goes on.

use super::{LONG, ROOM, by, owner};
use model::Epoch;
use platform::{
    clock::SystemClock,
    event_log::{
        AppendError, EventStore as _, Moment, Ownership as _, Version,
        journal::{Journaled, Patience},
        postgres::{Config, PostgresStore},
    },
};
use prometheus::Registry;
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use testkit::{
    engines::Postgres,
    event_log::{DECIDED, conformance, stream},
};

const STREAMS: u128 = 4;

async fn open(server: &Postgres, dir: &Path, patience: Patience) -> Journaled<PostgresStore> {
    let config = Config { url: server.url().into(), schema: "events".to_owned(), owner: None, ca_file: None };
    let store = Arc::new(PostgresStore::open(&config, &Registry::new()).await.unwrap());
    Journaled::open_with(patience, dir, store, Arc::new(SystemClock), &Registry::new()).await.unwrap()
}

#[tokio::test]
async fn a_journal_before_postgres_conforms() {
    let server = Postgres::start(false);
    let dir = tempfile::tempdir().unwrap();
    let patient = Patience { store: LONG, ..Patience::default() };
    conformance(Arc::new(open(&server, dir.path(), patient).await)).await;
}

/// What happens to the database while owners append.
#[derive(Clone, Copy, Debug)]
enum Blow {
    Killed,
    Paused,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owners_go_on_while_the_database_is_killed_or_stands_still() {
    for blow in [Blow::Killed, Blow::Paused] {
        go_on_through(blow).await;
    }
}

async fn go_on_through(blow: Blow) {
    let mut server = Postgres::start(false);
    let dir = tempfile::tempdir().unwrap();
    let journaled = Arc::new(open(&server, dir.path(), Patience::default()).await);
    let tenant = stream(0).tenant;
    let fence = journaled.take(tenant, ROOM, Epoch(0), owner(1), DECIDED).await.unwrap();
    for n in 0..STREAMS {
        journaled.read(stream(n), Version(0), 10, Moment::NOW).await.unwrap();
    }
    let stop = tokio_util::sync::CancellationToken::new();
    let mut owners = tokio::task::JoinSet::new();
    for n in 0..STREAMS {
        let (journaled, stop) = (Arc::clone(&journaled), stop.clone());
        owners.spawn(async move {
            let (mut head, mut provisional, mut longest) = (0, 0_u64, Duration::ZERO);
            while !stop.is_cancelled() {
                let begun = Instant::now();
                let appended = journaled.append(by(fence, stream(n), head, head.into())).await.unwrap();
                longest = longest.max(begun.elapsed());
                assert!(!appended.repeated && appended.version.0 == head + 1, "{appended:?}");
                (head, provisional) = (head + 1, provisional + u64::from(appended.provisional));
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
            (head, provisional, longest)
        });
    }
    let mut unrecorded = journaled.unrecorded();
    tokio::time::sleep(Duration::from_millis(50)).await;
    match blow {
        Blow::Killed => server.kill(),
        Blow::Paused => server.pause(),
    }
    tokio::time::timeout(LONG, unrecorded.wait_for(|entries| *entries > 200)).await.unwrap().unwrap();
    let refused = journaled.append(testkit::event_log::append(stream(9), 0, None, 1)).await;
    assert!(matches!(refused, Err(AppendError::Rejected(_))), "{blow:?}: what cannot be accepted says so");
    match blow {
        Blow::Killed => server.restart(),
        Blow::Paused => server.resume(),
    }
    let back = Instant::now();
    tokio::time::timeout(LONG, unrecorded.wait_for(|entries| *entries == 0)).await.unwrap().unwrap();
    let replayed = back.elapsed();
    stop.cancel();
    let owners = owners.join_all().await;
    assert_eq!(journaled.replayed(LONG).await, Ok(()));
    assert_eq!(journaled.parked(0).await, Ok(vec![]));
    let total: u64 = owners.iter().map(|(_, provisional, _)| provisional).sum();
    let longest = owners.iter().map(|(_, _, longest)| *longest).max().unwrap();
    println!(
        "{blow:?}: {total} were provisional, the longest append took {longest:?}, replayed {replayed:?} after"
    );
    assert!(total > 200);
    journaled.close().await;
    // What another process finds there.
    let elsewhere = tempfile::tempdir().unwrap();
    let found = open(&server, elsewhere.path(), Patience::default()).await;
    let mut lengths = Vec::new();
    for n in 0..STREAMS {
        let (mut after, mut keys) = (Version(0), Vec::new());
        loop {
            let page = found.read(stream(n), after, 1_000, Moment::NOW).await.unwrap();
            let Some(last) = page.last() else { break };
            after = last.version;
            keys.extend(page.iter().map(|event| event.version.0));
        }
        assert_eq!(keys, (1..=keys.len() as u64).collect::<Vec<_>>());
        lengths.push(keys.len() as u64);
    }
    lengths.sort_unstable();
    let mut acknowledged: Vec<_> = owners.iter().map(|(head, ..)| *head).collect();
    acknowledged.sort_unstable();
    assert_eq!(lengths, acknowledged, "{blow:?}");
}
