//! One lane on JetStream: its connection and streams, made again when they are gone.

use super::{
    Config,
    link::Link,
    refusal::{is, refused},
    stream, wire, within,
};
use crate::{
    bus::{
        BusError, ConsumerName, Incarnation, Message, Pattern,
        metrics::{BusMetrics, Published},
    },
    lane::{Lane, deadline},
    limits::{MAX_CONSUMERS, MAX_PUBLISHES},
};
use async_nats::{
    header::NATS_MESSAGE_ID,
    jetstream::{
        ErrorCode,
        consumer::{Consumer, FromConsumer as _, pull},
        context::PublishErrorKind,
        message::PublishMessage,
        stream::{ConsumerErrorKind, Info},
    },
};
use parking_lot::Mutex;
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Semaphore, watch},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

/// How often it is made sure that the streams are there, beside after every connection and whenever
/// something misses them.
const GUARD_INTERVAL: Duration = Duration::from_secs(5);

pub(super) struct LaneLink {
    pub(super) lane: Lane,
    pub(super) link: Link,
    /// Cancelled when the bus is gone.
    pub(super) closed: CancellationToken,
    config: Config,
    metrics: BusMetrics,
    incarnation: watch::Sender<Option<Incarnation>>,
    /// The last sequence that the server acknowledged to us.
    acknowledged: AtomicU64,
    /// How often the server came back without something it had acknowledged.
    lost_tails: AtomicU64,
    ensuring: tokio::sync::Mutex<()>,
    publishes: Semaphore,
    consumers: Mutex<BTreeSet<ConsumerName>>,
}

impl LaneLink {
    pub(super) fn new(lane: Lane, link: Link, config: &Config, metrics: BusMetrics) -> Self {
        Self {
            lane,
            link,
            closed: CancellationToken::new(),
            config: config.clone(),
            metrics,
            incarnation: watch::Sender::new(None),
            acknowledged: AtomicU64::new(0),
            lost_tails: AtomicU64::new(0),
            ensuring: tokio::sync::Mutex::default(),
            publishes: Semaphore::new(MAX_PUBLISHES),
            consumers: Mutex::default(),
        }
    }

    pub(super) fn incarnation(&self) -> watch::Receiver<Option<Incarnation>> {
        self.incarnation.subscribe()
    }

    /// Looks after the streams for as long as the bus lives.
    pub(super) async fn guard(self: Arc<Self>) {
        let mut connections = self.link.connections.clone();
        loop {
            match within(self.ensure()).await {
                Ok(()) => self.report().await,
                Err(BusError::Unavailable) => {}
                Err(error) => tracing::error!(lane = %self.lane, "The lane cannot be used: {error}"),
            }
            tokio::select! { _ = connections.changed() => {}, () = sleep(GUARD_INTERVAL) => {} }
        }
    }

    /// Makes sure that the streams are there and notices when they are not those of before.
    pub(super) async fn ensure(&self) -> Result<(), BusError> {
        let _turn = self.ensuring.lock().await;
        self.link.up().await;
        // Read before the server is asked: what is acknowledged meanwhile is not missing.
        let acknowledged = self.acknowledged.load(Ordering::SeqCst);
        let info = self.make(stream::lane_stream(self.lane, &self.config)).await?;
        self.make(stream::parked_stream(self.lane, &self.config)).await?;
        if info.state.last_sequence < acknowledged {
            self.lost_tails.fetch_add(1, Ordering::SeqCst);
            self.acknowledged.store(info.state.last_sequence, Ordering::SeqCst);
        }
        self.note(&info);
        Ok(())
    }

    async fn make(&self, asked: async_nats::jetstream::stream::Config) -> Result<Info, BusError> {
        let held = match self.link.jetstream.get_stream(&asked.name).await {
            Ok(held) => held.cached_info().clone(),
            Err(error) if is(&error.kind(), ErrorCode::STREAM_NOT_FOUND) => {
                let made = self.link.jetstream.create_stream(asked.clone()).await;
                made.map_err(|error| refused(&error.kind(), &asked.name))?.cached_info().clone()
            }
            Err(error) => return Err(refused(&error.kind(), &asked.name)),
        };
        if stream::same_stream(&asked, &held.config).is_ok() {
            return Ok(held);
        }
        // Another version of us made it.
        let updated = self.link.jetstream.update_stream(asked.clone()).await;
        let updated = updated.map_err(|error| refused(&error.kind(), &asked.name))?;
        stream::same_stream(&asked, &updated.config)?;
        Ok(updated)
    }

    fn note(&self, info: &Info) {
        let created = u128::try_from(info.created.unix_timestamp_nanos()).unwrap_or(0);
        let tails = u128::from(self.lost_tails.load(Ordering::SeqCst));
        let now = Incarnation(created << 32 | tails);
        let mut before = Some(now);
        self.incarnation.send_if_modified(|held| {
            before = held.replace(now);
            before != Some(now)
        });
        if before.is_some_and(|before| before != now) {
            self.metrics.reset(self.lane);
            tracing::warn!(lane = %self.lane, "The lane lost what it held; relays publish it again");
        }
    }

