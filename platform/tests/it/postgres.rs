use platform::{
    event_log::{
        AppendError, Category, EventStore, Moment, Position, Records as _, Refusal, Store, StreamId, Version,
        postgres::{Config, Error, PostgresStore, statements},
    },
    lane::{Lane, deadline},
};
use prometheus::Registry;
use proptest::{
    prelude::*,
    test_runner::{Config as Cases, TestRunner},
};
use std::{cell::Cell, sync::Arc, time::Duration};
use testkit::{
    engines::Postgres,
    event_log::{agrees_with_memory, append, command, conformance, steps, stream},
};

pub(crate) fn config(server: &Postgres, schema: &str) -> Config {
    Config { url: server.url().into(), schema: schema.to_owned(), owner: None, ca_file: None }
}

async fn open(server: &Postgres) -> PostgresStore {
    PostgresStore::open(&config(server, "events"), &Registry::new()).await.unwrap()
}

#[tokio::test]
async fn postgres_conforms() {
    let server = Postgres::start(false);
    conformance(Arc::new(open(&server).await)).await;
}

#[test]
fn postgres_agrees_with_the_store_in_memory_on_any_history() {
    let server = Postgres::start(false);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = runtime.block_on(open(&server));
    let run = Cell::new(0);
    TestRunner::new(Cases { cases: 64, failure_persistence: None, ..Cases::default() })
        .run(&steps(), |steps| {
            run.set(run.get() + 1);
            runtime.block_on(agrees_with_memory(&store, run.get(), &steps));
            prop_assert!(true);
            Ok(())
        })
        .unwrap();
}

/// Two processes on one database agree with one in memory as well: what one wrote, the other knows.
#[tokio::test]
async fn many_processes_write_one_history() {
    let server = Postgres::start(false);
    let stores = [open(&server).await, open(&server).await, open(&server).await];
    let mut tasks = tokio::task::JoinSet::new();
    for (n, store) in stores.into_iter().enumerate() {
        tasks.spawn(async move {
            let mut recorded = 0_u64;
            for key in 0..200_u128 {
                // All of them want the same place in the same streams.
                let of = stream(key % 5);
                loop {
                    let head = store.read(of, Version(0), 1_000, Moment::NOW).await.unwrap().len() as u64;
                    match store.append(command(of, head, key * 3 + n as u128)).await {
                        Ok(_) => break recorded += 1,
                        Err(AppendError::Rejected(Refusal::Conflict { .. })) => {}
                        Err(other) => panic!("{other}"),
                    }
                }
            }
            recorded
        });
    }
    assert_eq!(tasks.join_all().await.iter().sum::<u64>(), 600);
    let store = open(&server).await;
    let mut positions = Vec::new();
    for partition in store.partitions() {
        positions.extend(
            store.tail(partition, Default::default(), 1_000).await.unwrap().iter().map(|e| e.position.0),
        );
    }
    assert_eq!(positions, (1..=600).collect::<Vec<_>>());
}

#[tokio::test]
async fn each_statement_is_prepared_by_a_migrated_database() {
    let server = Postgres::start(false);
    drop(open(&server).await);
    let (client, connection) = tokio_postgres::connect(&server.url(), tokio_postgres::NoTls).await.unwrap();
    let mut driver = tokio::task::JoinSet::new();
    driver.spawn(async move { connection.await.unwrap() });
    client.batch_execute("SET search_path = events").await.unwrap();
    for statement in statements::ALL {
        let prepared = client.prepare(statement.sql).await;
        assert!(prepared.is_ok(), "{}: {:?}", statement.name, prepared.err());
    }
}

#[tokio::test]
async fn processes_that_start_at_once_migrate_once() {
    let server = Postgres::start(false);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let config = config(&server, "events");
        tasks.spawn(async move { PostgresStore::open(&config, &Registry::new()).await.unwrap() });
    }
    assert_eq!(tasks.join_all().await.len(), 8);
}

#[tokio::test]
async fn what_cannot_be_used_is_said_without_the_password() {
    let url = "postgresql://me:sesame@127.0.0.1:1/db";
    let of = |url: &str, schema: &str| Config {
        url: url.to_owned().into(),
        schema: schema.to_owned(),
        owner: None,
        ca_file: None,
    };
    for (config, wanted) in [
        (of("http://sesame", "events"), "URL"),
        (of(url, "a; DROP"), "schema"),
        (of(url, "events"), "database"),
    ] {
        let error = PostgresStore::open(&config, &Registry::new()).await.unwrap_err();
        let text = format!("{error} {error:?} {config:?}");
        assert!(error.to_string().contains(wanted), "{error}");
        assert!(!text.contains("sesame"), "{text}");
    }
    assert!(matches!(
        PostgresStore::open(&of(url, "events"), &Registry::new()).await,
        Err(Error::Database(_))
    ));
}

#[tokio::test]
async fn a_database_that_is_killed_loses_nothing_that_was_acknowledged() {
    let mut server = Postgres::start(false);
    let store = Arc::new(open(&server).await);
    let mut head = 0;
    for _ in 0..3 {
        for _ in 0..20 {
            head = store.append(command(stream(1), head, u128::from(head))).await.unwrap().version.0;
        }
        server.kill();
        let refused = store.append(command(stream(1), head, u128::from(head))).await.unwrap_err();
        assert_eq!(refused, AppendError::Rejected(Refusal::Unavailable));
        assert!(!store.is_writable());
        assert!(store.read(stream(1), Version(0), 1, Moment::NOW).await.is_err());
        server.restart();
        head = until_recorded(&*store, head).await;
        assert!(store.is_writable());
        assert_eq!(store.read(stream(1), Version(0), 1_000, Moment::NOW).await.unwrap().len() as u64, head);
    }
}

