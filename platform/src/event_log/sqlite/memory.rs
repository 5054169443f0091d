//! What the writer remembers of the file that only it writes, so that most appends look nothing up.

use super::statements as sql;
use crate::{
    event_log::{
        Append, Partition, StreamId, Version,
        judge::{Command, Ends, HashMap, Known},
        sqlite::partition_of,
    },
    limits::MAX_KNOWN_STREAMS,
};
use model::{Epoch, TenantId};
use rusqlite::{OptionalExtension as _, Transaction};
use std::collections::hash_map::Entry;
use uuid::Uuid;

/// Valid until a transaction fails; then it is made anew.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) known: Known,
    /// The numbers of streams that exist.
    pub(super) numbers: HashMap<StreamId, i64>,
}

impl Memory {
    /// Looks up what an append touches and is not known yet.
    pub(super) fn learn(&mut self, transaction: &Transaction<'_>, append: &Append) -> rusqlite::Result<()> {
        let stream = append.stream;
        let partition = partition_of(&stream);
        if let Entry::Vacant(unknown) = self.known.ends.entry(partition) {
            unknown.insert(ends(transaction, partition)?);
        }
        if let Entry::Vacant(unknown) = self.known.heads.entry(stream) {
            let found = find(transaction, &stream)?;
            unknown.insert(found.map_or(Version(0), |(_, version)| version));
            self.numbers.extend(found.map(|(number, _)| (stream, number)));
        }
        if let (Some(key), Some(number)) = (append.key, self.numbers.get(&stream)) {
            let done = transaction
                .prepare_cached(sql::COMMAND.sql)?
                .query_row((number, key.0.as_bytes()), |row| {
                    Ok(Command { version: Version(row.get(0)?), answer: row.get(1)? })
                })
                .optional()?;
            self.known.commands.extend(done.map(|done| ((stream, key), done)));
        }
        if let Some(fence) = append.fence {
            self.epoch(transaction, stream.tenant, fence.scope)?;
        }
        let audits = (stream.tenant, partition);
        if !append.audit.is_empty() && !self.known.audits.contains_key(&audits) {
            let last = transaction
                .prepare_cached(sql::LAST_AUDIT.sql)?
                .query_row((stream.tenant.0.as_bytes(), partition.0), |row| row.get(0))
                .optional()?;
            self.known.audits.insert(audits, last.unwrap_or(0));
        }
        Ok(())
    }

    /// Who owns a scope by now.
    pub(super) fn epoch(
        &mut self,
        transaction: &Transaction<'_>,
        tenant: TenantId,
        scope: Uuid,
    ) -> rusqlite::Result<Epoch> {
        if let Some(epoch) = self.known.epochs.get(&(tenant, scope)) {
            return Ok(*epoch);
        }
        let epoch = transaction
            .prepare_cached(sql::OWNER.sql)?
            .query_row((tenant.0.as_bytes(), scope.as_bytes()), |row| row.get(0).map(Epoch))
            .optional()?
            .unwrap_or_default();
        self.known.epochs.insert((tenant, scope), epoch);
        Ok(epoch)
    }

    /// Forgets what does not pay to keep.
    pub(super) fn trim(&mut self) {
        self.known.commands.clear();
        if self.known.heads.len() > MAX_KNOWN_STREAMS || self.known.epochs.len() > MAX_KNOWN_STREAMS {
            *self = Self::default();
        }
    }
}

/// A stream's number and version.
pub(super) fn find(
    connection: &rusqlite::Connection,
    stream: &StreamId,
) -> rusqlite::Result<Option<(i64, Version)>> {
    connection
        .prepare_cached(sql::STREAM.sql)?
        .query_row((stream.category.name, stream.tenant.0.as_bytes(), stream.id.as_bytes()), |row| {
            Ok((row.get(0)?, Version(row.get(1)?)))
        })
        .optional()
}

/// The newest positions.
pub(super) fn ends(connection: &rusqlite::Connection, partition: Partition) -> rusqlite::Result<Ends> {
    connection
        .prepare_cached(sql::ENDS.sql)?
        .query_row((partition.0,), |row| Ok(Ends { event: row.get(0)?, message: row.get(1)? }))
}
