//! WHIP (RFC 9725) and WHEP: publishing and subscribing with one HTTP request and a bearer token.
//!
//! | request | answer |
//! |---|---|
//! | `POST /whip/{room}` | 201, publishes as the token's participant |
//! | `POST /whep/{room}/{participant}` | 201, subscribes to that participant, waiting if they do not publish yet |
//! | `DELETE /whip/session/{id}`, `/whep/session/{id}` | 200, ends it |
//! | `OPTIONS` on any of them | 204, for pages of other origins |
//!
//! Sound is Opus and pictures are VP8: an offer with neither is refused, one line of another codec is
//! answered as rejected.
//!
//! What is refused: 400 an offer that cannot be answered, 401 every fault of a token (another room's or
//! feed's included, in the same words), 404 a session that is not the asker's, 405 other methods (there is
//! no PATCH: every candidate stands in the answer, and a client that changes networks posts anew), 409 a
//! second publisher, 413 an offer that is too long, 415 anything but SDP, 503 a full or draining node.

use crate::Handle;
use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::{delete, post},
};
use model::{ParticipantId, RoomId, TenantId};
use platform::{
    keys::bearer,
    problem::{self, Problem},
};
use sfu_core::{limits::MAX_OFFER_BYTES, port::MediaError};
use std::{sync::Arc, time::Duration};
use uuid::Uuid;

mod session;
mod whep;
mod whip;

/// What a bearer token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The healthcare unit.
    pub tenant: TenantId,
    /// The only room it opens.
    pub room: RoomId,
    /// Who acts.
    pub participant: ParticipantId,
    /// Publish or subscribe.
    pub direction: TokenDirection,
}

/// Which half of the protocol a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenDirection {
    /// WHIP: publishes as [`Claims::participant`].
    Publish,
    /// WHEP: subscribes to one feed, or, with `None`, to any feed of the room.
    Subscribe {
        /// Whose feed.
        feed: Option<ParticipantId>,
    },
}

/// The token is not valid. Deliberately one kind: who sends a forged one learns nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token is not valid")]
pub struct BadToken;

/// Checks bearer tokens. `server` supplies the platform's keys and clock.
pub trait VerifyToken: Send + Sync + 'static {
    /// The claims of a valid token.
    ///
    /// # Errors
    /// [`BadToken`] for everything wrong with it.
    fn verify(&self, token: &str) -> Result<Claims, BadToken>;
}

/// What every endpoint needs.
#[derive(Clone)]
struct State {
    handle: Handle,
    verifier: Arc<dyn VerifyToken>,
}

/// The WHIP and WHEP endpoints.
pub fn router(handle: Handle, verifier: Arc<dyn VerifyToken>) -> Router {
    let endpoint = "POST, OPTIONS";
    let resource = "DELETE, OPTIONS";
    Router::new()
        .route("/whip/{room}", post(whip::publish).options(|| allow(endpoint)).fallback(|| refuse(endpoint)))
        .route(
            "/whep/{room}/{participant}",
            post(whep::subscribe).options(|| allow(endpoint)).fallback(|| refuse(endpoint)),
        )
        .route(
            "/whip/session/{id}",
            delete(session::end).options(|| allow(resource)).fallback(|| refuse(resource)),
        )
        .route(
            "/whep/session/{id}",
            delete(session::end).options(|| allow(resource)).fallback(|| refuse(resource)),
        )
        .layer(axum::middleware::map_response(open_to_pages))
        .with_state(State { handle, verifier })
}

/// Pages of other origins may call these: what protects them is the token, not a cookie.
async fn open_to_pages(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Location, ETag"));
    response
}

/// RFC 9725 §4.2: what an endpoint or a session can be asked.
async fn allow(methods: &'static str) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static(methods));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("Authorization, Content-Type, If-Match"),
    );
    if methods.starts_with(Method::POST.as_str()) {
        headers.insert("accept-post", HeaderValue::from_static(SDP));
    }
    response
}

async fn refuse(methods: &'static str) -> Response {
    let mut response = Problem::new(problem::METHOD_NOT_ALLOWED).into_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
    response
}

const SDP: &str = "application/sdp";

/// The claims of the request's bearer token (RFC 6750 §2.1).
fn claims(state: &State, headers: &HeaderMap) -> Result<Claims, Problem> {
    let token = bearer(headers).ok_or(problem::UNAUTHORIZED)?;
    state.verifier.verify(token).map_err(|BadToken| problem::UNAUTHORIZED.into())
}

/// The offer in a request's body.
async fn offer(request: Request) -> Result<String, Problem> {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|value| value.split(';').next()).unwrap_or("").trim();
    if !essence.eq_ignore_ascii_case(SDP) {
        return Err(Problem::new(problem::UNSUPPORTED_MEDIA_TYPE).detail("An offer is application/sdp."));
    }
    let bytes = axum::body::to_bytes(request.into_body(), MAX_OFFER_BYTES)
        .await
        .map_err(|_| Problem::new(problem::TOO_LARGE).detail("An offer has at most 48 KiB."))?;
    String::from_utf8(bytes.into()).map_err(|_| {
        Problem::new(problem::BAD_REQUEST).detail("The offer cannot be answered: it is not SDP.")
    })
}

/// 201 with the answer (RFC 9725 §4.2). The ETag names the ICE session, which never changes: there is no
/// PATCH.
fn created(path: &str, id: Uuid, answer: String) -> Response {
    let mut response = (StatusCode::CREATED, answer).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(SDP));
    if let Ok(location) = HeaderValue::try_from(format!("/{path}/session/{id}")) {
        headers.insert(header::LOCATION, location);
    }
    if let Ok(tag) = HeaderValue::try_from(format!("\"{}\"", id.simple())) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn refused(error: &MediaError) -> Problem {
    match error {
        MediaError::OfferTooLarge => Problem::new(problem::TOO_LARGE).detail("An offer has at most 48 KiB."),
        MediaError::OfferInvalid(why) => {
            Problem::new(problem::BAD_REQUEST).detail(format!("The offer cannot be answered: {why}."))
        }
        MediaError::NoSuchSession => Problem::new(problem::NOT_FOUND),
        MediaError::Busy | MediaError::Draining | MediaError::Fenced => {
            Problem::new(problem::UNAVAILABLE).retry_after(Duration::from_secs(2))
        }
    }
}