    pub(super) async fn publish(&self, message: Message) -> Result<Published, BusError> {
        message.fits()?;
        let subject = wire::on_wire(&stream::prefix(self.lane), &message.subject);
        let publish = PublishMessage::build().headers(wire::headers(&message)).payload(message.body);
        let (sequence, outcome) = self.put(subject, publish).await?;
        self.acknowledged.fetch_max(sequence, Ordering::SeqCst);
        Ok(outcome)
    }

    async fn put(&self, subject: String, publish: PublishMessage) -> Result<(u64, Published), BusError> {
        let turn = deadline::within(self.publishes.acquire()).await;
        let _turn = turn.and_then(Result::ok).ok_or(BusError::Unavailable)?;
        if deadline::has_passed() || !self.link.is_up() {
            return Err(BusError::Unavailable);
        }
        let first = self.attempt(subject.clone(), publish.clone()).await;
        match first {
            Err(PublishErrorKind::StreamNotFound) => {
                Box::pin(self.ensure()).await?;
                self.attempt(subject, publish).await
            }
            other => other,
        }
        .map_err(|kind| match kind {
            PublishErrorKind::MaxPayloadExceeded => BusError::TooLarge,
            _ => BusError::Unavailable,
        })
    }

    async fn attempt(
        &self,
        subject: String,
        publish: PublishMessage,
    ) -> Result<(u64, Published), PublishErrorKind> {
        let sent = self.link.jetstream.send_publish(subject, publish).await;
        let ack = sent.map_err(|error| error.kind())?.await.map_err(|error| error.kind())?;
        Ok((ack.sequence, if ack.duplicate { Published::Repeated } else { Published::New }))
    }

    /// Keeps a message aside for somebody to look at. One consumer's giving up is not another's.
    pub(super) async fn park(&self, consumer: &ConsumerName, message: Message) -> Result<(), BusError> {
        let prefix = stream::parked_prefix(self.lane);
        let subject = wire::on_wire(&prefix, format_args!("{consumer}.{}", message.subject));
        let mut headers = wire::headers(&message);
        headers.insert("Th-Id", message.id.to_string());
        headers.insert(NATS_MESSAGE_ID, format!("{consumer}-{}", message.id));
        self.put(subject, PublishMessage::build().headers(headers).payload(message.body)).await.map(drop)
    }

    pub(super) async fn parked(&self) -> Result<u64, BusError> {
        let name = stream::parked_stream(self.lane, &self.config).name;
        let held = self.link.jetstream.get_stream(&name).await;
        Ok(held.map_err(|error| refused(&error.kind(), &name))?.cached_info().state.messages)
    }

    /// The durable consumer, made if it is not there.
    pub(super) async fn consumer(
        &self,
        name: &ConsumerName,
        pattern: &Pattern,
    ) -> Result<Consumer<pull::Config>, BusError> {
        self.register(name)?;
        self.link.up().await;
        let asked = stream::consumer(name, self.lane, pattern, &self.config);
        // On the heap: these are 16 KiB of state, and seldom needed.
        let made = match Box::pin(self.make_consumer(&asked)).await {
            Err(error) if is(&error, ErrorCode::STREAM_NOT_FOUND) => {
                Box::pin(self.ensure()).await?;
                Box::pin(self.make_consumer(&asked)).await
            }
            other => other,
        };
        let made = made.map_err(|error| refused(&error, name.as_str()))?;
        let echoed = pull::Config::try_from_consumer_config(made.cached_info().config.clone());
        stream::same_consumer(&asked, &echoed.map_err(|_| BusError::Unavailable)?)?;
        Ok(made)
    }

    async fn make_consumer(&self, asked: &pull::Config) -> Result<Consumer<pull::Config>, ConsumerErrorKind> {
        let stream = stream::lane_stream(self.lane, &self.config).name;
        let made = self.link.jetstream.create_consumer_on_stream(asked.clone(), stream).await;
        made.map_err(|error| error.kind())
    }

    fn register(&self, name: &ConsumerName) -> Result<(), BusError> {
        let mut consumers = self.consumers.lock();
        if consumers.len() >= MAX_CONSUMERS && !consumers.contains(name) {
            return Err(BusError::TooMany);
        }
        consumers.insert(name.clone());
        Ok(())
    }

    /// How far behind each consumer is.
    async fn report(&self) {
        let names: Vec<_> = self.consumers.lock().iter().cloned().collect();
        let stream = stream::lane_stream(self.lane, &self.config).name;
        let Ok(Ok(stream)) = within(async { Ok(self.link.jetstream.get_stream_no_info(stream).await) }).await
        else {
            return;
        };
        for name in names {
            if let Ok(Ok(info)) = within(async { Ok(stream.consumer_info(name.as_str()).await) }).await {
                self.metrics.pending(&name, self.lane, info.num_pending);
            }
        }
    }
}
