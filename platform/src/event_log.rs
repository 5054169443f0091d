//! The event log: append-only streams with optimistic concurrency and idempotency keys.
//!
//! An append that returned [`Appended`] is on disk. One that returned [`AppendError::Unknown`] may or
//! may not be: read the stream again, or append again with the same idempotency key.

use model::{CommandId, TenantId, Timestamp};
use std::{fmt, future::Future, pin::Pin};
use uuid::Uuid;

pub mod sqlite;

/// A future that the store's methods return.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One stream: the history of one durable machine of one tenant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StreamId {
    /// The healthcare unit.
    pub tenant: TenantId,
    /// What kind of machine, `visit` for example: `[a-z-]{1,32}`.
    pub category: &'static str,
    /// Which one.
    pub id: Uuid,
}

/// How many events a stream has. The first event is recorded as version 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Version(pub u64);

/// An event to be recorded. PHI stands apart from the rest, so that it can be encrypted and shredded
/// without rewriting history.
#[derive(Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// Its name, `admitted` for example.
    pub kind: &'static str,
    /// Version of its shape; N and N−1 read each other.
    pub schema: u16,
    /// JSON without PHI.
    pub body: String,
    /// JSON of its PHI, if it has any.
    pub phi: Option<String>,
}

impl fmt::Debug for NewEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewEvent")
            .field("kind", &self.kind)
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

/// An event as it stands in the log.
#[derive(Clone, PartialEq, Eq)]
pub struct RecordedEvent {
    /// Its place in the stream.
    pub version: Version,
    /// Its name.
    pub kind: String,
    /// Version of its shape.
    pub schema: u16,
    /// JSON without PHI.
    pub body: String,
    /// JSON of its PHI, if it has any.
    pub phi: Option<String>,
    /// When the owner decided it.
    pub at: Timestamp,
}

impl fmt::Debug for RecordedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedEvent")
            .field("version", &self.version)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// One atomic append.
#[derive(Clone, Debug)]
pub struct Append {
    /// Where to.
    pub stream: StreamId,
    /// The version the decision was made at.
    pub expected: Version,
    /// The command that caused it. A key used before on this stream records nothing and answers
    /// [`Appended`] with `repeated` and the version it had then.
    pub key: Option<CommandId>,
    /// What happened; 1 to `limits::MAX_EVENTS_PER_APPEND`.
    pub events: Vec<NewEvent>,
    /// When it was decided.
    pub at: Timestamp,
}

/// The append is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The stream's version after it.
    pub version: Version,
    /// The key had been used before; nothing was recorded now.
    pub repeated: bool,
}

/// Why an append is not known to be on disk.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Somebody else appended first; nothing was recorded. Read, decide again.
    #[error("the stream has moved on to version {}", actual.0)]
    Conflict {
        /// Where the stream is now.
        actual: Version,
    },
    /// Larger than the limits allow; nothing was recorded.
    #[error("the append is too large")]
    TooLarge,
    /// The store cannot write now (disk full, shutting down, queue full); nothing was recorded.
    #[error("the store cannot write now")]
    Unavailable,
    /// It may or may not be recorded.
    #[error("whether the append is recorded is not known")]
    Unknown,
}

/// Why a read failed.
#[derive(Debug, thiserror::Error)]
#[error("the store cannot be read now")]
pub struct ReadError;

/// The store. Adapters: SQLite (`event_log::sqlite`).
pub trait EventStore: Send + Sync + 'static {
    /// Appends atomically. Durable when it returns `Ok`.
    fn append(&self, append: Append) -> StoreFuture<'_, Result<Appended, AppendError>>;
    /// Reads a stream's events after `after`, oldest first, at most `limit`.
    fn read(
        &self,
        stream: StreamId,
        after: Version,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<RecordedEvent>, ReadError>>;
    /// Every stream of a category with an event, after `after` in (tenant, id) order, at most `limit`:
    /// how an owner finds its machines at start.
    fn streams(
        &self,
        category: &'static str,
        after: Option<(TenantId, Uuid)>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<StreamId>, ReadError>>;
}
