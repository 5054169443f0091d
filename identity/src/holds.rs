//! Legal holds, as whoever prunes the audit trail asks for them.

use crate::{records::Records, service::Identity};
use model::TenantId;
use platform::{
    audit::prune::{Held, Holds},
    event_log::{ReadError, StoreFuture},
};
use std::sync::Arc;

/// Read anew each time: nothing goes because of what was true a second ago.
struct Recorded(Records);

impl Holds for Recorded {
    fn held(&self, tenant: TenantId) -> StoreFuture<'_, Result<Vec<Held>, ReadError>> {
        Box::pin(async move {
            let all = self.0.holds(tenant).await?;
            Ok(all.in_force().map(|over| over.id().map_or(Held::Everything, Held::Of)).collect())
        })
    }
}

impl Identity {
    /// What auditors of any unit hold.
    #[must_use]
    pub fn holds(&self) -> Arc<dyn Holds> {
        Arc::new(Recorded(self.records.clone()))
    }
}
