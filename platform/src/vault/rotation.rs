//! Keys that change: erasure, new versions, and wrapping anew, in steps that can be cut off and repeated.

use super::{
    INDEX_SCOPE, Vault, VaultError,
    held::Held,
    keyring::{DataKey, Shred, Shredded, Shredding, TenantKey, TenantStatus, Versions},
    provider::{Of, Wrapped},
};
use crate::limits::{KEYS_AT_ONCE, KEYS_LOOKS, MAX_REASON_BYTES};
use model::TenantId;
use std::sync::atomic::Ordering;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What one step of wrapping anew did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Rewrapped {
    /// Data keys that are now wrapped under the tenant's newest key.
    pub data_keys: u64,
    /// Old versions of the tenant's key that were deleted, because nothing is wrapped under them.
    pub retired: u64,
    /// There is nothing left to do.
    pub done: bool,
}

impl Vault {
    /// Destroys a scope's key: from then on its PHI reads as [`model::phi::ERASED`], here at once and in other processes
    /// within [`KEYS_LOOKS`]. There is no way back. The reason is kept with it, and holds no PHI.
    ///
    /// # Errors
    /// `Invalid` for the scope of blind indexes, and for a reason that is empty or longer than [`MAX_REASON_BYTES`]; `Away`:
    /// it may be done or not, and can be asked for again.
    pub async fn shred(&self, tenant: TenantId, scope: Uuid, reason: &str) -> Result<Shredding, VaultError> {
        let reason = reason.trim();
        if scope == INDEX_SCOPE
            || reason.is_empty()
            || reason.len() > MAX_REASON_BYTES
            || reason.contains('\0')
        {
            return Err(VaultError::Invalid);
        }
        let shred = Shred { tenant, scope, reason: reason.to_owned(), at: self.clock.now() };
        let done = self.ask(self.keyring.shred(shred)).await?;
        if done != Shredding::NoKey {
            self.held.lock().put((tenant, scope), Held::Shredded);
        }
        if done == Shredding::Done {
            tracing::info!(tenant.id = %tenant.0, scope.id = %scope, "A key was destroyed");
        }
        Ok(done)
    }

    /// Makes a new version of a tenant's key, and answers which. What is sealed for new scopes uses it at once; what was
    /// wrapped before is wrapped anew by [`Self::rewrap`].
    ///
    /// # Errors
    /// `Away`, `Kek`.
    pub async fn rotate(&self, tenant: TenantId) -> Result<u32, VaultError> {
        let rows = self.ask(self.keyring.tenant_keys(tenant)).await?;
        let next = rows.last().map_or(1, |row| row.version.saturating_add(1));
        // Somebody who was faster has made it: that is as new.
        self.add_tenant_key(tenant, next).await?;
        self.tenants.lock().remove(&tenant);
        Ok(next)
    }

    /// Wraps some of a tenant's data keys anew that are wrapped under an older version of its key, and deletes versions
    /// that are not needed any more. To be called until it says that it is done.
    ///
    /// # Errors
    /// `Away`, `Kek`, `Lost`; what was done stays done.
    pub async fn rewrap(&self, tenant: TenantId) -> Result<Rewrapped, VaultError> {
        let stale = self.ask(self.keyring.stale(tenant, KEYS_AT_ONCE)).await?;
        let mut pairs = Vec::with_capacity(stale.len());
        for old in stale {
            let keys = self.tenant(tenant, Some(old.version)).await?;
            let key = keys.unwrap(&old)?;
            let (version, wrapped) = keys.wrap((tenant, old.scope), &key)?;
            let new = DataKey { version, wrapped, ..old.clone() };
            pairs.push((old, new));
        }
        if !pairs.is_empty() {
            let data_keys = self.ask(self.keyring.rewrap(pairs)).await?;
            self.metrics.rewrapped.inc_by(data_keys);
            return Ok(Rewrapped { data_keys, ..Rewrapped::default() });
        }
        let retired = self.ask(self.keyring.retire(tenant)).await?;
        if retired > 0 {
            self.tenants.lock().remove(&tenant);
        }
        Ok(Rewrapped { data_keys: 0, retired, done: true })
    }

