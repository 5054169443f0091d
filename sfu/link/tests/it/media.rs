//! Media through a node of another process, whatever happens to the stream.

use crate::{
    proxy::Proxy,
    world::{World, eventually, room, tenant, who},
};
use sfu_core::port::{ClosedReason, MediaEvent, MediaNode as _};
use testkit::media_client::{MediaClient, Sink, Source, Tag};

const ANA: Tag = Tag(1);
const BEN: Tag = Tag(2);
const EVA: Tag = Tag(3);

/// Both hear and see each other.
pub(crate) fn talk(ana: &MediaClient, ben: &MediaClient) {
    for (client, tag) in [(ana, ANA), (ben, BEN)] {
        client.send(Source::Microphone, tag);
        client.send(Source::Camera, tag);
    }
    assert!(ana.wait(|s| s.hears(0, BEN) && s.sees(0, BEN)));
    assert!(ben.wait(|s| s.hears(0, ANA) && s.sees(0, ANA)));
}

/// So many packets more on every line, and none of all was lost.
pub(crate) fn go_on(clients: [&MediaClient; 2]) {
    for client in clients {
        for sink in [Sink::audio(0), Sink::video(0)] {
            let so_far = client.seen().total(sink);
            assert!(client.wait(|s| s.total(sink) > so_far + 40), "media stopped");
        }
    }
    lost_nothing(clients);
}

pub(crate) fn lost_nothing(clients: [&MediaClient; 2]) {
    for client in clients {
        let seen = client.seen();
        assert_eq!((seen.loss(Sink::audio(0)), seen.loss(Sink::video(0))), (0.0, 0.0));
        assert!(seen.closed.is_none());
    }
}

#[test]
fn two_people_on_one_waiting_room_hear_each_other_through_a_node_elsewhere() {
    let world = World::new();
    let node = world.node("one");
    let process = world.process(node.addr);
    assert_eq!(process.claim(1), Ok(Vec::new()));
    let (ana, ana_session) = process.join(1, Some(1));
    let (ben, ben_session) = process.join(2, None);
    ben.send(Source::Microphone, BEN);
    process.media.seat(ben_session, Some(room(1))).unwrap();
    talk(&ana, &ben);
    process.wait_event(|e| {
        matches!(e, MediaEvent::Slots { session, slots, .. } if *session == ana_session && slots[0] == Some(who(2)))
    });
    process.wait_event(|e| matches!(e, MediaEvent::Quality { .. }));

    ben.send(Source::Screen, BEN);
    process.media.set_sharer(tenant(), crate::world::WAITING_ROOM, room(1), Some(who(2))).unwrap();
    assert!(ana.wait(|s| s.shows(Sink::screen(), BEN)));

    process.media.disconnect(ben_session);
    assert_eq!(
        process.closed(ben_session),
        MediaEvent::Closed { session: ben_session, reason: ClosedReason::Asked }
    );
    assert!(ben.wait(|s| s.closed.is_some()));
    assert!(eventually(|| process.media.sessions() == 1 && node.sfu().sessions() == 1));
    assert_eq!(process.metric("up", "one"), 1.0);
    assert!(process.metric("calls_total", "connect") >= 2.0);
    process.stop();
    node.stop(&world);
}

#[test]
fn a_stream_that_is_cut_loses_no_packet_and_what_is_to_be_is_so_when_it_is_back() {
    let world = World::new();
    let node = world.node("one");
    let proxy = Proxy::start(&world.runtime, node.addr);
    let process = world.process(proxy.addr);
    process.claim(1).unwrap();
    let ((ana, _), (ben, _)) = (process.join(1, Some(1)), process.join(2, Some(1)));
    let (eva, eva_session) = process.join(3, None);
    let (dan, dan_session) = process.join(4, None);
    talk(&ana, &ben);

    proxy.cut();
    assert!(eventually(|| !process.media.is_up()));
    process.forget_events();
    go_on([&ana, &ben]);
    // Accepted, and kept until the node can be told.
    eva.send(Source::Microphone, EVA);
    assert_eq!(process.media.seat(eva_session, Some(room(1))), Ok(()));
    // One whose session ends meanwhile, unheard of.
    dan.close();
    assert!(eventually(|| node.sfu().sessions() == 3));
    assert!(process.events().is_empty(), "{:?}", process.events());

    proxy.mend();
    assert!(eventually(|| process.media.is_up()));
    assert!(ana.wait(|s| s.hears(1, EVA)), "seated once the stream was back");
    process.closed(dan_session);
    assert!(process.events().iter().all(|e| !matches!(e, MediaEvent::Found { .. })));
    go_on([&ana, &ben]);
    process.media.disconnect(eva_session);
    process.closed(eva_session);
    assert!(process.metric("resyncs_total", "one") >= 2.0);
    process.stop();
    node.stop(&world);
}

#[test]
fn a_session_that_ends_while_the_stream_is_down_is_ended_when_it_is_back() {
    let world = World::new();
    let node = world.node("one");
    let proxy = Proxy::start(&world.runtime, node.addr);
    let process = world.process(proxy.addr);
    process.claim(1).unwrap();
    let (ana, session) = process.join(1, Some(1));
    proxy.cut();
    assert!(eventually(|| !process.media.is_up()));
    process.media.disconnect(session);
    assert!(ana.seen().closed.is_none() && node.sfu().sessions() == 1);
    proxy.mend();
    assert!(ana.wait(|s| s.closed.is_some()));
    assert_eq!(process.closed(session), MediaEvent::Closed { session, reason: ClosedReason::Asked });
    process.stop();
    node.stop(&world);
}

#[test]
fn a_node_that_begins_anew_reports_every_session_closed_and_their_numbers_are_not_used_again() {
    let world = World::new();
    let node = world.node("one");
    let proxy = Proxy::start(&world.runtime, node.addr);
    let process = world.process(proxy.addr);
    process.claim(1).unwrap();
    let (_ana, before) = process.join(1, Some(1));

    proxy.cut();
    assert!(eventually(|| !process.media.is_up()));
    node.stop(&world);
    let node = world.node("one");
    proxy.point_at(node.addr);
    proxy.mend();
    assert_eq!(process.closed(before), MediaEvent::Closed { session: before, reason: ClosedReason::Failed });
    let (ana, after) = process.join(1, Some(1));
    assert_ne!(after, before);
    let (ben, _) = process.join(2, Some(1));
    talk(&ana, &ben);
    assert_eq!(process.media.seat(before, None), Err(sfu_core::port::MediaError::NoSuchSession));
    process.stop();
    node.stop(&world);
}
