//! Break-glass: to declare an emergency, to hear of one, to review it.

use super::{Here, permit, session::oneself};
use crate::{
    limits::EMERGENCIES_PAGE,
    problems::{later, of_emergency},
    service::{Identity, audit},
};
use axum::{
    Json,
    body::Bytes,
    extract::{
        Path, Query,
        rejection::{BytesRejection, PathRejection, QueryRejection},
    },
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use identity_core::emergency::{Category, Command, Emergency, Verdict};
use model::{Phi, TenantId, Timestamp, VisitId, WaitingRoomId};
use platform::{
    body::json,
    event_log::NewAudit,
    ids,
    problem::{self, Problem},
};
use policy::{
    AccountId, EmergencyId, Place, Subject,
    action::{BreakGlass, ManageOwnAccount, ReviewBreakGlass, SeeBreakGlass},
};
use serde::{Deserialize, Serialize};
use serde_json::json as value;
use std::collections::HashMap;

/// Somebody, by their id and, where they are known, name.
#[derive(Clone, Serialize, schemars::JsonSchema)]
#[schemars(rename = "Somebody")]
pub(super) struct Somebody {
    id: AccountId,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

impl Somebody {
    pub(super) fn name(self) -> Option<String> {
        self.name
    }
}

/// Names of people of the unit, each looked up once.
#[derive(Default)]
pub(super) struct Names(HashMap<AccountId, Option<String>>);

impl Names {
    pub(super) async fn of(
        &mut self,
        identity: &Identity,
        tenant: TenantId,
        id: AccountId,
    ) -> Result<Somebody, Problem> {
        if let Some(name) = self.0.get(&id) {
            return Ok(Somebody { id, name: name.clone() });
        }
        let account = identity.records.account(tenant, id).await.map_err(|_| later())?;
        let name = account.map(|account| account.name.into_exposed());
        self.0.insert(id, name.clone());
        Ok(Somebody { id, name })
    }
}

#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "EmergencyReviewed")]
pub(super) struct ReviewView {
    by: Somebody,
    verdict: Verdict,
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// An emergency as pages show it. The reason and the note only to whoever reviews it: they may be about a patient.
#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Emergency")]
pub(super) struct View {
    id: EmergencyId,
    by: Somebody,
    waiting_room: WaitingRoomId,
    visit: Option<VisitId>,
    category: Category,
    at: Timestamp,
    until: Timestamp,
    /// It lasts.
    open: bool,
    review: Option<ReviewView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Whether words are shown that may be about a patient.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Words {
    Shown,
    Kept,
}

async fn view(
    identity: &Identity,
    tenant: TenantId,
    (id, one): (EmergencyId, &Emergency),
    names: &mut Names,
    words: Words,
) -> Result<View, Problem> {
    let shown = |text: &Phi<String>| (words == Words::Shown).then(|| text.expose().clone());
    let review = match &one.review {
        None => None,
        Some(review) => Some(ReviewView {
            by: names.of(identity, tenant, review.by).await?,
            verdict: review.verdict,
            at: review.at,
            note: shown(&review.note),
        }),
    };
    Ok(View {
        id,
        by: names.of(identity, tenant, one.by).await?,
        waiting_room: one.waiting_room,
        visit: one.visit,
        category: one.category,
        at: one.at,
        until: one.until,
        open: one.lasts(identity.records.clock.now()),
        review,
        reason: shown(&one.reason),
    })
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "NewEmergency")]
pub(crate) struct Ask {
    waiting_room: WaitingRoomId,
    #[serde(default)]
    visit: Option<VisitId>,
    category: Category,
    reason: Phi<String>,
}

/// Declares one: whoever does may read there for an hour.
pub(crate) async fn ask(
    Here(identity): Here,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let (permit, staff) = permit::<BreakGlass>(&identity, &headers, |_| Place::unit(identity.tenant)).await?;
    let Ask { waiting_room, visit, category, reason } = json(&headers, body)?;
    let (tenant, id) = (permit.tenant(), EmergencyId(ids::fresh()));
    let about = value!({ "emergency": id, "waitingRoom": waiting_room, "category": category });
    let audit = NewAudit {
        subject: Some(visit.map_or(waiting_room.0, |visit| visit.0)),
        body: about.to_string(),
        ..audit("emergency.begin", Some(staff.account))
    };
    let command = Command::Ask { id, by: staff.account, waiting_room, visit, category, reason };
    let all = identity.records.change_emergencies(tenant, audit, command).await.map_err(of_emergency)?;
    identity.board.is_old(tenant).await;
    identity.believed.forget(staff.tenant, staff.session);
    let one = all.get(id).ok_or_else(later)?;
    let view = view(&identity, tenant, (id, one), &mut Names::default(), Words::Kept).await?;
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(view)).into_response())
}

/// Which ones.
#[derive(Clone, Copy, Default, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "WhichEmergencies")]
pub(super) enum Which {
    /// Those that last.
    Open,
    /// Those that nobody has reviewed.
    Unreviewed,
    /// All that are known.
    #[default]
    All,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    #[serde(default)]
    which: Which,
    #[serde(default)]
    after: Option<EmergencyId>,
    #[serde(default)]
    limit: Option<usize>,
}

#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "Emergencies")]
pub(super) struct List {
    emergencies: Vec<View>,
    /// Where the next page begins; none after the last.
    next: Option<EmergencyId>,
    /// How many last.
    open: usize,
    /// How many nobody has reviewed.
    unreviewed: usize,
    /// How many were too many to be kept for a review: their rows are in the audit trail.
    overlooked: u64,
}

/// The newest first. No reasons.
pub(crate) async fn list(
    Here(identity): Here,
    headers: HeaderMap,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Response, Problem> {
    let (permit, _) = permit::<SeeBreakGlass>(&identity, &headers, |_| Place::unit(identity.tenant)).await?;
    let Query(Page { which, after, limit }) = page.map_err(|_| problem::BAD_REQUEST)?;
    let limit = limit.unwrap_or(EMERGENCIES_PAGE);
    if !(1..=EMERGENCIES_PAGE).contains(&limit) {
        return Err(Problem::new(problem::BAD_REQUEST).detail(format!("limit: 1 to {EMERGENCIES_PAGE}.")));
    }
    let now = identity.records.clock.now();
    let all = identity.emergencies(permit.tenant()).await.map_err(|_| later())?;
    let wanted = |one: &Emergency| match which {
        Which::Open => one.lasts(now),
        Which::Unreviewed => one.review.is_none(),
        Which::All => true,
    };
    let earlier = all.all().rev().filter(|(id, _)| after.is_none_or(|after| *id < after));
    let page: Vec<_> = earlier.filter(|(_, one)| wanted(one)).take(limit + 1).collect();
    let next = if page.len() > limit { page.get(limit - 1).map(|(id, _)| *id) } else { None };
    let (mut emergencies, mut names) = (Vec::new(), Names::default());
    for one in page.into_iter().take(limit) {
        emergencies.push(view(&identity, permit.tenant(), one, &mut names, Words::Kept).await?);
    }
    let list = List {
        emergencies,
        next,
        open: all.all().filter(|(_, one)| one.lasts(now)).count(),
        unreviewed: all.all().filter(|(_, one)| one.review.is_none()).count(),
        overlooked: all.overlooked,
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(list)).into_response())
}

#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "OwnEmergencies")]
pub(super) struct Own {
    emergencies: Vec<View>,
}

/// One's own that last.
pub(crate) async fn own(Here(identity): Here, headers: HeaderMap) -> Result<Response, Problem> {
    let (permit, staff) = permit::<ManageOwnAccount>(&identity, &headers, oneself).await?;
    let now = identity.records.clock.now();
    let all = identity.emergencies(permit.tenant()).await.map_err(|_| later())?;
    let (mut emergencies, mut names) = (Vec::new(), Names::default());
    for one in all.all().filter(|(_, one)| one.by == staff.account && one.lasts(now)) {
        emergencies.push(view(&identity, permit.tenant(), one, &mut names, Words::Kept).await?);
    }
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(Own { emergencies })).into_response())
}

