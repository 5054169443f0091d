//! What a session looks like to its browser: the answer, and the cookies.

use crate::{
    caller::{ACCESS_AUDIENCE, AccessClaims},
    limits::{ACCESS_TTL, DEVICE_TTL},
    service::Identity,
};
use axum::{
    Json,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use identity_core::{
    account::Account,
    limits::SESSION_TTL,
    session::{Session, Surroundings},
};
use model::{Phi, Timestamp, WaitingRoomId};
use policy::{AccountId, SessionId, StaffRole};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use uuid::Uuid;

/// The refresh token. `__Host-`: of this host only, over TLS only (RFC 6265bis, 4.1.3.2).
pub(crate) const SESSION_COOKIE: &str = "__Host-session";
/// Says that somebody has signed in here before.
const DEVICE_COOKIE: &str = "__Host-device";
/// `aud` of what stands in it.
const DEVICE_AUDIENCE: &str = "device";

/// Somebody who works here, as pages show them.
#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Person")]
pub(crate) struct PersonView {
    pub(crate) id: AccountId,
    #[serde(serialize_with = "model::phi::expose")]
    pub(crate) name: Phi<String>,
    #[serde(serialize_with = "model::phi::expose")]
    pub(crate) email: Phi<String>,
    pub(crate) roles: BTreeSet<StaffRole>,
    pub(crate) duties: BTreeSet<WaitingRoomId>,
}

impl PersonView {
    pub(crate) fn of(id: AccountId, account: &Account) -> Self {
        Self {
            id,
            name: account.name.clone(),
            email: Phi::new(account.login.expose().to_owned()),
            roles: account.roles.clone(),
            duties: account.duties.clone(),
        }
    }
}

#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Session")]
pub(crate) struct SessionView {
    id: SessionId,
    started_at: Timestamp,
    ends_at: Timestamp,
    locked: bool,
    surroundings: Surroundings,
    /// Seconds without a touch until it is locked.
    locks_after_s: u64,
}

#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "Unit")]
pub(crate) struct UnitView {
    id: Uuid,
    name: String,
}

/// With what they can sign in, and unlock.
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "WaysToUnlock")]
struct WaysView {
    password: bool,
    passkey: bool,
    provider: bool,
}

impl WaysView {
    fn of(account: &Account) -> Self {
        let factors = account.factors();
        Self {
            password: factors.is_some_and(|factors| factors.password.is_some()),
            passkey: factors.is_some_and(|factors| !factors.passkeys.is_empty()),
            provider: factors.is_some_and(|factors| factors.provided),
        }
    }
}

#[derive(Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SignedIn {
    access_token: String,
    /// Of the access token: renew before.
    expires_at: Timestamp,
    person: PersonView,
    unit: UnitView,
    session: SessionView,
    ways: WaysView,
    /// Shown once, after they were made.
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_codes: Option<Vec<String>>,
}

/// A session, its id, and the refresh token that is its own now.
pub(crate) struct Held {
    pub(crate) id: SessionId,
    pub(crate) session: Session,
    pub(crate) refresh: String,
}

#[derive(Clone, Copy, Serialize, Deserialize, schemars::JsonSchema)]
struct DeviceClaims {
    /// Blind id of the address.
    login: Uuid,
    device: Uuid,
}

impl Identity {
    /// Signed in, or still.
    pub(crate) fn signed_in(
        &self,
        account: &Account,
        held: Held,
        recovery_codes: Option<Vec<String>>,
    ) -> Response {
        let Held { id, session, refresh } = held;
        let now = self.records.clock.now();
        let claims = AccessClaims { tenant: self.tenant, account: session.account, session: id };
        let answer = SignedIn {
            access_token: self.records.keys.sign(ACCESS_AUDIENCE, ACCESS_TTL, now, &claims),
            expires_at: now + ACCESS_TTL,
            person: PersonView::of(session.account, account),
            unit: UnitView { id: self.tenant.0, name: self.unit.clone() },
            session: SessionView {
                id,
                started_at: session.started_at,
                ends_at: session.ends_at(),
                locked: session.locked.is_some(),
                surroundings: session.surroundings,
                locks_after_s: session.surroundings.idle_limit().as_secs(),
            },
            ways: WaysView::of(account),
            recovery_codes,
        };
        let mut response = ([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response();
        let value = format!("{}.{refresh}", id.0.simple());
        set_cookie(&mut response, SESSION_COOKIE, &value, SESSION_TTL.as_secs());
        response
    }

    /// Remembers a browser as one that somebody signed in with.
    pub(crate) fn remember_device(&self, response: &mut Response, headers: &HeaderMap, login: Uuid) {
        let now = self.records.clock.now();
        let device = self.device(headers, login).unwrap_or_else(platform::ids::fresh);
        let token = self.records.keys.sign(DEVICE_AUDIENCE, DEVICE_TTL, now, &DeviceClaims { login, device });
        set_cookie(response, DEVICE_COOKIE, &token, DEVICE_TTL.as_secs());
    }

    /// Which browser it is, if somebody signed in there with that address before.
    pub(crate) fn device(&self, headers: &HeaderMap, login: Uuid) -> Option<Uuid> {
        let now = self.records.clock.now();
        let token = cookie(headers, DEVICE_COOKIE)?;
        let claims = self.records.keys.verify::<DeviceClaims>(DEVICE_AUDIENCE, now, token).ok()?.claims;
        (claims.login == login).then_some(claims.device)
    }
}

/// The session and the refresh token that a browser holds.
pub(crate) fn held(headers: &HeaderMap) -> Option<(SessionId, &str)> {
    let (id, refresh) = cookie(headers, SESSION_COOKIE)?.split_once('.')?;
    Some((SessionId(Uuid::try_parse(id).ok()?), refresh))
}

/// Takes the session's cookie away.
pub(crate) fn forget(response: &mut Response) {
    set_cookie(response, SESSION_COOKIE, "", 0);
}

fn set_cookie(response: &mut Response, name: &str, value: &str, seconds: u64) {
    let cookie = format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age={seconds}");
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        response.headers_mut().append(HeaderName::from_static("set-cookie"), cookie);
    }
}

pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(of, _)| *of == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append("cookie", "a=1; x__Host-session=2;__Host-session=3".parse().unwrap());
        headers.append("cookie", "b=4".parse().unwrap());
        assert_eq!(cookie(&headers, SESSION_COOKIE), Some("3"));
        assert_eq!(cookie(&headers, "b"), Some("4"));
        assert_eq!(cookie(&headers, "c"), None);
        assert_eq!(held(&headers), None);
    }
}
