//! Links in a process without signaling: it asks one that has it.

use crate::{
    limits,
    network::Tcp,
    peers::{NoAnswer, Peers, Question, Reply},
};
use model::{Phi, TenantId};
use platform::{clock::Clock, keys::Keys};
use signaling_core::port::{LinkError, LinkGrant, Links, PortFuture};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::sync::watch;
use uuid::Uuid;

/// Exchanges links at whichever signaling process answers.
pub struct RemoteLinks {
    peers: Peers,
    addresses: watch::Receiver<Vec<String>>,
    turn: AtomicUsize,
}

impl std::fmt::Debug for RemoteLinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteLinks").finish_non_exhaustive()
    }
}

impl RemoteLinks {
    /// `addresses` are those of the signaling processes there are now, `host:port` each.
    #[must_use]
    pub fn new(
        keys: Arc<Keys>,
        clock: Arc<dyn Clock>,
        process: Uuid,
        addresses: watch::Receiver<Vec<String>>,
    ) -> Self {
        Self { peers: Peers::new(keys, clock, process, Arc::new(Tcp)), addresses, turn: AtomicUsize::new(0) }
    }

    async fn ask(&self, tenant: TenantId, secret: Phi<String>) -> Result<LinkGrant, LinkError> {
        let addresses = self.addresses.borrow().clone();
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        let question = Question::Exchange { tenant: Some(tenant), secret };
        for nth in 0..addresses.len().min(limits::MAX_FINDS) {
            let address = &addresses[(first + nth) % addresses.len()];
            match self.peers.ask(address, &question).await {
                Ok(Reply::Granted { join_token, role, clinic, practitioner, name, scheduled_at }) => {
                    return Ok(LinkGrant { join_token, role, clinic, practitioner, name, scheduled_at });
                }
                Ok(Reply::NoSuchLink) => return Err(LinkError::Unknown),
                Ok(Reply::Over { clinic }) => return Err(LinkError::Over { clinic }),
                Ok(_) | Err(NoAnswer::Gone | NoAnswer::Leaving) => {}
                Err(NoAnswer::Late) => return Err(LinkError::Busy),
                Err(NoAnswer::Refused) => {
                    tracing::warn!(%address, "A signaling process refuses this one: do they have the same keys?");
                }
            }
        }
        Err(LinkError::Busy)
    }
}

impl Links for RemoteLinks {
    fn exchange(
        &self,
        tenant: TenantId,
        secret: Phi<String>,
    ) -> PortFuture<'_, Result<LinkGrant, LinkError>> {
        Box::pin(async move {
            let asked = tokio::time::timeout(limits::ASK_TIMEOUT, self.ask(tenant, secret)).await;
            asked.unwrap_or(Err(LinkError::Busy))
        })
    }
}
