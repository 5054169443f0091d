//! What every request of a unit may need, as it was within the last second: read once, and then what came since.

use crate::{
    limits::{FOLLOWED_BELIEVED_FOR, MAX_UNITS_FOLLOWED},
    records::{Machine, Records},
};
use model::{TenantId, Timestamp};
use platform::event_log::{ReadError, Version};
use std::{collections::HashMap, sync::Arc};
use tokio::sync::Mutex;

/// One machine of each unit, whose stream has the unit's own id.
pub(crate) struct Followed<M>(Mutex<HashMap<TenantId, Known<M>>>);

struct Known<M> {
    read_at: Option<Timestamp>,
    version: Version,
    all: Arc<M>,
}

impl<M> Default for Followed<M> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<M: Default> Default for Known<M> {
    fn default() -> Self {
        Self { read_at: None, version: Version(0), all: Arc::default() }
    }
}

impl<M: Machine + Clone + Default> Followed<M> {
    /// Something was recorded here: it is looked up again.
    pub(crate) async fn is_old(&self, tenant: TenantId) {
        if let Some(known) = self.0.lock().await.get_mut(&tenant) {
            known.read_at = None;
        }
    }

    /// As it was within the last second.
    ///
    /// # Errors
    /// The store does not answer: nobody may anything because of what was true some time ago.
    pub(crate) async fn read(&self, records: &Records, tenant: TenantId) -> Result<Arc<M>, ReadError> {
        let now = records.clock.now();
        let mut units = self.0.lock().await;
        if units.len() >= MAX_UNITS_FOLLOWED && !units.contains_key(&tenant) {
            units.clear();
        }
        let known = units.entry(tenant).or_default();
        // A clock that was set back must not make it last.
        let fresh = known.read_at.is_some_and(|at| now >= at && now.since(at) < FOLLOWED_BELIEVED_FOR);
        if !fresh {
            if let Some((all, version)) = records.follow(tenant, &*known.all, known.version).await? {
                (known.all, known.version) = (Arc::new(all), version);
            }
            known.read_at = Some(now);
        }
        Ok(Arc::clone(&known.all))
    }
}
