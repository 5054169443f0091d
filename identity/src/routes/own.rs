//! One's own account: `GET /api/v1/me`, and what one changes about it.

use super::{permit, session::oneself, sign_in::Attempt};
use crate::{
    answers::PersonView,
    codes,
    problems::{CONFIRM_FIRST, SIGN_IN_FAILED, SIGNED_OUT, invalid, later, of_account},
    service::{Identity, audit},
};
use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use identity_core::{account, text::check_password};
use model::Phi;
use platform::{body::json, event_log::NewAudit, problem::Problem};
use policy::{AccountId, Permit, SessionId, Staff, action::ManageOwnAccount, judge::FRESH};
use serde::{Deserialize, Serialize};
use std::{collections::VecDeque, sync::Arc};

#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Me {
    person: PersonView,
    /// The newest last; some may be over.
    sessions: VecDeque<SessionId>,
    recovery_codes_left: usize,
}

pub(crate) async fn me(
    State(identity): State<Arc<Identity>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (permit, staff) = permit::<ManageOwnAccount>(&identity, &headers, oneself).await?;
    let me = account(&identity, &permit, staff.account).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(me)).into_response())
}

/// One's own account.
pub(crate) async fn account(
    identity: &Identity,
    permit: &Permit<ManageOwnAccount>,
    id: AccountId,
) -> Result<Me, Problem> {
    let account = identity.records.account(permit.tenant(), id).await.map_err(|_| later())?;
    let account = account.ok_or(SIGNED_OUT)?;
    Ok(Me {
        person: PersonView::of(id, &account),
        recovery_codes_left: account.factors().map_or(0, |factors| factors.recovery.len()),
        sessions: account.sessions,
    })
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPassword {
    old: Phi<String>,
    new: Phi<String>,
}

pub(crate) async fn password(
    State(identity): State<Arc<Identity>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Problem> {
    let (_, staff) = permit::<ManageOwnAccount>(&identity, &headers, oneself).await?;
    let NewPassword { old, new } = json(&headers, body)?;
    let attempt = Attempt::at(staff.session);
    identity.must_wait(attempt)?;
    let account = identity.records.account(staff.tenant, staff.account).await.map_err(|_| later())?;
    let account = account.ok_or(SIGNED_OUT)?;
    check_password(new.expose(), &account.login).map_err(|error| invalid("new", error))?;
    let hash = account.factors().map(|factors| &factors.password);
    if !identity.passwords.verify(old, hash).await.map_err(|_| later())? {
        identity.was_wrong(attempt);
        return Err(SIGN_IN_FAILED.into());
    }
    let password = identity.passwords.hash(new).await.map_err(|_| later())?;
    change(&identity, &staff, "person.change-password", account::Command::ChangePassword { password })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "RecoveryCodes")]
pub(super) struct Codes {
    recovery_codes: Vec<String>,
}

/// New recovery codes; those before count no more.
pub(crate) async fn recovery_codes(
    State(identity): State<Arc<Identity>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (_, staff) = permit::<ManageOwnAccount>(&identity, &headers, oneself).await?;
    // Whoever finds an unlocked screen must not take codes away with them.
    if staff.locked || identity.records.clock.now().since(staff.confirmed_at) > FRESH {
        return Err(CONFIRM_FIRST.into());
    }
    let (recovery_codes, recovery) = codes::recovery_codes();
    let command = account::Command::MakeRecoveryCodes { recovery };
    change(&identity, &staff, "person.make-recovery-codes", command).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(Codes { recovery_codes })).into_response())
}

async fn change(
    identity: &Identity,
    staff: &Staff,
    action: &'static str,
    command: account::Command,
) -> Result<(), Problem> {
    let audit = NewAudit { subject: Some(staff.account.0), ..audit(action, Some(staff.account)) };
    let changed = identity.records.change_account(staff.tenant, staff.account, Some(audit), command).await;
    changed.map(drop).map_err(of_account)
}
