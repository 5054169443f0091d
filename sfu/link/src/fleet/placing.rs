//! Where an affinity lives, and which nodes there are.

use super::{Shared, choice, members::Member, places::Settled};
use crate::{Key, limits};
use sfu_core::port::{Existing, MediaError, MediaNode as _, SessionId};
use tokio::time::{Instant, interval};

/// Somebody is on their way to where an affinity lives.
pub(super) struct Going<'a> {
    shared: &'a Shared,
    key: Key,
}

impl Drop for Going<'_> {
    fn drop(&mut self) {
        self.shared.places.lock().end(self.key);
    }
}

impl Shared {
    /// Somebody is on their way to where an affinity lives, until this is dropped.
    pub(super) fn going(&self, key: Key) -> Going<'_> {
        self.places.lock().begin(key);
        Going { shared: self, key }
    }

    /// Where an affinity lives; it is placed if it lives nowhere, or must not stay there.
    pub(super) async fn place(&self, key: Key, not: Option<u16>) -> Result<Member, MediaError> {
        let members = self.members.lock().all();
        let (member, settled) = {
            // Under one lock: two who come at the same moment come to the same node.
            let mut places = self.places.lock();
            let home = places.home(key);
            // The one who asks is on their way too.
            let sought = places.going(key) > 1;
            let stays = members.iter().find(|member| {
                Some(member.slot) != not
                    && self.stays(key, member, home == Some(member.slot), sought, &members)
            });
            let member = stays.or_else(|| self.choose(&members, not)).cloned().ok_or(MediaError::Busy)?;
            (member.clone(), places.settle(key, member.slot))
        };
        self.settled(key, member.slot, settled, &members);
        if settled.moved {
            member.remote.placed();
            for other in members.iter().filter(|other| other.slot != member.slot) {
                other.remote.give_up(Some(key)).await;
            }
        }
        Ok(member)
    }

    fn stays(&self, key: Key, member: &Member, is_home: bool, sought: bool, members: &[Member]) -> bool {
        let fit = |member: &Member| member.candidate(&self.region).is_fit();
        let lives_here = member.remote.sessions_of(key) > 0;
        let now = Instant::now();
        let leaves = (member.drains() || member.is_lost(now)) && members.iter().any(fit);
        !member.is_dead(now) && !leaves && (lives_here || (is_home && (sought || fit(member))))
    }

    /// Until a node is out of reach and there is another to go to.
    pub(super) async fn until_left(&self, member: &Member) {
        let mut look = interval(limits::AGAIN);
        loop {
            look.tick().await;
            let others = || self.members.lock().all().into_iter().filter(|other| other.slot != member.slot);
            let fit = |other: Member| other.candidate(&self.region).is_fit();
            if member.is_lost(Instant::now()) && others().any(fit) {
                return;
            }
        }
    }

    fn choose<'a>(&self, members: &'a [Member], not: Option<u16>) -> Option<&'a Member> {
        let others = members.iter().filter(|member| Some(member.slot) != not);
        let slot = choice::best(&others.map(|member| member.candidate(&self.region)).collect::<Vec<_>>())?;
        members.iter().find(|member| member.slot == slot)
    }

    /// An affinity lives here from now on: nothing of it is wanted elsewhere, and who shares is said here.
    fn settled(&self, key: Key, slot: u16, settled: Settled, members: &[Member]) {
        if !settled.moved {
            return;
        }
        for member in members {
            member.remote.elsewhere(key, member.slot != slot);
        }
        let home = members.iter().find(|member| member.slot == slot);
        if let (Some((room, sharer)), Some(member)) = (settled.sharer, home) {
            // It cannot be refused: the affinity was claimed there when the node was listed.
            let _ = member.remote.set_sharer(key.0, key.1, room, sharer);
        }
    }

    /// Of what a claim found, the node with most of it is where the affinity lives. The rest ends.
    pub(super) async fn settle(&self, key: Key, found: Vec<(u16, Vec<Existing>)>) -> Vec<Existing> {
        let connected = |existing: &Vec<Existing>| existing.iter().filter(|e| e.connected.is_some()).count();
        let home = found
            .iter()
            .filter(|(_, existing)| !existing.is_empty())
            .max_by_key(|(_, existing)| (connected(existing), existing.len()))
            .map(|(slot, _)| *slot);
        let Some(home) = home else { return Vec::new() };
        let members = self.members.lock().all();
        let settled = self.places.lock().settle(key, home);
        self.settled(key, home, settled, &members);
        for member in members.iter().filter(|member| member.slot != home) {
            member.remote.give_up(Some(key)).await;
        }
        found.into_iter().find(|(slot, _)| *slot == home).map(|(_, existing)| existing).unwrap_or_default()
    }

    /// Takes in what the registry lists.
    pub(super) fn follow(&self) {
        let listed = self.nodes.borrow().clone();
        let new = self.members.lock().follow(&listed);
        for member in new {
            for (claim, home) in self.places.lock().claims() {
                member.remote.assume(claim);
                member.remote.elsewhere((claim.tenant, claim.affinity), home.is_some());
            }
        }
    }

    /// Nodes that are not listed and out of reach, or empty, are let go.
    pub(super) async fn bury(&self) {
        let dead = self.members.lock().take_dead(Instant::now());
        for member in dead {
            tracing::warn!(node = %member.remote.info().id, "A media node is gone");
            self.places.lock().leave(member.slot);
            member.remote.give_up(None).await;
            member.stop.cancel();
        }
    }

    /// Some of the waiting rooms leave a node which says that it goes down, if there is another for them: not all at once,
    /// for everybody in them offers anew. One that is only listed as draining keeps what it has.
    pub(super) async fn move_off(&self) {
        let members = self.members.lock().all();
        if !members.iter().any(|member| member.candidate(&self.region).is_fit()) {
            return;
        }
        for member in members.iter().filter(|member| member.remote.is_up() && member.remote.load().draining) {
            let moved = self.places.lock().leave_some(member.slot, limits::MOVED_AT_ONCE);
            for key in moved {
                member.remote.give_up(Some(key)).await;
            }
        }
    }

    pub(super) fn of(&self, session: SessionId) -> Result<Member, MediaError> {
        let slot = u16::try_from(session.0 >> 48).unwrap_or_default();
        self.members.lock().get(slot).ok_or(MediaError::NoSuchSession)
    }
}
