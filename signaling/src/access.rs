//! "Who opened my visit": what a patient reads of the audit trail, about their own visit and in plain words.
//!
//! `GET /api/v1/visit/access` with the token of their seat; `POST` with the secret of their link, which says whose it is
//! long after the visit. It asks the store and not the room's owner, so that no call notices. Of the patient's own doings
//! nothing is listed; that they read the list is recorded before they do.

use crate::{
    index::Target,
    limits::{ACCESS_PAGES_OF_ROOM, ACCESS_ROWS_LOOKED_AT, MAX_ACCESS_LINES, MAX_LINK_BODY_BYTES},
    load::{self, Span},
    shared::Shared,
    who,
};
use axum::{
    Extension, Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, header},
    response::{IntoResponse as _, Response},
};
use model::{ParticipantId, Phi, Role, TenantId, Timestamp, VisitId, WaitingRoomId};
use platform::{
    api::{Credential, Operation},
    body,
    event_log::{
        Append, AuditOf, AuditPlace, AuditRow, AuditSearch, Category, NewAudit, NewEvent, ReadError,
        StreamId, Version,
    },
    keys,
    lane::Lane,
    problem::{self, Problem},
};
use policy::{AccountId, Participant, Permit, Place, Subject, action::ReadOwnAccess};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use signaling_core::{
    link::LinkHash,
    token::{Bearer, JOIN_AUDIENCE, JoinClaims, RESUME_AUDIENCE, ResumeClaims},
};
use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
    time::Duration,
};
use tenancy::Unit;
use uuid::Uuid;

/// Category of the streams that say who read who opened their visit: one event each.
const ACCESS_READ: Category = Category { name: "access-read", lane: Lane::Standard };

/// What follows within this, by the same person and of the same kind, is one line.
const SAME_LOOK: Duration = Duration::from_secs(15 * 60);

/// What somebody did, in the patient's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "AccessWhat")]
enum What {
    /// Booked or invited.
    Booked,
    /// Was shown the list of those who wait, with the patient on it.
    List,
    /// Was with the patient: admitted, spoke, wrote, ended.
    Care,
    /// Read it when it was over.
    Read,
    /// Declared an emergency that allows to read it.
    Emergency,
}

/// Why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "is")]
#[schemars(rename = "AccessWhy")]
enum Why {
    /// Their work: it is their waiting room.
    Care,
    /// In an emergency that they declared.
    Emergency {
        /// Of what kind, where that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        category: Option<String>,
    },
}

#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "AccessLine")]
struct Line {
    /// When, the last time.
    at: Timestamp,
    /// Since when, if it was more than once.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    what: What,
    why: Why,
    /// As what: a role.
    role: String,
    /// Who, where the unit lets patients know.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "exposed")]
    name: Option<Phi<String>>,
    #[serde(skip)]
    who: Uuid,
}

fn exposed<S: serde::Serializer>(name: &Option<Phi<String>>, to: S) -> Result<S::Ok, S::Error> {
    name.as_ref().map(Phi::expose).serialize(to)
}

#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "VisitAccess")]
struct Access {
    clinic: signaling_protocol::view::ClinicView,
    booked_at: Timestamp,
    ended_at: Option<Timestamp>,
    /// The newest first.
    lines: Vec<Line>,
    /// There is more than is listed: the clinic knows.
    more: bool,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "OwnLink")]
struct ByLink {
    secret: Phi<String>,
}

/// What the routes say of themselves.
pub(crate) fn operations() -> [Operation; 2] {
    let of = |operation: Operation| {
        operation
            .of("visits")
            .details("For the patient. Recorded for the auditor.")
            .answers::<Access>(200, "What was opened, the newest first.")
            .fails(problem::UNAUTHORIZED)
            .fails(problem::FORBIDDEN)
    };
    [
        of(Operation::get("/api/v1/visit/access", "See who opened one's visit").needs(Credential::SeatToken)),
        of(Operation::post("/api/v1/visit/access", "See who opened one's visit, with its link"))
            .takes::<ByLink>(MAX_LINK_BODY_BYTES),
    ]
}

