//! Legal holds over the audit trail: `/api/v1/audit/holds`.

use super::{Here, emergencies::Names, emergencies::Somebody, permit};
use crate::{
    problems::{later, of_hold},
    service::{Identity, audit},
};
use axum::{
    Json,
    body::Bytes,
    extract::{
        Path,
        rejection::{BytesRejection, PathRejection},
    },
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use identity_core::hold::{Command, Hold, Over};
use model::{Phi, TenantId, Timestamp};
use platform::{
    body::json,
    event_log::NewAudit,
    ids,
    problem::{self, Problem},
};
use policy::{
    HoldId, Place,
    action::{ManageHolds, SeeHolds},
};
use serde::{Deserialize, Serialize};
use serde_json::json as value;

/// A hold.
#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Hold")]
pub(super) struct View {
    id: HoldId,
    over: Over,
    #[serde(serialize_with = "model::phi::expose")]
    reason: Phi<String>,
    placed_at: Timestamp,
    placed_by: Somebody,
    /// None while it is in force.
    lifted_at: Option<Timestamp>,
    lifted_by: Option<Somebody>,
}

async fn view(
    identity: &Identity,
    tenant: TenantId,
    (id, hold): (HoldId, &Hold),
    names: &mut Names,
) -> Result<View, Problem> {
    let placed_by = names.of(identity, tenant, hold.by).await?;
    let lifted_by = match hold.lifted {
        Some((by, _)) => Some(names.of(identity, tenant, by).await?),
        None => None,
    };
    Ok(View {
        id,
        over: hold.over,
        reason: hold.reason.clone(),
        placed_at: hold.placed_at,
        placed_by,
        lifted_at: hold.lifted.map(|(_, at)| at),
        lifted_by,
    })
}

#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "Holds")]
pub(super) struct List {
    /// The newest first.
    holds: Vec<View>,
}

/// With their reasons, which may name somebody: that they were read is recorded before they are shown.
pub(crate) async fn list(Here(identity): Here, headers: HeaderMap) -> Result<Response, Problem> {
    let (permit, staff) = permit::<SeeHolds>(&identity, &headers, |_| Place::unit(identity.tenant)).await?;
    let tenant = permit.tenant();
    let all = identity.records.holds(tenant).await.map_err(|_| later())?;
    let (mut holds, mut names) = (Vec::new(), Names::default());
    for one in all.all().rev() {
        holds.push(view(&identity, tenant, one, &mut names).await?);
    }
    let body = value!({ "holds": holds.len() }).to_string();
    let audit = NewAudit { body, ..audit("hold.list", Some(staff.account)) };
    identity.records.record_reading(tenant, audit).await.map_err(|_| later())?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(List { holds })).into_response())
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewHold")]
pub(super) struct New {
    over: Over,
    reason: Phi<String>,
}

/// From when this is answered, what is covered and still there stays.
pub(crate) async fn place(
    Here(identity): Here,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let place = Place::unit(identity.tenant);
    let (permit, staff) = permit::<ManageHolds>(&identity, &headers, |_| place).await?;
    let New { over, reason } = json(&headers, body)?;
    let (tenant, id) = (permit.tenant(), HoldId(ids::fresh()));
    let body = value!({ "over": over }).to_string();
    let audit = NewAudit { subject: Some(id.0), body, ..audit("hold.place", Some(staff.account)) };
    let command = Command::Place { id, by: staff.account, over, reason };
    let all = identity.records.change_holds(tenant, audit, command).await.map_err(of_hold)?;
    let hold = all.get(id).ok_or_else(later)?;
    let view = view(&identity, tenant, (id, hold), &mut Names::default()).await?;
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(view)).into_response())
}

/// What it covered may go when its time is over.
pub(crate) async fn lift(
    Here(identity): Here,
    headers: HeaderMap,
    id: Result<Path<HoldId>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let place = Place::unit(identity.tenant);
    let (permit, staff) = permit::<ManageHolds>(&identity, &headers, |_| place).await?;
    let Ok(Path(id)) = id else { return Err(problem::NOT_FOUND.into()) };
    let audit = NewAudit { subject: Some(id.0), ..audit("hold.lift", Some(staff.account)) };
    let command = Command::Lift { id, by: staff.account };
    identity.records.change_holds(permit.tenant(), audit, command).await.map_err(of_hold)?;
    Ok(StatusCode::NO_CONTENT)
}
