//! A store that fails when it is told to.

use model::{Epoch, TenantId, Timestamp};
use parking_lot::Mutex;
use platform::{
    event_log::{
        Append, AppendError, Appended, AuditEnd, AuditPlace, AuditRow, AuditSearch, Category, Change,
        EventStore, Fence, Holder, Moment, OutboxMessage, Owned, Ownership, Partition, Position, Possession,
        ReadError, RecordedEvent, Records, Refusal, Row, Snapshot, Snapshots, Store, StoreFuture, StreamId,
        Table, Tables, TailEvent, Version,
    },
    lane::Lane,
};
use std::{
    future::{pending, ready},
    sync::Arc,
};
use uuid::Uuid;

/// What is wrong with a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// It refuses everything at once, and records nothing.
    Away,
    /// It refuses what is written, and can be read.
    ReadOnly,
    /// It records, and says that it does not know. It cannot be read.
    Unsure,
    /// It does not record, and says that it does not know. It cannot be read.
    Forgetful,
    /// It never answers, and records nothing.
    Silent,
    /// It never answers, and records what it was told when [`Faulty::deliver`] is called.
    Late,
}

/// A store with faults.
#[derive(Debug)]
pub struct Faulty<S> {
    inner: Arc<S>,
    fault: Mutex<Fault>,
    /// Which one comes with which write.
    next: Mutex<Option<(usize, Fault)>>,
    late: Mutex<Vec<Append>>,
}

impl<S: Store> Faulty<S> {
    /// Without a fault at first. Whoever has the store itself goes around them.
    pub fn new(inner: Arc<S>) -> Self {
        Self { inner, fault: Mutex::default(), next: Mutex::default(), late: Mutex::default() }
    }

    /// From now on this is wrong with it.
    pub fn set(&self, fault: Fault) {
        *self.next.lock() = None;
        *self.fault.lock() = fault;
    }

    /// So many writes are well, and from the next one on this is wrong with it.
    pub fn set_after(&self, writes: usize, fault: Fault) {
        *self.next.lock() = Some((writes, fault));
    }

    fn count_write(&self) {
        let mut next = self.next.lock();
        match &mut *next {
            Some((0, fault)) => {
                *self.fault.lock() = *fault;
                *next = None;
            }
            Some((writes, _)) => *writes -= 1,
            None => {}
        }
    }

    /// Records what came late, in the order in which it came.
    pub async fn deliver(&self) {
        let late = std::mem::take(&mut *self.late.lock());
        for append in late {
            // Nobody waits for the answer any more.
            let _ = self.inner.append(append).await;
        }
    }

    /// How many appends came late and are not delivered.
    pub fn undelivered(&self) -> usize {
        self.late.lock().len()
    }

    fn fault(&self) -> Fault {
        *self.fault.lock()
    }

    fn read<'a, T: Send + 'a>(
        &'a self,
        read: impl FnOnce(&'a S) -> StoreFuture<'a, Result<T, ReadError>>,
    ) -> StoreFuture<'a, Result<T, ReadError>> {
        match self.fault() {
            Fault::None | Fault::ReadOnly => read(&self.inner),
            Fault::Away | Fault::Unsure | Fault::Forgetful => Box::pin(ready(Err(ReadError))),
            Fault::Silent | Fault::Late => Box::pin(pending()),
        }
    }

    fn write<'a, T: Send + 'a>(
        &'a self,
        write: impl FnOnce(&'a S) -> StoreFuture<'a, Result<T, AppendError>>,
    ) -> StoreFuture<'a, Result<T, AppendError>> {
        self.count_write();
        match self.fault() {
            Fault::None => write(&self.inner),
            Fault::Away | Fault::ReadOnly => Box::pin(ready(Err(Refusal::Unavailable.into()))),
            Fault::Unsure => {
                let written = write(&self.inner);
                Box::pin(async move { Err(written.await.err().unwrap_or(AppendError::Unknown)) })
            }
            Fault::Forgetful => Box::pin(ready(Err(AppendError::Unknown))),
            Fault::Silent | Fault::Late => Box::pin(pending()),
        }
    }
}

impl<S: Store> EventStore for Faulty<S> {
    fn append(&self, append: Append) -> StoreFuture<'_, Result<Appended, AppendError>> {
        if self.fault() == Fault::Late {
            self.late.lock().push(append);
            return Box::pin(pending());
        }
        self.write(|inner| inner.append(append))
    }

    fn streams(
        &self,
        category: Category,
        after: Option<(TenantId, Uuid)>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<StreamId>, ReadError>> {
        self.read(|inner| inner.streams(category, after, limit))
    }

    fn read(
        &self,
        stream: StreamId,
        after: Version,
        limit: usize,
        moment: Moment,
    ) -> StoreFuture<'_, Result<Vec<RecordedEvent>, ReadError>> {
        Faulty::read(self, |inner| inner.read(stream, after, limit, moment))
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
        Faulty::read(self, |inner| inner.tail(partition, after, limit))
    }

    fn head(&self, partition: Partition) -> StoreFuture<'_, Result<Position, ReadError>> {
        Faulty::read(self, |inner| inner.head(partition))
    }
}

