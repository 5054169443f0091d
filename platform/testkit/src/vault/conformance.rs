//! What every keyring must do, whatever it is made of.

use crate::event_log::DECIDED;
use model::TenantId;
use platform::vault::keyring::{
    DataKey, Found, Keyring, KeyringError, Shred, Shredding, TenantKey, TenantStatus, Versions,
};
use std::sync::Arc;
use tokio::task::JoinSet;
use uuid::Uuid;

const ONE: TenantId = TenantId(Uuid::from_u128(1));
const TWO: TenantId = TenantId(Uuid::from_u128(2));

fn tenant_key(tenant: TenantId, version: u32, wrapped: u8) -> TenantKey {
    TenantKey { tenant, version, kek: format!("kek-{wrapped}"), wrapped: vec![wrapped; 60], at: DECIDED }
}

fn data_key(tenant: TenantId, scope: u128, version: u32, wrapped: u8) -> DataKey {
    DataKey { tenant, scope: Uuid::from_u128(scope), version, wrapped: vec![wrapped; 60], at: DECIDED }
}

fn shred(tenant: TenantId, scope: u128) -> Shred {
    Shred { tenant, scope: Uuid::from_u128(scope), reason: "asked for".to_owned(), at: DECIDED }
}

fn gone(tenant: TenantId, scope: u128) -> Found {
    Found::Shredded { tenant, scope: Uuid::from_u128(scope) }
}

/// Runs the suite. The keyring must be empty.
///
/// # Panics
/// The keyring does not conform.
pub async fn conformance(keyring: Arc<dyn Keyring>) {
    let ring = &*keyring;
    versions_of_tenants_keys_count_up(ring).await;
    a_scope_has_one_key(ring).await;
    keys_are_wrapped_anew(ring).await;
    what_is_shredded_stays_so(ring).await;
    all_agree_on_a_key(&keyring).await;
}

async fn versions_of_tenants_keys_count_up(ring: &dyn Keyring) {
    assert_eq!(ring.tenant_keys(ONE).await, Ok(vec![]));
    assert_eq!(ring.versions(None, 10).await, Ok(vec![]));
    assert_eq!(ring.add_tenant_key(tenant_key(ONE, 2, 9)).await, Ok(false), "not the first");
    assert_eq!(ring.add_tenant_key(tenant_key(ONE, 1, 1)).await, Ok(true));
    assert_eq!(ring.add_tenant_key(tenant_key(ONE, 1, 9)).await, Ok(false), "somebody was faster");
    assert_eq!(ring.add_tenant_key(tenant_key(ONE, 2, 2)).await, Ok(true));
    assert_eq!(ring.add_tenant_key(tenant_key(TWO, 1, 3)).await, Ok(true));
    let both = vec![tenant_key(ONE, 1, 1), tenant_key(ONE, 2, 2)];
    assert_eq!(ring.tenant_keys(ONE).await.as_ref(), Ok(&both));
    let [one, two] =
        [Versions { tenant: ONE, oldest: 1, newest: 2 }, Versions { tenant: TWO, oldest: 1, newest: 1 }];
    assert_eq!(ring.versions(None, 10).await, Ok(vec![one, two]));
    assert_eq!(ring.versions(None, 1).await, Ok(vec![one]));
    assert_eq!(ring.versions(Some(ONE), 10).await, Ok(vec![two]));
    assert_eq!(ring.versions(Some(TWO), 10).await, Ok(vec![]));
    let new = TenantKey { version: 1, ..tenant_key(ONE, 1, 7) };
    assert_eq!(ring.rewrap_tenant_key(both[0].clone(), new.clone()).await, Ok(true));
    assert_eq!(ring.rewrap_tenant_key(both[0].clone(), tenant_key(ONE, 1, 8)).await, Ok(false));
    assert_eq!(ring.tenant_keys(ONE).await, Ok(vec![new, both[1].clone()]));
}

async fn a_scope_has_one_key(ring: &dyn Keyring) {
    let first = data_key(ONE, 1, 1, 11);
    assert_eq!(ring.find(vec![(ONE, first.scope)]).await, Ok(vec![]));
    assert_eq!(ring.settle(vec![first.clone()]).await, Ok(vec![Found::Key(first.clone())]));
    let other = data_key(ONE, 2, 2, 12);
    let found = ring.settle(vec![data_key(ONE, 1, 2, 99), other.clone()]).await;
    assert_eq!(found, Ok(vec![Found::Key(first.clone()), Found::Key(other.clone())]));
    // The same scope of another tenant is another.
    let theirs = data_key(TWO, 1, 1, 13);
    assert_eq!(ring.settle(vec![theirs.clone()]).await, Ok(vec![Found::Key(theirs.clone())]));
    let wanted = vec![(TWO, theirs.scope), (TWO, other.scope), (ONE, first.scope)];
    let mut found = ring.find(wanted).await.expect("found");
    found.sort_by_key(Found::scope);
    assert_eq!(found, [Found::Key(first), Found::Key(theirs)]);
    let retired = ring.settle(vec![data_key(ONE, 3, 2, 1), data_key(ONE, 4, 7, 1)]).await;
    assert_eq!(retired, Err(KeyringError::Retired), "no such version");
    assert_eq!(ring.find(vec![(ONE, Uuid::from_u128(3))]).await, Ok(vec![]), "none of them was added");
}

