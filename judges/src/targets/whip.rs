//! WHIP and WHEP: whole requests to the router of a node that runs.

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode, header},
};
use model::{ParticipantId, RoomId, TenantId};
use sfu::{
    Advertise, Config, Service,
    http::{BadToken, Claims, TokenDirection, VerifyToken},
};
use sfu_core::sdp;
use std::{
    net::Ipv4Addr,
    sync::{Arc, LazyLock},
};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use uuid::Uuid;

/// The only room, and what opens it.
const ROOM: Uuid = Uuid::from_u128(1);

struct Words;

impl VerifyToken for Words {
    fn verify(&self, token: &str) -> Result<Claims, BadToken> {
        let direction = match token {
            "publish" => TokenDirection::Publish,
            "watch" => TokenDirection::Subscribe { feed: None },
            _ => return Err(BadToken),
        };
        let participant = ParticipantId(Uuid::from_u128(2));
        Ok(Claims { tenant: TenantId(ROOM), room: RoomId(ROOM), participant, direction })
    }
}

struct Node {
    runtime: Runtime,
    router: Router,
}

static NODE: LazyLock<Node> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let advertise = Advertise::These(vec![Ipv4Addr::LOCALHOST.into()]);
    let config = Config { advertise, ..Config::ephemeral() };
    let (service, handle, mut events) = Service::new(config, &prometheus::Registry::new()).expect("a node");
    let never = CancellationToken::new();
    runtime.spawn(async move { while events.recv().await.is_some() {} });
    runtime.spawn(service.run(never));
    Node { runtime, router: sfu::http::router(handle, Arc::new(Words)) }
});

/// `METHOD path`, `token`, `content type`, each a line, then the body. Nobody is let in without a token for that room
/// and half of the protocol and an offer that can be read; no request is answered with a fault of ours; who was let in
/// can leave.
pub(super) fn request(data: &[u8]) -> bool {
    let mut lines = data.splitn(4, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (first, token, content_type, body) = (line(), line(), line(), line().to_vec());
    let mut words = first.splitn(2, |byte| *byte == b' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let bearer = [b"Bearer ", token].concat();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::AUTHORIZATION, bearer.as_slice())
        .header(header::CONTENT_TYPE, content_type)
        .body(Body::from(body.clone()));
    let Ok(request) = request else { return false };
    let route = request.uri().path().to_owned();
    let (status, headers) = ask(request);
    assert!(!status.is_server_error() || status == StatusCode::SERVICE_UNAVAILABLE, "{status}");
    if status == StatusCode::CREATED {
        let publishes = token.trim_ascii() == b"publish" && route.starts_with("/whip/");
        assert!(publishes || token.trim_ascii() == b"watch" && route.starts_with("/whep/"), "{route}");
        let room = route.split('/').nth(2).and_then(|room| room.parse::<Uuid>().ok());
        assert_eq!(room, Some(ROOM), "another room's");
        let offer = std::str::from_utf8(&body).expect("an offer is text");
        assert!(sdp::read_offer(offer).is_ok(), "no offer was answered");
        let location = headers.get(header::LOCATION).expect("a session has a place");
        let bye = Request::delete(location.to_str().expect("a path"))
            .header(header::AUTHORIZATION, bearer)
            .body(Body::empty())
            .expect("a request");
        assert_eq!(ask(bye).0, StatusCode::OK, "who was let in can leave");
    }
    status.is_success()
}

fn ask(request: Request<Body>) -> (StatusCode, HeaderMap) {
    let answer = NODE.runtime.block_on(NODE.router.clone().oneshot(request)).expect("an answer");
    (answer.status(), answer.headers().clone())
}
