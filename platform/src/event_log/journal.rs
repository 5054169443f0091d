//! The local journal: while the database is away, the owner of a waiting room goes on.
//!
//! ```text
//! append ─▶ store ──Ok──▶ recorded
//!             │ Unavailable, Unknown, no answer within a second: the store is away
//!             ▼
//!           journal ─fsync─▶ Ok, provisional ─▶ replayed in order when the store is back: same key, same version, same
//!                                               epoch ─▶ recorded
//!                                                 └─▶ somebody has taken over: parked, kept, counted, logged
//! ```
//!
//! [`Journaled`] stands before a store and is one itself. Only appends of the critical lane that carry a fence and a
//! key may be journaled: the fence keeps a replay from overtaking a new owner, the key keeps it from recording twice.
//! All others are refused as unavailable while the store is away. A stream must have been read or appended to before,
//! because the store cannot be asked where it is.
//!
//! What it promises: an append that was answered with `Ok` is in the store afterwards, once and in its order, or it is
//! parked with a reason. What it does not: that nobody else takes the room over meanwhile (then it is parked); that
//! projections, outbox, audit, [`EventStore::streams`](super::EventStore::streams) and what a task of a lower lane reads
//! show what is provisional (they show what the store has); that a process which starts while the store is away can go on (it has seen nothing).
//!
//! An owner that is told `Fenced` gives the room up, takes it again and reads it: its memory had something that is not
//! recorded. [`Ownership::take`](super::Ownership::take) is refused while the journal has appends of that owner, because
//! it would fence them.
//!
//! Reading order: `state` (what may go in and what comes out, pure), `seen`, `entry` and `file` (bytes), `writer` (the
//! thread with the disk), `replay`, `store` (the traits), [`maintenance`] (what a person does with parked entries).

use super::{Store, sqlite};
use crate::{clock::Clock, limits::MAX_QUEUED_FOR_JOURNAL};
use file::Journal;
use metrics::JournalMetrics;
use parking_lot::Mutex;
use prometheus::Registry;
use replay::Replayer;
use shared::Shared;
use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use writer::{Request, Writer};

mod entry;
mod file;
pub mod maintenance;
mod metrics;
mod parked;
mod patience;
mod replay;
mod seen;
mod shared;
mod state;
mod store;
mod taking;
mod writer;

pub use parked::{Parked, Why};
pub use patience::Patience;

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its file.
    #[error("cannot use the local journal in {}", dir.display())]
    File {
        /// Its directory.
        dir: PathBuf,
        /// Why.
        source: sqlite::OpenError,
    },
    /// Its thread cannot be started.
    #[error("the thread of the local journal cannot be started")]
    Thread(#[source] io::Error),
    /// Its metrics are registered already.
    #[error("the local journal's metrics cannot be registered")]
    Metrics(#[source] prometheus::Error),
}

/// The journal cannot be asked: its disk fails, or it is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the local journal does not answer")]
pub struct JournalError;

/// A store with a local journal before it. See the [module](self).
pub struct Journaled<S: ?Sized> {
    inner: Arc<S>,
    shared: Arc<Shared>,
    journal: mpsc::Sender<Request>,
    patience: Patience,
    stop: CancellationToken,
    tasks: TaskTracker,
    /// Who writes, by [`Disk`]: the one or the other.
    thread: Mutex<Option<JoinHandle<()>>>,
    writer: TaskTracker,
}

/// Who waits for the journal's disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disk {
    /// A thread of its own.
    Thread,
    /// The caller's runtime, all of it: for a simulation, in which nothing may happen beside what it orders.
    Caller,
}

impl<S: Store + ?Sized> Journaled<S> {
    /// Opens or creates `journal.sqlite` (mode 0600) in a directory that belongs to this process alone and outlives it,
    /// and begins to replay what an earlier incarnation has left there. The store need not answer.
    ///
    /// # Errors
    /// By variant of [`OpenError`].
    pub async fn open(
        dir: &Path,
        inner: Arc<S>,
        clock: Arc<dyn Clock>,
        registry: &Registry,
    ) -> Result<Self, OpenError> {
        Self::open_with(Patience::default(), dir, inner, clock, registry).await
    }

    /// As [`Self::open`], for those who wait longer or not as long.
    ///
    /// # Errors
    /// By variant of [`OpenError`].
    pub async fn open_with(
        patience: Patience,
        dir: &Path,
        inner: Arc<S>,
        clock: Arc<dyn Clock>,
        registry: &Registry,
    ) -> Result<Self, OpenError> {
        Self::open_on(Disk::Thread, patience, dir, inner, clock, registry).await
    }

