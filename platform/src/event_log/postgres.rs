//! The event log in PostgreSQL 15 or later, or YugabyteDB: one that many processes share.
//!
//! ```text
//! append ─▶ queue of its lane ─▶ one of the lane's writers ─▶ one transaction per batch:
//!                                  lock the rows of its partitions, look, judge, write, COMMIT ─▶ answers
//! read ───▶ one of its lane's connections
//! ```
//!
//! A partition belongs to one lane and one writer of each process, so that lanes never wait for each other's locks.
//! The lock on a partition's row is what makes it a sequence: positions are given out and committed in order,
//! whichever process does it. A connection that breaks is made anew; an append whose COMMIT was under way is
//! [`AppendError::Unknown`], everything else was not recorded.

use super::{
    Append, AppendError, Appended, Category, EventStore, Moment, Partition, Position, ReadError,
    RecordedEvent, Refusal, StoreFuture, StreamId, TailEvent, Version, append::within_limits,
    metrics::StoreMetrics, turn::Turn,
};
use crate::{
    lane::Lane,
    limits::{MAX_QUEUED_APPENDS, MAX_READ},
};
use model::{TenantId, Timestamp};
use pool::Pools;
use prometheus::Registry;
use roles::Whose;
use secrecy::SecretString;
use serde::Deserialize;
use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::Row;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;
use writer::{Request, Writer};

mod batch;
pub(crate) mod connect;
pub(crate) mod pool;
mod records;
pub(crate) mod roles;
mod rows;
pub(crate) mod schema;
pub mod statements;
mod tables;
mod tls;
mod writer;

/// Partitions of each lane: as many writers can be at work at once, over all processes. Never changes.
const PER_LANE: u16 = 4;

/// Writers of each lane in one process: while one waits for the disk, the other gathers.
const WRITERS: u16 = 2;

/// Where the database is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `postgresql://user:password@host:port/database`. Several hosts may be given, separated by commas; the one that
    /// takes writes is used. With `?sslmode=verify-full` (or `require`, which is the same here) the server has to have
    /// a certificate for the name it is called by; with `?sslmode=disable` nothing is encrypted. Default: the former,
    /// unless the database is on this machine.
    pub url: SecretString,
    /// The same as the user who makes the schema and owns it, for processes that are to migrate and are not that user
    /// themselves. Default: the user of `url`, if it may, or nobody.
    #[serde(default)]
    pub owner: Option<SecretString>,
    /// Its schema, `[a-z_]{1,40}`: one for each service.
    #[serde(default = "Config::default_schema")]
    pub schema: String,
    /// PEM certificates of who signs the server's; without it, the system's are trusted. With it, TLS is the default on
    /// this machine too.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

