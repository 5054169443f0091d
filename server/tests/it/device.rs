//! WHIP and WHEP with the links that `telehealth token` prints.

use crate::{
    http::{Answer, ask},
    process::Server,
};
use serde_json::Value;
use testkit::media_client::{MediaClient, Options, Source, Tag};

pub(crate) const SDP: (&str, &str) = ("content-type", "application/sdp");

pub(crate) struct Link {
    pub(crate) path: String,
    pub(crate) bearer: String,
}

impl Link {
    pub(crate) fn of(json: &Value) -> Self {
        let url = json["url"].as_str().unwrap();
        let path = url.splitn(4, '/').nth(3).unwrap();
        Self { path: format!("/{path}"), bearer: format!("Bearer {}", json["token"].as_str().unwrap()) }
    }

    pub(crate) fn post(&self, server: &Server, offer: &str) -> Answer {
        ask(server.http(), "POST", &self.path, &[SDP, ("authorization", &self.bearer)], offer)
    }

    /// Connects a client; where its session is.
    pub(crate) fn connect(&self, server: &Server, options: Options) -> (MediaClient, String) {
        let (client, offer) = MediaClient::offer(options).unwrap();
        let answer = self.post(server, &offer);
        assert_eq!(answer.status, 201, "{}", answer.body);
        assert_eq!(answer.headers["content-type"], "application/sdp");
        client.answer(&answer.body).unwrap();
        client.connected().unwrap();
        (client, answer.headers["location"].clone())
    }
}

/// Every line called like the first.
pub(crate) fn with_repeated_mids(offer: &str) -> String {
    let mids: Vec<&str> = offer.lines().filter_map(|line| line.strip_prefix("a=mid:")).collect();
    assert!(mids.len() > 1, "{offer}");
    mids.iter().fold(offer.to_owned(), |offer, mid| {
        offer.replace(&format!("a=mid:{mid}\r\n"), &format!("a=mid:{}\r\n", mids[0]))
    })
}

#[test]
fn what_a_device_publishes_the_other_receives_even_if_it_asked_first() {
    let server = Server::start();
    let lines = server.tokens(&["--rooms", "1", "--participants", "2"]);
    let (publisher, subscriber) = (&lines[0], &lines[1]);
    assert_eq!(subscriber["subscribe"][0]["participant"], publisher["participant"]);
    let listen = Link::of(&subscriber["subscribe"][0]);
    let (viewer, _) = listen.connect(&server, Options::whep());
    let publish = Link::of(&publisher["publish"]);
    let (camera, location) = publish.connect(&server, Options::whip());
    camera.send(Source::Microphone, Tag(9));
    camera.send(Source::Camera, Tag(9));
    assert!(viewer.wait(|seen| seen.hears(0, Tag(9)) && seen.sees(0, Tag(9))), "{:?}", viewer.seen().tags());

    let delete =
        |bearer: &str| ask(server.http(), "DELETE", &location, &[("authorization", bearer)], "").status;
    assert_eq!(delete(&listen.bearer), 404);
    assert_eq!(delete("Bearer none"), 401);
    assert_eq!(delete(&publish.bearer), 200);
    let gone = std::time::Instant::now();
    // Its shard has yet to say that it is gone; until then it may be ended again.
    while delete(&publish.bearer) != 404 {
        assert!(gone.elapsed() < testkit::media_client::PATIENCE);
    }
}

#[test]
fn each_mistake_has_its_status() {
    let server = Server::start();
    let lines = server.tokens(&["--rooms", "2", "--participants", "2"]);
    let (mine, foreign) = (Link::of(&lines[0]["publish"]), Link::of(&lines[2]["publish"]));
    let listen = Link::of(&lines[0]["subscribe"][0]);
    let (_client, offer) = MediaClient::offer(Options::whip()).unwrap();
    let check = |what: &str, answer: Answer, status: u16, code: &str| {
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{what}: {}", answer.body);
    };
    let post =
        |path: &str, headers: &[(&str, &str)], body: &str| ask(server.http(), "POST", path, headers, body);
    let auth = ("authorization", mine.bearer.as_str());

    check("no token", post(&mine.path, &[SDP], &offer), 401, "unauthorized");
    check("another room's token", post(&foreign.path, &[SDP, auth], &offer), 401, "unauthorized");
    check("a publisher subscribes", post(&listen.path, &[SDP, auth], &offer), 401, "unauthorized");
    check("no content type", post(&mine.path, &[auth], &offer), 415, "unsupported-media-type");
    check("a megabyte", mine.post(&server, &"a".repeat(1_024 * 1_024)), 413, "too-large");
    check("not SDP", mine.post(&server, "hello"), 400, "bad-request");
    check("no m-lines", mine.post(&server, offer.split("m=").next().unwrap()), 400, "bad-request");
    check("mids twice", mine.post(&server, &with_repeated_mids(&offer)), 400, "bad-request");
    check("GET", ask(server.http(), "GET", &mine.path, &[auth], ""), 405, "method-not-allowed");
    check(
        "no such session",
        ask(server.http(), "DELETE", "/whip/session/none", &[auth], ""),
        404,
        "not-found",
    );

    let (_client, _) = mine.connect(&server, Options::whip());
    let (_second, offer) = MediaClient::offer(Options::whip()).unwrap();
    check("publishing twice", mine.post(&server, &offer), 409, "conflict");
}
