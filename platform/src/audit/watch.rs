//! Looks at all rows and seals again and again while the process runs, a little at a time, so that auditors see on their
//! page whether the trail is whole, and since when that is known.
//!
//! It is the quick look of a process that could itself be lied to: by whoever runs the machine. What proves something to
//! somebody else is an export and [`mod@super::verify`] elsewhere.

use super::{
    chain::{self, Canonical, ChainId, Head},
    keys::PublicKeys,
    metrics::Metrics,
    seal::{Seal, What},
    trail::{self, Trail as _},
};
use crate::{
    clock::Clock,
    event_log::{ReadError, Store},
    lane::{Lane, task},
    limits::{AUDIT_PAGE, MAX_READ, WATCH_AGAIN, WATCH_LOOKS, WATCHED_BREAKS, WATCHED_SEALS},
};
use model::{TenantId, Timestamp};
use parking_lot::Mutex;
use std::{collections::BTreeMap, fmt, sync::Arc};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// What is wrong with a chain: the first that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Break {
    /// In a word: `rows`, `missing-rows`, `seal` or `order`.
    pub what: &'static str,
    /// The first row that it may be about.
    pub from: u64,
    /// The last one.
    pub to: u64,
    /// When it was found.
    pub found_at: Timestamp,
}

/// What is known of a chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChainState {
    /// The newest row.
    pub rows: u64,
    /// The newest row under a seal that was looked at.
    pub sealed_rows: u64,
    /// Seals that were looked at in this round.
    pub seals: u64,
    /// When the newest of them was made.
    pub sealed_at: Option<Timestamp>,
    /// When all there was had last been looked at; none before the first time.
    pub verified_at: Option<Timestamp>,
    /// What is wrong, if anything is.
    pub broken: Option<Break>,
}

/// How far the second place has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copies {
    /// Seals that are not there yet.
    pub missing: u64,
    /// Seconds since the oldest of them was made.
    pub lag_s: u64,
}

/// What a process knows of the chains, for whoever shows it.
pub struct Chains {
    known: Mutex<BTreeMap<ChainId, ChainState>>,
    /// None where nothing is copied.
    copies: Option<Metrics>,
}

impl Chains {
    /// Nothing was looked at yet. `copies` are the metrics of this process's copier, if it has one.
    #[must_use]
    pub fn new(copies: Option<Metrics>) -> Self {
        Self { known: Mutex::default(), copies }
    }

    /// The chains of a unit.
    #[must_use]
    pub fn of(&self, tenant: TenantId) -> Vec<(ChainId, ChainState)> {
        let known = self.known.lock();
        known.iter().filter(|(id, _)| id.tenant == tenant).map(|(id, state)| (*id, *state)).collect()
    }

    /// How far copies have come; none where nothing is copied.
    #[must_use]
    pub fn copies(&self) -> Option<Copies> {
        let metrics = self.copies.as_ref()?;
        let of = |value: i64| u64::try_from(value).unwrap_or(0);
        Some(Copies { missing: of(metrics.uncopied.get()), lag_s: of(metrics.copy_lag.get()) })
    }
}

impl fmt::Debug for Chains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chains").finish_non_exhaustive()
    }
}

/// Where a round is.
#[derive(Clone)]
struct Round {
    seal: u64,
    hash: [u8; 32],
    to: u64,
    head: Head,
    sealed_at: Option<Timestamp>,
    /// What this round has found.
    found: Option<Break>,
    /// Rows that are missing; perhaps a later seal says that they were forgotten. One after the other is one.
    missing: Vec<Break>,
    /// When the round came to the end.
    done: Option<Timestamp>,
}

impl Round {
    fn begin(id: ChainId) -> Self {
        let (hash, head) = ([0; 32], id.genesis());
        Self { seal: 0, hash, to: 0, head, sealed_at: None, found: None, missing: Vec::new(), done: None }
    }
}

/// Looks at the chains of a store.
pub struct Watcher<S: ?Sized> {
    store: Arc<S>,
    keys: PublicKeys,
    clock: Arc<dyn Clock>,
    chains: Arc<Chains>,
    rounds: BTreeMap<ChainId, Round>,
}

impl<S: Store + ?Sized> Watcher<S> {
    /// Does nothing before it runs. The store is the one in which PHI is as it is on disk.
    pub fn new(store: Arc<S>, keys: PublicKeys, clock: Arc<dyn Clock>, chains: Arc<Chains>) -> Self {
        Self { store, keys, clock, chains, rounds: BTreeMap::new() }
    }

