//! `GET /ws`: who may open a WebSocket at all.

use crate::{limits, shared::Shared, socket};
use axum::{
    Extension,
    extract::{
        State,
        ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, header},
    response::{IntoResponse as _, Response},
};
use platform::problem::{self, Problem};
use signaling_protocol::SUBPROTOCOL;
use std::{sync::Arc, time::Duration};
use tenancy::Unit;

/// Answers 101, or why not: 403 for a foreign page, 400 without the subprotocol, 503 when full or
/// draining.
pub(crate) async fn upgrade(
    State(shared): State<Arc<Shared>>,
    unit: Option<Extension<Arc<Unit>>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    match admit(&shared, &shared.unit(unit), &headers, upgrade) {
        Ok(response) => response,
        Err(problem) => {
            shared.metrics.refused(problem.kind().code());
            problem.into_response()
        }
    }
}

fn admit(
    shared: &Arc<Shared>,
    unit: &Unit,
    headers: &HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    if !origin_is_allowed(headers, &unit.origins) {
        return Err(Problem::new(problem::FORBIDDEN).detail("Pages of this origin may not connect."));
    }
    accept(shared, upgrade, socket::Peer::Page(unit.id))
}

/// A page's WebSocket that another process passes on: it has looked at where the page comes from.
pub(crate) fn admit_peer(
    shared: &Arc<Shared>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    accept(shared, upgrade, socket::Peer::Process)
}

impl Shared {
    /// The healthcare unit that a request is for: whoever listens has found it by its host.
    pub(crate) fn unit(&self, found: Option<Extension<Arc<Unit>>>) -> Arc<Unit> {
        found.map_or_else(|| Arc::clone(self.units.now().home()), |Extension(unit)| unit)
    }
}

fn accept(
    shared: &Arc<Shared>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    peer: socket::Peer,
) -> Result<Response, Problem> {
    let upgrade = upgrade
        .map_err(|_| Problem::new(problem::BAD_REQUEST).detail("This address takes WebSockets only."))?
        .protocols([SUBPROTOCOL]);
    if upgrade.selected_protocol().is_none() {
        let detail = format!("The subprotocol {SUBPROTOCOL} is needed.");
        return Err(Problem::new(problem::BAD_REQUEST).detail(detail));
    }
    let later = || Problem::new(problem::UNAVAILABLE).retry_after(Duration::from_secs(1));
    if shared.draining.is_cancelled() {
        return Err(later());
    }
    let seat = Arc::clone(&shared.seats).try_acquire_owned().map_err(|_| later())?;
    let shared = Arc::clone(shared);
    let tracked = shared.sockets.token();
    Ok(upgrade
        .read_buffer_size(limits::READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(limits::WRITE_BUFFER)
        .max_message_size(limits::READ_LIMIT)
        .max_frame_size(limits::READ_LIMIT)
        .on_upgrade(move |socket| async move {
            socket::serve(shared, socket, peer).await;
            drop((seat, tracked));
        }))
}

/// A browser always names its page's origin, and cannot be made to name another. What sends none is
/// not a browser, has no ambient authority to be misused, and is judged by its token alone.
fn origin_is_allowed(headers: &HeaderMap, allowed: &[String]) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (None, _) => true,
        (Some(origin), None) => allowed.iter().any(|allowed| origin.as_bytes() == allowed.as_bytes()),
        (Some(_), Some(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn only_the_listed_origins_are_let_in_by_every_character() {
        let allowed = ["https://clinic.example".to_owned()];
        let judge = |origins: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for origin in origins {
                headers.append(header::ORIGIN, HeaderValue::from_static(origin));
            }
            origin_is_allowed(&headers, &allowed)
        };
        assert!(judge(&["https://clinic.example"]));
        assert!(judge(&[]));
        for foreign in [
            "http://clinic.example",
            "https://clinic.example:444",
            "https://clinic.example.evil.example",
            "https://evil.example",
            "null",
            "",
        ] {
            assert!(!judge(&[foreign]), "{foreign}");
        }
        assert!(!judge(&["https://clinic.example", "https://evil.example"]));
    }
}
