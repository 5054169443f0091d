//! Which affinity lives where, and what must be said again when it moves.

use crate::{Key, limits};
use model::{Epoch, ParticipantId, RoomId};
use sfu_core::port::{Claim, MediaError};
use std::collections::HashMap;

/// Who may share in the room of an affinity's call.
pub(super) type Sharer = (RoomId, Option<ParticipantId>);

#[derive(Debug, Default)]
pub(super) struct Places(HashMap<Key, Place>);

#[derive(Debug, Default)]
struct Place {
    epoch: Epoch,
    home: Option<u16>,
    /// How many are on their way there.
    going: usize,
    sharer: Option<Sharer>,
}

/// What came of settling somewhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Settled {
    /// It lived elsewhere, or nowhere.
    pub(super) moved: bool,
    /// Who shares, to be said there.
    pub(super) sharer: Option<Sharer>,
}

impl Places {
    pub(super) fn knows(&self, key: Key) -> bool {
        self.0.contains_key(&key)
    }

    pub(super) fn claim(&mut self, key: Key, epoch: Epoch) -> Result<(), MediaError> {
        if self.0.len() >= limits::MAX_CLAIMS && !self.knows(key) {
            return Err(MediaError::Busy);
        }
        let place = self.0.entry(key).or_default();
        if place.epoch > epoch {
            return Err(MediaError::Fenced);
        }
        place.epoch = epoch;
        Ok(())
    }

    /// Every claim, and where it lives: for a node that is new.
    pub(super) fn claims(&self) -> Vec<(Claim, Option<u16>)> {
        let claims = self.0.iter();
        claims
            .map(|((tenant, affinity), place)| {
                (Claim { tenant: *tenant, affinity: *affinity, epoch: place.epoch }, place.home)
            })
            .collect()
    }

    pub(super) fn home(&self, key: Key) -> Option<u16> {
        self.0.get(&key)?.home
    }

    /// It lives there from now on.
    pub(super) fn settle(&mut self, key: Key, slot: u16) -> Settled {
        let place = self.0.entry(key).or_default();
        let moved = place.home.replace(slot) != Some(slot);
        Settled { moved, sharer: place.sharer }
    }

    pub(super) fn going(&self, key: Key) -> usize {
        self.0.get(&key).map_or(0, |place| place.going)
    }

    pub(super) fn begin(&mut self, key: Key) {
        if let Some(place) = self.0.get_mut(&key) {
            place.going += 1;
        }
    }

    pub(super) fn end(&mut self, key: Key) {
        if let Some(place) = self.0.get_mut(&key) {
            place.going = place.going.saturating_sub(1);
        }
    }

    /// Where it lives now.
    pub(super) fn set_sharer(
        &mut self,
        key: Key,
        room: RoomId,
        sharer: Option<ParticipantId>,
    ) -> Option<u16> {
        let place = self.0.get_mut(&key)?;
        place.sharer = Some((room, sharer));
        place.home
    }

    /// Nothing lives there any more.
    /// At most so many that live there do not any more.
    pub(super) fn leave_some(&mut self, slot: u16, most: usize) -> Vec<Key> {
        let there = self.0.iter_mut().filter(|(_, place)| place.home == Some(slot)).take(most);
        there
            .map(|(key, place)| {
                place.home = None;
                *key
            })
            .collect()
    }

    pub(super) fn leave(&mut self, slot: u16) {
        for place in self.0.values_mut().filter(|place| place.home == Some(slot)) {
            place.home = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::TenantId;
    use sfu_core::port::Affinity;
    use uuid::Uuid;

    fn key(n: u128) -> Key {
        (TenantId(Uuid::nil()), Affinity(n))
    }

    #[test]
    fn who_shares_comes_along_when_an_affinity_moves() {
        let mut places = Places::default();
        let (room, who) = (RoomId(Uuid::from_u128(1)), ParticipantId(Uuid::from_u128(2)));
        places.claim(key(1), Epoch(1)).unwrap();
        assert_eq!(places.set_sharer(key(1), room, Some(who)), None, "it lives nowhere yet");
        let sharer = Some((room, Some(who)));
        assert_eq!(places.settle(key(1), 4), Settled { moved: true, sharer });
        assert_eq!(places.settle(key(1), 4), Settled { moved: false, sharer });
        places.leave(4);
        assert_eq!(places.home(key(1)), None);
        assert_eq!(places.settle(key(1), 5), Settled { moved: true, sharer });
        assert_eq!(places.set_sharer(key(1), room, None), Some(5));
    }

    #[test]
    fn as_many_as_the_limit_and_no_more() {
        let mut places = Places::default();
        for n in 0..limits::MAX_CLAIMS as u128 {
            places.claim(key(n), Epoch(1)).unwrap();
        }
        assert_eq!(places.claim(key(limits::MAX_CLAIMS as u128), Epoch(1)), Err(MediaError::Busy));
        assert_eq!(places.claim(key(0), Epoch(2)), Ok(()));
        assert_eq!(places.claim(key(0), Epoch(1)), Err(MediaError::Fenced));
    }
}
