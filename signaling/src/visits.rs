//! How many visits go on in a fleet: every signaling process is asked.

use crate::{
    limits,
    network::Tcp,
    peers::{Peers, Question, Reply},
};
use futures_util::future::try_join_all;
use model::TenantId;
use platform::{clock::Clock, keys::Keys};
use signaling_core::port::{Census, NotNow, PortFuture, Visits};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;
use uuid::Uuid;

/// Counts visits wherever they are.
pub struct RemoteVisits {
    peers: Peers,
    addresses: watch::Receiver<Vec<String>>,
}

impl std::fmt::Debug for RemoteVisits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteVisits").finish_non_exhaustive()
    }
}

impl RemoteVisits {
    /// `addresses` are those of the signaling processes there are now, this one's included, `host:port` each.
    #[must_use]
    pub fn new(
        keys: Arc<Keys>,
        clock: Arc<dyn Clock>,
        process: Uuid,
        addresses: watch::Receiver<Vec<String>>,
    ) -> Self {
        Self { peers: Peers::new(keys, clock, process, Arc::new(Tcp)), addresses }
    }

    async fn count(&self, address: &str, tenant: TenantId) -> Result<Census, NotNow> {
        match self.peers.ask(address, &Question::Count { tenant }).await {
            Ok(Reply::Counted { waiting, in_call, longest_wait_s }) => {
                Ok(Census { waiting, in_call, longest_wait: Duration::from_secs(longest_wait_s) })
            }
            _ => Err(NotNow),
        }
    }
}

impl Visits for RemoteVisits {
    fn census(&self, tenant: TenantId) -> PortFuture<'_, Result<Census, NotNow>> {
        Box::pin(async move {
            let addresses = self.addresses.borrow().clone();
            if addresses.is_empty() {
                return Err(NotNow);
            }
            let asked = try_join_all(addresses.iter().map(|address| self.count(address, tenant)));
            let counted = tokio::time::timeout(limits::COUNT_TIMEOUT, asked).await.map_err(|_| NotNow)??;
            Ok(counted.into_iter().fold(Census::default(), Census::and))
        })
    }
}
