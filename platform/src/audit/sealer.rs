//! The sealer: chains rows in their order, and signs where the chain is.
//!
//! Any number of processes may run one. Seals are versions of a stream: of two that seal the same rows, one finds that
//! the other was faster, and goes on from there. Nothing waits for a sealer but the next seal.

use super::{
    chain::{self, Canonical, ChainId},
    keys::{KeyId, SIGNATURE_BYTES, Signer},
    metrics::Metrics,
    seal::{self, Seal, What},
    trail::{self, NoPlace, Place, Trail as _},
};
use crate::{
    clock::Clock,
    event_log::{Append, AppendError, AuditEnd, ReadError, Refusal, Store, Version},
    lane::{Lane, task},
    limits::{AUDIT_PAGE, MAX_READ, SEAL_LOOKS, SEAL_WITHIN, SEALED_ROWS},
};
use std::{collections::HashMap, fmt, sync::Arc, time::Duration};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

/// How long the last look may take when the process ends.
const LAST_LOOK: Duration = Duration::from_millis(300);

/// When rows are sealed.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// As soon as there are so many; at most [`SEALED_ROWS`].
    pub rows: usize,
    /// Or after so long.
    pub within: Duration,
    /// How often it is looked.
    pub looks: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { rows: SEALED_ROWS, within: SEAL_WITHIN, looks: SEAL_LOOKS }
    }
}

/// Seals the audit rows of a store, all tenants'.
pub struct Sealer<S: ?Sized> {
    store: Arc<S>,
    signer: Arc<Signer>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    pace: Pace,
    chains: HashMap<ChainId, Chain>,
}

/// What is known of a chain.
#[derive(Clone, Copy, Debug)]
struct Chain {
    place: Option<Place>,
    /// Since when there are rows that are not sealed.
    since: Option<Instant>,
    /// It cannot go on, and that was said.
    broken: bool,
}

/// Why rows were not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Failed {
    /// The store does not answer, or somebody else was faster: another time.
    #[error("another time")]
    Later,
    /// What is there does not go on from the newest seal.
    #[error("{0}")]
    Broken(&'static str),
}

impl From<ReadError> for Failed {
    fn from(_: ReadError) -> Self {
        Self::Later
    }
}

impl From<NoPlace> for Failed {
    fn from(none: NoPlace) -> Self {
        match none {
            NoPlace::Read => Self::Later,
            NoPlace::Broken(why) => Self::Broken(why),
        }
    }
}

impl<S: Store + ?Sized> Sealer<S> {
    /// A sealer that does nothing before it runs. The store is the one in which PHI is as it is on disk.
    pub fn new(store: Arc<S>, signer: Arc<Signer>, clock: Arc<dyn Clock>, metrics: &Metrics) -> Self {
        let (metrics, pace, chains) = (metrics.clone(), Pace::default(), HashMap::new());
        Self { store, signer, clock, metrics, pace, chains }
    }

    /// At another pace: for tests.
    #[must_use]
    pub fn with_pace(self, pace: Pace) -> Self {
        Self { pace: Pace { rows: pace.rows.clamp(1, SEALED_ROWS), ..pace }, ..self }
    }

