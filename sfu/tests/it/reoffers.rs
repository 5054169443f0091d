//! Lines that change in a call: they rest, return, move, or carry another stream.

use crate::{
    forward::continuous,
    node::{Node, config, eventually, room, tenant, who},
};
use sfu::Config;
use sfu_core::port::{Affinity, Direction, MediaNode as _, SessionId};
use testkit::media_client::{MediaClient, Options, PATIENCE, Sending, Sink, Source, Tag};

const ANA: Tag = Tag(1);
const EVA: Tag = Tag(3);

/// Lines of the offer, by their place in it.
const MICROPHONE: usize = 0;
const FIRST_SOUND: usize = 3;
const FIRST_PICTURE: usize = 4;

/// A connected client, and its offer: offered again with a change it renews the lines and nothing else.
fn join(node: &Node, participant: u128) -> (MediaClient, SessionId, String) {
    let (client, offer) = MediaClient::offer(Options::default()).unwrap();
    let answer = node.connect(participant, Direction::Both, Some(1), offer.clone()).unwrap();
    client.answer(&answer.sdp).unwrap();
    client.connected().unwrap();
    (client, answer.session, offer)
}

/// The offer with something else on one of its lines.
fn changed(offer: &str, line: usize, from: &str, to: &str) -> String {
    let mut parts: Vec<String> = offer.split("\r\nm=").map(str::to_owned).collect();
    // The first part is the session's.
    let part = &mut parts[line + 1];
    assert!(part.contains(from), "{part}");
    *part = part.replacen(from, to, 1);
    parts.join("\r\nm=")
}

fn reoffer(node: &Node, session: SessionId, offer: String) {
    node.runtime.block_on(node.handle.restart(session, offer)).unwrap();
}

#[test]
fn a_line_that_rests_and_returns_goes_on_counting() {
    let node = Node::start();
    let (ana, _) = node.join(1, Some(1));
    let (ben, session, offer) = join(&node, 2);
    ana.send(Source::Camera, ANA);
    assert!(ben.wait(|s| s.sees(0, ANA) && s.count(Sink::video(0)) > 60));

    reoffer(&node, session, changed(&offer, FIRST_PICTURE, "a=recvonly", "a=inactive"));
    // The picture is on the next line meanwhile.
    assert!(ben.wait(|s| s.sees(1, ANA)));
    let rested = ben.seen().total(Sink::video(0));
    let shown = ben.seen().total(Sink::video(1));
    assert!(ben.wait(|s| s.total(Sink::video(1)) > shown + 60));
    assert_eq!(ben.seen().total(Sink::video(0)), rested, "nothing comes on a line that rests");

    reoffer(&node, session, offer);
    assert!(ben.wait(|s| s.total(Sink::video(0)) > rested + 60), "it returns");
    // A key must not meet a number twice, and a receiver would take a leap for loss.
    continuous(&ben.seen(), Sink::video(0));
    continuous(&ben.seen(), Sink::video(1));
}

#[test]
fn a_line_that_moves_keeps_its_stream() {
    let node = Node::start();
    let (ana, session, offer) = join(&node, 1);
    let (ben, _) = node.join(2, Some(1));
    node.handle.set_sharer(tenant(), Affinity(7), room(1), Some(who(1))).unwrap();
    ana.send(Source::Camera, ANA);
    ana.send(Source::Screen, ANA);
    assert!(ben.wait(|s| s.sees(0, ANA) && s.shows(Sink::screen(), ANA)));

    // Without the first line the others are one place further up.
    reoffer(&node, session, changed(&offer, MICROPHONE, "audio 9 ", "audio 0 "));
    let picture = ben.seen().total(Sink::video(0));
    let screen = ben.seen().total(Sink::screen());
    assert!(ben.wait(|s| s.total(Sink::video(0)) > picture + 60 && s.total(Sink::screen()) > screen + 20));
    continuous(&ben.seen(), Sink::video(0));
    continuous(&ben.seen(), Sink::screen());
}

#[test]
fn a_line_that_carries_another_stream_is_shown_on() {
    let node = Node::start();
    let (ana, session, offer) = join(&node, 1);
    let (ben, _) = node.join(2, Some(1));
    ana.send(Source::Camera, ANA);
    assert!(ben.wait(|s| s.sees(0, ANA) && s.count(Sink::video(0)) > 60));
    ana.use_ssrc(Source::Camera, 7_000);
    ana.send(Source::Camera, EVA);
    assert!(ben.wait(|s| s.sees(0, EVA)), "once the first is silent");
    // Both streams are known by now: neither loses its line.
    reoffer(&node, session, changed(&offer, MICROPHONE, "audio 9 ", "audio 0 "));
    let total = ben.seen().total(Sink::video(0));
    assert!(ben.wait(|s| s.total(Sink::video(0)) > total + 60));
    continuous(&ben.seen(), Sink::video(0));
}

#[test]
fn pictures_that_wait_when_lines_change_begin_again_with_a_keyframe() {
    // Somewhat slower than what is sent: for seconds more and more waits, and nothing is given up.
    let node = Node::with(Config { initial_estimate_kbps: 300, max_estimate_kbps: 300, ..config() });
    let (ana, _) = node.join(1, Some(1));
    let (ben, session, offer) = join(&node, 2);
    ana.send_as(Source::Camera, Sending { packets_per_frame: 2, bytes: 700, ..Sending::of(ANA) });
    assert!(ben.wait(|s| s.sees(0, ANA)));
    assert!(eventually(PATIENCE, || ana.seen().sent > ben.seen().total(Sink::video(0)) + 8));

    // What waits is known by the place of its track, which changes.
    let given_up = || node.value("dropped_packets_total", Some("link-full"));
    let before = given_up();
    ana.seen().forget();
    reoffer(&node, session, changed(&offer, FIRST_SOUND, "a=recvonly", "a=inactive"));
    assert!(given_up() > before, "what waits is not sent on another line, nor left out in silence");
    assert!(ana.wait(|s| !s.keyframe_requests.is_empty()));
    let shown = ben.seen().of(Sink::video(0)).filter(|p| p.content.unwrap().keyframe).count();
    assert!(ben.wait(|s| s.of(Sink::video(0)).filter(|p| p.content.unwrap().keyframe).count() > shown));
}
