//! A durable consumer's deliveries: batches are pulled, one at a time, and whatever goes wrong ends in
//! pulling again.

use super::{lane::LaneLink, stream, wire, within};
use crate::bus::{
    BusError, BusFuture, ConsumerName, Pattern,
    consumer::{Arrival, Receipt, Settle, Source},
};
use async_nats::jetstream::{
    self, AckKind,
    consumer::{Consumer, pull},
    message::Acker,
};
use futures_util::StreamExt as _;
use std::{future::Future, pin::Pin, sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

/// Messages per pull. They wait here while one is handled, so all must be done within `ack_wait`.
const BATCH: usize = 32;

/// How long a pull waits for messages.
const PULL: Duration = Duration::from_secs(3);

/// How much longer the server's word that there are none may take. After it the server has forgotten
/// the pull, or knows no such consumer: 2.9 says nothing at all to that.
const GRACE: Duration = Duration::from_secs(1);

/// Pause after a pull that could not be made.
const PAUSE: Duration = Duration::from_millis(100);

/// Pause after the server refused the consumer as it is.
const PAUSE_AT_MISMATCH: Duration = Duration::from_secs(5);

type Pull = Consumer<pull::Config>;

pub(super) struct PullSource {
    link: Arc<LaneLink>,
    name: ConsumerName,
    pattern: Pattern,
    connections: watch::Receiver<u64>,
    /// `None` when it has to be made sure that the server has it.
    pull: Option<Pull>,
    batch: Option<pull::Batch>,
    /// When the batch must have ended.
    ends: Instant,
}

impl PullSource {
    pub(super) fn new(link: Arc<LaneLink>, name: ConsumerName, pattern: Pattern, pull: Pull) -> Self {
        let connections = link.link.connections.clone();
        Self { link, name, pattern, connections, pull: Some(pull), batch: None, ends: Instant::now() }
    }

    async fn arrive(&mut self) -> Arrival {
        loop {
            let Some(batch) = &mut self.batch else {
                self.ask().await;
                continue;
            };
            let message = tokio::select! {
                biased;
                message = batch.next() => message,
                // The server of before may have been another, and forgot who was asking.
                Ok(()) = self.connections.changed() => Some(Err("connected anew".into())),
                () = sleep_until(self.ends) => Some(Err("the server is silent".into())),
            };
            match message {
                Some(Ok(message)) => {
                    if let Some(arrival) = self.read(message).await {
                        return arrival;
                    }
                }
                None => self.batch = None,
                Some(Err(_)) => (self.batch, self.pull) = (None, None),
            }
        }
    }

    async fn ask(&mut self) {
        if self.connections.has_changed().unwrap_or(true) {
            self.pull = None;
        }
        self.connections.mark_unchanged();
        self.ends = Instant::now() + PULL + GRACE;
        match within(self.pulled()).await {
            Ok((pull, batch)) => (self.pull, self.batch) = (Some(pull), Some(batch)),
            Err(error) => {
                self.pull = None;
                sleep(self.pause_after(&error)).await;
            }
        }
    }

    async fn pulled(&self) -> Result<(Pull, pull::Batch), BusError> {
        let pull = match &self.pull {
            Some(pull) => pull.clone(),
            None => self.link.consumer(&self.name, &self.pattern).await?,
        };
        let batch = pull.batch().max_messages(BATCH).expires(PULL).messages().await;
        Ok((pull, batch.map_err(|_| BusError::Unavailable)?))
    }

    fn pause_after(&self, error: &BusError) -> Duration {
        if let BusError::Mismatch { .. } = error {
            tracing::error!(lane = %self.link.lane, consumer = %self.name, "The consumer cannot be used: {error}");
            return PAUSE_AT_MISMATCH;
        }
        PAUSE
    }

    async fn read(&self, delivery: jetstream::Message) -> Option<Arrival> {
        let attempt = delivery.info().ok().and_then(|info| u32::try_from(info.delivered).ok()).unwrap_or(1);
        let (message, acker) = delivery.split();
        let prefix = stream::prefix(self.link.lane);
        let read = wire::read(&prefix, &message.subject, message.headers.as_ref(), message.payload);
        if let Some(message) = read {
            let receipt =
                Box::new(PullReceipt { link: Arc::clone(&self.link), name: self.name.clone(), acker });
            return Some(Arrival { message, attempt, receipt });
        }
        tracing::warn!(lane = %self.link.lane, "A message in the lane is none of ours and is dropped");
        // Should this not arrive, it comes again and is dropped again.
        let _ = acknowledge(&acker, AckKind::Term).await;
        None
    }
}

impl Source for PullSource {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<Arrival>> + Send + '_>> {
        Box::pin(async {
            let closed = self.link.closed.clone();
            tokio::select! {
                biased;
                () = closed.cancelled() => None,
                arrival = self.arrive() => Some(arrival),
            }
        })
    }
}

struct PullReceipt {
    link: Arc<LaneLink>,
    name: ConsumerName,
    acker: Acker,
}

impl Receipt for PullReceipt {
    fn settle(self: Box<Self>, how: Settle) -> BusFuture<'static, ()> {
        Box::pin(async move {
            let kind = match how {
                Settle::Done => AckKind::Ack,
                Settle::Retry(delay) => AckKind::Nak(Some(delay)),
                Settle::Park(message) => {
                    within(self.link.park(&self.name, message)).await?;
                    AckKind::Term
                }
            };
            acknowledge(&self.acker, kind).await
        })
    }
}

async fn acknowledge(acker: &Acker, kind: AckKind) -> Result<(), BusError> {
    within(async { acker.ack_with(kind).await.map_err(|_| BusError::Unavailable) }).await
}
