//! Bounds, at and past.

use crate::{
    door::open,
    fake::Silent,
    world::{World, claim, eventually, metric, tenant, who},
};
use futures_util::{SinkExt as _, StreamExt as _};
use sfu_core::port::{Connect, Direction, MediaError, MediaNode as _};
use sfu_link::{
    limits,
    protocol::{self, Ask, Load, Tell},
    token,
};
use std::sync::{Arc, atomic::Ordering};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

fn connect(offer: String) -> Connect {
    let affinity = crate::world::WAITING_ROOM;
    Connect { tenant: tenant(), participant: who(1), affinity, direction: Direction::Both, room: None, offer }
}

/// Polls a future once and keeps it: the question is asked.
fn asked<F: Future>(future: F) -> (std::pin::Pin<Box<F>>, Option<F::Output>) {
    let mut future = Box::pin(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(output) => (future, Some(output)),
        std::task::Poll::Pending => (future, None),
    }
}

#[test]
fn so_many_questions_wait_and_one_more_is_busy_at_once() {
    let world = World::new();
    let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 9));
    let process = world.process(nowhere);
    let _entered = world.runtime.enter();
    let mut waiting = Vec::new();
    for _ in 0..limits::MAX_WAITING {
        let (future, answer) = asked(process.media.connect(connect("v=0".into())));
        assert!(answer.is_none());
        waiting.push(future);
    }
    let (_, answer) = asked(process.media.connect(connect("v=0".into())));
    assert_eq!(answer.unwrap().unwrap_err(), MediaError::Busy);
    drop(waiting);
    process.stop();
}

#[test]
fn only_so_many_questions_are_asked_of_a_node_at_once() {
    let world = World::new();
    let (_events, receiver) = mpsc::channel(1);
    let media = Arc::new(Silent::default());
    let load = || Load { capacity: 1_000, ..Load::default() };
    let node = world.node_of("one", Arc::clone(&media) as Arc<_>, receiver, load);
    let process = world.process(node.addr);
    process.claim(1).unwrap();
    {
        let _entered = world.runtime.enter();
        let all: Vec<_> = (0..limits::MAX_ASKED + 8)
            .map(|_| asked(process.media.connect(connect("v=0".into()))).0)
            .collect();
        assert!(eventually(|| media.asked.load(Ordering::Relaxed) == limits::MAX_ASKED));
        // Nothing more is asked until one is answered.
        assert_eq!(media.asked.load(Ordering::Relaxed), limits::MAX_ASKED);
        drop(all);
    }
    process.stop();
    node.stop(&world);
}

#[test]
fn a_process_with_too_many_questions_is_told_that_the_node_is_busy() {
    let world = World::new();
    let (_events, receiver) = mpsc::channel(1);
    let media = Arc::new(Silent::default());
    let node = world.node_of("one", Arc::clone(&media) as Arc<_>, receiver, Load::default);
    let refused = world.runtime.block_on(async {
        let mut socket = open(&world, node.addr).await;
        let (tenant, affinity) = (tenant(), uuid::Uuid::from_u128(7));
        let epoch = model::Epoch(1);
        let text = protocol::encode(&Ask::Claim { call: 0, tenant, affinity, epoch }).unwrap();
        socket.send(Message::text(text)).await.unwrap();
        for call in 1..=limits::NODE_QUESTIONS as u64 + 2 {
            let ask = Ask::Connect {
                call,
                tenant,
                affinity,
                epoch,
                participant: who(1),
                direction: protocol::Direction::Both,
                room: None,
                offer: "v=0".into(),
                traceparent: None,
            };
            socket.send(Message::text(protocol::encode(&ask).unwrap())).await.unwrap();
        }
        loop {
            let Message::Text(text) = socket.next().await.unwrap().unwrap() else { continue };
            if let Tell::Refused { call, error } = protocol::parse(text.as_str()).unwrap() {
                break (call, error.code);
            }
        }
    });
    // The claim may or may not be answered when the last one within the limit is asked.
    let most = limits::NODE_QUESTIONS as u64;
    assert!(refused.0 == most || refused.0 == most + 1, "{refused:?}");
    assert_eq!(refused.1, "busy");
    node.stop(&world);
}

#[test]
fn so_many_processes_are_let_in_and_one_more_comes_again() {
    let world = World::new();
    let node = world.node("one");
    world.runtime.block_on(async {
        let mut sockets = Vec::new();
        for _ in 0..limits::MAX_STREAMS {
            sockets.push(open(&world, node.addr).await);
        }
        let token = token::sign(&world.keys, crate::door::now(), uuid::Uuid::nil());
        let bearer = format!("Bearer {token}");
        let full = crate::door::knock(node.addr, &[("authorization", &bearer)]).await;
        assert_eq!(full.err(), Some(503));
    });
    assert!(eventually(|| metric(&node.registry, "streams", "") == 0.0), "they are gone");
    node.stop(&world);
}

#[test]
fn a_message_as_long_as_the_limit_is_read_and_one_byte_more_ends_the_stream() {
    let world = World::new();
    let node = world.node("one");
    world.runtime.block_on(async {
        let padded = |bytes: usize| {
            let empty = r#"{"type":"from-the-future","pad":""}"#;
            empty.replace(r#""pad":"""#, &format!(r#""pad":"{}""#, "x".repeat(bytes - empty.len())))
        };
        let mut socket = open(&world, node.addr).await;
        socket.send(Message::text(padded(limits::MAX_MESSAGE_BYTES))).await.unwrap();
        let next = socket.next().await.unwrap();
        assert!(matches!(next, Ok(Message::Text(_))), "it goes on: {next:?}");
        let _ = socket.send(Message::text(padded(limits::MAX_MESSAGE_BYTES + 1))).await;
        while let Some(Ok(message)) = socket.next().await {
            assert!(matches!(message, Message::Text(_) | Message::Close(_)));
        }
    });
    node.stop(&world);
}

#[test]
fn an_offer_that_no_message_can_hold_is_refused_before_it_is_sent() {
    let world = World::new();
    let node = world.node("one");
    let process = world.process(node.addr);
    process.claim(1).unwrap();
    let longest = "a".repeat(sfu_core::limits::MAX_OFFER_BYTES);
    let refused = process.connect(1, None, longest.clone()).unwrap_err();
    assert!(matches!(refused, MediaError::OfferInvalid(_)), "read by the node: {refused:?}");
    assert_eq!(process.connect(1, None, longest + "a").unwrap_err(), MediaError::OfferTooLarge);
    let swelling = "\u{1}".repeat(sfu_core::limits::MAX_OFFER_BYTES);
    assert_eq!(process.connect(1, None, swelling).unwrap_err(), MediaError::OfferTooLarge);
    assert!(process.media.is_up());
    assert_eq!(world.runtime.block_on(process.media.claim(claim(1))), Ok(Vec::new()));
    process.stop();
    node.stop(&world);
}
