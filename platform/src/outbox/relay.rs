//! The relay: publishes what stands in a service's outbox, and again whenever the transport has lost what it held.

use super::{
    letter::Service,
    metrics::{Metrics, RelayMetrics},
    told::{Channel, Told},
    turn::Turns,
};
use crate::{
    bus::{Bus, ConsumerName, Heard, Incarnation, Listener, Message},
    clock::Clock,
    event_log::{Partition, Position, Store, Table},
    lane::Lane,
    limits::{MAX_EVENT_BYTES, MAX_MESSAGE_BYTES, OUTBOX_LOOKS, PRUNE_EVERY},
};
use aws_lc_rs::digest::{SHA256, digest};
use course::Course;
use futures_util::FutureExt as _;
use std::{collections::BTreeMap, fmt, sync::Arc};
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

mod course;
mod keeping;
mod publishing;
mod retention;

/// What stands in the outbox fits the bus, or one message would hold up all after it.
const _: () = assert!(MAX_EVENT_BYTES <= MAX_MESSAGE_BYTES);

/// What a relay relays.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whose event log it is.
    pub service: Service,
    /// The inboxes that messages are kept for until they have handled them. One that is not here can ask for what is
    /// younger than `limits::OUTBOX_KEPT`.
    pub consumers: Vec<ConsumerName>,
}

/// The relay of one service. Made once in each process that shares the service's event log.
pub struct Relay<S: ?Sized, B: ?Sized> {
    config: Config,
    store: Arc<S>,
    bus: Arc<B>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    waker: Waker,
}

/// Says that something was appended. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Waker([Arc<Notify>; Lane::ALL.len()]);

impl Waker {
    /// Something was appended to a stream of a lane. Never waits; without it messages leave within
    /// `limits::OUTBOX_LOOKS`.
    pub fn wake(&self, lane: Lane) {
        self.0[lane.index()].notify_one();
    }
}

impl<S: Store + ?Sized, B: Bus + ?Sized> Relay<S, B> {
    /// A relay that does nothing before it runs.
    pub fn new(config: Config, store: Arc<S>, bus: Arc<B>, clock: Arc<dyn Clock>, metrics: &Metrics) -> Self {
        Self { config, store, bus, clock, metrics: metrics.clone(), waker: Waker::default() }
    }

    /// For whoever appends.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Relays until it is told to stop, which takes as long as what is under way. May be dropped at any time.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut lanes = JoinSet::new();
        for lane in Lane::ALL {
            lanes.spawn(LaneRelay::new(&self, lane).run(shutdown.clone()));
        }
        lanes.join_all().await;
    }
}

impl<S: ?Sized, B: ?Sized> fmt::Debug for Relay<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("service", &self.config.service).finish_non_exhaustive()
    }
}

/// One lane of it. Lanes wait for nothing of each other.
struct LaneRelay<S: ?Sized, B: ?Sized> {
    service: Service,
    consumers: Vec<ConsumerName>,
    lane: Lane,
    store: Arc<S>,
    bus: Arc<B>,
    clock: Arc<dyn Clock>,
    metrics: RelayMetrics,
    channel: Channel,
    turns: Turns<S>,
    wake: Arc<Notify>,
    courses: BTreeMap<Partition, Course>,
    /// Which life of the transport's store the places are of; `None` before it has been reached.
    incarnation: Option<Incarnation>,
    /// Places of other incarnations are gone.
    tidied: bool,
    /// The last publish failed, and it was said.
    failing: bool,
    /// How far consumers have come, by what they told.
    passed: BTreeMap<(usize, Partition), Position>,
    heads_due: Instant,
    prune_due: Instant,
}

impl<S: Store + ?Sized, B: Bus + ?Sized> LaneRelay<S, B> {
    fn new(relay: &Relay<S, B>, lane: Lane) -> Self {
        let (Config { service, consumers }, store) = (relay.config.clone(), Arc::clone(&relay.store));
        let partitions = store.partitions().into_iter().filter(|partition| store.lane(*partition) == lane);
        let courses = partitions.map(|partition| (partition, Course::new())).collect();
        Self {
            turns: Turns::new(Arc::clone(&store), "relay", &service, lane),
            metrics: relay.metrics.of_relay(service.as_str(), lane),
            channel: Channel::new(service.clone(), lane),
            wake: Arc::clone(&relay.waker.0[lane.index()]),
            bus: Arc::clone(&relay.bus),
            clock: Arc::clone(&relay.clock),
            service,
            consumers,
            lane,
            store,
            courses,
            incarnation: None,
            tidied: false,
            failing: false,
            passed: BTreeMap::new(),
            heads_due: Instant::now(),
            prune_due: Instant::now() + PRUNE_EVERY,
        }
    }

