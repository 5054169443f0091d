//! Snapshots, tables and owners in SQLite.

use super::{
    A_ROW, SqliteStore,
    batch::{self, run},
    memory::{self, Memory},
    statements as sql,
};
use crate::{
    event_log::{
        AppendError, Change, Fence, Holder, Owned, Ownership, Partition, Position, Possession, ReadError,
        Refusal, Row, Snapshot, Snapshots, StoreFuture, StreamId, Table, Tables, Version,
        port::{self, holder_fits},
    },
    lane::Lane,
    limits::{FORGOTTEN_AT_ONCE, MAX_READ},
};
use model::{Epoch, TenantId, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Transaction};
use std::future::ready;
use uuid::Uuid;

impl Snapshots for SqliteStore {
    fn save(&self, snapshot: Snapshot) -> StoreFuture<'_, Result<(), AppendError>> {
        let lane = snapshot.stream.category.lane;
        let bytes = snapshot.body.len() + snapshot.phi.as_ref().map_or(0, String::len);
        let save = move |transaction: &Transaction<'_>, _: &mut Memory| {
            // Of a stream that does not exist there is nothing to keep.
            let Some((number, _)) = memory::find(transaction, &snapshot.stream)? else { return Ok(Ok(())) };
            let Snapshot { version, schema, body, phi, .. } = &snapshot;
            run(transaction, &sql::SAVE_SNAPSHOT, (number, version.0, schema, body, phi))?;
            Ok(Ok(()))
        };
        Box::pin(self.write(lane, bytes, save))
    }

    fn snapshot(&self, stream: StreamId) -> StoreFuture<'_, Result<Option<Snapshot>, ReadError>> {
        Box::pin(self.readers.read(stream.category.lane, move |connection| {
            let key = (stream.category.name, stream.tenant.0.as_bytes(), stream.id.as_bytes());
            let snapshot = |row: &rusqlite::Row<'_>| {
                let (version, schema) = (Version(row.get(0)?), row.get(1)?);
                Ok(Snapshot { stream, version, schema, body: row.get(2)?, phi: row.get(3)? })
            };
            connection.prepare_cached(sql::SNAPSHOT.sql)?.query_row(key, snapshot).optional()
        }))
    }
}

impl Tables for SqliteStore {
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
            self.write(Lane::Standard, port::bytes_of(&changes), move |transaction, _| {
                let Table { name, generation } = table;
                if place(transaction, table, partition)? != from {
                    return Ok(Err(Refusal::Conflict { actual: Version(0) }));
                }
                for change in &changes {
                    match change {
                        Change::Put { tenant, row: Row { key, body, phi } } => {
                            let row = (name, generation, tenant.0.as_bytes(), key, body, phi);
                            run(transaction, &sql::PUT_ROW, row)?
                        }
                        Change::Delete { tenant, key } => {
                            run(transaction, &sql::DELETE_ROW, (name, generation, tenant.0.as_bytes(), key))?
                        }
                    };
                }
                run(transaction, &sql::MOVE_PLACE, (name, generation, partition.0, to.0))?;
                Ok(Ok(()))
            })
            .await
        })
    }

    fn applied(&self, table: Table, partition: Partition) -> StoreFuture<'_, Result<Position, ReadError>> {
        Box::pin(self.readers.read(Lane::Standard, move |connection| place(connection, table, partition)))
    }

    fn live(&self, name: &'static str) -> StoreFuture<'_, Result<u32, ReadError>> {
        Box::pin(self.readers.read(Lane::Critical, move |connection| {
            let live =
                connection.prepare_cached(sql::LIVE.sql)?.query_row((name,), |row| row.get(0)).optional()?;
            Ok(live.unwrap_or(0))
        }))
    }

    fn go_live(&self, table: Table) -> StoreFuture<'_, Result<(), AppendError>> {
        let Table { name, generation } = table;
        Box::pin(async move {
            self.write(Lane::Batch, A_ROW, move |transaction, _| {
                for statement in [&sql::GO_LIVE, &sql::DROP_PLACES] {
                    run(transaction, statement, (name, generation))?;
                }
                Ok(Ok(()))
            })
            .await?;
            // Rows that nobody reads any more. What is left when this is cut off goes with the next rebuild.
            self.forget(move |transaction| {
                run(transaction, &sql::DROP_ROWS, (name, generation, FORGOTTEN_AT_ONCE))
            })
            .await
        })
    }

    fn row(
        &self,
        table: Table,
        tenant: TenantId,
        key: String,
    ) -> StoreFuture<'_, Result<Option<Row>, ReadError>> {
        Box::pin(self.readers.read(Lane::Critical, move |connection| {
            let key = (table.name, table.generation, tenant.0.as_bytes(), key);
            connection.prepare_cached(sql::ROW.sql)?.query_row(key, row).optional()
        }))
    }

    fn rows(
        &self,
        table: Table,
        tenant: TenantId,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<Row>, ReadError>> {
        Box::pin(self.readers.read(Lane::Critical, move |connection| {
            let (after, end) = (after.unwrap_or_default(), port::end_of_prefix(&prefix));
            let Table { name, generation } = table;
            let which = (name, generation, tenant.0.as_bytes(), after, prefix, end, limit.min(MAX_READ));
            connection.prepare_cached(sql::ROWS.sql)?.query_map(which, row)?.collect()
        }))
    }
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row { key: row.get(0)?, body: row.get(1)?, phi: row.get(2)? })
}

