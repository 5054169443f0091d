//! What was recorded beside the events, in SQLite.

use super::{SqliteStore, batch, lane_of, memory, position, rowid, rows_after, statements};
use crate::{
    event_log::{AppendError, AuditRow, OutboxMessage, Partition, Position, ReadError, Records, StoreFuture},
    limits::{FORGOTTEN_AT_ONCE, MAX_READ},
};
use model::{TenantId, Timestamp};
use rusqlite::Row;
use uuid::Uuid;

impl Records for SqliteStore {
    fn outbox(
        &self,
        partition: Partition,
        after: Position,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<OutboxMessage>, ReadError>> {
        Box::pin(self.readers.read(lane_of(partition), move |connection| {
            let message = |row: &Row<'_>| {
                let (position, tenant) = (position(row.get(0)?), TenantId(Uuid::from_bytes(row.get(1)?)));
                let (subject, body, at) = (row.get(2)?, row.get(3)?, Timestamp::from_millis(row.get(4)?));
                Ok(OutboxMessage { partition, position, tenant, subject, body, at })
            };
            let (after, end) = rows_after(partition, after);
            let which = (after, end, limit.min(MAX_READ));
            connection.prepare_cached(statements::OUTBOX.sql)?.query_map(which, message)?.collect()
        }))
    }

    fn outbox_head(&self, partition: Partition) -> StoreFuture<'_, Result<Position, ReadError>> {
        Box::pin(self.readers.read(lane_of(partition), move |connection| {
            Ok(Position(memory::ends(connection, partition)?.message))
        }))
    }

    fn prune_outbox(
        &self,
        partition: Partition,
        up_to: Position,
    ) -> StoreFuture<'_, Result<(), AppendError>> {
        let (first, last) = (rowid(partition, 0), rowid(partition, up_to.0));
        Box::pin(self.forget(move |transaction| {
            batch::run(transaction, &statements::PRUNE_OUTBOX, (first, last, FORGOTTEN_AT_ONCE))
        }))
    }

    fn audit(
        &self,
        tenant: TenantId,
        partition: Partition,
        after: u64,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<AuditRow>, ReadError>> {
        Box::pin(self.readers.read(lane_of(partition), move |connection| {
            let id =
                |row: &Row<'_>, at: usize| row.get::<_, Option<_>>(at).map(|id| id.map(Uuid::from_bytes));
            let audit = |row: &Row<'_>| {
                Ok(AuditRow {
                    partition,
                    number: row.get(0)?,
                    at: Timestamp::from_millis(row.get(1)?),
                    action: row.get(2)?,
                    actor: id(row, 3)?,
                    subject: id(row, 4)?,
                    body: row.get(5)?,
                    phi: row.get(6)?,
                })
            };
            let which = (tenant.0.as_bytes(), partition.0, after, limit.min(MAX_READ));
            connection.prepare_cached(statements::AUDIT.sql)?.query_map(which, audit)?.collect()
        }))
    }
}
