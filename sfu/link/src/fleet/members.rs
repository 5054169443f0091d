//! The nodes of the fleet, those the registry lists and those it did.

use super::{NodeInfo, choice::Candidate};
use crate::{
    limits,
    remote::{Deps, RemoteNode},
};
use std::collections::BTreeMap;
use tokio::{task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

/// A node.
#[derive(Clone)]
pub(super) struct Member {
    /// Its number among all nodes this process ever knew; the first part of its sessions' ids.
    pub(super) slot: u16,
    pub(super) remote: RemoteNode,
    pub(super) stop: CancellationToken,
    listed: bool,
    draining: bool,
    started: bool,
}

impl Member {
    /// Out of reach for long, and not listed any more.
    pub(super) fn is_dead(&self, now: Instant) -> bool {
        !self.listed && self.remote.down_for(now).is_some_and(|down| down >= limits::DEAD_AFTER)
    }

    /// Out of reach for longer than a stream takes to come up again. Its sessions may go on, and nobody is sent away; but
    /// whoever offers anew is not made to wait for it.
    pub(super) fn is_lost(&self, now: Instant) -> bool {
        self.remote.down_for(now).is_some_and(|down| down >= limits::LOST_AFTER)
    }

    /// Whether an answer may be expected soon: not of a node that was tried for a while.
    pub(super) fn is_worth_waiting_for(&self, now: Instant) -> bool {
        self.remote.down_for(now).is_none_or(|down| down < limits::DEAD_AFTER)
    }

    pub(super) fn drains(&self) -> bool {
        self.draining || self.remote.load().draining
    }

    pub(super) fn candidate(&self, region: &str) -> Candidate {
        Candidate {
            slot: self.slot,
            takes_new: self.listed && !self.draining && self.remote.is_up(),
            near: self.remote.region() == region,
            load: self.remote.load(),
        }
    }
}

pub(super) struct Members {
    deps: Deps,
    all: BTreeMap<u16, Member>,
    next: u16,
}

impl Members {
    pub(super) const fn new(deps: Deps) -> Self {
        Self { deps, all: BTreeMap::new(), next: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn all(&self) -> Vec<Member> {
        self.all.values().cloned().collect()
    }

    pub(super) fn get(&self, slot: u16) -> Option<Member> {
        self.all.get(&slot).cloned()
    }

    /// Takes in what is listed; those that are new.
    pub(super) fn follow(&mut self, listed: &[NodeInfo]) -> Vec<Member> {
        let same = |member: &Member, info: &NodeInfo| {
            let known = member.remote.info();
            (&known.id, &known.url) == (&info.id, &info.url)
        };
        for member in self.all.values_mut() {
            let info = listed.iter().find(|info| same(member, info));
            member.listed = info.is_some();
            member.draining = info.map_or(member.draining, |info| info.draining);
        }
        let mut new = Vec::new();
        for info in listed {
            if !self.all.values().any(|member| same(member, info)) {
                new.extend(self.add(info));
            }
        }
        new
    }

    fn add(&mut self, info: &NodeInfo) -> Option<Member> {
        // A process that has known 65,535 nodes takes in no more: their sessions' ids must stay apart.
        let next = self.next.checked_add(1)?;
        if self.all.len() >= limits::MAX_NODES {
            return None;
        }
        self.next = next;
        let member = Member {
            slot: next,
            remote: RemoteNode::new(info.clone(), next, self.deps.clone()),
            stop: CancellationToken::new(),
            listed: true,
            draining: info.draining,
            started: false,
        };
        self.all.insert(next, member.clone());
        Some(member)
    }

    /// Begins a stream to each that has none.
    pub(super) fn start(&mut self, streams: &mut JoinSet<()>, shutdown: &CancellationToken) {
        for member in self.all.values_mut().filter(|member| !member.started) {
            member.started = true;
            let (remote, stop, shutdown) = (member.remote.clone(), member.stop.clone(), shutdown.clone());
            streams.spawn(async move {
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    () = remote.run(stop) => {}
                }
            });
        }
    }

    /// Those that are dead, and those not listed that have nothing of ours.
    pub(super) fn take_dead(&mut self, now: Instant) -> Vec<Member> {
        let gone = |member: &Member| member.is_dead(now) || (!member.listed && member.remote.sessions() == 0);
        let slots: Vec<u16> =
            self.all.values().filter(|member| gone(member)).map(|member| member.slot).collect();
        slots.iter().filter_map(|slot| self.all.remove(slot)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Metrics;
    use platform::{clock::SystemClock, keys::Keys};
    use std::sync::Arc;

    fn listed(n: usize) -> NodeInfo {
        let (id, url) = (format!("node-{n}"), format!("ws://node-{n}/media-link"));
        NodeInfo { id, url, region: String::new(), draining: false }
    }

    #[test]
    fn as_many_nodes_as_the_limit_are_known_and_no_two_share_a_number() {
        let deps = Deps {
            keys: Arc::new(Keys::ephemeral()),
            clock: Arc::new(SystemClock),
            process: uuid::Uuid::nil(),
            events: tokio::sync::mpsc::channel(1).0,
            metrics: Metrics::new(&prometheus::Registry::new()).unwrap(),
        };
        let mut members = Members::new(deps);
        let all: Vec<_> = (0..limits::MAX_NODES).map(listed).collect();
        assert_eq!(members.follow(&all).len(), limits::MAX_NODES);
        assert!(members.follow(&all).is_empty(), "nothing is new");
        let more: Vec<_> = (0..=limits::MAX_NODES).map(listed).collect();
        assert!(members.follow(&more).is_empty(), "one more is left out");
        let now = Instant::now();
        assert!(members.take_dead(now).is_empty());
        members.follow(&all[1..]);
        let dead = members.take_dead(now);
        assert_eq!((dead.len(), dead[0].slot), (1, 1), "not listed, and nothing of ours");
        assert_eq!(members.follow(&[listed(99)])[0].slot as usize, limits::MAX_NODES + 1);
    }
}
