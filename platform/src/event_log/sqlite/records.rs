//! What was recorded beside the events, in SQLite.

use super::{SqliteStore, batch, lane_of, memory, position, rowid, rows_after, statements};
use crate::{
    event_log::{
        AppendError, AuditEnd, AuditOf, AuditPlace, AuditRow, AuditSearch, OutboxMessage, Partition,
        Position, ReadError, Records, StoreFuture,
    },
    lane::Lane,
    limits::{FORGOTTEN_AT_ONCE, MAX_READ},
};
use model::{TenantId, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Row};
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
            audit_rows(connection, tenant, partition, after, limit)
        }))
    }

    fn search_audit(
        &self,
        tenant: TenantId,
        search: AuditSearch,
        before: Option<AuditPlace>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<AuditRow>, ReadError>> {
        Box::pin(
            self.readers.read(Lane::Standard, move |connection| {
                search_audit(connection, tenant, search, before, limit)
            }),
        )
    }

    fn prune_audit(
        &self,
        tenant: TenantId,
        partition: Partition,
        up_to: u64,
    ) -> StoreFuture<'_, Result<(), AppendError>> {
        Box::pin(self.forget(move |transaction| {
            let which = (tenant.0.as_bytes(), partition.0, up_to, FORGOTTEN_AT_ONCE);
            batch::run(transaction, &statements::PRUNE_AUDIT, which)
        }))
    }

    fn audited(
        &self,
        after: Option<(TenantId, Partition)>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<AuditEnd>, ReadError>> {
        Box::pin(self.readers.read(Lane::Batch, move |connection| audit_ends(connection, after, limit)))
    }
}

/// A page of a tenant's audit rows.
pub(super) fn audit_rows(
    connection: &Connection,
    tenant: TenantId,
    partition: Partition,
    after: u64,
    limit: usize,
) -> rusqlite::Result<Vec<AuditRow>> {
    let audit = |row: &Row<'_>| audit_row(row, partition);
    let which = (tenant.0.as_bytes(), partition.0, after, limit.min(MAX_READ));
    connection.prepare_cached(statements::AUDIT.sql)?.query_map(which, audit)?.collect()
}

fn audit_row(row: &Row<'_>, partition: Partition) -> rusqlite::Result<AuditRow> {
    let id = |at: usize| row.get::<_, Option<_>>(at).map(|id| id.map(Uuid::from_bytes));
    Ok(AuditRow {
        partition,
        number: row.get(0)?,
        at: Timestamp::from_millis(row.get(1)?),
        action: row.get(2)?,
        actor: id(3)?,
        subject: id(4)?,
        body: row.get(5)?,
        phi: row.get(6)?,
    })
}

/// A tenant's audit rows by an index, the newest first.
fn search_audit(
    connection: &Connection,
    tenant: TenantId,
    AuditSearch { from, of }: AuditSearch,
    before: Option<AuditPlace>,
    limit: usize,
) -> rusqlite::Result<Vec<AuditRow>> {
    let audit = |row: &Row<'_>| audit_row(row, Partition(row.get(7)?));
    let (tenant, from, limit) = (tenant.0.as_bytes(), from.as_millis(), limit.min(MAX_READ));
    let (at, partition, number) = AuditPlace::columns(before);
    let (statement, id) = match of {
        AuditOf::Anybody => {
            let which = (tenant, at, partition, number, from, limit);
            return connection
                .prepare_cached(statements::AUDIT_BY_TIME.sql)?
                .query_map(which, audit)?
                .collect();
        }
        AuditOf::Actor(id) => (&statements::AUDIT_BY_ACTOR, id),
        AuditOf::Subject(id) => (&statements::AUDIT_BY_SUBJECT, id),
    };
    let which = (tenant, at, partition, number, from, limit, id.as_bytes());
    connection.prepare_cached(statement.sql)?.query_map(which, audit)?.collect()
}

/// Where audit rows end. From one tenant and partition to the next by the index, however many rows they have.
pub(super) fn audit_ends(
    connection: &Connection,
    after: Option<(TenantId, Partition)>,
    limit: usize,
) -> rusqlite::Result<Vec<AuditEnd>> {
    let mut next = connection.prepare_cached(statements::NEXT_AUDITED.sql)?;
    let mut last = connection.prepare_cached(statements::LAST_AUDIT.sql)?;
    // Before the first, an empty key.
    let mut place = after
        .map_or((Vec::new(), -1), |(tenant, partition)| (tenant.0.into_bytes().to_vec(), partition.0.into()));
    let mut ends = Vec::new();
    while ends.len() < limit.min(MAX_READ) {
        let found = next
            .query_row((&place.0, place.1), |row| Ok((row.get::<_, [u8; 16]>(0)?, row.get::<_, u16>(1)?)))
            .optional()?;
        let Some((tenant, partition)) = found else { break };
        let number = last.query_row((&tenant, partition), |row| row.get(0)).optional()?.unwrap_or(0);
        place = (tenant.to_vec(), i64::from(partition));
        ends.push(AuditEnd {
            tenant: TenantId(Uuid::from_bytes(tenant)),
            partition: Partition(partition),
            number,
        });
    }
    Ok(ends)
}