/// With the token of a seat.
pub(crate) async fn by_seat(
    State(shared): State<Arc<Shared>>,
    unit: Option<Extension<Arc<Unit>>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let token = keys::bearer(&headers).ok_or(problem::UNAUTHORIZED)?;
    let now = shared.clock.now();
    let join = shared.keys.verify::<JoinClaims>(JOIN_AUDIENCE, now, token).map(|of| of.claims.bearer);
    let bearer = match join {
        Ok(bearer) => bearer,
        Err(_) => {
            let resume = shared.keys.verify::<ResumeClaims>(RESUME_AUDIENCE, now, token);
            resume.map_err(|_| problem::UNAUTHORIZED)?.claims.bearer
        }
    };
    let Bearer { tenant, waiting_room, visit, participant, role, .. } = bearer;
    // Another unit's token is none here.
    if tenant != shared.unit(unit).id {
        return Err(problem::UNAUTHORIZED.into());
    }
    answer(&shared, Participant { tenant, waiting_room, visit, participant, role }).await
}

/// With the secret of the patient's link.
pub(crate) async fn by_link(
    State(shared): State<Arc<Shared>>,
    unit: Option<Extension<Arc<Unit>>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let here = shared.unit(unit).id;
    let ByLink { secret } = body::json(&headers, body)?;
    let target =
        shared.index.target_in(here, &LinkHash::of(secret.expose())).await.map_err(|_| who::later())?;
    let Some(Target { tenant, room, visit: Some(visit) }) = target else {
        return Err(problem::UNAUTHORIZED.into());
    };
    let span = load::span(&*shared.store, tenant, room, visit).await.map_err(|_| who::later())?;
    let patient = span.ok_or(problem::UNAUTHORIZED)?.patient;
    let seat = Participant {
        tenant,
        waiting_room: room,
        visit: Some(visit),
        participant: patient,
        role: Role::Patient,
    };
    answer(&shared, seat).await
}

async fn answer(shared: &Shared, seat: Participant) -> Result<Response, Problem> {
    let visit = seat.visit.ok_or(problem::FORBIDDEN)?;
    let place = Place::visit(seat.tenant, seat.waiting_room, visit);
    let permit = policy::permit::<ReadOwnAccess>(&Subject::Participant(seat), place, shared.clock.now());
    let permit = permit.map_err(|_| problem::FORBIDDEN)?;
    let access = read(shared, &permit, seat.waiting_room, visit).await?;
    record(shared, seat.tenant, seat.participant, visit).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(access)).into_response())
}

async fn read(
    shared: &Shared,
    permit: &Permit<ReadOwnAccess>,
    room: WaitingRoomId,
    visit: VisitId,
) -> Result<Access, Problem> {
    let (tenant, store) = (permit.tenant(), &*shared.store);
    let later = |_| who::later();
    let opened = load::opened(store, tenant, room).await.map_err(|_| who::later())?;
    let opened = opened.ok_or(problem::NOT_FOUND)?;
    let span = load::span(store, tenant, room, visit).await.map_err(|_| who::later())?;
    let span = span.filter(|span| span.home == room).ok_or(problem::NOT_FOUND)?;
    let of = |subject| AuditSearch { from: span.booked_at, of: AuditOf::Subject(subject) };
    let of_visit =
        store.search_audit(tenant, of(visit.0), None, ACCESS_ROWS_LOOKED_AT).await.map_err(later)?;
    // What was done to the waiting room as a whole concerns the visit while it was there, and emergencies always do.
    let (of_room, more_of_room) = rows_of_room(shared, tenant, room, &span).await.map_err(later)?;
    let mut more = of_visit.len() >= ACCESS_ROWS_LOOKED_AT || more_of_room;
    let mut rows: Vec<_> = of_visit.into_iter().chain(of_room).collect();
    rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.place()));
    let mut lines: Vec<Line> = Vec::new();
    for line in rows.iter().filter_map(|row| line(row, &span)) {
        let same = |known: &Line| {
            let alike = (known.who, known.what, &known.why) == (line.who, line.what, &line.why);
            alike && known.since.unwrap_or(known.at).since(line.at) <= SAME_LOOK
        };
        match lines.iter().rposition(same) {
            Some(known) => lines[known].since = Some(line.at),
            None if lines.len() >= MAX_ACCESS_LINES => more = true,
            None => lines.push(line),
        }
    }
    let mut names: HashMap<Uuid, Option<Phi<String>>> = HashMap::new();
    if shared.config.patients_read_names {
        names.insert(opened.clinician.0, Some(opened.practitioner.clone()));
        for line in &mut lines {
            if let Entry::Vacant(unknown) = names.entry(line.who) {
                let name = match &shared.people {
                    Some(people) => {
                        people.name(tenant, AccountId(line.who)).await.map_err(|_| who::later())?
                    }
                    None => None,
                };
                unknown.insert(name);
            }
            line.name = names.get(&line.who).cloned().flatten();
        }
    }
    Ok(Access { clinic: opened.clinic, booked_at: span.booked_at, ended_at: span.ended_at, lines, more })
}

