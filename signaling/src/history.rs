//! `GET /api/v1/history`: the visits of a waiting room that are over, the newest first, page by page: what a practice's
//! own system takes over in the evening.
//!
//! Batch work, from the door to the disk: it reads with the batch lane's connections, and before anything is shown, who
//! saw whose visits is recorded in the batch lane, for the auditor. It asks the store and not the room's owner, so that
//! nobody's call notices, and any process with the role `signaling` answers. What ended within the last second or two
//! may be missing from the first page, and is there the next time.

use crate::{
    index::EndedAt,
    limits::{self, HISTORY_PAGE, HISTORY_READS},
    load, seat_watch,
    shared::Shared,
    who,
};
use axum::{
    Extension, Json,
    extract::{ConnectInfo, Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use futures_util::{StreamExt as _, stream};
use model::{Role, TenantId, VisitId, WaitingRoomId};
use platform::{
    api::{Credential, Operation},
    event_log::{Append, Category, NewAudit, NewEvent, StreamId, Version},
    keys,
    lane::Lane,
    problem::{self, Problem},
};
use policy::{EmergencyId, Participant, Place, Subject, action::ReadHistory, judge::By};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use signaling_core::{
    history::Past,
    rights::{self, Kind},
    token::{Bearer, JOIN_AUDIENCE, JoinClaims},
};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tenancy::Unit;
use uuid::Uuid;

/// Category of the streams that say who read a history: one event each.
const HISTORY_READ: Category = Category { name: "history-read", lane: Lane::Batch };

/// When to ask again after the store could not answer.
const LATER: Duration = Duration::from_secs(10);

/// Which page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ask {
    /// The `next` of the page before; the newest without it.
    #[serde(default)]
    after: Option<String>,
    /// Most visits on it.
    #[serde(default)]
    limit: Option<usize>,
    /// Of which waiting room: for those with an account. Whoever has a seat has one already.
    #[serde(default, rename = "waitingRoom")]
    waiting_room: Option<WaitingRoomId>,
    /// This visit only: all that an emergency may allow.
    #[serde(default)]
    visit: Option<VisitId>,
}

/// Who reads, and where they may.
struct Reader {
    tenant: TenantId,
    room: WaitingRoomId,
    visit: Option<VisitId>,
    who: Uuid,
    /// Of somebody with a seat.
    role: Option<Role>,
    /// It is a partner's system.
    partner: bool,
    /// They may only because of it.
    emergency: Option<EmergencyId>,
}

/// What the route says of itself.
pub(crate) fn operation() -> Operation {
    Operation::get("/api/v1/history", "Read the visits of a waiting room that are over")
        .details(
            "The newest first. With the seat of a clinician, their own waiting room; with an access token, one they serve; with \
                a partner's key and `visits:read`, any. Recorded for the auditor.",
        )
        .of("visits")
        .needs(Credential::SeatTokenAccessTokenOrKey)
        .query::<String>("after", "The `next` of the page before.")
        .query::<u64>("limit", "Visits on a page.")
        .between(1, HISTORY_PAGE as u64)
        .query::<WaitingRoomId>("waitingRoom", "Of which waiting room: needed without a seat.")
        .query::<VisitId>("visit", "This visit only.")
        .answers::<Page>(200, "A page.")
        .fails(problem::UNAUTHORIZED)
        .fails(problem::FORBIDDEN)
}

/// A page.
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "History")]
struct Page {
    visits: Vec<Past>,
    /// Where the next page begins; none after the last.
    next: Option<String>,
}

pub(crate) async fn history(
    State(shared): State<Arc<Shared>>,
    unit: Option<Extension<Arc<Unit>>>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    ask: Result<Query<Ask>, QueryRejection>,
) -> Response {
    let tenant = shared.unit(unit).id;
    let from = peer.map(|peer| peer.0.0.ip());
    let page = page(&shared, tenant, &headers, from, ask).await;
    page.map_or_else(axum::response::IntoResponse::into_response, |page| {
        ([(header::CACHE_CONTROL, "no-store")], Json(page)).into_response()
    })
}

