//! Random histories, beside a store in memory.

use super::all;
use crate::event_log::{DECIDED, MemoryStore, append, command, stream};
use model::{Epoch, TenantId};
use platform::{
    event_log::{Append, AuditRow, EventStore as _, Fence, Holder, Ownership as _, Store, StreamId},
    limits::MAX_READ,
};
use proptest::prelude::*;
use uuid::Uuid;

/// One step of a random history.
#[derive(Clone, Debug)]
pub struct Step {
    stream: u128,
    behind: u64,
    key: Option<u128>,
    events: usize,
    /// With a message, an audit row and an answer.
    whole: bool,
    /// By the owner of this epoch.
    epoch: Option<u64>,
    /// Somebody takes over first, believing the owner to be of this epoch.
    take: Option<u64>,
}

/// Random histories: few streams, keys and epochs, so that they collide.
pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (
        0..3_u128,
        prop_oneof![4 => Just(0), 1 => 1..3_u64],
        prop::option::of(0..6_u128),
        1..4_usize,
        any::<bool>(),
        prop::option::weighted(0.3, 0..4_u64),
        prop::option::weighted(0.2, 0..3_u64),
    );
    let step = step.prop_map(|(stream, behind, key, events, whole, epoch, take)| Step {
        stream,
        behind,
        key,
        events,
        whole,
        epoch,
        take,
    });
    prop::collection::vec(step, 1..40)
}

fn nobody() -> Holder {
    Holder { process: Uuid::nil(), address: String::new() }
}

/// The owner of everything in these histories.
const SCOPE: Uuid = Uuid::from_u128(9);

impl Step {
    fn append(&self, stream: StreamId, head: u64) -> Append {
        let expected = head.saturating_sub(self.behind);
        let events = append(stream, expected, self.key, self.events);
        let fence = self.epoch.map(|epoch| Fence { scope: SCOPE, epoch: Epoch(epoch) });
        if !self.whole {
            return Append { fence, ..events };
        }
        let whole = command(stream, expected, self.key.unwrap_or(0));
        Append { fence, key: events.key, events: events.events, ..whole }
    }
}

/// Drives a store and a [`MemoryStore`] through one history; they must not be told apart. `run` gives the history a
/// tenant of its own, so that one store can serve many.
///
/// # Panics
/// They differ.
pub async fn agrees_with_memory(store: &dyn Store, run: u64, steps: &[Step]) {
    let memory = MemoryStore::default();
    let tenant = TenantId(Uuid::from_u128(u128::from(run) + (1 << 64)));
    let name = |n: u128| StreamId { tenant, ..stream(n) };
    let mut heads = [0_u64; 3];
    for step in steps {
        if let Some(expected) = step.take {
            let ours = store.take(tenant, SCOPE, Epoch(expected), nobody(), DECIDED).await;
            let theirs = memory.take(tenant, SCOPE, Epoch(expected), nobody(), DECIDED).await;
            assert_eq!(ours, theirs, "{step:?}");
        }
        let head = &mut heads[step.stream as usize];
        let append = step.append(name(step.stream), *head);
        let (ours, theirs) = (store.append(append.clone()).await, memory.append(append).await);
        assert_eq!(ours, theirs, "{step:?}");
        if let Ok(appended) = ours {
            *head = (*head).max(appended.version.0);
        }
    }
    for n in 0..3 {
        let (ours, theirs) = (all(store, name(n)).await, all(&memory, name(n)).await);
        assert!(ours == theirs, "{ours:?} {theirs:?}");
    }
    assert_eq!(audits(store, tenant).await, audits(&memory, tenant).await);
}

async fn audits(store: &dyn Store, tenant: TenantId) -> Vec<(u64, Option<Uuid>)> {
    let mut rows: Vec<AuditRow> = Vec::new();
    for partition in store.partitions() {
        rows.extend(store.audit(tenant, partition, 0, MAX_READ).await.expect("read"));
    }
    rows.into_iter().map(|row| (row.number, row.subject)).collect()
}
