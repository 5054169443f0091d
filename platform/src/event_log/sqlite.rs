//! The event log in one SQLite file: nothing to install.
//!
//! ```text
//! append ─▶ queue of its lane ─▶ writer thread ─▶ one transaction per batch ─fsync─▶ answers
//! read ───▶ one of its lane's read-only connections (never waits for the writer)
//! ```
//!
//! Lanes share the file's one writer, and neither a lock nor a connection. What waits longer than its deadline, or than
//! its lane's work may, is refused as overdue before it is begun.
//!
//! One process owns the file, by a lock beside it. A failed write answers `Unavailable` with nothing
//! recorded, or `Unknown` when the commit may have reached the disk; the next append tries again, so
//! that a disk with space once more needs no restart.

use super::{
    Append, AppendError, Appended, Category, EventStore, Moment, Partition, Position, ReadError,
    RecordedEvent, Refusal, StoreFuture, StreamId, TailEvent, Version, append::within_limits,
    metrics::StoreMetrics,
};
use crate::{
    lane::{Lane, task::lane_for},
    limits::{FORGOTTEN_AT_ONCE, MAX_READ},
};
use batch::{Fate, Other, Work};
use checkpoint::Checkpointer;
use memory::Memory;

use model::{TenantId, Timestamp};
use prometheus::Registry;
use queue::{Queue, Request};
use readers::Readers;
use rusqlite::{Row, Transaction};
use std::{
    fmt,
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};
use tokio::sync::oneshot;
use uuid::Uuid;
use writer::Writer;

mod answers;
pub mod backup;
pub(in crate::event_log) mod batch;
mod checkpoint;
mod memory;
mod queue;
mod readers;
mod reading;
mod records;
mod rows;
pub(crate) mod schema;
mod statements;
mod tables;
mod writer;

