//! Which key: held, from the keyring, or made.

use super::{
    Vault, VaultError,
    held::Held,
    key::Key,
    keyring::{DataKey, Found, KeyringError, KeyringFuture, TenantKey},
    metrics::Failure,
    place::Parts,
    provider::{Of, ProviderError, ProviderFuture, Wrapped},
};
use crate::limits::{KEYRING_PATIENCE, KEYRING_PAUSE, KEYS_AT_ONCE, MAX_TENANTS_HELD};
use model::TenantId;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};
use tokio::time::Instant;
use uuid::Uuid;

/// A scope, in its tenant.
pub(super) type Scope = (TenantId, Uuid);

/// What is known of some scopes; one that is not here has no key.
pub(super) type Keys = HashMap<Scope, Held>;

/// How often a data key is wrapped again because the tenant's key was retired meanwhile.
const TRIES: usize = 3;

/// A tenant's keys, unwrapped.
#[derive(Debug)]
pub(super) struct TenantKeys {
    pub(super) newest: u32,
    /// Those that can be unwrapped.
    keys: BTreeMap<u32, Key>,
}

impl TenantKeys {
    pub(super) fn wrap(&self, scope: Scope, key: &Key) -> Result<(u32, Vec<u8>), VaultError> {
        let kek = self.keys.get(&self.newest).ok_or(VaultError::Lost)?;
        let wrapped = kek.wrap(&context(scope, self.newest), key).map_err(|_| VaultError::Away)?;
        Ok((self.newest, wrapped))
    }

    pub(super) fn unwrap(&self, of: &DataKey) -> Result<Key, VaultError> {
        let kek = self.keys.get(&of.version).ok_or(VaultError::Lost)?;
        kek.unwrap(&context((of.tenant, of.scope), of.version), &of.wrapped).ok_or(VaultError::Tampered)
    }

    fn can_unwrap(&self, version: u32) -> bool {
        self.keys.contains_key(&version)
    }
}

/// What a wrapped data key is bound to.
fn context((tenant, scope): Scope, version: u32) -> Vec<u8> {
    let mut parts = Parts(Vec::with_capacity(100));
    parts.put(b"telehealth data key 1");
    parts.put(tenant.0.as_bytes());
    parts.put(scope.as_bytes());
    parts.put(&version.to_be_bytes());
    parts.0
}

impl Vault {
    /// Keys to read with. What is held needs nobody.
    pub(super) async fn to_read(&self, scopes: Vec<Scope>) -> Result<Keys, VaultError> {
        let (mut known, missing) = self.held(scopes);
        for page in missing.chunks(KEYS_AT_ONCE) {
            let found = self.ask(self.keyring.find(page.to_vec())).await?;
            self.take(found, &mut known).await?;
        }
        Ok(known)
    }

    /// Keys to write with: made, and durable, where there are none yet. `fresh` says that there are probably none.
    pub(super) async fn to_write(&self, scopes: Vec<Scope>, fresh: bool) -> Result<Keys, VaultError> {
        let (mut known, mut missing) = self.held(scopes);
        if !fresh && !missing.is_empty() {
            known.extend(self.to_read(missing.clone()).await?);
            missing.retain(|scope| !known.contains_key(scope));
        }
        for page in missing.chunks(KEYS_AT_ONCE) {
            let found = self.settle(page).await?;
            self.take(found, &mut known).await?;
        }
        Ok(known)
    }

    /// A key for each scope that has none, wrapped under its tenant's newest key.
    async fn settle(&self, scopes: &[Scope]) -> Result<Vec<Found>, VaultError> {
        for _ in 0..TRIES {
            let mut keys = Vec::with_capacity(scopes.len());
            for scope in scopes {
                let tenant = self.tenant(scope.0, None).await?;
                let key = Key::random().map_err(|_| VaultError::Away)?;
                let (version, wrapped) = tenant.wrap(*scope, &key)?;
                let at = self.clock.now();
                keys.push(DataKey { tenant: scope.0, scope: scope.1, version, wrapped, at });
            }
            match self.asked(self.keyring.settle(keys)).await {
                Ok(found) => return Ok(found),
                Err(KeyringError::Retired) => {
                    let mut tenants = self.tenants.lock();
                    for (tenant, _) in scopes {
                        tenants.remove(tenant);
                    }
                }
                Err(KeyringError::Away) => return Err(self.away()),
            }
        }
        Err(VaultError::Away)
    }

    /// Splits scopes into what is held and what is not.
    fn held(&self, mut scopes: Vec<Scope>) -> (Keys, Vec<Scope>) {
        scopes.sort_unstable();
        scopes.dedup();
        let mut known = Keys::with_capacity(scopes.len());
        let mut held = self.held.lock();
        scopes.retain(|scope| match held.get(*scope) {
            Some(found) => {
                known.insert(*scope, found);
                false
            }
            None => true,
        });
        (known, scopes)
    }

