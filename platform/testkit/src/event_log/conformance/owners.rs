//! Owners: one at a time, and whoever was replaced writes no more.

use super::{all, join_all};
use crate::event_log::{DECIDED, append, stream};
use model::{Epoch, TenantId};
use platform::event_log::{Append, AppendError, Fence, Owned, Refusal, Store};
use uuid::Uuid;

const FENCED: AppendError = AppendError::Rejected(Refusal::Fenced);

pub(super) async fn conform(store: &dyn Store) {
    an_owner_is_replaced_by_whoever_knows_it(store).await;
    who_was_replaced_writes_no_more(store).await;
    one_of_many_takes_over(store).await;
}

async fn an_owner_is_replaced_by_whoever_knows_it(store: &dyn Store) {
    let (tenant, scope) = (TenantId(Uuid::from_u128(1)), Uuid::from_u128(40));
    let [first, second] = [Uuid::from_u128(1), Uuid::from_u128(2)];
    assert_eq!(store.owner(tenant, scope).await, Ok(None));
    let fence = store.take(tenant, scope, Epoch(0), first, DECIDED).await;
    assert_eq!(fence, Ok(Fence { scope, epoch: Epoch(1) }));
    for stale in [0, 2] {
        assert_eq!(store.take(tenant, scope, Epoch(stale), second, DECIDED).await, Err(FENCED));
    }
    assert_eq!(
        store.owner(tenant, scope).await,
        Ok(Some(Owned { holder: first, epoch: Epoch(1), at: DECIDED }))
    );
    store.take(tenant, scope, Epoch(1), second, DECIDED).await.expect("taken");
    assert_eq!(
        store.owner(tenant, scope).await,
        Ok(Some(Owned { holder: second, epoch: Epoch(2), at: DECIDED }))
    );
    assert_eq!(store.owner(TenantId(Uuid::from_u128(2)), scope).await, Ok(None), "another tenant's");
}

async fn who_was_replaced_writes_no_more(store: &dyn Store) {
    let (stream, scope, holder) = (stream(41), Uuid::from_u128(41), Uuid::from_u128(1));
    let by = |fence, expected, key| Append { fence: Some(fence), ..append(stream, expected, Some(key), 1) };
    let nobody = Fence { scope, epoch: Epoch(1) };
    assert_eq!(store.append(by(nobody, 0, 1)).await, Err(FENCED));
    let old = store.take(stream.tenant, scope, Epoch(0), holder, DECIDED).await.expect("taken");
    store.append(by(old, 0, 1)).await.expect("recorded");
    let new = store.take(stream.tenant, scope, old.epoch, holder, DECIDED).await.expect("taken");
    assert_eq!(store.append(by(old, 1, 2)).await, Err(FENCED));
    // What it had recorded, it is still told.
    assert!(store.append(by(old, 1, 1)).await.expect("repeated").repeated);
    store.append(by(new, 1, 2)).await.expect("recorded");
    assert_eq!(all(store, stream).await.len(), 2);
}

async fn one_of_many_takes_over(store: &dyn Store) {
    let (tenant, scope) = (TenantId(Uuid::from_u128(1)), Uuid::from_u128(42));
    for epoch in 0..5 {
        let rivals =
            (0..8_u128).map(|n| store.take(tenant, scope, Epoch(epoch), Uuid::from_u128(n), DECIDED));
        let won = join_all(rivals).await.iter().filter(|taken| taken.is_ok()).count();
        assert_eq!(won, 1, "at epoch {epoch}");
    }
}
