//! The process is killed with signal 9 while it journals, again and again. What it had acknowledged is in the store once
//! the next one has replayed, nothing is there twice, and no stream has a gap.

use super::{LONG, QUICK, ROOM, by, open, owner};
use crate::child::run_and_kill;
use model::Epoch;
use platform::{
    clock::SystemClock,
    event_log::{EventStore as _, Moment, Ownership as _, Version, journal::Journaled},
};
use prometheus::Registry;
use std::{collections::BTreeMap, io::Write as _, path::Path, sync::Arc};
use testkit::event_log::{DECIDED, Fault, Faulty, stream};

const KILLS: usize = 12;
const STREAMS: u128 = 8;
const DIR: &str = "JOURNAL_KILL_DIR";
const CHILD: &str = "journal::kill::the_process_that_is_killed";

#[tokio::test]
async fn what_was_journaled_survives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeMap::<u128, u64>::new();
    for round in 0..KILLS {
        run_and_kill(CHILD, DIR, dir.path(), 1 + round * 17 % 120, &mut acknowledged);
        let store = Arc::new(crate::sqlite::open(dir.path()));
        let journaled = open(dir.path(), &store).await;
        assert_eq!(journaled.replayed(LONG).await, Ok(()), "round {round}");
        assert_eq!(journaled.parked(0).await, Ok(vec![]), "round {round}");
        journaled.close().await;
        for n in 0..STREAMS {
            let events = store.read(stream(n), Version(0), usize::MAX, Moment::NOW).await.unwrap();
            let versions: Vec<_> = events.iter().map(|event| event.version.0).collect();
            let whole: Vec<_> = (1..=versions.len() as u64).collect();
            assert_eq!(versions, whole, "round {round}, stream {n}");
            let acked = acknowledged.get(&n).copied().unwrap_or(0);
            assert!(versions.len() as u64 >= acked, "round {round}, stream {n}: {acked} were acknowledged");
        }
    }
    assert!(acknowledged.values().sum::<u64>() >= KILLS as u64);
}

/// Not a test of its own: the child of the one above. Its store is away from the moment at which it has read it.
#[tokio::test]
async fn the_process_that_is_killed() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let dir = Path::new(&dir);
    let faulty = Arc::new(Faulty::new(Arc::new(crate::sqlite::open(dir))));
    let (clock, registry) = (Arc::new(SystemClock), Registry::new());
    let journaled = Journaled::open_with(QUICK, dir, Arc::clone(&faulty), clock, &registry).await.unwrap();
    let journaled = Arc::new(journaled);
    let tenant = stream(0).tenant;
    let epoch = journaled.owner(tenant, ROOM).await.unwrap().map_or(Epoch(0), |owned| owned.epoch);
    let fence = journaled.take(tenant, ROOM, epoch, owner(1), DECIDED).await.unwrap();
    let mut heads = Vec::new();
    for n in 0..STREAMS {
        let events = journaled.read(stream(n), Version(0), usize::MAX, Moment::NOW).await.unwrap();
        heads.push(events.len() as u64);
    }
    faulty.set(Fault::Away);
    let mut tasks = tokio::task::JoinSet::new();
    for (n, mut head) in (0..STREAMS).zip(heads) {
        let journaled = Arc::clone(&journaled);
        tasks.spawn(async move {
            while head < 900 {
                let appended =
                    journaled.append(by(fence, stream(n), head, u128::from(head) + 1)).await.unwrap();
                assert!(appended.provisional);
                head = appended.version.0;
                writeln!(std::io::stdout().lock(), "ack {n} {head} .").unwrap();
            }
        });
    }
    tasks.join_all().await;
}
