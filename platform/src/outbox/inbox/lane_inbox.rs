//! One lane of an inbox: what comes in, from wherever.

use super::{
    AstrayList, Config, Handler, Inbox, Source,
    order::{Astray, Judged, Order},
    table,
};
use crate::{
    bus::{Bus, Consumer, Delivery, Heard, Listener, Pattern},
    clock::Clock,
    event_log::{Partition, Position, ReadError, Store, Table},
    lane::Lane,
    limits::{HEADS_EVERY, OUTBOX_LOOKS, OUTBOX_PAGE},
    outbox::{
        letter::Letter,
        metrics::InboxMetrics,
        told::{Channel, Ends, Told},
        turn::Turns,
    },
};
use std::{collections::BTreeMap, sync::Arc};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

/// Lanes wait for nothing of each other.
pub(super) struct LaneInbox<S: ?Sized, B: ?Sized> {
    pub(super) config: Config,
    pub(super) table: Table,
    pub(super) lane: Lane,
    pub(super) store: Arc<S>,
    pub(super) handler: Arc<dyn Handler>,
    pub(super) metrics: InboxMetrics,
    pub(super) order: Order,
    /// How often in a row the next message of a partition made the handler panic.
    pub(super) panics: BTreeMap<Partition, u32>,
    bus: Arc<B>,
    clock: Arc<dyn Clock>,
    channel: Channel,
    turns: Turns<S>,
    astray: Arc<AstrayList>,
    passed_due: Instant,
}

/// What a lane hears. Each comes back by itself when it is gone.
#[derive(Default)]
struct Ears {
    told: Option<Listener>,
    again: Option<Listener>,
    /// Only while it is our turn: what others pull, we would not see.
    consumer: Option<Consumer>,
}

/// Why a lane wakes up.
enum Input {
    Told(Option<Heard>),
    Again(Option<Heard>),
    Delivery(Option<Delivery>),
    Look,
    Deadline,
}

impl Ears {
    async fn next(&mut self) -> Input {
        let Self { told, again, consumer } = self;
        tokio::select! {
            biased;
            heard = hear(told) => Input::Told(heard),
            heard = hear(again) => Input::Again(heard),
            delivery = deliver(consumer) => Input::Delivery(delivery),
        }
    }
}

impl<S: Store + ?Sized, B: Bus + ?Sized> LaneInbox<S, B> {
    pub(super) fn new(inbox: &Inbox<S, B>, lane: Lane) -> Self {
        let config = inbox.config.clone();
        let what = format!("inbox {}", config.name);
        Self {
            table: table(&config),
            lane,
            metrics: inbox.metrics.of_inbox(config.name.as_str(), lane),
            channel: Channel::new(config.service.clone(), lane),
            turns: Turns::new(Arc::clone(&inbox.store), &what, &config.service, lane),
            store: Arc::clone(&inbox.store),
            bus: Arc::clone(&inbox.bus),
            handler: Arc::clone(&inbox.handler),
            clock: Arc::clone(&inbox.clock),
            astray: Arc::clone(&inbox.astray),
            config,
            order: Order::default(),
            panics: BTreeMap::new(),
            passed_due: Instant::now(),
        }
    }

