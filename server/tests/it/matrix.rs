//! Every route against everybody: strangers, seats, and each role of staff. A route without a row fails.

use crate::{
    guards::routes,
    http::{Answer, ask, join_token},
    process::Server,
};
use identity::codes::totp_code;
use platform::clock::{Clock as _, SystemClock};
use policy::{Scope, StaffRole};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Who is let through to a route's own answer.
pub(crate) enum Who {
    /// Whoever asks: pages, and what judges a secret of its own.
    Anybody,
    /// Who is signed in, about themselves.
    Staff,
    /// Those with one of these roles.
    Roles(&'static [StaffRole]),
    /// A clinician's seat; no account yet.
    ClinicianSeat,
    /// A patient's seat.
    PatientSeat,
    /// A device with a token of its own.
    Device,
}

use Scope::{People, Visits, WaitingRooms};
use StaffRole::{Administrator, Auditor, Clinician, Sre};
use Who::{Anybody, ClinicianSeat, Device, PatientSeat, Roles, Staff};

/// The methods of each route under `/api`, as the matrix has them.
pub(crate) fn asked() -> BTreeSet<(String, String)> {
    let of_api = MATRIX.iter().filter(|(_, route, _)| route.starts_with("/api/"));
    of_api.map(|(method, route, _)| ((*method).to_owned(), (*route).to_owned())).collect()
}

/// Method, route, who. `{id}` of a person is somebody's who is there for that.
pub(crate) const MATRIX: &[(&str, &str, Who)] = &[
    ("GET", "/ws", Anybody),
    ("POST", "/api/v1/links/exchange", Anybody),
    ("GET", "/api/v1/history", ClinicianSeat),
    ("GET", "/api/v1/visit/access", PatientSeat),
    ("POST", "/api/v1/visit/access", Anybody),
    ("POST", "/whip/{room}", Device),
    ("DELETE", "/whip/session/{id}", Device),
    ("POST", "/whep/{room}/{participant}", Device),
    ("DELETE", "/whep/session/{id}", Device),
    ("GET", "/api/v1/unit", Anybody),
    ("GET", "/", Anybody),
    ("GET", "/visit", Anybody),
    ("GET", "/clinic", Anybody),
    ("GET", "/sign-in", Anybody),
    ("GET", "/join", Anybody),
    ("GET", "/rooms", Anybody),
    ("GET", "/admin", Anybody),
    ("GET", "/account", Anybody),
    ("GET", "/assets/{*path}", Anybody),
    ("GET", "/{file}", Anybody),
    ("GET", "/problems/style.css", Anybody),
    ("GET", "/problems/{code}", Anybody),
    ("GET", "/.well-known/jwks.json", Anybody),
    ("POST", "/api/v1/auth/sign-in", Anybody),
    ("POST", "/api/v1/auth/second", Anybody),
    ("POST", "/api/v1/auth/passkey", Anybody),
    ("POST", "/api/v1/auth/passkey/challenge", Anybody),
    ("GET", "/api/v1/auth/ways", Anybody),
    ("GET", "/api/v1/auth/provider", Anybody),
    ("GET", "/api/v1/auth/provider/callback", Anybody),
    ("POST", "/api/v1/auth/invitation", Anybody),
    ("POST", "/api/v1/auth/join", Anybody),
    // It judges the cookie.
    ("POST", "/api/v1/auth/renew", Anybody),
    ("POST", "/api/v1/graphql", Staff),
    ("GET", "/api/v1/me", Staff),
    ("POST", "/api/v1/me/password", Staff),
    ("POST", "/api/v1/me/recovery-codes", Staff),
    // All of the unit, or those they serve: none, for most.
    ("GET", "/api/v1/waiting-rooms", Staff),
    ("POST", "/api/v1/waiting-rooms/{id}/seat", Roles(&[Clinician])),
    ("POST", "/api/v1/me/passkeys", Staff),
    ("POST", "/api/v1/me/passkeys/challenge", Staff),
    ("DELETE", "/api/v1/me/passkeys/{id}", Staff),
    ("DELETE", "/api/v1/me/sessions/{id}", Staff),
    ("GET", "/api", Anybody),
    ("GET", "/api/v1/openapi.json", Anybody),
    ("GET", "/api/v1/partner-keys", Roles(&[Administrator, Auditor])),
    ("POST", "/api/v1/partner-keys", Roles(&[Administrator])),
    ("DELETE", "/api/v1/partner-keys/{id}", Roles(&[Administrator])),
    ("GET", "/api/v1/unit/settings", Roles(&[Administrator, Auditor])),
    ("PATCH", "/api/v1/unit/settings", Roles(&[Administrator])),
    ("GET", "/api/v1/status", Roles(&[Administrator, Auditor, Sre])),
    ("GET", "/api/v1/webhooks", Roles(&[Administrator, Auditor])),
    ("POST", "/api/v1/webhooks", Roles(&[Administrator])),
    ("DELETE", "/api/v1/webhooks/{id}", Roles(&[Administrator])),
    ("POST", "/api/v1/webhooks/{id}/secret", Roles(&[Administrator])),
    ("POST", "/api/v1/webhooks/{id}/on", Roles(&[Administrator])),
    ("POST", "/api/v1/webhooks/{id}/replay", Roles(&[Administrator])),
    ("GET", "/api/v1/webhooks/{id}/deliveries", Roles(&[Administrator, Auditor])),
    ("GET", "/api/v1/people", Roles(&[Administrator, Auditor])),
    ("GET", "/api/v1/people/{id}", Roles(&[Administrator, Auditor])),
    ("POST", "/api/v1/people", Roles(&[Administrator])),
    ("PATCH", "/api/v1/people/{id}", Roles(&[Administrator])),
    ("POST", "/api/v1/people/{id}/invitation", Roles(&[Administrator])),
    ("GET", "/api/v1/people/{id}/rights", Roles(&[Administrator, Auditor])),
    ("GET", "/api/v1/audit", Roles(&[Auditor])),
    ("GET", "/api/v1/audit/chain", Roles(&[Auditor])),
    ("GET", "/api/v1/audit/holds", Roles(&[Administrator, Auditor])),
    ("POST", "/api/v1/audit/holds", Roles(&[Auditor])),
    ("DELETE", "/api/v1/audit/holds/{id}", Roles(&[Auditor])),
    ("GET", "/api/v1/emergencies", Roles(&[Administrator, Auditor])),
    ("POST", "/api/v1/emergencies", Roles(&[Clinician])),
    ("GET", "/api/v1/emergencies/own", Staff),
    ("GET", "/api/v1/emergencies/{id}", Roles(&[Auditor])),
    ("POST", "/api/v1/emergencies/{id}/end", Staff),
    ("POST", "/api/v1/emergencies/{id}/review", Roles(&[Auditor])),
    ("POST", "/api/v1/auth/confirm", Staff),
    ("POST", "/api/v1/auth/unlock", Staff),
    // From here on what was asked before would be refused.
    ("POST", "/api/v1/auth/lock", Staff),
    ("POST", "/api/v1/auth/sign-out", Staff),
];

/// What partners' keys open besides what is for anybody, and with which scope.
const OPENED_BY_KEYS: &[(&str, &str, Scope)] = &[
    ("GET", "/api/v1/history", Visits),
    ("GET", "/api/v1/waiting-rooms", WaitingRooms),
    ("GET", "/api/v1/people", People),
    ("GET", "/api/v1/people/{id}", People),
    // Field by field, each by its own scope.
    ("POST", "/api/v1/graphql", People),
    ("POST", "/api/v1/graphql", Visits),
    ("POST", "/api/v1/graphql", WaitingRooms),
];

/// Somebody who asks.
struct Asker {
    name: String,
    role: Option<StaffRole>,
    /// Of a partner's key.
    scope: Option<Scope>,
    token: Option<String>,
    is_clinician_seat: bool,
    is_patient_seat: bool,
}

impl Who {
    fn lets(&self, asker: &Asker, method: &str, route: &str) -> bool {
        let opened = |scope| OPENED_BY_KEYS.contains(&(method, route, scope));
        match self {
            _ if asker.scope.is_some_and(opened) => true,
            Anybody => true,
            Staff => asker.role.is_some(),
            Roles(roles) => asker.role.is_some_and(|role| roles.contains(&role)),
            ClinicianSeat => asker.is_clinician_seat,
            PatientSeat => asker.is_patient_seat,
            Device => false,
        }
    }
}

/// A unit's server and the tokens of its people.
pub(crate) struct Unit {
    pub(crate) server: Server,
    pub(crate) administrator: String,
}

impl Unit {
    pub(crate) fn start() -> Self {
        let server = Server::start_unhurried(&["--demo"]);
        let link = server.administrator().to_owned();
        let administrator = joins(&server, &link);
        Self { server, administrator }
    }