    /// Unwraps what was found, and holds it; the first that cannot be unwrapped ends it.
    async fn take(&self, found: Vec<Found>, into: &mut Keys) -> Result<(), VaultError> {
        for found in found {
            let scope = found.scope();
            let held = match found {
                Found::Shredded { .. } => Held::Shredded,
                Found::Key(key) => {
                    let tenant = self.tenant(key.tenant, Some(key.version)).await?;
                    match tenant.unwrap(&key) {
                        Ok(key) => Held::Key(key),
                        Err(error) => {
                            self.say(Failure::Lost, key.tenant, key.scope, "data_keys");
                            return Err(error);
                        }
                    }
                }
            };
            let mut all = self.held.lock();
            all.put(scope, held);
            // What is now known, which may be that it was shredded meanwhile.
            if let Some(held) = all.get(scope) {
                into.insert(scope, held);
            }
            self.metrics.held.set(i64::try_from(all.len()).unwrap_or(i64::MAX));
        }
        Ok(())
    }

    /// A tenant's keys; the first is made when there is none. `needs` is a version that must be among them, as far as it
    /// can be had.
    pub(super) async fn tenant(
        &self,
        tenant: TenantId,
        needs: Option<u32>,
    ) -> Result<Arc<TenantKeys>, VaultError> {
        let held = self.tenants.lock().get(&tenant).cloned();
        if let Some(held) = held
            && held.can_unwrap(needs.unwrap_or(held.newest))
        {
            return Ok(held);
        }
        let mut rows = self.ask(self.keyring.tenant_keys(tenant)).await?;
        if rows.is_empty() {
            self.add_tenant_key(tenant, 1).await?;
            rows = self.ask(self.keyring.tenant_keys(tenant)).await?;
        }
        let newest = rows.last().map_or(0, |row| row.version);
        let mut keys = BTreeMap::new();
        for row in rows {
            let version = row.version;
            match self.unwrap_tenant_key(row).await {
                Ok(key) => drop(keys.insert(version, key)),
                // Others may do for what is asked.
                Err(error) if version != needs.unwrap_or(newest) => {
                    tracing::error!(tenant.id = %tenant.0, key.version = version, %error, "A tenant's key cannot be had");
                }
                Err(error) => return Err(error),
            }
        }
        let keys = Arc::new(TenantKeys { newest, keys });
        let mut tenants = self.tenants.lock();
        if tenants.len() >= MAX_TENANTS_HELD {
            tenants.clear();
        }
        tenants.insert(tenant, Arc::clone(&keys));
        Ok(keys)
    }

    /// Makes a version of a tenant's key. Who is slower finds the other's.
    pub(super) async fn add_tenant_key(&self, tenant: TenantId, version: u32) -> Result<bool, VaultError> {
        let key = Key::random().map_err(|_| VaultError::Away)?;
        let Wrapped { kek, bytes } = self.provide(self.provider.wrap(Of { tenant, version }, &key)).await?;
        let row = TenantKey { tenant, version, kek, wrapped: bytes, at: self.clock.now() };
        self.ask(self.keyring.add_tenant_key(row)).await
    }

    pub(super) async fn unwrap_tenant_key(&self, row: TenantKey) -> Result<Key, VaultError> {
        let of = Of { tenant: row.tenant, version: row.version };
        let wrapped = Wrapped { kek: row.kek, bytes: row.wrapped };
        self.provide(self.provider.unwrap(of, &wrapped)).await
    }

    /// Asks the keyring, with patience that ends.
    pub(super) async fn ask<T>(&self, question: KeyringFuture<'_, T>) -> Result<T, VaultError> {
        self.asked(question).await.map_err(|_| self.away())
    }

    async fn asked<T>(&self, question: KeyringFuture<'_, T>) -> Result<T, KeyringError> {
        if self.is_away() {
            return Err(KeyringError::Away);
        }
        let answer = tokio::time::timeout(KEYRING_PATIENCE, question).await;
        let answer = answer.unwrap_or(Err(KeyringError::Away));
        self.note(!matches!(answer, Err(KeyringError::Away)), "The keyring");
        answer
    }

    /// Asks the provider, likewise.
    pub(super) async fn provide<T>(&self, question: ProviderFuture<'_, T>) -> Result<T, VaultError> {
        if self.is_away() {
            return Err(self.away());
        }
        let answer = tokio::time::timeout(KEYRING_PATIENCE, question).await;
        let answer = answer.unwrap_or(Err(ProviderError::Away));
        self.note(!matches!(answer, Err(ProviderError::Away)), "Who holds the key encryption key");
        answer.map_err(|error| match error {
            ProviderError::Away => self.away(),
            error => {
                self.metrics.failed(Failure::Kek);
                VaultError::Kek(error)
            }
        })
    }

    fn away(&self) -> VaultError {
        self.metrics.failed(Failure::Away);
        VaultError::Away
    }

    fn is_away(&self) -> bool {
        self.away_until.lock().is_some_and(|until| Instant::now() < until)
    }

    fn note(&self, answered: bool, who: &'static str) {
        let before = {
            let mut until = self.away_until.lock();
            std::mem::replace(&mut *until, (!answered).then(|| Instant::now() + KEYRING_PAUSE)).is_some()
        };
        match (before, answered) {
            (false, false) => tracing::error!("{who} does not answer: only keys that are held can be used"),
            (true, true) => tracing::info!("{who} answers again"),
            _ => {}
        }
    }
}
