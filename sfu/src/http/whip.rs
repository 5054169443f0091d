//! `POST /whip/{room}`: publishes into a room.

use super::{Claims, State, TokenDirection, claims, created, offer, refused};
use axum::{
    extract::{self, Path, Request},
    response::Response,
};
use model::RoomId;
use platform::{
    ids,
    problem::{self, Problem},
};
use sfu_core::port::{Affinity, Connect, Direction};
use uuid::Uuid;

/// A participant publishes once: while they do, here or in a browser, another offer is 409. A device that
/// died without a word is free again when its consent runs out; one that comes back by itself should
/// `DELETE` first.
pub(super) async fn publish(
    extract::State(state): extract::State<State>,
    Path(room): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let room: RoomId = room.parse().map_err(|_| problem::NOT_FOUND)?;
    let Claims { tenant, room: allowed, participant, direction } = claims(&state, request.headers())?;
    if direction != TokenDirection::Publish || room != allowed {
        return Err(problem::UNAUTHORIZED.into());
    }
    let offer = offer(request).await?;
    if state.handle.publishes(tenant, participant) {
        return Err(Problem::new(problem::CONFLICT).detail("This participant publishes already."));
    }
    let resource: Uuid = ids::fresh();
    let connect = Connect {
        tenant,
        participant,
        affinity: Affinity(room.0.as_u128()),
        direction: Direction::Publish,
        room: Some(room),
        offer,
    };
    let answer = state.handle.connect_as(connect, Some(resource)).await.map_err(|e| refused(&e))?;
    Ok(created("whip", resource, answer.sdp))
}