/// One with its reason, for whoever reviews it: that they read it is recorded before they do.
pub(crate) async fn one(
    Here(identity): Here,
    headers: HeaderMap,
    id: Result<Path<EmergencyId>, PathRejection>,
) -> Result<Response, Problem> {
    let place = |_: &Subject| Place::unit(identity.tenant);
    let (permit, staff) = permit::<ReviewBreakGlass>(&identity, &headers, place).await?;
    let Ok(Path(id)) = id else { return Err(problem::NOT_FOUND.into()) };
    let all = identity.emergencies(permit.tenant()).await.map_err(|_| later())?;
    let one = all.get(id).ok_or(problem::NOT_FOUND)?;
    let view = view(&identity, permit.tenant(), (id, one), &mut Names::default(), Words::Shown).await?;
    let audit = NewAudit { subject: Some(id.0), ..audit("emergency.read", Some(staff.account)) };
    identity.records.record_reading(permit.tenant(), audit).await.map_err(|_| later())?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(view)).into_response())
}

/// Hands one's own back.
pub(crate) async fn end(
    Here(identity): Here,
    headers: HeaderMap,
    id: Result<Path<EmergencyId>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let (permit, staff) = permit::<ManageOwnAccount>(&identity, &headers, oneself).await?;
    let Ok(Path(id)) = id else { return Err(problem::NOT_FOUND.into()) };
    let audit = NewAudit { subject: Some(id.0), ..audit("emergency.end", Some(staff.account)) };
    let command = Command::End { id, by: staff.account };
    identity.records.change_emergencies(permit.tenant(), audit, command).await.map_err(of_emergency)?;
    identity.board.is_old(permit.tenant()).await;
    identity.believed.forget(staff.tenant, staff.session);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "EmergencyReview")]
pub(crate) struct Review {
    verdict: Verdict,
    #[serde(default)]
    note: Phi<String>,
}

/// What somebody else found.
pub(crate) async fn review(
    Here(identity): Here,
    headers: HeaderMap,
    id: Result<Path<EmergencyId>, PathRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let place = |_: &Subject| Place::unit(identity.tenant);
    let (permit, staff) = permit::<ReviewBreakGlass>(&identity, &headers, place).await?;
    let Ok(Path(id)) = id else { return Err(problem::NOT_FOUND.into()) };
    let Review { verdict, note } = json(&headers, body)?;
    let tenant = permit.tenant();
    let audit = NewAudit {
        subject: Some(id.0),
        body: value!({ "verdict": verdict }).to_string(),
        ..audit("emergency.review", Some(staff.account))
    };
    let command = Command::Review { id, by: staff.account, verdict, note };
    let all = identity.records.change_emergencies(tenant, audit, command).await.map_err(of_emergency)?;
    identity.board.is_old(tenant).await;
    let one = all.get(id).ok_or(problem::NOT_FOUND)?;
    let view = view(&identity, tenant, (id, one), &mut Names::default(), Words::Shown).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(view)).into_response())
}
