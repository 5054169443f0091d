//! From text to text.

use super::{
    INDEX_SCOPE, Vault, VaultError,
    envelope::Envelope,
    held::Held,
    keys::{Keys, Scope},
    metrics::{Failure, Opened},
    place::{Parts, Place},
};
use crate::limits::MAX_PLACES_SAID;
use model::{TenantId, phi::ERASED};
use uuid::Uuid;

impl Vault {
    /// Seals text for a place, with one of the keys that were got for it.
    pub(super) fn seal(
        &self,
        keys: &Keys,
        scope: Scope,
        place: Place<'_>,
        text: &str,
    ) -> Result<String, VaultError> {
        let key = match keys.get(&scope) {
            Some(Held::Key(key)) => key,
            Some(Held::Shredded) => return Err(VaultError::Shredded),
            None => return Err(VaultError::Lost),
        };
        let aad = place.bytes(scope.0, scope.1);
        let (nonce, ciphertext) = key.seal(&aad, text.as_bytes()).map_err(|_| VaultError::Invalid)?;
        self.metrics.sealed();
        Ok(Envelope { scope: scope.1, nonce, ciphertext }.to_text())
    }

    /// The scope whose key opens what stands in a column; `None` for what is not sealed.
    pub(super) fn scope_of(
        &self,
        tenant: TenantId,
        place: Place<'_>,
        stored: &str,
    ) -> Result<Option<Scope>, VaultError> {
        match Envelope::parse(stored) {
            Ok(envelope) => Ok(envelope.map(|envelope| (tenant, envelope.scope))),
            Err(_) => Err(self.tampered(tenant, Uuid::nil(), place)),
        }
    }

    /// What stands in a column, as it was before it was sealed. [`ERASED`] if the key was destroyed.
    pub(super) fn open(
        &self,
        keys: &Keys,
        tenant: TenantId,
        place: Place<'_>,
        stored: String,
    ) -> Result<String, VaultError> {
        let envelope = Envelope::parse(&stored).map_err(|_| self.tampered(tenant, Uuid::nil(), place))?;
        let Some(Envelope { scope, nonce, ciphertext }) = envelope else {
            if !self.accepts_plain {
                return Err(self.tampered(tenant, Uuid::nil(), place));
            }
            self.metrics.opened(Opened::Plain);
            return Ok(stored);
        };
        // A stream's PHI is sealed with the stream's key, or somebody has put it there.
        if let Place::Event { stream, .. } | Place::Snapshot { stream, .. } = place
            && scope != stream
        {
            return Err(self.tampered(tenant, scope, place));
        }
        let key = match keys.get(&(tenant, scope)) {
            Some(Held::Key(key)) => key,
            Some(Held::Shredded) => {
                self.metrics.opened(Opened::Shredded);
                return Ok(ERASED.to_owned());
            }
            None => {
                self.say(Failure::Lost, tenant, scope, place.column());
                return Err(VaultError::Lost);
            }
        };
        let opened = key.open(&place.bytes(tenant, scope), nonce, ciphertext);
        let text = opened.and_then(|bytes| String::from_utf8(bytes).ok());
        let text = text.ok_or_else(|| self.tampered(tenant, scope, place))?;
        self.metrics.opened(Opened::Sealed);
        Ok(text)
    }

    /// The PHI of an event, wherever its row was found: in the local journal, for example.
    ///
    /// # Errors
    /// By variant of [`VaultError`].
    pub async fn open_event(
        &self,
        (tenant, category, stream): (TenantId, &str, Uuid),
        version: u64,
        stored: String,
    ) -> Result<String, VaultError> {
        let place = Place::Event { category, stream, version };
        let scope = self.scope_of(tenant, place, &stored)?;
        let keys = self.to_read(scope.into_iter().collect()).await?;
        self.open(&keys, tenant, place, stored)
    }

    /// 128 bits by which equal texts of a tenant are found without knowing them: HMAC-SHA256 with a key of the tenant's
    /// own. The caller normalises the text (case, spaces, accents), and names the purpose, so that what is indexed for one
    /// says nothing about another.
    ///
    /// # Errors
    /// `Away`, `Kek`.
    pub async fn blind(&self, tenant: TenantId, purpose: &str, text: &str) -> Result<[u8; 16], VaultError> {
        let scope = (tenant, INDEX_SCOPE);
        let keys = self.to_write(vec![scope], false).await?;
        let Some(Held::Key(key)) = keys.get(&scope) else { return Err(VaultError::Lost) };
        let mut parts = Parts(Vec::with_capacity(64 + text.len()));
        parts.put(b"telehealth blind index 1");
        parts.put(purpose.as_bytes());
        parts.put(text.as_bytes());
        let tag = key.tag(&parts.0);
        let mut short = [0; 16];
        short.copy_from_slice(&tag[..16]);
        Ok(short)
    }

    fn tampered(&self, tenant: TenantId, scope: Uuid, place: Place<'_>) -> VaultError {
        let scope = match place {
            Place::Event { stream, .. } | Place::Snapshot { stream, .. } => stream,
            Place::Audit { .. } | Place::Row { .. } => scope,
        };
        self.say(Failure::Tampered, tenant, scope, place.column());
        VaultError::Tampered
    }

    /// Counted each time; said once for each scope and column, with ids only.
    pub(super) fn say(&self, failure: Failure, tenant: TenantId, scope: Uuid, column: &'static str) {
        self.metrics.failed(failure);
        let first = {
            let mut said = self.said.lock();
            if said.len() >= MAX_PLACES_SAID {
                said.clear();
            }
            said.insert((tenant, scope, column))
        };
        if first {
            tracing::error!(
                tenant.id = %tenant.0,
                scope.id = %scope,
                column,
                error.code = failure.name(),
                "PHI cannot be opened"
            );
        }
    }
}
