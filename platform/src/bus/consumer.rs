//! What every durable consumer does, whatever the transport: drops what is too old, parks what fails
//! again and again, and counts.

use super::{BusError, BusFuture, Message, metrics::BusMetrics};
use crate::{
    clock::Clock,
    lane::Lane,
    limits::{MAX_DELIVERIES, MAX_RETRY_AFTER},
};
use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

/// Where an adapter's deliveries come from.
pub(super) trait Source: Send {
    /// The next one, or `None` when the bus is gone. May be cancelled without losing a delivery.
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<Arrival>> + Send + '_>>;
}

/// A delivery as the transport makes it.
pub(super) struct Arrival {
    pub(super) message: Message,
    /// 1 the first time.
    pub(super) attempt: u32,
    pub(super) receipt: Box<dyn Receipt>,
}

/// Tells the transport what became of a delivery. Dropped, the delivery comes again after a while.
pub(super) trait Receipt: Send {
    fn settle(self: Box<Self>, how: Settle) -> BusFuture<'static, ()>;
}

/// What became of a delivery.
pub(super) enum Settle {
    /// It is done with.
    Done,
    /// It shall come again after this time.
    Retry(Duration),
    /// It shall not come again, and is kept aside.
    Park(Message),
}

/// A durable consumer's end. Dropped, the consumer keeps its place.
pub struct Consumer {
    pub(super) source: Box<dyn Source>,
    pub(super) lane: Lane,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: BusMetrics,
}

impl Consumer {
    /// The next message to be handled; waits for one, also through a time when the transport is away.
    /// `None` when the bus is gone. May be cancelled without losing a message.
    pub async fn next(&mut self) -> Option<Delivery> {
        loop {
            let arrival = self.source.next().await?;
            if let Some(delivery) = self.judge(arrival).await {
                return Some(delivery);
            }
        }
    }

    /// Exclusive, so that whoever waits here can be moved between threads.
    async fn judge(&mut self, Arrival { message, attempt, receipt }: Arrival) -> Option<Delivery> {
        if message.deadline.is_some_and(|deadline| deadline < self.clock.now()) {
            self.metrics.expired(self.lane);
            // Should this not arrive, the message comes again and is as old as now.
            let _ = receipt.settle(Settle::Done).await;
            return None;
        }
        self.metrics.delivered(self.lane, attempt);
        let delivery = Delivery { message, attempt, receipt, lane: self.lane, metrics: self.metrics.clone() };
        if attempt <= MAX_DELIVERIES {
            return Some(delivery);
        }
        // Nobody gave it back: whoever handled it died of it, every time.
        let _ = delivery.park().await;
        None
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("lane", &self.lane).finish_non_exhaustive()
    }
}

/// A message that somebody has to handle. Dropped without a word, it is delivered again after the time
/// that the adapter's configuration calls `ack_wait`.
pub struct Delivery {
    /// The message.
    pub message: Message,
    /// 1 the first time, at most `limits::MAX_DELIVERIES`. Reliable up to a wiped store, which counts
    /// anew.
    pub attempt: u32,
    receipt: Box<dyn Receipt>,
    lane: Lane,
    metrics: BusMetrics,
}

impl Delivery {
    /// It is handled.
    ///
    /// # Errors
    /// `Unavailable`: the transport may not know, and the message may come again.
    pub async fn ack(self) -> Result<(), BusError> {
        self.receipt.settle(Settle::Done).await
    }

    /// It cannot be handled now: deliver it again after `delay` (at most `limits::MAX_RETRY_AFTER`), or
    /// park it when this was the last attempt.
    ///
    /// # Errors
    /// `Unavailable`: the transport may not know; the message comes again all the same.
    pub async fn retry_after(self, delay: Duration) -> Result<(), BusError> {
        if self.attempt >= MAX_DELIVERIES {
            return self.park().await;
        }
        self.receipt.settle(Settle::Retry(delay.min(MAX_RETRY_AFTER))).await
    }

    async fn park(self) -> Result<(), BusError> {
        let id = self.message.id;
        self.receipt.settle(Settle::Park(self.message)).await?;
        self.metrics.parked(self.lane);
        tracing::error!(lane = %self.lane, message.id = %id, "A message failed every time and is parked");
        Ok(())
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("message", &self.message)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}
