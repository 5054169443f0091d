//! What each route names, and who finds it where it is.

use super::site::{Ids, PASSWORD};
use serde_json::{Value, json};

/// A route, and how an id gets into it.
pub(super) struct Row {
    pub(super) method: &'static str,
    pub(super) route: &'static str,
    /// Its path, query, body or cookie names something.
    pub(super) names_something: bool,
    /// Who finds it, where it is their own unit's.
    pub(super) found_by: Option<&'static str>,
    /// What they are told of what is not there.
    pub(super) status: u16,
    /// Whether only somebody who is known is let through.
    pub(super) needs_somebody: bool,
    pub(super) body: fn(&Ids) -> Value,
    /// What stands behind the path.
    pub(super) query: fn(&Ids) -> String,
    pub(super) cookie: fn(&Ids) -> Option<String>,
}

const NOTHING: Row = Row {
    method: "GET",
    route: "",
    names_something: false,
    found_by: None,
    status: 404,
    needs_somebody: false,
    body: |_| json!({}),
    query: |_| String::new(),
    cookie: |_| None,
};

/// A page or a file: the same for everybody.
const fn page(route: &'static str) -> Row {
    Row { route, ..NOTHING }
}

/// Judged by a secret that it names.
const fn secret(route: &'static str, status: u16, body: fn(&Ids) -> Value) -> Row {
    Row { method: "POST", route, names_something: true, found_by: Some("stranger"), status, body, ..NOTHING }
}

/// About the asker's own account.
const fn own(method: &'static str, route: &'static str, body: fn(&Ids) -> Value) -> Row {
    Row { method, route, needs_somebody: true, body, ..NOTHING }
}

/// About somebody else.
const fn person(method: &'static str, route: &'static str, body: fn(&Ids) -> Value) -> Row {
    Row { names_something: true, found_by: Some("Administrator"), ..own(method, route, body) }
}

/// Of a device, whose token names its room.
const fn device(method: &'static str, route: &'static str, by: &'static str, status: u16) -> Row {
    Row { method, route, names_something: true, found_by: Some(by), status, needs_somebody: true, ..NOTHING }
}

fn code(_: &Ids) -> Value {
    json!({ "code": "000000" })
}

