//! Several nodes as one.

use crate::{
    media::{go_on, talk},
    proxy::Proxy,
    world::{Node, Process, WAITING_ROOM, World, eventually, info, room, tenant, who},
};
use model::Epoch;
use platform::clock::SystemClock;
use prometheus::Registry;
use sfu_core::port::{
    Affinity, Claim, ClosedReason, Connect, Direction, MediaError, MediaEvent, MediaNode as _,
};
use sfu_link::{Fleet, Metrics, NodeInfo, fleet::Deps};
use std::sync::Arc;
use testkit::media_client::{MediaClient, Options, Sink, Source, Tag};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

fn process(world: &World, nodes: &[NodeInfo]) -> (Process<Fleet>, watch::Sender<Vec<NodeInfo>>) {
    let registry = Registry::new();
    let deps = Deps {
        keys: Arc::clone(&world.keys),
        clock: Arc::new(SystemClock),
        process: platform::ids::fresh(),
        region: "here".to_owned(),
        metrics: Metrics::new(&registry).unwrap(),
    };
    let (list, listed) = watch::channel(nodes.to_vec());
    let (fleet, events) = Fleet::new(deps, listed);
    let (stop, running) = (CancellationToken::new(), fleet.clone());
    let task = world.runtime.spawn({
        let stop = stop.clone();
        async move { running.run(stop).await }
    });
    let up = nodes.len();
    assert!(eventually(|| fleet.nodes_up() == up));
    (Process::new(world, fleet, events, registry, stop, task), list)
}

fn home(process: &Process<Fleet>, affinity: Affinity) -> Option<String> {
    process.media.home(tenant(), affinity)
}

fn stop(world: &World, process: Process<Fleet>, nodes: impl IntoIterator<Item = Node>) {
    process.stop();
    for node in nodes {
        node.stop(world);
    }
}

#[test]
fn waiting_rooms_go_where_there_is_most_room_and_stay_together() {
    let world = World::new();
    let (small, large) = (world.node_with_room_for("small", 4), world.node_with_room_for("large", 8));
    let (process, _list) = process(&world, &[small.info(), large.info()]);
    let mut people = Vec::new();
    for n in 0..3 {
        people.push(process.join_in(Affinity(n), n * 10 + 1, Some(n)));
    }
    // Empty, both: the first listed. Then a quarter full against nothing. Then a quarter against an eighth.
    let homes = [0, 1, 2].map(|n| home(&process, Affinity(n)).unwrap());
    assert_eq!(homes, ["small", "large", "large"]);
    // Whoever comes to a waiting room comes to its node, however full.
    let ben = process.join_in(Affinity(0), 2, Some(0));
    talk(&people[0].0, &ben.0);
    let third = process.join_in(Affinity(0), 3, None);
    let fourth = process.join_in(Affinity(0), 4, None);
    assert_eq!((small.sfu().sessions(), large.sfu().sessions()), (4, 2));
    let mut ids: Vec<_> = people.iter().chain([&ben, &third, &fourth]).map(|(_, session)| *session).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 6, "no two sessions have one number");
    stop(&world, process, [small, large]);
}

#[test]
fn people_who_come_at_the_same_moment_come_to_the_same_node() {
    let world = World::new();
    let nodes = [world.node_with_room_for("one", 9), world.node_with_room_for("two", 9)];
    let infos = nodes.each_ref().map(Node::info);
    let (process, _list) = process(&world, &infos);
    let (_client, offer) = MediaClient::offer(Options::default()).unwrap();
    let mut joining = tokio::task::JoinSet::new();
    for n in 0..8 {
        for participant in [n * 10 + 1, n * 10 + 2] {
            let (media, offer) = (process.media.clone(), offer.clone());
            let (tenant, participant, affinity) = (tenant(), who(participant), Affinity(n));
            let direction = Direction::Both;
            let connect = Connect { tenant, participant, affinity, direction, room: Some(room(n)), offer };
            let connecting = async move { media.connect(connect).await.map(drop) };
            joining.spawn_on(connecting, world.runtime.handle());
        }
    }
    let answers = world.runtime.block_on(joining.join_all());
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    for n in 0..8 {
        let claim = Claim { tenant: tenant(), affinity: Affinity(n), epoch: Epoch(0) };
        let there = |node: &Node| world.runtime.block_on(node.sfu().claim(claim)).unwrap().len();
        let mut both = nodes.each_ref().map(there);
        both.sort();
        assert_eq!(both, [0, 2], "waiting room {n}");
    }
    stop(&world, process, nodes);
}

