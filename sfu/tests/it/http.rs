//! WHIP and WHEP, as any standard client would use them.

use crate::node::{Node, eventually, room, tenant, who};
use axum::{
    Router,
    body::Body,
    http::{Method, Request, Response, StatusCode, header},
};
use sfu::http::{BadToken, Claims, TokenDirection, VerifyToken, router};
use std::{sync::Arc, time::Duration};
use testkit::media_client::{MediaClient, Options, Sink, Source, Tag};
use tower::ServiceExt as _;

const DEVICE: Tag = Tag(9);

/// `publish 1`, `watch 2` or `watch 2 1` (participant 2, only the feed of 1), all for room 1.
struct Words;

impl VerifyToken for Words {
    fn verify(&self, token: &str) -> Result<Claims, BadToken> {
        let mut words = token.split('-');
        let (what, participant) = (words.next(), words.next().and_then(|n| n.parse().ok()));
        let direction = match what {
            Some("publish") => TokenDirection::Publish,
            Some("watch") => {
                TokenDirection::Subscribe { feed: words.next().and_then(|n| n.parse().ok()).map(who) }
            }
            _ => return Err(BadToken),
        };
        let participant = participant.map(who).ok_or(BadToken)?;
        Ok(Claims { tenant: tenant(), room: room(1), participant, direction })
    }
}

struct Web<'a> {
    node: &'a Node,
    router: Router,
}

impl<'a> Web<'a> {
    fn new(node: &'a Node) -> Self {
        Self { node, router: router(node.handle.clone(), Arc::new(Words)) }
    }

    fn ask(
        &self,
        method: Method,
        path: &str,
        token: &str,
        content_type: &str,
        body: impl Into<Body>,
    ) -> Response<Body> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, content_type)
            .body(body.into())
            .unwrap();
        self.node.runtime.block_on(self.router.clone().oneshot(request)).unwrap()
    }

    fn post(&self, path: &str, token: &str, body: impl Into<Body>) -> Response<Body> {
        self.ask(Method::POST, path, token, "application/sdp", body)
    }

    fn text(&self, response: Response<Body>) -> String {
        let bytes = self.node.runtime.block_on(axum::body::to_bytes(response.into_body(), 1 << 20)).unwrap();
        String::from_utf8(bytes.into()).unwrap()
    }

    /// Posts an offer and connects; the client and its session's URL.
    fn open(&self, path: &str, token: &str, options: Options) -> (MediaClient, String) {
        let (client, offer) = MediaClient::offer(options).unwrap();
        let response = self.post(path, token, offer);
        assert_eq!(response.status(), StatusCode::CREATED);
        let headers = response.headers();
        assert_eq!(headers[header::CONTENT_TYPE], "application/sdp");
        assert!(headers.contains_key(header::ETAG) && !headers.contains_key("accept-patch"));
        let location = headers[header::LOCATION].to_str().unwrap().to_owned();
        client.answer(&self.text(response)).unwrap();
        client.connected().unwrap();
        (client, location)
    }
}

fn whip() -> String {
    format!("/whip/{}", room(1))
}

fn whep(feed: u128) -> String {
    format!("/whep/{}/{}", room(1), who(feed))
}

