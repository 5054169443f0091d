//! Page by page from the outbox into the lane.

use super::{
    LaneRelay,
    course::{Moved, Step},
};
use crate::{
    bus::{Bus, Message},
    event_log::{AppendError, OutboxMessage, Partition, Position, Refusal, Store},
    limits::{OUTBOX_PAGE, RELAY_PIPELINE},
    outbox::letter::Letter,
};
use futures_util::{StreamExt as _, stream};

impl<S: Store + ?Sized, B: Bus + ?Sized> LaneRelay<S, B> {
    /// A page of each partition; whether there may be more.
    pub(super) async fn publish_pages(&mut self) -> bool {
        let mut more = false;
        for partition in self.courses.keys().copied().collect::<Vec<_>>() {
            more |= self.publish_page(partition).await;
        }
        if !more {
            self.tidy().await;
        }
        more
    }

    /// Goes on in a partition until a page is done or there is nothing to do.
    async fn publish_page(&mut self, partition: Partition) -> bool {
        let Some(table) = self.table() else { return false };
        let Some(mut course) = self.courses.remove(&partition) else { return false };
        let mut page = Vec::new();
        course.wake();
        let more = loop {
            match course.step() {
                Step::Locate => course.located(self.store.applied(table, partition).await.ok()),
                Step::Read { after } => {
                    let read = self.store.outbox(partition, after, OUTBOX_PAGE).await.ok();
                    course.read(read.as_ref().map(Vec::len));
                    page = read.unwrap_or_default();
                }
                Step::Publish => course.published(self.publish(std::mem::take(&mut page)).await),
                Step::Move { from, to } => {
                    let applied = self.store.apply(table, partition, from, to, Vec::new()).await;
                    let moved = match applied {
                        Ok(()) => Moved::Yes,
                        Err(AppendError::Rejected(Refusal::Conflict { .. }) | AppendError::Unknown) => {
                            Moved::Perhaps
                        }
                        Err(AppendError::Rejected(_)) => Moved::No,
                    };
                    course.moved(moved);
                    if moved == Moved::Perhaps {
                        self.look().await;
                    }
                    break moved != Moved::No && self.turns.is_ours();
                }
                Step::Rest => break false,
            }
        };
        self.courses.insert(partition, course);
        more
    }

    /// Publishes a page in its order, several at a time. The last before which none failed.
    async fn publish(&mut self, page: Vec<OutboxMessage>) -> Option<Position> {
        let letters: Vec<(Position, Message)> = page
            .into_iter()
            .map(Letter::from)
            .map_while(|letter| Some((letter.position, letter.published(&self.service).ok()?)))
            .collect();
        let publishes = letters.into_iter().map(|(position, message)| {
            let publish = self.bus.publish(self.lane, message);
            async move { (position, publish.await) }
        });
        let mut publishes = stream::iter(publishes).buffered(RELAY_PIPELINE);
        let (mut last, mut count, mut failure) = (None, 0, None);
        while let Some((position, outcome)) = publishes.next().await {
            match outcome {
                Ok(()) => (last, count) = (Some(position), count + 1),
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        drop(publishes);
        self.metrics.published(count);
        if let Some(error) = &failure {
            self.metrics.failed();
            if !self.failing {
                tracing::warn!(service = %self.service, lane = %self.lane, "Cannot publish, and try again: {error}");
            }
        }
        self.failing = failure.is_some();
        last
    }

    /// Forgets the places of other incarnations, once everything is published into this one.
    async fn tidy(&mut self) {
        let published =
            self.courses.values().all(|course| course.step() == Step::Rest && course.place().is_some());
        if let Some(table) = self.table()
            && published
            && !self.tidied
            && !self.failing
        {
            self.tidied = self.store.go_live(table).await.is_ok();
        }
    }
}
