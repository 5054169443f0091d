//! `GET /media-link`: who may open a stream at all.

use super::{Shared, stream};
use crate::{limits, protocol::SUBPROTOCOL, token};
use axum::{
    extract::{
        State,
        ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, header},
    response::{IntoResponse as _, Response},
};
use platform::{
    keys::bearer,
    problem::{self, Problem},
};
use std::sync::Arc;

/// Answers 101, or why not: 403 for a browser, 401 without a valid token, 400 for what is no stream of ours,
/// 503 when full or stopping.
pub(super) async fn open(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    match admit(&shared, &headers, upgrade) {
        Ok(response) => response,
        Err(problem) => {
            shared.metrics.refused(problem.kind().code());
            problem.into_response()
        }
    }
}

fn admit(
    shared: &Arc<Shared>,
    headers: &HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    if headers.contains_key(header::ORIGIN) {
        return Err(Problem::new(problem::FORBIDDEN).detail("Pages have no business here."));
    }
    let now = shared.clock.now();
    let claims = bearer(headers)
        .and_then(|token| token::verify(&shared.keys, now, token).ok())
        .ok_or_else(|| Problem::new(problem::UNAUTHORIZED))?;
    let upgrade = upgrade
        .map_err(|_| Problem::new(problem::BAD_REQUEST).detail("This address takes WebSockets only."))?
        .protocols([SUBPROTOCOL]);
    if upgrade.selected_protocol().is_none() {
        let detail = format!("The subprotocol {SUBPROTOCOL} is needed.");
        return Err(Problem::new(problem::BAD_REQUEST).detail(detail));
    }
    let later = || Problem::new(problem::UNAVAILABLE).retry_after(limits::BACKOFF_MAX);
    if shared.stopping.is_cancelled() {
        return Err(later());
    }
    let place = Arc::clone(&shared.places).try_acquire_owned().map_err(|_| later())?;
    let tracked = shared.tasks.token();
    let shared = Arc::clone(shared);
    Ok(upgrade
        .read_buffer_size(limits::READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(limits::WRITE_BUFFER)
        .max_message_size(limits::MAX_MESSAGE_BYTES)
        .max_frame_size(limits::MAX_MESSAGE_BYTES)
        .on_upgrade(move |socket| async move {
            stream::serve(shared, socket, claims.process).await;
            drop((place, tracked));
        }))
}
