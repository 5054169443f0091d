//! What other services ask of signaling. `signaling` implements it; `portal-api` uses it.

use model::{Phi, Role, TenantId, Timestamp};
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
    /// Exchanges the secret in a healthcare unit: another's link is one that never was. Does not consume the link: it may
    /// be exchanged again, from any device.
    fn exchange(&self, tenant: TenantId, secret: Phi<String>)
    -> PortFuture<'_, Result<LinkGrant, LinkError>>;
}
