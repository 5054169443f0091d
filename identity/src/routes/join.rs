//! Somebody who was invited sets their factors: `POST /api/v1/auth/invitation` shows who is expected,
//! `POST /api/v1/auth/join` lets them in.

use super::{Here, Peer, sign_in::Attempt, source};
use crate::{
    answers::PersonView,
    codes,
    limits::TICKET_TTL,
    passkeys::MadePasskey,
    problems::{BEGIN_AGAIN, NO_INVITATION, WRONG_CODE, invalid, later, of_account},
    service::{Identity, audit},
};
use axum::{
    Json,
    body::Bytes,
    extract::rejection::BytesRejection,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use identity_core::{
    account::{self, Account},
    secret::SecretHash,
    session::Surroundings,
    text::{check_password, passkey_name},
};
use model::Phi;
use platform::{
    body::{json, own_site},
    event_log::NewAudit,
    problem::{self, Problem},
};
use policy::{AccountId, SessionId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// `aud` of the ticket between the two steps.
const JOIN_TICKET: &str = "join-ticket";

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Invitation")]
pub(crate) struct Look {
    /// What stands behind `#i=` in the invitation's link.
    secret: Phi<String>,
}

#[derive(Serialize, Deserialize)]
struct TicketClaims {
    account: AccountId,
    invitation: SecretHash,
    #[serde(serialize_with = "model::phi::expose")]
    totp: Phi<String>,
}

#[derive(Serialize, schemars::JsonSchema)]
pub(super) struct Authenticator {
    /// For people who type it.
    #[serde(serialize_with = "model::phi::expose")]
    secret: Phi<String>,
    /// For the picture that the app reads.
    uri: String,
}

#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Expected {
    person: PersonView,
    unit: String,
    authenticator: Authenticator,
    ticket: String,
    /// With what a browser makes a passkey instead of both; none where passkeys cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<Value>,
}

/// Shows who is expected, and a new secret for their app. Nothing is recorded: the link still works.
pub(crate) async fn look(
    Here(identity): Here,
    peer: Peer,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    own_site(&headers)?;
    let attempt = Attempt::from(source(peer));
    identity.must_wait(attempt)?;
    let Look { secret } = json(&headers, body)?;
    let Some((id, account, invitation)) = invited(&identity, secret.expose()).await? else {
        identity.was_wrong(attempt);
        return Err(NO_INVITATION.into());
    };
    let totp = codes::totp_secret();
    let uri = codes::totp_uri(&totp, &identity.unit, account.login.expose());
    let claims = TicketClaims { account: id, invitation, totp: totp.clone() };
    let ticket = identity.ticket(JOIN_TICKET, TICKET_TTL, claims);
    let at = identity.relying_party();
    let expected = Expected {
        person: PersonView::of(id, &account),
        unit: identity.unit.clone(),
        authenticator: Authenticator { secret: totp, uri },
        public_key: at.map(|at| identity.creation(&at, &ticket, id, &account)),
        ticket,
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(expected)).into_response())
}

async fn invited(
    identity: &Identity,
    secret: &str,
) -> Result<Option<(AccountId, Account, SecretHash)>, Problem> {
    let Some((id, secret)) = secret.split_once('.') else { return Ok(None) };
    let Ok(id) = Uuid::try_parse(id) else { return Ok(None) };
    let (id, invitation) = (AccountId(id), SecretHash::of(secret));
    let account = identity.records.account(identity.tenant, id).await.map_err(|_| later())?;
    let account = account.filter(|account| account.opens(invitation, identity.records.clock.now()));
    Ok(account.map(|account| (id, account, invitation)))
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Join {
    ticket: String,
    #[serde(default)]
    password: Option<Phi<String>>,
    /// What the app shows: proof that it has the secret.
    #[serde(default)]
    code: Option<Phi<String>>,
    /// Instead of both.
    #[serde(default)]
    passkey: Option<MadePasskey>,
    #[serde(default)]
    surroundings: Surroundings,
}

/// Lets them in, signed in at once, with their recovery codes, which are shown this once.
pub(crate) async fn join(
    Here(identity): Here,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    own_site(&headers)?;
    let Join { ticket, password, code, passkey, surroundings } = json(&headers, body)?;
    let answered = SecretHash::of(&ticket);
    let said = ticket;
    let now = identity.records.clock.now();
    let ticket = identity.ticketed::<TicketClaims>(JOIN_TICKET, &said);
    let TicketClaims { account: id, invitation, totp } = ticket.ok_or(BEGIN_AGAIN)?;
    let account = identity.records.account(identity.tenant, id).await.map_err(|_| later())?;
    let account = account.filter(|account| account.opens(invitation, now)).ok_or(NO_INVITATION)?;
    let session = SessionId(platform::ids::fresh());
    let (command, shown) = match (password, code, passkey) {
        (Some(password), Some(code), None) => {
            check_password(password.expose(), &account.login).map_err(|error| invalid("password", error))?;
            let step = codes::totp_step(&totp, code.expose(), now).ok_or(WRONG_CODE)?;
            let password = identity.passwords.hash(password).await.map_err(|_| later())?;
            let (shown, recovery) = codes::recovery_codes();
            let command = account::Command::Join { invitation, password, totp, step, recovery, session };
            (command, Some(shown))
        }
        (None, None, Some(passkey)) => {
            let name = passkey_name(passkey.name.expose()).map_err(|error| invalid("name", error))?;
            let passkey = identity.made(&said, name, &passkey)?;
            (account::Command::JoinByPasskey { invitation, passkey, answered, session }, None)
        }
        _ => return Err(problem::BAD_REQUEST.into()),
    };
    let joined = NewAudit { subject: Some(id.0), ..audit("person.join", Some(id)) };
    let account = identity
        .records
        .change_account(identity.tenant, id, Some(joined), command)
        .await
        .map_err(of_account)?;
    let held = identity.start(id, session, surroundings).await?;
    let login = identity.records.blind(identity.tenant, &account.login);
    let mut response = identity.signed_in(&account, held, shown);
    identity.remember_device(&mut response, &headers, login);
    Ok(response)
}
