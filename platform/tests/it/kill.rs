//! The process is killed with signal 9 in the middle of appending, again and again. What was
//! acknowledged is there, nothing is there twice, and no stream has a gap.

use crate::{child::run_and_kill, sqlite::open};
use platform::event_log::{EventStore as _, Moment, Version};
use std::{collections::BTreeMap, io::Write as _, path::Path, sync::Arc};
use testkit::event_log::{append, stream};

const KILLS: usize = 30;
const STREAMS: u128 = 8;
const DIR: &str = "EVENT_LOG_KILL_DIR";
const CHILD: &str = "kill::the_process_that_is_killed";

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeMap::<u128, u64>::new();
    for round in 0..KILLS {
        run_and_kill(CHILD, DIR, dir.path(), 1 + round * 7 % 60, &mut acknowledged);
        let store = open(dir.path());
        for n in 0..STREAMS {
            let events = store.read(stream(n), Version(0), usize::MAX, Moment::NOW).await.unwrap();
            let versions: Vec<_> = events.iter().map(|e| e.version.0).collect();
            assert_eq!(
                versions,
                (1..=versions.len() as u64).collect::<Vec<_>>(),
                "round {round}, stream {n}"
            );
            let acked = acknowledged.get(&n).copied().unwrap_or(0);
            assert!(versions.len() as u64 >= acked, "round {round}, stream {n}: {acked} were acknowledged");
            for version in 1..=acked {
                let again = store.append(append(stream(n), 0, Some(version.into()), 1)).await.unwrap();
                assert!(again.repeated && again.version.0 == version, "round {round}, stream {n}: {version}");
            }
        }
    }
    assert!(acknowledged.values().sum::<u64>() >= KILLS as u64);
}

/// Not a test of its own: the child of the one above.
#[tokio::test]
async fn the_process_that_is_killed() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let store = Arc::new(open(Path::new(&dir)));
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..STREAMS {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let mut head =
                store.read(stream(n), Version(0), usize::MAX, Moment::NOW).await.unwrap().len() as u64;
            while head < 1_000 {
                head = store
                    .append(append(stream(n), head, Some(u128::from(head) + 1), 1))
                    .await
                    .unwrap()
                    .version
                    .0;
                writeln!(std::io::stdout().lock(), "ack {n} {head} .").unwrap();
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}
