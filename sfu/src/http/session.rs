//! `DELETE /whip/session/{id}`: ends a session.

use super::{Claims, State, TokenDirection, claims};
use crate::shard::session::Role;
use axum::{
    extract::{self, Path, Request},
    http::StatusCode,
};
use platform::problem::{self, Problem};
use sfu_core::port::MediaNode as _;
use uuid::Uuid;

/// Only with a token like the one that made it; a session of somebody else is one that is not there.
pub(super) async fn end(
    extract::State(state): extract::State<State>,
    Path(id): Path<String>,
    request: Request,
) -> Result<StatusCode, Problem> {
    let id: Uuid = id.parse().map_err(|_| problem::NOT_FOUND)?;
    let Claims { tenant, room, participant, direction } = claims(&state, request.headers())?;
    let (session, identity, at) = state.handle.by_resource(id).ok_or(problem::NOT_FOUND)?;
    let same_half = match identity.role {
        Role::Publish => direction == TokenDirection::Publish,
        Role::Subscribe(to) => {
            matches!(direction, TokenDirection::Subscribe { feed } if feed.is_none_or(|feed| feed == to))
        }
        Role::Both => false,
    };
    if identity.tenant != tenant
        || identity.participant != participant
        || at != Some((tenant, room))
        || !same_half
    {
        return Err(problem::NOT_FOUND.into());
    }
    state.handle.disconnect(session);
    Ok(StatusCode::OK)
}