/// A history is only looked at.
pub(crate) async fn not_so() -> Response {
    let mut response = Problem::new(problem::METHOD_NOT_ALLOWED).into_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

async fn page(
    shared: &Shared,
    tenant: TenantId,
    headers: &HeaderMap,
    from: Option<IpAddr>,
    ask: Result<Query<Ask>, QueryRejection>,
) -> Result<Page, Problem> {
    let token = keys::bearer(headers).ok_or(problem::UNAUTHORIZED)?;
    let seat = shared.keys.verify::<JoinClaims>(JOIN_AUDIENCE, shared.clock.now(), token);
    let (reader, after, limit) = match seat {
        Ok(verified) => {
            let bearer = verified.claims.bearer;
            let reader = by_seat(shared, tenant, bearer)?;
            if seat_watch::is_lost(shared, &bearer, limits::ASK_TIMEOUT).await {
                return Err(problem::UNAUTHORIZED.into());
            }
            let Query(Ask { after, limit, .. }) = ask.map_err(|_| problem::BAD_REQUEST)?;
            (reader, after, limit)
        }
        Err(_) => {
            let who = who::of(shared, tenant, token, from).await?;
            let Ok(Query(Ask { after, limit, waiting_room, visit })) = ask else {
                return Err(problem::BAD_REQUEST.into());
            };
            (by_account(shared, &who, waiting_room, visit)?, after, limit)
        }
    };
    let limit = limit.unwrap_or(HISTORY_PAGE);
    if !(1..=HISTORY_PAGE).contains(&limit) {
        return Err(Problem::new(problem::BAD_REQUEST).detail(format!("limit: 1 to {HISTORY_PAGE}.")));
    }
    let after = after.map(|after| after.parse::<EndedAt>()).transpose();
    let after =
        after.map_err(|_| Problem::new(problem::BAD_REQUEST).detail("after: the `next` of a page."))?;
    read(shared, reader, after, limit)
        .await
        .map_err(|Later| Problem::new(problem::UNAVAILABLE).retry_after(LATER))
}

/// The store does not answer, or not in time.
struct Later;

async fn read(shared: &Shared, reader: Reader, after: Option<EndedAt>, limit: usize) -> Result<Page, Later> {
    let Reader { tenant, room, .. } = reader;
    let (seen, next) = match reader.visit {
        // Whether it is this waiting room's, its own events say.
        Some(visit) => {
            let span = load::span(&*shared.store, tenant, room, visit).await.map_err(|_| Later)?;
            (span.filter(|span| span.home == room).map(|_| visit).into_iter().collect(), None)
        }
        None => {
            let ended = shared.index.ended(tenant, room, after, limit).await.map_err(|_| Later)?;
            let next = ended.last().filter(|_| ended.len() >= limit).map(ToString::to_string);
            (ended.into_iter().map(|ended| ended.visit).collect::<Vec<_>>(), next)
        }
    };
    let mut reads = stream::iter(seen).map(|visit| past(shared, tenant, room, visit)).buffered(HISTORY_READS);
    let mut visits = Vec::new();
    while let Some(read) = reads.next().await {
        visits.extend(read?);
    }
    record(shared, &reader, &visits).await?;
    Ok(Page { visits, next })
}

/// A visit's line. One that cannot be read is left out, and that is logged: the others are not withheld for it.
async fn past(
    shared: &Shared,
    tenant: TenantId,
    room: WaitingRoomId,
    visit: VisitId,
) -> Result<Option<Past>, Later> {
    load::past(&*shared.store, tenant, room, visit).await.or_else(|error| match error {
        crate::Error::Decode { .. } => {
            tracing::error!(visit.id = %visit, %error, "A visit is missing from a history: it cannot be read");
            Ok(None)
        }
        _ => Err(Later),
    })
}

/// For the auditor, and for each patient: who is about to see whose visits.
async fn record(shared: &Shared, reader: &Reader, visits: &[Past]) -> Result<(), Later> {
    let Reader { tenant, room, who, role, partner, emergency, .. } = *reader;
    let seen: Vec<VisitId> = visits.iter().map(|past| past.visit).collect();
    let stream = StreamId { tenant, category: HISTORY_READ, id: platform::ids::fresh() };
    let body = json!({ "waitingRoom": room, "visits": seen.len() }).to_string();
    let event = NewEvent { kind: "history-read", schema: 1, body, phi: None, effective: None };
    let mut about = json!({ "waitingRoom": room });
    if let Some(role) = role {
        about["role"] = json!(role);
    }
    if partner {
        about["role"] = json!("partner");
    }
    if let Some(emergency) = emergency {
        about["emergency"] = json!(emergency);
    }
    let row = |action, subject, body: &Value| NewAudit {
        action,
        actor: Some(who),
        subject: Some(subject),
        body: body.to_string(),
        phi: None,
    };
    let mut audit: Vec<_> = seen.iter().map(|visit| row("visit.read", visit.0, &about)).collect();
    about["visits"] = json!(seen);
    audit.push(row("history.read", room.0, &about));
    let append = Append::new(stream, Version(0), vec![event], shared.clock.now());
    shared.store.append(Append { audit, ..append }).await.map(drop).map_err(|_| Later)
}

/// Whose waiting room it is: only of a clinician, and only their own. Another unit's token is none here.
fn by_seat(shared: &Shared, unit: TenantId, bearer: Bearer) -> Result<Reader, Problem> {
    let Bearer { tenant, waiting_room, visit, participant, role, .. } = bearer;
    if tenant != unit {
        return Err(problem::UNAUTHORIZED.into());
    }
    let seat = Participant { tenant, waiting_room, visit, participant, role };
    rights::permit(seat, Kind::ReadHistory, shared.clock.now()).map_err(|_| problem::FORBIDDEN)?;
    let (room, who) = (waiting_room, participant.0);
    Ok(Reader { tenant, room, visit: None, who, role: Some(role), partner: false, emergency: None })
}

/// Of those with an account: who serves the waiting room, and whoever declared an emergency there.
fn by_account(
    shared: &Shared,
    who: &Subject,
    room: Option<WaitingRoomId>,
    visit: Option<VisitId>,
) -> Result<Reader, Problem> {
    let now = shared.clock.now();
    let tenant = match who {
        Subject::Staff(staff) => staff.tenant,
        Subject::Partner(partner) => partner.tenant,
        _ => return Err(problem::UNAUTHORIZED.into()),
    };
    // Where nothing is named, nothing can be theirs.
    let place = Place { visit, waiting_room: room, ..Place::unit(tenant) };
    let permit = policy::permit::<ReadHistory>(who, place, now).map_err(who::denied)?;
    let by = permit.by().ok_or(problem::UNAUTHORIZED)?;
    let room = room.ok_or(problem::BAD_REQUEST)?;
    let emergency = policy::needs_emergency(who, Kind::ReadHistory, place, now);
    let partner = matches!(by, By::Partner(_));
    Ok(Reader { tenant, room, visit, who: by.id(), role: None, partner, emergency })
}
