//! One's own account: `GET /api/v1/me`, and what one changes about it.

use super::{Here, permit, session::oneself, sign_in::Attempt};
use crate::{
    answers::PersonView,
    codes,
    problems::{CONFIRM_FIRST, SIGN_IN_FAILED, SIGNED_OUT, invalid, later, of_account, of_session},
    records::Failed,
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
use identity_core::{
    account::{self, Passkey, PasskeyId},
    session::{self, Ending, Surroundings},
    text::check_password,
};
use model::{Phi, Timestamp};
use platform::{
    body::json,
    event_log::NewAudit,
    problem::{self, Problem},
};
use policy::{Permit, SessionId, Staff, action::ManageOwnAccount, judge::FRESH};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Me {
    person: PersonView,
    /// Those that go on, the newest first.
    sessions: Vec<OwnSession>,
    ways: Ways,
    recovery_codes_left: usize,
    passkeys: Vec<PasskeyView>,
}

/// How somebody can sign in.
#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "OwnWays")]
struct Ways {
    /// With a password and an app.
    password: bool,
    /// By the hospital's own sign-in.
    provider: bool,
    /// Whether passkeys can be used at this address.
    passkeys: bool,
}

#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
struct OwnSession {
    id: SessionId,
    /// The one that asks.
    current: bool,
    started_at: Timestamp,
    ends_at: Timestamp,
    locked: bool,
    surroundings: Surroundings,
}

#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Passkey")]
struct PasskeyView {
    id: PasskeyId,
    #[serde(serialize_with = "model::phi::expose")]
    name: Phi<String>,
    added_at: Timestamp,
    shown_at: Option<Timestamp>,
}

pub(crate) async fn me(Here(identity): Here, headers: HeaderMap) -> Result<Response, Problem> {
    let (permit, staff) = permit::<ManageOwnAccount>(&identity, &headers, oneself).await?;
    let me = account(&identity, &permit, &staff).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(me)).into_response())
}

/// One's own account.
pub(crate) async fn account(
    identity: &Identity,
    permit: &Permit<ManageOwnAccount>,
    staff: &Staff,
) -> Result<Me, Problem> {
    let account = identity.records.account(permit.tenant(), staff.account).await.map_err(|_| later())?;
    let account = account.ok_or(SIGNED_OUT)?;
    let now = identity.records.clock.now();
    let mut sessions = Vec::new();
    for &id in account.sessions.iter().rev() {
        let session = identity.records.session(staff.tenant, id).await.map_err(|_| later())?;
        let open = session.filter(|one| one.is_open(now) && one.started_at >= account.sessions_since);
        sessions.extend(open.map(|session| OwnSession {
            id,
            current: id == staff.session,
            started_at: session.started_at,
            ends_at: session.ends_at(),
            locked: session.locked.is_some(),
            surroundings: session.surroundings,
        }));
    }
    let factors = account.factors().ok_or(SIGNED_OUT)?;
    let view = |passkey: &Passkey| PasskeyView {
        id: passkey.made.id,
        name: passkey.made.name.clone(),
        added_at: passkey.added_at,
        shown_at: passkey.shown_at,
    };
    Ok(Me {
        person: PersonView::of(staff.account, &account),
        sessions,
        ways: Ways {
            password: factors.password.is_some(),
            provider: factors.provided,
            passkeys: identity.relying_party().is_some(),
        },
        recovery_codes_left: factors.recovery.len(),
        passkeys: factors.passkeys.iter().map(view).collect(),
    })
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPassword {
    old: Phi<String>,
    new: Phi<String>,
    /// Whether everybody who is signed in elsewhere is signed out: whoever knew the old one may be.
    #[serde(default, rename = "endOthers")]
    end_others: bool,
}

pub(crate) async fn password(
    Here(identity): Here,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Problem> {
    let (_, staff) = permit::<ManageOwnAccount>(&identity, &headers, oneself).await?;
    let NewPassword { old, new, end_others } = json(&headers, body)?;
    let attempt = Attempt::at(staff.session);
    identity.must_wait(attempt)?;
    let account = identity.records.account(staff.tenant, staff.account).await.map_err(|_| later())?;
    let account = account.ok_or(SIGNED_OUT)?;
    check_password(new.expose(), &account.login).map_err(|error| invalid("new", error))?;
    let hash = account.factors().and_then(|factors| factors.password.as_ref());
    if !identity.passwords.verify(old, hash).await.map_err(|_| later())? {
        identity.was_wrong(attempt);
        return Err(SIGN_IN_FAILED.into());
    }
    let password = identity.passwords.hash(new).await.map_err(|_| later())?;
    // First: if that goes wrong, the old password is still there to try again with.
    for id in account.sessions.iter().copied().filter(|id| end_others && *id != staff.session) {
        match end(&identity, &staff, id).await {
            // Over already.
            Ok(()) | Err(Failed::Rejected(_)) => {}
            Err(Failed::Later) => return Err(later()),
        }
    }
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
pub(crate) async fn recovery_codes(Here(identity): Here, headers: HeaderMap) -> Result<Response, Problem> {
    let (_, staff) = permit::<ManageOwnAccount>(&identity, &headers, oneself).await?;
    must_be_fresh(&identity, &staff)?;
    let (recovery_codes, recovery) = codes::recovery_codes();
    let command = account::Command::MakeRecoveryCodes { recovery };
    change(&identity, &staff, "person.make-recovery-codes", command).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(Codes { recovery_codes })).into_response())
}

/// One of one's sessions is over, wherever it is.
pub(crate) async fn end_session(
    Here(identity): Here,
    headers: HeaderMap,
    path: Result<Path<Uuid>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let (_, staff) = permit::<ManageOwnAccount>(&identity, &headers, oneself).await?;
    let id = SessionId(path.map_err(|_| problem::NOT_FOUND)?.0);
    let session = identity.records.session(staff.tenant, id).await.map_err(|_| later())?;
    let mine = session.is_some_and(|session| session.account == staff.account && session.ended.is_none());
    if !mine {
        return Err(problem::NOT_FOUND.into());
    }
    end(&identity, &staff, id).await.map_err(of_session)?;
    Ok(StatusCode::NO_CONTENT)
}

/// A session of one's own is over.
async fn end(identity: &Identity, staff: &Staff, id: SessionId) -> Result<(), Failed<session::Rejection>> {
    let audit = NewAudit { subject: Some(id.0), ..audit("session.end", Some(staff.account)) };
    let end = session::Command::End { ending: Ending::Revoked };
    let ended = identity.records.change_session(staff.tenant, id, Some(audit), end).await;
    identity.believed.forget(staff.tenant, id);
    ended.map(drop)
}

/// Whoever finds an unlocked screen must not take a way in away with them.
pub(super) fn must_be_fresh(identity: &Identity, staff: &Staff) -> Result<(), Problem> {
    let stale = staff.locked || identity.records.clock.now().since(staff.confirmed_at) > FRESH;
    if stale { Err(CONFIRM_FIRST.into()) } else { Ok(()) }
}

pub(super) async fn change(
    identity: &Identity,
    staff: &Staff,
    action: &'static str,
    command: account::Command,
) -> Result<(), Problem> {
    let audit = NewAudit { subject: Some(staff.account.0), ..audit(action, Some(staff.account)) };
    let changed = identity.records.change_account(staff.tenant, staff.account, Some(audit), command).await;
    changed.map(drop).map_err(of_account)
}
