//! Another process speaks for a waiting room.

use crate::{
    media::{go_on, lost_nothing, talk},
    world::{World, eventually, metric, room, who},
};
use sfu_core::port::{MediaError, MediaEvent, MediaNode as _, Transport};

#[test]
fn the_process_is_gone_and_the_next_one_adopts_what_goes_on() {
    let world = World::new();
    let node = world.node("one");
    let before = world.process(node.addr);
    before.claim(1).unwrap();
    let ((ana, _), (ben, _)) = (before.join(1, Some(1)), before.join(2, Some(1)));
    let (_eva, _) = before.join(3, None);
    talk(&ana, &ben);
    before.stop();
    go_on([&ana, &ben]);

    let after = world.process(node.addr);
    let existing = after.claim(2).unwrap();
    let found: Vec<_> = existing.iter().map(|e| (e.participant, e.room, e.connected)).collect();
    let udp = Some(Transport::Udp);
    assert_eq!(found, [(who(1), Some(room(1)), udp), (who(2), Some(room(1)), udp), (who(3), None, udp)]);
    let shown = existing[0].shown.as_ref().unwrap();
    assert_eq!(shown.slots[0], Some(who(2)), "who is in whose slots is known");
    go_on([&ana, &ben]);
    // It is listened to, and obeyed.
    after.media.seat(existing[2].session, Some(room(1))).unwrap();
    after.wait_event(|e| {
        matches!(e, MediaEvent::Slots { session, slots, .. } if *session == existing[0].session && slots.contains(&Some(who(3))))
    });
    after.media.disconnect(existing[2].session);
    after.closed(existing[2].session);
    lost_nothing([&ana, &ben]);
    after.stop();
    node.stop(&world);
}

#[test]
fn who_was_taken_over_is_fenced_and_moves_nobody() {
    let world = World::new();
    let node = world.node("one");
    let (before, after) = (world.process(node.addr), world.process(node.addr));
    before.claim(1).unwrap();
    let ((ana, _), (ben, ben_session)) = (before.join(1, Some(1)), before.join(2, Some(1)));
    talk(&ana, &ben);
    let existing = after.claim(2).unwrap();
    assert_eq!(existing.len(), 2);

    // It learns of it by itself, or from the first refusal.
    assert!(eventually(|| before.media.seat(ben_session, None) == Err(MediaError::Fenced)));
    assert_eq!(before.claim(1), Err(MediaError::Fenced));
    assert_eq!(before.connect(4, None, "v=0".into()).unwrap_err(), MediaError::Fenced);
    before.media.disconnect(ben_session);
    before.forget_events();
    go_on([&ana, &ben]);
    assert!(before.metric("fenced_total", "") >= 1.0);

    after.media.disconnect(existing[1].session);
    after.closed(existing[1].session);
    assert!(before.events().is_empty(), "{:?}", before.events());
    // It may take the room back, in a newer epoch.
    assert_eq!(before.claim(3).unwrap().len(), 1);
    assert!(eventually(|| after.media.seat(existing[0].session, None) == Err(MediaError::Fenced)));
    before.stop();
    after.stop();
    node.stop(&world);
}

/// A request of an older epoch that is on its way when the room is taken over changes nothing.
#[test]
fn a_late_word_of_the_process_before_is_refused_by_the_node() {
    let world = World::new();
    let node = world.node("one");
    let proxy = crate::proxy::Proxy::start(&world.runtime, node.addr);
    let (before, after) = (world.process(proxy.addr), world.process(node.addr));
    before.claim(1).unwrap();
    let ((ana, _), (ben, ben_session)) = (before.join(1, Some(1)), before.join(2, Some(1)));
    talk(&ana, &ben);
    proxy.pause(true);
    assert_eq!(before.media.seat(ben_session, None), Ok(()), "accepted, and not yet sent through");
    assert_eq!(after.claim(2).unwrap().len(), 2);
    proxy.pause(false);
    assert!(eventually(|| metric(&node.registry, "fenced_total", "") >= 1.0));
    assert!(eventually(|| before.media.seat(ben_session, None) == Err(MediaError::Fenced)));
    go_on([&ana, &ben]);
    before.stop();
    after.stop();
    node.stop(&world);
}