#[test]
fn a_process_that_takes_over_finds_a_waiting_room_wherever_it_is() {
    let world = World::new();
    let nodes = ["one", "two"].map(|name| world.node(name));
    let infos = nodes.each_ref().map(Node::info);
    let (before, _list) = process(&world, &infos);
    let _elsewhere = before.join_in(Affinity(8), 9, None);
    before.claim(1).unwrap();
    let ((ana, _), (ben, _)) = (before.join(1, Some(1)), before.join(2, Some(1)));
    assert_eq!(home(&before, WAITING_ROOM).unwrap(), "two");
    talk(&ana, &ben);
    let (after, _list) = process(&world, &infos);
    let existing = after.claim(2).unwrap();
    assert_eq!(existing.len(), 2);
    assert_eq!(home(&after, WAITING_ROOM).unwrap(), "two");
    let (_eva, _) = after.join(3, None);
    assert_eq!(home(&after, WAITING_ROOM).unwrap(), "two");
    assert!(eventually(|| before.connect(4, None, "v=0".into()).unwrap_err() == MediaError::Fenced));
    go_on([&ana, &ben]);
    before.stop();
    stop(&world, after, nodes);
}

#[test]
fn a_dead_node_is_replaced_and_its_sessions_are_reported() {
    let world = World::new();
    let (one, two) = (world.node("one"), world.node("two"));
    let two_info = two.info();
    let (process, list) = process(&world, &[one.info(), two_info.clone()]);
    process.claim(1).unwrap();
    let (_ana, ana) = process.join(1, Some(1));
    let (_ben, ben) = process.join(2, Some(1));
    process.media.set_sharer(tenant(), WAITING_ROOM, room(1), Some(who(2))).unwrap();
    assert_eq!(home(&process, WAITING_ROOM).unwrap(), "one");

    one.stop(&world);
    assert!(eventually(|| process.media.nodes_up() == 1));
    list.send(vec![two_info]).unwrap();
    for session in [ana, ben] {
        let closed = process.closed(session);
        assert_eq!(closed, MediaEvent::Closed { session, reason: ClosedReason::Failed });
    }
    let (ana, ana_session) = process.join(1, Some(1));
    let (ben, _) = process.join(2, Some(1));
    assert_eq!(home(&process, WAITING_ROOM).unwrap(), "two");
    talk(&ana, &ben);
    ben.send(Source::Screen, Tag(2));
    assert!(ana.wait(|s| s.shows(Sink::screen(), Tag(2))), "who shares came along");
    process.media.seat(ana_session, None).unwrap();
    stop(&world, process, [two]);
}

/// It stands in the list for a while yet, and what it has may go on: that is no reason to wait for it.
#[test]
fn who_offers_anew_is_not_made_to_wait_for_a_node_out_of_reach() {
    let world = World::new();
    let (one, two) = (world.node("one"), world.node("two"));
    let (process, _list) = process(&world, &[one.info(), two.info()]);
    process.claim(1).unwrap();
    let _people = [process.join(1, Some(1)), process.join(2, Some(1))];
    assert_eq!(home(&process, WAITING_ROOM).unwrap(), "one");
    one.stop(&world);
    let begun = tokio::time::Instant::now();
    let (ana, _) = process.join(1, Some(1));
    assert_eq!(home(&process, WAITING_ROOM).unwrap(), "two");
    assert!(begun.elapsed() < sfu_link::limits::CALL_WITHIN / 2, "{:?}", begun.elapsed());
    let (ben, _) = process.join(2, Some(1));
    talk(&ana, &ben);
    stop(&world, process, [two]);
}