pub(super) const ROWS: &[Row] = &[
    page("/ws"),
    secret("/api/v1/links/exchange", 401, |ids| json!({ "secret": ids.link })),
    Row {
        names_something: true,
        needs_somebody: true,
        // A place in an order, whether there is such a visit or not.
        query: |ids| format!("?after=00000000000000000001/{}&waitingRoom={}", ids.visit, ids.waiting_room),
        ..page("/api/v1/history")
    },
    device("POST", "/whip/{room}", "publisher", 401),
    device("DELETE", "/whip/session/{id}", "publisher", 404),
    device("POST", "/whep/{room}/{participant}", "subscriber", 401),
    device("DELETE", "/whep/session/{id}", "subscriber", 404),
    page("/api"),
    page("/api/v1/openapi.json"),
    page("/api/v1/unit"),
    page("/.well-known/jwks.json"),
    page("/"),
    page("/visit"),
    page("/clinic"),
    page("/sign-in"),
    page("/join"),
    page("/rooms"),
    page("/account"),
    page("/admin"),
    page("/assets/{*path}"),
    page("/{file}"),
    page("/problems/style.css"),
    page("/problems/{code}"),
    secret("/api/v1/auth/sign-in", 401, |ids| json!({ "email": ids.email, "password": PASSWORD })),
    secret("/api/v1/auth/second", 401, |ids| json!({ "ticket": ids.ticket, "code": "000000" })),
    secret("/api/v1/auth/invitation", 410, |ids| json!({ "secret": ids.invitation })),
    secret(
        "/api/v1/auth/join",
        401,
        |ids| json!({ "ticket": ids.join_ticket, "password": PASSWORD, "code": "000000" }),
    ),
    Row {
        cookie: |ids| Some(format!("__Host-session={}", ids.cookie)),
        ..secret("/api/v1/auth/renew", 401, |_| json!({ "idleS": 0 }))
    },
    // A challenge is another each time; which unit it is for is signed, and bound to the unit's own address.
    Row { method: "POST", body: |_| json!({ "for": 1 }), ..page("/api/v1/auth/passkey/challenge") },
    Row { method: "POST", body: |ids| json!({ "ticket": ids.ticket }), ..page("/api/v1/auth/passkey") },
    page("/api/v1/auth/ways"),
    page("/api/v1/auth/provider"),
    page("/api/v1/auth/provider/callback"),
    own("GET", "/api/v1/me", |_| json!({})),
    own("POST", "/api/v1/me/passkeys", |_| json!({})),
    own("POST", "/api/v1/me/passkeys/challenge", |_| json!({})),
    Row { names_something: true, ..own("DELETE", "/api/v1/me/passkeys/{id}", |_| json!({})) },
    Row { names_something: true, ..own("DELETE", "/api/v1/me/sessions/{id}", |_| json!({})) },
    own("POST", "/api/v1/me/password", |_| json!({ "old": "none of mine", "new": "another good one" })),
    own("POST", "/api/v1/me/recovery-codes", |_| json!({})),
    Row {
        names_something: true,
        // A place in an order, as above.
        query: |ids| format!("?after={}", ids.person),
        ..own("GET", "/api/v1/people", |_| json!({}))
    },
    Row {
        names_something: true,
        // Without a role nobody is invited: what is said of the address and the room is what counts.
        ..own(
            "POST",
            "/api/v1/people",
            |ids| json!({ "email": ids.email, "name": "Ana", "roles": [], "duties": [ids.waiting_room] }),
        )
    },
    Row {
        names_something: true,
        // A place in an order, as above.
        query: |ids| format!("?after={}", ids.waiting_room),
        ..own("GET", "/api/v1/waiting-rooms", |_| json!({}))
    },
    Row { found_by: Some("Clinician"), ..person("POST", "/api/v1/waiting-rooms/{id}/seat", |_| json!({})) },
    person("GET", "/api/v1/people/{id}", |_| json!({})),
    Row {
        names_something: true,
        status: 200,
        ..person(
            "POST",
            "/api/v1/graphql",
            |ids| json!({ "query": format!("{{ person(id: \"{}\") {{ name }} }}", ids.person) }),
        )
    },
    person("PATCH", "/api/v1/people/{id}", |_| json!({ "disabled": false })),
    person("POST", "/api/v1/people/{id}/invitation", |_| json!({})),
    person("GET", "/api/v1/people/{id}/rights", |_| json!({})),
    Row {
        names_something: true,
        query: |ids| format!("?visit={}", ids.visit),
        ..own("GET", "/api/v1/audit", |_| json!({}))
    },
    own("GET", "/api/v1/audit/chain", |_| json!({})),
    own("GET", "/api/v1/audit/holds", |_| json!({})),
    // Without a reason none is placed.
    own("POST", "/api/v1/audit/holds", |_| json!({ "over": { "what": "unit" }, "reason": "" })),
    Row { found_by: None, ..person("DELETE", "/api/v1/audit/holds/{id}", |_| json!({})) },
    own("GET", "/api/v1/status", |_| json!({})),
    own("GET", "/api/v1/unit/settings", |_| json!({})),
    own("PATCH", "/api/v1/unit/settings", |_| json!({})),
    own("GET", "/api/v1/partner-keys", |_| json!({})),
    // Without a scope none is made.
    own("POST", "/api/v1/partner-keys", |_| json!({ "name": "Ana", "scopes": [], "days": 1 })),
    person("DELETE", "/api/v1/partner-keys/{id}", |_| json!({})),
    own("GET", "/api/v1/webhooks", |_| json!({})),
    // Without an event none is added.
    own("POST", "/api/v1/webhooks", |_| json!({ "url": "https://his.example", "events": [] })),
    Row { found_by: None, ..person("DELETE", "/api/v1/webhooks/{id}", |_| json!({})) },
    Row { found_by: None, ..person("POST", "/api/v1/webhooks/{id}/secret", |_| json!({})) },
    Row { found_by: None, ..person("POST", "/api/v1/webhooks/{id}/on", |_| json!({})) },
    Row { found_by: None, ..person("POST", "/api/v1/webhooks/{id}/replay", |_| json!({ "fromTime": 0 })) },
    Row { found_by: None, ..person("GET", "/api/v1/webhooks/{id}/deliveries", |_| json!({})) },
    own("GET", "/api/v1/visit/access", |_| json!({})),
    secret("/api/v1/visit/access", 401, |ids| json!({ "secret": ids.link })),
    own("GET", "/api/v1/emergencies", |_| json!({})),
    Row {
        names_something: true,
        // Without a reason none is declared: what is said of the room is what counts.
        ..own(
            "POST",
            "/api/v1/emergencies",
            |ids| json!({ "waitingRoom": ids.waiting_room, "category": "danger", "reason": "" }),
        )
    },
    own("GET", "/api/v1/emergencies/own", |_| json!({})),
    Row { found_by: Some("Auditor"), ..person("GET", "/api/v1/emergencies/{id}", |_| json!({})) },
    // Nobody ends another's: what is told of their own unit's is told here too.
    Row { found_by: None, ..person("POST", "/api/v1/emergencies/{id}/end", |_| json!({})) },
    Row {
        found_by: Some("Auditor"),
        ..person("POST", "/api/v1/emergencies/{id}/review", |_| json!({ "verdict": "justified" }))
    },
    own("POST", "/api/v1/auth/confirm", code),
    own("POST", "/api/v1/auth/unlock", code),
    own("POST", "/api/v1/auth/lock", |_| json!({})),
    own("POST", "/api/v1/auth/sign-out", |_| json!({})),
];

impl Row {
    pub(super) fn of(method: &str, route: &str) -> &'static Self {
        ROWS.iter().find(|row| row.method == method && row.route == route).unwrap()
    }
}
