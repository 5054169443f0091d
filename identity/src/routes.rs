//! The routes, one file for each thing that people do.

mod audit;
mod describe;
mod emergencies;
mod holds;
mod join;
pub(crate) mod own;
pub(crate) mod partners;
mod passkeys;
pub(crate) mod people;
mod provider;
mod session;
mod sign_in;

use crate::{
    limits::{MAX_BODY_BYTES, REQUEST_TIMEOUT},
    problems::denied,
    service::Identity,
};
use axum::{
    Router,
    extract::{ConnectInfo, DefaultBodyLimit, FromRequestParts},
    http::{HeaderMap, StatusCode, request::Parts},
    routing::{delete, get, post},
};
pub use describe::operations;
use platform::problem::Problem;
use policy::{Action, Permit, Place, Staff, Subject};
use std::{
    convert::Infallible,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Arc,
};
use tenancy::Unit;
use tower_http::timeout::TimeoutLayer;

/// Every route of identity.
pub fn router(identity: Arc<Identity>) -> Router {
    Router::new()
        .route("/api/v1/auth/sign-in", post(sign_in::password))
        .route("/api/v1/auth/second", post(sign_in::second))
        .route("/api/v1/auth/passkey", post(passkeys::sign_in))
        .route("/api/v1/auth/passkey/challenge", post(passkeys::ask))
        .route("/api/v1/auth/ways", get(provider::ways))
        .route("/api/v1/auth/provider", get(provider::begin))
        .route("/api/v1/auth/provider/callback", get(provider::callback_route))
        .route("/api/v1/auth/renew", post(session::renew))
        .route("/api/v1/auth/lock", post(session::lock))
        .route("/api/v1/auth/unlock", post(session::unlock))
        .route("/api/v1/auth/confirm", post(session::confirm))
        .route("/api/v1/auth/sign-out", post(session::sign_out))
        .route("/api/v1/auth/invitation", post(join::look))
        .route("/api/v1/auth/join", post(join::join))
        .route("/api/v1/me", get(own::me))
        .route("/api/v1/me/password", post(own::password))
        .route("/api/v1/me/recovery-codes", post(own::recovery_codes))
        .route("/api/v1/me/passkeys", post(passkeys::add))
        .route("/api/v1/me/passkeys/challenge", post(passkeys::ask_own))
        .route("/api/v1/me/passkeys/{id}", delete(passkeys::remove))
        .route("/api/v1/me/sessions/{id}", delete(own::end_session))
        .route("/api/v1/people", get(people::list).post(people::invite))
        .route("/api/v1/people/{id}", get(people::one).patch(people::change))
        .route("/api/v1/people/{id}/invitation", post(people::invite_again))
        .route("/api/v1/people/{id}/rights", get(people::rights))
        .route("/api/v1/partner-keys", get(partners::list).post(partners::make))
        .route("/api/v1/partner-keys/{id}", delete(partners::revoke))
        .route("/api/v1/audit", get(audit::search))
        .route("/api/v1/audit/chain", get(audit::chain))
        .route("/api/v1/audit/holds", get(holds::list).post(holds::place))
        .route("/api/v1/audit/holds/{id}", delete(holds::lift))
        .route("/api/v1/emergencies", get(emergencies::list).post(emergencies::ask))
        .route("/api/v1/emergencies/own", get(emergencies::own))
        .route("/api/v1/emergencies/{id}", get(emergencies::one))
        .route("/api/v1/emergencies/{id}/end", post(emergencies::end))
        .route("/api/v1/emergencies/{id}/review", post(emergencies::review))
        .method_not_allowed_fallback(|| async { Problem::new(platform::problem::METHOD_NOT_ALLOWED) })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, REQUEST_TIMEOUT))
        .with_state(Everywhere(identity))
}

/// Identity, in whichever healthcare unit. No handler takes it as it is: it would answer in the wrong one.
#[derive(Clone)]
pub(crate) struct Everywhere(Arc<Identity>);

/// Identity, in the healthcare unit that a request is for: whoever listens has found that by the request's host.
pub(crate) struct Here(pub(crate) Identity);

impl FromRequestParts<Everywhere> for Here {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, all: &Everywhere) -> Result<Self, Infallible> {
        let unit = parts.extensions.get::<Arc<Unit>>();
        let here = unit.map_or_else(|| Identity::clone(&all.0), |unit| all.0.in_unit(unit));
        let from = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
        Ok(Self(here.asked_from(from)))
    }
}

/// Where a request comes from.
pub(crate) type Peer = Option<axum::Extension<ConnectInfo<SocketAddr>>>;

fn source(peer: Peer) -> platform::throttle::Source {
    peer.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |peer| peer.0.0.ip()).into()
}

/// Leave to do it there, for whoever asks.
async fn leave<A: Action>(
    identity: &Identity,
    headers: &HeaderMap,
    place: Place,
) -> Result<Permit<A>, Problem> {
    let who = identity.who(headers).await.map_err(|_| crate::problems::later())?;
    policy::permit(&who, place, identity.records.clock.now()).map_err(denied)
}

/// Who asks, and leave to do it there.
async fn permit<A: Action>(
    identity: &Identity,
    headers: &HeaderMap,
    place: impl FnOnce(&Subject) -> Place,
) -> Result<(Permit<A>, Staff), Problem> {
    let who = identity.who(headers).await.map_err(|_| crate::problems::later())?;
    let permit = policy::permit(&who, place(&who), identity.records.clock.now()).map_err(denied)?;
    match who {
        Subject::Staff(staff) => Ok((permit, staff)),
        // Nobody else has an access token.
        _ => Err(denied(policy::Denied::Unknown)),
    }
}
