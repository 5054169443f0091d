//! `tell` and `listen`: plain NATS, nothing kept.

use super::{link::Link, wire};
use crate::{
    bus::{
        BusError, Listener, Message, Pattern,
        listener::{Ears, ears},
        metrics::BusMetrics,
    },
    limits::MAX_LISTENERS,
};
use async_nats::Subscriber;
use futures_util::StreamExt as _;
use parking_lot::Mutex;
use tokio::{sync::watch, task::JoinSet};

pub(super) struct Live {
    link: Link,
    listening: Mutex<JoinSet<()>>,
    metrics: BusMetrics,
}

impl Live {
    pub(super) fn new(link: Link, metrics: BusMetrics) -> Self {
        Self { link, listening: Mutex::default(), metrics }
    }

    pub(super) async fn tell(&self, message: Message) -> Result<(), BusError> {
        message.fits()?;
        // The client would keep it and tell it when nobody wants to know any more.
        if !self.link.is_up() {
            return Err(BusError::Unavailable);
        }
        let (subject, headers) = (wire::on_wire(wire::TELL, &message.subject), wire::headers(&message));
        let told = self.link.client.publish_with_headers(subject, headers, message.body).await;
        told.map_err(|_| BusError::Unavailable)
    }

    /// Works while the server is away, too: the subscription is made when it comes.
    pub(super) async fn listen(&self, pattern: Pattern) -> Result<Listener, BusError> {
        let subject = wire::on_wire(wire::TELL, &pattern);
        let subscriber = self.link.client.subscribe(subject).await.map_err(|_| BusError::Unavailable)?;
        let (ears, listener) = ears();
        let mut listening = self.listening.lock();
        while listening.try_join_next().is_some() {}
        if listening.len() >= MAX_LISTENERS {
            return Err(BusError::TooMany);
        }
        listening.spawn(hear(subscriber, Closing(ears), self.link.connections.clone(), self.metrics.clone()));
        Ok(listener)
    }
}

/// Moves what comes into the listener's ring until the listener or the bus is gone.
async fn hear(
    mut subscriber: Subscriber,
    ears: Closing,
    mut connections: watch::Receiver<u64>,
    metrics: BusMetrics,
) {
    connections.mark_unchanged();
    let mut before = *connections.borrow();
    loop {
        let message = tokio::select! {
            message = subscriber.next() => message,
            () = ears.0.gone() => return,
            Ok(()) = connections.changed() => {
                // The first connection interrupts nothing.
                if std::mem::replace(&mut before, *connections.borrow()) > 0 {
                    ears.0.interrupted();
                }
                continue;
            }
        };
        let Some(message) = message else { return };
        let read = wire::read(wire::TELL, &message.subject, message.headers.as_ref(), message.payload);
        match read {
            Some(message) => metrics.missed(ears.0.tell(message)),
            None => tracing::warn!("A message on the bus is none of ours and is ignored"),
        }
    }
}

/// However the task ends, and be it before it began, the listener hears of it.
struct Closing(Ears);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}
