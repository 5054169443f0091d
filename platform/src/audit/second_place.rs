//! The second place: where copies of seals and their rows are kept, by somebody who cannot write to the first.
//!
//! A copy is a file of its own for each seal, named after the seal's number and hash, so that a trail that was rolled
//! back and went on writes beside what was copied before and never over it. How far copies have come is a row of a
//! table; nothing waits for them but the next copy.

use super::{
    chain::{ChainId, Head, hex},
    export,
    keys::PublicKeys,
    metrics::Metrics,
    seal::{Seal, What},
    trail::Trail as _,
};
use crate::{
    clock::Clock,
    event_log::{Change, Partition, ReadError, Row, Store, Table},
    lane::{Lane, task},
    limits::{COPY_LIMIT, MAX_COPY_PAUSE, MAX_READ, SEAL_LOOKS},
};
use model::Timestamp;
use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

pub mod directory;
pub mod s3;
pub mod sigv4;

/// A future that a second place returns.
pub type PlaceFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A copy was not taken. Says why to operators; no PHI.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the second place does not take a copy: {0}")]
pub struct NotTaken(pub String);

/// Somewhere else, where copies are kept.
pub trait SecondPlace: Send + Sync + 'static {
    /// Keeps a copy under a name, `[a-z0-9./-]`. Kept for good when it returns `Ok`; again under the same name is the
    /// same copy.
    fn keep(&self, name: String, copy: Vec<u8>) -> PlaceFuture<'_, Result<(), NotTaken>>;
}

/// How far copies have come: the newest seal of each chain.
const COPIES: Table = Table { name: "audit-copies.1", generation: 0 };

/// Copies what is sealed.
pub struct Copier<S: ?Sized> {
    store: Arc<S>,
    place: Arc<dyn SecondPlace>,
    keys: PublicKeys,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    looks: Duration,
    failing: bool,
}

/// Why a look ended early.
enum Stopped {
    Store,
    Place(NotTaken),
}

impl From<ReadError> for Stopped {
    fn from(_: ReadError) -> Self {
        Self::Store
    }
}

/// The newest seal of a chain that is in the second place, 0 for none, as far as copies were noted.
///
/// # Errors
/// It cannot be read now.
pub(super) async fn copied(store: &(impl Store + ?Sized), chain: ChainId) -> Result<u64, ReadError> {
    let row = store.row(COPIES, chain.tenant, chain.partition.0.to_string()).await?;
    Ok(row.and_then(|row| Done::read(&row.body)).map_or(0, |done| done.seal))
}

/// The name of a seal's copy.
#[must_use]
pub fn name_of(seal: &Seal) -> String {
    let ChainId { tenant, partition: Partition(partition) } = seal.chain;
    format!("{tenant}/{partition}/{:012}-{}.audit", seal.number, hex(&seal.hash()[..8]))
}

impl<S: Store + ?Sized> Copier<S> {
    /// A copier that does nothing before it runs. The store is the one in which PHI is as it is on disk.
    pub fn new(
        store: Arc<S>,
        place: Arc<dyn SecondPlace>,
        keys: PublicKeys,
        clock: Arc<dyn Clock>,
        metrics: &Metrics,
    ) -> Self {
        let metrics = metrics.clone();
        Self { store, place, keys, clock, metrics, looks: SEAL_LOOKS, failing: false }
    }

    /// Looks as often: for tests.
    #[must_use]
    pub fn with_looks(self, looks: Duration) -> Self {
        Self { looks, ..self }
    }

