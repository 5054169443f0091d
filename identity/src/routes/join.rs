//! Somebody who was invited sets their factors: `POST /api/v1/auth/invitation` shows who is expected,
//! `POST /api/v1/auth/join` lets them in.

use super::{Peer, sign_in::Attempt, source};
use crate::{
    answers::PersonView,
    codes,
    limits::TICKET_TTL,
    problems::{BEGIN_AGAIN, NO_INVITATION, WRONG_CODE, invalid, later, of_account},
    service::{Identity, audit},
};
use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use identity_core::{
    account::{self, Account},
    secret::SecretHash,
    session::Surroundings,
    text::check_password,
};
use model::Phi;
use platform::{
    body::{json, own_site},
    event_log::NewAudit,
    problem::Problem,
};
use policy::{AccountId, SessionId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
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
pub(super) struct Expected {
    person: PersonView,
    unit: String,
    authenticator: Authenticator,
    ticket: String,
}

/// Shows who is expected, and a new secret for their app. Nothing is recorded: the link still works.
pub(crate) async fn look(
    State(identity): State<Arc<Identity>>,
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
    let expected = Expected {
        person: PersonView::of(id, &account),
        unit: identity.unit.clone(),
        authenticator: Authenticator {
            secret: totp.clone(),
            uri: codes::totp_uri(&totp, &identity.unit, account.login.expose()),
        },
        ticket: identity.records.keys.sign(
            JOIN_TICKET,
            TICKET_TTL,
            identity.records.clock.now(),
            &TicketClaims { account: id, invitation, totp },
        ),
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
    password: Phi<String>,
    /// What the app shows: proof that it has the secret.
    code: Phi<String>,
    #[serde(default)]
    surroundings: Surroundings,
}

/// Lets them in, signed in at once, with their recovery codes, which are shown this once.
pub(crate) async fn join(
    State(identity): State<Arc<Identity>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    own_site(&headers)?;
    let Join { ticket, password, code, surroundings } = json(&headers, body)?;
    let now = identity.records.clock.now();
    let ticket = identity.records.keys.verify::<TicketClaims>(JOIN_TICKET, now, &ticket);
    let TicketClaims { account: id, invitation, totp } = ticket.map_err(|_| BEGIN_AGAIN)?.claims;
    let account = identity.records.account(identity.tenant, id).await.map_err(|_| later())?;
    let account = account.filter(|account| account.opens(invitation, now)).ok_or(NO_INVITATION)?;
    check_password(password.expose(), &account.login).map_err(|error| invalid("password", error))?;
    let step = codes::totp_step(&totp, code.expose(), now).ok_or(WRONG_CODE)?;
    let password = identity.passwords.hash(password).await.map_err(|_| later())?;
    let (shown, recovery) = codes::recovery_codes();
    let command = account::Command::Join { invitation, password, totp, step, recovery };
    let joined = NewAudit { subject: Some(id.0), ..audit("person.join", Some(id)) };
    let account = identity
        .records
        .change_account(identity.tenant, id, Some(joined), command)
        .await
        .map_err(of_account)?;
    let held = identity.start(id, SessionId(platform::ids::fresh()), surroundings).await?;
    let login = identity.records.blind(identity.tenant, &account.login);
    let mut response = identity.signed_in(&account, held, Some(shown));
    identity.remember_device(&mut response, &headers, login);
    Ok(response)
}