    pub(super) async fn run(mut self, shutdown: CancellationToken) {
        let mut looks = interval(OUTBOX_LOOKS);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ears = Ears::default();
        loop {
            let deadline = self.order.deadline();
            let input = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                _ = looks.tick() => Input::Look,
                () = until(deadline) => Input::Deadline,
                input = ears.next() => input,
            };
            match input {
                Input::Look => self.look(&mut ears).await,
                Input::Deadline => {}
                Input::Told(Some(heard)) => self.take(heard).await,
                Input::Told(None) => ears.told = None,
                Input::Again(Some(Heard::Message(message))) => {
                    if let Some(letter) = Letter::read(&message) {
                        self.take_in(letter).await;
                    }
                }
                // What was missed is still missing, and asked for again.
                Input::Again(Some(Heard::Missed(_))) => {}
                Input::Again(None) => ears.again = None,
                Input::Delivery(Some(delivery)) => {
                    self.deliver(delivery, &shutdown).await;
                }
                Input::Delivery(None) => ears.consumer = None,
            }
            if self.turns.is_ours() {
                self.work(&shutdown).await;
                self.ask().await;
            }
        }
        if self.turns.is_ours() {
            self.tell_places().await;
            let left = Told::Left { inbox: Some(self.config.name.to_string()) };
            let _ = self.channel.tell(&*self.bus, &left).await;
        }
    }

    /// Time has passed: whose turn is it, and is everything there that we listen with?
    async fn look(&mut self, ears: &mut Ears) {
        self.look_whose_turn().await;
        if ears.told.is_none() {
            ears.told = self.channel.listen(&*self.bus).await.ok();
        }
        if ears.again.is_none() {
            ears.again = self.channel.listen_again(&*self.bus, &self.config.name).await.ok();
        }
        if !self.turns.is_ours() {
            ears.consumer = None;
            return;
        }
        if ears.consumer.is_none() {
            ears.consumer = self.join().await;
        }
        if Instant::now() >= self.passed_due {
            self.passed_due = Instant::now() + HEADS_EVERY;
            self.read_ends().await;
            self.tell_places().await;
        }
        self.note_astray().await;
    }

    pub(super) async fn look_whose_turn(&mut self) {
        let before = self.turns.is_ours();
        if self.turns.look(self.clock.now()).await.is_err() || before == self.turns.is_ours() {
            return;
        }
        // Whatever is known here of places may be old by now.
        (self.order, self.panics) = (Order::default(), BTreeMap::new());
        self.metrics.turn(self.turns.is_ours());
        self.metrics.lag(0);
        self.metrics.astray(0);
        let who = if before { "Another process consumes" } else { "This process consumes" };
        tracing::info!(inbox = %self.config.name, lane = %self.lane, "{who}");
    }

    async fn join(&self) -> Option<Consumer> {
        let pattern = Pattern::new(&format!("{}.>", self.config.service)).ok()?;
        let joined = self.bus.consume(self.config.name.clone(), self.lane, pattern).await;
        joined
            .inspect_err(|error| {
                tracing::warn!(inbox = %self.config.name, lane = %self.lane, "Cannot consume, and try again: {error}");
            })
            .ok()
    }

    async fn deliver(&mut self, delivery: Delivery, shutdown: &CancellationToken) {
        match Letter::read(&delivery.message) {
            Some(letter) => self.take_in(letter).await,
            None => tracing::warn!(inbox = %self.config.name, "A message that is no letter is passed over"),
        }
        self.work(shutdown).await;
        // What is not handled by now comes again from the outbox, so the bus need not keep it. If this does not arrive,
        // the bus delivers it again, and it is a duplicate.
        let _ = delivery.ack().await;
    }

    async fn take(&mut self, heard: Heard) {
        // What was missed comes again within seconds.
        let Heard::Message(message) = heard else { return };
        let Some(told) = Channel::read(&message) else { return };
        let is_ours = |name: &str| name == self.config.name.as_str();
        match told {
            Told::Heads(ends) if self.turns.is_ours() => self.take_ends(ends).await,
            Told::Passed { inbox, .. } if is_ours(&inbox) => self.turns.turn.heard(Instant::now()),
            Told::Left { inbox: Some(inbox) } if is_ours(&inbox) => self.turns.turn.left(),
            _ => {}
        }
    }

    async fn take_ends(&mut self, all: Vec<Ends>) {
        for ends in all {
            if self.knows(Partition(ends.partition)).await {
                self.order.ends(ends, Instant::now());
            }
        }
        self.metrics.lag(self.order.lag());
    }

    async fn take_in(&mut self, letter: Letter) {
        if !self.turns.is_ours() || !self.knows(letter.partition).await {
            return;
        }
        if self.order.take_in(letter, Instant::now()) == Judged::Repeated {
            self.metrics.duplicate();
        }
    }

    /// Makes sure that we know where we are in a partition.
    async fn knows(&mut self, partition: Partition) -> bool {
        if self.order.knows(partition) {
            return true;
        }
        if !self.order.has_room() {
            tracing::error!(inbox = %self.config.name, partition = partition.0, "There are too many partitions");
            return false;
        }
        self.learn(partition).await
    }

    /// Reads where we are in a partition.
    pub(super) async fn learn(&mut self, partition: Partition) -> bool {
        let Ok(place) = self.store.applied(self.table, partition).await else { return false };
        self.order.place(partition, place, Instant::now());
        true
    }

    /// Fetches, or asks for, what should have come by now.
    async fn ask(&mut self) {
        for (partition, after) in self.order.missing(Instant::now()) {
            self.metrics.gap();
            match self.config.source.clone() {
                Source::Relay => {
                    let (inbox, partition, after) = (self.config.name.to_string(), partition.0, after.0);
                    // Should it be lost, it is asked again.
                    let _ = self.channel.tell(&*self.bus, &Told::Ask { inbox, partition, after }).await;
                }
                Source::Outbox(outbox) => {
                    for message in outbox.outbox(partition, after, OUTBOX_PAGE).await.unwrap_or_default() {
                        self.take_in(Letter::from(message)).await;
                    }
                }
            }
        }
    }

    /// Where the outbox can be read, nobody need tell how far it goes.
    async fn read_ends(&mut self) {
        let Source::Outbox(outbox) = self.config.source.clone() else { return };
        let partitions =
            outbox.partitions().into_iter().filter(|partition| outbox.lane(*partition) == self.lane);
        let mut all = Vec::new();
        for partition in partitions {
            let ends = async {
                let oldest = outbox.outbox(partition, Position(0), 1).await?;
                let head = outbox.outbox_head(partition).await?.0;
                let oldest = oldest.first().map_or(head + 1, |message| message.position.0);
                Ok::<_, ReadError>(Ends { partition: partition.0, oldest, head })
            };
            all.extend(ends.await);
        }
        self.take_ends(all).await;
    }

    async fn tell_places(&self) {
        let places = self.order.places().map(|(partition, place)| (partition.0, place.0)).collect();
        let passed = Told::Passed { inbox: self.config.name.to_string(), places };
        // Should it be lost, the next one comes soon.
        let _ = self.channel.tell(&*self.bus, &passed).await;
    }

    /// Says where we cannot go on, and looks whether somebody has helped.
    async fn note_astray(&mut self) {
        let before: Vec<_> = self.order.astray().collect();
        for (partition, _) in &before {
            self.learn(*partition).await;
        }
        let now: BTreeMap<_, _> = self.order.astray().collect();
        self.metrics.astray(now.len());
        self.metrics.lag(self.order.lag());
        let ours: Vec<_> = self.order.places().map(|(partition, _)| partition).collect();
        let mut all = self.astray.lock();
        for (partition, astray) in &now {
            if all.get(partition).map(std::mem::discriminant) != Some(std::mem::discriminant(astray)) {
                say(&self.config, *partition, astray);
            }
        }
        all.retain(|partition, _| !ours.contains(partition));
        all.extend(now);
    }
}

fn say(config: &Config, partition: Partition, astray: &Astray) {
    let (inbox, partition) = (&config.name, partition.0);
    match astray {
        Astray::Gone { place, oldest } => tracing::error!(
            %inbox, partition, place = place.0, oldest = oldest.0,
            "The messages after the inbox's place are forgotten; it stands still until it is made anew from events"
        ),
        Astray::Ahead { place, head } => tracing::error!(
            %inbox, partition, place = place.0, head = head.0,
            "The outbox ends before the inbox's place; it is not the one of before"
        ),
    }
}

async fn hear(listener: &mut Option<Listener>) -> Option<Heard> {
    match listener {
        Some(listener) => listener.next().await,
        None => std::future::pending().await,
    }
}

async fn deliver(consumer: &mut Option<Consumer>) -> Option<Delivery> {
    match consumer {
        Some(consumer) => consumer.next().await,
        None => std::future::pending().await,
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
