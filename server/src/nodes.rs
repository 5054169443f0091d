//! The processes of a fleet: this one says that it is there, and knows of the others.
//!
//! Presence holds only what each says of itself, so a Redis that was wiped is full again after a moment. A process that
//! vanishes from the list is believed to be there a little longer: whether it is alive is found out by talking to it.

use crate::{
    limits::{NODE_MISSED, NODE_TTL, NODES_EVERY},
    roles::{Role, Roles},
};
use platform::{
    limits::MAX_PRESENCE_ID_BYTES,
    presence::{Key, Presence},
};
use serde::{Deserialize, Serialize};
use sfu_link::NodeInfo;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Kind of presence's keys.
const KIND: &str = "process";

/// What a process says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Member {
    /// Another one each time it starts.
    pub(crate) process: Uuid,
    /// `host:port` between processes.
    pub(crate) address: String,
    pub(crate) roles: Roles,
    pub(crate) region: String,
    /// It goes down, and takes nothing new.
    #[serde(default)]
    pub(crate) draining: bool,
    /// Its probes succeed. One of an earlier build does not say.
    #[serde(default = "yes")]
    pub(crate) well: bool,
}

const fn yes() -> bool {
    true
}

/// How many processes are well, of how many, by what they do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Strength {
    pub(crate) rooms: (u32, u32),
    pub(crate) media: (u32, u32),
}

/// Keeps the lists.
pub(crate) struct Nodes {
    presence: Arc<dyn Presence>,
    name: String,
    me: Member,
    media: watch::Sender<Vec<NodeInfo>>,
    signaling: watch::Sender<Vec<String>>,
    others_are_well: watch::Sender<bool>,
    strength: watch::Sender<Strength>,
    known: BTreeMap<String, (Member, Instant)>,
}

impl Nodes {
    pub(crate) fn new(presence: Arc<dyn Presence>, name: String, me: Member) -> Self {
        let (media, signaling) = (watch::Sender::new(Vec::new()), watch::Sender::new(Vec::new()));
        let (others_are_well, strength) = (watch::Sender::new(false), watch::Sender::default());
        Self { presence, name, me, media, signaling, others_are_well, strength, known: BTreeMap::new() }
    }

    /// What this process is called.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Media nodes, as they come and go.
    pub(crate) fn media(&self) -> watch::Receiver<Vec<NodeInfo>> {
        self.media.subscribe()
    }

    /// Addresses of signaling processes, as they come and go.
    pub(crate) fn signaling(&self) -> watch::Receiver<Vec<String>> {
        self.signaling.subscribe()
    }

    /// Whether for each of this process's roles another one is there that is well.
    pub(crate) fn others_are_well(&self) -> watch::Receiver<bool> {
        self.others_are_well.subscribe()
    }

    /// How many do what, and how many of them are well.
    pub(crate) fn strength(&self) -> watch::Receiver<Strength> {
        self.strength.subscribe()
    }

    /// Looks once: before anybody is let in, so that the first is not told that nobody is there.
    pub(crate) async fn look(&mut self) {
        // Where presence cannot be asked, those known are still there.
        let Ok(listing) = self.presence.list(KIND, None).await else {
            // Nor whether they are well: whoever cannot know does not leave.
            self.others_are_well.send_replace(false);
            return;
        };
        let now = Instant::now();
        let listed: BTreeSet<_> = listing.entries.iter().map(|(name, _)| name.clone()).collect();
        for (name, value) in listing.entries {
            match serde_json::from_slice::<Member>(&value) {
                Ok(member) => drop(self.known.insert(name, (member, now))),
                Err(_) => tracing::warn!(%name, "A process of the fleet says what this one cannot read"),
            }
        }
        self.known.retain(|_, (_, seen)| now.duration_since(*seen) < NODE_MISSED);
        let media = self.with(Role::Sfu).map(|(name, member)| NodeInfo {
            id: name.clone(),
            url: format!("ws://{}/media-link", member.address),
            region: member.region.clone(),
            draining: member.draining,
        });
        let media: Vec<_> = media.collect();
        let signaling: Vec<_> = self
            .with(Role::Signaling)
            .filter(|(_, member)| !member.draining)
            .map(|(_, member)| member.address.clone())
            .collect();
        // Whoever is missing in the list may be dead: it is no reason for this one to go.
        let able = |role| {
            self.with(role).any(|(name, other)| {
                let another = other.process != self.me.process && listed.contains(name);
                another && other.well && !other.draining
            })
        };
        let others = Vec::from(self.me.roles.clone()).into_iter().all(able);
        self.others_are_well.send_replace(others);
        let of = |role| {
            let staying = self.with(role).filter(|(_, member)| !member.draining);
            staying.fold((0, 0), |(well, all), (name, member)| {
                // Who is missing in the list may be dead: it is not said to be well.
                (well + u32::from(member.well && listed.contains(name)), all + 1)
            })
        };
        let strength = Strength { rooms: of(Role::Signaling), media: of(Role::Sfu) };
        self.strength.send_replace(strength);
        replace(&self.media, media);
        replace(&self.signaling, signaling);
    }

