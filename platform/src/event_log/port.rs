//! What every store does. Adapters: SQLite and PostgreSQL here, memory in `testkit`.

use super::{
    append::{Append, AppendError, Appended, Fence, Refusal},
    event::{Category, Moment, Partition, Position, RecordedEvent, StreamId, TailEvent, Version},
    projection::{Change, Row},
    records::{AuditEnd, AuditPlace, AuditRow, AuditSearch, OutboxMessage},
};
use crate::lane::Lane;
use crate::limits::{MAX_ADDRESS_BYTES, MAX_CHANGES, MAX_EVENT_BYTES, MAX_KEY_BYTES};
use crate::vault::text_bytes;
use model::{Epoch, TenantId, Timestamp};
use std::{future::Future, pin::Pin};
use uuid::Uuid;

/// A future that the store's methods return.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The store cannot be read now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store cannot be read now")]
pub struct ReadError;

/// Events: streams of them, and the order of all of them.
pub trait EventStore: Send + Sync + 'static {
    /// Appends atomically. Durable when it returns `Ok`.
    fn append(&self, append: Append) -> StoreFuture<'_, Result<Appended, AppendError>>;
    /// Every stream of a category with an event, after `after` in (tenant, id) order, at most `limit`.
    fn streams(
        &self,
        category: Category,
        after: Option<(TenantId, Uuid)>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<StreamId>, ReadError>>;
    /// Reads a stream's events after `after`, oldest first, at most `limit`, as they show at a moment.
    fn read(
        &self,
        stream: StreamId,
        after: Version,
        limit: usize,
        moment: Moment,
    ) -> StoreFuture<'_, Result<Vec<RecordedEvent>, ReadError>>;
    /// Every partition there is; which stream is in which never changes.
    fn partitions(&self) -> Vec<Partition>;
    /// Whose streams are in a partition.
    fn lane(&self, partition: Partition) -> Lane;
    /// Events of all streams of a partition after a position, in the order in which they were committed, at most
    /// `limit`. Nothing is ever committed before what was returned once.
    fn tail(
        &self,
        partition: Partition,
        after: Position,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<TailEvent>, ReadError>>;
    /// The position of a partition's newest event.
    fn head(&self, partition: Partition) -> StoreFuture<'_, Result<Position, ReadError>>;
}

/// What was recorded beside the events.
pub trait Records: Send + Sync + 'static {
    /// Messages for other services after a position, in their order, at most `limit`.
    fn outbox(
        &self,
        partition: Partition,
        after: Position,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<OutboxMessage>, ReadError>>;
    /// The position of a partition's newest message, whether it is still there or forgotten; 0 before the first.
    fn outbox_head(&self, partition: Partition) -> StoreFuture<'_, Result<Position, ReadError>>;
    /// Forgets messages up to a position, all of which were delivered.
    fn prune_outbox(&self, partition: Partition, up_to: Position)
    -> StoreFuture<'_, Result<(), AppendError>>;
    /// A tenant's audit rows after a number, in their order, at most `limit`.
    fn audit(
        &self,
        tenant: TenantId,
        partition: Partition,
        after: u64,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<AuditRow>, ReadError>>;
    /// A tenant's audit rows by what an auditor asks for, those before a place, the newest first, at most `limit`. By an
    /// index: rows that are not asked for cost nothing.
    fn search_audit(
        &self,
        tenant: TenantId,
        search: AuditSearch,
        before: Option<AuditPlace>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<AuditRow>, ReadError>>;
    /// Forgets a tenant's audit rows up to a number, the first ones first, some at a time: cut off, it can be repeated. The
    /// newest row always stays, so that numbers go on. Only for [`crate::audit::prune`], which says when it may be.
    fn prune_audit(
        &self,
        tenant: TenantId,
        partition: Partition,
        up_to: u64,
    ) -> StoreFuture<'_, Result<(), AppendError>>;
    /// Where audit rows end: every (tenant, partition) with any after a given one, in their order, at most `limit`.
    fn audited(
        &self,
        after: Option<(TenantId, Partition)>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<AuditEnd>, ReadError>>;
}

/// A machine as it was at a version, so that not all of its history must be read. Can be made anew at any time.
#[derive(Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Of which stream.
    pub stream: StreamId,
    /// After which event.
    pub version: Version,
    /// Version of its shape. One of another schema is not used.
    pub schema: u16,
    /// JSON without PHI.
    pub body: String,
    /// JSON of its PHI, if it has any.
    pub phi: Option<String>,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot")
            .field("stream", &self.stream)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// Snapshots: at most one a stream, the newest.
pub trait Snapshots: Send + Sync + 'static {
    /// Keeps a snapshot, unless there is one of a later version of the stream.
    fn save(&self, snapshot: Snapshot) -> StoreFuture<'_, Result<(), AppendError>>;
    /// The snapshot of a stream.
    fn snapshot(&self, stream: StreamId) -> StoreFuture<'_, Result<Option<Snapshot>, ReadError>>;
}

/// A table made from events, in one of the states it was rebuilt in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Table {
    /// Name and version of its shape, `links.1` for example.
    pub name: &'static str,
    /// Which rebuild.
    pub generation: u32,
}

/// What projections write and read. [`super::Projector`] drives it.
pub trait Tables: Send + Sync + 'static {
    /// Applies changes and moves the table's place in a partition, both or neither.
    ///
    /// # Errors
    /// `Conflict` when the table is no longer at `from`: another process was faster.
    fn apply(
        &self,
        table: Table,
        partition: Partition,
        from: Position,
        to: Position,
        changes: Vec<Change>,
    ) -> StoreFuture<'_, Result<(), AppendError>>;
    /// The same, for changes made from streams' events: each with its stream, by which what there is of PHI in it is
    /// erased with the stream's. Where nothing is encrypted, it makes no difference.
    fn project(
        &self,
        table: Table,
        partition: Partition,
        from: Position,
        to: Position,
        changes: Vec<(Uuid, Change)>,
    ) -> StoreFuture<'_, Result<(), AppendError>> {
        let changes = changes.into_iter().map(|(_, change)| change).collect();
        self.apply(table, partition, from, to, changes)
    }
    /// How far a table has come in a partition.
    fn applied(&self, table: Table, partition: Partition) -> StoreFuture<'_, Result<Position, ReadError>>;
    /// Which generation of a table is to be read: 0 at first.
    fn live(&self, name: &'static str) -> StoreFuture<'_, Result<u32, ReadError>>;
    /// Makes a generation the one to be read, and forgets the rows of all others.
    fn go_live(&self, table: Table) -> StoreFuture<'_, Result<(), AppendError>>;
    /// One row.
    fn row(
        &self,
        table: Table,
        tenant: TenantId,
        key: String,
    ) -> StoreFuture<'_, Result<Option<Row>, ReadError>>;
    /// Rows whose keys begin with `prefix`, in order of their keys' bytes, after a key, at most `limit`.
    fn rows(
        &self,
        table: Table,
        tenant: TenantId,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<Row>, ReadError>>;
}

/// A process that owns something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    /// Another one each time the process starts; never nil.
    pub process: Uuid,
    /// Where other processes reach it, `host:port`; empty when they do not. At most
    /// [`MAX_ADDRESS_BYTES`](crate::limits::MAX_ADDRESS_BYTES).
    pub address: String,
}

/// Who owns something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    /// The process that owns it.
    pub holder: Holder,
    /// How often the owner has changed.
    pub epoch: Epoch,
    /// Since when.
    pub at: Timestamp,
}