    fn invites(&self, email: &str, role: StaffRole) -> Value {
        let body = json!({ "email": email, "name": "Somebody", "roles": [role] });
        let answer = asks(&self.server, "POST", "/api/v1/people", Some(&self.administrator), &body);
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.json()
    }

    fn asker(&self, role: StaffRole) -> Asker {
        let invited = self.invites(&format!("the-{role:?}@riverside.example"), role);
        let token = joins(&self.server, invited["invitation"].as_str().unwrap());
        let name = format!("{role:?}");
        let (is_clinician_seat, is_patient_seat) = (false, false);
        Asker { name, role: Some(role), scope: None, token: Some(token), is_clinician_seat, is_patient_seat }
    }

    fn system(&self, scope: Scope) -> Asker {
        let body = json!({ "name": "Somebody", "scopes": [scope], "days": 1 });
        let made = asks(&self.server, "POST", "/api/v1/partner-keys", Some(&self.administrator), &body);
        assert_eq!(made.status, 201, "{}", made.body);
        let token = made.json()["key"].as_str().map(str::to_owned);
        let (is_clinician_seat, is_patient_seat) = (false, false);
        let name = format!("a key for {scope:?}");
        Asker { name, role: None, scope: Some(scope), token, is_clinician_seat, is_patient_seat }
    }

