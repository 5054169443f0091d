//! Who hears and sees whom.

use crate::node::{Node, eventually, room, tenant, who};
use sfu_core::port::{MediaEvent, MediaNode as _};
use std::time::Duration;
use testkit::media_client::{Sink, Source, Tag};

const ANA: Tag = Tag(1);
const BEN: Tag = Tag(2);

#[test]
fn two_people_hear_and_see_each_other_and_nobody_else() {
    let node = Node::start();
    let (ana, ana_session) = node.join(1, Some(1));
    let (ben, _) = node.join(2, Some(1));
    for (client, tag) in [(&ana, ANA), (&ben, BEN)] {
        client.send(Source::Microphone, tag);
        client.send(Source::Camera, tag);
    }
    assert!(ana.wait(|s| s.hears(0, BEN) && s.sees(0, BEN)), "{:?}", ana.seen().tags());
    assert!(ben.wait(|s| s.hears(0, ANA) && s.sees(0, ANA)), "{:?}", ben.seen().tags());
    assert!(ben.wait(|s| s.count(Sink::audio(0)) > 100 && s.count(Sink::video(0)) > 300));

    let seen = ben.seen();
    assert_eq!(seen.tags().into_iter().collect::<Vec<_>>(), [ANA]);
    assert!(seen.loss(Sink::audio(0)) == 0.0 && seen.loss(Sink::video(0)) == 0.0);
    let first = seen.of(Sink::video(0)).next().unwrap();
    assert!(first.content.unwrap().keyframe, "a picture begins with a keyframe");
    assert!(first.seq < 65_536, "outgoing numbers begin below a rollover");
    assert!(seen.of(Sink::video(0)).any(|p| p.marker) && seen.of(Sink::video(0)).any(|p| !p.marker));
    assert!(seen.of(Sink::audio(0)).all(|p| p.audio_level == Some(-30)));
    drop(seen);
    node.wait_event(|e| {
        matches!(e, MediaEvent::Slots { session, slots, .. } if *session == ana_session && slots[0] == Some(who(2)))
    });
}

#[test]
fn a_warm_seat_is_silent_both_ways_until_it_is_seated() {
    let node = Node::start();
    let (ana, _) = node.join(1, Some(1));
    let (ben, session) = node.join(2, None);
    for (client, tag) in [(&ana, ANA), (&ben, BEN)] {
        client.send(Source::Microphone, tag);
        client.send(Source::Camera, tag);
    }
    let gated = || node.value("dropped_packets_total", Some("unseated"));
    assert!(eventually(Duration::from_secs(10), || gated() > 200.0), "the waiting client's media reaches the gate");
    assert!(ana.seen().packets.is_empty() && ben.seen().packets.is_empty());

    node.handle.seat(session, Some(room(1))).unwrap();
    assert!(ana.wait(|s| s.hears(0, BEN) && s.sees(0, BEN)));
    assert!(ben.wait(|s| s.hears(0, ANA) && s.sees(0, ANA)));

    node.handle.seat(session, None).unwrap();
    let before = gated();
    assert!(eventually(Duration::from_secs(10), || gated() > before + 200.0));
    ana.seen().forget();
    ben.seen().forget();
    let before = gated();
    assert!(eventually(Duration::from_secs(10), || gated() > before + 100.0));
    assert!(ana.seen().packets.is_empty() && ben.seen().packets.is_empty());
    let _ = tenant();
}
