//! Snapshots, tables and owners in PostgreSQL.

use super::{PostgresStore, number, partition, pool::Member, roles::Whose, statements as sql, unsigned};
use crate::{
    event_log::{
        AppendError, Change, Fence, Holder, Owned, Ownership, Partition, Position, Possession, ReadError,
        Refusal, Row, Snapshot, Snapshots, StoreFuture, StreamId, Table, Tables, Version,
        port::{self, holder_fits},
    },
    lane::Lane,
    limits::MAX_READ,
};
use model::{Epoch, TenantId, Timestamp};
use std::{collections::HashMap, future::ready};
use tokio_postgres::{Error, types::ToSql};
use uuid::Uuid;

impl Snapshots for PostgresStore {
    fn save(&self, snapshot: Snapshot) -> StoreFuture<'_, Result<(), AppendError>> {
        Box::pin(self.pools.write(
            snapshot.stream.category.lane,
            Whose::one(snapshot.stream.tenant),
            async move |member| {
                let Snapshot { stream: StreamId { tenant, category, id }, version, schema, body, phi } =
                    snapshot;
                let (version, schema) = (number(version.0), i32::from(schema));
                member
                    .execute(
                        &sql::SAVE_SNAPSHOT,
                        &[&category.name, &tenant.0, &id, &version, &schema, &body, &phi],
                    )
                    .await?;
                Ok(Ok(()))
            },
        ))
    }

    fn snapshot(&self, stream: StreamId) -> StoreFuture<'_, Result<Option<Snapshot>, ReadError>> {
        Box::pin(async move {
            let StreamId { tenant, category, id } = stream;
            let rows = self
                .pools
                .query(category.lane, Whose::one(tenant), &sql::SNAPSHOT, &[&category.name, &tenant.0, &id])
                .await?;
            let Some(row) = rows.first() else { return Ok(None) };
            let version = Version(unsigned(row.try_get(0)?));
            let schema = row.try_get::<_, i32>(1)? as u16;
            Ok(Some(Snapshot { stream, version, schema, body: row.try_get(2)?, phi: row.try_get(3)? }))
        })
    }
}

impl Tables for PostgresStore {
    fn apply(
        &self,
        table: Table,
        partition: Partition,
        from: Position,
        to: Position,
        changes: Vec<Change>,
    ) -> StoreFuture<'_, Result<(), AppendError>> {
        Box::pin(async move {
            port::changes_fit(&changes)?;
            let whose = Whose::of(changes.iter().map(|change| match change {
                Change::Put { tenant, .. } | Change::Delete { tenant, .. } => *tenant,
            }));
            let step = async move |member: &mut Member| {
                if !move_place(member, table, partition, from, to).await? {
                    return Ok(Err(Refusal::Conflict { actual: Version(0) }));
                }
                change_rows(member, table, changes).await?;
                Ok(Ok(()))
            };
            self.pools.write(Lane::Standard, whose, step).await
        })
    }

    fn applied(&self, table: Table, partition: Partition) -> StoreFuture<'_, Result<Position, ReadError>> {
        Box::pin(async move {
            let (generation, partition) = (table.generation as i32, i32::from(partition.0));
            let rows = self
                .pools
                .query(Lane::Standard, Whose::All, &sql::PLACE, &[&table.name, &generation, &partition])
                .await?;
            let place = rows.first().map(|row| row.try_get(0)).transpose()?;
            Ok(Position(unsigned(place.unwrap_or(0))))
        })
    }

    fn live(&self, name: &'static str) -> StoreFuture<'_, Result<u32, ReadError>> {
        Box::pin(async move {
            let rows = self.pools.query(Lane::Critical, Whose::All, &sql::LIVE, &[&name]).await?;
            let live: Option<i32> = rows.first().map(|row| row.try_get(0)).transpose()?;
            Ok(live.unwrap_or(0) as u32)
        })
    }

    fn go_live(&self, table: Table) -> StoreFuture<'_, Result<(), AppendError>> {
        Box::pin(self.pools.write(Lane::Batch, Whose::All, async move |member| {
            let generation = table.generation as i32;
            for statement in [&sql::GO_LIVE, &sql::DROP_ROWS, &sql::DROP_PLACES] {
                member.execute(statement, &[&table.name, &generation]).await?;
            }
            Ok(Ok(()))
        }))
    }

    fn row(
        &self,
        table: Table,
        tenant: TenantId,
        key: String,
    ) -> StoreFuture<'_, Result<Option<Row>, ReadError>> {
        Box::pin(async move {
            let generation = table.generation as i32;
            let which: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
                [&table.name, &generation, &tenant.0, &key];
            let rows = self.pools.query(Lane::Critical, Whose::one(tenant), &sql::ROW, &which).await?;
            rows.first().map(row).transpose()
        })
    }

    fn rows(
        &self,
        table: Table,
        tenant: TenantId,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<Row>, ReadError>> {
        Box::pin(async move {
            let (generation, limit) = (table.generation as i32, limit.min(MAX_READ) as i64);
            let (after, end) = (after.unwrap_or_default(), port::end_of_prefix(&prefix));
            let rows = self
                .pools
                .query(
                    Lane::Critical,
                    Whose::one(tenant),
                    &sql::ROWS,
                    &[&table.name, &generation, &tenant.0, &after, &prefix, &end, &limit],
                )
                .await?;
            rows.iter().map(row).collect()
        })
    }
}

fn row(row: &tokio_postgres::Row) -> Result<Row, ReadError> {
    Ok(Row { key: row.try_get(0)?, body: row.try_get(1)?, phi: row.try_get(2)? })
}