impl<S: Store> Records for Faulty<S> {
    fn outbox(
        &self,
        partition: Partition,
        after: Position,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<OutboxMessage>, ReadError>> {
        Faulty::read(self, |inner| inner.outbox(partition, after, limit))
    }

    fn outbox_head(&self, partition: Partition) -> StoreFuture<'_, Result<Position, ReadError>> {
        Faulty::read(self, |inner| inner.outbox_head(partition))
    }

    fn prune_outbox(
        &self,
        partition: Partition,
        up_to: Position,
    ) -> StoreFuture<'_, Result<(), AppendError>> {
        self.write(|inner| inner.prune_outbox(partition, up_to))
    }

    fn audit(
        &self,
        tenant: TenantId,
        partition: Partition,
        after: u64,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<AuditRow>, ReadError>> {
        Faulty::read(self, |inner| inner.audit(tenant, partition, after, limit))
    }

    fn search_audit(
        &self,
        tenant: TenantId,
        search: AuditSearch,
        before: Option<AuditPlace>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<AuditRow>, ReadError>> {
        Faulty::read(self, |inner| inner.search_audit(tenant, search, before, limit))
    }

    fn prune_audit(
        &self,
        tenant: TenantId,
        partition: Partition,
        up_to: u64,
    ) -> StoreFuture<'_, Result<(), AppendError>> {
        self.write(|inner| inner.prune_audit(tenant, partition, up_to))
    }

    fn audited(
        &self,
        after: Option<(TenantId, Partition)>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<AuditEnd>, ReadError>> {
        Faulty::read(self, |inner| inner.audited(after, limit))
    }
}

impl<S: Store> Snapshots for Faulty<S> {
    fn save(&self, snapshot: Snapshot) -> StoreFuture<'_, Result<(), AppendError>> {
        self.write(|inner| inner.save(snapshot))
    }

    fn snapshot(&self, stream: StreamId) -> StoreFuture<'_, Result<Option<Snapshot>, ReadError>> {
        Faulty::read(self, |inner| inner.snapshot(stream))
    }
}

impl<S: Store> Tables for Faulty<S> {
    fn apply(
        &self,
        table: Table,
        partition: Partition,
        from: Position,
        to: Position,
        changes: Vec<Change>,
    ) -> StoreFuture<'_, Result<(), AppendError>> {
        self.write(|inner| inner.apply(table, partition, from, to, changes))
    }

    fn applied(&self, table: Table, partition: Partition) -> StoreFuture<'_, Result<Position, ReadError>> {
        Faulty::read(self, |inner| inner.applied(table, partition))
    }

    fn live(&self, name: &'static str) -> StoreFuture<'_, Result<u32, ReadError>> {
        Faulty::read(self, |inner| inner.live(name))
    }

    fn go_live(&self, table: Table) -> StoreFuture<'_, Result<(), AppendError>> {
        self.write(|inner| inner.go_live(table))
    }

    fn row(
        &self,
        table: Table,
        tenant: TenantId,
        key: String,
    ) -> StoreFuture<'_, Result<Option<Row>, ReadError>> {
        Faulty::read(self, |inner| inner.row(table, tenant, key))
    }

    fn rows(
        &self,
        table: Table,
        tenant: TenantId,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<Row>, ReadError>> {
        Faulty::read(self, |inner| inner.rows(table, tenant, prefix, after, limit))
    }
}

impl<S: Store> Ownership for Faulty<S> {
    fn take(
        &self,
        tenant: TenantId,
        scope: Uuid,
        expected: Epoch,
        holder: Holder,
        at: Timestamp,
    ) -> StoreFuture<'_, Result<Fence, AppendError>> {
        self.write(|inner| inner.take(tenant, scope, expected, holder, at))
    }

    fn owner(&self, tenant: TenantId, scope: Uuid) -> StoreFuture<'_, Result<Option<Owned>, ReadError>> {
        Faulty::read(self, |inner| inner.owner(tenant, scope))
    }

    fn holders(&self) -> StoreFuture<'_, Result<Vec<Holder>, ReadError>> {
        Faulty::read(self, |inner| inner.holders())
    }

    fn owned_by(
        &self,
        process: Uuid,
        after: Option<(TenantId, Uuid)>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<Possession>, ReadError>> {
        Faulty::read(self, |inner| inner.owned_by(process, after, limit))
    }

    fn recorded(&self, tenant: TenantId, scope: Uuid) -> StoreFuture<'_, Result<(), Refusal>> {
        self.inner.recorded(tenant, scope)
    }
}
