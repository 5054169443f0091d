//! WHIP and WHEP in a fleet. A request reaches any media node; a room's media is on one.
//!
//! ```text
//! POST /whip/{room} ─▶ any node ─ has it the room? ─▶ answers
//!                          └─ asks the others ─▶ passes the request on to who has it, or, where nobody
//!                                                has, to the node that all of them choose
//! ```
//!
//! The answer comes back the way the request went, and `DELETE` finds its session the same way, so that neither the
//! device nor the edge knows of nodes. Who asks is shown by the request's own token, which every node can check.

use crate::limits::{DEVICE_ANSWER_BYTES, DEVICE_ASK_WITHIN, DEVICE_PASS_WITHIN, MAX_NODES_ASKED};
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::get,
};
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use model::{RoomId, TenantId};
use platform::{
    exchange::exchange,
    keys::bearer,
    problem::{self, Problem},
    trace,
};
use sfu::http::{Claims, VerifyToken};
use sfu_core::limits::MAX_OFFER_BYTES;
use sfu_link::NodeInfo;
use std::{sync::Arc, time::Duration};
use tokio::{net::TcpStream, sync::watch, time::timeout};
use uuid::Uuid;

/// Where one node asks another, on the network between processes.
const INSIDE: &str = "/devices";

/// What a node needs to find the one that a request is for.
pub(crate) struct Devices {
    pub(crate) media: sfu::Handle,
    pub(crate) verifier: Arc<dyn VerifyToken>,
    /// This node's name.
    pub(crate) me: String,
    pub(crate) nodes: watch::Receiver<Vec<NodeInfo>>,
}

/// The endpoints for devices, whichever node their room is on.
pub(crate) fn router(devices: &Arc<Devices>) -> Router {
    let local = sfu::http::router(devices.media.clone(), Arc::clone(&devices.verifier));
    local.route_layer(middleware::from_fn_with_state(Arc::clone(devices), find))
}

/// The same for other nodes: nothing is passed on from here.
pub(crate) fn inside(devices: &Arc<Devices>) -> Router {
    let local = sfu::http::router(devices.media.clone(), Arc::clone(&devices.verifier));
    let asked = Router::new()
        .route("/room", get(has_room))
        .route("/session/{id}", get(has_session))
        .with_state(Arc::clone(devices));
    Router::new().nest(INSIDE, local.merge(asked))
}

async fn find(State(devices): State<Arc<Devices>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let home = devices.home_of(&parts).await;
    let request = Request::from_parts(parts, body);
    match home {
        None => next.run(request).await,
        Some(address) => timeout(DEVICE_PASS_WITHIN, pass_on(&address, request))
            .await
            .unwrap_or_else(|_| Err(later()))
            .unwrap_or_else(|problem| {
                let mut response = problem.into_response();
                // As on everything that is said here: pages of other origins may read it.
                let headers = response.headers_mut();
                headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
                response
            }),
    }
}

async fn has_room(State(devices): State<Arc<Devices>>, headers: HeaderMap) -> StatusCode {
    match devices.claims(&headers) {
        None => StatusCode::UNAUTHORIZED,
        Some(Claims { tenant, room, .. }) if devices.takes(tenant, room) => StatusCode::NO_CONTENT,
        Some(_) => StatusCode::NOT_FOUND,
    }
}

async fn has_session(
    State(devices): State<Arc<Devices>>,
    Path(id): Path<Uuid>,
    headers: HeaderMap,
) -> StatusCode {
    match devices.claims(&headers) {
        None => StatusCode::UNAUTHORIZED,
        Some(claims) if devices.media.has_resource(claims.tenant, id) => StatusCode::NO_CONTENT,
        Some(_) => StatusCode::NOT_FOUND,
    }
}

impl Devices {
    /// The address of the node that a request is for; none when it is this one, or when nothing can be found out: then
    /// this one says what is wrong.
    async fn home_of(&self, request: &Parts) -> Option<String> {
        let claims = self.claims(&request.headers)?;
        let authorization = request.headers.get(header::AUTHORIZATION)?;
        match request.method {
            Method::POST if self.takes(claims.tenant, claims.room) => None,
            Method::POST => {
                let asked = self.ask(&format!("{INSIDE}/room"), authorization).await;
                asked.has_it.or_else(|| self.chosen(claims.room, asked.alive))
            }
            Method::DELETE => {
                let id: Uuid = request.uri.path().rsplit('/').next()?.parse().ok()?;
                if self.media.has_resource(claims.tenant, id) {
                    return None;
                }
                self.ask(&format!("{INSIDE}/session/{id}"), authorization).await.has_it
            }
            _ => None,
        }
    }

    fn claims(&self, headers: &HeaderMap) -> Option<Claims> {
        self.verifier.verify(bearer(headers)?).ok()
    }

    /// Whether somebody is in a room here, and more may come.
    fn takes(&self, tenant: TenantId, room: RoomId) -> bool {
        !self.media.draining() && self.media.has_room(tenant, room)
    }

