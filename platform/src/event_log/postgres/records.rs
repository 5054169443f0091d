//! What was recorded beside the events, in PostgreSQL.

use super::{PostgresStore, lane_of, number, pool::Member, roles::Whose, statements, unsigned};
use crate::{
    event_log::{
        AppendError, AuditEnd, AuditOf, AuditPlace, AuditRow, AuditSearch, OutboxMessage, Partition,
        Position, ReadError, Records, StoreFuture,
    },
    lane::Lane,
    limits::{FORGOTTEN_AT_ONCE, MAX_READ},
};
use model::{TenantId, Timestamp};
use tokio_postgres::Row;
use uuid::Uuid;

fn audit_row(row: &Row, partition: Partition) -> Result<AuditRow, ReadError> {
    Ok(AuditRow {
        partition,
        number: unsigned(row.try_get(0)?),
        at: Timestamp::from_millis(row.try_get(1)?),
        action: row.try_get(2)?,
        actor: row.try_get(3)?,
        subject: row.try_get(4)?,
        body: row.try_get(5)?,
        phi: row.try_get(6)?,
    })
}

impl Records for PostgresStore {
    fn outbox(
        &self,
        partition: Partition,
        after: Position,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<OutboxMessage>, ReadError>> {
        Box::pin(async move {
            let (in_it, after, limit) = (i32::from(partition.0), number(after.0), limit.min(MAX_READ) as i64);
            let rows = self
                .pools
                .query(lane_of(partition), Whose::All, &statements::OUTBOX, &[&in_it, &after, &limit])
                .await?;
            rows.iter()
                .map(|row| {
                    Ok(OutboxMessage {
                        partition,
                        position: Position(unsigned(row.try_get(0)?)),
                        tenant: TenantId(row.try_get(1)?),
                        subject: row.try_get(2)?,
                        body: row.try_get(3)?,
                        at: Timestamp::from_millis(row.try_get(4)?),
                    })
                })
                .collect()
        })
    }

    fn outbox_head(&self, partition: Partition) -> StoreFuture<'_, Result<Position, ReadError>> {
        Box::pin(async move {
            let in_it = i32::from(partition.0);
            let rows =
                self.pools.query(lane_of(partition), Whose::All, &statements::OUTBOX_HEAD, &[&in_it]).await?;
            let row = rows.first().ok_or(ReadError)?;
            Ok(Position(unsigned(row.try_get(0)?)))
        })
    }

    fn prune_outbox(
        &self,
        partition: Partition,
        up_to: Position,
    ) -> StoreFuture<'_, Result<(), AppendError>> {
        Box::pin(self.pools.write(Lane::Batch, Whose::All, async move |member| {
            let which = (i32::from(partition.0), number(up_to.0));
            member.execute(&statements::PRUNE_OUTBOX, &[&which.0, &which.1]).await?;
            Ok(Ok(()))
        }))
    }

    fn audit(
        &self,
        tenant: TenantId,
        partition: Partition,
        after: u64,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<AuditRow>, ReadError>> {
        Box::pin(async move {
            let (in_it, after, limit) = (i32::from(partition.0), number(after), limit.min(MAX_READ) as i64);
            let which: [&(dyn tokio_postgres::types::ToSql + Sync); 4] = [&tenant.0, &in_it, &after, &limit];
            let rows =
                self.pools.query(lane_of(partition), Whose::one(tenant), &statements::AUDIT, &which).await?;
            rows.iter().map(|row| audit_row(row, partition)).collect()
        })
    }

    fn search_audit(
        &self,
        tenant: TenantId,
        AuditSearch { from, of }: AuditSearch,
        before: Option<AuditPlace>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<AuditRow>, ReadError>> {
        Box::pin(async move {
            let (at, partition, place) = AuditPlace::columns(before);
            let (from, limit) = (from.as_millis(), limit.min(MAX_READ) as i64);
            let (statement, id) = match of {
                AuditOf::Anybody => (&statements::AUDIT_BY_TIME, None),
                AuditOf::Actor(id) => (&statements::AUDIT_BY_ACTOR, Some(id)),
                AuditOf::Subject(id) => (&statements::AUDIT_BY_SUBJECT, Some(id)),
            };
            let mut which: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> =
                vec![&tenant.0, &at, &partition, &place, &from, &limit];
            which.extend(id.as_ref().map(|id| id as &(dyn tokio_postgres::types::ToSql + Sync)));
            let rows = self.pools.query(Lane::Standard, Whose::one(tenant), statement, &which).await?;
            let partition = |row: &Row| u16::try_from(row.try_get::<_, i32>(7)?).map_err(|_| ReadError);
            rows.iter().map(|row| audit_row(row, Partition(partition(row)?))).collect()
        })
    }

    fn prune_audit(
        &self,
        tenant: TenantId,
        partition: Partition,
        up_to: u64,
    ) -> StoreFuture<'_, Result<(), AppendError>> {
        Box::pin(async move {
            let which = (i32::from(partition.0), number(up_to), FORGOTTEN_AT_ONCE as i64);
            loop {
                let some = async |member: &mut Member| {
                    let params: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
                        [&tenant.0, &which.0, &which.1, &which.2];
                    Ok(Ok(member.execute(&statements::PRUNE_AUDIT, &params).await?))
                };
                if self.pools.write(Lane::Batch, Whose::one(tenant), some).await? == 0 {
                    return Ok(());
                }
            }
        })
    }

    fn audited(
        &self,
        after: Option<(TenantId, Partition)>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<AuditEnd>, ReadError>> {
        Box::pin(async move {
            // Before the first: no partition is below zero.
            let (tenant, in_it) = after.map_or((Uuid::nil(), -1), |(tenant, it)| (tenant.0, i32::from(it.0)));
            let limit = limit.min(MAX_READ) as i64;
            let rows = self
                .pools
                .query(Lane::Batch, Whose::All, &statements::AUDITED, &[&tenant, &in_it, &limit])
                .await?;
            rows.iter()
                .map(|row| {
                    Ok(AuditEnd {
                        tenant: TenantId(row.try_get(0)?),
                        partition: Partition(
                            u16::try_from(row.try_get::<_, i32>(1)?).map_err(|_| ReadError)?,
                        ),
                        number: unsigned(row.try_get(2)?),
                    })
                })
                .collect()
        })
    }
}
