//! Whose turn it is to relay, or to consume: one process's, so that the others need not do the same work.
//!
//! It is thrift and not safety: two that both believe that it is their turn move the same places by compare-and-set,
//! and one of them finds that the other was faster. So nobody waits for a lease to run out: whoever starts takes the
//! turn, and whoever has heard nothing for `limits::TURN_SILENCE` takes it back.

use super::letter::Service;
use crate::{
    event_log::{Holder, Ownership, ReadError},
    ids,
    lane::Lane,
    limits::TURN_SILENCE,
};
use aws_lc_rs::digest::{SHA256, digest};
use model::{Epoch, TenantId, Timestamp};
use std::sync::Arc;
use tokio::time::Instant;
use uuid::Uuid;

/// Rows of the platform's own, not of any healthcare unit.
pub(super) const PLATFORM: TenantId = TenantId(Uuid::nil());

/// Who has the turn, as far as is known here. Pure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is ours.
    Ours,
    /// It is somebody else's, who was last heard then.
    Theirs { heard: Instant },
    /// It is to be taken: nobody was heard, or we are only starting.
    Free,
}

impl Turn {
    /// The one whose turn it is was heard.
    pub(super) fn heard(&mut self, now: Instant) {
        if let Self::Theirs { heard } = self {
            *heard = now;
        }
    }

    /// Somebody said that they end.
    pub(super) fn left(&mut self) {
        if matches!(self, Self::Theirs { .. }) {
            *self = Self::Free;
        }
    }

    /// Time passes.
    pub(super) fn tick(&mut self, now: Instant) {
        if matches!(self, Self::Theirs { heard } if now.duration_since(*heard) >= TURN_SILENCE) {
            *self = Self::Free;
        }
    }

    /// The store says who the owner is.
    pub(super) fn owner(&mut self, ours: bool, now: Instant) {
        *self = match *self {
            _ if ours => Self::Ours,
            Self::Theirs { heard } => Self::Theirs { heard },
            Self::Ours | Self::Free => Self::Theirs { heard: now },
        };
    }
}

/// A turn, kept in the store.
pub(super) struct Turns<S: ?Sized> {
    store: Arc<S>,
    scope: Uuid,
    holder: Uuid,
    pub(super) turn: Turn,
}

impl<S: Ownership + ?Sized> Turns<S> {
    /// The turn at something that is named by its words.
    pub(super) fn new(store: Arc<S>, what: &str, service: &Service, lane: Lane) -> Self {
        let mut scope = [0; 16];
        scope.copy_from_slice(
            &digest(&SHA256, format!("{what}\0{service}\0{lane}").as_bytes()).as_ref()[..16],
        );
        Self { store, scope: Uuid::from_bytes(scope), holder: ids::fresh(), turn: Turn::Free }
    }

    pub(super) fn is_ours(&self) -> bool {
        self.turn == Turn::Ours
    }

    /// Looks who the owner is, and takes the turn if it is free.
    pub(super) async fn look(&mut self, at: Timestamp) -> Result<(), ReadError> {
        self.turn.tick(Instant::now());
        let owned = self.store.owner(PLATFORM, self.scope).await?;
        if self.turn != Turn::Free {
            let ours = owned.is_some_and(|owned| owned.holder.process == self.holder);
            self.turn.owner(ours, Instant::now());
            return Ok(());
        }
        let expected = owned.map_or(Epoch(0), |owned| owned.epoch);
        // Whatever the answer was, the store knows who it is.
        // Nobody is to reach it for this.
        let me = Holder { process: self.holder, address: String::new() };
        let _ = self.store.take(PLATFORM, self.scope, expected, me, at).await;
        let owned = self.store.owner(PLATFORM, self.scope).await?;
        self.turn.owner(owned.is_some_and(|owned| owned.holder.process == self.holder), Instant::now());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_turn_is_taken_back_from_whoever_is_silent() {
        let now = Instant::now();
        let mut turn = Turn::Free;
        turn.owner(false, now);
        turn.tick(now + TURN_SILENCE - Duration::from_millis(1));
        assert!(matches!(turn, Turn::Theirs { .. }));
        turn.heard(now + Duration::from_secs(1));
        turn.tick(now + TURN_SILENCE);
        assert!(matches!(turn, Turn::Theirs { .. }), "heard since");
        turn.tick(now + TURN_SILENCE + Duration::from_secs(1));
        assert_eq!(turn, Turn::Free);
    }

    #[test]
    fn a_turn_that_somebody_took_is_given_up_and_silence_counts_from_then() {
        let now = Instant::now();
        let mut turn = Turn::Ours;
        turn.tick(now + TURN_SILENCE);
        assert_eq!(turn, Turn::Ours, "who has it hears nobody");
        turn.owner(false, now);
        assert_eq!(turn, Turn::Theirs { heard: now });
        turn.owner(false, now + Duration::from_secs(5));
        assert_eq!(turn, Turn::Theirs { heard: now }, "that the row is still there is no sign of life");
        turn.left();
        assert_eq!(turn, Turn::Free);
    }
}
