//! The audit trail of a log that another process may be writing: reads, and never writes.

use super::{
    recorded,
    records::{audit_ends, audit_rows},
    schema, statements,
};
use crate::{
    audit::{ChainId, Trail, seal},
    event_log::{AuditEnd, AuditRow, Moment, Partition, ReadError, RecordedEvent, StoreFuture},
    limits::MAX_READ,
};
use model::TenantId;
use parking_lot::Mutex;
use rusqlite::Connection;
use std::{fmt, future::ready, path::Path};

/// A log's audit trail, for tools: reads keep its thread busy, and do not disturb a server.
pub struct ReadOnly(Mutex<Connection>);

impl ReadOnly {
    /// Opens a log that is there.
    ///
    /// # Errors
    /// SQLite cannot read it.
    pub fn open(path: &Path) -> rusqlite::Result<Self> {
        Ok(Self(Mutex::new(schema::open_reader(path)?)))
    }

    fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> StoreFuture<'_, Result<T, ReadError>> {
        let result = query(&self.0.lock()).map_err(|_| ReadError);
        Box::pin(ready(result))
    }
}

impl Trail for ReadOnly {
    fn audit_ends(
        &self,
        after: Option<(TenantId, Partition)>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<AuditEnd>, ReadError>> {
        self.read(|connection| audit_ends(connection, after, limit))
    }

    fn audit_rows(
        &self,
        chain: ChainId,
        after: u64,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<AuditRow>, ReadError>> {
        self.read(|connection| audit_rows(connection, chain.tenant, chain.partition, after, limit))
    }

    fn audit_seals(
        &self,
        chain: ChainId,
        after: u64,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<RecordedEvent>, ReadError>> {
        self.read(|connection| {
            let (stream, (as_of, known_at)) = (seal::stream(chain), Moment::NOW.bounds());
            let mut read = connection.prepare_cached(statements::READ_STREAM.sql)?;
            let which = (
                stream.category.name,
                stream.tenant.0.as_bytes(),
                stream.id.as_bytes(),
                after,
                limit.min(MAX_READ),
                as_of,
                known_at,
            );
            read.query_map(which, recorded)?.collect()
        })
    }
}

impl fmt::Debug for ReadOnly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadOnly").finish_non_exhaustive()
    }
}