    /// Says that this process is there, and follows the others until `shutdown`; then says that it goes.
    pub(crate) async fn run(
        mut self,
        mut well: watch::Receiver<bool>,
        draining: CancellationToken,
        shutdown: CancellationToken,
    ) {
        let Ok(key) = Key::new(KIND, None, self.name.clone()) else { return };
        self.announce(&key).await;
        let mut every = tokio::time::interval(NODES_EVERY);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = draining.cancelled(), if !self.me.draining => {
                    self.me.draining = true;
                    self.announce(&key).await;
                }
                Ok(()) = well.changed() => {
                    self.me.well = *well.borrow_and_update();
                    self.announce(&key).await;
                }
                _ = every.tick() => self.look().await,
            }
        }
        let _ = self.presence.withdraw(key).await;
    }

    async fn announce(&self, key: &Key) {
        let Ok(value) = serde_json::to_vec(&self.me) else { return };
        // Where it fails now, presence says it again by itself.
        let _ = self.presence.announce(key.clone(), value.into(), NODE_TTL).await;
    }

    fn with(&self, role: Role) -> impl Iterator<Item = (&String, &Member)> {
        let members = self.known.iter().map(|(name, (member, _))| (name, member));
        members.filter(move |(_, member)| member.roles.has(role))
    }
}

fn replace<T: PartialEq>(list: &watch::Sender<Vec<T>>, new: Vec<T>) {
    list.send_if_modified(|old| {
        let changed = *old != new;
        *old = new;
        changed
    });
}

/// A process's name, where none is configured: its address, in presence's alphabet.
pub(crate) fn name_of(address: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' };
    address.chars().map(plain).take(MAX_PRESENCE_ID_BYTES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use platform::presence::memory::MemoryPresence;

    fn member(number: u128, role: Role) -> Member {
        Member {
            process: Uuid::from_u128(number),
            address: "10.0.0.1:7000".into(),
            roles: Roles::try_from(vec![role]).unwrap(),
            region: String::new(),
            draining: false,
            well: true,
        }
    }

    #[tokio::test]
    async fn who_is_missing_in_the_list_may_still_be_there_but_nobody_leaves_because_of_them() {
        let presence: Arc<dyn Presence> = Arc::new(MemoryPresence::default());
        let mut nodes = Nodes::new(Arc::clone(&presence), "one".into(), member(1, Role::Sfu));
        let (media, well, strength) = (nodes.media(), nodes.others_are_well(), nodes.strength());
        nodes.look().await;
        assert!(!*well.borrow());
        let key = Key::new(KIND, None, "two".to_owned()).unwrap();
        let other = serde_json::to_vec(&member(2, Role::Sfu)).unwrap();
        presence.announce(key.clone(), other.into(), NODE_TTL).await.unwrap();
        nodes.look().await;
        assert!(*well.borrow());
        assert_eq!(strength.borrow().media, (1, 1));
        presence.withdraw(key).await.unwrap();
        nodes.look().await;
        assert!(!*well.borrow());
        assert_eq!(media.borrow().len(), 1);
        assert_eq!(strength.borrow().media, (0, 1));
    }
}
