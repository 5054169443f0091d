use platform::event_log::{
    AppendError, EventStore as _, Moment, Refusal, Version,
    sqlite::{OpenError, SqliteStore},
};
use platform::limits::{MAX_QUEUED_APPENDS, SHARES_OF_A_COMMIT};
use prometheus::Registry;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use std::{
    cell::Cell, future::Future, os::unix::fs::PermissionsExt as _, path::Path, pin::pin, sync::Arc,
    task::Poll,
};
use testkit::event_log::{agrees_with_memory, append, conformance, steps, stream};

pub(crate) fn open(dir: &Path) -> SqliteStore {
    SqliteStore::open(&dir.join("events.sqlite"), &Registry::new()).unwrap()
}

#[tokio::test]
async fn sqlite_conforms() {
    let dir = tempfile::tempdir().unwrap();
    conformance(Arc::new(open(dir.path()))).await;
}

#[test]
fn sqlite_agrees_with_the_store_in_memory_on_any_history() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let run = Cell::new(0);
    TestRunner::new(Config { cases: 64, failure_persistence: None, ..Config::default() })
        .run(&steps(), |steps| {
            run.set(run.get() + 1);
            runtime.block_on(agrees_with_memory(&store, run.get(), &steps));
            prop_assert!(true);
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn what_was_recorded_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).append(append(stream(1), 0, Some(1), 3)).await.unwrap();
    let store = open(dir.path());
    assert_eq!(store.read(stream(1), Version(0), 10, Moment::NOW).await.unwrap().len(), 3);
    assert!(store.append(append(stream(1), 0, Some(1), 3)).await.unwrap().repeated);
}

#[tokio::test]
async fn a_second_process_is_refused_and_told_why() {
    let dir = tempfile::tempdir().unwrap();
    let _first = open(dir.path());
    let second = SqliteStore::open(&dir.path().join("events.sqlite"), &Registry::new());
    assert!(matches!(&second, Err(OpenError::InUse { .. })), "{second:?}");
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.sqlite");
    let text = b"a letter, not a database, and rather longer than a page header".repeat(20);
    std::fs::write(&path, &text).unwrap();
    let error = SqliteStore::open(&path, &Registry::new()).unwrap_err();
    assert!(error.to_string().contains("events.sqlite"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), text);
}

#[tokio::test]
async fn only_the_owner_may_read_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.append(append(stream(1), 0, None, 1)).await.unwrap();
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", entry.file_name());
    }
}

#[tokio::test]
async fn the_queue_takes_as_many_as_it_says_and_refuses_the_rest_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    // A transaction of somebody else holds the writer up, so that the queue fills.
    let rival = rusqlite::Connection::open(dir.path().join("events.sqlite")).unwrap();
    rival.execute_batch("BEGIN IMMEDIATE").unwrap();
    let first = store.append(append(stream(0), 0, None, 1));
    let mut first = pin!(first);
    assert!(poll_once(first.as_mut()).await.is_pending());
    let until_taken = std::time::Duration::from_secs(5);
    let mut waiting = Vec::new();
    // The writer takes the first; then the queue is empty and takes all it may.
    tokio::time::timeout(until_taken, async {
        for n in 1.. {
            let mut next = Box::pin(store.append(append(stream(n), 0, None, 1)));
            match poll_once(next.as_mut()).await {
                Poll::Pending => waiting.push(next),
                Poll::Ready(refused) => {
                    assert!(
                        matches!(refused, Err(AppendError::Rejected(Refusal::Unavailable))),
                        "{refused:?}"
                    );
                    break;
                }
            }
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    // In the queue, and those the writer had taken before it was held up.
    assert!(
        (MAX_QUEUED_APPENDS..=MAX_QUEUED_APPENDS + SHARES_OF_A_COMMIT[0]).contains(&waiting.len()),
        "{}",
        waiting.len()
    );
    rival.execute_batch("ROLLBACK").unwrap();
    first.await.unwrap();
    for next in waiting {
        next.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn appends_that_meet_share_a_commit() {
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::new();
    let store = Arc::new(SqliteStore::open(&dir.path().join("events.sqlite"), &registry).unwrap());
    let started = std::time::Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..64_u128 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for n in 0..50_u64 {
                store.append(append(stream(task), n, Some(u128::from(n)), 1)).await.unwrap();
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let commits = registry
        .gather()
        .iter()
        .find(|family| family.name() == "telehealth_store_commit_appends")
        .map(|family| family.get_metric()[0].get_histogram().get_sample_count())
        .unwrap();
    println!("3200 appends in {commits} commits, {:.0}/s", 3_200.0 / started.elapsed().as_secs_f64());
    assert!(commits < 1_000, "{commits} commits for 3200 appends");
}

async fn poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    std::future::poll_fn(move |context| Poll::Ready(future.as_mut().poll(context))).await
}