    /// As [`Self::open_with`], for those who choose who waits for the disk.
    ///
    /// # Errors
    /// By variant of [`OpenError`].
    pub async fn open_on(
        disk: Disk,
        patience: Patience,
        dir: &Path,
        inner: Arc<S>,
        clock: Arc<dyn Clock>,
        registry: &Registry,
    ) -> Result<Self, OpenError> {
        let metrics = JournalMetrics::new(registry).map_err(OpenError::Metrics)?;
        let shared = Arc::new(Shared::new(clock, metrics));
        let file = |source| OpenError::File { dir: dir.to_owned(), source };
        let (there, theirs) = (dir.to_owned(), Arc::clone(&shared));
        let opened = tokio::task::spawn_blocking(move || {
            let (journal, found) = Journal::open(&there)?;
            Writer::new(journal, found, theirs)
                .map_err(|source| sqlite::OpenError::Sqlite { path: there, source })
        });
        let writer = opened.await.map_err(|died| OpenError::Thread(died.into()))?.map_err(file)?;
        let (journal, inbox) = mpsc::channel(MAX_QUEUED_FOR_JOURNAL);
        let (mut thread, tracker) = (None, TaskTracker::new());
        match disk {
            Disk::Thread => {
                let named = std::thread::Builder::new().name("local-journal".into());
                thread = Some(named.spawn(move || writer.run(inbox)).map_err(OpenError::Thread)?);
            }
            Disk::Caller => drop(tracker.spawn(writer.run_here(inbox))),
        }
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let (store, state) = (Arc::clone(&inner), Arc::clone(&shared));
        let replayer = Replayer { inner: store, shared: state, journal: journal.clone(), patience };
        tasks.spawn(replayer.run(stop.clone()));
        let thread = Mutex::new(thread);
        Ok(Self { inner, shared, journal, patience, stop, tasks, thread, writer: tracker })
    }

    /// How many acknowledged appends the store does not have yet. Parked ones are not among them.
    pub fn unrecorded(&self) -> watch::Receiver<usize> {
        self.shared.unrecorded.subscribe()
    }

    /// Waits until all of them are in the store or parked: before rooms are taken over at a start, and before a
    /// process ends.
    ///
    /// # Errors
    /// How many are left after this time. They are replayed later, if need be by the next incarnation.
    pub async fn replayed(&self, within: Duration) -> Result<(), usize> {
        let mut unrecorded = self.unrecorded();
        let done = tokio::time::timeout(within, unrecorded.wait_for(|left| *left == 0)).await;
        let left = *self.shared.unrecorded.borrow();
        if matches!(done, Ok(Ok(_))) || left == 0 { Ok(()) } else { Err(left) }
    }

    /// Whether the store is away, as far as is known: what is shown may be provisional.
    pub fn is_away(&self) -> bool {
        self.shared.state.lock().away
    }

    /// Parked entries after a place, in their order, at most [`MAX_LISTED`](crate::limits::MAX_LISTED).
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn parked(&self, after: u64) -> Result<Vec<Parked>, JournalError> {
        let (reply, answer) = oneshot::channel();
        self.journal.send(Request::List { after, reply }).await.map_err(|_| JournalError)?;
        answer.await.ok().flatten().ok_or(JournalError)
    }

    /// Deletes a parked entry that somebody has dealt with, and says whether there was one. It counts towards the
    /// limits no longer.
    ///
    /// # Errors
    /// [`JournalError`]: it may still be there.
    pub async fn discard(&self, seq: u64) -> Result<bool, JournalError> {
        let (reply, answer) = oneshot::channel();
        self.journal.send(Request::Discard { seq, reply }).await.map_err(|_| JournalError)?;
        answer.await.ok().flatten().ok_or(JournalError)
    }

    /// Stops replaying and lets go of the file. What is in it stays. From then on nothing is journaled.
    pub async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        // If it has ended already, there is nobody to be told.
        let _ = self.journal.send(Request::Close).await;
        self.writer.close();
        self.writer.wait().await;
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            // A panic in there has been printed.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

impl<S: ?Sized> Drop for Journaled<S> {
    /// The file is let go of soon afterwards; [`Journaled::close`] waits for it.
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl<S: ?Sized> fmt::Debug for Journaled<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journaled")
            .field("unrecorded", &*self.shared.unrecorded.borrow())
            .finish_non_exhaustive()
    }
}
