//! Which lane each route is in: one table. A test of the server looks for routes in the sources and demands that
//! each stands here.

use platform::lane::Lane::{self, Batch, Critical, Standard};

/// Every route of the public listener.
pub const ROUTES: &[(&str, Lane)] = &[
    // Somebody joins, waits or talks: signaling, and what it needs before it.
    ("/ws", Critical),
    ("/api/v1/links/exchange", Critical),
    ("/whip/{room}", Critical),
    ("/whip/session/{id}", Critical),
    ("/whep/{room}/{participant}", Critical),
    ("/whep/session/{id}", Critical),
    ("/api/v1/waiting-rooms/{id}/seat", Critical),
    // A practice's own system, in the evening.
    ("/api/v1/history", Batch),
    // Who signs in, who works here.
    ("/api/v1/auth/sign-in", Standard),
    ("/api/v1/auth/second", Standard),
    ("/api/v1/auth/passkey", Standard),
    ("/api/v1/auth/passkey/challenge", Standard),
    ("/api/v1/auth/ways", Standard),
    ("/api/v1/auth/provider", Standard),
    ("/api/v1/auth/provider/callback", Standard),
    ("/api/v1/auth/renew", Standard),
    ("/api/v1/auth/lock", Standard),
    ("/api/v1/auth/unlock", Standard),
    ("/api/v1/auth/confirm", Standard),
    ("/api/v1/auth/sign-out", Standard),
    ("/api/v1/auth/invitation", Standard),
    ("/api/v1/auth/join", Standard),
    ("/api/v1/me", Standard),
    ("/api/v1/me/password", Standard),
    ("/api/v1/me/recovery-codes", Standard),
    ("/api/v1/me/passkeys", Standard),
    ("/api/v1/me/passkeys/challenge", Standard),
    ("/api/v1/me/passkeys/{id}", Standard),
    ("/api/v1/me/sessions/{id}", Standard),
    ("/api/v1/people", Standard),
    ("/api/v1/waiting-rooms", Standard),
    ("/api/v1/people/{id}", Standard),
    ("/api/v1/people/{id}/invitation", Standard),
    ("/api/v1/people/{id}/rights", Standard),
    // Whose pages these are.
    ("/api/v1/unit", Standard),
    ("/api/v1/unit/settings", Standard),
    // How the platform does: asked when it does not do well.
    ("/api/v1/status", Standard),
    // What verifies our tokens.
    ("/.well-known/jwks.json", Standard),
    // Somebody may be dying: it waits for nobody's office work.
    ("/api/v1/emergencies", Critical),
    ("/api/v1/emergencies/own", Standard),
    ("/api/v1/emergencies/{id}", Standard),
    ("/api/v1/emergencies/{id}/end", Standard),
    ("/api/v1/emergencies/{id}/review", Standard),
    ("/api/v1/partner-keys", Standard),
    ("/api/v1/partner-keys/{id}", Standard),
    ("/api/v1/webhooks", Standard),
    ("/api/v1/webhooks/{id}", Standard),
    ("/api/v1/webhooks/{id}/secret", Standard),
    ("/api/v1/webhooks/{id}/on", Standard),
    ("/api/v1/webhooks/{id}/replay", Standard),
    ("/api/v1/webhooks/{id}/deliveries", Standard),
    // Who did what.
    ("/api/v1/audit", Standard),
    ("/api/v1/audit/chain", Standard),
    ("/api/v1/audit/holds", Standard),
    ("/api/v1/audit/holds/{id}", Standard),
    ("/api/v1/visit/access", Standard),
    // What there is to ask.
    ("/api", Standard),
    ("/api/v1/openapi.json", Standard),
    ("/api/v1/graphql", Standard),
    // Pages, which browsers keep and ask for again.
    ("/", Standard),
    ("/visit", Standard),
    ("/clinic", Standard),
    ("/sign-in", Standard),
    ("/join", Standard),
    ("/rooms", Standard),
    ("/admin", Standard),
    ("/account", Standard),
    ("/assets/{*path}", Standard),
    ("/{file}", Standard),
    ("/problems/style.css", Standard),
    ("/problems/{code}", Standard),
];

/// The lane of a route; what matches none is answered in the standard lane.
pub fn lane(route: Option<&str>) -> Lane {
    let known = route.and_then(|route| ROUTES.iter().find(|(known, _)| *known == route));
    known.map_or(Standard, |(_, lane)| *lane)
}