/// Who was shown the list while the visit was on it, and who declared an emergency for all of the waiting room since; and
/// whether there may be more.
async fn rows_of_room(
    shared: &Shared,
    tenant: TenantId,
    room: WaitingRoomId,
    span: &Span,
) -> Result<(Vec<AuditRow>, bool), ReadError> {
    let search = AuditSearch { from: span.booked_at, of: AuditOf::Subject(room.0) };
    let of = async |before| shared.store.search_audit(tenant, search, before, ACCESS_ROWS_LOOKED_AT).await;
    let meanwhile = of(span.ended_at.map(AuditPlace::after)).await?;
    let long = meanwhile.len() >= ACCESS_ROWS_LOOKED_AT;
    let mut more = false;
    let mut found = meanwhile;
    found.retain(|row| row.action == "queue.view");
    let mut before = None;
    for _ in 0..ACCESS_PAGES_OF_ROOM {
        let page = of(before).await?;
        before = page.last().map(AuditRow::place);
        more = page.len() >= ACCESS_ROWS_LOOKED_AT;
        found.extend(page.into_iter().filter(|row| row.action == "emergency.begin"));
        if !more {
            break;
        }
    }
    Ok((found, more || long))
}

/// A row in the patient's terms; none for what they did themselves, and for what shows nobody anything.
fn line(row: &AuditRow, span: &Span) -> Option<Line> {
    let who = row.actor?;
    if who == span.patient.0 {
        return None;
    }
    let body: Value = serde_json::from_str(&row.body).unwrap_or_default();
    let what = match row.action.as_str() {
        "visit.book" => What::Booked,
        "queue.view" => What::List,
        "visit.read" => What::Read,
        "emergency.begin" => What::Emergency,
        other if other.starts_with("visit.") => What::Care,
        _ => return None,
    };
    let category = body.get("category").and_then(Value::as_str).map(str::to_owned);
    let in_emergency = what == What::Emergency || body.get("emergency").is_some();
    let why = if in_emergency { Why::Emergency { category } } else { Why::Care };
    let role = body.get("role").and_then(Value::as_str).unwrap_or("clinician").to_owned();
    Some(Line { at: row.at, since: None, what, why, role, name: None, who })
}

/// For the auditor, before it is shown.
async fn record(
    shared: &Shared,
    tenant: TenantId,
    patient: ParticipantId,
    visit: VisitId,
) -> Result<(), Problem> {
    let stream = StreamId { tenant, category: ACCESS_READ, id: platform::ids::fresh() };
    let event = NewEvent { kind: "read", schema: 1, body: "{}".into(), phi: None, effective: None };
    let audit = NewAudit {
        action: "access.read",
        actor: Some(patient.0),
        subject: Some(visit.0),
        body: json!({ "role": Role::Patient }).to_string(),
        phi: None,
    };
    let append = Append::new(stream, Version(0), vec![event], shared.clock.now());
    let append = Append { audit: vec![audit], ..append };
    shared.store.append(append).await.map(drop).map_err(|_| who::later())
}