    /// Asks every other node, until one says yes. Those that do not answer in time do not have it, and get nothing new.
    async fn ask(&self, path: &str, authorization: &HeaderValue) -> Asked {
        let others: Vec<_> = {
            let nodes = self.nodes.borrow();
            let others = nodes.iter().filter(|node| node.id != self.me).take(MAX_NODES_ASKED);
            others.filter_map(|node| Some((node.clone(), address(&node.url)?.to_owned()))).collect()
        };
        let ask = async |(node, address): (NodeInfo, String)| {
            let answer = timeout(DEVICE_ASK_WITHIN, status(&address, path, authorization)).await;
            (node, address, answer.ok().flatten())
        };
        let mut asking: FuturesUnordered<_> = others.into_iter().map(ask).collect();
        let mut asked = Asked::default();
        while let Some((node, address, answer)) = asking.next().await {
            match answer {
                Some(StatusCode::NO_CONTENT) => return Asked { has_it: Some(address), ..asked },
                Some(_) if !node.draining => asked.alive.push((node.id, address)),
                Some(_) | None => {}
            }
        }
        asked
    }

    /// Where a room begins that is nowhere yet; none is here.
    fn chosen(&self, room: RoomId, others: Vec<(String, String)>) -> Option<String> {
        let me = (!self.media.draining()).then_some(self.me.as_str());
        let names = others.iter().map(|(name, _)| name.as_str()).chain(me);
        let chosen = choose(room, names)?.to_owned();
        others.into_iter().find(|(name, _)| *name == chosen).map(|(_, address)| address)
    }
}

/// What the other nodes say.
#[derive(Default)]
struct Asked {
    /// The address of the one that has it.
    has_it: Option<String>,
    /// Names and addresses of those that answered and take something new.
    alive: Vec<(String, String)>,
}

/// The node that everybody who knows the same nodes chooses, whichever it is asked at: the one of the highest weight, so
/// that one that comes or goes moves no other node's rooms.
fn choose<'a>(room: RoomId, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names.max_by_key(|name| (weight(room, name), *name))
}

/// FNV-1a of the name and the room, then mixed.
fn weight(room: RoomId, name: &str) -> u64 {
    let bytes = name.bytes().chain(room.0.into_bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed ^ (mixed >> 33)
}

/// `host:port` of a node.
fn address(url: &str) -> Option<&str> {
    url.strip_prefix("ws://")?.split('/').next()
}

async fn status(address: &str, path: &str, authorization: &HeaderValue) -> Option<StatusCode> {
    let request =
        Request::get(path).header(header::HOST, address).header(header::AUTHORIZATION, authorization);
    Some(answer_of(address, request.body(Body::empty()).ok()?).await?.status())
}

/// Sends a request to another node, and its answer back.
async fn pass_on(address: &str, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_OFFER_BYTES)
        .await
        .map_err(|_| Problem::new(problem::TOO_LARGE).detail("An offer has at most 48 KiB."))?;
    let mut passed = Request::builder()
        .method(parts.method)
        .uri(format!("{INSIDE}{}", parts.uri.path()))
        .header(header::HOST, address);
    for name in [header::AUTHORIZATION, header::CONTENT_TYPE] {
        if let Some(value) = parts.headers.get(&name) {
            passed = passed.header(name, value);
        }
    }
    let mut passed = passed.body(Body::from(body)).map_err(|_| Problem::new(problem::BAD_REQUEST))?;
    trace::send_along(passed.headers_mut());
    answer_of(address, passed).await.ok_or_else(later)
}

/// Asks another node. The answer's body has arrived.
async fn answer_of(address: &str, request: Request) -> Option<Response> {
    let stream = timeout(DEVICE_ASK_WITHIN, TcpStream::connect(address)).await.ok()?.ok()?;
    stream.set_nodelay(true).ok()?;
    let (mut parts, body) = exchange(stream, request, DEVICE_ANSWER_BYTES).await.ok()?.into_parts();
    for of_the_connection in [header::CONNECTION, header::TRANSFER_ENCODING, header::CONTENT_LENGTH] {
        parts.headers.remove(of_the_connection);
    }
    Some(Response::from_parts(parts, Body::from(body?)))
}

fn later() -> Problem {
    Problem::new(problem::UNAVAILABLE).retry_after(Duration::from_secs(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(n: u128) -> RoomId {
        RoomId(Uuid::from_u128(n))
    }

    #[test]
    fn everybody_chooses_the_same_node_and_one_that_goes_moves_nobody_elses_rooms() {
        let all = ["sfu-1", "sfu-2", "sfu-3"];
        let mut rooms = [0; 3];
        for n in 0..3_000 {
            let chosen = choose(room(n), all.into_iter()).unwrap();
            assert_eq!(choose(room(n), all.into_iter().rev()), Some(chosen));
            rooms[all.iter().position(|name| *name == chosen).unwrap()] += 1;
            let without = choose(room(n), all.into_iter().filter(|name| *name != "sfu-2")).unwrap();
            assert!(chosen == "sfu-2" || without == chosen);
        }
        assert!(rooms.iter().all(|count| (800..1_200).contains(count)), "{rooms:?}");
        assert_eq!(choose(room(1), std::iter::empty()), None);
    }

    #[test]
    fn a_nodes_address_is_in_its_url() {
        assert_eq!(address("ws://10.0.0.1:7000/media-link"), Some("10.0.0.1:7000"));
        assert_eq!(address("http://10.0.0.1:7000/"), None);
    }
}
