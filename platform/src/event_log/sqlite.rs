//! The event log in one SQLite file: nothing to install.
//!
//! ```text
//! append ─▶ bounded queue ─▶ writer thread ─▶ one transaction per batch ─fsync─▶ answers
//! read ───▶ one of a few read-only connections (never waits for the writer)
//! ```
//!
//! One process owns the file, by a lock beside it. A failed write answers `Unavailable` with nothing
//! recorded, or `Unknown` when the commit may have reached the disk; the next append tries again, so
//! that a disk with space once more needs no restart.

use super::{
    Append, AppendError, Appended, EventStore, ReadError, RecordedEvent, StoreFuture, StreamId, Version,
};
use crate::limits::{MAX_EVENT_BYTES, MAX_EVENTS_PER_APPEND, MAX_QUEUED_APPENDS, MAX_READ, READERS};
use metrics::StoreMetrics;
use model::{TenantId, Timestamp};
use parking_lot::Mutex;
use prometheus::Registry;
use rusqlite::{Connection, Row};
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
use tokio::sync::{Semaphore, mpsc, oneshot};
use uuid::Uuid;
use writer::{Request, Writer};

mod batch;
mod metrics;
mod schema;
mod statements;
mod writer;

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

/// The store. Cheap to share behind an `Arc`; the last one dropped finishes what was queued.
pub struct SqliteStore {
    queue: Option<mpsc::Sender<Request>>,
    readers: Arc<Readers>,
    writable: Arc<AtomicBool>,
    writer: Option<JoinHandle<()>>,
    _lock: File,
}

struct Readers {
    turns: Semaphore,
    idle: Mutex<Vec<Connection>>,
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
        create_private(&path).map_err(io)?;
        let mut connection = schema::open_writer(&path).map_err(sqlite)?;
        schema::migrate(&mut connection)
            .map_err(|source| OpenError::Schema { path: path.clone(), source })?;
        let idle =
            (0..READERS).map(|_| schema::open_reader(&path)).collect::<Result<_, _>>().map_err(sqlite)?;
        let metrics = StoreMetrics::new(registry).map_err(OpenError::Metrics)?;
        let (queue, requests) = mpsc::channel(MAX_QUEUED_APPENDS);
        let writable = Arc::new(AtomicBool::new(true));
        let writer = Writer {
            path: path.clone(),
            connection: Some(connection),
            queue: requests,
            writable: Arc::clone(&writable),
            metrics,
        };
        let writer =
            std::thread::Builder::new().name("event-log".into()).spawn(move || writer.run()).map_err(io)?;
        Ok(Self {
            queue: Some(queue),
            readers: Arc::new(Readers { turns: Semaphore::new(READERS), idle: Mutex::new(idle) }),
            writable,
            writer: Some(writer),
            _lock: lock,
        })
    }

    /// Whether the last write succeeded: for readiness.
    pub fn is_writable(&self) -> bool {
        self.writable.load(Ordering::Relaxed)
    }

    async fn read_with<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, ReadError> {
        let readers = Arc::clone(&self.readers);
        let _turn = readers.turns.acquire().await.map_err(|_| ReadError)?;
        let pool = Arc::clone(&self.readers);
        let read = tokio::task::spawn_blocking(move || {
            let connection = pool.idle.lock().pop();
            let Some(connection) = connection else { return Err(ReadError) };
            let result = query(&connection);
            pool.idle.lock().push(connection);
            result.map_err(|error| {
                tracing::error!(error.code = ?error.sqlite_error_code(), "The event log cannot be read");
                ReadError
            })
        });
        read.await.map_err(|_| ReadError)?
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.queue = None;
        // The writer closes last, so that SQLite brings the log into the database.
        self.readers.idle.lock().clear();
        if let Some(writer) = self.writer.take() {
            // A panic in there has been printed; there is nobody left to answer.
            let _ = writer.join();
        }
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
            let Some(queue) = &self.queue else { return Err(AppendError::Unavailable) };
            queue.try_send(Request { append, reply }).map_err(|_| AppendError::Unavailable)?;
            // The writer died with our append in its hands.
            answer.await.unwrap_or(Err(AppendError::Unknown))
        })
    }

    fn read(
        &self,
        stream: StreamId,
        after: Version,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<RecordedEvent>, ReadError>> {
        Box::pin(self.read_with(move |connection| {
            let (tenant, id) = (stream.tenant.0.as_bytes(), stream.id.as_bytes());
            connection
                .prepare_cached(statements::READ_STREAM.sql)?
                .query_map((tenant, stream.category, id, after.0, limit.min(MAX_READ)), recorded)?
                .collect()
        }))
    }

    fn streams(
        &self,
        category: &'static str,
        after: Option<(TenantId, Uuid)>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<StreamId>, ReadError>> {
        Box::pin(self.read_with(move |connection| {
            let limit = limit.min(MAX_READ);
            let stream = |row: &Row<'_>| {
                let (tenant, id) = (TenantId(Uuid::from_bytes(row.get(0)?)), Uuid::from_bytes(row.get(1)?));
                Ok(StreamId { tenant, category, id })
            };
            match after {
                None => connection
                    .prepare_cached(statements::FIRST_STREAMS.sql)?
                    .query_map((category, limit), stream)?
                    .collect(),
                Some((tenant, id)) => connection
                    .prepare_cached(statements::NEXT_STREAMS.sql)?
                    .query_map((category, limit, tenant.0.as_bytes(), id.as_bytes()), stream)?
                    .collect(),
            }
        }))
    }
}

fn recorded(row: &Row<'_>) -> rusqlite::Result<RecordedEvent> {
    Ok(RecordedEvent {
        version: Version(row.get(0)?),
        kind: row.get(1)?,
        schema: row.get(2)?,
        body: row.get(3)?,
        phi: row.get(4)?,
        at: Timestamp::from_millis(row.get(5)?),
    })
}

fn within_limits(append: &Append) -> Result<(), AppendError> {
    let fits = |bytes: usize| bytes <= MAX_EVENT_BYTES;
    let sizes = append.events.iter().map(|e| e.body.len() + e.phi.as_ref().map_or(0, String::len));
    let count = append.events.len();
    if (1..=MAX_EVENTS_PER_APPEND).contains(&count) && sizes.into_iter().all(fits) {
        Ok(())
    } else {
        Err(AppendError::TooLarge)
    }
}

/// Locks a file beside the database: two writers would each believe their own view of the log.
fn lock(path: &Path) -> Result<File, OpenError> {
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
fn create_private(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map(drop)
}