/// Something that a process owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Possession {
    /// Whose it is.
    pub tenant: TenantId,
    /// What is owned.
    pub scope: Uuid,
    /// In which epoch.
    pub epoch: Epoch,
}

/// Who may write what. An owner is replaced by compare-and-set, never by waiting for a lease to run out, and whoever
/// was replaced is fenced: their appends are refused.
pub trait Ownership: Send + Sync + 'static {
    /// Takes a scope over from the owner at `expected` (0: nobody yet). Answers the new epoch.
    ///
    /// # Errors
    /// `Fenced` when the owner has changed since; `TooLarge` for an address that is.
    fn take(
        &self,
        tenant: TenantId,
        scope: Uuid,
        expected: Epoch,
        holder: Holder,
        at: Timestamp,
    ) -> StoreFuture<'_, Result<Fence, AppendError>>;
    /// The owner of a scope, if it ever had one.
    fn owner(&self, tenant: TenantId, scope: Uuid) -> StoreFuture<'_, Result<Option<Owned>, ReadError>>;
    /// Every process that owns anything, alive or not, in their order; at most `limits::MAX_READ`.
    fn holders(&self) -> StoreFuture<'_, Result<Vec<Holder>, ReadError>>;
    /// What a process owns, and since which epoch, after a (tenant, scope), in their order, at most `limit`.
    fn owned_by(
        &self,
        process: Uuid,
        after: Option<(TenantId, Uuid)>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<Possession>, ReadError>>;
    /// Waits until nothing that was acknowledged under a scope's owner is provisional any more, however long that
    /// takes. At once where nothing ever is.
    ///
    /// # Errors
    /// `Fenced` when some of it will never be recorded: whoever remembers it gives the scope up.
    fn recorded(&self, tenant: TenantId, scope: Uuid) -> StoreFuture<'_, Result<(), Refusal>> {
        let _ = (tenant, scope);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// All of it: what a service stands on.
pub trait Store: EventStore + Records + Snapshots + Tables + Ownership {}

impl<T: EventStore + Records + Snapshots + Tables + Ownership> Store for T {}

/// Refuses changes that no adapter takes.
pub(crate) fn changes_fit(changes: &[Change]) -> Result<(), Refusal> {
    let fits = |change: &Change| match change {
        Change::Put { row: Row { key, body, phi }, .. } => {
            key.len() <= MAX_KEY_BYTES && body.len() + phi.as_deref().map_or(0, text_bytes) <= MAX_EVENT_BYTES
        }
        Change::Delete { key, .. } => key.len() <= MAX_KEY_BYTES,
    };
    if changes.len() <= MAX_CHANGES && changes.iter().all(fits) { Ok(()) } else { Err(Refusal::TooLarge) }
}

/// What changes write, about.
pub(super) fn bytes_of(changes: &[Change]) -> usize {
    let size = |change: &Change| match change {
        Change::Put { row: Row { key, body, phi }, .. } => {
            key.len() + body.len() + phi.as_ref().map_or(0, String::len)
        }
        Change::Delete { key, .. } => key.len(),
    };
    changes.iter().map(size).sum()
}

/// Refuses holders that no adapter takes.
pub(super) fn holder_fits(holder: &Holder) -> Result<(), Refusal> {
    if holder.address.len() <= MAX_ADDRESS_BYTES { Ok(()) } else { Err(Refusal::TooLarge) }
}

/// The first text after all that begin with a prefix, by their bytes.
pub(super) fn end_of_prefix(prefix: &str) -> String {
    format!("{prefix}{}", char::MAX)
}
