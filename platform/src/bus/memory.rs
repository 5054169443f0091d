//! The bus within one process: nothing to install. Lives and dies with the process, as every transport
//! may: a relay publishes again what the event log holds and consumers have not handled.

use super::{
    Bus, BusError, BusFuture, Consumer, ConsumerName, Incarnation, Listener, Message, Pattern,
    consumer::{Arrival, Receipt, Settle, Source},
    listener::{Ears, ears},
    metrics::{BusMetrics, Published},
};
use crate::{
    clock::Clock,
    ids,
    lane::{Lane, deadline},
    limits::{MAX_LANE_BYTES, MAX_LANE_MESSAGES, MAX_LISTENERS},
};
use parking_lot::Mutex;
use prometheus::Registry;
use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};
use store::{LaneStore, Taken};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep_until},
};

mod durable;
mod store;

/// How the bus within one process behaves.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// After it an unsettled delivery comes again. Longer than any handler takes.
    pub ack_wait: Duration,
    /// Messages that a lane holds, at most `limits::MAX_LANE_MESSAGES`.
    pub lane_messages: usize,
    /// Bytes of bodies that a lane holds, at most `limits::MAX_LANE_BYTES`.
    pub lane_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ack_wait: Duration::from_secs(30),
            lane_messages: MAX_LANE_MESSAGES,
            lane_bytes: MAX_LANE_BYTES,
        }
    }
}

/// The bus. Cheap to share behind an `Arc`.
pub struct MemoryBus {
    lanes: [Arc<LaneQueue>; 3],
    listeners: Mutex<Vec<(Pattern, Ears)>>,
    incarnation: watch::Sender<Option<Incarnation>>,
    clock: Arc<dyn Clock>,
    metrics: BusMetrics,
}

/// A lane's store, and what wakes its consumers.
struct LaneQueue {
    lane: Lane,
    store: Mutex<LaneStore>,
    changed: Notify,
    metrics: BusMetrics,
}

impl MemoryBus {
    /// An empty bus.
    ///
    /// # Errors
    /// The metrics are registered already.
    pub fn new(
        config: Config,
        clock: Arc<dyn Clock>,
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        let metrics = BusMetrics::new(registry)?;
        let queue = |lane| {
            let store = Mutex::new(LaneStore::new(config));
            Arc::new(LaneQueue { lane, store, changed: Notify::new(), metrics: metrics.clone() })
        };
        let (incarnation, _) = watch::channel(Some(Incarnation(ids::fresh().as_u128())));
        let listeners = Mutex::default();
        Ok(Self { lanes: Lane::ALL.map(queue), listeners, incarnation, clock, metrics })
    }

    fn lane(&self, lane: Lane) -> &Arc<LaneQueue> {
        &self.lanes[lane.index()]
    }
}

impl fmt::Debug for MemoryBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBus").finish_non_exhaustive()
    }
}

impl Drop for MemoryBus {
    fn drop(&mut self) {
        self.listeners.lock().iter().for_each(|(_, ears)| ears.close());
        for queue in &self.lanes {
            queue.store.lock().close();
            queue.changed.notify_waiters();
        }
    }
}

impl Bus for MemoryBus {
    fn tell(&self, message: Message) -> BusFuture<'_, ()> {
        Box::pin(async move {
            message.fits()?;
            let mut listeners = self.listeners.lock();
            listeners.retain(|(_, ears)| !ears.is_gone());
            let meant = listeners.iter().filter(|(pattern, _)| pattern.matches(&message.subject));
            self.metrics.missed(meant.map(|(_, ears)| ears.tell(message.clone())).sum());
            Ok(())
        })
    }

    fn listen(&self, pattern: Pattern) -> BusFuture<'_, Listener> {
        Box::pin(async move {
            let mut listeners = self.listeners.lock();
            listeners.retain(|(_, ears)| !ears.is_gone());
            if listeners.len() >= MAX_LISTENERS {
                return Err(BusError::TooMany);
            }
            let (ears, listener) = ears();
            listeners.push((pattern, ears));
            Ok(listener)
        })
    }

    fn publish(&self, lane: Lane, message: Message) -> BusFuture<'_, ()> {
        Box::pin(async move {
            let in_time = if deadline::has_passed() { Err(BusError::Unavailable) } else { Ok(()) };
            let fits = in_time.and_then(|()| message.fits());
            let outcome = fits.and_then(|()| self.lane(lane).publish(message));
            self.metrics.published(lane, &outcome);
            outcome.map(drop)
        })
    }

    fn consume(&self, name: ConsumerName, lane: Lane, pattern: Pattern) -> BusFuture<'_, Consumer> {
        Box::pin(async move {
            let queue = Arc::clone(self.lane(lane));
            queue.store.lock().join(&name, pattern)?;
            let source = Box::new(QueueSource { queue, name });
            Ok(Consumer { source, lane, clock: Arc::clone(&self.clock), metrics: self.metrics.clone() })
        })
    }

    fn incarnation(&self, _: Lane) -> watch::Receiver<Option<Incarnation>> {
        self.incarnation.subscribe()
    }

    fn parked(&self, lane: Lane) -> BusFuture<'_, u64> {
        Box::pin(async move { Ok(self.lane(lane).store.lock().parked()) })
    }
}