#[test]
fn a_device_publishes_and_two_people_watch_one_of_them_from_before_it_began() {
    let node = Node::start();
    let web = Web::new(&node);
    let (early, _) = web.open(&whep(1), "watch-2", Options::whep());
    let (device, location) = web.open(&whip(), "publish-1", Options::whip());
    device.send(Source::Microphone, DEVICE);
    device.send(Source::Camera, DEVICE);
    assert!(early.wait(|s| s.hears(0, DEVICE) && s.sees(0, DEVICE)), "the feed began after the subscriber");
    let (late, watching) = web.open(&whep(1), "watch-3-1", Options::whep());
    assert!(late.wait(|s| s.hears(0, DEVICE) && s.sees(0, DEVICE)));
    // A person in the room's browser call sees the device too.
    let (browser, _) = node.join(7, Some(1));
    assert!(browser.wait(|s| s.sees(0, DEVICE)));
    // A subscriber of one feed does not receive another.
    browser.send(Source::Microphone, Tag(7));
    assert!(node.value("packets_total", Some("audio")) > 0.0);
    assert!(late.wait(|s| s.total(Sink::audio(0)) > 100));
    assert_eq!(late.seen().tags().into_iter().collect::<Vec<_>>(), [DEVICE]);

    assert_eq!(web.ask(Method::DELETE, &watching, "watch-3-1", "", "").status(), 200);
    assert!(late.wait(|s| s.closed.is_some()));
    assert_eq!(web.ask(Method::DELETE, &location, "publish-1", "", "").status(), 200);
    assert!(device.wait(|s| s.closed.is_some()));
    assert!(eventually(Duration::from_secs(5), || web
        .ask(Method::DELETE, &location, "publish-1", "", "")
        .status()
        == 404));

    // The subscriber that is still there waits again, and the feed comes back.
    let (again, _) = web.open(&whip(), "publish-1", Options::whip());
    early.seen().forget();
    again.send(Source::Camera, Tag(10));
    assert!(early.wait(|s| s.sees(0, Tag(10))));
}

#[test]
fn what_is_refused_and_how() {
    let node = Node::start();
    let web = Web::new(&node);
    let offer = || MediaClient::offer(Options::whip()).unwrap().1;
    let status = |path: &str, token: &str, body: String| web.post(path, token, body).status().as_u16();
    let elsewhere = format!("/whip/{}", room(2));
    for (path, token, body, expected) in [
        (whip(), "forged", offer(), 401),
        (elsewhere, "publish-1", offer(), 401),
        (whip(), "watch-2", offer(), 401),
        (whep(1), "publish-1", offer(), 401),
        (whep(5), "watch-3-1", offer(), 401),
        ("/whip/nonsense".to_owned(), "publish-1", offer(), 404),
        (whip(), "publish-1", String::new(), 400),
        (whip(), "publish-1", "v=0\r\ns=-\r\n".to_owned(), 400),
        (whip(), "publish-1", offer().replace("a=mid:", "a=x:"), 400),
        (whip(), "publish-1", "v=0\r\n".repeat(200_000), 413),
    ] {
        assert_eq!(status(&path, token, body), expected, "{path} with {token}");
    }
    let same_words = |token| {
        let text = web.text(web.post(&whip(), token, offer()));
        let mut problem: serde_json::Value = serde_json::from_str(&text).unwrap();
        problem["trace_id"] = "".into();
        problem
    };
    assert_eq!(same_words("forged"), same_words("watch-2"));

    let wrong = web.ask(Method::POST, &whip(), "publish-1", "text/plain", offer());
    assert_eq!(wrong.status(), 415);
    for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE] {
        let response = web.ask(method, &whip(), "publish-1", "application/sdp", "");
        assert_eq!(response.status(), 405);
        assert_eq!(response.headers()[header::ALLOW], "POST, OPTIONS");
    }
    let options = web.ask(Method::OPTIONS, &whip(), "", "", "");
    assert_eq!(options.status(), 204);
    assert_eq!(options.headers()["accept-post"], "application/sdp");
    assert_eq!(options.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");

    let (_device, location) = web.open(&whip(), "publish-1", Options::whip());
    assert!(
        eventually(Duration::from_secs(5), || status(&whip(), "publish-1", offer()) == 409),
        "a second publisher"
    );
    assert_eq!(
        web.ask(Method::DELETE, &location, "publish-2", "", "").status(),
        404,
        "somebody else's session"
    );
    assert_eq!(web.ask(Method::PATCH, &location, "publish-1", "", "").status(), 405);
    node.handle.drain();
    let draining = web.post(&whep(1), "watch-2", offer());
    assert_eq!(draining.status(), 503);
    assert!(draining.headers().contains_key(header::RETRY_AFTER));
}
