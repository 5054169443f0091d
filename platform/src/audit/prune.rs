//! Rows whose time is over go, and a seal says so: the front of a chain, and never anything else.
//!
//! ```text
//! seals from the front, one by one ─▶ old enough · copied · as it was sealed · under no hold
//!                                                 └─ the first that is not: up to the one before it
//! 1 append, in one transaction: a seal "rows up to n were forgotten" and the row `audit.prune`
//! 2 note which seal that was
//! 3 delete rows up to n, some at a time, as long as no hold covers them
//! ```
//!
//! Seals stay for good, so that the chain is proven from the first row that is left on: the seal over the rows before it
//! has the head that it goes on from. Whoever dies between two steps leaves a trail that verifies: rows that were
//! forgotten and are still there are no finding, and the next look goes on. What does not verify is not pruned: it may be
//! the evidence. The newest seal's rows always stay.

use super::{
    chain::{self, Canonical, ChainId, Head},
    keys::{KeyId, SIGNATURE_BYTES, Signer},
    metrics::Metrics,
    seal::{self, Seal, What},
    second_place,
    trail::{self, NoPlace, Place, Trail as _},
};
use crate::{
    clock::Clock,
    event_log::{
        Append, AuditRow, Change, NewAudit, Partition, Position, ReadError, Row, Store, StoreFuture, Table,
        Version,
    },
    lane::{Lane, task},
    limits::{AUDIT_PAGE, MAX_READ, PRUNE_FIRST, PRUNE_LOOKS, PRUNED_AT_ONCE},
};
use model::{TenantId, Timestamp};
use std::{fmt, sync::Arc, time::Duration};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What is kept although its time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Everything.
    Everything,
    /// Whatever somebody did, or was done to somebody or something.
    Of(Uuid),
}

impl Held {
    /// Whether a row is of it: rather one too many than one too few, so a row that only mentions the id is.
    #[must_use]
    pub fn covers(&self, row: &AuditRow) -> bool {
        match self {
            Self::Everything => true,
            Self::Of(id) => {
                let named = row.actor == Some(*id) || row.subject == Some(*id);
                named || row.body.contains(&id.to_string()) || row.body.contains(&id.simple().to_string())
            }
        }
    }
}

/// Who knows what is kept.
pub trait Holds: Send + Sync + 'static {
    /// Of a tenant, as it is right now.
    ///
    /// # Errors
    /// It cannot be known: nothing is pruned then.
    fn held(&self, tenant: TenantId) -> StoreFuture<'_, Result<Vec<Held>, ReadError>>;
}

/// When rows may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How long they are kept, from when they were sealed.
    pub retention: Duration,
    /// Only what is in the second place: there is one.
    pub copied: bool,
}

/// Why nothing more of a chain is pruned now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The next rows are not old enough, or the newest.
    Time,
    /// A hold covers the next ones.
    Held,
    /// The next ones are not in the second place yet.
    NotCopied,
    /// The next ones are not what was sealed.
    Broken(&'static str),
    /// The store does not answer, or somebody else was faster: another time.
    Later,
}

impl From<ReadError> for Kept {
    fn from(_: ReadError) -> Self {
        Self::Later
    }
}

impl From<NoPlace> for Kept {
    fn from(none: NoPlace) -> Self {
        match none {
            NoPlace::Read => Self::Later,
            NoPlace::Broken(why) => Self::Broken(why),
        }
    }
}

/// What became of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Which.
    pub chain: ChainId,
    /// The last row that went, if any did now.
    pub pruned_to: Option<u64>,
    /// How many went.
    pub rows: u64,
    /// Why no more did.
    pub kept: Kept,
}

/// Which seal said last what was forgotten of a chain, and which is the first over rows that were not. Only a hint: what
/// the seals say is looked at.
const PRUNES: Table = Table { name: "audit-prunes.1", generation: 0 };

/// Seals that are read at a time where all are looked at.
const SEALS_AT_ONCE: usize = 100;

/// Prunes the audit rows of a store, all tenants'.
pub struct Pruner<S: ?Sized> {
    store: Arc<S>,
    signer: Arc<Signer>,
    clock: Arc<dyn Clock>,
    holds: Arc<dyn Holds>,
    terms: Terms,
    metrics: Metrics,
    at_once: u64,
}

