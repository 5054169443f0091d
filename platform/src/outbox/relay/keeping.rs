//! What a relay does beside publishing: tells how far the outbox goes, tells again what somebody is missing, and
//! forgets what nobody needs.

use super::{
    LaneRelay,
    retention::{Forget, Kept},
};
use crate::{
    bus::{Bus, ConsumerName},
    event_log::{Partition, Position, ReadError, Store},
    limits::{HEADS_EVERY, OUTBOX_PAGE, PRUNE_EVERY},
    outbox::{
        letter::Letter,
        told::{Ends, Told},
    },
};
use std::time::Duration;
use tokio::time::Instant;

/// Pages that are forgotten of a partition at a time, so that forgetting holds up nobody.
const PAGES: usize = 16;

impl<S: Store + ?Sized, B: Bus + ?Sized> LaneRelay<S, B> {
    pub(super) async fn keep(&mut self) {
        let now = Instant::now();
        if now >= self.heads_due {
            self.heads_due = now + HEADS_EVERY;
            match self.heads().await {
                // Should it be lost, the next one comes soon.
                Ok(heads) => drop(self.channel.tell(&*self.bus, &Told::Heads(heads)).await),
                Err(ReadError) => {
                    tracing::warn!(service = %self.service, lane = %self.lane, "Cannot read the outbox")
                }
            }
        }
        if now >= self.prune_due {
            self.prune_due = now + PRUNE_EVERY;
            self.prune().await;
        }
    }

    async fn heads(&self) -> Result<Vec<Ends>, ReadError> {
        let (mut ends, mut depth, mut age) = (Vec::new(), 0, Duration::ZERO);
        for (partition, course) in &self.courses {
            let oldest = self.store.outbox(*partition, Position(0), 1).await?;
            let head = self.store.outbox_head(*partition).await?.0;
            let oldest = oldest.first().map_or(head + 1, |message| message.position.0);
            ends.push(Ends { partition: partition.0, oldest, head });
            let published = course.place().unwrap_or(Position(0)).0.max(oldest - 1);
            depth += head.saturating_sub(published);
            if let Some(next) = self.store.outbox(*partition, Position(published), 1).await?.first() {
                age = age.max(self.clock.now().since(next.at));
            }
        }
        self.metrics.depth(depth, age);
        Ok(ends)
    }

    /// Answers an inbox that is missing something, and it alone.
    pub(super) async fn tell_again(&self, inbox: &str, partition: Partition, after: Position) {
        let Ok(inbox) = ConsumerName::new(inbox) else { return };
        if !self.courses.contains_key(&partition) {
            return;
        }
        // Who hears nothing asks again.
        let Ok(page) = self.store.outbox(partition, after, OUTBOX_PAGE).await else { return };
        for message in page {
            if self.channel.tell_again(&*self.bus, &inbox, &Letter::from(message)).await.is_err() {
                return;
            }
            self.metrics.repeated();
        }
    }

    pub(super) fn note_passed(&mut self, inbox: &str, places: &[(u16, u64)]) {
        let Some(consumer) = self.consumers.iter().position(|consumer| consumer.as_str() == inbox) else {
            return;
        };
        for (partition, place) in places {
            let partition = Partition(*partition);
            if self.courses.contains_key(&partition) {
                self.passed.insert((consumer, partition), Position(*place));
            }
        }
    }

    /// Everything up to here is handled by all consumers. One that has not said anything yet has handled nothing.
    fn handled(&self, partition: Partition) -> Position {
        let place = |consumer| self.passed.get(&(consumer, partition)).copied().unwrap_or_default();
        (0..self.consumers.len()).map(place).min().unwrap_or(Position(u64::MAX))
    }

    pub(super) async fn prune(&mut self) {
        for (partition, course) in &self.courses {
            let Some(published) = course.place() else { continue };
            let kept = Kept { published, handled: self.handled(*partition), now: self.clock.now() };
            for _ in 0..PAGES {
                let Ok(page) = self.store.outbox(*partition, Position(0), OUTBOX_PAGE).await else { return };
                let Forget { up_to: Some(up_to), unread } = kept.judge(&page) else { break };
                if self.store.prune_outbox(*partition, up_to).await.is_err() {
                    return;
                }
                if unread > 0 {
                    self.metrics.forgotten(unread);
                    tracing::error!(
                        service = %self.service, partition = partition.0, position = up_to.0,
                        "Messages that a consumer never handled are forgotten; it has to be made anew from events"
                    );
                }
            }
        }
    }
}
