//! On the way in.

use super::{Place, Scope, Sealing, VaultError, storable};
use crate::{
    event_log::{Append, AppendError, Appended, Change, EventStore, Snapshot, Snapshots, StreamId, Table},
    vault::INDEX_SCOPE,
};
use aws_lc_rs::digest;
use uuid::Uuid;

impl<S: ?Sized> Sealing<S> {
    /// Seals all PHI of an append.
    pub(super) async fn seal_append(&self, mut append: Append) -> Result<Append, VaultError> {
        let Append { stream, expected, at, .. } = append;
        let mut phi = append.events.iter().map(|event| &event.phi);
        let mut of_audit = append.audit.iter().map(|audit| &audit.phi);
        if phi.all(Option::is_none) && of_audit.all(Option::is_none) {
            return Ok(append);
        }
        let scope = scope_of(stream)?;
        let keys = self.vault.to_write(vec![scope], expected.0 == 0).await?;
        for (version, event) in (expected.0 + 1..).zip(&mut append.events) {
            if let Some(phi) = &mut event.phi {
                storable(phi)?;
                let place = Place::Event { category: stream.category.name, stream: stream.id, version };
                *phi = self.vault.seal(&keys, scope, place, phi)?;
            }
        }
        for audit in &mut append.audit {
            if let Some(phi) = &mut audit.phi {
                storable(phi)?;
                let (action, actor, subject, body) =
                    (audit.action, audit.actor, audit.subject, audit.body.as_str());
                let place = Place::Audit { action, actor, subject, at, body };
                *phi = self.vault.seal(&keys, scope, place, phi)?;
            }
        }
        Ok(append)
    }

    /// Seals a snapshot.
    pub(super) async fn seal_snapshot(&self, mut snapshot: Snapshot) -> Result<Snapshot, VaultError> {
        let Snapshot { stream, version, schema, .. } = snapshot;
        if let Some(phi) = &mut snapshot.phi {
            storable(phi)?;
            let scope = scope_of(stream)?;
            let keys = self.vault.to_write(vec![scope], false).await?;
            let (category, version) = (stream.category.name, version.0);
            let place = Place::Snapshot { category, stream: stream.id, version, schema };
            *phi = self.vault.seal(&keys, scope, place, phi)?;
        }
        Ok(snapshot)
    }

    /// Seals rows, each with its stream's key. A row whose stream was shredded loses its PHI: it is made anew from what
    /// cannot be read any more.
    pub(super) async fn seal_changes(
        &self,
        table: Table,
        changes: Vec<(Option<Uuid>, Change)>,
    ) -> Result<Vec<Change>, VaultError> {
        let scope = |stream: &Option<Uuid>, change: &Change| match change {
            Change::Put { tenant, row } if row.phi.is_some() => {
                Some((*tenant, stream.unwrap_or_else(|| scope_of_row(table.name, &row.key))))
            }
            _ => None,
        };
        let scopes: Vec<Scope> =
            changes.iter().filter_map(|(stream, change)| scope(stream, change)).collect();
        if scopes.is_empty() {
            return Ok(changes.into_iter().map(|(_, change)| change).collect());
        }
        if scopes.iter().any(|(_, scope)| *scope == INDEX_SCOPE) {
            return Err(VaultError::Invalid);
        }
        let keys = self.vault.to_write(scopes, false).await?;
        let sealed = changes.into_iter().map(|(stream, mut change)| {
            let scope = scope(&stream, &change);
            if let (Some(scope), Change::Put { row, .. }) = (scope, &mut change)
                && let Some(phi) = &mut row.phi
            {
                storable(phi)?;
                let Table { name, generation } = table;
                let place = Place::Row { table: name, generation, key: &row.key };
                match self.vault.seal(&keys, scope, place, phi) {
                    Ok(sealed) => *phi = sealed,
                    Err(VaultError::Shredded) => row.phi = None,
                    Err(error) => return Err(error),
                }
            }
            Ok(change)
        });
        sealed.collect()
    }
}

impl<S: EventStore + ?Sized> Sealing<S> {
    pub(super) async fn append_sealed(&self, append: Append) -> Result<Appended, AppendError> {
        // As without encryption: what is too large or cannot be stored is refused before a key is made for it.
        crate::event_log::append::within_limits(&append)?;
        let append = self.seal_append(append).await?;
        self.inner.append(append).await
    }
}

impl<S: Snapshots + ?Sized> Sealing<S> {
    pub(super) async fn save_sealed(&self, snapshot: Snapshot) -> Result<(), AppendError> {
        let snapshot = self.seal_snapshot(snapshot).await?;
        self.inner.save(snapshot).await
    }
}

fn scope_of(stream: StreamId) -> Result<Scope, VaultError> {
    if stream.id == INDEX_SCOPE { Err(VaultError::Invalid) } else { Ok((stream.tenant, stream.id)) }
}

/// The scope of a row that no stream's event made: one of its own.
fn scope_of_row(table: &str, key: &str) -> Uuid {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in ["telehealth row scope", table, key] {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&context.finish().as_ref()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}
