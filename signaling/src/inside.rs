//! What this process answers to others of the fleet, on the listener between them.

use crate::{
    find::{Place, Wanted},
    handle::Handle,
    limits::MAX_ASK_BYTES,
    peers::{Alive, Question, Reply},
    shared::Shared,
    upgrade,
};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{
        DefaultBodyLimit, Path, State,
        ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use model::{TenantId, WaitingRoomId};
use platform::{
    lane::deadline,
    problem::{self, Problem},
    trace::{self, Kind},
};
use std::sync::Arc;
use uuid::Uuid;

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/signaling/ws/{tenant}/{room}", get(open))
        .route("/signaling/ask", post(ask).layer(DefaultBodyLimit::max(MAX_ASK_BYTES)))
        .route("/signaling/alive", get(alive))
        .with_state(shared)
}

/// A page's WebSocket, passed on by the process it is connected to. 421 when the waiting room is not here, 409 while
/// nobody should take it over.
async fn open(
    State(shared): State<Arc<Shared>>,
    Path((tenant, room)): Path<(Uuid, Uuid)>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    if !shared.peers.trusts(&headers) {
        return Problem::new(problem::UNAUTHORIZED).into_response();
    }
    let _span = shared.tracer.child("relayed", Kind::Server, trace::of_request(&headers));
    match here(&shared, TenantId(tenant), WaitingRoomId(room)).await {
        Ok(()) => upgrade::admit_peer(&shared, upgrade).unwrap_or_else(|problem| problem.into_response()),
        Err(status) => status.into_response(),
    }
}

async fn ask(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    if !shared.peers.trusts(&headers) {
        return Problem::new(problem::UNAUTHORIZED).into_response();
    }
    let Ok(question) = serde_json::from_slice::<Question>(&body) else {
        return Problem::new(problem::BAD_REQUEST).into_response();
    };
    if let Question::Open { tenant, room, .. } | Question::Invite { tenant, room, .. } = &question
        && let Err(status) = here(&shared, *tenant, *room).await
    {
        return status.into_response();
    }
    let Ok(deadline) = deadline::of_request(&headers) else {
        return Problem::new(problem::BAD_REQUEST).into_response();
    };
    let span = shared.tracer.child("answer", Kind::Server, trace::of_request(&headers));
    let handle = Handle::new(shared);
    let answer = Box::pin(trace::scope(span.context(), handle.answer(question)));
    let reply: Reply = match deadline {
        Some(deadline) => deadline::scope(deadline, answer).await,
        None => answer.await,
    };
    Json(reply).into_response()
}

async fn alive(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    if !shared.peers.trusts(&headers) {
        return Problem::new(problem::UNAUTHORIZED).into_response();
    }
    if shared.draining.is_cancelled() && !shared.owes_anybody() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    Json(Alive { process: shared.me.process }).into_response()
}

/// Whether a waiting room is here, or is just being taken over.
async fn here(shared: &Shared, tenant: TenantId, room: WaitingRoomId) -> Result<(), StatusCode> {
    if shared.draining.is_cancelled() && shared.owes(tenant, room) {
        return Err(StatusCode::CONFLICT);
    }
    match shared.find(Wanted { only_here: true, ..Wanted::new(tenant, room) }).await {
        Place::Here(_) => Ok(()),
        Place::Draining => Err(StatusCode::SERVICE_UNAVAILABLE),
        Place::There { .. } | Place::Nowhere | Place::Unknown => Err(StatusCode::MISDIRECTED_REQUEST),
    }
}