    /// Wraps all versions of a tenant's key under the present KEK that are wrapped under another; says how many.
    ///
    /// # Errors
    /// `Away`, `Kek`; what was done stays done.
    pub async fn rewrap_tenant(&self, tenant: TenantId) -> Result<u64, VaultError> {
        let present = self.provide(self.provider.present()).await?;
        let mut done = 0;
        for old in self.ask(self.keyring.tenant_keys(tenant)).await? {
            if old.kek == present {
                continue;
            }
            let key = self.unwrap_tenant_key(old.clone()).await?;
            let of = Of { tenant, version: old.version };
            let Wrapped { kek, bytes } = self.provide(self.provider.wrap(of, &key)).await?;
            let new = TenantKey { kek, wrapped: bytes, ..old.clone() };
            done += u64::from(self.ask(self.keyring.rewrap_tenant_key(old, new)).await?);
        }
        self.metrics.rewrapped.inc_by(done);
        Ok(done)
    }

    /// All tenants that have keys, after one, in their order; at most [`KEYS_AT_ONCE`].
    ///
    /// # Errors
    /// `Away`.
    pub async fn tenants(&self, after: Option<TenantId>) -> Result<Vec<TenantId>, VaultError> {
        let page = self.ask(self.keyring.versions(after, KEYS_AT_ONCE)).await?;
        Ok(page.into_iter().map(|versions| versions.tenant).collect())
    }

    /// How a tenant's keys stand.
    ///
    /// # Errors
    /// `Away`.
    pub async fn status(&self, tenant: TenantId) -> Result<TenantStatus, VaultError> {
        self.ask(self.keyring.status(tenant)).await
    }

    /// Erasures after a number, in their order; at most [`KEYS_AT_ONCE`].
    ///
    /// # Errors
    /// `Away`.
    pub async fn shredded(&self, after: u64) -> Result<Vec<Shredded>, VaultError> {
        self.ask(self.keyring.shredded(after, KEYS_AT_ONCE)).await
    }

    /// Whether every tenant's keys can be unwrapped: asked before a process takes people, so that one with another KEK
    /// does not start.
    ///
    /// # Errors
    /// `Away`, `Kek`, for the first that cannot.
    pub async fn check(&self) -> Result<(), VaultError> {
        let mut after = None;
        loop {
            let tenants = self.tenants(after).await?;
            let Some(last) = tenants.last() else { return Ok(()) };
            after = Some(*last);
            for tenant in tenants {
                self.tenant(tenant, None).await?;
            }
        }
    }

    /// Makes a tenant's first key, if there is none, and unwraps it: before a process takes people, so that one whose KEK is
    /// not the others' does not start.
    ///
    /// # Errors
    /// `Away`, `Kek`.
    pub async fn prepare(&self, tenant: TenantId) -> Result<(), VaultError> {
        self.tenant(tenant, None).await.map(drop)
    }

    /// Looks which keys were shredded or rotated by others. Answers tenants whose keys have older versions that are still
    /// in use, as many as are worked on at a time.
    ///
    /// # Errors
    /// `Away`: what is held goes on being used.
    pub async fn look(&self) -> Result<Vec<TenantId>, VaultError> {
        loop {
            let after = self.shredded.load(Ordering::Relaxed);
            let page = self.ask(self.keyring.shredded(after, KEYS_AT_ONCE)).await?;
            let Some(last) = page.last().map(|shredded| shredded.number) else { break };
            let mut held = self.held.lock();
            for shredded in page {
                // Also what is not held: somebody may be about to hold what the keyring said before.
                held.put((shredded.shred.tenant, shredded.shred.scope), Held::Shredded);
            }
            self.shredded.fetch_max(last, Ordering::Relaxed);
        }
        let (mut after, mut rotated) = (None, Vec::new());
        loop {
            let page = self.ask(self.keyring.versions(after, KEYS_AT_ONCE)).await?;
            let Some(last) = page.last() else { return Ok(rotated) };
            after = Some(last.tenant);
            let mut tenants = self.tenants.lock();
            for Versions { tenant, oldest, newest } in page {
                if tenants.get(&tenant).is_some_and(|held| held.newest != newest) {
                    tenants.remove(&tenant);
                }
                if oldest != newest && rotated.len() < KEYS_AT_ONCE {
                    rotated.push(tenant);
                }
            }
        }
    }

    /// Looks again and again, and wraps anew what others have rotated, until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        let mut every = tokio::time::interval(KEYS_LOOKS);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = every.tick() => {}
            }
            // Who does not answer was said when it began.
            for tenant in self.look().await.unwrap_or_default() {
                let _ = self.rewrap(tenant).await;
            }
        }
    }
}
