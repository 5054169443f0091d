//! What other services ask of signaling. `signaling` implements it; `portal-api` uses it.

use crate::token::HeldBy;
use model::{Phi, Role, TenantId, Timestamp, WaitingRoomId};
use policy::{AccountId, Permit, SessionId, Subject, action::JoinWaitingRoom};
use signaling_protocol::view::ClinicView;
use std::{future::Future, net::IpAddr, pin::Pin, time::Duration};

/// A future that the port's methods return: this crate knows no runtime.
pub type PortFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a valid link gives: enough to greet its holder, and the right to connect once.
#[derive(Clone, Debug)]
pub struct LinkGrant {
    /// Join token: Ed25519 JWT, single use, 60 s.
    pub join_token: String,
    /// In which role.
    pub role: Role,
    /// Whose page this is.
    pub clinic: ClinicView,
    /// The practitioner's display name.
    pub practitioner: Phi<String>,
    /// The holder's own name.
    pub name: Phi<String>,
    /// The appointment's time, if it has one.
    pub scheduled_at: Option<Timestamp>,
}

/// Why a link gives nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LinkError {
    /// No such link: wrong, altered, or never was (HTTP 401).
    #[error("no such link")]
    Unknown,
    /// Its visit is over (HTTP 410). The clinic's number helps further.
    #[error("the visit of this link is over")]
    Over {
        /// Whom to call.
        clinic: ClinicView,
    },
    /// Not now (HTTP 503).
    #[error("busy")]
    Busy,
}

/// A waiting room, as those see it named who may work there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomName {
    /// Which.
    pub id: WaitingRoomId,
    /// The clinic, as it presents itself.
    pub clinic: ClinicView,
    /// The practitioner's display name.
    pub practitioner: Phi<String>,
}

/// The history cannot be read, or not be added to; later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the waiting rooms cannot be read now")]
pub struct RoomsBusy;

/// The waiting rooms of a healthcare unit, for those who work there.
pub trait WaitingRooms: Send + Sync + 'static {
    /// At most so many of a unit, in the order of their ids, after one.
    fn list(
        &self,
        tenant: TenantId,
        after: Option<WaitingRoomId>,
        limit: usize,
    ) -> PortFuture<'_, Result<Vec<RoomName>, RoomsBusy>>;

    /// One of a unit; none if there is no such room.
    fn room(
        &self,
        tenant: TenantId,
        id: WaitingRoomId,
    ) -> PortFuture<'_, Result<Option<RoomName>, RoomsBusy>>;

    /// The clinician's seat, for whoever may take it, where they are signed in: who had it is told that they were replaced. Recorded for the
    /// auditor before anything is given; none if there is no such room.
    fn seat<'a>(
        &'a self,
        permit: &'a Permit<JoinWaitingRoom>,
        session: SessionId,
    ) -> PortFuture<'a, Result<Option<LinkGrant>, RoomsBusy>>;
}

/// Turns the secret of a link's fragment into the right to connect.
pub trait Links: Send + Sync + 'static {
    /// Exchanges the secret in a healthcare unit: another's link is one that never was. Does not consume the link: it may
    /// be exchanged again, from any device.
    fn exchange(&self, tenant: TenantId, secret: Phi<String>)
    -> PortFuture<'_, Result<LinkGrant, LinkError>>;
}

/// Nobody can say now (HTTP 503).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody can say now")]
pub struct NotNow;

/// How many visits of a healthcare unit go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Patients who wait.
    pub waiting: u32,
    /// Visits in which people talk.
    pub in_call: u32,
    /// How long the longest of those waits has lasted.
    pub longest_wait: Duration,
}

impl Census {
    /// Of two processes, or of two waiting rooms.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            waiting: self.waiting.saturating_add(other.waiting),
            in_call: self.in_call.saturating_add(other.in_call),
            longest_wait: self.longest_wait.max(other.longest_wait),
        }
    }
}

/// Counts visits, for whoever looks after the platform: no names.
pub trait Visits: Send + Sync + 'static {
    /// Those of a unit, in every process: a part of them would be read as all.
    fn census(&self, tenant: TenantId) -> PortFuture<'_, Result<Census, NotNow>>;
}

/// Those who have an account: whose an access token is, and what they are called.
pub trait People: Send + Sync + 'static {
    /// Whose it is in a unit: a stranger's, if it is none that counts there.
    fn whose(
        &self,
        tenant: TenantId,
        token: Phi<String>,
        from: Option<IpAddr>,
    ) -> PortFuture<'_, Result<Subject, NotNow>>;
    /// Whether somebody may still have the seat of a waiting room that was given to them. That their session is over by its
    /// time takes no seat away: a visit goes on. That somebody has ended it does.
    fn keeps_seat(
        &self,
        tenant: TenantId,
        held_by: HeldBy,
        room: WaitingRoomId,
    ) -> PortFuture<'_, Result<bool, NotNow>>;
    /// What somebody of a unit is called, as patients may read it.
    fn name(
        &self,
        tenant: TenantId,
        account: AccountId,
    ) -> PortFuture<'_, Result<Option<Phi<String>>, NotNow>>;
}
