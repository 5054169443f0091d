//! What is taken, in which order, and by whom it is not held up.

use super::*;
use crate::{
    event_log::{
        Append, AppendError, Category, EventStore as _, Moment, NewEvent, StreamId, Version,
        sqlite::SqliteStore,
    },
    lane::deadline,
};
use model::{TenantId, Timestamp};
use prometheus::Registry;
use std::sync::Arc;
use uuid::Uuid;

/// Longer than anything here takes that does not hang.
const HANGS: Duration = Duration::from_secs(30);

fn append(lane: Lane, id: u128, bytes: usize) -> Append {
    let category = Category { name: lane.as_str(), lane };
    let stream = StreamId { tenant: TenantId(Uuid::from_u128(1)), category, id: Uuid::from_u128(id) };
    let event = NewEvent { kind: "done", schema: 1, body: "x".repeat(bytes), phi: None, effective: None };
    Append::new(stream, Version(0), vec![event], Timestamp::from_millis(0))
}

fn request(lane: Lane, id: u128, bytes: usize) -> Request {
    Request::new(lane, Work::Append(Box::new(append(lane, id, bytes))), None).unwrap()
}

fn lanes_of(taken: &Taken) -> Vec<Lane> {
    let lane = |request: &Request| match &request.work {
        Work::Append(append) => append.stream.category.lane,
        Work::Other(_) => unreachable!("only appends here"),
    };
    taken.requests.iter().map(lane).collect()
}

#[test]
fn a_commit_takes_its_share_of_each_lane_the_most_urgent_first() {
    let queue = Queue::default();
    for lane in Lane::ALL.into_iter().rev() {
        for id in 0..=SHARES_OF_A_COMMIT[lane.index()] {
            queue.push(lane, request(lane, id as u128, 1)).unwrap();
        }
    }
    let mut taken = Taken::default();
    assert!(queue.take(&mut taken));
    let lanes = lanes_of(&taken);
    assert!(lanes.is_sorted());
    for lane in Lane::ALL {
        let share = lanes.iter().filter(|taken| **taken == lane).count();
        assert_eq!(share, SHARES_OF_A_COMMIT[lane.index()]);
    }
    assert_eq!(queue.waiting(), [1, 1, 1]);
    taken.requests.clear();
    assert!(queue.take(&mut taken));
    assert_eq!(lanes_of(&taken), Lane::ALL);
}

#[test]
fn a_commit_takes_so_many_bytes_of_a_lane_and_at_least_one_piece() {
    let queue = Queue::default();
    for lane in Lane::ALL {
        let most = BYTES_OF_A_COMMIT[lane.index()];
        // One that is larger than a share; two that fill it exactly; one more.
        for (id, bytes) in [most + 1, most - 1, 1, 1].into_iter().enumerate() {
            queue.push(lane, request(lane, id as u128, bytes)).unwrap();
        }
    }
    for share in [1, 2, 1] {
        let mut taken = Taken::default();
        assert!(queue.take(&mut taken));
        assert_eq!(lanes_of(&taken), Lane::ALL.map(|lane| [lane].repeat(share)).concat());
    }
    assert_eq!(queue.waiting(), [0, 0, 0]);
}

#[test]
fn a_lane_is_full_at_its_limit_and_the_others_are_not() {
    let queue = Queue::default();
    for id in 0..MAX_QUEUED_APPENDS {
        queue.push(Lane::Batch, request(Lane::Batch, id as u128, 1)).unwrap();
    }
    let one_more = || request(Lane::Batch, 0, 1);
    assert_eq!(queue.push(Lane::Batch, one_more()), Err(Refusal::Unavailable));
    queue.push(Lane::Critical, request(Lane::Critical, 0, 1)).unwrap();
    assert_eq!(queue.waiting(), [1, 0, MAX_QUEUED_APPENDS]);
    queue.close();
    assert_eq!(queue.push(Lane::Critical, one_more()), Err(Refusal::Unavailable));
}

#[test]
fn a_batch_rides_along_with_urgent_work_where_there_was_some_lately_and_waits_for_it_only_so_long() {
    let queue = Queue::default();
    let push = |lane| queue.push(lane, request(lane, 1, 1)).unwrap();
    let mut taken = Taken::default();
    let mut take = || {
        let begun = Instant::now();
        assert!(queue.take(&mut taken));
        let lanes = lanes_of(&taken);
        taken.requests.clear();
        (lanes, begun.elapsed() >= BATCH_RIDES_ALONG)
    };
    push(Lane::Batch);
    assert_eq!(take(), (vec![Lane::Batch], false), "nobody is in a hurry");
    push(Lane::Batch);
    push(Lane::Critical);
    assert_eq!(take(), (vec![Lane::Critical, Lane::Batch], false));
    push(Lane::Batch);
    assert_eq!(take(), (vec![Lane::Batch], true), "in vain");
    push(Lane::Standard);
    push(Lane::Batch);
    assert_eq!(take(), (vec![Lane::Standard, Lane::Batch], false));
}