impl<S: Store + ?Sized> Pruner<S> {
    /// A pruner that does nothing before it is told to. The store is the one in which PHI is as it is on disk.
    pub fn new(
        store: Arc<S>,
        signer: Arc<Signer>,
        clock: Arc<dyn Clock>,
        holds: Arc<dyn Holds>,
        terms: Terms,
        metrics: &Metrics,
    ) -> Self {
        Self { store, signer, clock, holds, terms, metrics: metrics.clone(), at_once: PRUNED_AT_ONCE }
    }

    /// So many rows on the word of one seal: for tests.
    #[must_use]
    pub fn with_at_once(self, rows: u64) -> Self {
        Self { at_once: rows.max(1), ..self }
    }

    /// Prunes once a day until it is told to stop. May be dropped at any time.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut looks = interval_at(Instant::now() + PRUNE_FIRST, PRUNE_LOOKS);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                _ = looks.tick() => {}
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                // What could not be read is looked at the next day.
                looked = task::scope(Lane::Batch, self.look()) => drop(looked),
            }
        }
    }

    /// Prunes all there is to prune, and answers for each chain.
    ///
    /// # Errors
    /// It cannot be read which chains there are.
    pub async fn look(&self) -> Result<Vec<Outcome>, ReadError> {
        let (mut after, mut outcomes) = (None, Vec::new());
        loop {
            let page = self.store.audit_ends(after, MAX_READ).await.inspect_err(|_| {
                self.metrics.prune_failures.inc();
            })?;
            let Some(last) = page.last() else { return Ok(outcomes) };
            after = Some((last.tenant, last.partition));
            for end in page {
                let chain = ChainId { tenant: end.tenant, partition: end.partition };
                outcomes.push(self.prune(chain).await);
            }
        }
    }

    /// Prunes a chain.
    pub async fn prune(&self, chain: ChainId) -> Outcome {
        let mut outcome = Outcome { chain, pruned_to: None, rows: 0, kept: Kept::Time };
        let Err(kept) = self.all_of(chain, &mut outcome).await else { return outcome };
        outcome.kept = kept;
        if outcome.rows > 0 {
            tracing::info!(
                tenant.id = %chain.tenant, partition = chain.partition.0, rows = outcome.rows,
                up_to = outcome.pruned_to, "Rows of the audit trail whose time was over were pruned"
            );
        }
        match kept {
            Kept::Time | Kept::Held | Kept::NotCopied => {}
            Kept::Later => self.metrics.prune_failures.inc(),
            Kept::Broken(why) => {
                self.metrics.prune_failures.inc();
                tracing::error!(
                    tenant.id = %chain.tenant, partition = chain.partition.0, why,
                    "Rows of the audit trail are not pruned, because they are not what was sealed: verify it"
                );
            }
        }
        outcome
    }

    /// Until there is a reason not to.
    async fn all_of(&self, id: ChainId, outcome: &mut Outcome) -> Result<(), Kept> {
        let noted = self.noted(id).await?;
        let mut next = noted.next;
        let mut forgotten = self.forgotten(id, noted.seal).await?.map_or(0, |seal| seal.to);
        // What an earlier look did not get done.
        self.delete(id, forgotten, outcome).await?;
        loop {
            let place = trail::place(&*self.store, self.signer.public_keys(), id).await?;
            let Some(first) = self.store.audit_rows(id, 0, 1).await?.pop() else { return Err(Kept::Time) };
            let first = first.number;
            if forgotten + 1 < first && self.forgotten_by_any(id).await? + 1 < first {
                // What somebody took away would look pruned if the next seal said so.
                return Err(Kept::Broken("rows are gone that no seal says were pruned"));
            }
            let (cut, kept) = self.cut(id, &place, first, next).await?;
            let Some(cut) = cut else { return Err(kept) };
            let seal = self.forget(id, &place, first, cut.to).await?;
            (next, forgotten) = (cut.next, cut.to);
            // Nothing is deleted before the next look would know of it.
            self.note(id, Noted { seal, next }).await?;
            self.delete(id, forgotten, outcome).await?;
        }
    }

    /// Up to where the front may go, and what keeps the rest.
    async fn cut(
        &self,
        id: ChainId,
        place: &Place,
        first: u64,
        hint: u64,
    ) -> Result<(Option<Cut>, Kept), Kept> {
        let keys = self.signer.public_keys();
        let now = self.clock.now();
        let copied = match self.terms.copied {
            true => second_place::copied(&*self.store, id).await?,
            false => u64::MAX,
        };
        let held = self.holds.held(id.tenant).await?;
        let (mut number, mut head) = self.start(id, first, hint).await?;
        let mut cut: Option<Cut> = None;
        // The newest rows stay: by them the next are numbered, and the chain goes on.
        while number < place.of_rows {
            let page = self.store.audit_seals(id, number - 1, 1).await?;
            let event = page.first().filter(|event| event.version.0 == number);
            let seal = trail::proven(keys, id, event.ok_or(Kept::Broken("a seal is gone"))?)?;
            number += 1;
            if seal.what == What::Forgotten {
                continue;
            }
            if now.since(seal.at) < self.terms.retention || now < seal.at {
                return Ok((cut, Kept::Time));
            }
            if seal.number > copied {
                return Ok((cut, Kept::NotCopied));
            }
            if seal.to >= first
                && let Err(kept) = self.may_go(&seal, first, head, &held, now).await
            {
                return match kept {
                    Kept::Later => Err(kept),
                    kept => Ok((cut, kept)),
                };
            }
            head = seal.head;
            if seal.to >= first {
                cut = Some(Cut { to: seal.to, next: number });
                if seal.to - first + 1 >= self.at_once {
                    break;
                }
            }
        }
        Ok((cut, Kept::Time))
    }

    /// The first seal that is looked at, and the head before its rows. Behind what was noted, if that fits the first row.
    async fn start(&self, id: ChainId, first: u64, hint: u64) -> Result<(u64, Head), Kept> {
        if hint > 1 {
            let before = trail::rows_seal_up_to(&*self.store, self.signer.public_keys(), id, hint - 1).await;
            if let Ok(Some(before)) = before
                && before.to < first
            {
                return Ok((hint, before.head));
            }
        }
        Ok((1, id.genesis()))
    }

    /// Whether the rows of a seal, of which those before `first` are gone, are what was sealed, old enough, and not held.
    async fn may_go(
        &self,
        seal: &Seal,
        first: u64,
        before: Head,
        held: &[Held],
        now: Timestamp,
    ) -> Result<(), Kept> {
        let (mut head, mut to, mut bytes) = (before, seal.from.max(first) - 1, Vec::new());
        // What is left of rows that were forgotten before cannot be chained, only compared.
        let whole = first <= seal.from;
        while to < seal.to {
            let limit = AUDIT_PAGE.min(usize::try_from(seal.to - to).unwrap_or(AUDIT_PAGE));
            let page = self.store.audit_rows(seal.chain, to, limit).await?;
            if page.is_empty() {
                return Err(Kept::Broken("rows are gone that were sealed"));
            }
            for row in page {
                if row.number != to + 1 {
                    return Err(Kept::Broken("rows are gone that were sealed"));
                }
                if held.iter().any(|held| held.covers(&row)) {
                    return Err(Kept::Held);
                }
                if now < row.at || now.since(row.at) < self.terms.retention {
                    return Err(Kept::Time);
                }
                bytes.clear();
                chain::encode(seal.chain.tenant, &row, &mut bytes);
                let canonical =
                    Canonical::parse(&bytes).map_err(|_| Kept::Broken("a row cannot be written down"))?;
                let digest = usize::try_from(row.number - seal.from).ok().and_then(|at| seal.digests.get(at));
                if digest != Some(&canonical.digest()) {
                    return Err(Kept::Broken("a row is not what was sealed"));
                }
                head = head.after(canonical, row.number);
                to = row.number;
            }
        }
        if whole && head != seal.head {
            return Err(Kept::Broken("rows are not what was sealed"));
        }
        Ok(())
    }

    /// Says so, signed, and for the auditor. Answers the seal's number.
    async fn forget(&self, id: ChainId, place: &Place, from: u64, to: u64) -> Result<u64, Kept> {
        let seal = Seal {
            what: What::Forgotten,
            chain: id,
            number: place.seal + 1,
            from,
            to,
            head: place.head,
            previous: place.hash,
            at: self.clock.now(),
            key: KeyId([0; 8]),
            digests: Vec::new(),
            signature: [0; SIGNATURE_BYTES],
        };
        let seal = seal.sign(&self.signer);
        let days = self.terms.retention.as_secs() / (24 * 3_600);
        let body = serde_json::json!({
            "partition": id.partition.0, "from": from, "to": to, "rows": to - from + 1, "seal": seal.number,
            "retentionDays": days,
        });
        let audit =
            NewAudit { action: "audit.prune", actor: None, subject: None, body: body.to_string(), phi: None };
        let append = Append {
            audit: vec![audit],
            ..Append::new(seal::stream(id), Version(place.seal), vec![seal.event()], seal.at)
        };
        // Refused where another seal was made meanwhile, or another process prunes.
        self.store.append(append).await.map_err(|_| Kept::Later)?;
        Ok(seal.number)
    }

    /// Deletes rows that a seal says were forgotten, as long as no hold covers them.
    async fn delete(&self, id: ChainId, to: u64, outcome: &mut Outcome) -> Result<(), Kept> {
        loop {
            let page = self.store.audit_rows(id, 0, AUDIT_PAGE).await?;
            let page: Vec<_> = page.into_iter().filter(|row| row.number <= to).collect();
            if page.is_empty() {
                return Ok(());
            }
            // Anew each time: somebody may have placed one since the seal was made.
            let held = self.holds.held(id.tenant).await?;
            let may_go = page.iter().take_while(|row| !held.iter().any(|held| held.covers(row)));
            let Some(last) = may_go.last() else { return Err(Kept::Held) };
            let pruned = self.store.prune_audit(id.tenant, id.partition, last.number).await;
            pruned.map_err(|_| Kept::Later)?;
            let left = self.store.audit_rows(id, 0, 1).await?;
            if left.first().is_none_or(|row| row.number <= last.number) {
                return Err(Kept::Broken("the store does not let go of rows"));
            }
            let rows = page.iter().filter(|row| row.number <= last.number).count() as u64;
            outcome.rows += rows;
            outcome.pruned_to = Some(last.number);
            self.metrics.pruned.inc_by(rows);
        }
    }

    /// The seal that is said to have said it, if it is one of ours and does.
    async fn forgotten(&self, id: ChainId, number: u64) -> Result<Option<Seal>, Kept> {
        if number == 0 {
            return Ok(None);
        }
        let page = self.store.audit_seals(id, number - 1, 1).await?;
        let seal = page.first().and_then(|event| trail::proven(self.signer.public_keys(), id, event).ok());
        Ok(seal.filter(|seal| seal.what == What::Forgotten && seal.number == number))
    }

    async fn noted(&self, id: ChainId) -> Result<Noted, ReadError> {
        let row = self.store.row(PRUNES, id.tenant, id.partition.0.to_string()).await?;
        Ok(row.and_then(|row| Noted::read(&row.body)).unwrap_or_default())
    }

    /// Unless another process has noted a later seal.
    async fn note(&self, id: ChainId, noted: Noted) -> Result<(), Kept> {
        let Partition(partition) = id.partition;
        let from = self.store.applied(PRUNES, id.partition).await?;
        if self.noted(id).await?.seal >= noted.seal {
            return Ok(());
        }
        let row = Row { key: partition.to_string(), body: noted.body(), phi: None };
        let put = Change::Put { tenant: id.tenant, row };
        let put = self.store.apply(PRUNES, id.partition, from, Position(from.0 + 1), vec![put]).await;
        put.map_err(|_| Kept::Later)
    }

    /// Up to which row any seal says that rows were forgotten. Looks at all of them: for when what was noted is lost.
    async fn forgotten_by_any(&self, id: ChainId) -> Result<u64, Kept> {
        let (mut after, mut forgotten) = (0, 0);
        loop {
            let page = self.store.audit_seals(id, after, SEALS_AT_ONCE).await?;
            let Some(last) = page.last() else { return Ok(forgotten) };
            after = last.version.0;
            for event in &page {
                let seal = trail::proven(self.signer.public_keys(), id, event).ok();
                let seal = seal.filter(|seal| seal.what == What::Forgotten);
                forgotten = forgotten.max(seal.map_or(0, |seal| seal.to));
            }
        }
    }
}

impl<S: ?Sized> fmt::Debug for Pruner<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pruner").field("terms", &self.terms).finish_non_exhaustive()
    }
}

/// Where the front ends that may go.
#[derive(Clone, Copy)]
struct Cut {
    /// Its last row.
    to: u64,
    /// The seal behind it.
    next: u64,
}

#[derive(Clone, Copy, Default)]
struct Noted {
    /// The seal that said last what was forgotten.
    seal: u64,
    /// The first that may be over rows that were not.
    next: u64,
}

impl Noted {
    fn body(self) -> String {
        serde_json::json!({ "seal": self.seal, "next": self.next }).to_string()
    }

    fn read(body: &str) -> Option<Self> {
        let body: serde_json::Value = serde_json::from_str(body).ok()?;
        let number = |field: &str| body.get(field)?.as_u64();
        Some(Self { seal: number("seal")?, next: number("next")? })
    }
}
