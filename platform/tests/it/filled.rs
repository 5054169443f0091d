//! A store with much in it, and somebody who goes on writing: what is copied and restored.

use platform::event_log::EventStore;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};
use testkit::event_log::{append, command, stream};
use tokio::task::{JoinHandle, JoinSet};

/// So many events, evenly in so many streams: the first of each is a whole command's, the others come by 64.
pub(crate) async fn fill<S: EventStore + 'static>(store: &Arc<S>, streams: u64, events: u64) {
    let each = events / streams;
    let mut tasks = JoinSet::new();
    for n in 0..streams {
        let store = Arc::clone(store);
        tasks.spawn(async move {
            let mut head = store.append(command(stream(n.into()), 0, 1)).await.unwrap().version.0;
            while head < each {
                let next = append(stream(n.into()), head, None, 64.min(each - head) as usize);
                head = store.append(next).await.unwrap().version.0;
            }
        });
    }
    tasks.join_all().await;
}

/// Writes into a stream, one event after the other, until it is stopped.
pub(crate) struct Beside {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Beside {
    pub(crate) fn start<S: EventStore + 'static>(store: &Arc<S>, id: u128) -> Self {
        let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let task = tokio::spawn({
            let (store, stop, written) = (Arc::clone(store), Arc::clone(&stop), Arc::clone(&written));
            async move {
                while !stop.load(Ordering::Relaxed) {
                    let head = written.load(Ordering::Relaxed);
                    store.append(append(stream(id), head, None, 1)).await.unwrap();
                    written.store(head + 1, Ordering::Relaxed);
                }
            }
        });
        Self { stop, written, task }
    }

    /// Acknowledged so far.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// How many there are in the end.
    pub(crate) async fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        self.written.load(Ordering::Relaxed)
    }
}
