//! `GET /api/v1/history`: the visits of a waiting room that are over, the newest first, page by page: what a practice's
//! own system takes over in the evening.
//!
//! Batch work, from the door to the disk: it reads with the batch lane's connections, and before anything is shown, who
//! saw whose visits is recorded in the batch lane, for the auditor. It asks the store and not the room's owner, so that
//! nobody's call notices, and any process with the role `signaling` answers. What ended within the last second or two
//! may be missing from the first page, and is there the next time.

use crate::{
    index::EndedAt,
    limits::{HISTORY_PAGE, HISTORY_READS},
    load,
    shared::Shared,
};
use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use futures_util::{StreamExt as _, stream};
use model::{TenantId, VisitId, WaitingRoomId};
use platform::{
    api::{Credential, Operation},
    event_log::{Append, Category, NewAudit, NewEvent, StreamId, Version},
    keys,
    lane::Lane,
    problem::{self, Problem},
};
use policy::Participant;
use serde::{Deserialize, Serialize};
use serde_json::json;
use signaling_core::{
    history::Past,
    rights::{self, Kind},
    token::{Bearer, JOIN_AUDIENCE, JoinClaims},
};
use std::{sync::Arc, time::Duration};

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
}

/// What the route says of itself.
pub(crate) fn operation() -> Operation {
    Operation::get("/api/v1/history", "Read the visits of a waiting room that are over")
        .details("The newest first. With the seat of a clinician, their own waiting room. Recorded for the auditor.")
        .of("visits")
        .needs(Credential::SeatToken)
        .query::<String>("after", "The `next` of the page before.")
        .query::<u64>("limit", "Visits on a page.")
        .between(1, HISTORY_PAGE as u64)
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
    headers: HeaderMap,
    ask: Result<Query<Ask>, QueryRejection>,
) -> Response {
    let page = page(&shared, &headers, ask).await;
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
    headers: &HeaderMap,
    ask: Result<Query<Ask>, QueryRejection>,
) -> Result<Page, Problem> {
    let bearer = bearer(shared, headers)?;
    let Query(Ask { after, limit }) = ask.map_err(|_| problem::BAD_REQUEST)?;
    let limit = limit.unwrap_or(HISTORY_PAGE);
    if !(1..=HISTORY_PAGE).contains(&limit) {
        return Err(Problem::new(problem::BAD_REQUEST).detail(format!("limit: 1 to {HISTORY_PAGE}.")));
    }
    let after = after.map(|after| after.parse::<EndedAt>()).transpose();
    let after =
        after.map_err(|_| Problem::new(problem::BAD_REQUEST).detail("after: the `next` of a page."))?;
    read(shared, bearer, after, limit)
        .await
        .map_err(|Later| Problem::new(problem::UNAVAILABLE).retry_after(LATER))
}

/// The store does not answer, or not in time.
struct Later;

async fn read(shared: &Shared, bearer: Bearer, after: Option<EndedAt>, limit: usize) -> Result<Page, Later> {
    let Bearer { tenant, waiting_room: room, .. } = bearer;
    let ended = shared.index.ended(tenant, room, after, limit).await.map_err(|_| Later)?;
    let next = ended.last().filter(|_| ended.len() >= limit).map(ToString::to_string);
    let seen: Vec<VisitId> = ended.into_iter().map(|ended| ended.visit).collect();
    let mut reads = stream::iter(seen).map(|visit| past(shared, tenant, room, visit)).buffered(HISTORY_READS);
    let mut visits = Vec::new();
    while let Some(read) = reads.next().await {
        visits.extend(read?);
    }
    record(shared, bearer, &visits).await?;
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

/// For the auditor: who is about to see whose visits.
async fn record(shared: &Shared, bearer: Bearer, visits: &[Past]) -> Result<(), Later> {
    let Bearer { tenant, waiting_room: room, participant, .. } = bearer;
    let seen: Vec<VisitId> = visits.iter().map(|past| past.visit).collect();
    let stream = StreamId { tenant, category: HISTORY_READ, id: platform::ids::fresh() };
    let body = json!({ "waitingRoom": room, "visits": seen.len() }).to_string();
    let event = NewEvent { kind: "history-read", schema: 1, body, phi: None, effective: None };
    let audit = NewAudit {
        action: "history.read",
        actor: Some(participant.0),
        subject: Some(room.0),
        body: json!({ "visits": seen }).to_string(),
        phi: None,
    };
    let append = Append::new(stream, Version(0), vec![event], shared.clock.now());
    let append = Append { audit: vec![audit], ..append };
    shared.store.append(append).await.map(drop).map_err(|_| Later)
}

/// Whose waiting room it is: only of a clinician, and only their own.
fn bearer(shared: &Shared, headers: &HeaderMap) -> Result<Bearer, Problem> {
    let token = keys::bearer(headers).ok_or(problem::UNAUTHORIZED)?;
    let verified = shared.keys.verify::<JoinClaims>(JOIN_AUDIENCE, shared.clock.now(), token);
    let bearer = verified.map_err(|_| problem::UNAUTHORIZED)?.claims.bearer;
    let Bearer { tenant, waiting_room, visit, participant, role } = bearer;
    let seat = Participant { tenant, waiting_room, visit, participant, role };
    rights::permit(seat, Kind::ReadHistory, shared.clock.now()).map_err(|_| problem::FORBIDDEN)?;
    Ok(bearer)
}
