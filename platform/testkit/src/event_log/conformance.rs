//! What every store must do, whatever it is made of.

mod commands;
mod history;
mod lanes;
mod owners;
mod prune;
mod random;
mod search;
mod streams;
mod tables;

pub use random::{Step, agrees_with_memory, steps};

use platform::{
    event_log::{EventStore, Moment, RecordedEvent, Store, StreamId, Version},
    limits::MAX_READ,
};
use std::sync::Arc;

/// Runs the suite. The store must be empty.
///
/// # Panics
/// The store does not conform.
pub async fn conformance(store: Arc<dyn Store>) {
    streams::conform(&*store).await;
    commands::conform(&*store).await;
    owners::conform(&*store).await;
    history::conform(&*store).await;
    lanes::conform(&*store).await;
    search::conform(&*store).await;
    prune::conform(&*store).await;
    tables::conform(store).await;
}

async fn all(store: &dyn EventStore, stream: StreamId) -> Vec<RecordedEvent> {
    let (mut events, mut after) = (Vec::new(), Version(0));
    loop {
        let page = store.read(stream, after, MAX_READ, Moment::NOW).await.expect("read");
        let Some(last) = page.last() else { return events };
        after = last.version;
        events.extend(page);
    }
}

/// Polls all of them at once, so that their appends meet in one queue.
async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut pending: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(move |context| {
        let mut ready = true;
        for (future, output) in &mut pending {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *output = Some(value),
                    std::task::Poll::Pending => ready = false,
                }
            }
        }
        if ready {
            std::task::Poll::Ready(pending.iter_mut().filter_map(|(_, output)| output.take()).collect())
        } else {
            std::task::Poll::Pending
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_store_in_memory_conforms() {
        conformance(Arc::new(super::super::MemoryStore::default())).await;
    }
}
