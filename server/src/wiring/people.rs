//! Those with an account, as signaling asks for them.

use identity::Identity;
use model::{Phi, TenantId, WaitingRoomId};
use policy::{AccountId, Subject};
use signaling_core::{
    port::{NotNow, People, PortFuture},
    token::HeldBy,
};
use std::{net::IpAddr, sync::Arc};

/// The accounts of every unit.
pub(super) struct Accounts(pub(super) Arc<Identity>);

impl People for Accounts {
    fn whose(
        &self,
        tenant: TenantId,
        token: Phi<String>,
        from: Option<IpAddr>,
    ) -> PortFuture<'_, Result<Subject, NotNow>> {
        Box::pin(async move { self.0.whose(tenant, token.expose(), from).await.map_err(|_| NotNow) })
    }

    fn keeps_seat(
        &self,
        tenant: TenantId,
        held_by: HeldBy,
        room: WaitingRoomId,
    ) -> PortFuture<'_, Result<bool, NotNow>> {
        let who = (held_by.account, held_by.session);
        Box::pin(async move { self.0.keeps_seat(tenant, who, room).await.map_err(|_| NotNow) })
    }

    fn name(
        &self,
        tenant: TenantId,
        account: AccountId,
    ) -> PortFuture<'_, Result<Option<Phi<String>>, NotNow>> {
        Box::pin(async move { self.0.name_of(tenant, account).await.map_err(|_| NotNow) })
    }
}