async fn move_place(
    member: &mut Member,
    table: Table,
    partition: Partition,
    from: Position,
    to: Position,
) -> Result<bool, Error> {
    let (generation, partition) = (table.generation as i32, i32::from(partition.0));
    let (from, to) = (number(from.0), number(to.0));
    if from == 0 {
        let first: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
            [&table.name, &generation, &partition, &to];
        if member.execute(&sql::START_PLACE, &first).await? == 1 {
            return Ok(true);
        }
    }
    let next = member.execute(&sql::MOVE_PLACE, &[&table.name, &generation, &partition, &from, &to]).await?;
    Ok(next == 1)
}

/// Of several changes to a row the last one counts: one statement cannot change a row twice.
async fn change_rows(member: &mut Member, table: Table, changes: Vec<Change>) -> Result<(), Error> {
    let mut last = HashMap::new();
    for change in changes {
        match change {
            Change::Put { tenant, row } => last.insert((tenant, row.key.clone()), Some(row)),
            Change::Delete { tenant, key } => last.insert((tenant, key), None),
        };
    }
    let (mut tenants, mut keys, mut bodies, mut phis) = (vec![], vec![], vec![], vec![]);
    let (mut gone_of, mut gone) = (vec![], vec![]);
    for ((tenant, key), row) in last {
        match row {
            Some(row) => {
                tenants.push(tenant.0);
                keys.push(key);
                bodies.push(row.body);
                phis.push(row.phi);
            }
            None => {
                gone_of.push(tenant.0);
                gone.push(key);
            }
        }
    }
    let generation = table.generation as i32;
    if !keys.is_empty() {
        member.execute(&sql::PUT_ROWS, &[&table.name, &generation, &tenants, &keys, &bodies, &phis]).await?;
    }
    if !gone.is_empty() {
        member.execute(&sql::DELETE_ROWS, &[&table.name, &generation, &gone_of, &gone]).await?;
    }
    Ok(())
}

impl Ownership for PostgresStore {
    fn take(
        &self,
        tenant: TenantId,
        scope: Uuid,
        expected: Epoch,
        holder: Holder,
        at: Timestamp,
    ) -> StoreFuture<'_, Result<Fence, AppendError>> {
        if let Err(refusal) = holder_fits(&holder) {
            return Box::pin(ready(Err(refusal.into())));
        }
        let Holder { process, address } = holder;
        Box::pin(self.pools.write(Lane::Critical, Whose::one(tenant), async move |member| {
            // In line with the appends of the old owner.
            let partitions = vec![i32::from(partition(tenant, Lane::Critical).0)];
            member.execute(&sql::LOCK_ENDS, &[&partitions]).await?;
            let (before, at) = (number(expected.0), at.as_millis());
            let taken = if expected == Epoch(0) {
                member.execute(&sql::FIRST_TAKE, &[&tenant.0, &scope, &process, &address, &at]).await?
            } else {
                member.execute(&sql::TAKE, &[&tenant.0, &scope, &before, &process, &address, &at]).await?
            };
            let epoch = Epoch(expected.0 + 1);
            Ok(if taken == 1 { Ok(Fence { scope, epoch }) } else { Err(Refusal::Fenced) })
        }))
    }

    fn owner(&self, tenant: TenantId, scope: Uuid) -> StoreFuture<'_, Result<Option<Owned>, ReadError>> {
        Box::pin(async move {
            let rows = self
                .pools
                .query(Lane::Critical, Whose::one(tenant), &sql::OWNER, &[&tenant.0, &scope])
                .await?;
            let Some(row) = rows.first() else { return Ok(None) };
            let holder = Holder { process: row.try_get(1)?, address: row.try_get(2)? };
            let (epoch, at) = (Epoch(unsigned(row.try_get(0)?)), Timestamp::from_millis(row.try_get(3)?));
            Ok(Some(Owned { holder, epoch, at }))
        })
    }

    fn holders(&self) -> StoreFuture<'_, Result<Vec<Holder>, ReadError>> {
        Box::pin(async move {
            let (mut holders, mut after) = (Vec::new(), Uuid::nil());
            while holders.len() < MAX_READ {
                let rows = self.pools.query(Lane::Critical, Whose::All, &sql::NEXT_HOLDER, &[&after]).await?;
                let Some(row) = rows.first() else { break };
                let found = Holder { process: row.try_get(0)?, address: row.try_get(1)? };
                after = found.process;
                holders.push(found);
            }
            Ok(holders)
        })
    }

    fn owned_by(
        &self,
        process: Uuid,
        after: Option<(TenantId, Uuid)>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<Possession>, ReadError>> {
        Box::pin(async move {
            let limit = number(limit.min(MAX_READ) as u64);
            let rows = match after {
                None => {
                    self.pools
                        .query(Lane::Critical, Whose::All, &sql::FIRST_OWNED, &[&process, &limit])
                        .await?
                }
                Some((tenant, scope)) => {
                    let next: [&(dyn ToSql + Sync); 4] = [&process, &limit, &tenant.0, &scope];
                    self.pools.query(Lane::Critical, Whose::All, &sql::NEXT_OWNED, &next).await?
                }
            };
            let possession = |row: &tokio_postgres::Row| {
                let (tenant, scope) = (TenantId(row.try_get(0)?), row.try_get(1)?);
                Ok(Possession { tenant, scope, epoch: Epoch(unsigned(row.try_get(2)?)) })
            };
            rows.iter().map(possession).collect()
        })
    }
}
