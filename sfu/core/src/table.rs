//! Which session a packet belongs to: by ICE username fragment before it is authenticated, by remote
//! address afterwards. Both tables are bounded, and an address enters only through an authenticated
//! check.

use crate::limits::MAX_ADDRESSES_PER_SESSION;
use std::{collections::HashMap, hash::Hash};

/// Sessions by the ICE username fragment this node chose for them.
#[derive(Debug)]
pub struct Ufrags<V> {
    map: HashMap<Box<[u8]>, V>,
    limit: usize,
}

impl<V> Ufrags<V> {
    /// A table for at most this many sessions.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { map: HashMap::new(), limit }
    }

    /// Registers a fragment. Says no when the table is full, or the fragment taken.
    pub fn insert(&mut self, ufrag: &[u8], value: V) -> bool {
        if self.map.len() >= self.limit || self.map.contains_key(ufrag) {
            return false;
        }
        self.map.insert(ufrag.into(), value);
        true
    }

    /// Who has this fragment.
    #[must_use]
    pub fn get(&self, ufrag: &[u8]) -> Option<&V> {
        self.map.get(ufrag)
    }

    /// Forgets a fragment.
    pub fn remove(&mut self, ufrag: &[u8]) {
        self.map.remove(ufrag);
    }

    /// How many are registered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }
}

/// Where packets of one remote address go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow<P> {
    /// The session's key on the shard.
    pub session: u32,
    /// The path replies take: a local address, a connection.
    pub path: P,
    /// When it was last authenticated, in the owner's ticks.
    pub seen: u64,
}

/// Sessions by authenticated remote address.
#[derive(Debug)]
pub struct Flows<A, P> {
    map: HashMap<A, Flow<P>>,
    of_session: HashMap<u32, Addresses<A>>,
    version: u64,
}

/// The addresses of one session.
#[derive(Debug)]
struct Addresses<A> {
    all: Vec<A>,
    /// The one that is in use.
    used: Option<A>,
}

impl<A, P> Default for Flows<A, P> {
    fn default() -> Self {
        Self { map: HashMap::new(), of_session: HashMap::new(), version: 0 }
    }
}

impl<A: Copy + Eq + Hash, P: Copy> Flows<A, P> {
    /// Where packets from this address go.
    #[must_use]
    pub fn get(&self, from: &A) -> Option<&Flow<P>> {
        self.map.get(from)
    }

    /// Another one whenever an address is forgotten or changes hands: while it stays the same, what was looked up
    /// still holds.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Records an address that was just authenticated for a session. An address belongs to one session:
    /// the one it last proved to be. Past [`MAX_ADDRESSES_PER_SESSION`] the stalest is forgotten that is not in use.
    pub fn authenticated(&mut self, from: A, flow: Flow<P>) {
        if let Some(known) = self.map.get_mut(&from)
            && known.session == flow.session
        {
            *known = flow;
            return;
        }
        self.remove(&from);
        let none = || Addresses { all: Vec::new(), used: None };
        let Addresses { all, used } = self.of_session.entry(flow.session).or_insert_with(none);
        if all.len() >= MAX_ADDRESSES_PER_SESSION {
            let seen = |a: &A| self.map.get(a).map_or(0, |flow| flow.seen);
            let stalest = (0..all.len()).filter(|n| Some(all[*n]) != *used).min_by_key(|n| seen(&all[*n]));
            if let Some(stalest) = stalest {
                let gone = all.swap_remove(stalest);
                self.map.remove(&gone);
                self.version += 1;
            }
        }
        all.push(from);
        self.map.insert(from, flow);
    }

    /// Notes which of its addresses a session uses: no other one, however fresh, makes it be forgotten.
    pub fn uses(&mut self, session: u32, address: A) {
        if let Some(addresses) = self.of_session.get_mut(&session) {
            addresses.used = Some(address);
        }
    }

    /// Forgets one address.
    pub fn remove(&mut self, from: &A) {
        let Some(flow) = self.map.remove(from) else { return };
        self.version += 1;
        if let Some(addresses) = self.of_session.get_mut(&flow.session) {
            addresses.all.retain(|a| a != from);
        }
    }

