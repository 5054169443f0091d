//! The traits of a store. What holds no PHI goes through as it is.

use super::{
    Sealing,
    read::{OfAudit, OfStream, OfTable},
};
use crate::{
    event_log::{
        Append, AppendError, Appended, AuditEnd, AuditPlace, AuditRow, AuditSearch, Category, Change,
        EventStore, Fence, Holder, Moment, OutboxMessage, Owned, Ownership, Partition, Position, Possession,
        ReadError, RecordedEvent, Records, Refusal, Row, Snapshot, Snapshots, Store, StoreFuture, StreamId,
        Table, Tables, TailEvent, Version, port::changes_fit,
    },
    lane::Lane,
};
use model::{Epoch, TenantId, Timestamp};
use uuid::Uuid;

impl<S: Store + ?Sized> EventStore for Sealing<S> {
    fn append(&self, append: Append) -> StoreFuture<'_, Result<Appended, AppendError>> {
        Box::pin(self.append_sealed(append))
    }

    fn streams(
        &self,
        category: Category,
        after: Option<(TenantId, Uuid)>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<StreamId>, ReadError>> {
        self.inner.streams(category, after, limit)
    }

    fn read(
        &self,
        stream: StreamId,
        after: Version,
        limit: usize,
        moment: Moment,
    ) -> StoreFuture<'_, Result<Vec<RecordedEvent>, ReadError>> {
        Box::pin(async move {
            let page = self.inner.read(stream, after, limit, moment).await?;
            let mut page: Vec<_> = page.into_iter().map(|event| OfStream(stream, event)).collect();
            self.open_all(&mut page).await?;
            Ok(page.into_iter().map(|OfStream(_, event)| event).collect())
        })
    }

    fn partitions(&self) -> Vec<Partition> {
        self.inner.partitions()
    }

    fn lane(&self, partition: Partition) -> Lane {
        self.inner.lane(partition)
    }

    fn tail(
        &self,
        partition: Partition,
        after: Position,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<TailEvent>, ReadError>> {
        Box::pin(async move {
            let mut page = self.inner.tail(partition, after, limit).await?;
            self.open_all(&mut page).await?;
            Ok(page)
        })
    }

    fn head(&self, partition: Partition) -> StoreFuture<'_, Result<Position, ReadError>> {
        self.inner.head(partition)
    }
}

impl<S: Store + ?Sized> Records for Sealing<S> {
    fn outbox(
        &self,
        partition: Partition,
        after: Position,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<OutboxMessage>, ReadError>> {
        self.inner.outbox(partition, after, limit)
    }

    fn outbox_head(&self, partition: Partition) -> StoreFuture<'_, Result<Position, ReadError>> {
        self.inner.outbox_head(partition)
    }

    fn prune_outbox(
        &self,
        partition: Partition,
        up_to: Position,
    ) -> StoreFuture<'_, Result<(), AppendError>> {
        self.inner.prune_outbox(partition, up_to)
    }

    fn audit(
        &self,
        tenant: TenantId,
        partition: Partition,
        after: u64,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<AuditRow>, ReadError>> {
        Box::pin(async move {
            let page = self.inner.audit(tenant, partition, after, limit).await?;
            let mut page: Vec<_> = page.into_iter().map(|row| OfAudit(tenant, row)).collect();
            self.open_all(&mut page).await?;
            Ok(page.into_iter().map(|OfAudit(_, row)| row).collect())
        })
    }

    fn search_audit(
        &self,
        tenant: TenantId,
        search: AuditSearch,
        before: Option<AuditPlace>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<AuditRow>, ReadError>> {
        Box::pin(async move {
            let page = self.inner.search_audit(tenant, search, before, limit).await?;
            let mut page: Vec<_> = page.into_iter().map(|row| OfAudit(tenant, row)).collect();
            self.open_all(&mut page).await?;
            Ok(page.into_iter().map(|OfAudit(_, row)| row).collect())
        })
    }

    fn prune_audit(
        &self,
        tenant: TenantId,
        partition: Partition,
        up_to: u64,
    ) -> StoreFuture<'_, Result<(), AppendError>> {
        self.inner.prune_audit(tenant, partition, up_to)
    }

    fn audited(
        &self,
        after: Option<(TenantId, Partition)>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<AuditEnd>, ReadError>> {
        self.inner.audited(after, limit)
    }
}

impl<S: Store + ?Sized> Snapshots for Sealing<S> {
    fn save(&self, snapshot: Snapshot) -> StoreFuture<'_, Result<(), AppendError>> {
        Box::pin(self.save_sealed(snapshot))
    }

    fn snapshot(&self, stream: StreamId) -> StoreFuture<'_, Result<Option<Snapshot>, ReadError>> {
        Box::pin(async move {
            let mut found = self.inner.snapshot(stream).await?;
            self.open_all(found.as_mut_slice()).await?;
            Ok(found)
        })
    }
}

