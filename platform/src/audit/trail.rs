//! Where the audit trail is read: rows as they are stored, and the seals of each chain.

use super::{
    chain::{ChainId, Head},
    keys::PublicKeys,
    seal::{self, Seal, What},
};
use crate::event_log::{
    AuditEnd, AuditRow, EventStore, Moment, Partition, ReadError, RecordedEvent, Records, StoreFuture,
    Version,
};
use crate::limits::MAX_CHAINS_KNOWN;
use model::TenantId;

/// What a sealer, a copier and an export read. Rows are as they are stored: where PHI is encrypted, this is the store
/// beneath what decrypts it.
pub trait Trail: Send + Sync {
    /// Where rows end, as [`Records::audited`].
    fn audit_ends(
        &self,
        after: Option<(TenantId, Partition)>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<AuditEnd>, ReadError>>;
    /// A chain's rows after a number, in their order, at most `limit`.
    fn audit_rows(
        &self,
        chain: ChainId,
        after: u64,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<AuditRow>, ReadError>>;
    /// The events of a chain's seals after one, in their order, at most `limit`.
    fn audit_seals(
        &self,
        chain: ChainId,
        after: u64,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<RecordedEvent>, ReadError>>;
}

impl<S: EventStore + Records + ?Sized> Trail for S {
    fn audit_ends(
        &self,
        after: Option<(TenantId, Partition)>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<AuditEnd>, ReadError>> {
        self.audited(after, limit)
    }

    fn audit_rows(
        &self,
        chain: ChainId,
        after: u64,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<AuditRow>, ReadError>> {
        self.audit(chain.tenant, chain.partition, after, limit)
    }

    fn audit_seals(
        &self,
        chain: ChainId,
        after: u64,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<RecordedEvent>, ReadError>> {
        self.read(seal::stream(chain), Version(after), limit, Moment::NOW)
    }
}

/// The event of a chain's newest seal, found by halving: its stream may be years long.
///
/// # Errors
/// The trail cannot be read now.
pub(super) async fn newest_seal(
    trail: &(impl Trail + ?Sized),
    chain: ChainId,
) -> Result<Option<RecordedEvent>, ReadError> {
    let (mut newest, mut step) = (None, 1_u64);
    // Forwards in longer and longer steps while there is one, then back in shorter ones.
    let (mut there, mut not_there) = (0_u64, None);
    loop {
        let look = match not_there {
            None => there.saturating_add(step),
            Some(beyond) if beyond - there <= 1 => return Ok(newest),
            Some(beyond) => there + (beyond - there) / 2,
        };
        match trail.audit_seals(chain, look - 1, 1).await?.pop() {
            // A hole is jumped over: whoever verifies will name it.
            Some(event) => {
                there = event.version.0.max(look);
                newest = Some(event);
                step = step.saturating_mul(2);
            }
            None => not_there = Some(look),
        }
    }
}

/// Whether a process knows of more chains than it may: then it forgets them all, and looks them up again.
pub(super) const fn too_many(chains: usize) -> bool {
    chains > MAX_CHAINS_KNOWN
}

/// Where a chain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Number of the newest seal.
    pub(super) seal: u64,
    /// Its hash.
    pub(super) hash: [u8; 32],
    /// Number of the newest seal over rows.
    pub(super) of_rows: u64,
    /// The newest row under it.
    pub(super) to: u64,
    pub(super) head: Head,
}

/// Why it is not known where a chain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoPlace {
    /// It cannot be read now.
    Read,
    /// What is there does not hold.
    Broken(&'static str),
}

impl From<ReadError> for NoPlace {
    fn from(_: ReadError) -> Self {
        Self::Read
    }
}

/// Where a chain is, by its newest seals, which have to be ours.
pub(super) async fn place(
    trail: &(impl Trail + ?Sized),
    keys: &PublicKeys,
    id: ChainId,
) -> Result<Place, NoPlace> {
    let none = Place { seal: 0, hash: [0; 32], of_rows: 0, to: 0, head: id.genesis() };
    let Some(event) = newest_seal(trail, id).await? else { return Ok(none) };
    let newest = proven(keys, id, &event)?;
    let rows = rows_seal_up_to(trail, keys, id, newest.number).await?;
    let (of_rows, to) = rows.map_or((0, 0), |seal| (seal.number, seal.to));
    Ok(Place { seal: newest.number, hash: newest.hash(), of_rows, to, head: newest.head })
}

/// The newest seal over rows among those up to a number. What was forgotten in between is passed over.
pub(super) async fn rows_seal_up_to(
    trail: &(impl Trail + ?Sized),
    keys: &PublicKeys,
    id: ChainId,
    mut number: u64,
) -> Result<Option<Seal>, NoPlace> {
    while number > 0 {
        let page = trail.audit_seals(id, number - 1, 1).await?;
        let event = page.first().filter(|event| event.version.0 == number);
        let seal = proven(keys, id, event.ok_or(NoPlace::Broken("a seal is gone"))?)?;
        if seal.what == What::Rows {
            return Ok(Some(seal));
        }
        number -= 1;
    }
    Ok(None)
}

/// A seal that one of our keys has signed.
pub(super) fn proven(keys: &PublicKeys, id: ChainId, event: &RecordedEvent) -> Result<Seal, NoPlace> {
    let seal = Seal::of_event(id, event).map_err(|_| NoPlace::Broken("what should be a seal is none"))?;
    match seal.verify(keys) {
        Ok(()) => Ok(seal),
        Err(_) => Err(NoPlace::Broken("a seal is not signed by a key of ours")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_chains_are_known_as_may_be_and_no_more() {
        assert!(!too_many(MAX_CHAINS_KNOWN) && too_many(MAX_CHAINS_KNOWN + 1));
    }
}
