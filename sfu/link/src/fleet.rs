//! [`MediaNode`] over the nodes of a fleet: which one an affinity lives on, and what happens when that one is gone.
//!
//! * An affinity is placed at its first connect, on the least loaded fit node of the preferred region, and stays: all
//!   of a waiting room is on one node, so that its people can be seated together without negotiating anew.
//! * It is claimed on every node. So a process that takes over finds it wherever it is, and the process before is
//!   fenced everywhere.
//! * A node that is listed as draining, or is out of reach, is left at the next connect: the waiting room moves as a
//!   whole. One that says itself that it goes down is left waiting room by waiting room, one that is dead at once. What
//!   was there is reported closed, and browsers offer anew.

mod choice;
mod members;
mod places;
mod placing;

use crate::{limits, metrics::Metrics, remote};
use members::Members;
use model::{Epoch, ParticipantId, RoomId, TenantId};
use parking_lot::Mutex;
use places::Places;
use platform::{clock::Clock, keys::Keys};
use sfu_core::port::{
    Affinity, Answer, Claim, Connect, Existing, MediaError, MediaEvent, MediaNode, PortFuture, SessionId,
};
use std::{fmt, sync::Arc};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, interval},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// A node as the registry lists it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeInfo {
    /// Its name.
    pub id: String,
    /// `ws://host:port/media-link`, on the network between processes.
    pub url: String,
    /// Where it stands.
    pub region: String,
    /// It takes no new waiting rooms.
    pub draining: bool,
}

/// What a fleet needs of its process.
pub struct Deps {
    /// The fleet's keys.
    pub keys: Arc<Keys>,
    /// Wall-clock time.
    pub clock: Arc<dyn Clock>,
    /// A new id each time the process starts.
    pub process: Uuid,
    /// Whose nodes are preferred.
    pub region: String,
    /// Registered by the process.
    pub metrics: Metrics,
}

impl fmt::Debug for Deps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deps").field("region", &self.region).finish_non_exhaustive()
    }
}

/// The nodes of a fleet as one. Cheap to clone.
#[derive(Clone)]
pub struct Fleet(Arc<Shared>);

struct Shared {
    region: String,
    members: Mutex<Members>,
    places: Mutex<Places>,
    nodes: watch::Receiver<Vec<NodeInfo>>,
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet").field("nodes", &self.0.members.lock().len()).finish_non_exhaustive()
    }
}

impl Fleet {
    /// The nodes listed now and later. What they tell comes out of the receiver; its queue is bounded.
    #[must_use]
    pub fn new(deps: Deps, nodes: watch::Receiver<Vec<NodeInfo>>) -> (Self, mpsc::Receiver<MediaEvent>) {
        let Deps { keys, clock, process, region, metrics } = deps;
        let (events, receiver) = mpsc::channel(limits::EVENT_QUEUE);
        let remote = remote::Deps { keys, clock, process, events, metrics };
        let shared =
            Shared { region, members: Mutex::new(Members::new(remote)), places: Mutex::default(), nodes };
        let fleet = Self(Arc::new(shared));
        fleet.0.follow();
        (fleet, receiver)
    }

    /// Keeps a stream to every node, until `shutdown`. Ends no session.
    pub async fn run(&self, shutdown: CancellationToken) {
        let mut nodes = self.0.nodes.clone();
        let mut look = interval(limits::AGAIN);
        let mut streams = JoinSet::new();
        loop {
            self.0.follow();
            self.0.members.lock().start(&mut streams, &shutdown);
            self.0.bury().await;
            self.0.move_off().await;
            tokio::select! {
                () = shutdown.cancelled() => break,
                changed = nodes.changed() => if changed.is_err() {
                    // Nobody lists nodes any more: those known stay.
                    shutdown.cancelled().await;
                    break;
                },
                _ = look.tick() => {}
                Some(_) = streams.join_next(), if !streams.is_empty() => {}
            }
        }
        while streams.join_next().await.is_some() {}
    }