impl<S: Store + ?Sized> Sealing<S> {
    async fn apply_sealed(
        &self,
        table: Table,
        partition: Partition,
        (from, to): (Position, Position),
        changes: Vec<(Option<Uuid>, Change)>,
    ) -> Result<(), AppendError> {
        let changes = self.seal_changes(table, changes).await?;
        self.inner.apply(table, partition, from, to, changes).await
    }
}

impl<S: Store + ?Sized> Tables for Sealing<S> {
    fn apply(
        &self,
        table: Table,
        partition: Partition,
        from: Position,
        to: Position,
        changes: Vec<Change>,
    ) -> StoreFuture<'_, Result<(), AppendError>> {
        Box::pin(async move {
            changes_fit(&changes)?;
            let changes = changes.into_iter().map(|change| (None, change)).collect();
            self.apply_sealed(table, partition, (from, to), changes).await
        })
    }

    fn project(
        &self,
        table: Table,
        partition: Partition,
        from: Position,
        to: Position,
        changes: Vec<(Uuid, Change)>,
    ) -> StoreFuture<'_, Result<(), AppendError>> {
        Box::pin(async move {
            let changes = changes.into_iter().map(|(stream, change)| (Some(stream), change)).collect();
            self.apply_sealed(table, partition, (from, to), changes).await
        })
    }

    fn applied(&self, table: Table, partition: Partition) -> StoreFuture<'_, Result<Position, ReadError>> {
        self.inner.applied(table, partition)
    }

    fn live(&self, name: &'static str) -> StoreFuture<'_, Result<u32, ReadError>> {
        self.inner.live(name)
    }

    fn go_live(&self, table: Table) -> StoreFuture<'_, Result<(), AppendError>> {
        self.inner.go_live(table)
    }

    fn row(
        &self,
        table: Table,
        tenant: TenantId,
        key: String,
    ) -> StoreFuture<'_, Result<Option<Row>, ReadError>> {
        Box::pin(async move {
            let found = self.inner.row(table, tenant, key).await?;
            let mut found = found.map(|row| OfTable(table, tenant, row));
            self.open_all(found.as_mut_slice()).await?;
            Ok(found.map(|OfTable(_, _, row)| row))
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
            let page = self.inner.rows(table, tenant, prefix, after, limit).await?;
            let mut page: Vec<_> = page.into_iter().map(|row| OfTable(table, tenant, row)).collect();
            self.open_all(&mut page).await?;
            Ok(page.into_iter().map(|OfTable(_, _, row)| row).collect())
        })
    }
}

impl<S: Store + ?Sized> Ownership for Sealing<S> {
    fn take(
        &self,
        tenant: TenantId,
        scope: Uuid,
        expected: Epoch,
        holder: Holder,
        at: Timestamp,
    ) -> StoreFuture<'_, Result<Fence, AppendError>> {
        self.inner.take(tenant, scope, expected, holder, at)
    }

    fn owner(&self, tenant: TenantId, scope: Uuid) -> StoreFuture<'_, Result<Option<Owned>, ReadError>> {
        self.inner.owner(tenant, scope)
    }

    fn holders(&self) -> StoreFuture<'_, Result<Vec<Holder>, ReadError>> {
        self.inner.holders()
    }

    fn owned_by(
        &self,
        process: Uuid,
        after: Option<(TenantId, Uuid)>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<Possession>, ReadError>> {
        self.inner.owned_by(process, after, limit)
    }

    fn recorded(&self, tenant: TenantId, scope: Uuid) -> StoreFuture<'_, Result<(), Refusal>> {
        self.inner.recorded(tenant, scope)
    }
}
