//! Whose turn it is to send: one process's. Kept in the store, which is all that sending needs; its epoch is the sign of life.
//!
//! It is thrift and not safety: two that both believe that it is their turn write the same table by compare-and-set.
//! Whoever starts takes the turn, and whoever has seen no sign of life for [`SILENCE`] takes it back.

use crate::{
    book::PLATFORM,
    limits::{BEAT, SILENCE},
};
use model::{Epoch, Timestamp};
use platform::{
    event_log::{Holder, ReadError, Store},
    ids,
};
use std::sync::Arc;
use tokio::time::Instant;
use uuid::Uuid;

const SCOPE: Uuid = Uuid::from_u128(0x0193_5a00_0000_7000_8000_7765_6268_6f6b);

pub(crate) struct Turn {
    store: Arc<dyn Store>,
    me: Uuid,
    /// Nobody else can have the store.
    alone: bool,
    /// Our epoch, and since when.
    held: Option<(Epoch, Instant)>,
    /// Somebody else's, and since when it has not changed.
    seen: Option<(Epoch, Instant)>,
}

impl Turn {
    pub(crate) fn new(store: Arc<dyn Store>, alone: bool) -> Self {
        Self { store, me: ids::fresh(), alone, held: None, seen: None }
    }

    /// Whether it is ours.
    pub(crate) async fn look(&mut self, at: Timestamp) -> Result<bool, ReadError> {
        if self.alone && self.held.is_some() {
            return Ok(true);
        }
        let owned = self.store.owner(PLATFORM, SCOPE).await?;
        let epoch = owned.as_ref().map_or(Epoch(0), |owned| owned.epoch);
        let now = Instant::now();
        if let Some((mine, since)) = self.held {
            if mine == epoch && owned.is_some_and(|owned| owned.holder.process == self.me) {
                if now.duration_since(since) >= BEAT {
                    self.take(epoch, at, now).await;
                }
                return Ok(self.held.is_some());
            }
            (self.held, self.seen) = (None, Some((epoch, now)));
            return Ok(false);
        }
        match self.seen {
            Some((seen, since)) if seen == epoch && now.duration_since(since) < SILENCE => {}
            Some((seen, _)) if seen != epoch => self.seen = Some((epoch, now)),
            _ => self.take(epoch, at, now).await,
        }
        Ok(self.held.is_some())
    }

    async fn take(&mut self, expected: Epoch, at: Timestamp, now: Instant) {
        // Nobody is to reach it for this.
        let me = Holder { process: self.me, address: String::new() };
        match self.store.take(PLATFORM, SCOPE, expected, me, at).await {
            Ok(fence) => (self.held, self.seen) = (Some((fence.epoch, now)), None),
            Err(_) => (self.held, self.seen) = (None, Some((expected, now))),
        }
    }
}
