//! [`MediaNode`] for one node of another process.
//!
//! ```text
//! port calls ──▶ Mirror (what is to be, what is known) ──next()──▶ writer ──▶ node
//!                    ▲──────────────heard()───────────── reader ◀──
//! ```
//!
//! `connect`, `restart` and `claim` wait for the node, but not for long. `seat`, `set_sharer` and `disconnect`
//! return at once: the mirror keeps what is to be and tells the node until it has said that it is so, on this
//! stream or a later one. If it cannot be, the session is reported closed.

mod call;
mod dial;
mod mirror;
mod run;

use crate::{Key, fleet::NodeInfo, metrics::Metrics, protocol::Load};
use mirror::Mirror;
use model::{ParticipantId, RoomId, TenantId};
use parking_lot::{Mutex, MutexGuard};
use platform::{clock::Clock, keys::Keys};
use sfu_core::port::{
    Affinity, Answer, Claim, Connect, Existing, MediaError, MediaEvent, MediaNode, PortFuture, SessionId,
};
use std::{fmt, sync::Arc};
use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// What the streams of a process have in common.
#[derive(Clone)]
pub struct Deps {
    /// The fleet's keys.
    pub keys: Arc<Keys>,
    /// Wall-clock time.
    pub clock: Arc<dyn Clock>,
    /// A new id each time the process starts.
    pub process: Uuid,
    /// Where media events go. Bounded; a full queue holds up the stream, and samples are dropped.
    pub events: mpsc::Sender<MediaEvent>,
    /// Registered by the process.
    pub metrics: Metrics,
}

impl fmt::Debug for Deps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deps").field("process", &self.process).finish_non_exhaustive()
    }
}

/// One node, over one stream that comes up again by itself while [`RemoteNode::run`] does. Cheap to clone.
#[derive(Clone)]
pub struct RemoteNode(Arc<Shared>);

struct Shared {
    info: NodeInfo,
    deps: Deps,
    mirror: Mutex<Mirror>,
    /// The mirror has something to say.
    wake: Notify,
}

impl fmt::Debug for RemoteNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteNode").field("node", &self.0.info.id).finish_non_exhaustive()
    }
}

impl RemoteNode {
    /// A node by its address. Session ids begin with `slot`, which no other node of the process may have.
    #[must_use]
    pub fn new(info: NodeInfo, slot: u16, deps: Deps) -> Self {
        let mirror = Mutex::new(Mirror::new(slot, deps.metrics.clone(), Instant::now()));
        Self(Arc::new(Shared { info, deps, mirror, wake: Notify::new() }))
    }

    /// Keeps the stream up until `shutdown`. Ends no session.
    pub async fn run(&self, shutdown: CancellationToken) {
        run::run(&self.0, shutdown).await;
    }

    /// Whether the stream is up now.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.mirror().is_up()
    }

    /// How loaded the node last said it is, with what was placed on it since.
    #[must_use]
    pub fn load(&self) -> Load {
        self.mirror().load()
    }

    /// Sessions this process knows of on the node.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.mirror().len()
    }

    pub(crate) fn info(&self) -> &NodeInfo {
        &self.0.info
    }

    pub(crate) fn sessions_of(&self, key: Key) -> usize {
        self.mirror().sessions_of(key)
    }

    /// How long the stream has been down.
    pub(crate) fn down_for(&self, now: Instant) -> Option<std::time::Duration> {
        self.mirror().down_since().map(|since| now.saturating_duration_since(since))
    }

    /// Something was placed here that the node has not counted yet.
    pub(crate) fn placed(&self) {
        self.mirror().placed();
    }

    /// Claims without waiting: what is found is reported as [`MediaEvent::Found`], or ended if the affinity lives
    /// elsewhere.
    pub(crate) fn assume(&self, claim: Claim) {
        self.mirror().claim(claim, None);
        self.0.wake.notify_one();
    }

    /// Whether an affinity lives on another node: then nothing of it that turns up here is wanted.
    pub(crate) fn elsewhere(&self, key: Key, elsewhere: bool) {
        self.mirror().elsewhere(key, elsewhere);
    }

    /// Gives up the sessions of an affinity, or all: they are lost to this process, and end if the node lives.
    pub(crate) async fn give_up(&self, key: Option<Key>) {
        self.mirror().give_up(key);
        self.0.wake.notify_one();
        self.0.deliver().await;
    }

    /// Where the node stands, as it said itself or as it is listed.
    pub(crate) fn region(&self) -> String {
        let said = self.mirror().region().to_owned();
        if said.is_empty() { self.0.info.region.clone() } else { said }
    }

    fn mirror(&self) -> MutexGuard<'_, Mirror> {
        self.0.mirror.lock()
    }
}

impl Shared {
    /// Hands signaling what changed. Waits for room; given up in the middle, nothing is lost.
    async fn deliver(&self) {
        while self.mirror.lock().has_event() {
            let Ok(room) = self.deps.events.reserve().await else { return };
            self.mirror.lock().tell(|event| room.send(event));
        }
    }
}

impl MediaNode for RemoteNode {
    fn claim(&self, claim: Claim) -> PortFuture<'_, Result<Vec<Existing>, MediaError>> {
        Box::pin(call::claim(&self.0, claim))
    }

    fn connect(&self, connect: Connect) -> PortFuture<'_, Result<Answer, MediaError>> {
        Box::pin(call::connect(&self.0, connect))
    }

    fn restart(&self, session: SessionId, offer: String) -> PortFuture<'_, Result<Answer, MediaError>> {
        Box::pin(call::restart(&self.0, session, offer))
    }

    fn seat(&self, session: SessionId, room: Option<RoomId>) -> Result<(), MediaError> {
        let seated = self.mirror().seat(session, room);
        self.0.wake.notify_one();
        seated
    }

    fn set_sharer(
        &self,
        tenant: TenantId,
        affinity: Affinity,
        room: RoomId,
        sharer: Option<ParticipantId>,
    ) -> Result<(), MediaError> {
        let set = self.mirror().set_sharer((tenant, affinity), room, sharer);
        self.0.wake.notify_one();
        set
    }

    fn disconnect(&self, session: SessionId) {
        self.mirror().disconnect(session);
        self.0.wake.notify_one();
    }
}