    fn seat(&self, link: &str) -> Asker {
        let token = join_token(self.server.http(), self.server.secret(link));
        let name = format!("seat of {link}");
        let (is_clinician_seat, is_patient_seat) = (link == "clinic", link == "patient");
        Asker { name, role: None, scope: None, token: Some(token), is_clinician_seat, is_patient_seat }
    }
}

/// Sets password and app; the access token.
pub(crate) fn joins(server: &Server, link: &str) -> String {
    accepts(server, link).token
}

/// Somebody who has just joined.
pub(crate) struct Joined {
    /// Their access token.
    pub(crate) token: String,
    /// What their browser sends back: name and value of each cookie.
    pub(crate) cookies: Vec<String>,
}

/// Sets password and app.
pub(crate) fn accepts(server: &Server, link: &str) -> Joined {
    let secret = link.split_once("#i=").unwrap().1;
    let look = asks(server, "POST", "/api/v1/auth/invitation", None, &json!({ "secret": secret })).json();
    let totp = look["authenticator"]["secret"].as_str().unwrap().into();
    let code = totp_code(&totp, SystemClock.now()).unwrap();
    let body = json!({ "ticket": look["ticket"], "password": "correct horse battery", "code": code });
    let joined = asks(server, "POST", "/api/v1/auth/join", None, &body);
    assert_eq!(joined.status, 200, "{}", joined.body);
    let cookie = |line: &str| line.split(';').next().unwrap_or_default().to_owned();
    Joined {
        token: joined.json()["accessToken"].as_str().unwrap().to_owned(),
        cookies: joined.headers["set-cookie"].lines().map(cookie).collect(),
    }
}

pub(crate) fn asks(server: &Server, method: &str, path: &str, token: Option<&str>, body: &Value) -> Answer {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(bearer.as_ref().map(|bearer| ("authorization", bearer.as_str())));
    let body = if method == "GET" { String::new() } else { body.to_string() };
    ask(server.http(), method, path, &headers, &body)
}

#[test]
fn every_route_lets_through_whom_its_row_says_and_nobody_else() {
    let rows: BTreeSet<_> = MATRIX.iter().map(|(_, route, _)| (*route).to_owned()).collect();
    assert_eq!(rows, routes(), "each route has a row here");

    let unit = Unit::start();
    let somebody = unit.invites("somebody@riverside.example", StaffRole::Scheduler);
    let mut askers: Vec<_> = StaffRole::ALL.into_iter().map(|role| unit.asker(role)).collect();
    let nobody = |name: &str, token: Option<&str>| Asker {
        name: name.to_owned(),
        role: None,
        scope: None,
        token: token.map(str::to_owned),
        is_clinician_seat: false,
        is_patient_seat: false,
    };
    askers.extend([nobody("stranger", None), nobody("forger", Some("e30.e30.e30"))]);
    askers.extend([unit.seat("clinic"), unit.seat("patient")]);
    askers.extend(Scope::ALL.map(|scope| unit.system(scope)));
    for (method, route, who) in MATRIX {
        let id = somebody["id"].as_str().unwrap();
        let path = ["{id}", "{room}", "{participant}"]
            .iter()
            .fold((*route).to_owned(), |path, name| path.replace(name, id));
        for asker in &askers {
            // What is asked for is of no consequence: rights come first.
            let answer = asks(&unit.server, method, &path, asker.token.as_deref(), &json!({}));
            let of = format!("{method} {route} by {}: {} {}", asker.name, answer.status, answer.body);
            match (who.lets(asker, method, route), asker.role) {
                (true, _) => {
                    let denied =
                        ["signed-out", "not-allowed", "session-locked", "confirm-first", "forbidden"];
                    let judges_itself = route.starts_with("/api/v1/auth/") && matches!(who, Anybody);
                    let is_denied =
                        [401, 403].contains(&answer.status) && denied.contains(&answer.code().as_str());
                    assert!(judges_itself || !is_denied, "{of}");
                    assert_ne!(answer.status, 405, "{of}");
                }
                // A seat may know that there is a history, and that it is not for it.
                // Whose waiting room it is, those who serve it know.
                (false, Some(Clinician)) if matches!(who, ClinicianSeat) => {
                    assert_eq!(answer.status, 404, "{of}");
                }
                (false, _) if matches!(who, PatientSeat) => {
                    assert!([401, 403].contains(&answer.status), "{of}");
                }
                (false, _) if matches!(who, ClinicianSeat) => {
                    assert!([401, 403].contains(&answer.status), "{of}")
                }
                // A key that counts, and is not for that; elsewhere it is none.
                (false, None) if asker.scope.is_some() && matches!(who, Staff | Roles(_)) => {
                    assert_eq!(answer.status, 403, "{of}");
                }
                (false, Some(_)) if !matches!(who, Device) => assert_eq!(answer.status, 403, "{of}"),
                (false, _) => assert_eq!(answer.status, 401, "{of}"),
            }
        }
    }
}