    /// Copies until it is told to stop; after a failure again later, and later each time. May be dropped at any time.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut pause = self.looks;
        loop {
            let look = async { task::scope(Lane::Batch, self.look()).await };
            tokio::select! {
                () = shutdown.cancelled() => return,
                well = look => pause = if well { self.looks } else { (pause * 2).min(MAX_COPY_PAUSE) },
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = sleep(pause) => {}
            }
        }
    }

    /// Copies all there is to copy. `false`: not all of it.
    pub async fn look(&mut self) -> bool {
        let (mut after, mut lag) = (None, Lag::default());
        let stopped = loop {
            let Ok(page) = self.store.audit_ends(after, MAX_READ).await else { break Some(Stopped::Store) };
            let Some(last) = page.last() else { break None };
            after = Some((last.tenant, last.partition));
            let mut stopped = None;
            for end in page {
                let chain = ChainId { tenant: end.tenant, partition: end.partition };
                match self.copy(chain, stopped.is_none(), &mut lag).await {
                    Ok(()) => {}
                    Err(why) => stopped = stopped.or(Some(why)),
                }
            }
            if stopped.is_some() {
                break stopped;
            }
        };
        let age = lag.oldest.map_or(0, |oldest| self.clock.now().since(oldest).as_secs());
        self.metrics.uncopied.set(i64::try_from(lag.seals).unwrap_or(i64::MAX));
        self.metrics.copy_lag.set(i64::try_from(age).unwrap_or(i64::MAX));
        self.say(stopped)
    }

    fn say(&mut self, stopped: Option<Stopped>) -> bool {
        let failed = stopped.is_some();
        if failed {
            self.metrics.copy_failures.inc();
        }
        if let Some(Stopped::Place(why)) = &stopped
            && !self.failing
        {
            tracing::error!(%why, "The audit trail is not copied to the second place");
        }
        if !failed && self.failing {
            tracing::info!("The audit trail is copied to the second place again");
        }
        self.failing = failed;
        !failed
    }

    /// The seals of a chain that are not copied yet; with `copy` off, only how far behind it is.
    async fn copy(&self, chain: ChainId, copy: bool, lag: &mut Lag) -> Result<(), Stopped> {
        let key = chain.partition.0.to_string();
        let row = self.store.row(COPIES, chain.tenant, key).await?;
        let mut done: Done = row.and_then(|row| Done::read(&row.body)).unwrap_or_else(|| Done::none(chain));
        loop {
            let page = self.store.audit_seals(chain, done.seal, 1).await?;
            let Some(event) = page.first() else { return Ok(()) };
            let Ok(seal) = Seal::of_event(chain, event) else {
                // What is no seal is not copied: whoever verifies names it.
                done.seal = event.version.0;
                continue;
            };
            if !copy {
                lag.behind(seal.at);
                return Ok(());
            }
            if let Err(why) = self.keep(&seal, done.head).await {
                lag.behind(seal.at);
                return Err(why);
            }
            done.seal = seal.number;
            if seal.what == What::Rows {
                done.head = seal.head;
            }
            self.note(chain, done).await?;
            self.metrics.copied.inc();
        }
    }

    async fn keep(&self, seal: &Seal, before: Head) -> Result<(), Stopped> {
        let copy = export::copy_of(&*self.store, seal, before, &self.keys, self.clock.now()).await;
        let copy = copy.map_err(|_| Stopped::Store)?;
        let kept = timeout(COPY_LIMIT, self.place.keep(name_of(seal), copy)).await;
        kept.unwrap_or_else(|_| Err(NotTaken("it does not answer in time".to_owned())))
            .map_err(Stopped::Place)
    }

    /// It has come so far. Should another process have been faster, the same was copied twice.
    async fn note(&self, chain: ChainId, done: Done) -> Result<(), ReadError> {
        let from = self.store.applied(COPIES, chain.partition).await?;
        let to = crate::event_log::Position(from.0 + 1);
        let row = Row { key: chain.partition.0.to_string(), body: done.body(), phi: None };
        let put = Change::Put { tenant: chain.tenant, row };
        let _ = self.store.apply(COPIES, chain.partition, from, to, vec![put]).await;
        Ok(())
    }
}

impl<S: ?Sized> fmt::Debug for Copier<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Copier").field("failing", &self.failing).finish_non_exhaustive()
    }
}

/// How far behind copies are, at least.
#[derive(Default)]
struct Lag {
    seals: u64,
    oldest: Option<Timestamp>,
}

impl Lag {
    fn behind(&mut self, at: Timestamp) {
        self.seals += 1;
        self.oldest = Some(self.oldest.map_or(at, |oldest| oldest.min(at)));
    }
}

/// The newest seal that was copied, and the head after it.
#[derive(Clone, Copy)]
struct Done {
    seal: u64,
    head: Head,
}

impl Done {
    fn none(chain: ChainId) -> Self {
        Self { seal: 0, head: chain.genesis() }
    }

    fn body(self) -> String {
        serde_json::json!({ "seal": self.seal, "head": hex(&self.head.0) }).to_string()
    }

    fn read(body: &str) -> Option<Self> {
        let body: serde_json::Value = serde_json::from_str(body).ok()?;
        let head = super::chain::unhex(body.get("head")?.as_str()?)?;
        Some(Self { seal: body.get("seal")?.as_u64()?, head: Head(head) })
    }
}