async fn keys_are_wrapped_anew(ring: &dyn Keyring) {
    let (old, new) = (data_key(ONE, 1, 1, 11), data_key(ONE, 1, 2, 21));
    assert_eq!(ring.retire(ONE).await, Ok(0), "something is wrapped under it");
    assert_eq!(ring.stale(ONE, 10).await, Ok(vec![old.clone()]));
    assert_eq!(ring.stale(ONE, 0).await, Ok(vec![]));
    assert_eq!(ring.rewrap(vec![(old.clone(), new.clone())]).await, Ok(1));
    assert_eq!(ring.rewrap(vec![(old, data_key(ONE, 1, 2, 31))]).await, Ok(0), "it is another by now");
    assert_eq!(ring.find(vec![(ONE, new.scope)]).await, Ok(vec![Found::Key(new)]));
    assert_eq!(ring.stale(ONE, 10).await, Ok(vec![]));
    assert_eq!(ring.retire(ONE).await, Ok(1));
    assert_eq!(ring.retire(ONE).await, Ok(0), "the newest stays");
    assert_eq!(ring.retire(TWO).await, Ok(0));
    assert_eq!(ring.tenant_keys(ONE).await, Ok(vec![tenant_key(ONE, 2, 2)]));
    assert_eq!(ring.settle(vec![data_key(ONE, 5, 1, 1)]).await, Err(KeyringError::Retired));
    assert_eq!(
        ring.add_tenant_key(tenant_key(ONE, 3, 4)).await,
        Ok(true),
        "versions are not given out again"
    );
}

async fn what_is_shredded_stays_so(ring: &dyn Keyring) {
    assert_eq!(ring.shredded(0, 10).await, Ok(vec![]));
    assert_eq!(ring.shred(shred(ONE, 1)).await, Ok(Shredding::Done));
    assert_eq!(ring.shred(shred(ONE, 1)).await, Ok(Shredding::Before));
    assert_eq!(ring.shred(shred(ONE, 4_711)).await, Ok(Shredding::NoKey));
    assert_eq!(ring.find(vec![(ONE, Uuid::from_u128(1))]).await, Ok(vec![gone(ONE, 1)]));
    assert_eq!(ring.settle(vec![data_key(ONE, 1, 3, 1)]).await, Ok(vec![gone(ONE, 1)]), "never another");
    let before = data_key(ONE, 1, 2, 21);
    assert_eq!(ring.rewrap(vec![(before.clone(), before)]).await, Ok(0));
    let theirs = ring.find(vec![(TWO, Uuid::from_u128(1))]).await.expect("found");
    assert!(matches!(theirs[..], [Found::Key(_)]), "another tenant's is untouched");
    assert_eq!(ring.shred(shred(TWO, 1)).await, Ok(Shredding::Done));
    let all = ring.shredded(0, 10).await.expect("listed");
    assert_eq!(all.iter().map(|one| one.number).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(all.iter().map(|one| one.shred.clone()).collect::<Vec<_>>(), [shred(ONE, 1), shred(TWO, 1)]);
    assert_eq!(ring.shredded(0, 1).await.expect("listed"), all[..1]);
    assert_eq!(ring.shredded(1, 10).await.expect("listed"), all[1..]);
    let status = TenantStatus {
        tenant: ONE,
        newest: 3,
        versions: 2,
        keks: vec!["kek-2".into(), "kek-4".into()],
        data_keys: 1,
        stale: 1,
        shredded: 1,
    };
    assert_eq!(ring.status(ONE).await, Ok(status));
}

async fn all_agree_on_a_key(keyring: &Arc<dyn Keyring>) {
    let mut tasks = JoinSet::new();
    for n in 0..32_u8 {
        let keyring = Arc::clone(keyring);
        tasks.spawn(async move {
            // In different orders, as processes come to them.
            let mut scopes: Vec<u128> = (100..110).collect();
            if n % 2 == 0 {
                scopes.reverse();
            }
            let keys = scopes.into_iter().map(|scope| data_key(ONE, scope, 3, n)).collect();
            let mut found = keyring.settle(keys).await.expect("settled");
            found.sort_by_key(Found::scope);
            found
        });
    }
    let answers = tasks.join_all().await;
    assert_eq!(answers[0].len(), 10);
    assert!(answers.iter().all(|answer| *answer == answers[0]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_keyring_in_memory_conforms() {
        conformance(Arc::new(crate::vault::MemoryKeyring::default())).await;
    }
}
