//! Passkeys: asked for, shown to sign in, added and removed.

use super::{
    Here, Peer,
    own::{change, must_be_fresh},
    permit,
    session::oneself,
    sign_in::Attempt,
    source,
};
use crate::{
    failures::Factor,
    passkeys::{MadePasskey, Purpose, Refused, ShownPasskey},
    problems::{BEGIN_AGAIN, NO_PASSKEYS, SIGNED_OUT, WRONG_PASSKEY, invalid, later, of_account},
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
    account::{self, PasskeyId},
    secret::SecretHash,
    session::Surroundings,
    text::passkey_name,
};
use platform::{
    body::{json, own_site},
    event_log::NewAudit,
    problem::{self, Problem},
};
use policy::{SessionId, action::ManageOwnAccount};
use serde::Deserialize;
use uuid::Uuid;

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        Self::new(match refused {
            Refused::BeginAgain => BEGIN_AGAIN,
            Refused::Wrong => WRONG_PASSKEY,
        })
    }
}

/// What a browser is asked with, before anybody is known.
pub(crate) async fn ask(Here(identity): Here, headers: HeaderMap) -> Result<Response, Problem> {
    own_site(&headers)?;
    let at = identity.relying_party().ok_or(NO_PASSKEYS)?;
    let asked = identity.ask_for_passkey(&at, Purpose::SignIn, None);
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(asked)).into_response())
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PasskeySignIn")]
pub(crate) struct SignIn {
    passkey: ShownPasskey,
    #[serde(default)]
    surroundings: Surroundings,
}

/// Signs in with a passkey alone: it is something they have, and the authenticator has verified who they are.
pub(crate) async fn sign_in(
    Here(identity): Here,
    peer: Peer,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    own_site(&headers)?;
    let SignIn { passkey, surroundings } = json(&headers, body)?;
    let attempt = Attempt::from(source(peer));
    identity.must_wait(attempt)?;
    let at = identity.relying_party().ok_or(NO_PASSKEYS)?;
    identity.check_ticket(Purpose::SignIn, None, &passkey.ticket)?;
    let wrong = |whose| {
        identity.was_wrong(attempt);
        identity.could_not_sign_in(whose, Factor::Passkey);
        Problem::new(WRONG_PASSKEY)
    };
    let id = passkey.account().ok_or_else(|| wrong(None))?;
    let account = identity.records.account(identity.tenant, id).await.map_err(|_| later())?;
    let whose = account.as_ref().map(|_| id);
    let checked = account.as_ref().ok_or(Refused::Wrong).and_then(|account| passkey.check(&at, account));
    let (shown, counter) = checked.map_err(|_| wrong(whose))?;
    let session = SessionId(platform::ids::fresh());
    let command = account::Command::ShowPasskey {
        passkey: shown,
        counter,
        answered: passkey.answered(),
        session: Some(session),
    };
    let audit = NewAudit { subject: Some(session.0), ..audit("session.sign-in", Some(id)) };
    let signed_in = identity.records.change_account(identity.tenant, id, Some(audit), command).await;
    let account = signed_in.map_err(|failed| match failed {
        Failed::Rejected(_) => wrong(whose),
        Failed::Later => later(),
    })?;
    let held = identity.start(id, session, surroundings).await?;
    let login = identity.records.blind(identity.tenant, &account.login);
    let mut response = identity.signed_in(&account, held, None);
    identity.remember_device(&mut response, &headers, login);
    Ok(response)
}

#[derive(Clone, Copy, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "PasskeyPurpose")]
pub(super) enum To {
    Add,
    Show,
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "OwnPasskeyAsked")]
pub(crate) struct AskOwn {
    to: To,
}

/// What a browser is asked with to show one's passkey, or to make one more.
pub(crate) async fn ask_own(
    Here(identity): Here,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let (_, staff) = permit::<ManageOwnAccount>(&identity, &headers, oneself).await?;
    let AskOwn { to } = json(&headers, body)?;
    let at = identity.relying_party().ok_or(NO_PASSKEYS)?;
    let account = identity.records.account(staff.tenant, staff.account).await.map_err(|_| later())?;
    let account = account.ok_or(SIGNED_OUT)?;
    let asked = match to {
        To::Show => identity.ask_for_passkey(&at, Purpose::Show, Some((staff.account, &account))),
        To::Add => {
            must_be_fresh(&identity, &staff)?;
            identity.ask_to_add(&at, staff.account, &account)
        }
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(asked)).into_response())
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewPasskey")]
pub(crate) struct Add {
    ticket: String,
    passkey: MadePasskey,
}

/// One more passkey.
pub(crate) async fn add(
    Here(identity): Here,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Problem> {
    let (_, staff) = permit::<ManageOwnAccount>(&identity, &headers, oneself).await?;
    let Add { ticket, passkey } = json(&headers, body)?;
    must_be_fresh(&identity, &staff)?;
    identity.check_ticket(Purpose::Add, Some(staff.account), &ticket)?;
    let name = passkey_name(passkey.name.expose()).map_err(|error| invalid("name", error))?;
    let passkey = identity.made(&ticket, name, &passkey)?;
    let command = account::Command::AddPasskey { passkey, answered: SecretHash::of(&ticket) };
    change(&identity, &staff, "person.add-passkey", command).await?;
    Ok(StatusCode::CREATED)
}

/// A passkey lets nobody in any more.
pub(crate) async fn remove(
    Here(identity): Here,
    headers: HeaderMap,
    path: Result<Path<Uuid>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let (_, staff) = permit::<ManageOwnAccount>(&identity, &headers, oneself).await?;
    let Path(id) = path.map_err(|_| problem::NOT_FOUND)?;
    must_be_fresh(&identity, &staff)?;
    let command = account::Command::RemovePasskey { passkey: PasskeyId(id) };
    change(&identity, &staff, "person.remove-passkey", command).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether a passkey that is shown at a session is right; it is used up by it.
pub(super) async fn shown(
    identity: &Identity,
    staff: &policy::Staff,
    account: &account::Account,
    passkey: &ShownPasskey,
) -> Result<bool, Problem> {
    let at = identity.relying_party().ok_or(NO_PASSKEYS)?;
    identity.check_ticket(Purpose::Show, Some(staff.account), &passkey.ticket)?;
    let Ok((shown, counter)) = passkey.check(&at, account) else { return Ok(false) };
    let command = account::Command::ShowPasskey {
        passkey: shown,
        counter,
        answered: passkey.answered(),
        session: None,
    };
    match identity.records.change_account(staff.tenant, staff.account, None, command).await {
        Ok(_) => Ok(true),
        Err(Failed::Rejected(account::Rejection::WrongPasskey)) => Ok(false),
        Err(failed) => Err(of_account(failed)),
    }
}
