//! A session goes on, is locked and unlocked, confirmed and ended: `POST /api/v1/auth/…`.

use super::{Here, permit, sign_in::Attempt};
use crate::{
    answers::{Held, forget, held},
    codes,
    passkeys::ShownPasskey,
    problems::{SIGNED_OUT, WRONG_CODE, WRONG_PASSKEY, later, of_account, of_session, over},
    records::Failed,
    service::{Identity, audit},
};
use axum::{
    body::Bytes,
    extract::rejection::BytesRejection,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use identity_core::{
    account,
    secret::SecretHash,
    session::{self, Ending, Event},
};
use model::Phi;
use platform::{
    body::{json, own_site},
    event_log::NewAudit,
    problem::{Kind, Problem},
};
use policy::{Place, Staff, Subject, action::ManageOwnAccount};
use serde::Deserialize;
use std::time::Duration;

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Renewal {
    /// Seconds since somebody last touched anything.
    idle_s: u32,
}

/// Another access token, and another refresh token, for the one in the cookie.
pub(crate) async fn renew(
    Here(identity): Here,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    match renewed(&identity, &headers, body).await {
        Ok(response) => response,
        Err(problem) => {
            let signed_out = problem.kind() == SIGNED_OUT;
            let mut response = problem.into_response();
            if signed_out {
                forget(&mut response);
            }
            response
        }
    }
}

async fn renewed(
    identity: &Identity,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    own_site(headers)?;
    let Renewal { idle_s } = json(headers, body)?;
    let (id, shown) = held(headers).ok_or(SIGNED_OUT)?;
    let refresh = codes::token();
    let command = session::Command::Renew {
        shown: SecretHash::of(shown),
        next: SecretHash::of(&refresh),
        idle: Duration::from_secs(idle_s.into()),
    };
    let (session, events) =
        identity.records.change_session(identity.tenant, id, None, command).await.map_err(of_session)?;
    identity.believed.forget(identity.tenant, id);
    if let Some(Event::Ended { ending }) = events.last() {
        if *ending == Ending::Theft {
            tracing::warn!(session.id = %id, "A refresh token that had been replaced came again; the session was ended");
        }
        return Err(over(*ending));
    }
    let account = identity.records.account(identity.tenant, session.account).await.map_err(|_| later())?;
    let account =
        account.filter(|account| account.factors().is_some() && session.started_at >= account.sessions_since);
    let Some(account) = account else { return Err(over(Ending::Revoked)) };
    Ok(identity.signed_in(&account, Held { id, session, refresh }, None))
}

/// Nothing of patients is shown any more, until somebody unlocks it.
pub(crate) async fn lock(Here(identity): Here, headers: HeaderMap) -> Result<StatusCode, Problem> {
    let (_, staff) = permit::<ManageOwnAccount>(&identity, &headers, oneself).await?;
    let audit = audit("session.lock", Some(staff.account));
    change(&identity, &staff, audit, session::Command::Lock).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Proof {
    #[serde(default)]
    password: Option<Phi<String>>,
    #[serde(default)]
    code: Option<Phi<String>>,
    #[serde(default)]
    passkey: Option<ShownPasskey>,
}

impl Proof {
    /// What is said of one that is wrong.
    const fn wrong(&self) -> Kind {
        if self.passkey.is_some() { WRONG_PASSKEY } else { WRONG_CODE }
    }
}

/// Back again: with the password, a code of the app, or a passkey.
pub(crate) async fn unlock(
    Here(identity): Here,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Problem> {
    let (_, staff) = permit::<ManageOwnAccount>(&identity, &headers, oneself).await?;
    let proof: Proof = json(&headers, body)?;
    let wrong = proof.wrong();
    let right = shown(&identity, &staff, proof).await?;
    let audit = audit(if right { "session.unlock" } else { "session.unlock-failed" }, Some(staff.account));
    let events = change(&identity, &staff, audit, session::Command::Unlock { right }).await?;
    match events.last() {
        Some(Event::Ended { ending }) => Err(over(*ending)),
        _ if right => Ok(StatusCode::NO_CONTENT),
        _ => Err(wrong.into()),
    }
}

/// A factor is shown again, for what demands it.
pub(crate) async fn confirm(
    Here(identity): Here,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Problem> {
    let (_, staff) = permit::<ManageOwnAccount>(&identity, &headers, oneself).await?;
    let attempt = Attempt::at(staff.session);
    identity.must_wait(attempt)?;
    let proof: Proof = json(&headers, body)?;
    let wrong = proof.wrong();
    if !shown(&identity, &staff, proof).await? {
        identity.was_wrong(attempt);
        return Err(wrong.into());
    }
    change(&identity, &staff, audit("session.confirm", Some(staff.account)), session::Command::Confirm)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Over, for this browser.
pub(crate) async fn sign_out(Here(identity): Here, headers: HeaderMap) -> Result<Response, Problem> {
    own_site(&headers)?;
    let (_, staff) = permit::<ManageOwnAccount>(&identity, &headers, oneself).await?;
    let end = session::Command::End { ending: Ending::SignedOut };
    change(&identity, &staff, audit("session.sign-out", Some(staff.account)), end).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    forget(&mut response);
    Ok(response)
}

/// The asker's own account.
pub(super) fn oneself(who: &Subject) -> Place {
    match who {
        Subject::Staff(staff) => Place::account(staff.tenant, staff.account),
        Subject::Participant(seat) => Place::unit(seat.tenant),
        Subject::Partner(partner) => Place::unit(partner.tenant),
        Subject::Process { tenant } => Place::unit(*tenant),
        Subject::Stranger => Place::unit(model::TenantId(uuid::Uuid::nil())),
    }
}

async fn change(
    identity: &Identity,
    staff: &Staff,
    audit: NewAudit,
    command: session::Command,
) -> Result<Vec<Event>, Problem> {
    let audit = NewAudit { subject: Some(staff.session.0), ..audit };
    let changed = identity.records.change_session(staff.tenant, staff.session, Some(audit), command).await;
    identity.believed.forget(staff.tenant, staff.session);
    Ok(changed.map_err(of_session)?.1)
}

/// Whether what is shown is right. A code that is right is used up by it.
async fn shown(identity: &Identity, staff: &Staff, proof: Proof) -> Result<bool, Problem> {
    let account = identity.records.account(staff.tenant, staff.account).await.map_err(|_| later())?;
    let account = account.ok_or(SIGNED_OUT)?;
    match proof {
        Proof { password: Some(password), code: None, passkey: None } => {
            let hash = account.factors().and_then(|factors| factors.password.as_ref());
            identity.passwords.verify(password, hash).await.map_err(|_| later())
        }
        Proof { password: None, code: Some(code), passkey: None } => {
            let Ok(step) = identity.step(&account, &code) else { return Ok(false) };
            let command = account::Command::Confirm { step };
            match identity.records.change_account(staff.tenant, staff.account, None, command).await {
                Ok(_) => Ok(true),
                Err(Failed::Rejected(account::Rejection::WrongCode)) => Ok(false),
                Err(failed) => Err(of_account(failed)),
            }
        }
        Proof { password: None, code: None, passkey: Some(passkey) } => {
            super::passkeys::shown(identity, staff, &account, &passkey).await
        }
        _ => Err(platform::problem::BAD_REQUEST.into()),
    }
}
