//! Who speaks for what: the newest epoch's newest stream.

use super::stream::StreamId;
use crate::{Key, limits};
use model::Epoch;
use sfu_core::port::{MediaError, MediaEvent, SessionId};
use std::collections::{HashMap, VecDeque};
use tokio::time::Instant;

#[derive(Debug, Default)]
pub(super) struct Claims {
    held: HashMap<Key, Held>,
    sessions: HashMap<SessionId, Key>,
    /// What happened to sessions whose makers are still to be told of them.
    early: VecDeque<MediaEvent>,
}

#[derive(Debug)]
struct Held {
    epoch: Epoch,
    by: Result<StreamId, Instant>,
}

impl Claims {
    /// The stream has the affinity from now on; who had it before in an older epoch.
    pub(super) fn claim(
        &mut self,
        key: Key,
        epoch: Epoch,
        by: StreamId,
    ) -> Result<Option<StreamId>, MediaError> {
        match self.held.get(&key) {
            Some(held) if held.epoch > epoch => return Err(MediaError::Fenced),
            None if self.held.len() >= limits::MAX_CLAIMS => return Err(MediaError::Busy),
            _ => {}
        }
        let before = self.held.insert(key, Held { epoch, by: Ok(by) });
        // The same owner's stream of before needs no telling.
        let older = before.filter(|held| held.epoch < epoch);
        Ok(older.and_then(|held| held.by.ok()).filter(|before| *before != by))
    }

    /// Whether a stream may ask something of an affinity in this epoch.
    pub(super) fn may(&self, key: Key, epoch: Epoch, by: StreamId) -> Result<(), MediaError> {
        let holds = self.held.get(&key).is_some_and(|held| held.by == Ok(by) && held.epoch == epoch);
        if holds { Ok(()) } else { Err(MediaError::Fenced) }
    }

    /// The same for what it asks of a session.
    pub(super) fn may_touch(&self, session: SessionId, epoch: Epoch, by: StreamId) -> Result<(), MediaError> {
        let key = self.sessions.get(&session).ok_or(MediaError::NoSuchSession)?;
        self.may(*key, epoch, by)
    }

    /// The session is of this affinity. What happened to it before that was known is returned.
    pub(super) fn belongs(&mut self, session: SessionId, key: Key) -> Vec<MediaEvent> {
        self.sessions.insert(session, key);
        let (early, others) = std::mem::take(&mut self.early)
            .into_iter()
            .partition::<VecDeque<_>, _>(|e| e.session() == session);
        self.early = others;
        if early.iter().any(|event| matches!(event, MediaEvent::Closed { .. })) {
            self.sessions.remove(&session);
        }
        early.into()
    }

    /// Where an event goes.
    pub(super) fn route(&mut self, event: &MediaEvent) -> Option<StreamId> {
        let session = event.session();
        let Some(key) = self.sessions.get(&session).copied() else {
            self.keep(event);
            return None;
        };
        if matches!(event, MediaEvent::Closed { .. }) {
            self.sessions.remove(&session);
        }
        self.held.get(&key)?.by.ok()
    }

    fn keep(&mut self, event: &MediaEvent) {
        if matches!(event, MediaEvent::Quality { .. }) {
            return;
        }
        if self.early.len() >= limits::MAX_EARLY_EVENTS {
            self.early.pop_front();
        }
        self.early.push_back(event.clone());
    }

    /// A stream has ended: what it had is nobody's, and stays.
    pub(super) fn left(&mut self, by: StreamId, now: Instant) {
        for held in self.held.values_mut().filter(|held| held.by == Ok(by)) {
            held.by = Err(now);
        }
    }

    /// What has been nobody's for too long.
    pub(super) fn abandoned(&self, now: Instant) -> Vec<Key> {
        let long = |held: &Held| held.by.is_err_and(|since| now >= since + limits::ORPHAN_AFTER);
        self.held.iter().filter(|(_, held)| long(held)).map(|(key, _)| *key).collect()
    }