    /// Looks until it is told to stop. May be dropped at any time.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut looks = interval(WATCH_LOOKS);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                // What cannot be read now is looked at the next time.
                _ = looks.tick() => drop(task::scope(Lane::Batch, self.look()).await),
            }
        }
    }

    /// Looks at the next few seals of each chain.
    ///
    /// # Errors
    /// The trail cannot be read now.
    pub async fn look(&mut self) -> Result<(), ReadError> {
        if trail::too_many(self.rounds.len()) {
            self.rounds.clear();
            self.chains.known.lock().clear();
        }
        let mut after = None;
        loop {
            let page = self.store.audit_ends(after, MAX_READ).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some((last.tenant, last.partition));
            for end in page {
                let id = ChainId { tenant: end.tenant, partition: end.partition };
                self.look_at(id, end.number).await?;
            }
        }
    }

    async fn look_at(&mut self, id: ChainId, rows: u64) -> Result<(), ReadError> {
        let now = self.clock.now();
        let before = self.rounds.get(&id).cloned().unwrap_or_else(|| Round::begin(id));
        let again = before.done.is_some_and(|at| now.since(at) >= WATCH_AGAIN);
        let first = before.done.is_none();
        let mut round = if again { Round::begin(id) } else { before };
        let seals = self.store.audit_seals(id, round.seal, WATCHED_SEALS).await?;
        let at_end = seals.len() < WATCHED_SEALS;
        for event in &seals {
            match Seal::of_event(id, event) {
                Ok(seal) => self.take(id, &mut round, &seal, now).await?,
                Err(_) => {
                    note(&mut round.found, "seal", round.to + 1, round.to + 1, now);
                    round.seal = event.version.0;
                }
            }
        }
        if at_end {
            if rows < round.to {
                miss(&mut round.missing, rows + 1, round.to, now);
            }
            round.done = round.done.or(Some(now));
        }
        let missing = round.missing.first().copied();
        let (sealed_rows, seals, sealed_at, found) = (round.to, round.seal, round.sealed_at, round.found);
        self.rounds.insert(id, round);
        let mut known = self.chains.known.lock();
        let state = known.entry(id).or_default();
        if again && !first {
            tracing::debug!(tenant.id = %id.tenant, partition = id.partition.0, "A chain is looked at anew");
        }
        (state.rows, state.sealed_rows, state.seals) = (rows, sealed_rows, seals);
        state.sealed_at = sealed_at;
        let found = if at_end { found.or(missing) } else { found.or(state.broken) };
        if found.is_some() && state.broken.is_none() {
            tracing::error!(
                tenant.id = %id.tenant, partition = id.partition.0,
                "The audit trail is not what was sealed: verify an export"
            );
        }
        state.broken = found;
        if at_end {
            state.verified_at = Some(now);
        }
        Ok(())
    }

    async fn take(
        &self,
        id: ChainId,
        round: &mut Round,
        seal: &Seal,
        now: Timestamp,
    ) -> Result<(), ReadError> {
        let from = round.to + 1;
        if seal.number != round.seal + 1 || seal.previous != round.hash || seal.verify(&self.keys).is_err() {
            note(&mut round.found, "seal", from, seal.to.max(from), now);
        }
        (round.seal, round.hash, round.sealed_at) = (seal.number, seal.hash(), Some(seal.at));
        if seal.what == What::Forgotten {
            // What the signer says was forgotten is not missed.
            round.missing.retain(|missing| missing.to > seal.to);
            for missing in &mut round.missing {
                missing.from = missing.from.max(seal.to + 1);
            }
            return Ok(());
        }
        if seal.from != from {
            note(&mut round.found, "order", from, seal.to.max(from), now);
        }
        let (mut head, mut to, mut bytes) = (round.head, round.to, Vec::new());
        let mut right = true;
        while to < seal.to {
            let limit = AUDIT_PAGE.min(usize::try_from(seal.to - to).unwrap_or(AUDIT_PAGE));
            let page = self.store.audit_rows(id, to, limit).await?;
            let here = page.iter().take_while(|row| row.number <= seal.to).count();
            if here == 0 {
                miss(&mut round.missing, to + 1, seal.to, now);
                (round.to, round.head) = (seal.to, seal.head);
                return Ok(());
            }
            for row in page.into_iter().take(here) {
                if row.number != to + 1 {
                    miss(&mut round.missing, to + 1, row.number - 1, now);
                    // What is left of the range fits its seal no more, and that is why.
                    (round.to, round.head) = (seal.to, seal.head);
                    return Ok(());
                }
                bytes.clear();
                chain::encode(id.tenant, &row, &mut bytes);
                match Canonical::parse(&bytes) {
                    Ok(canonical) => head = head.after(canonical, row.number),
                    Err(_) => right = false,
                }
                to = row.number;
            }
        }
        if !right || head != seal.head {
            note(&mut round.found, "rows", from, seal.to, now);
        }
        (round.to, round.head) = (seal.to, seal.head);
        Ok(())
    }
}

/// The first that is found stays.
fn note(place: &mut Option<Break>, what: &'static str, from: u64, to: u64, found_at: Timestamp) {
    place.get_or_insert(Break { what, from, to, found_at });
}

/// Rows are missing. Beyond as many places as are kept, the last one reaches on.
fn miss(places: &mut Vec<Break>, from: u64, to: u64, found_at: Timestamp) {
    let full = places.len() >= WATCHED_BREAKS;
    match places.last_mut() {
        Some(last) if full || last.to + 1 == from => last.to = last.to.max(to),
        _ => places.push(Break { what: "missing-rows", from, to, found_at }),
    }
}

impl<S: ?Sized> fmt::Debug for Watcher<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_places_are_kept_apart_and_the_last_reaches_on_beyond_that() {
        let (mut places, now) = (Vec::new(), Timestamp::from_millis(0));
        for n in 0..WATCHED_BREAKS as u64 {
            miss(&mut places, n * 10 + 1, n * 10 + 3, now);
            miss(&mut places, n * 10 + 4, n * 10 + 5, now);
            assert_eq!(
                (places.len() as u64, places[n as usize].to),
                (n + 1, n * 10 + 5),
                "beside each other: one"
            );
        }
        miss(&mut places, 900, 901, now);
        assert_eq!((places.len(), places.last().map(|last| last.to)), (WATCHED_BREAKS, Some(901)));
    }
}
