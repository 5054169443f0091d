//! The waiting rooms of a unit, for those who have an account there: what they are called, and the clinician's seat.
//!
//! It asks the store and not a room's owner, so that any process answers that has the store.

use crate::{limits, load};
use model::{TenantId, WaitingRoomId};
use platform::{
    clock::Clock,
    event_log::{Append, Category, NewAudit, NewEvent, Store, StreamId, Version},
    keys::Keys,
    lane::Lane,
};
use policy::{Permit, SessionId, action::JoinWaitingRoom, judge::By};
use serde_json::json;
use signaling_core::{
    owner::{Owner, program::Greeting},
    port::{LinkGrant, PortFuture, RoomName, RoomsBusy, WaitingRooms},
    token::{Bearer, HeldBy, JOIN_AUDIENCE, JOIN_TTL, JoinClaims},
};
use std::sync::Arc;

/// Category of the streams that say who was given a waiting room's seat: one event each.
const SEAT_GIVEN: Category = Category { name: "seat-given", lane: Lane::Critical };

/// Waiting rooms, as the store knows them.
pub struct Rooms {
    store: Arc<dyn Store>,
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Rooms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rooms").finish_non_exhaustive()
    }
}

impl Rooms {
    /// Of a store.
    #[must_use]
    pub const fn new(store: Arc<dyn Store>, keys: Arc<Keys>, clock: Arc<dyn Clock>) -> Self {
        Self { store, keys, clock }
    }

    async fn greeting(&self, tenant: TenantId, room: WaitingRoomId) -> Result<Option<Greeting>, RoomsBusy> {
        let read = load::opening(&*self.store, tenant, room);
        let owner = tokio::time::timeout(limits::ASK_TIMEOUT, read).await.map_err(|_| RoomsBusy)?;
        let owner = owner.map_err(|error| {
            tracing::warn!(waiting_room.id = %room, %error, "A waiting room cannot be read");
            RoomsBusy
        })?;
        Ok(owner.as_ref().and_then(Owner::greet_clinician))
    }

    async fn name(&self, tenant: TenantId, id: WaitingRoomId) -> Result<Option<RoomName>, RoomsBusy> {
        let greeting = self.greeting(tenant, id).await?;
        Ok(greeting.map(|Greeting { clinic, practitioner, .. }| RoomName { id, clinic, practitioner }))
    }

    /// For the auditor: who is about to lead whose visits.
    async fn record(&self, permit: &Permit<JoinWaitingRoom>, room: WaitingRoomId) -> Result<(), RoomsBusy> {
        let actor = permit.by().map(By::id);
        let stream = StreamId { tenant: permit.tenant(), category: SEAT_GIVEN, id: platform::ids::fresh() };
        let body = json!({ "waitingRoom": room }).to_string();
        let event =
            NewEvent { kind: "seat-given", schema: 1, body: body.clone(), phi: None, effective: None };
        let audit = NewAudit { action: "waiting-room.join", actor, subject: Some(room.0), body, phi: None };
        let append = Append::new(stream, Version(0), vec![event], self.clock.now());
        self.store.append(Append { audit: vec![audit], ..append }).await.map(drop).map_err(|_| RoomsBusy)
    }
}

impl WaitingRooms for Rooms {
    fn list(
        &self,
        tenant: TenantId,
        after: Option<WaitingRoomId>,
        limit: usize,
    ) -> PortFuture<'_, Result<Vec<RoomName>, RoomsBusy>> {
        Box::pin(async move {
            let ids = load::rooms_of(&*self.store, tenant, after, limit).await.map_err(|_| RoomsBusy)?;
            let mut rooms = Vec::with_capacity(ids.len());
            for id in ids {
                rooms.extend(self.name(tenant, id).await?);
            }
            Ok(rooms)
        })
    }

    fn room(
        &self,
        tenant: TenantId,
        id: WaitingRoomId,
    ) -> PortFuture<'_, Result<Option<RoomName>, RoomsBusy>> {
        Box::pin(self.name(tenant, id))
    }

    fn seat<'a>(
        &'a self,
        permit: &'a Permit<JoinWaitingRoom>,
        session: SessionId,
    ) -> PortFuture<'a, Result<Option<LinkGrant>, RoomsBusy>> {
        Box::pin(async move {
            let Some(room) = permit.place().waiting_room else { return Ok(None) };
            let Some(greeting) = self.greeting(permit.tenant(), room).await? else { return Ok(None) };
            self.record(permit, room).await?;
            let held_by = match permit.by() {
                Some(By::Account(account)) => Some(HeldBy { account, session }),
                _ => None,
            };
            let Greeting { bearer, clinic, practitioner, name, scheduled_at } = greeting;
            let now = self.clock.now();
            let join_token = self.keys.sign(
                JOIN_AUDIENCE,
                JOIN_TTL,
                now,
                &JoinClaims { bearer: Bearer { held_by, ..bearer } },
            );
            Ok(Some(LinkGrant { join_token, role: bearer.role, clinic, practitioner, name, scheduled_at }))
        })
    }
}
