//! What other services ask of signaling. `signaling` implements it; `portal-api` uses it.

use model::{Phi, Role, TenantId, Timestamp};
use policy::{AccountId, Subject};
use signaling_protocol::view::ClinicView;
use std::{future::Future, pin::Pin};

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

/// Turns the secret of a link's fragment into the right to connect.
pub trait Links: Send + Sync + 'static {
    /// Exchanges the secret. Does not consume the link: it may be exchanged again, from any device.
    fn exchange(&self, secret: Phi<String>) -> PortFuture<'_, Result<LinkGrant, LinkError>>;
}

/// Nobody can say now (HTTP 503).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody can say now")]
pub struct NotNow;

/// Those who have an account: whose an access token is, and what they are called.
pub trait People: Send + Sync + 'static {
    /// Whose it is: a stranger's, if it is none that counts.
    fn whose(&self, access_token: Phi<String>) -> PortFuture<'_, Result<Subject, NotNow>>;
    /// What somebody of a unit is called, as patients may read it.
    fn name(
        &self,
        tenant: TenantId,
        account: AccountId,
    ) -> PortFuture<'_, Result<Option<Phi<String>>, NotNow>>;
}
