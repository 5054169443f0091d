//! On the way out: the keys of a whole page are got with one question, then each text is opened.

use super::{Place, Sealing, VaultError};
use crate::event_log::{AuditRow, RecordedEvent, Row, Snapshot, StreamId, Table, TailEvent};
use model::TenantId;

/// Something with PHI that stands somewhere.
pub(super) trait Located {
    fn phi(&mut self) -> &mut Option<String>;
    fn tenant(&self) -> TenantId;
    fn place(&self) -> Place<'_>;
}

impl<S: ?Sized> Sealing<S> {
    /// Opens the PHI of all.
    pub(super) async fn open_all<L: Located>(&self, all: &mut [L]) -> Result<(), VaultError> {
        let mut scopes = Vec::new();
        for located in &mut *all {
            // Put back below, whatever comes of it.
            let Some(stored) = located.phi().take() else { continue };
            let scope = self.vault.scope_of(located.tenant(), located.place(), &stored);
            *located.phi() = Some(stored);
            scopes.extend(scope?);
        }
        let keys = self.vault.to_read(scopes).await?;
        for located in all {
            let Some(stored) = located.phi().take() else { continue };
            let text = self.vault.open(&keys, located.tenant(), located.place(), stored)?;
            *located.phi() = Some(text);
        }
        Ok(())
    }
}

/// An event of a stream.
pub(super) struct OfStream(pub(super) StreamId, pub(super) RecordedEvent);

impl Located for OfStream {
    fn phi(&mut self) -> &mut Option<String> {
        &mut self.1.phi
    }

    fn tenant(&self) -> TenantId {
        self.0.tenant
    }

    fn place(&self) -> Place<'_> {
        Place::Event { category: self.0.category.name, stream: self.0.id, version: self.1.version.0 }
    }
}

impl Located for TailEvent {
    fn phi(&mut self) -> &mut Option<String> {
        &mut self.event.phi
    }

    fn tenant(&self) -> TenantId {
        self.tenant
    }

    fn place(&self) -> Place<'_> {
        Place::Event { category: &self.category, stream: self.stream, version: self.event.version.0 }
    }
}

impl Located for Snapshot {
    fn phi(&mut self) -> &mut Option<String> {
        &mut self.phi
    }

    fn tenant(&self) -> TenantId {
        self.stream.tenant
    }

    fn place(&self) -> Place<'_> {
        let StreamId { category, id, .. } = self.stream;
        Place::Snapshot { category: category.name, stream: id, version: self.version.0, schema: self.schema }
    }
}

/// A row of the audit trail.
pub(super) struct OfAudit(pub(super) TenantId, pub(super) AuditRow);

impl Located for OfAudit {
    fn phi(&mut self) -> &mut Option<String> {
        &mut self.1.phi
    }

    fn tenant(&self) -> TenantId {
        self.0
    }

    fn place(&self) -> Place<'_> {
        let AuditRow { action, actor, subject, at, body, .. } = &self.1;
        Place::Audit { action, actor: *actor, subject: *subject, at: *at, body }
    }
}

/// A row of a projection.
pub(super) struct OfTable(pub(super) Table, pub(super) TenantId, pub(super) Row);

impl Located for OfTable {
    fn phi(&mut self) -> &mut Option<String> {
        &mut self.2.phi
    }

    fn tenant(&self) -> TenantId {
        self.1
    }

    fn place(&self) -> Place<'_> {
        let Table { name, generation } = self.0;
        Place::Row { table: name, generation, key: &self.2.key }
    }
}