    /// Forgets every address of a session.
    pub fn forget(&mut self, session: u32) {
        for address in self.of_session.remove(&session).map(|addresses| addresses.all).unwrap_or_default() {
            self.map.remove(&address);
            self.version += 1;
        }
    }

    /// How many addresses are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn flow(session: u32, seen: u64) -> Flow<()> {
        Flow { session, path: (), seen }
    }

    #[test]
    fn the_ufrag_table_is_bounded_and_a_fragment_cannot_be_taken_over() {
        let mut table = Ufrags::new(2);
        assert!(table.insert(b"a", 1));
        assert!(!table.insert(b"a", 9));
        assert!(table.insert(b"b", 2));
        assert!(!table.insert(b"c", 3), "one past the limit");
        assert_eq!(table.get(b"a"), Some(&1));
        table.remove(b"a");
        assert!(table.insert(b"c", 3));
    }

    #[test]
    fn a_session_has_so_many_addresses_and_the_stalest_goes() {
        let mut flows = Flows::default();
        for n in 0..MAX_ADDRESSES_PER_SESSION as u64 {
            flows.authenticated(n, flow(1, n));
        }
        flows.authenticated(0, flow(1, 100));
        assert_eq!(flows.len(), MAX_ADDRESSES_PER_SESSION);
        flows.authenticated(99, flow(1, 101));
        assert_eq!(flows.len(), MAX_ADDRESSES_PER_SESSION);
        assert!(flows.get(&0).is_some() && flows.get(&99).is_some() && flows.get(&1).is_none());
    }

    #[test]
    fn the_address_in_use_is_not_crowded_out() {
        let mut flows = Flows::default();
        flows.authenticated(7, flow(1, 0));
        flows.uses(1, 7);
        for n in 0..3 * MAX_ADDRESSES_PER_SESSION as u64 {
            flows.authenticated(100 + n, flow(1, n));
        }
        assert!(flows.get(&7).is_some());
        assert_eq!(flows.len(), MAX_ADDRESSES_PER_SESSION);
    }

    #[test]
    fn the_version_changes_when_what_was_looked_up_no_longer_holds() {
        let mut flows = Flows::default();
        flows.authenticated(7, flow(1, 0));
        let mut last = flows.version();
        let mut changed =
            |flows: &Flows<u64, ()>| std::mem::replace(&mut last, flows.version()) != flows.version();
        flows.authenticated(7, flow(1, 1));
        flows.authenticated(8, flow(1, 1));
        flows.remove(&99);
        assert!(!changed(&flows));
        flows.authenticated(7, flow(2, 2));
        assert!(changed(&flows), "another session has it");
        flows.remove(&8);
        assert!(changed(&flows));
        flows.forget(2);
        assert!(changed(&flows));
        for n in 0..=MAX_ADDRESSES_PER_SESSION as u64 {
            flows.authenticated(100 + n, flow(3, n));
        }
        assert!(changed(&flows), "the stalest was forgotten");
    }

    #[test]
    fn an_address_belongs_to_the_session_it_last_proved_to_be() {
        let mut flows = Flows::default();
        flows.authenticated(7, flow(1, 0));
        flows.authenticated(7, flow(2, 1));
        flows.forget(1);
        assert_eq!(flows.get(&7).map(|f| f.session), Some(2));
        flows.forget(2);
        assert!(flows.is_empty());
    }

    proptest! {
        #[test]
        fn forgetting_a_session_leaves_nothing_of_it(
            moves in proptest::collection::vec((0_u16..60, 0_u32..3, 0_u64..100), 0..200),
        ) {
            let mut flows = Flows::default();
            for (address, session, seen) in moves {
                flows.authenticated(address, flow(session, seen));
            }
            flows.forget(1);
            prop_assert!((0..60).all(|a| flows.get(&a).is_none_or(|f| f.session != 1)));
            flows.forget(0);
            flows.forget(2);
            prop_assert!(flows.is_empty());
        }
    }
}
