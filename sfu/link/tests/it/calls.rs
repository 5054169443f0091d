//! Calls end in time, whatever the other end does.

use crate::{
    proxy::Proxy,
    world::{World, eventually, now},
};
use sfu_core::port::{MediaError, MediaNode as _};
use sfu_link::limits;
use std::time::Duration;
use testkit::media_client::{MediaClient, Options};

/// What a busy machine may add to a limit.
const SLACK: Duration = Duration::from_secs(2);

#[test]
fn a_node_that_does_not_answer_makes_calls_busy_in_time_and_is_right_again_afterwards() {
    let world = World::new();
    let node = world.node("one");
    let proxy = Proxy::start(&world.runtime, node.addr);
    let process = world.process(proxy.addr);
    process.claim(1).unwrap();
    let (ana, session) = process.join(1, Some(1));
    proxy.pause(true);
    let begun = now();
    let (_ben, offer) = MediaClient::offer(Options::default()).unwrap();
    assert_eq!(process.connect(2, None, offer).unwrap_err(), MediaError::Busy);
    assert!(now() - begun < limits::CALL_WITHIN + SLACK);
    let begun = now();
    assert_eq!(process.claim(1), Err(MediaError::Busy));
    assert!(now() - begun < limits::CLAIM_WITHIN + SLACK);
    assert_eq!(process.media.seat(session, None), Ok(()), "kept");
    assert!(eventually(|| !process.media.is_up()), "silence is noticed");

    proxy.pause(false);
    assert!(eventually(|| process.media.is_up()));
    assert_eq!(process.claim(1).unwrap().len(), 1, "what was asked in vain has left nothing behind");
    assert!(eventually(|| process.claim(1).unwrap()[0].room.is_none()), "and what was kept is so");
    assert!(ana.seen().closed.is_none());
    process.stop();
    node.stop(&world);
}

#[test]
fn a_node_that_cannot_be_reached_makes_calls_busy_in_time() {
    let world = World::new();
    let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 9));
    let process = world.process(nowhere);
    let begun = now();
    assert_eq!(process.claim(1), Err(MediaError::Busy));
    assert_eq!(process.connect(1, None, "v=0".into()).unwrap_err(), MediaError::Busy);
    assert!(now() - begun < limits::CLAIM_WITHIN + limits::CALL_WITHIN + SLACK);
    process.stop();
}

#[test]
fn what_the_node_refuses_is_told_as_it_is() {
    let world = World::new();
    let node = world.node("one");
    let process = world.process(node.addr);
    process.claim(1).unwrap();
    let refused = process.connect(1, None, "v=0".into()).unwrap_err();
    assert!(matches!(refused, MediaError::OfferInvalid(_)), "{refused:?}");
    node.sfu().drain();
    let (_ana, offer) = MediaClient::offer(Options::default()).unwrap();
    assert_eq!(process.connect(1, None, offer).unwrap_err(), MediaError::Draining);
    assert_eq!(process.metric("calls_total", "draining"), 1.0);
    process.stop();
    node.stop(&world);
}