#[test]
fn a_node_that_drains_gets_nothing_new_and_is_left_as_a_whole() {
    let world = World::new();
    let (one, two) = (world.node("one"), world.node("two"));
    let (process, list) = process(&world, &[one.info(), two.info()]);
    process.claim(1).unwrap();
    let ((ana, ana_session), (ben, ben_session)) = (process.join(1, Some(1)), process.join(2, Some(1)));
    talk(&ana, &ben);
    list.send(vec![NodeInfo { draining: true, ..one.info() }, two.info()]).unwrap();
    let _other = process.join_in(Affinity(8), 9, None);
    assert_eq!(home(&process, Affinity(8)).unwrap(), "two");
    go_on([&ana, &ben]);
    assert_eq!(home(&process, WAITING_ROOM).unwrap(), "one", "a call goes on where it is");

    // Somebody has to connect anew: the others come along.
    let (ana, _) = process.join(1, Some(1));
    assert_eq!(home(&process, WAITING_ROOM).unwrap(), "two");
    process.closed(ana_session);
    process.closed(ben_session);
    let (ben, _) = process.join(2, Some(1));
    talk(&ana, &ben);
    assert!(eventually(|| one.sfu().sessions() == 0), "nothing is left behind");
    stop(&world, process, [one, two]);
}

#[test]
fn a_node_that_goes_down_is_left_by_everybody_before_it_is_gone() {
    let world = World::new();
    let (one, two) = (world.node("one"), world.node("two"));
    let (process, _list) = process(&world, &[one.info(), two.info()]);
    process.claim(1).unwrap();
    let ((_, ana), (_, ben)) = (process.join(1, Some(1)), process.join(2, Some(1)));
    assert_eq!(home(&process, WAITING_ROOM).unwrap(), "one");
    one.sfu().drain();
    process.closed(ana);
    process.closed(ben);
    let ((ana, _), (ben, _)) = (process.join(1, Some(1)), process.join(2, Some(1)));
    assert_eq!(home(&process, WAITING_ROOM).unwrap(), "two");
    talk(&ana, &ben);
    assert!(eventually(|| one.sfu().sessions() == 0), "it can go");
    stop(&world, process, [one, two]);
}

#[test]
fn a_full_fleet_is_busy_until_a_node_is_added() {
    let world = World::new();
    let one = world.node_with_room_for("one", 1);
    let (process, list) = process(&world, &[one.info()]);
    let _ana = process.join_in(Affinity(1), 1, None);
    let (ben, offer) = MediaClient::offer(Options::default()).unwrap();
    assert_eq!(process.connect_in(Affinity(2), 2, None, offer.clone()).unwrap_err(), MediaError::Busy);
    let two = world.node("two");
    list.send(vec![one.info(), two.info()]).unwrap();
    assert!(eventually(|| process.media.nodes_up() == 2));
    let answer = process.connect_in(Affinity(2), 2, None, offer).unwrap();
    ben.answer(&answer.sdp).unwrap();
    ben.connected().unwrap();
    stop(&world, process, [one, two]);
}

/// A node that could not be asked at the takeover has the call: it is found when it is back.
#[test]
fn what_a_node_out_of_reach_has_is_found_late() {
    let world = World::new();
    let node = world.node("one");
    let proxy = Proxy::start(&world.runtime, node.addr);
    let (before, _list) = process(&world, &[node.info()]);
    before.claim(1).unwrap();
    let ((ana, _), (ben, _)) = (before.join(1, Some(1)), before.join(2, Some(1)));
    talk(&ana, &ben);
    before.stop();
    let (after, list) = process(&world, &[]);
    assert_eq!(after.claim(2), Ok(Vec::new()), "nobody lists a node yet");
    list.send(vec![info("one", proxy.addr)]).unwrap();
    for n in [1, 2] {
        let found = after.wait_event(
            |e| matches!(e, MediaEvent::Found { existing, .. } if existing.participant == who(n)),
        );
        let MediaEvent::Found { existing, .. } = found else { unreachable!() };
        assert_eq!((existing.affinity, existing.room), (WAITING_ROOM, Some(room(1))));
        assert_eq!(after.media.seat(existing.session, Some(room(1))), Ok(()));
    }
    let _eva = after.join(3, None);
    assert_eq!(home(&after, WAITING_ROOM).unwrap(), "one");
    go_on([&ana, &ben]);
    stop(&world, after, [node]);
}