    async fn run(mut self, shutdown: CancellationToken) {
        let mut incarnation = self.bus.incarnation(self.lane);
        let mut looks = interval(OUTBOX_LOOKS);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (wake, mut listener, mut more) = (Arc::clone(&self.wake), None, false);
        loop {
            let mut woken = false;
            let mut heard = None;
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                something = hear(&mut listener) => heard = Some(something),
                Ok(()) = incarnation.changed() => {}
                _ = looks.tick() => {
                    self.look().await;
                    if listener.is_none() {
                        listener = self.channel.listen(&*self.bus).await.ok();
                    }
                }
                () = wake.notified() => woken = true,
                () = std::future::ready(()), if more => {}
            }
            self.note_incarnation(*incarnation.borrow_and_update());
            // All that was told meanwhile, so that a hundred hints are one look.
            while let Some(something) = heard {
                match something {
                    Some(Heard::Message(message)) => self.take(&message).await,
                    // What was missed is told again, or asked again, within seconds.
                    Some(Heard::Missed(_)) => {}
                    None => listener = None,
                }
                heard = hear(&mut listener).now_or_never();
            }
            if self.turns.is_ours() {
                more = self.publish_pages().await;
                self.keep().await;
            } else {
                more = false;
                if woken {
                    // Should it be lost, the one whose turn it is looks by itself.
                    let _ = self.channel.tell(&*self.bus, &Told::Wake).await;
                }
            }
        }
        if self.turns.is_ours() {
            let _ = self.channel.tell(&*self.bus, &Told::Left { inbox: None }).await;
        }
    }

    /// Time has passed: whose turn is it?
    async fn look(&mut self) {
        let before = self.turns.is_ours();
        if self.turns.look(self.clock.now()).await.is_err() {
            return;
        }
        self.metrics.turn(self.turns.is_ours());
        match (before, self.turns.is_ours()) {
            (false, true) => {
                tracing::info!(service = %self.service, lane = %self.lane, "This process relays");
                self.courses.values_mut().for_each(Course::forget);
            }
            (true, false) => {
                tracing::info!(service = %self.service, lane = %self.lane, "Another process relays");
                self.metrics.depth(0, std::time::Duration::ZERO);
            }
            _ => {}
        }
    }

    fn note_incarnation(&mut self, now: Option<Incarnation>) {
        if now.is_none() || now == self.incarnation {
            return;
        }
        if self.incarnation.is_some() {
            tracing::warn!(service = %self.service, lane = %self.lane, "The outbox is published again");
        }
        (self.incarnation, self.tidied) = (now, false);
        self.courses.values_mut().for_each(Course::forget);
    }

    async fn take(&mut self, message: &Message) {
        match Channel::read(message) {
            Some(Told::Heads(_)) => self.turns.turn.heard(Instant::now()),
            Some(Told::Left { inbox: None }) => self.turns.turn.left(),
            Some(Told::Passed { inbox, places }) => self.note_passed(&inbox, &places),
            Some(Told::Ask { inbox, partition, after }) if self.turns.is_ours() => {
                self.tell_again(&inbox, Partition(partition), Position(after)).await;
            }
            // What is new is published after whatever was heard.
            Some(Told::Wake | Told::Ask { .. } | Told::Left { .. }) | None => {}
        }
    }

    /// The places of this incarnation. In another one there are none yet.
    fn table(&self) -> Option<Table> {
        let Incarnation(incarnation) = self.incarnation?;
        let hash = digest(&SHA256, &incarnation.to_be_bytes());
        let generation = hash.as_ref().iter().take(4).fold(0, |word, byte| word << 8 | u32::from(*byte));
        let name = match self.lane {
            Lane::Critical => "relay-critical.1",
            Lane::Standard => "relay-standard.1",
            Lane::Batch => "relay-batch.1",
        };
        Some(Table { name, generation })
    }
}

/// What is heard next; nothing, where there is no listener.
async fn hear(listener: &mut Option<Listener>) -> Option<Heard> {
    match listener {
        Some(listener) => listener.next().await,
        None => std::future::pending().await,
    }
}