    /// Seals until it is told to stop, then all there is. May be dropped at any time.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut looks = interval(self.pace.looks);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                _ = looks.tick() => task::scope(Lane::Batch, self.look(false)).await,
            }
        }
        // What it does not get to, the next start does.
        let _ = timeout(LAST_LOOK, task::scope(Lane::Batch, self.look(true))).await;
    }

    /// Looks once at all chains, and seals what is due, or with `all` whatever is there.
    pub async fn look(&mut self, all: bool) {
        let (mut after, mut unsealed) = (None, 0);
        loop {
            let Ok(page) = self.store.audit_ends(after, MAX_READ).await else {
                self.metrics.failures.inc();
                return;
            };
            let Some(last) = page.last() else { break };
            after = Some((last.tenant, last.partition));
            for end in page {
                unsealed += self.look_at(end, all).await;
            }
        }
        self.metrics.unsealed.set(i64::try_from(unsealed).unwrap_or(i64::MAX));
        self.metrics.broken.set(self.chains.values().filter(|chain| chain.broken).count() as i64);
        if trail::too_many(self.chains.len()) {
            self.chains.clear();
        }
    }

    /// Answers how many rows stay unsealed.
    async fn look_at(&mut self, end: AuditEnd, all: bool) -> u64 {
        let id = ChainId { tenant: end.tenant, partition: end.partition };
        let unknown = Chain { place: None, since: None, broken: false };
        let mut chain = self.chains.get(&id).copied().unwrap_or(unknown);
        let sealed = self.seal_due(id, &mut chain, end.number, all).await;
        match sealed {
            Ok(()) => chain.broken = false,
            Err(Failed::Later) => {
                self.metrics.failures.inc();
                chain.place = None;
            }
            Err(Failed::Broken(why)) => {
                if !chain.broken {
                    tracing::error!(
                        tenant.id = %id.tenant, partition = id.partition.0, why,
                        "The audit trail's chain cannot go on: verify it"
                    );
                }
                (chain.broken, chain.place) = (true, None);
            }
        }
        self.chains.insert(id, chain);
        end.number.saturating_sub(chain.place.map_or(0, |place| place.to))
    }

    async fn seal_due(&self, id: ChainId, chain: &mut Chain, end: u64, all: bool) -> Result<(), Failed> {
        let mut place = match chain.place {
            Some(place) => place,
            None => self.find(id).await?,
        };
        chain.place = Some(place);
        if end < place.to {
            return Err(Failed::Broken("rows are gone that were sealed"));
        }
        while end > place.to {
            let since = *chain.since.get_or_insert_with(Instant::now);
            let full = end - place.to >= self.pace.rows as u64;
            if !(all || full || since.elapsed() >= self.pace.within) {
                return Ok(());
            }
            place = self.seal(id, place, end).await?;
            (chain.place, chain.since) = (Some(place), None);
        }
        chain.since = None;
        Ok(())
    }

    async fn find(&self, id: ChainId) -> Result<Place, Failed> {
        Ok(trail::place(&*self.store, self.signer.public_keys(), id).await?)
    }

    /// Makes the next seal.
    async fn seal(&self, id: ChainId, place: Place, end: u64) -> Result<Place, Failed> {
        let upto = end.min(place.to + self.pace.rows as u64);
        let (mut head, mut to, mut digests) = (place.head, place.to, Vec::new());
        let mut bytes = Vec::new();
        while to < upto {
            let limit = AUDIT_PAGE.min(usize::try_from(upto - to).unwrap_or(AUDIT_PAGE));
            let page = self.store.audit_rows(id, to, limit).await?;
            if page.is_empty() {
                return Err(Failed::Broken("its newest rows are gone"));
            }
            for row in page {
                if row.number != to + 1 {
                    return Err(Failed::Broken("rows are gone that were not sealed yet"));
                }
                bytes.clear();
                chain::encode(id.tenant, &row, &mut bytes);
                let canonical =
                    Canonical::parse(&bytes).map_err(|_| Failed::Broken("a row cannot be written down"))?;
                head = head.after(canonical, row.number);
                digests.push(canonical.digest());
                to = row.number;
            }
        }
        let seal = Seal {
            what: What::Rows,
            chain: id,
            number: place.seal + 1,
            from: place.to + 1,
            to,
            head,
            previous: place.hash,
            at: self.clock.now(),
            key: KeyId([0; 8]),
            digests,
            signature: [0; SIGNATURE_BYTES],
        };
        let seal = seal.sign(&self.signer);
        let append = Append::new(seal::stream(id), Version(place.seal), vec![seal.event()], seal.at);
        match self.store.append(append).await {
            Ok(_) => {
                self.metrics.seals.inc();
                self.metrics.sealed.inc_by(seal.digests.len() as u64);
                Ok(Place { seal: seal.number, hash: seal.hash(), of_rows: seal.number, to, head })
            }
            // Somebody else was faster. Where the chain is now, it says itself.
            Err(AppendError::Rejected(Refusal::Conflict { .. })) => self.find(id).await,
            Err(_) => Err(Failed::Later),
        }
    }
}

impl<S: ?Sized> fmt::Debug for Sealer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("signer", &self.signer).finish_non_exhaustive()
    }
}
