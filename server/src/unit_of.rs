//! Which healthcare unit a request is for, and that a device's token is one of it.
//!
//! The host that a browser asks for decides ([`tenancy::Units::of_host`]). What a proxy says that it was asked for
//! (`X-Forwarded-Host`) does not count: a proxy passes `Host` on as it came.

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{Html, IntoResponse as _, Response},
};
use model::{Role, TenantId, VisitId, WaitingRoomId};
use platform::{
    clock::Clock,
    keys::bearer,
    problem::{self, Problem},
};
use policy::{Kind, Participant, Place, Subject};
use sfu::http::{Claims, TokenDirection, VerifyToken};
use std::sync::Arc;
use tenancy::{Directory, Host, Unit, Units};

const NOBODY: &str = "<!doctype html><html lang=en><meta charset=utf-8><title>There is nothing here</title>\
    <h1>There is nothing here</h1><p>Please check the address: it is the one in your invitation, or on the card of your \
    clinic.</p></html>\n";

/// Middleware: finds the unit and hands it on as an extension, `Arc<Unit>`; 404 where the host is nobody's.
pub(crate) async fn find(State(units): State<Arc<Directory>>, mut request: Request, next: Next) -> Response {
    match of(&units.now(), request.uri(), request.headers()) {
        Some(unit) => {
            request.extensions_mut().insert(unit);
            next.run(request).await
        }
        None => nobody(request.method(), request.headers()),
    }
}

/// RFC 9112, 3.2.2: what stands in the request line outweighs the field. Two fields name nobody (3.2).
fn of(units: &Units, uri: &Uri, headers: &HeaderMap) -> Option<Arc<Unit>> {
    let mut fields = headers.get_all(header::HOST).iter();
    let authority = match (uri.authority(), fields.next(), fields.next()) {
        (_, _, Some(_)) => return None,
        (Some(authority), _, None) => Some(authority.as_str()),
        (None, field, None) => field.and_then(|field| field.to_str().ok()),
    };
    let host = authority.and_then(Host::of_authority);
    units.of_host(host.as_ref()).cloned()
}

fn nobody(method: &Method, headers: &HeaderMap) -> Response {
    let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if *method != Method::GET || !accepts.contains("text/html") {
        return Problem::new(problem::NOT_FOUND).into_response();
    }
    let fields = [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ];
    (StatusCode::NOT_FOUND, fields, Html(NOBODY)).into_response()
}

/// What judges devices before they get to the media plane.
#[derive(Clone)]
struct Guard {
    verifier: Arc<dyn VerifyToken>,
    clock: Arc<dyn Clock>,
    /// Whether this process knows all units. One that has no database knows what a token says, and no more.
    knows: bool,
}

/// Puts the policy before WHIP and WHEP. A token that it refuses counts as none.
pub(crate) fn judge_devices(
    devices: Router,
    verifier: Arc<dyn VerifyToken>,
    clock: Arc<dyn Clock>,
    units: &Directory,
) -> Router {
    let guard = Guard { verifier, clock, knows: units.knows_all() };
    devices.route_layer(middleware::from_fn_with_state(guard, judged))
}

async fn judged(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let claims = bearer(request.headers()).and_then(|token| guard.verifier.verify(token).ok());
    if let Some(claims) = claims {
        let unit = request.extensions().get::<Arc<Unit>>().filter(|_| guard.knows).map(|unit| unit.id);
        if !may_stream(claims, unit, request.uri().path(), &guard) {
            request.headers_mut().remove(header::AUTHORIZATION);
        }
    }
    next.run(request).await
}

/// A device's seat is in one room, which is a waiting room and a visit of its own to the policy.
fn may_stream(claims: Claims, unit: Option<TenantId>, path: &str, guard: &Guard) -> bool {
    let Claims { tenant, room, participant, direction } = claims;
    let role = match direction {
        TokenDirection::Publish => Role::Device,
        TokenDirection::Subscribe { .. } => Role::Observer,
    };
    let (own_room, own_visit) = (WaitingRoomId(room.0), VisitId(room.0));
    let seat = Participant { tenant, waiting_room: own_room, visit: Some(own_visit), participant, role };
    // A session's path names no room: whose it is is judged where sessions are known.
    let asked = path.split('/').nth(2).and_then(|room| room.parse().ok()).unwrap_or(room.0);
    let place = Place::visit(unit.unwrap_or(tenant), WaitingRoomId(asked), VisitId(asked));
    policy::judge(&Subject::Participant(seat), Kind::StreamDevice, place, guard.clock.now()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use tenancy::Base;
    use uuid::Uuid;

    #[test]
    fn the_request_line_outweighs_the_field_and_two_fields_are_nobodys() {
        let base = Base {
            id: TenantId(Uuid::from_u128(1)),
            name: "Riverside".into(),
            url: "https://visits.example".into(),
            origins: Vec::new(),
            hosts: Vec::new(),
        };
        let mut registry = base.registry();
        registry.evolve(tenancy::registry::Event {
            unit: TenantId(Uuid::from_u128(2)),
            described: tenancy::Described {
                name: "Lakeside".into(),
                slug: "lakeside".into(),
                hosts: vec![Host::name("b.example").unwrap()],
                zone: "UTC".into(),
                language: tenancy::Language::En,
            },
        });
        let units = Units::new(&base, &registry);
        let whose = |uri: &str, hosts: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(header::HOST, HeaderValue::from_static(host));
            }
            of(&units, &uri.parse().unwrap(), &headers).map(|unit| unit.id.0.as_u128())
        };
        assert_eq!(whose("/x", &["b.example:443"]), Some(2));
        assert_eq!(whose("https://b.example/x", &["visits.example"]), Some(2));
        assert_eq!(whose("https://visits.example/x", &["b.example"]), Some(1));
        assert_eq!(whose("/x", &["b.example", "b.example"]), None);
        assert_eq!(whose("/x", &["c.example"]), None);
        assert_eq!(whose("/x", &[]), None);
    }
}