impl LaneQueue {
    fn publish(&self, message: Message) -> Result<Published, BusError> {
        let mut store = self.store.lock();
        let outcome = store.publish(message, Instant::now());
        store.pending(|name, count| self.metrics.pending(name, self.lane, count));
        drop(store);
        self.changed.notify_waiters();
        outcome
    }

    fn take(&self, name: &ConsumerName) -> Taken {
        let mut store = self.store.lock();
        let taken = store.take(name, Instant::now());
        store.pending(|name, count| self.metrics.pending(name, self.lane, count));
        taken
    }
}

struct QueueSource {
    queue: Arc<LaneQueue>,
    name: ConsumerName,
}

impl Source for QueueSource {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<Arrival>> + Send + '_>> {
        Box::pin(async {
            loop {
                // Listening begins before looking, so that nothing falls between.
                let mut changed = std::pin::pin!(self.queue.changed.notified());
                changed.as_mut().enable();
                let wake = match self.queue.take(&self.name) {
                    Taken::Message { sequence, message, attempt } => {
                        let (queue, name) = (Arc::clone(&self.queue), self.name.clone());
                        let receipt = Box::new(QueueReceipt { queue, name, sequence, attempt });
                        return Some(Arrival { message, attempt, receipt });
                    }
                    Taken::Closed => return None,
                    Taken::Nothing { until } => until,
                };
                match wake {
                    None => changed.await,
                    Some(wake) => tokio::select! { () = changed => {}, () = sleep_until(wake) => {} },
                }
            }
        })
    }
}

struct QueueReceipt {
    queue: Arc<LaneQueue>,
    name: ConsumerName,
    sequence: u64,
    attempt: u32,
}

impl Receipt for QueueReceipt {
    fn settle(self: Box<Self>, how: Settle) -> BusFuture<'static, ()> {
        Box::pin(async move {
            self.queue.store.lock().settle(&self.name, self.sequence, self.attempt, how, Instant::now());
            self.queue.changed.notify_waiters();
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{bus::Subject, clock::SystemClock};

    #[tokio::test(flavor = "multi_thread")]
    async fn whichever_lane_s_lock_is_held_the_others_publish_and_consume() {
        let bus = MemoryBus::new(Config::default(), Arc::new(SystemClock), &Registry::new());
        let bus = Arc::new(bus.unwrap());
        for stuck in Lane::ALL {
            let (held, is_held) = std::sync::mpsc::sync_channel(0);
            let (release, released) = std::sync::mpsc::sync_channel::<()>(0);
            let holding = Arc::clone(&bus);
            let holder = std::thread::spawn(move || {
                let _store = holding.lane(stuck).store.lock();
                held.send(()).unwrap();
                // Ends when nobody can send any more.
                let _ = released.recv();
            });
            is_held.recv().unwrap();
            for lane in Lane::ALL.into_iter().filter(|lane| *lane != stuck) {
                let work = async {
                    let message = Message::new(ids::fresh(), Subject::new("a").unwrap(), "");
                    bus.publish(lane, message.clone()).await.unwrap();
                    let (name, pattern) = (ConsumerName::new("all").unwrap(), Pattern::new(">").unwrap());
                    let mut consumer = bus.consume(name, lane, pattern).await.unwrap();
                    let delivery = consumer.next().await.unwrap();
                    assert_eq!(delivery.message, message);
                    delivery.ack().await.unwrap();
                };
                tokio::time::timeout(Duration::from_secs(30), work).await.expect("it hangs");
            }
            drop(release);
            holder.join().unwrap();
        }
    }
}
