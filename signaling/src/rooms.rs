//! `GET /api/v1/waiting-rooms`: which waiting rooms a unit has, and whose they are. No patients.

use crate::{limits::ROOMS_PAGE, load, shared::Shared, who};
use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, header},
    response::{IntoResponse as _, Response},
};
use model::{Phi, WaitingRoomId};
use platform::{
    keys,
    problem::{self, Problem},
};
use policy::{Place, Subject, action::SeeWaitingRooms};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use uuid::Uuid;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ask {
    /// The `next` of the page before.
    #[serde(default)]
    after: Option<WaitingRoomId>,
    #[serde(default)]
    limit: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    id: WaitingRoomId,
    clinic: String,
    #[serde(serialize_with = "model::phi::expose")]
    practitioner: Phi<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    waiting_rooms: Vec<Line>,
    /// Where the next page begins; none after the last.
    next: Option<WaitingRoomId>,
}

pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    ask: Result<Query<Ask>, QueryRejection>,
) -> Result<Response, Problem> {
    let token = keys::bearer(&headers).ok_or(problem::UNAUTHORIZED)?;
    let who = who::of(&shared, token).await?;
    let Subject::Staff(staff) = &who else { return Err(problem::UNAUTHORIZED.into()) };
    let permit = policy::permit::<SeeWaitingRooms>(&who, Place::unit(staff.tenant), shared.clock.now())
        .map_err(who::denied)?;
    let Query(Ask { after, limit }) = ask.map_err(|_| problem::BAD_REQUEST)?;
    let limit = limit.unwrap_or(ROOMS_PAGE);
    if !(1..=ROOMS_PAGE).contains(&limit) {
        return Err(Problem::new(problem::BAD_REQUEST).detail(format!("limit: 1 to {ROOMS_PAGE}.")));
    }
    let after = Some((permit.tenant(), after.map_or(Uuid::nil(), |after| after.0)));
    let streams = shared.store.streams(load::WAITING_ROOM, after, limit).await.map_err(|_| who::later())?;
    let own = streams.iter().take_while(|stream| stream.tenant == permit.tenant());
    let own: Vec<_> = own.map(|stream| WaitingRoomId(stream.id)).collect();
    let next = own.last().filter(|_| own.len() >= limit).copied();
    let mut waiting_rooms = Vec::new();
    for id in own {
        let opened = load::opened(&*shared.store, permit.tenant(), id).await.map_err(|_| who::later())?;
        waiting_rooms.extend(opened.map(|opened| Line {
            id,
            clinic: opened.clinic.name,
            practitioner: opened.practitioner,
        }));
    }
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(Page { waiting_rooms, next })).into_response())
}
