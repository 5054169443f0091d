//! What a process does unasked: takes over waiting rooms whose owner is gone, so that nobody who waits there is
//! forgotten; gives up those that another process has taken over, so that nobody is shown what is no longer so; and
//! keeps the index up to date, so that taking one over is quick.

use crate::{find::Wanted, limits, room::Input, shared::Shared};
use futures_util::StreamExt as _;
use model::{TenantId, WaitingRoomId};
use platform::event_log::{Holder, Possession, ReadError};
use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};
use tokio::time::sleep;
use uuid::Uuid;

/// Keeps the index up to date. Ends when it is dropped.
pub(crate) async fn keep_index(shared: Arc<Shared>) {
    loop {
        // Where it cannot be written now, it is the next time.
        let _ = shared.index.catch_up().await;
        sleep(limits::INDEX_EVERY).await;
    }
}

/// Looks after waiting rooms whose owners are gone, and those that are no longer ours. Ends when it is dropped.
pub(crate) async fn sweep(shared: Arc<Shared>) {
    let mut silent = HashSet::new();
    loop {
        sleep(shared.some(limits::SWEEP)).await;
        // Where it cannot be read now, it is the next time.
        let _ = give_up(&shared).await;
        match look(&shared, &silent).await {
            Ok(now) => silent = now,
            Err(ReadError) => silent.clear(),
        }
    }
}

/// Takes over what those own who did not answer last time nor now. Answers who does not.
async fn look(shared: &Shared, before: &HashSet<Uuid>) -> Result<HashSet<Uuid>, ReadError> {
    let mut silent = HashSet::new();
    for Holder { process, address } in shared.store.holders().await? {
        if process == shared.me.process {
            continue;
        }
        let earlier_life = address == shared.me.address || address.is_empty();
        if !earlier_life && shared.peers.is_alive(&address, process).await {
            continue;
        }
        silent.insert(process);
        if earlier_life || before.contains(&process) {
            take_over(shared, process).await?;
        }
    }
    Ok(silent)
}

async fn take_over(shared: &Shared, process: Uuid) -> Result<(), ReadError> {
    let mut after: Option<(TenantId, Uuid)> = None;
    loop {
        let page = shared.store.owned_by(process, after, limits::STREAM_PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some((last.tenant, last.scope));
        // The platform's own is not ours to look after.
        let rooms = page.into_iter().filter(|possession| !possession.tenant.0.is_nil());
        let taken = rooms.map(|Possession { tenant, scope, epoch }| {
            let wanted = Wanted { gone: Some(epoch), ..Wanted::new(tenant, WaitingRoomId(scope)) };
            shared.find(wanted)
        });
        let _places: Vec<_> =
            futures_util::stream::iter(taken).buffer_unordered(limits::ROOMS_AT_ONCE).collect().await;
    }
}

/// Sends everybody on from waiting rooms that another process has taken over. Whoever appends there is told so by the
/// store; but where nobody says anything, people would look at an old queue for as long as that lasts.
async fn give_up(shared: &Shared) -> Result<(), ReadError> {
    // First what is here, then what is ours: what is taken meanwhile is in neither.
    let mut lost: BTreeMap<_, _> =
        shared.rooms.read().iter().map(|(home, inbox)| ((home.tenant, home.room.0), inbox.clone())).collect();
    let mut after: Option<(TenantId, Uuid)> = None;
    while !lost.is_empty() {
        let page = shared.store.owned_by(shared.me.process, after, limits::STREAM_PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some((last.tenant, last.scope));
        for possession in page {
            lost.remove(&(possession.tenant, possession.scope));
        }
    }
    for inbox in lost.into_values() {
        // If it is full, the room hears of it by what it appends.
        let _ = inbox.try_send(Input::Lost);
    }
    Ok(())
}

impl Shared {
    /// A duration of which nobody else has the same: processes do not all look at once.
    fn some(&self, duration: Duration) -> Duration {
        let share = self.me.process.as_bytes()[15];
        duration.mul_f64(0.75 + f64::from(share) / 512.0)
    }
}
