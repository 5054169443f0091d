//! `/api/v1/waiting-rooms`: where somebody with an account works, and the way from the account to the clinician's seat.
//!
//! Clinicians, schedulers, administrators and auditors see what rooms their unit has; with `own=true`, those whose seat is
//! theirs to take. The seat of any other room is 404, as one that does not exist.

use crate::{
    Staffed,
    exchange::{Answer, granted},
    here::{Here, identity_of},
    limits::ROOMS_PAGE,
};
use axum::{
    Extension, Json, Router,
    extract::{
        ConnectInfo, Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::{HeaderMap, header},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use identity::{NOT_ALLOWED, SESSION_LOCKED, SIGNED_OUT, denied};
use model::{Phi, Timestamp, WaitingRoomId};
use platform::{
    api::{Credential, Operation},
    body::own_site,
    clock::Clock,
    problem::{self, Problem},
};
use policy::{Kind, Permit, Place, Staff, Subject, action::JoinWaitingRoom};
use serde::{Deserialize, Serialize};
use signaling_core::port::{RoomName, RoomsBusy};
use signaling_protocol::view::ClinicView;
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// When to ask again after the store could not answer.
const LATER: Duration = Duration::from_secs(2);

struct Rooms {
    staff: Staffed,
    clock: Arc<dyn Clock>,
}

pub(crate) fn router(staff: Staffed, clock: Arc<dyn Clock>) -> Router {
    Router::new()
        .route("/api/v1/waiting-rooms", get(list))
        .route("/api/v1/waiting-rooms/{id}/seat", post(seat))
        .with_state(Arc::new(Rooms { staff, clock }))
}

/// What the routes say of themselves.
pub(crate) fn operations() -> [Operation; 2] {
    let of = |operation: Operation| {
        operation.of("waiting-rooms").needs(Credential::AccessToken).fails(SIGNED_OUT).fails(SESSION_LOCKED)
    };
    [
        of(Operation::get("/api/v1/waiting-rooms", "List waiting rooms"))
            .details("Of the unit, or those one serves. In the order of their ids. With a partner's key: `waiting-rooms:read`.")
            .needs(Credential::AccessTokenOrKey)
            .fails(NOT_ALLOWED)
            .query::<WaitingRoomId>("after", "The `next` of the page before.")
            .query::<u64>("limit", "Rooms on a page.")
            .between(1, ROOMS_PAGE as u64)
            .query::<bool>("own", "Only those whose seat is theirs to take.")
            .answers::<RoomsView>(200, "A page."),
        of(Operation::post("/api/v1/waiting-rooms/{id}/seat", "Take the clinician's seat"))
            .details("For who is on duty there. Somebody in it is asked to leave.")
            .path_part::<WaitingRoomId>("id", "Which room.")
            .answers::<Answer>(200, "The token to connect with, and what the page shows before.")
            .fails(problem::FORBIDDEN)
            .fails(NOT_ALLOWED),
    ]
}

/// Where a request comes from.
type Peer = Option<Extension<ConnectInfo<SocketAddr>>>;

impl Rooms {
    /// Who asks, in the healthcare unit that the request is for.
    async fn who(&self, unit: Here, peer: Peer, headers: &HeaderMap) -> Result<Subject, Problem> {
        let identity = identity_of(&self.staff, unit).asked_from(peer.map(|peer| peer.0.0.ip()));
        identity.who(headers).await.map_err(|_| later())
    }

    /// Somebody with an account.
    async fn staff(&self, unit: Here, headers: &HeaderMap) -> Result<Staff, Problem> {
        match self.who(unit, None, headers).await? {
            Subject::Staff(staff) => Ok(staff),
            Subject::Partner(_) => Err(denied(policy::Denied::NotAllowed)),
            _ => Err(denied(policy::Denied::Unknown)),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    #[serde(default)]
    after: Option<WaitingRoomId>,
    #[serde(default)]
    limit: Option<usize>,
    /// Only those whose seat is theirs to take.
    #[serde(default)]
    own: bool,
}

#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "WaitingRoom")]
struct RoomView {
    id: WaitingRoomId,
    clinic: ClinicView,
    #[serde(serialize_with = "model::phi::expose")]
    practitioner: Phi<String>,
    /// The seat is theirs to take.
    may_join: bool,
}

#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "WaitingRooms")]
struct RoomsView {
    waiting_rooms: Vec<RoomView>,
    /// Where the next page begins; none after the last.
    next: Option<WaitingRoomId>,
}

async fn list(
    State(rooms): State<Arc<Rooms>>,
    unit: Here,
    peer: Peer,
    headers: HeaderMap,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Response, Problem> {
    let who = rooms.who(unit, peer, &headers).await?;
    let (tenant, staff) = match &who {
        Subject::Staff(staff) => (staff.tenant, Some(staff)),
        Subject::Partner(partner) => (partner.tenant, None),
        _ => return Err(denied(policy::Denied::Unknown)),
    };
    let Query(Page { after, limit, own: only_own }) = page.map_err(|_| problem::BAD_REQUEST)?;
    let limit = limit.unwrap_or(ROOMS_PAGE);
    if !(1..=ROOMS_PAGE).contains(&limit) {
        return Err(Problem::new(problem::BAD_REQUEST).detail(format!("limit: 1 to {ROOMS_PAGE}.")));
    }
    let now = rooms.clock.now();
    let judged = policy::judge(&who, Kind::SeeWaitingRooms, Place::unit(tenant), now);
    let found = match (judged, staff) {
        (Ok(()), None) if only_own => (Vec::new(), None),
        (Ok(()), _) if !only_own => {
            let list = rooms.staff.rooms.list(tenant, after, limit).await.map_err(|RoomsBusy| later())?;
            let next = list.last().filter(|_| list.len() >= limit).map(|room| room.id);
            (list, next)
        }
        (Ok(()) | Err(policy::Denied::NotAllowed), Some(staff)) => own(&rooms, staff, after, limit).await?,
        (judged, _) => return Err(denied(judged.err().unwrap_or(policy::Denied::NotAllowed))),
    };
    let (list, next) = found;
    let waiting_rooms = list
        .into_iter()
        .map(|RoomName { id, clinic, practitioner }| {
            let place = Place::waiting_room(tenant, id);
            let may_join = on_duty(&who, place, now).is_ok();
            RoomView { id, clinic, practitioner, may_join }
        })
        .collect();
    let body = Json(RoomsView { waiting_rooms, next });
    Ok(([(header::CACHE_CONTROL, "no-store")], body).into_response())
}

/// Those they are on duty in and may join.
async fn own(
    rooms: &Rooms,
    staff: &Staff,
    after: Option<WaitingRoomId>,
    limit: usize,
) -> Result<(Vec<RoomName>, Option<WaitingRoomId>), Problem> {
    let now = rooms.clock.now();
    let who = Subject::Staff(staff.clone());
    let mut list = Vec::new();
    let mut last = None;
    for id in staff.duties.iter().copied().filter(|id| after.is_none_or(|after| *id > after)) {
        if list.len() >= limit {
            return Ok((list, last));
        }
        match on_duty(&who, Place::waiting_room(staff.tenant, id), now) {
            Ok(()) => {}
            Err(why @ policy::Denied::Locked) => return Err(denied(why)),
            Err(_) => continue,
        }
        list.extend(rooms.staff.rooms.room(staff.tenant, id).await.map_err(|RoomsBusy| later())?);
        last = Some(id);
    }
    Ok((list, None))
}

async fn seat(
    State(rooms): State<Arc<Rooms>>,
    unit: Here,
    headers: HeaderMap,
    id: Result<Path<WaitingRoomId>, PathRejection>,
) -> Result<Response, Problem> {
    own_site(&headers)?;
    let staff = rooms.staff(unit, &headers).await?;
    let session = staff.session;
    let Path(id) = id.map_err(|_| problem::NOT_FOUND)?;
    let place = Place::waiting_room(staff.tenant, id);
    let (who, now) = (Subject::Staff(staff), rooms.clock.now());
    on_duty(&who, place, now).map_err(denied)?;
    let permit: Permit<JoinWaitingRoom> = policy::permit(&who, place, now).map_err(denied)?;
    let grant = rooms.staff.rooms.seat(&permit, session).await.map_err(|RoomsBusy| later())?;
    grant.map(granted).ok_or_else(|| problem::NOT_FOUND.into())
}

/// Whether somebody may take a room's seat. An emergency lets them read there, and does not make whoever is talking to a
/// patient lose their seat.
fn on_duty(who: &Subject, place: Place, now: Timestamp) -> Result<(), policy::Denied> {
    policy::judge(who, Kind::JoinWaitingRoom, place, now)?;
    match policy::needs_emergency(who, Kind::JoinWaitingRoom, place, now) {
        Some(_) => Err(policy::Denied::Hidden),
        None => Ok(()),
    }
}

fn later() -> Problem {
    Problem::new(problem::UNAVAILABLE).retry_after(LATER)
}
