//! Who waits for the owner of a waiting room to be found, and whom it was last.

use crate::{
    find::{Home, Place},
    limits::{MAX_ASKING, MAX_REMEMBERED},
};
use platform::event_log::Owned;
use std::collections::{BTreeMap, HashMap};
use tokio::sync::oneshot;

/// Searches that go on, one for each waiting room that is asked for.
#[derive(Default)]
pub(crate) struct Searches {
    asking: BTreeMap<Home, Vec<oneshot::Sender<Place>>>,
    /// Owners in other processes, for when the store cannot be asked.
    remembered: HashMap<Home, Owned>,
}

impl Searches {
    /// Waits for a search that goes on already; whoever is one too many is not answered, and comes again. None: waits.
    /// Some: there is no search for this waiting room yet.
    pub(crate) fn join(
        &mut self,
        room: Home,
        done: oneshot::Sender<Place>,
    ) -> Option<oneshot::Sender<Place>> {
        let Some(asking) = self.asking.get_mut(&room) else { return Some(done) };
        if asking.len() < MAX_ASKING {
            asking.push(done);
        }
        None
    }

    /// Begins one.
    pub(crate) fn begin(&mut self, room: Home, done: oneshot::Sender<Place>) {
        self.asking.insert(room, vec![done]);
    }

    /// It is over: everybody who waits for it is told. Who asked may have given up.
    pub(crate) fn end(&mut self, room: Home, place: &Place) {
        for done in self.asking.remove(&room).unwrap_or_default() {
            let _ = done.send(place.clone());
        }
    }

    /// Nobody is answered any more.
    pub(crate) fn give_up(&mut self) {
        self.asking.clear();
    }

    pub(crate) fn remember(&mut self, room: Home, owned: Owned) {
        if self.remembered.len() >= MAX_REMEMBERED {
            self.remembered.clear();
        }
        self.remembered.insert(room, owned);
    }

    pub(crate) fn recall(&self, room: Home) -> Option<&Owned> {
        self.remembered.get(&room)
    }

    pub(crate) fn forget(&mut self, room: Home) {
        self.remembered.remove(&room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Epoch, TenantId, Timestamp, WaitingRoomId};
    use platform::event_log::Holder;
    use uuid::Uuid;

    fn room(n: u128) -> Home {
        Home { tenant: TenantId(Uuid::nil()), room: WaitingRoomId(Uuid::from_u128(n)) }
    }

    #[test]
    fn so_many_wait_for_one_search_and_one_more_comes_again() {
        let mut searches = Searches::default();
        let mut waiting = Vec::new();
        for n in 0..=MAX_ASKING {
            let (done, place) = oneshot::channel();
            match searches.join(room(1), done) {
                Some(done) if n == 0 => searches.begin(room(1), done),
                Some(_) => panic!("a search of its own"),
                None => {}
            }
            waiting.push(place);
        }
        searches.end(room(1), &Place::Nowhere);
        let told: Vec<_> = waiting.into_iter().map(|mut place| place.try_recv().is_ok()).collect();
        assert!(told[..MAX_ASKING].iter().all(|told| *told) && !told[MAX_ASKING]);
        assert!(searches.join(room(1), oneshot::channel().0).is_some());
    }

    #[test]
    fn so_many_owners_are_remembered_and_then_none_but_the_newest() {
        let owned = || Owned {
            holder: Holder { process: Uuid::nil(), address: String::new() },
            epoch: Epoch(1),
            at: Timestamp::default(),
        };
        let mut searches = Searches::default();
        for n in 0..MAX_REMEMBERED {
            searches.remember(room(n as u128), owned());
        }
        assert!(searches.recall(room(0)).is_some());
        searches.remember(room(MAX_REMEMBERED as u128), owned());
        assert!(searches.recall(room(0)).is_none());
        assert!(searches.recall(room(MAX_REMEMBERED as u128)).is_some());
    }
}
