//! The ledger: what was really recorded, kept by somebody who believes neither the store nor the machines.

use crate::sim::Sim;
use model::{CommandId, Epoch, TenantId};
use parking_lot::Mutex;
use platform::event_log::{Append, Appended, Fence, Partition, StreamId};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use uuid::Uuid;

/// A stream as the ledger names it.
pub(crate) type Name = (&'static str, TenantId, Uuid);

pub(crate) fn name(stream: StreamId) -> Name {
    (stream.category.name, stream.tenant, stream.id)
}

#[derive(Default)]
pub(crate) struct Recorded {
    /// Each event as it was appended: kind and body.
    pub(crate) events: BTreeMap<Name, Vec<(String, String)>>,
    pub(crate) keys: BTreeMap<Name, BTreeSet<CommandId>>,
    pub(crate) letters: BTreeMap<Partition, Vec<(String, String)>>,
    /// The epoch of what is owned, and on which machine its owner is.
    owners: BTreeMap<(TenantId, Uuid), (Epoch, usize)>,
}

pub(crate) struct Ledger {
    sim: Arc<Sim>,
    /// Owners must say that they are.
    fenced: bool,
    pub(crate) recorded: Mutex<Recorded>,
}

impl Ledger {
    pub(crate) fn new(sim: Arc<Sim>, fenced: bool) -> Arc<Self> {
        Arc::new(Self { sim, fenced, recorded: Mutex::default() })
    }

    pub(crate) fn appended(
        &self,
        machine: usize,
        append: &Append,
        partition: Partition,
        appended: &Appended,
    ) {
        if appended.repeated {
            return self.sim.count("append-repeated");
        }
        let (stream, mut recorded) = (name(append.stream), self.recorded.lock());
        if self.fenced {
            let owner = append.fence.and_then(|fence| {
                let owner = recorded.owners.get(&(append.stream.tenant, fence.scope));
                owner.filter(|(epoch, _)| *epoch == fence.epoch)
            });
            if owner.is_none_or(|(_, owner)| *owner != machine) {
                self.sim.fail(format!(
                    "machine {machine} appended to {stream:?} and was not its owner: {owner:?}"
                ));
            }
        }
        if let Some(key) = append.key
            && !recorded.keys.entry(stream).or_default().insert(key)
        {
            self.sim.fail(format!("command {key} was recorded twice in {stream:?}"));
        }
        let events = recorded.events.entry(stream).or_default();
        if events.len() as u64 != append.expected.0 {
            self.sim.fail(format!("{stream:?} had {} events, not {:?}", events.len(), append.expected));
        }
        events.extend(append.events.iter().map(|event| (event.kind.to_owned(), event.body.clone())));
        let letters = append.outbox.iter().map(|letter| (letter.subject.clone(), letter.body.clone()));
        recorded.letters.entry(partition).or_default().extend(letters);
        drop(recorded);
        self.sim.tell(|| {
            let kinds: Vec<_> = append.events.iter().map(|event| event.kind).collect();
            format!("machine {machine} recorded {} in {} {}", kinds.join(", "), stream.0, stream.2)
        });
    }

    pub(crate) fn taken(&self, machine: usize, tenant: TenantId, scope: Uuid, expected: Epoch, fence: Fence) {
        let mut recorded = self.recorded.lock();
        let (before, owner) = recorded.owners.get(&(tenant, scope)).copied().unwrap_or((Epoch(0), machine));
        if before != expected || fence.epoch.0 != before.0 + 1 {
            self.sim.fail(format!(
                "{scope} was taken in epoch {before:?} from {expected:?} to {:?}",
                fence.epoch
            ));
        }
        recorded.owners.insert((tenant, scope), (fence.epoch, machine));
        drop(recorded);
        if !tenant.0.is_nil() {
            if before.0 > 0 && owner != machine {
                self.sim.count("takeover");
            }
            self.sim.tell(|| format!("machine {machine} owns {scope} in epoch {}", fence.epoch.0));
        }
    }
}