pub use reading::ReadOnly;
pub use schema::SchemaError;

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file or its directory.
    #[error("cannot open the event log {}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process owns it.
    #[error("the event log {} is in use by another process", path.display())]
    InUse {
        /// Which file.
        path: PathBuf,
    },
    /// It is no database, or SQLite cannot use it.
    #[error("cannot open the event log {}: {source}", path.display())]
    Sqlite {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// It is of another version.
    #[error("cannot use the event log {}: {source}", path.display())]
    Schema {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: SchemaError,
    },
    /// The metrics are registered already.
    #[error("the event log's metrics cannot be registered")]
    Metrics(#[source] prometheus::Error),
}

/// A partition is a lane.
fn partition_of(stream: &StreamId) -> Partition {
    Partition(stream.category.lane as u16)
}

/// Every partition there is.
#[must_use]
pub fn partitions() -> Vec<Partition> {
    Lane::ALL.map(|lane| Partition(lane as u16)).to_vec()
}

fn lane_of(partition: Partition) -> Lane {
    Lane::ALL.get(usize::from(partition.0)).copied().unwrap_or(Lane::Batch)
}

/// Where an event or a message stands in its table: partition by partition.
fn rowid(partition: Partition, position: u64) -> i64 {
    const POSITIONS: u64 = (1 << 56) - 1;
    i64::from(partition.0) << 56 | (position & POSITIONS) as i64
}

fn position(rowid: i64) -> Position {
    Position(rowid as u64 & ((1 << 56) - 1))
}

/// All rows of a partition after a position.
fn rows_after(partition: Partition, after: Position) -> (i64, i64) {
    (rowid(partition, after.0), i64::from(partition.0 + 1) << 56)
}

/// The store. Cheap to share behind an `Arc`; the last one dropped finishes what was queued.
pub struct SqliteStore {
    queue: Arc<Queue>,
    readers: Readers,
    writable: Arc<AtomicBool>,
    /// Hung up to end the checkpoints.
    open: Option<std::sync::mpsc::SyncSender<()>>,
    threads: Vec<JoinHandle<()>>,
    lock: File,
    /// Open for as long as any connection: closing it drops the locks that SQLite has on the file in this process.
    _file: Arc<File>,
}

impl SqliteStore {
    /// Opens or creates the file (mode 0600), brings it to this version and starts the writer.
    ///
    /// # Errors
    /// By variant of [`OpenError`].
    pub fn open(path: &Path, registry: &Registry) -> Result<Self, OpenError> {
        let path = path.to_owned();
        let io = |source| OpenError::Io { path: path.clone(), source };
        let sqlite = |source| OpenError::Sqlite { path: path.clone(), source };
        let lock = lock(&path)?;
        let file = Arc::new(create_private(&path).map_err(io)?);
        let mut connection = schema::open_writer(&path).map_err(sqlite)?;
        schema::migrate(&mut connection)
            .map_err(|source| OpenError::Schema { path: path.clone(), source })?;
        let metrics = StoreMetrics::new(registry).map_err(OpenError::Metrics)?;
        let readers = Readers::open(&path, &metrics).map_err(sqlite)?;
        let (queue, writable) = (Arc::new(Queue::default()), Arc::new(AtomicBool::new(true)));
        let (answers, answered) = std::sync::mpsc::sync_channel(answers::PENDING);
        let thread = |name: &str| std::thread::Builder::new().name(name.into());
        let counts = metrics.clone();
        let answering =
            thread("event-log-answer").spawn(move || answers::run(&answered, &counts)).map_err(io)?;
        let (finish, (open, stop)) = (Arc::new(AtomicBool::new(false)), std::sync::mpsc::sync_channel(1));
        let checkpointer =
            Checkpointer { path: path.clone(), file: Arc::clone(&file), finish: Arc::clone(&finish), stop };
        let writer = Writer {
            answers,
            finish,
            path: path.clone(),
            connection: Some(connection),
            memory: Memory::default(),
            queue: Arc::clone(&queue),
            writable: Arc::clone(&writable),
            metrics,
        };
        let writing = thread("event-log").spawn(move || writer.run()).map_err(io)?;
        let bringing_in = thread("event-log-check").spawn(move || checkpointer.run()).map_err(io)?;
        let threads = vec![bringing_in, writing, answering];
        Ok(Self { queue, readers, writable, open: Some(open), threads, lock, _file: file })
    }

    /// Whether the last write succeeded: for readiness.
    pub fn is_writable(&self) -> bool {
        self.writable.load(Ordering::Relaxed)
    }

    /// Does something else than an append, which writes about so many bytes, in a commit of its lane.
    async fn write<T: Send + 'static>(
        &self,
        lane: Lane,
        bytes: usize,
        task: impl FnMut(&Transaction<'_>, &mut Memory) -> rusqlite::Result<Result<T, Refusal>> + Send + 'static,
    ) -> Result<T, AppendError> {
        let (reply, answer) = oneshot::channel();
        let work = Work::Other(Box::new(Task { bytes, task, result: None, reply }));
        let lane = lane_for(lane);
        self.queue.push(lane, Request::new(lane, work, None)?)?;
        answer.await.unwrap_or(Err(AppendError::Unknown))
    }
}

impl SqliteStore {
    /// Deletes in the batch lane what nobody needs any more, so many rows a commit, until there is nothing left: urgent
    /// work comes in between. `delete` says how many rows it found.
    async fn forget(
        &self,
        delete: impl Fn(&Transaction<'_>) -> rusqlite::Result<usize> + Clone + Send + 'static,
    ) -> Result<(), AppendError> {
        let mut found = FORGOTTEN_AT_ONCE;
        while found >= FORGOTTEN_AT_ONCE {
            let delete = delete.clone();
            let some = move |transaction: &Transaction<'_>, _: &mut Memory| delete(transaction).map(Ok);
            found = self.write(Lane::Batch, FORGOTTEN_AT_ONCE * A_ROW, some).await?;
        }
        Ok(())
    }
}

/// What a few ids and numbers take, about.
const A_ROW: usize = 100;

/// Work that is not an append.
struct Task<F, T> {
    bytes: usize,
    task: F,
    result: Option<Result<T, Refusal>>,
    reply: oneshot::Sender<Result<T, AppendError>>,
}

impl<F, T> Other for Task<F, T>
where
    F: FnMut(&Transaction<'_>, &mut Memory) -> rusqlite::Result<Result<T, Refusal>> + Send,
    T: Send,
{
    fn bytes(&self) -> usize {
        self.bytes
    }

    fn run(&mut self, transaction: &Transaction<'_>, memory: &mut Memory) -> rusqlite::Result<()> {
        self.result = Some((self.task)(transaction, memory)?);
        Ok(())
    }

    fn answer(self: Box<Self>, fate: Result<(), Fate>) {
        let result = match (fate, self.result) {
            (Ok(()), Some(result)) => result.map_err(AppendError::from),
            (Ok(()), None) => Err(AppendError::Unknown),
            (Err(fate), _) => Err(fate.into()),
        };
        // Who no longer waits looks again later.
        let _ = self.reply.send(result);
    }

    fn refuse(self: Box<Self>, refusal: Refusal) {
        let _ = self.reply.send(Err(refusal.into()));
    }
}

impl From<Fate> for AppendError {
    fn from(fate: Fate) -> Self {
        match fate {
            Fate::NotRecorded => Refusal::Unavailable.into(),
            Fate::Unknown => Self::Unknown,
        }
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.queue.close();
        self.open = None;
        // The writer closes last, so that SQLite brings the log into the database.
        self.readers.close();
        for thread in self.threads.drain(..) {
            // A panic in there has been printed; there is nobody left to answer.
            let _ = thread.join();
        }
        // Not left to the closing of the file: a child that was just started has it open until it runs.
        let _ = self.lock.unlock();
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("writable", &self.is_writable()).finish_non_exhaustive()
    }
}

impl EventStore for SqliteStore {
    fn append(&self, append: Append) -> StoreFuture<'_, Result<Appended, AppendError>> {
        Box::pin(async move {
            within_limits(&append)?;
            let (reply, answer) = oneshot::channel();
            let lane = lane_for(append.stream.category.lane);
            let request = Request::new(lane, Work::Append(Box::new(append)), Some(reply))?;
            self.queue.push(lane, request)?;
            // The writer died with our append in its hands.
            answer.await.unwrap_or(Err(AppendError::Unknown))
        })
    }

    fn streams(
        &self,
        category: Category,
        after: Option<(TenantId, Uuid)>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<StreamId>, ReadError>> {
        Box::pin(self.readers.read(category.lane, move |connection| {
            let limit = limit.min(MAX_READ);
            let stream = |row: &Row<'_>| {
                let (tenant, id) = (TenantId(Uuid::from_bytes(row.get(0)?)), Uuid::from_bytes(row.get(1)?));
                Ok(StreamId { tenant, category, id })
            };
            match after {
                None => connection
                    .prepare_cached(statements::FIRST_STREAMS.sql)?
                    .query_map((category.name, limit), stream)?
                    .collect(),
                Some((tenant, id)) => connection
                    .prepare_cached(statements::NEXT_STREAMS.sql)?
                    .query_map((category.name, limit, tenant.0.as_bytes(), id.as_bytes()), stream)?
                    .collect(),
            }
        }))
    }

    fn read(
        &self,
        stream: StreamId,
        after: Version,
        limit: usize,
        moment: Moment,
    ) -> StoreFuture<'_, Result<Vec<RecordedEvent>, ReadError>> {
        Box::pin(self.readers.read(stream.category.lane, move |connection| {
            let (tenant, id) = (stream.tenant.0.as_bytes(), stream.id.as_bytes());
            let (as_of, known_at) = moment.bounds();
            let which = (stream.category.name, tenant, id, after.0, limit.min(MAX_READ), as_of, known_at);
            connection.prepare_cached(statements::READ_STREAM.sql)?.query_map(which, recorded)?.collect()
        }))
    }

    fn partitions(&self) -> Vec<Partition> {
        partitions()
    }

    fn lane(&self, partition: Partition) -> Lane {
        lane_of(partition)
    }

    fn tail(
        &self,
        partition: Partition,
        after: Position,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<TailEvent>, ReadError>> {
        Box::pin(self.readers.read(lane_of(partition), move |connection| {
            let (after, end) = rows_after(partition, after);
            let which = (after, end, limit.min(MAX_READ));
            connection.prepare_cached(statements::TAIL.sql)?.query_map(which, tail_event)?.collect()
        }))
    }

    fn head(&self, partition: Partition) -> StoreFuture<'_, Result<Position, ReadError>> {
        Box::pin(self.readers.read(lane_of(partition), move |connection| {
            Ok(Position(memory::ends(connection, partition)?.event))
        }))
    }
}

fn recorded(row: &Row<'_>) -> rusqlite::Result<RecordedEvent> {
    let at = row.get(5)?;
    Ok(RecordedEvent {
        version: Version(row.get(0)?),
        kind: row.get(1)?,
        schema: row.get(2)?,
        body: row.get(3)?,
        phi: row.get(4)?,
        at: Timestamp::from_millis(at),
        effective: Timestamp::from_millis(row.get::<_, Option<i64>>(6)?.unwrap_or(at)),
    })
}

fn tail_event(row: &Row<'_>) -> rusqlite::Result<TailEvent> {
    Ok(TailEvent {
        position: position(row.get(7)?),
        tenant: TenantId(Uuid::from_bytes(row.get(8)?)),
        category: row.get(9)?,
        stream: Uuid::from_bytes(row.get(10)?),
        event: recorded(row)?,
    })
}

/// Locks a file beside the database: two writers would each believe their own view of the log.
pub(in crate::event_log) fn lock(path: &Path) -> Result<File, OpenError> {
    let beside = path.with_extension("lock");
    let io = |source| OpenError::Io { path: beside.clone(), source };
    let file =
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&beside).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}

/// SQLite gives its own files the mode of the database.
pub(crate) fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)
}
