//! Owners: one at a time, and whoever was replaced writes no more.

use super::{all, join_all};
use crate::event_log::{DECIDED, append, stream};
use model::{Epoch, TenantId};
use platform::{
    event_log::{Append, AppendError, Fence, Holder, Owned, Possession, Refusal, Store},
    limits::MAX_ADDRESS_BYTES,
};
use uuid::Uuid;

const FENCED: AppendError = AppendError::Rejected(Refusal::Fenced);

pub(super) async fn conform(store: &dyn Store) {
    an_owner_is_replaced_by_whoever_knows_it(store).await;
    who_was_replaced_writes_no_more(store).await;
    one_of_many_takes_over(store).await;
    what_a_process_owns_can_be_listed(store).await;
    an_address_is_as_long_as_it_may_be(store).await;
}

fn holder(process: u128) -> Holder {
    Holder { process: Uuid::from_u128(process), address: format!("node-{process}:7000") }
}

async fn an_owner_is_replaced_by_whoever_knows_it(store: &dyn Store) {
    let (tenant, scope) = (TenantId(Uuid::from_u128(1)), Uuid::from_u128(40));
    let [first, second] = [holder(1), holder(2)];
    assert_eq!(store.owner(tenant, scope).await, Ok(None));
    let fence = store.take(tenant, scope, Epoch(0), first.clone(), DECIDED).await;
    assert_eq!(fence, Ok(Fence { scope, epoch: Epoch(1) }));
    for stale in [0, 2] {
        assert_eq!(store.take(tenant, scope, Epoch(stale), second.clone(), DECIDED).await, Err(FENCED));
    }
    assert_eq!(
        store.owner(tenant, scope).await,
        Ok(Some(Owned { holder: first, epoch: Epoch(1), at: DECIDED }))
    );
    store.take(tenant, scope, Epoch(1), second.clone(), DECIDED).await.expect("taken");
    assert_eq!(
        store.owner(tenant, scope).await,
        Ok(Some(Owned { holder: second, epoch: Epoch(2), at: DECIDED }))
    );
    assert_eq!(store.owner(TenantId(Uuid::from_u128(2)), scope).await, Ok(None), "another tenant's");
}

async fn who_was_replaced_writes_no_more(store: &dyn Store) {
    let (stream, scope) = (stream(41), Uuid::from_u128(41));
    let by = |fence, expected, key| Append { fence: Some(fence), ..append(stream, expected, Some(key), 1) };
    let nobody = Fence { scope, epoch: Epoch(1) };
    assert_eq!(store.append(by(nobody, 0, 1)).await, Err(FENCED));
    let old = store.take(stream.tenant, scope, Epoch(0), holder(1), DECIDED).await.expect("taken");
    store.append(by(old, 0, 1)).await.expect("recorded");
    let new = store.take(stream.tenant, scope, old.epoch, holder(1), DECIDED).await.expect("taken");
    assert_eq!(store.append(by(old, 1, 2)).await, Err(FENCED));
    // What it had recorded, it is still told.
    assert!(store.append(by(old, 1, 1)).await.expect("repeated").repeated);
    store.append(by(new, 1, 2)).await.expect("recorded");
    assert_eq!(all(store, stream).await.len(), 2);
}

async fn one_of_many_takes_over(store: &dyn Store) {
    let (tenant, scope) = (TenantId(Uuid::from_u128(1)), Uuid::from_u128(42));
    for epoch in 0..5 {
        let rivals = (0..8_u128).map(|n| store.take(tenant, scope, Epoch(epoch), holder(n), DECIDED));
        let won = join_all(rivals).await.iter().filter(|taken| taken.is_ok()).count();
        assert_eq!(won, 1, "at epoch {epoch}");
    }
}

async fn what_a_process_owns_can_be_listed(store: &dyn Store) {
    let [old, new] = [holder(60), holder(61)];
    let possession = |tenant: u128, scope: u128, epoch| Possession {
        tenant: TenantId(Uuid::from_u128(tenant)),
        scope: Uuid::from_u128(scope),
        epoch: Epoch(epoch),
    };
    let mut owned = vec![possession(1, 60, 1), possession(1, 61, 1), possession(3, 59, 1)];
    for Possession { tenant, scope, .. } in &owned {
        store.take(*tenant, *scope, Epoch(0), old.clone(), DECIDED).await.expect("taken");
    }
    assert_eq!(store.owned_by(old.process, None, 10).await, Ok(owned.clone()));
    let first = store.owned_by(old.process, None, 2).await.expect("read");
    assert_eq!(first, owned[..2]);
    let after = first.last().map(|last| (last.tenant, last.scope));
    assert_eq!(store.owned_by(old.process, after, 2).await, Ok(owned[2..].to_vec()));
    let taken = owned.remove(0);
    store.take(taken.tenant, taken.scope, taken.epoch, new.clone(), DECIDED).await.expect("taken");
    assert_eq!(store.owned_by(old.process, None, 10).await, Ok(owned));
    assert_eq!(store.owned_by(new.process, None, 10).await, Ok(vec![possession(1, 60, 2)]));
    let holders = store.holders().await.expect("read");
    assert!(holders.is_sorted() && holders.contains(&old) && holders.contains(&new), "{holders:?}");
    assert_eq!(store.owned_by(Uuid::from_u128(62), None, 10).await, Ok(Vec::new()));
}

async fn an_address_is_as_long_as_it_may_be(store: &dyn Store) {
    let (tenant, scope) = (TenantId(Uuid::from_u128(1)), Uuid::from_u128(63));
    let at = |bytes| Holder { address: "a".repeat(bytes), ..holder(63) };
    let larger = store.take(tenant, scope, Epoch(0), at(MAX_ADDRESS_BYTES + 1), DECIDED).await;
    assert_eq!(larger, Err(AppendError::Rejected(Refusal::TooLarge)));
    store.take(tenant, scope, Epoch(0), at(MAX_ADDRESS_BYTES), DECIDED).await.expect("taken");
}
