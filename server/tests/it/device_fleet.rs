//! WHIP and WHEP where there are two media nodes: whichever is asked, those of one room meet.

use crate::{
    device::{Link, SDP},
    http::ask,
    process::Server,
};
use serde_json::Value;
use std::time::{Duration, Instant};
use testkit::{
    engines::{RedisServer, until},
    media_client::{MediaClient, Options, PATIENCE, Source, Tag},
};

/// To find out with whether the nodes know each other: more than anybody has time to try.
const ROOMS: usize = 2_000;
const KEYS: &str = "TELEHEALTH__FLEET__KEYS_DIR";

struct Nodes {
    nodes: [Server; 2],
    keys: tempfile::TempDir,
    _redis: RedisServer,
}

impl Nodes {
    /// Two, which know each other.
    fn start() -> Self {
        let (redis, keys) = (RedisServer::start(), tempfile::tempdir().unwrap());
        let url = redis.url();
        let start = |name: &str| {
            let environment = [
                ("TELEHEALTH__FLEET__LISTEN", "127.0.0.1:0"),
                ("TELEHEALTH__FLEET__NAME", name),
                ("TELEHEALTH__HTTP__PUBLIC_URL", "http://visits.example"),
                (KEYS, keys.path().to_str().unwrap()),
                ("TELEHEALTH__PRESENCE__REDIS", &url),
            ];
            Server::start_with(&["--roles", "sfu"], &environment)
        };
        Self { nodes: [start("sfu-1"), start("sfu-2")], keys, _redis: redis }
    }

    fn tokens(&self, rooms: usize) -> Vec<Value> {
        let rooms = rooms.to_string();
        let args = ["--rooms", &rooms, "--participants", "2"];
        self.nodes[0].tokens_with(&args, &[(KEYS, self.keys.path().to_str().unwrap())])
    }
}

fn delete(server: &Server, location: &str, bearer: &str) -> u16 {
    ask(server.http(), "DELETE", location, &[("authorization", bearer)], "").status
}

/// Until each passes on what is the other's. A room that has begun stays where it is, so each try is another room.
fn know_each_other(fleet: &Nodes) {
    let probe = fleet.tokens(ROOMS);
    let mut rooms = probe.iter().step_by(2);
    let (_client, offer) = MediaClient::offer(Options::whip()).unwrap();
    for (at, node) in fleet.nodes.iter().enumerate() {
        let other = &fleet.nodes[1 - at];
        let had = sessions(other);
        until("the nodes to meet", || {
            let room = rooms.next().expect("more rooms than tries");
            assert_eq!(Link::of(&room["publish"]).post(node, &offer).status, 201);
            sessions(other) > had
        });
    }
}

fn sessions(node: &Server) -> u64 {
    let metrics = crate::http::get(node.metrics(), "/metrics").body;
    let line = metrics.lines().find(|line| line.starts_with("telehealth_sfu_sessions ")).unwrap();
    line.split_once(' ').unwrap().1.parse().unwrap()
}

#[test]
fn devices_of_one_room_meet_whichever_node_each_of_them_asks() {
    let fleet = Nodes::start();
    know_each_other(&fleet);
    let [one, other] = &fleet.nodes;
    let before = [sessions(one), sessions(other)];
    let lines = fleet.tokens(4);
    for (at, (publisher, subscriber)) in
        lines.iter().step_by(2).zip(lines.iter().skip(1).step_by(2)).enumerate()
    {
        // Each room the other way around.
        let (here, there) = if at % 2 == 0 { (one, other) } else { (other, one) };
        let listen = Link::of(&subscriber["subscribe"][0]);
        let (viewer, listening) = listen.connect(here, Options::whep());
        let publish = Link::of(&publisher["publish"]);
        let (camera, location) = publish.connect(there, Options::whip());
        camera.send(Source::Microphone, Tag(9));
        assert!(viewer.wait(|seen| seen.hears(0, Tag(9))), "{:?}", viewer.seen().tags());
        let (_second, offer) = MediaClient::offer(Options::whip()).unwrap();
        assert_eq!(publish.post(here, &offer).status, 409, "one publishes once, wherever it asks");
        for (bearer, status) in [(&listen.bearer, 404), (&publish.bearer, 200)] {
            assert_eq!(delete(here, &location, bearer), status);
        }
        let gone = Instant::now();
        while delete(there, &location, &publish.bearer) != 404 {
            assert!(gone.elapsed() < PATIENCE);
        }
        assert_eq!(delete(there, &listening, &listen.bearer), 200);
    }
    assert_eq!(before.map(|count| count > 0), [true, true], "both nodes have rooms");
}

#[test]
fn what_is_wrong_is_said_by_whichever_node_is_asked_and_a_dead_node_is_not_waited_for() {
    let mut fleet = Nodes::start();
    know_each_other(&fleet);
    let line = &fleet.tokens(1)[0];
    let (publish, listen) = (Link::of(&line["publish"]), Link::of(&line["subscribe"][0]));
    for node in &fleet.nodes {
        let post = |headers: &[(&str, &str)], body: &str| {
            ask(node.http(), "POST", &publish.path, headers, body).status
        };
        let auth = ("authorization", publish.bearer.as_str());
        assert_eq!(post(&[SDP], "v=0"), 401);
        assert_eq!(post(&[SDP, ("authorization", &listen.bearer)], "v=0"), 401);
        assert_eq!(post(&[auth], "v=0"), 415);
        assert_eq!(post(&[SDP, auth], "hello"), 400);
        assert_eq!(post(&[SDP, auth], &"a".repeat(1_024 * 1_024)), 413);
        assert_eq!(delete(node, "/whip/session/none", &publish.bearer), 404);
        assert_eq!(delete(node, &format!("/whip/session/{}", uuid::Uuid::now_v7()), &publish.bearer), 404);
    }
    fleet.nodes[1].kill();
    // It is still in the list of the other, which finds out by asking.
    let one = &fleet.nodes[0];
    for line in fleet.tokens(4).iter().step_by(2) {
        let (_client, offer) = MediaClient::offer(Options::whip()).unwrap();
        let asked = Instant::now();
        assert_eq!(Link::of(&line["publish"]).post(one, &offer).status, 201);
        assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    }
}