    /// The node an affinity lives on, if it was placed.
    #[must_use]
    pub fn home(&self, tenant: TenantId, affinity: Affinity) -> Option<String> {
        let slot = self.0.places.lock().home((tenant, affinity))?;
        self.0.members.lock().get(slot).map(|member| member.remote.info().id.clone())
    }

    /// Nodes whose stream is up.
    #[must_use]
    pub fn nodes_up(&self) -> usize {
        self.0.members.lock().all().iter().filter(|member| member.remote.is_up()).count()
    }

    async fn connect_somewhere(&self, connect: Connect) -> Result<Answer, MediaError> {
        let key = (connect.tenant, connect.affinity);
        if !self.0.places.lock().knows(key) {
            let claim = Claim { tenant: key.0, affinity: key.1, epoch: Epoch::default() };
            self.claim_everywhere(claim).await?;
        }
        let _going = self.0.going(key);
        let member = self.0.place(key, None).await?;
        let answered = tokio::select! {
            answered = member.remote.connect(connect.clone()) => answered,
            () = self.0.until_left(&member) => Err(MediaError::Draining),
        };
        match answered {
            // It began to drain since, or is out of reach: the waiting room moves, if there is somewhere to go.
            Err(MediaError::Draining) => {
                let next = self.0.place(key, Some(member.slot)).await.map_err(|_| MediaError::Draining)?;
                next.remote.connect(connect).await
            }
            other => other,
        }
    }

    async fn claim_everywhere(&self, claim: Claim) -> Result<Vec<Existing>, MediaError> {
        let key = (claim.tenant, claim.affinity);
        self.0.places.lock().claim(key, claim.epoch)?;
        let mut asked = JoinSet::new();
        let members = self.0.members.lock().all();
        for member in members {
            if !member.is_worth_waiting_for(Instant::now()) {
                member.remote.assume(claim);
                continue;
            }
            asked.spawn(async move { (member.slot, member.remote.claim(claim).await) });
        }
        let mut found = Vec::new();
        while let Some(answer) = asked.join_next().await {
            match answer {
                Ok((slot, Ok(existing))) => found.push((slot, existing)),
                Ok((_, Err(MediaError::Fenced))) => return Err(MediaError::Fenced),
                // What it has is told later.
                Ok((_, Err(_))) | Err(_) => {}
            }
        }
        Ok(self.0.settle(key, found).await)
    }
}

impl MediaNode for Fleet {
    fn claim(&self, claim: Claim) -> PortFuture<'_, Result<Vec<Existing>, MediaError>> {
        Box::pin(self.claim_everywhere(claim))
    }

    fn connect(&self, connect: Connect) -> PortFuture<'_, Result<Answer, MediaError>> {
        Box::pin(self.connect_somewhere(connect))
    }

    fn restart(&self, session: SessionId, offer: String) -> PortFuture<'_, Result<Answer, MediaError>> {
        Box::pin(async move { self.0.of(session)?.remote.restart(session, offer).await })
    }

    fn seat(&self, session: SessionId, room: Option<RoomId>) -> Result<(), MediaError> {
        self.0.of(session)?.remote.seat(session, room)
    }

    fn set_sharer(
        &self,
        tenant: TenantId,
        affinity: Affinity,
        room: RoomId,
        sharer: Option<ParticipantId>,
    ) -> Result<(), MediaError> {
        let key = (tenant, affinity);
        // Kept for where the affinity is going to live, if it lives nowhere now.
        let Some(home) = self.0.places.lock().set_sharer(key, room, sharer) else { return Ok(()) };
        let Some(member) = self.0.members.lock().get(home) else { return Ok(()) };
        member.remote.set_sharer(tenant, affinity, room, sharer)
    }

    fn disconnect(&self, session: SessionId) {
        if let Ok(member) = self.0.of(session) {
            member.remote.disconnect(session);
        }
    }
}
