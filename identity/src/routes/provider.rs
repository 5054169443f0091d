//! The hospital's own sign-in: `GET /api/v1/auth/provider` leads there, `…/callback` is where browsers come back to.
//! Both answer browsers that navigate: what goes wrong stands in the address of the sign-in page, as a code.

use super::{Here, Peer, sign_in::Attempt, source};
use crate::{
    answers::cookie,
    codes,
    limits::{MAX_RETURNED_CHARS, TICKET_TTL},
    provider::{Failed, Provider, Said, form, percent},
    records,
    service::{Identity, audit},
};
use axum::{
    Json,
    extract::{Query, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use identity_core::{
    account,
    secret::SecretHash,
    session::Surroundings,
    text::{Login, name},
};
use model::Phi;
use platform::{
    event_log::NewAudit,
    problem::{self, Problem},
};
use policy::{AccountId, SessionId};
use serde::{Deserialize, Serialize};

/// Random bits of one sign-in. `Lax`, because the browser comes back from another site.
const COOKIE: &str = "__Host-provider";
/// `aud` of the state.
const STATE: &str = "provider-state";
const CALLBACK: &str = "/api/v1/auth/provider/callback";

#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "WaysToSignIn")]
pub(super) struct Offered<'a> {
    passkeys: bool,
    provider: Option<&'a str>,
}

/// What the sign-in page can offer.
pub(crate) async fn ways(Here(identity): Here) -> Response {
    let provider = identity.provider.as_deref().map(Provider::name);
    let offered = Offered { passkeys: identity.relying_party().is_some(), provider };
    ([(header::CACHE_CONTROL, "no-store")], Json(offered)).into_response()
}

#[derive(Serialize, Deserialize)]
struct StateClaims {
    /// Of the cookie.
    browser: SecretHash,
    surroundings: Surroundings,
    /// Where the page goes on to; it judges that itself.
    to: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Begin {
    #[serde(default)]
    surroundings: Surroundings,
    #[serde(default)]
    to: String,
}

/// On to the hospital's own sign-in.
pub(crate) async fn begin(
    Here(identity): Here,
    peer: Peer,
    query: Result<Query<Begin>, QueryRejection>,
) -> Result<Response, Problem> {
    let provider = identity.provider.as_ref().ok_or(problem::NOT_FOUND)?;
    let Query(Begin { surroundings, to }) = query.map_err(|_| problem::BAD_REQUEST)?;
    if to.len() > MAX_RETURNED_CHARS / 4 {
        return Err(problem::BAD_REQUEST.into());
    }
    identity.must_wait(Attempt::from(source(peer)))?;
    let (browser, now) = (codes::token(), identity.records.clock.now());
    let claims = StateClaims { browser: SecretHash::of(&browser), surroundings, to };
    let state = identity.ticket(STATE, TICKET_TTL, claims);
    let answer = match provider.address(&browser, &state, &callback(&identity), now).await {
        Ok(address) => with_cookie(see(&address), &browser, TICKET_TTL.as_secs()),
        Err(failed) => see(&refused(failed)),
    };
    Ok(answer)
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Returned {
    code: Option<Phi<String>>,
    state: Option<String>,
    iss: Option<String>,
}

/// Back from it. Whatever happens, the cookie has done its work.
pub(crate) async fn callback_route(
    Here(identity): Here,
    peer: Peer,
    headers: HeaderMap,
    query: Result<Query<Returned>, QueryRejection>,
) -> Result<Response, Problem> {
    let provider = identity.provider.as_ref().ok_or(problem::NOT_FOUND)?;
    let Query(returned) = query.map_err(|_| problem::BAD_REQUEST)?;
    let attempt = Attempt::from(source(peer));
    identity.must_wait(attempt)?;
    let answer = match come_back(&identity, provider, &headers, returned).await {
        Ok(response) => response,
        Err(code) => {
            identity.was_wrong(attempt);
            see(&trouble(code))
        }
    };
    Ok(with_cookie(answer, "", 0))
}

/// The session, or the code of what went wrong.
async fn come_back(
    identity: &Identity,
    provider: &Provider,
    headers: &HeaderMap,
    returned: Returned,
) -> Result<Response, &'static str> {
    let short = |text: &&str| text.len() <= MAX_RETURNED_CHARS;
    let now = identity.records.clock.now();
    let state = returned.state.as_deref().filter(short).ok_or("begin-again")?;
    let claims = identity.ticketed::<StateClaims>(STATE, state).ok_or("begin-again")?;
    let StateClaims { browser, surroundings, to } = claims;
    // The browser that began, and no other: somebody else's code signs nobody in here (RFC 9700, 4.7).
    let own = cookie(headers, COOKIE).filter(|own| SecretHash::of(own) == browser).ok_or("begin-again")?;
    // Another issuer's answer (RFC 9207).
    if returned.iss.as_deref().is_some_and(|iss| iss != provider.issuer()) {
        return Err("provider-refused");
    }
    let code = returned.code.as_ref().map(|code| code.expose().as_str()).filter(short);
    let code = code.ok_or("provider-refused")?;
    let who = provider.who(own, code, &callback(identity), now).await;
    let said = who.map_err(|failed| {
        tracing::warn!(%failed, "A sign-in by the hospital's own provider was refused");
        code_of(failed)
    })?;
    let (id, session, account) = sign_in(identity, provider, &said).await?;
    let held = identity.start(id, session, surroundings).await.map_err(|_| "unavailable")?;
    let mut response = see(&format!("/sign-in?provider=done&{}", form(&[("to", &to)])));
    // The page asks for the rest by the cookie.
    for cookie in identity.signed_in(&account, held, None).headers().get_all(header::SET_COOKIE) {
        response.headers_mut().append(header::SET_COOKIE, cookie.clone());
    }
    Ok(response)
}

async fn sign_in(
    identity: &Identity,
    provider: &Provider,
    said: &Said,
) -> Result<(AccountId, SessionId, account::Account), &'static str> {
    let roles = provider.roles(said);
    if roles.is_empty() {
        return Err("no-role-here");
    }
    let tenant = identity.tenant;
    // By issuer and subject, which nobody else ever has; never by an address, which can be given to somebody else.
    let subject = format!("{}\n{}", provider.issuer(), said.sub.expose());
    let blind = identity.records.keys.blind_id("provider", tenant, &subject);
    let id =
        identity.records.claim_as::<account::Rejection>(tenant, blind).await.map_err(|_| "unavailable")?;
    let email = said.email.as_ref().and_then(|email| Login::new(email.expose()).ok());
    let login = email.or_else(|| Login::new(&format!("{}@provider.invalid", blind.simple())).ok());
    let login = login.ok_or("internal")?;
    let called = said.name.as_ref().and_then(|said| name(said.expose()).ok());
    let called = called.unwrap_or_else(|| Phi::new(login.expose().chars().take(100).collect()));
    let session = SessionId(platform::ids::fresh());
    let command = account::Command::Provide { login, name: called, roles, session };
    let audit = NewAudit { subject: Some(session.0), ..audit("session.sign-in", Some(id)) };
    match identity.records.change_account(tenant, id, Some(audit), command).await {
        Ok(account) => Ok((id, session, account)),
        Err(records::Failed::Later) => Err("unavailable"),
        Err(records::Failed::Rejected(_)) => Err("not-let-in"),
    }
}

fn callback(identity: &Identity) -> String {
    format!("{}{CALLBACK}", identity.public_url().trim_end_matches('/'))
}

const fn code_of(failed: Failed) -> &'static str {
    match failed {
        Failed::Away => "provider-away",
        Failed::Refused | Failed::Token(_) => "provider-refused",
    }
}

fn refused(failed: Failed) -> String {
    trouble(code_of(failed))
}

fn trouble(code: &str) -> String {
    format!("/sign-in?problem={}", percent(code))
}

fn see(address: &str) -> Response {
    let location = HeaderValue::try_from(address).unwrap_or(HeaderValue::from_static("/sign-in"));
    let headers =
        [(header::LOCATION, location), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (StatusCode::SEE_OTHER, headers).into_response()
}

fn with_cookie(mut response: Response, value: &str, seconds: u64) -> Response {
    let cookie = format!("{COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={seconds}");
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}
