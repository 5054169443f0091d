//! `POST /whep/{room}/{participant}`: subscribes to one participant's feed.

use super::{Claims, State, TokenDirection, claims, created, offer, refused};
use axum::{
    extract::{self, Path, Request},
    response::Response,
};
use model::{ParticipantId, RoomId};
use platform::{
    ids,
    problem::{self, Problem},
};
use sfu_core::port::{Affinity, Connect, Direction};
use uuid::Uuid;

/// The feed need not have started: the session connects, and media follows when there is some.
pub(super) async fn subscribe(
    extract::State(state): extract::State<State>,
    Path((room, feed)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let room: RoomId = room.parse().map_err(|_| problem::NOT_FOUND)?;
    let to: ParticipantId = feed.parse().map_err(|_| problem::NOT_FOUND)?;
    let Claims { tenant, room: allowed, participant, direction } = claims(&state, request.headers())?;
    let TokenDirection::Subscribe { feed } = direction else { return Err(problem::UNAUTHORIZED.into()) };
    if room != allowed || feed.is_some_and(|feed| feed != to) {
        return Err(problem::UNAUTHORIZED.into());
    }
    let offer = offer(request).await?;
    let resource: Uuid = ids::fresh();
    let connect = Connect {
        tenant,
        participant,
        affinity: Affinity(room.0.as_u128()),
        direction: Direction::Subscribe { to },
        room: Some(room),
        offer,
    };
    let answer = state.handle.connect_as(connect, Some(resource)).await.map_err(|e| refused(&e))?;
    Ok(created("whep", resource, answer.sdp))
}