fn place(connection: &Connection, table: Table, partition: Partition) -> rusqlite::Result<Position> {
    let place = connection
        .prepare_cached(sql::PLACE.sql)?
        .query_row((table.name, table.generation, partition.0), |row| row.get(0))
        .optional()?;
    Ok(Position(place.unwrap_or(0)))
}

impl Ownership for SqliteStore {
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
        Box::pin(self.write(Lane::Critical, A_ROW, move |transaction, memory| {
            if memory.epoch(transaction, tenant, scope)? != expected {
                return Ok(Err(Refusal::Fenced));
            }
            let epoch = Epoch(expected.0 + 1);
            let (process, address) = (holder.process.as_bytes(), &holder.address);
            let row = (tenant.0.as_bytes(), scope.as_bytes(), epoch.0, process, address, at.as_millis());
            batch::run(transaction, &sql::TAKE, row)?;
            memory.known.epochs.insert((tenant, scope), epoch);
            Ok(Ok(Fence { scope, epoch }))
        }))
    }

    fn owner(&self, tenant: TenantId, scope: Uuid) -> StoreFuture<'_, Result<Option<Owned>, ReadError>> {
        Box::pin(self.readers.read(Lane::Critical, move |connection| {
            let owned = |row: &rusqlite::Row<'_>| {
                let holder = Holder { process: Uuid::from_bytes(row.get(1)?), address: row.get(2)? };
                Ok(Owned { holder, epoch: Epoch(row.get(0)?), at: Timestamp::from_millis(row.get(3)?) })
            };
            let key = (tenant.0.as_bytes(), scope.as_bytes());
            connection.prepare_cached(sql::OWNER.sql)?.query_row(key, owned).optional()
        }))
    }

    fn holders(&self) -> StoreFuture<'_, Result<Vec<Holder>, ReadError>> {
        Box::pin(self.readers.read(Lane::Critical, move |connection| {
            let holder = |row: &rusqlite::Row<'_>| {
                Ok(Holder { process: Uuid::from_bytes(row.get(0)?), address: row.get(1)? })
            };
            let mut next = connection.prepare_cached(sql::NEXT_HOLDER.sql)?;
            let (mut holders, mut after) = (Vec::new(), Uuid::nil());
            while holders.len() < MAX_READ
                && let Some(found) = next.query_row((after.as_bytes(),), holder).optional()?
            {
                after = found.process;
                holders.push(found);
            }
            Ok(holders)
        }))
    }

    fn owned_by(
        &self,
        process: Uuid,
        after: Option<(TenantId, Uuid)>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<Possession>, ReadError>> {
        let limit = limit.min(MAX_READ);
        Box::pin(self.readers.read(Lane::Critical, move |connection| {
            let possession = |row: &rusqlite::Row<'_>| {
                let [tenant, scope] = [Uuid::from_bytes(row.get(0)?), Uuid::from_bytes(row.get(1)?)];
                Ok(Possession { tenant: TenantId(tenant), scope, epoch: Epoch(row.get(2)?) })
            };
            match after {
                None => {
                    let mut first = connection.prepare_cached(sql::FIRST_OWNED.sql)?;
                    first.query_map((process.as_bytes(), limit), possession)?.collect()
                }
                Some((tenant, scope)) => {
                    let mut next = connection.prepare_cached(sql::NEXT_OWNED.sql)?;
                    let after = (process.as_bytes(), limit, tenant.0.as_bytes(), scope.as_bytes());
                    next.query_map(after, possession)?.collect()
                }
            }
        }))
    }
}