#[tokio::test]
async fn a_database_that_is_paused_does_not_hang_anybody_and_records_once() {
    let server = Postgres::start(false);
    let store = Arc::new(open(&server).await);
    store.append(command(stream(1), 0, 0)).await.unwrap();
    server.pause();
    let asked = tokio::time::timeout(Duration::from_secs(20), store.append(command(stream(1), 1, 1))).await;
    assert!(matches!(asked, Ok(Err(_))), "{asked:?}");
    assert!(store.read(stream(1), Version(0), 1, Moment::NOW).await.is_err());
    server.resume();
    // Whatever became of the first try, the command is there once.
    let head = until_recorded(&*store, 1).await;
    assert_eq!(head, 2);
    assert_eq!(store.read(stream(1), Version(0), 1_000, Moment::NOW).await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_queued_is_written_before_it_closes() {
    let server = Postgres::start(false);
    let store = Arc::new(open(&server).await);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..100 {
        let store = Arc::clone(&store);
        tasks.spawn(async move { store.append(append(stream(n), 0, None, 1)).await });
    }
    tokio::task::yield_now().await;
    store.close().await;
    let outcomes = tasks.join_all().await;
    let recorded = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert!(outcomes.iter().all(|o| o.is_ok() || *o == Err(AppendError::Rejected(Refusal::Unavailable))));
    let store = open(&server).await;
    let mut found = 0;
    for n in 0..100 {
        found += store.read(stream(n), Version(0), 10, Moment::NOW).await.unwrap().len();
    }
    assert_eq!(found, recorded);
}

/// Tries a command until it is recorded, as its caller would.
pub(crate) async fn until_recorded(store: &dyn Store, head: u64) -> u64 {
    let again = async {
        loop {
            match store.append(command(stream(1), head, u128::from(head))).await {
                Ok(appended) => return appended.version.0,
                Err(AppendError::Rejected(Refusal::Conflict { .. })) => panic!("somebody else wrote"),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), again).await.expect("it heals")
}

/// What would hang if lanes shared a connection, a writer or a lock of the database: somebody else's transaction holds the
/// rows that the batch lane's writers and all of its connections wait for.
#[tokio::test]
async fn a_batch_lane_that_is_stuck_holds_nobody_else_up() {
    let server = Postgres::start(false);
    let store = Arc::new(open(&server).await);
    let of = |lane: Lane, id: u128| {
        let plain = stream(id);
        StreamId { category: Category { name: lane.as_str(), lane }, ..plain }
    };
    let batch = of(Lane::Batch, 1);
    store.append(command(batch, 0, 1)).await.unwrap();
    let (rival, connection) = tokio_postgres::connect(&server.url(), tokio_postgres::NoTls).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move { connection.await.unwrap_or_default() });
    let held = "BEGIN; SET search_path = events; SELECT 1 FROM ends WHERE partition >= 8 FOR UPDATE; \
        SELECT 1 FROM outbox FOR UPDATE";
    rival.batch_execute(held).await.unwrap();
    let mut stuck = tokio::task::JoinSet::new();
    for n in 0..64 {
        let store = Arc::clone(&store);
        stuck.spawn(async move { store.append(command(of(Lane::Batch, 100 + n), 0, 1)).await.is_ok() });
    }
    let batches = store.partitions().into_iter().filter(|partition| store.lane(*partition) == Lane::Batch);
    let mut told = Vec::new();
    for partition in batches {
        if store.outbox_head(partition).await.unwrap() > Position(0) {
            told.push(partition);
        }
    }
    assert_eq!(told.len(), 1);
    for _ in 0..16 {
        let (store, partition) = (Arc::clone(&store), told[0]);
        stuck.spawn(async move { store.prune_outbox(partition, Position(u64::MAX)).await.is_ok() });
    }
    // Its connections are taken, so nobody reads either.
    let soon = tokio::time::Instant::now() + Duration::from_millis(300);
    let read = deadline::scope(soon, async {
        while store.read(batch, Version(0), 1, Moment::NOW).await.is_ok() {}
        "stuck"
    });
    assert_eq!(tokio::time::timeout(Duration::from_secs(5), read).await, Ok("stuck"));
    for lane in [Lane::Critical, Lane::Standard] {
        for n in 0..10 {
            let stream = of(lane, 1_000 + n);
            let work = async {
                store.append(command(stream, 0, 1)).await.unwrap();
                store.read(stream, Version(0), 1, Moment::NOW).await.unwrap().len()
            };
            assert_eq!(tokio::time::timeout(Duration::from_secs(3), work).await, Ok(1), "{lane} hangs");
        }
    }
    while let Some(done) = stuck.try_join_next() {
        assert!(!done.unwrap(), "the batch lane was not stuck");
    }
    rival.batch_execute("ROLLBACK").await.unwrap();
    while stuck.join_next().await.is_some() {}
    store.append(command(batch, 1, 2)).await.unwrap();
}
