//! The load tester's clients, which make their own packets, against the SFU and against the tests' clients.

use crate::node::{Node, room, tenant, who};
use loadtest::media::{Client, Counters, Fleet, Options, PATIENCE, Sending, Sink, Source, Tag};
use sfu_core::port::{Affinity, Connect, Direction, MediaNode as _};
use std::time::Duration;

const ANA: Tag = Tag(1);
const BEN: Tag = Tag(2);

async fn join(node: &Node, fleet: &Fleet, participant: u128, at: Option<u128>) -> Client {
    join_as(node, fleet, participant, at, Options::default()).await
}

async fn join_as(
    node: &Node,
    fleet: &Fleet,
    participant: u128,
    at: Option<u128>,
    options: Options,
) -> Client {
    let (pending, offer) = fleet.offer(options).await.unwrap();
    let connect = Connect {
        tenant: tenant(),
        participant: who(participant),
        affinity: Affinity(7),
        direction: Direction::Both,
        room: at.map(room),
        offer,
    };
    let answer = node.handle.connect(connect).await.unwrap();
    let client = pending.answered(&answer.sdp).await.unwrap();
    client.connected().await.unwrap();
    client
}

fn talk(client: &Client, tag: Tag) {
    client.send(Source::Microphone, Sending::talking(tag));
    client.send(Source::Camera, Sending::talking(tag));
}

async fn line(client: &Client, sink: Sink) -> Counters {
    let counters = client.counters().await.unwrap();
    counters.into_iter().find(|(known, _)| *known == sink).unwrap().1
}

/// An answer is not given before its session's checks are recognised: one that came too early would be dropped,
/// and a browser repeats it only after 250 ms.
#[test]
fn no_check_is_too_early() {
    let node = Node::start();
    let fleet = Fleet::start(None).unwrap();
    node.runtime.block_on(async {
        let mut busy = Vec::new();
        for participant in 1..=24 {
            let client = join(&node, &fleet, participant, Some(participant / 2)).await;
            talk(&client, ANA);
            busy.push(client);
        }
        let many = async |from: u128| {
            for participant in from..from + 50 {
                join(&node, &fleet, participant, None).await;
            }
        };
        tokio::join!(many(100), many(200), many(300), many(400));
    });
    assert_eq!(node.value("unauthenticated_packets_total", Some("unknown-ufrag")), 0.0);
    assert_eq!(node.value("joins_total", Some("connected")), 224.0);
}

#[test]
fn cheap_clients_hear_and_see_each_other() {
    let node = Node::start();
    let fleet = Fleet::start(None).unwrap();
    node.runtime.block_on(async {
        let (ana, ben) = (join(&node, &fleet, 1, Some(1)).await, join(&node, &fleet, 2, Some(1)).await);
        talk(&ana, ANA);
        talk(&ben, BEN);
        for (client, tag) in [(&ana, BEN), (&ben, ANA)] {
            client.first_frame(Sink::Video(0)).await.unwrap();
            let enough = async {
                loop {
                    let lines = (line(client, Sink::Audio(0)).await, line(client, Sink::Video(0)).await);
                    if lines.0.packets > 100 && lines.1.packets > 300 {
                        break lines;
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            let (sound, picture) = tokio::time::timeout(PATIENCE, enough).await.unwrap();
            assert_eq!((sound.tag, picture.tag), (Some(tag), Some(tag)));
            assert_eq!((sound.lost, picture.lost), (0, 0));
        }
        assert!(fleet.load().await.unwrap().frames > 300);
    });
    assert_eq!(node.value("srtp_profiles_total", Some("aead-aes-256-gcm")), 2.0);
}

/// Ana's camera is offered in three sizes; Ben, who has room for all of it, is sent one of them, whole.
#[test]
fn a_camera_in_three_sizes_is_seen() {
    let node = Node::start();
    let fleet = Fleet::start(None).unwrap();
    node.runtime.block_on(async {
        let simulcast = Options { simulcast: true, ..Options::default() };
        let ana = join_as(&node, &fleet, 1, Some(1), simulcast).await;
        let ben = join(&node, &fleet, 2, Some(1)).await;
        talk(&ana, ANA);
        talk(&ben, BEN);
        for (client, tag) in [(&ana, BEN), (&ben, ANA)] {
            client.first_frame(Sink::Video(0)).await.unwrap();
            let picture = line(client, Sink::Video(0)).await;
            assert_eq!(picture.tag, Some(tag));
        }
    });
}