impl Config {
    fn default_schema() -> String {
        "events".to_owned()
    }
}

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL or the schema's name cannot be used. Names neither user nor password.
    #[error("cannot use the database: {0}")]
    Config(&'static str),
    /// The certificates to trust cannot be used.
    #[error("cannot use the certificates in {}: {why}", path.display())]
    Certificates {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The database's certificate is not for its name, or nobody who is trusted has signed it.
    #[error("the database does not prove who it is: {0}")]
    Untrusted(String),
    /// The database has no TLS, and is not to be spoken to without.
    #[error(
        "the database has no TLS: to go without on a network that is yours, add sslmode=disable to its URL"
    )]
    NoTls,
    /// The database takes nobody without TLS.
    #[error("the database takes no connection without TLS: add sslmode=verify-full to its URL")]
    TlsDemanded,
    /// The database does not answer, or refuses.
    #[error("the database does not do as asked")]
    Database(#[from] tokio_postgres::Error),
    /// It does not answer in time.
    #[error("the database does not answer in time")]
    Late,
    /// A newer program made the schema: going back would lose what that one knows.
    #[error("the schema was made by a newer version (it has {found} migrations, this program knows {known})")]
    Newer {
        /// In the database.
        found: usize,
        /// In this program.
        known: usize,
    },
    /// A migration differs from the one that was applied.
    #[error("migration {0} is not the one that was applied to this database")]
    MigrationChanged(String),
    /// This user may not migrate, and nobody has.
    #[error(
        "the schema is not of this version, and this user may not change it: run `telehealth migrate` as its owner"
    )]
    NotMigrated,
    /// A role of the database is not as it has to be.
    #[error("the role {name} {why} (docs/postgresql.md)")]
    Role {
        /// Which.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Another process migrates, and does not get done.
    #[error("another process migrates the database and does not get done")]
    MigrationBusy,
    /// The metrics are registered already.
    #[error("the event log's metrics cannot be registered")]
    Metrics(#[source] prometheus::Error),
}

/// The store. Cheap to share behind an `Arc`. Dropping it lets the writers finish what is queued.
pub struct PostgresStore {
    writers: Vec<mpsc::Sender<Request>>,
    pools: Pools,
    writable: Arc<AtomicBool>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl PostgresStore {
    /// Connects, brings the schema to this version if it may, and starts the writers.
    ///
    /// # Errors
    /// By variant of [`Error`].
    pub async fn open(config: &Config, registry: &Registry) -> Result<Self, Error> {
        let connect = Arc::new(roles::open(config, schema::MIGRATIONS).await?);
        let metrics = StoreMetrics::new(registry).map_err(Error::Metrics)?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let writable = Arc::new(AtomicBool::new(true));
        let writers = Lane::ALL.into_iter().flat_map(|lane| (0..WRITERS).map(move |_| lane));
        let writers = writers.map(|lane| {
            let (sender, inbox) = mpsc::channel(MAX_QUEUED_APPENDS);
            let writer = Writer {
                connect: Arc::clone(&connect),
                link: None,
                lane,
                metrics: metrics.clone(),
                writable: Arc::clone(&writable),
            };
            tasks.spawn(writer.run(inbox, stop.clone()));
            sender
        });
        let pools = Pools::new(&connect, &metrics);
        Ok(Self { writers: writers.collect(), pools, writable, stop, tasks })
    }

    /// Only brings the schema to this version, as its owner.
    ///
    /// # Errors
    /// By variant of [`Error`].
    pub async fn migrate(config: &Config) -> Result<(), Error> {
        roles::migrate(config, schema::MIGRATIONS).await
    }

    /// Whether the last write succeeded: for readiness.
    pub fn is_writable(&self) -> bool {
        self.writable.load(Ordering::Relaxed)
    }

    /// Takes nothing new and waits until what was queued is written.
    pub async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn writer(&self, partition: Partition) -> &mpsc::Sender<Request> {
        let (lane, within) = (partition.0 / PER_LANE, partition.0 % PER_LANE);
        &self.writers[usize::from(lane * WRITERS + within % WRITERS)]
    }
}

/// Which partition a stream is in: its lane's, by its tenant.
pub(super) fn partition_of(stream: &StreamId) -> Partition {
    partition(stream.tenant, stream.category.lane)
}

fn partition(tenant: TenantId, lane: Lane) -> Partition {
    let within = tenant.0.as_u128() % u128::from(PER_LANE);
    Partition(lane as u16 * PER_LANE + within as u16)
}

/// Which lane reads of a partition take.
fn lane_of(partition: Partition) -> Lane {
    Lane::ALL.into_iter().rfind(|lane| *lane as u16 * PER_LANE <= partition.0).unwrap_or(Lane::Batch)
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("writable", &self.is_writable()).finish_non_exhaustive()
    }
}

impl EventStore for PostgresStore {
    fn append(&self, append: Append) -> StoreFuture<'_, Result<Appended, AppendError>> {
        Box::pin(async move {
            within_limits(&append)?;
            let (reply, answer) = oneshot::channel();
            let writer = self.writer(partition_of(&append.stream));
            let turn = Turn::begin(append.stream.category.lane)?;
            let request = Request { append: Box::new(append), turn, reply };
            writer.try_send(request).map_err(|_| Refusal::Unavailable)?;
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
        Box::pin(async move {
            let limit = limit.min(MAX_READ) as i64;
            let rows = match after {
                None => {
                    self.pools
                        .query(
                            category.lane,
                            Whose::All,
                            &statements::FIRST_STREAMS,
                            &[&category.name, &limit],
                        )
                        .await
                }
                Some((tenant, id)) => {
                    let which: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
                        [&category.name, &limit, &tenant.0, &id];
                    self.pools.query(category.lane, Whose::All, &statements::NEXT_STREAMS, &which).await
                }
            };
            rows?
                .iter()
                .map(|row| Ok(StreamId { tenant: TenantId(row.try_get(0)?), category, id: row.try_get(1)? }))
                .collect()
        })
    }

    fn read(
        &self,
        stream: StreamId,
        after: Version,
        limit: usize,
        moment: Moment,
    ) -> StoreFuture<'_, Result<Vec<RecordedEvent>, ReadError>> {
        Box::pin(async move {
            let StreamId { tenant, category, id } = stream;
            let (as_of, known_at) = moment.bounds();
            let (after, limit) = (number(after.0), limit.min(MAX_READ) as i64);
            let rows = self
                .pools
                .query(
                    category.lane,
                    Whose::one(tenant),
                    &statements::READ_STREAM,
                    &[&category.name, &tenant.0, &id, &after, &limit, &as_of, &known_at],
                )
                .await?;
            rows.iter().map(recorded).collect()
        })
    }

    fn partitions(&self) -> Vec<Partition> {
        (0..PER_LANE * Lane::ALL.len() as u16).map(Partition).collect()
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
        Box::pin(async move {
            let (in_it, after, limit) = (i32::from(partition.0), number(after.0), limit.min(MAX_READ) as i64);
            let rows = self
                .pools
                .query(lane_of(partition), Whose::All, &statements::TAIL, &[&in_it, &after, &limit])
                .await?;
            rows.iter().map(tail_event).collect()
        })
    }

    fn head(&self, partition: Partition) -> StoreFuture<'_, Result<Position, ReadError>> {
        Box::pin(async move {
            let rows = self
                .pools
                .query(lane_of(partition), Whose::All, &statements::HEAD, &[&i32::from(partition.0)])
                .await?;
            let row = rows.first().ok_or(ReadError)?;
            Ok(Position(unsigned(row.try_get(0)?)))
        })
    }
}

fn recorded(row: &Row) -> Result<RecordedEvent, ReadError> {
    let at = row.try_get(5)?;
    Ok(RecordedEvent {
        version: Version(unsigned(row.try_get(0)?)),
        kind: row.try_get(1)?,
        schema: row.try_get::<_, i32>(2)? as u16,
        body: row.try_get(3)?,
        phi: row.try_get(4)?,
        at: Timestamp::from_millis(at),
        effective: Timestamp::from_millis(row.try_get::<_, Option<i64>>(6)?.unwrap_or(at)),
    })
}

fn tail_event(row: &Row) -> Result<TailEvent, ReadError> {
    Ok(TailEvent {
        position: Position(unsigned(row.try_get(7)?)),
        tenant: TenantId(row.try_get(8)?),
        category: row.try_get(9)?,
        stream: row.try_get(10)?,
        event: recorded(row)?,
    })
}

/// Numbers are counted up from 1 and fit. One from a caller that does not means "after everything".
fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A row that is not as this program made it: that the database does not answer, its pool says.
impl From<tokio_postgres::Error> for ReadError {
    fn from(_: tokio_postgres::Error) -> Self {
        tracing::error!("A row of the event log is not as this program made it");
        Self
    }
}
