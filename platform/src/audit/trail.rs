//! Where the audit trail is read: rows as they are stored, and the seals of each chain.

use super::{chain::ChainId, seal};
use crate::event_log::{
    AuditEnd, AuditRow, EventStore, Moment, Partition, ReadError, RecordedEvent, Records, StoreFuture,
    Version,
};
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
