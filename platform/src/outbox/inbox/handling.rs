//! One message after the other: the handler, and its rows with the place in one transaction.

use super::{PARKED, Unhandled, lane_inbox::LaneInbox};
use crate::{
    bus::Bus,
    event_log::{AppendError, Change, Refusal, Row, Store},
    limits::{HANDLER_LIMIT, MAX_PANICS, MAX_PARKED},
    outbox::{letter::Letter, turn::PLATFORM},
};
use futures_util::FutureExt as _;
use std::panic::AssertUnwindSafe;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// What is to be recorded of a message.
struct Verdict {
    changes: Vec<Change>,
    /// Why it is parked, if it is.
    parked: Option<&'static str>,
}

impl<S: Store + ?Sized, B: Bus + ?Sized> LaneInbox<S, B> {
    /// Handles all that can be handled now.
    pub(super) async fn work(&mut self, shutdown: &CancellationToken) {
        while !shutdown.is_cancelled()
            && let Some(letter) = self.order.next(Instant::now()).cloned()
        {
            match self.judge(&letter).await {
                Some(verdict) => self.record(&letter, verdict).await,
                None => self.postpone(&letter),
            }
        }
    }

    /// `None`: not now.
    async fn judge(&mut self, letter: &Letter) -> Option<Verdict> {
        let handler = std::sync::Arc::clone(&self.handler);
        let handled = AssertUnwindSafe(async { handler.handle(letter).await }).catch_unwind();
        let refusal = match timeout(HANDLER_LIMIT, handled).await {
            Ok(Ok(Ok(changes))) if changes.iter().all(is_text) => {
                return Some(Verdict { changes, parked: None });
            }
            Ok(Ok(Ok(_))) => "rows with text that cannot be stored",
            Ok(Ok(Err(Unhandled::Refused(reason)))) => reason,
            Ok(Ok(Err(Unhandled::NotNow))) | Err(_) => return None,
            Ok(Err(_)) => {
                let panics = self.panics.entry(letter.partition).or_default();
                *panics += 1;
                if *panics < MAX_PANICS {
                    return None;
                }
                "the handler panicked"
            }
        };
        Some(self.parking(letter, refusal))
    }

    /// Ids, its place and the reason: nothing of its body.
    fn parking(&self, letter: &Letter, reason: &'static str) -> Verdict {
        let (partition, position) = (letter.partition.0, letter.position.0);
        let body = serde_json::json!({
            "id": letter.id(&self.config.service),
            "partition": partition,
            "position": position,
            "tenant": letter.tenant.0,
            "subject": letter.subject.as_str(),
            "at": letter.at.as_millis(),
            "reason": reason,
        });
        // A place for each of the last ones, so that they never become more.
        let place = position % MAX_PARKED as u64;
        let row =
            Row { key: format!("{PARKED}{partition:05}/{place:03}"), body: body.to_string(), phi: None };
        Verdict { changes: vec![Change::Put { tenant: PLATFORM, row }], parked: Some(reason) }
    }

    async fn record(&mut self, letter: &Letter, Verdict { changes, parked }: Verdict) {
        let (partition, position) = (letter.partition, letter.position);
        let Some(place) = self.order.handled(partition) else { return };
        match self.store.apply(self.table, partition, place, position, changes).await {
            Ok(()) => {
                self.note_done(letter, parked);
                self.panics.remove(&partition);
                self.order.place(partition, position, Instant::now());
            }
            Err(AppendError::Rejected(Refusal::TooLarge | Refusal::Invalid)) if parked.is_none() => {
                let verdict = self.parking(letter, "more changes than a transaction takes");
                Box::pin(self.record(letter, verdict)).await;
            }
            Err(AppendError::Rejected(Refusal::Conflict { .. }) | AppendError::Unknown) => {
                // Another process has handled it, or we have and nobody told us.
                if !self.learn(partition).await || self.order.handled(partition) == Some(place) {
                    self.postpone(letter);
                }
                self.look_whose_turn().await;
            }
            Err(AppendError::Rejected(_)) => self.postpone(letter),
        }
    }

    fn note_done(&self, letter: &Letter, parked: Option<&'static str>) {
        let Some(reason) = parked else { return self.metrics.handled() };
        self.metrics.parked();
        tracing::error!(
            inbox = %self.config.name, lane = %self.lane, message.id = %letter.id(&self.config.service),
            partition = letter.partition.0, position = letter.position.0, reason,
            "A message is refused for ever and is parked"
        );
    }

    fn postpone(&mut self, letter: &Letter) {
        self.metrics.postponed();
        self.order.pause(letter.partition, Instant::now());
    }
}

/// Not every engine can hold a NUL, and waiting would not change it.
fn is_text(change: &Change) -> bool {
    let nul = |text: &str| text.contains('\0');
    match change {
        Change::Put { row, .. } => !(nul(&row.key) || nul(&row.body) || row.phi.as_deref().is_some_and(nul)),
        Change::Delete { key, .. } => !nul(key),
    }
}
