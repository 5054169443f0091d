//! A keyring in memory.

use model::TenantId;
use parking_lot::Mutex;
use platform::vault::keyring::{
    DataKey, Found, Keyring, KeyringError, KeyringFuture, Shred, Shredded, Shredding, TenantKey,
    TenantStatus, Versions,
};
use std::{
    collections::BTreeMap,
    future::ready,
    sync::atomic::{AtomicBool, Ordering},
};
use uuid::Uuid;

/// A keyring in memory, which can be told to be away.
#[derive(Debug, Default)]
pub struct MemoryKeyring {
    state: Mutex<State>,
    away: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    tenants: BTreeMap<(TenantId, u32), TenantKey>,
    keys: BTreeMap<(TenantId, Uuid), Option<DataKey>>,
    shredded: Vec<Shredded>,
}

impl State {
    fn of(&self, tenant: TenantId) -> Vec<TenantKey> {
        self.tenants.range((tenant, 0)..=(tenant, u32::MAX)).map(|(_, key)| key.clone()).collect()
    }

    fn keys_of(&self, tenant: TenantId) -> impl Iterator<Item = &DataKey> {
        self.keys.values().flatten().filter(move |key| key.tenant == tenant)
    }

    fn newest(&self, tenant: TenantId) -> u32 {
        self.of(tenant).last().map_or(0, |key| key.version)
    }

    fn found(&self, scopes: impl Iterator<Item = (TenantId, Uuid)>) -> Vec<Found> {
        let found = |scope| {
            Some(match self.keys.get(&scope)? {
                Some(key) => Found::Key(key.clone()),
                None => Found::Shredded { tenant: scope.0, scope: scope.1 },
            })
        };
        scopes.filter_map(found).collect()
    }
}

impl MemoryKeyring {
    /// From now on it does not answer, or does again.
    pub fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }

    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut State) -> Result<T, KeyringError>,
    ) -> KeyringFuture<'_, T> {
        let away = self.away.load(Ordering::Relaxed);
        let answer = if away { Err(KeyringError::Away) } else { question(&mut self.state.lock()) };
        Box::pin(ready(answer))
    }
}

impl Keyring for MemoryKeyring {
    fn tenant_keys(&self, tenant: TenantId) -> KeyringFuture<'_, Vec<TenantKey>> {
        self.ask(|state| Ok(state.of(tenant)))
    }

    fn add_tenant_key(&self, key: TenantKey) -> KeyringFuture<'_, bool> {
        self.ask(|state| {
            let next = key.version == state.newest(key.tenant) + 1;
            if next {
                state.tenants.insert((key.tenant, key.version), key);
            }
            Ok(next)
        })
    }

    fn rewrap_tenant_key(&self, old: TenantKey, new: TenantKey) -> KeyringFuture<'_, bool> {
        self.ask(|state| {
            let Some(there) = state.tenants.get_mut(&(old.tenant, old.version)) else { return Ok(false) };
            let same = there.wrapped == old.wrapped;
            if same {
                (there.kek, there.wrapped) = (new.kek, new.wrapped);
            }
            Ok(same)
        })
    }

    fn retire(&self, tenant: TenantId) -> KeyringFuture<'_, u64> {
        self.ask(|state| {
            let newest = state.newest(tenant);
            let unused = |version| !state.keys_of(tenant).any(|key| key.version == version);
            let gone: Vec<_> = state.of(tenant).into_iter().map(|key| key.version).collect();
            let gone: Vec<_> =
                gone.into_iter().filter(|version| *version < newest && unused(*version)).collect();
            for version in &gone {
                state.tenants.remove(&(tenant, *version));
            }
            Ok(gone.len() as u64)
        })
    }

    fn find(&self, scopes: Vec<(TenantId, Uuid)>) -> KeyringFuture<'_, Vec<Found>> {
        self.ask(|state| Ok(state.found(scopes.into_iter())))
    }

    fn settle(&self, keys: Vec<DataKey>) -> KeyringFuture<'_, Vec<Found>> {
        self.ask(|state| {
            let new = |key: &&DataKey| !state.keys.contains_key(&(key.tenant, key.scope));
            if keys.iter().filter(new).any(|key| !state.tenants.contains_key(&(key.tenant, key.version))) {
                return Err(KeyringError::Retired);
            }
            for key in &keys {
                state.keys.entry((key.tenant, key.scope)).or_insert_with(|| Some(key.clone()));
            }
            Ok(state.found(keys.iter().map(|key| (key.tenant, key.scope))))
        })
    }

    fn stale(&self, tenant: TenantId, limit: usize) -> KeyringFuture<'_, Vec<DataKey>> {
        self.ask(|state| {
            let newest = state.newest(tenant);
            Ok(state.keys_of(tenant).filter(|key| key.version < newest).take(limit).cloned().collect())
        })
    }

    fn rewrap(&self, keys: Vec<(DataKey, DataKey)>) -> KeyringFuture<'_, u64> {
        self.ask(|state| {
            let mut done = 0;
            for (old, new) in keys {
                if let Some(Some(there)) = state.keys.get_mut(&(old.tenant, old.scope))
                    && there.wrapped == old.wrapped
                {
                    (there.version, there.wrapped) = (new.version, new.wrapped);
                    done += 1;
                }
            }
            Ok(done)
        })
    }

    fn shred(&self, shred: Shred) -> KeyringFuture<'_, Shredding> {
        self.ask(|state| match state.keys.get_mut(&(shred.tenant, shred.scope)) {
            None => Ok(Shredding::NoKey),
            Some(None) => Ok(Shredding::Before),
            Some(key) => {
                *key = None;
                let number = state.shredded.len() as u64 + 1;
                state.shredded.push(Shredded { number, shred });
                Ok(Shredding::Done)
            }
        })
    }

    fn shredded(&self, after: u64, limit: usize) -> KeyringFuture<'_, Vec<Shredded>> {
        self.ask(|state| {
            Ok(state.shredded.iter().filter(|s| s.number > after).take(limit).cloned().collect())
        })
    }

    fn versions(&self, after: Option<TenantId>, limit: usize) -> KeyringFuture<'_, Vec<Versions>> {
        self.ask(|state| {
            let mut all: BTreeMap<TenantId, Versions> = BTreeMap::new();
            for (tenant, version) in state.tenants.keys().copied() {
                let versions = Versions { tenant, oldest: version, newest: version };
                all.entry(tenant).or_insert(versions).newest = version;
            }
            let later =
                all.into_values().filter(|versions| after.is_none_or(|after| versions.tenant > after));
            Ok(later.take(limit).collect())
        })
    }

    fn status(&self, tenant: TenantId) -> KeyringFuture<'_, TenantStatus> {
        self.ask(|state| {
            let (keys, newest) = (state.of(tenant), state.newest(tenant));
            let mut keks: Vec<_> = keys.iter().map(|key| key.kek.clone()).collect();
            keks.dedup();
            Ok(TenantStatus {
                tenant,
                newest,
                versions: keys.len() as u32,
                keks,
                data_keys: state.keys_of(tenant).count() as u64,
                stale: state.keys_of(tenant).filter(|key| key.version < newest).count() as u64,
                shredded: state.shredded.iter().filter(|s| s.shred.tenant == tenant).count() as u64,
            })
        })
    }
}