#[test]
fn what_is_in_line_at_the_end_is_still_taken() {
    let queue = Queue::default();
    queue.push(Lane::Batch, request(Lane::Batch, 1, 1)).unwrap();
    queue.close();
    let mut taken = Taken::default();
    assert!(queue.take(&mut taken) && taken.requests.len() == 1);
    assert!(!queue.take(&mut Taken::default()));
}

#[tokio::test(start_paused = true)]
async fn what_is_overdue_is_not_begun_and_what_comes_after_it_is() {
    let (queue, soon) = (Queue::default(), Instant::now() + Duration::from_millis(20));
    let late = deadline::scope(soon, async { request(Lane::Standard, 1, 1) }).await;
    queue.push(Lane::Standard, late).unwrap();
    queue.push(Lane::Standard, request(Lane::Standard, 2, 1)).unwrap();
    tokio::time::advance(Duration::from_millis(20)).await;
    let mut taken = Taken::default();
    assert!(queue.take(&mut taken));
    assert_eq!((taken.requests.len(), taken.overdue.len()), (1, 1));
}

/// Producers of all lanes against one writer that sleeps whenever it can: nothing is left behind, and it never
/// sleeps through work.
#[test]
fn whatever_is_pushed_wakes_the_writer() {
    const EACH: u128 = 20_000;
    let queue = Arc::new(Queue::default());
    std::thread::scope(|threads| {
        let producers = Lane::ALL.map(|lane| {
            let queue = Arc::clone(&queue);
            threads.spawn(move || {
                for id in 0..EACH {
                    while queue.push(lane, request(lane, id, 1)).is_err() {
                        std::thread::yield_now();
                    }
                    // Now and then the writer catches up and lies down.
                    if id % 64 == 0 {
                        std::thread::yield_now();
                    }
                }
            })
        });
        let writer = Arc::clone(&queue);
        let writer = threads.spawn(move || {
            let (mut taken, mut count) = (Taken::default(), 0);
            while writer.take(&mut taken) {
                count += taken.requests.drain(..).count() as u128;
            }
            count
        });
        for producer in producers {
            producer.join().unwrap();
        }
        // Taken without its end being near: else a lost waking would be found by the closing.
        while queue.waiting() != [0, 0, 0] {
            std::thread::yield_now();
        }
        queue.close();
        assert_eq!(writer.join().unwrap(), EACH * Lane::ALL.len() as u128);
    });
}

/// A command and a look, durably, in a lane.
async fn work(store: &SqliteStore, lane: Lane, id: u128) {
    let append = append(lane, id, 10);
    let stream = append.stream;
    store.append(append).await.unwrap();
    assert_eq!(store.read(stream, Version(0), 10, Moment::NOW).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_lane_s_lock_is_held_the_others_work() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(&dir.path().join("events.sqlite"), &Registry::new()).unwrap());
    for stuck in Lane::ALL {
        let (held, hold) = std::sync::mpsc::sync_channel(0);
        let (release, released) = std::sync::mpsc::sync_channel::<()>(0);
        let holding = Arc::clone(&store);
        let holder = std::thread::spawn(move || {
            let line = &holding.queue.lanes[stuck.index()];
            let state = line.state.lock();
            // As if it were not empty: the writer looks at it each time.
            line.waiting.store(1, Ordering::Relaxed);
            held.send(()).unwrap();
            // Ends when nobody can send any more.
            let _ = released.recv();
            line.waiting.store(state.requests.len(), Ordering::Relaxed);
        });
        hold.recv().unwrap();
        for lane in Lane::ALL.into_iter().filter(|lane| *lane != stuck) {
            for id in 0..20 {
                let id = (stuck.index() as u128) << 32 | id;
                tokio::time::timeout(HANGS, work(&store, lane, id)).await.expect("it hangs");
            }
        }
        drop(release);
        holder.join().unwrap();
        tokio::time::timeout(HANGS, work(&store, stuck, u128::MAX)).await.expect("it hangs");
    }
}

#[tokio::test]
async fn what_was_not_begun_in_time_is_not_recorded_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.sqlite");
    let store = SqliteStore::open(&path, &Registry::new()).unwrap();
    // Somebody else's transaction keeps the writer with what it has taken.
    let rival = rusqlite::Connection::open(&path).unwrap();
    rival.execute_batch("BEGIN IMMEDIATE").unwrap();
    let first = store.append(append(Lane::Critical, 1, 10));
    let soon = Instant::now() + Duration::from_millis(100);
    let second = async {
        // The first is in the writer's hands.
        while store.queue.waiting() != [0, 0, 0] {
            tokio::task::yield_now().await;
        }
        let late = deadline::scope(soon, store.append(append(Lane::Critical, 2, 10)));
        let release = async {
            tokio::time::sleep_until(soon).await;
            rival.execute_batch("ROLLBACK").unwrap();
        };
        tokio::join!(late, release).0
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!(first.map(|appended| appended.version), Ok(Version(1)));
    assert_eq!(second, Err(AppendError::Rejected(Refusal::Overdue)));
    for (id, there) in [(1, 1), (2, 0)] {
        let stream = append(Lane::Critical, id, 0).stream;
        assert_eq!(store.read(stream, Version(0), 10, Moment::NOW).await.unwrap().len(), there);
    }
}
