//! Offers: as browsers make them, and as nobody should.

use crate::node::{Node, config};
use sfu::Config;
use sfu_core::port::{Direction, MediaError, MediaNode as _, SessionId};
use std::{future::Future as _, task::Poll};
use testkit::media_client::{MediaClient, Options};

fn fixture(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/fixtures/sdp/{name}.sdp", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The media sections of an SDP, each as its lines.
fn sections(sdp: &str) -> Vec<Vec<&str>> {
    let mut all: Vec<Vec<&str>> = Vec::new();
    for line in sdp.lines() {
        if line.starts_with("m=") {
            all.push(Vec::new());
        }
        if let Some(section) = all.last_mut() {
            section.push(line);
        }
    }
    all
}

fn browser(name: &str) {
    let node = Node::start();
    let offer = fixture(name);
    let answer = node.connect(1, Direction::Both, Some(1), offer.clone()).unwrap().sdp;
    let (asked, given) = (sections(&offer), sections(&answer));
    assert_eq!(asked.len(), given.len(), "every line is answered");
    let has = |section: &[&str], what: &str| section.iter().any(|line| line.starts_with(what));
    for (asked, given) in asked.iter().zip(&given) {
        assert!(!given[0].starts_with("m=audio 0 ") && !given[0].starts_with("m=video 0 "), "{}", given[0]);
        let mid = |section: &[&str]| section.iter().find(|l| l.starts_with("a=mid:")).unwrap().to_string();
        assert_eq!(mid(asked), mid(given));
        assert!(has(given, "a=setup:passive"), "the node is the DTLS server, so that it chooses AES-GCM");
        if has(asked, "a=sendonly") {
            assert!(has(given, "a=recvonly") && !has(given, "a=msid:"));
        } else if has(asked, "a=recvonly") {
            assert!(has(given, "a=sendonly") && has(given, "a=msid:"));
        }
        assert!(!given.iter().any(|line| line.contains("video-orientation")));
        if given[0].starts_with("m=video") {
            assert!(
                given.iter().any(|line| line.contains("VP8/90000"))
                    && !given.iter().any(|l| l.contains("H264"))
            );
            assert!(given.iter().any(|line| line.contains("rtx/90000")));
            assert!(given.iter().any(|line| line.contains("transport-wide-cc")));
        }
    }
    let streams: Vec<&str> = answer.lines().filter(|line| line.starts_with("a=msid:")).collect();
    assert_eq!(
        streams,
        [
            "a=msid:slot-0 slot-0-audio",
            "a=msid:slot-0 slot-0-video",
            "a=msid:slot-1 slot-1-audio",
            "a=msid:slot-1 slot-1-video",
            "a=msid:slot-2 slot-2-audio",
            "a=msid:slot-2 slot-2-video",
            "a=msid:screen screen",
        ]
    );
    assert!(answer.contains("a=ice-lite"));
    assert!(answer.contains(" udp ") && answer.contains("tcptype passive"), "both transports are offered");
}

#[test]
fn chromiums_offer_is_answered() {
    browser("chromium");
}

#[test]
fn chromiums_offer_without_codec_preferences_is_answered() {
    browser("chromium-every-codec");
}

#[test]
fn firefoxs_offer_is_answered() {
    browser("firefox");
}

#[test]
fn an_offer_shaped_like_safaris_is_answered() {
    browser("safari");
}

#[test]
fn hostile_offers_are_refused_in_words_and_nothing_is_left_of_them() {
    let node = Node::start();
    let good = fixture("chromium");
    let refused = |offer: String| match node.connect(1, Direction::Both, None, offer) {
        Err(MediaError::OfferInvalid(why)) => why,
        other => panic!("{other:?}"),
    };
    let huge = good.clone() + &"a=x:y\r\n".repeat(150_000);
    assert!(huge.len() > 1 << 20);
    assert_eq!(node.connect(1, Direction::Both, None, huge).unwrap_err(), MediaError::OfferTooLarge);
    assert_eq!(refused(good.split("m=").next().unwrap().to_owned()), "it has no m-lines");
    assert_eq!(refused(good.replace("a=mid:1\r\n", "a=mid:0\r\n")), "two m-lines have the same mid");
    let without = |prefix: &str| {
        good.lines()
            .filter(|line| !line.starts_with(prefix))
            .map(|line| format!("{line}\r\n"))
            .collect::<String>()
    };
    assert_eq!(refused(without("a=ice-ufrag")), "it has no ice-ufrag");
    assert_eq!(refused(without("a=fingerprint")), "it has no fingerprint");
    assert_eq!(refused(without("a=group")), "not every m-line is in the BUNDLE group");
    assert_eq!(
        refused(good.replace("VP8/", "VP7/").replace("opus/", "speex/")),
        "it shares no codec with this node (Opus, VP8)"
    );
    assert_eq!(refused("hello".to_owned()), "it is not SDP");
    // Damage anywhere must not bring anything down: cut, and changed byte by byte.
    for n in (0..good.len()).step_by(97) {
        let _ = node.connect(1, Direction::Both, None, good[..n].to_owned());
        let mut bytes = good.clone().into_bytes();
        bytes[n] = bytes[n].wrapping_add(13) & 0x7f;
        if let Ok(text) = String::from_utf8(bytes) {
            let _ = node.connect(1, Direction::Both, None, text);
        }
    }
    assert!(node.connect(2, Direction::Both, None, good).is_ok(), "and the node still answers");
}

#[test]
fn the_node_takes_so_many_sessions_and_no_more_and_none_while_draining() {
    let node = Node::with(Config { max_sessions: 2, connect_timeout_ms: 1_000, ..config() });
    let offer = || MediaClient::offer(Options::default()).unwrap().1;
    assert!(node.connect(1, Direction::Both, None, offer()).is_ok());
    assert!(node.connect(2, Direction::Both, None, offer()).is_ok());
    assert_eq!(node.connect(3, Direction::Both, None, offer()).unwrap_err(), MediaError::Busy);
    assert!(crate::node::eventually(std::time::Duration::from_secs(10), || node.handle.sessions() == 0));
    assert!(node.connect(3, Direction::Both, None, offer()).is_ok());
    node.handle.drain();
    assert_eq!(node.connect(4, Direction::Both, None, offer()).unwrap_err(), MediaError::Draining);
}

#[test]
fn a_port_in_use_is_named() {
    let node = Node::start();
    let port = node.addr().port();
    let error =
        sfu::Service::new(Config { udp_port: port, ..config() }, &prometheus::Registry::new()).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot listen for media on UDP port {port}"));
}

#[test]
fn a_shards_queue_is_bounded() {
    // A service that was never started takes commands until its queue is full.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (_service, handle, _events) = sfu::Service::new(config(), &prometheus::Registry::new()).unwrap();
    let offer = MediaClient::offer(Options::default()).unwrap().1;
    runtime.block_on(async {
        let mut connect = std::pin::pin!(handle.connect(sfu_core::port::Connect {
            tenant: crate::node::tenant(),
            participant: crate::node::who(1),
            affinity: sfu_core::port::Affinity(1),
            direction: Direction::Both,
            room: None,
            offer,
        }));
        // Booked; its offer is being read.
        let booked = std::future::poll_fn(|cx| Poll::Ready(connect.as_mut().poll(cx).is_pending())).await;
        assert!(booked && handle.sessions() == 1);
        let session = SessionId(1);
        for _ in 0..sfu::limits::SHARD_QUEUE {
            assert_eq!(handle.seat(session, None), Ok(()));
        }
        assert_eq!(handle.seat(session, None), Err(MediaError::Busy));
        assert_eq!(connect.await.err(), Some(MediaError::Busy), "and it could not be told");
    });
    assert_eq!(handle.sessions(), 0, "nothing is left of it");
}
