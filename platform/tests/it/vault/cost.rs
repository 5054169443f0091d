//! What sealing costs an append, beside the same without it.

use super::rig::{append, open, stream};
use platform::event_log::{EventStore, Moment, Version};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// Streams that are written to at once, and events of each.
const STREAMS: u128 = 64;
const EVENTS: u64 = 40;

/// How long first appends take, and later ones, and reading all of it; for each event.
async fn measure(store: Arc<dyn EventStore>) -> [Duration; 3] {
    let all = async |expected: std::ops::Range<u64>| {
        let begun = Instant::now();
        let mut tasks = JoinSet::new();
        for id in 0..STREAMS {
            let (store, expected) = (Arc::clone(&store), expected.clone());
            tasks.spawn(async move {
                for version in expected {
                    store.append(append(stream(id), version, "a name, and what it is about")).await.unwrap();
                }
            });
        }
        tasks.join_all().await;
        begun.elapsed()
    };
    // A process has its tenant's key before it takes people.
    store.append(append(stream(STREAMS), 0, "the first")).await.unwrap();
    let first = all(0..1).await / STREAMS as u32;
    let later = all(1..EVENTS).await / (STREAMS as u32 * (EVENTS as u32 - 1));
    let begun = Instant::now();
    for id in 0..STREAMS {
        let page = store.read(stream(id), Version(0), 1_000, Moment::NOW).await.unwrap();
        assert_eq!(page.len() as u64, EVENTS);
    }
    [first, later, begun.elapsed() / (STREAMS as u32 * EVENTS as u32)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sealing_costs_an_append_some_microseconds() {
    let (plain, sealed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let plain = measure(Arc::new(crate::sqlite::open(plain.path()))).await;
    let sealed = measure(Arc::new(open(sealed.path()))).await;
    println!("first append, later append, read: plain {plain:?}, sealed {sealed:?}");
    // Two texts are sealed for each append. A machine that others use is slow, but not by this much.
    assert!(sealed[1] < plain[1] + Duration::from_millis(2), "{sealed:?} {plain:?}");
    assert!(sealed[2] < plain[2] + Duration::from_millis(1), "{sealed:?} {plain:?}");
}