    /// Nobody's, and nothing in it goes on: unless somebody has claimed it meanwhile.
    pub(super) fn forget(&mut self, key: Key) {
        if self.held.get(&key).is_some_and(|held| held.by.is_err()) {
            self.held.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::TenantId;
    use sfu_core::port::{Affinity, ClosedReason, Transport};
    use std::time::Duration;
    use uuid::Uuid;

    const ONE: StreamId = StreamId(1);
    const TWO: StreamId = StreamId(2);

    fn key(n: u128) -> Key {
        (TenantId(Uuid::from_u128(1)), Affinity(n))
    }

    fn connected(n: u64) -> MediaEvent {
        MediaEvent::Connected { session: SessionId(n), transport: Transport::Udp }
    }

    #[test]
    fn the_newest_epoch_counts_and_within_it_the_newest_stream() {
        let mut claims = Claims::default();
        assert_eq!(claims.claim(key(1), Epoch(3), ONE), Ok(None));
        assert_eq!(claims.claim(key(1), Epoch(3), TWO), Ok(None), "the same owner, on a new stream");
        assert_eq!(claims.may(key(1), Epoch(3), ONE), Err(MediaError::Fenced));
        assert_eq!(claims.claim(key(1), Epoch(4), ONE), Ok(Some(TWO)), "who is told");
        assert_eq!(claims.claim(key(1), Epoch(3), TWO), Err(MediaError::Fenced));
        assert_eq!(claims.may(key(1), Epoch(3), TWO), Err(MediaError::Fenced));
        assert_eq!(claims.may(key(1), Epoch(4), ONE), Ok(()));
        assert_eq!(claims.may(key(2), Epoch(4), ONE), Err(MediaError::Fenced), "never claimed");
    }

    #[test]
    fn events_go_to_who_claimed_last_and_early_ones_wait() {
        let mut claims = Claims::default();
        claims.claim(key(1), Epoch(1), ONE).unwrap();
        assert_eq!(claims.route(&connected(7)), None);
        assert_eq!(claims.belongs(SessionId(7), key(1)), [connected(7)]);
        assert_eq!(claims.route(&connected(7)), Some(ONE));
        claims.claim(key(1), Epoch(2), TWO).unwrap();
        assert_eq!(claims.route(&connected(7)), Some(TWO));
        assert_eq!(claims.may_touch(SessionId(7), Epoch(1), ONE), Err(MediaError::Fenced));
        let closed = MediaEvent::Closed { session: SessionId(7), reason: ClosedReason::Peer };
        assert_eq!(claims.route(&closed), Some(TWO));
        assert_eq!(claims.may_touch(SessionId(7), Epoch(2), TWO), Err(MediaError::NoSuchSession));
    }

    #[test]
    fn as_many_early_events_as_the_limit_are_kept_and_the_oldest_goes() {
        let mut claims = Claims::default();
        for n in 0..=limits::MAX_EARLY_EVENTS as u64 {
            claims.route(&connected(n));
        }
        assert_eq!(claims.belongs(SessionId(0), key(1)), []);
        assert_eq!(claims.belongs(SessionId(1), key(1)), [connected(1)]);
    }

    #[test]
    fn as_many_claims_as_the_limit_and_no_more() {
        let mut claims = Claims::default();
        for n in 0..limits::MAX_CLAIMS as u128 {
            claims.claim(key(n), Epoch(1), ONE).unwrap();
        }
        assert_eq!(claims.claim(key(limits::MAX_CLAIMS as u128), Epoch(1), ONE), Err(MediaError::Busy));
        assert_eq!(claims.claim(key(0), Epoch(1), TWO), Ok(None), "again is not one more");
    }

    #[test]
    fn what_is_nobodys_for_long_is_abandoned_unless_it_is_claimed_again() {
        let mut claims = Claims::default();
        let then = Instant::now();
        claims.claim(key(1), Epoch(1), ONE).unwrap();
        claims.claim(key(2), Epoch(1), ONE).unwrap();
        claims.left(ONE, then);
        let at = then + limits::ORPHAN_AFTER;
        assert_eq!(claims.abandoned(at - Duration::from_millis(1)), []);
        claims.claim(key(2), Epoch(1), TWO).unwrap();
        assert_eq!(claims.abandoned(at), [key(1)]);
        claims.forget(key(1));
        claims.forget(key(2));
        assert_eq!(claims.abandoned(at), []);
        assert_eq!(claims.may(key(2), Epoch(1), TWO), Ok(()), "not forgotten while it is somebody's");
    }
}
