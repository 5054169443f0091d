//! Paths: TCP, a change of network, dead paths, and strangers.

use crate::node::{Node, config, eventually, room};
use sfu::Config;
use sfu_core::port::{ClosedReason, MediaEvent, MediaNode as _, Transport};
use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, Ipv6Addr, TcpStream, UdpSocket},
    time::Duration,
};
use testkit::media_client::{MediaClient, Options, Sink, Source, Tag};

const ANA: Tag = Tag(1);
const BEN: Tag = Tag(2);

#[test]
fn a_call_works_over_tcp_alone() {
    let node = Node::start();
    let (ana, session) = node.join_as(1, Some(1), Options { tcp: true, ..Options::default() });
    let (ben, _) = node.join(2, Some(1));
    for (client, tag) in [(&ana, ANA), (&ben, BEN)] {
        client.send(Source::Microphone, tag);
        client.send(Source::Camera, tag);
    }
    assert!(ana.wait(|s| s.hears(0, BEN) && s.sees(0, BEN)));
    assert!(ben.wait(|s| s.hears(0, ANA) && s.sees(0, ANA)));
    assert!(ana.seen().over_tcp && !ben.seen().over_tcp);
    let event = node.wait_event(|e| matches!(e, MediaEvent::Connected { session: s, .. } if *s == session));
    assert_eq!(event, MediaEvent::Connected { session, transport: Transport::Tcp });
    assert_eq!(node.value("candidate_pairs_total", Some("tcp4")), 1.0);
    drop(ana);
    node.handle.disconnect(session);
    assert!(eventually(Duration::from_secs(10), || node.value("tcp_connections", None) == 0.0));
}

#[test]
fn ipv4_and_ipv6_meet_in_one_room() {
    let both = sfu::Advertise::These(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    let node = Node::with(Config { advertise: both, ..config() });
    let six = Options {
        ip: Ipv6Addr::LOCALHOST.into(),
        only: Some(Ipv6Addr::LOCALHOST.into()),
        ..Options::default()
    };
    let (ana, _) = node.join_as(1, Some(1), six);
    let (ben, _) = node.join(2, Some(1));
    for (client, tag) in [(&ana, ANA), (&ben, BEN)] {
        client.send(Source::Microphone, tag);
        client.send(Source::Camera, tag);
    }
    assert!(ana.wait(|s| s.hears(0, BEN) && s.sees(0, BEN)));
    assert!(ben.wait(|s| s.hears(0, ANA) && s.sees(0, ANA)));
    assert_eq!(node.value("candidate_pairs_total", Some("udp6")), 1.0);
    assert_eq!(node.value("candidate_pairs_total", Some("udp4")), 1.0);
}

#[test]
fn who_checks_every_address_is_answered_from_the_chosen_one() {
    let four = (1..=4).map(|n| Ipv4Addr::new(127, 0, 0, n).into()).collect();
    let node = Node::with(Config { advertise: sfu::Advertise::These(four), ..config() });
    let every = || Options { only: None, ..Options::default() };
    let (ana, _) = node.join_as(1, Some(1), every());
    let (ben, _) = node.join_as(2, Some(1), every());
    ana.send(Source::Camera, ANA);
    ben.send(Source::Camera, BEN);
    // The chosen pair is told by where the client sends; from then on nothing comes from elsewhere.
    assert!(ana.wait(|s| s.sees(0, BEN)) && ben.wait(|s| s.sees(0, ANA)));
    ana.seen().strays = 0;
    ben.seen().strays = 0;
    let before = ana.seen().total(Sink::video(0));
    assert!(ana.wait(|s| s.total(Sink::video(0)) > before + 500));
    assert_eq!((ana.seen().strays, ben.seen().strays), (0, 0));
}

#[test]
fn a_tcp_stranger_gets_little_and_is_hung_up_on() {
    let node = Node::start();
    let mut loris = TcpStream::connect(node.addr()).unwrap();
    loris.write_all(&[0]).unwrap();
    let mut liar = TcpStream::connect(node.addr()).unwrap();
    liar.write_all(&[0xff, 0xff, 1, 2, 3]).unwrap();
    assert_eq!(liar.read(&mut [0; 10]).unwrap_or(0), 0, "a frame that cannot be: closed at once");
    let many: Vec<_> = (0..40).map(|_| TcpStream::connect(node.addr()).unwrap()).collect();
    assert!(
        eventually(Duration::from_secs(5), || node.value("tcp_connections", None) == 32.0),
        "so many from one address"
    );
    drop(many);
    loris.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert_eq!(loris.read(&mut [0; 10]).unwrap_or(0), 0, "who does not authenticate is closed");
    assert!(eventually(Duration::from_secs(5), || node.value("tcp_connections", None) == 0.0));
}

#[test]
fn so_many_tcp_strangers_and_no_more() {
    use socket2::{Domain, Socket, Type};
    let node = Node::start();
    let from = |last: u8| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&std::net::SocketAddr::from(([127, 0, 0, last], 0)).into()).unwrap();
        socket.connect(&node.addr().into()).unwrap();
        socket
    };
    let _most: Vec<_> = (2..10).flat_map(|last| (0..32).map(move |_| last)).map(from).collect();
    assert!(eventually(Duration::from_secs(4), || node.value("tcp_connections", None) == 256.0));
    let more = from(10);
    more.set_read_timeout(Some(Duration::from_secs(4))).unwrap();
    assert_eq!(TcpStream::from(more).read(&mut [0; 1]).unwrap_or(0), 0, "one past it is closed");
    assert_eq!(node.value("tcp_connections", None), 256.0);
}

#[test]
fn a_change_of_network_is_an_ice_restart_in_the_same_seat() {
    let node = Node::start();
    let (ana, _) = node.join(1, Some(1));
    let (ben, session) = node.join(2, Some(1));
    for (client, tag) in [(&ana, ANA), (&ben, BEN)] {
        client.send(Source::Microphone, tag);
        client.send(Source::Camera, tag);
    }
    assert!(ana.wait(|s| s.sees(0, BEN)) && ben.wait(|s| s.sees(0, ANA)));
    let before = ben.addr();
    let offer = ben.reoffer().unwrap();
    let answer = node.runtime.block_on(node.handle.restart(session, offer)).unwrap();
    assert_eq!(answer.session, session);
    let fresh = ufrag(&answer.sdp);
    let candidates: Vec<_> = answer.sdp.lines().filter(|line| line.contains(" ufrag ")).collect();
    assert!(!candidates.is_empty() && candidates.iter().all(|line| line.contains(&fresh)), "{candidates:?}");
    ben.answer(&answer.sdp).unwrap();
    ana.seen().forget();
    ben.seen().forget();
    assert!(ana.wait(|s| s.hears(0, BEN) && s.total(Sink::video(0)) > 100));
    assert!(ben.wait(|s| s.hears(0, ANA) && s.total(Sink::video(0)) > 100));
    assert_ne!(ben.addr(), before);
    assert!(!node.events().iter().any(|e| matches!(e, MediaEvent::Closed { .. })));
    assert_eq!(node.value("sessions", None), 2.0);
}

#[test]
fn a_pulled_cable_is_noticed() {
    let node = Node::with(Config { consent_timeout_ms: 5_000, ..config() });
    let (ana, session) = node.join(1, Some(1));
    let (ben, _) = node.join(2, Some(1));
    ana.send(Source::Microphone, ANA);
    assert!(ben.wait(|s| s.hears(0, ANA)));
    drop(ana);
    let closed = node.wait_event(|e| matches!(e, MediaEvent::Closed { .. }));
    assert_eq!(closed, MediaEvent::Closed { session, reason: ClosedReason::Timeout });
    assert_eq!(node.handle.seat(session, Some(room(2))), Err(sfu_core::port::MediaError::NoSuchSession));
}

#[test]
fn a_peer_that_says_goodbye_is_gone_at_once() {
    let node = Node::start();
    let (ana, session) = node.join(1, Some(1));
    assert!(ana.wait(|s| s.channel_open.is_some()));
    ana.close();
    let closed = node.wait_event(|e| matches!(e, MediaEvent::Closed { .. }));
    assert_eq!(closed, MediaEvent::Closed { session, reason: ClosedReason::Peer });
}

#[test]
fn an_offer_nobody_follows_up_is_forgotten() {
    let node = Node::with(Config { connect_timeout_ms: 1_000, ..config() });
    let (_client, offer) = MediaClient::offer(Options::default()).unwrap();
    let answer = node.connect(1, sfu_core::port::Direction::Both, None, offer).unwrap();
    let closed = node.wait_event(|e| matches!(e, MediaEvent::Closed { .. }));
    assert_eq!(closed, MediaEvent::Closed { session: answer.session, reason: ClosedReason::Timeout });
    assert!(eventually(Duration::from_secs(5), || node.handle.sessions() == 0));
}

#[test]
fn pulses_fill_silence_and_only_silence() {
    let node = Node::start();
    let (ana, _) = node.join(1, Some(1));
    assert!(ana.wait(|s| s.channel_open.is_some()));
    ana.seen().forget();
    assert!(ana.wait(|s| s.pulses.len() >= 4));
    let gaps = |s: &testkit::media_client::Seen| -> Vec<u128> {
        s.pulses.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect()
    };
    let alone = gaps(&ana.seen());
    // Two go when the channel opens; the first may have come before it was looked for.
    assert!(alone[1..].iter().all(|ms| (900..1_200).contains(ms)), "alone, once a second: {alone:?}");

    let (ben, _) = node.join(2, Some(1));
    ana.seen().forget();
    assert!(ana.wait(|s| s.pulses.len() >= 5));
    let silent = gaps(&ana.seen());
    assert!(silent[1..].iter().all(|ms| (180..300).contains(ms)), "somebody silent: {silent:?}");

    ben.send(Source::Microphone, BEN);
    assert!(ana.wait(|s| s.hears(0, BEN)));
    ana.seen().forget();
    assert!(ana.wait(|s| s.total(Sink::audio(0)) > 60));
    assert!(ana.seen().pulses.is_empty(), "while they speak: {:?}", gaps(&ana.seen()));
}

#[test]
fn who_counts_bytes_is_sent_a_report_a_second_and_no_pulse_where_nobody_speaks() {
    let node = Node::start();
    let (ana, _) = node.join(1, Some(1));
    let (ben, _) = node.join(2, Some(1));
    assert!(ana.wait(|s| s.channel_open.is_some()) && ben.wait(|s| s.channel_open.is_some()));
    ana.say(&[2]);
    assert!(ana.wait(|s| s.told_quiet == 3));
    ana.seen().forget();
    assert!(ana.wait(|s| s.control.len() >= 3));
    let gaps: Vec<u128> = ana.seen().control.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
    assert!(
        gaps.iter().all(|ms| *ms < 1_300),
        "one a second, or sooner with the answer to a check: {gaps:?}"
    );
    assert!(ana.wait(|s| s.pulses.is_empty() && s.told_quiet == 0));
    // Ben's page is from before: it knows pulses only.
    ben.seen().forget();
    assert!(ben.wait(|s| s.pulses.len() >= 8));
    assert_eq!(ben.seen().told_quiet, 0);

    ben.send(Source::Microphone, BEN);
    assert!(ana.wait(|s| s.hears(0, BEN)));
    ben.stop(Source::Microphone);
    ana.seen().forget();
    assert!(ana.wait(|s| s.pulses.len() >= 5), "quick again, as somebody spoke just now");
    assert!(ana.wait(|s| s.told_quiet == 3));
}

#[test]
fn who_waits_longer_is_sent_fewer_reports_and_the_path_lives_for_as_long_as_it_is_checked() {
    let node = Node::start();
    let (ana, _) = node.join(1, Some(1));
    let (_ben, _) = node.join(2, Some(1));
    assert!(ana.wait(|s| s.channel_open.is_some()));
    ana.say(&[3]);
    assert!(ana.wait(|s| s.told_quiet == 3));
    ana.seen().forget();
    // Longer than the engine remembers a path that nobody checks.
    assert!(ana.wait_for(Duration::from_secs(40), |s| {
        s.control
            .first()
            .zip(s.control.last())
            .is_some_and(|(first, last)| *last - *first >= Duration::from_secs(20))
    }));
    let gaps: Vec<u128> = ana.seen().control.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
    assert!(
        gaps.iter().all(|ms| *ms < 3_300),
        "one in three seconds, or sooner with the answer to a check: {gaps:?}"
    );
    assert!(gaps.iter().filter(|ms| **ms > 1_300).count() > 4, "and not one a second: {gaps:?}");
    // The data channel is the engine's.
    ana.say(&[3]);
    assert!(ana.wait(|s| s.told_quiet == 3));
}

/// A STUN binding request with a made-up MESSAGE-INTEGRITY.
pub(crate) fn forged_check(local: &str, remote: &str, use_candidate: bool) -> Vec<u8> {
    let username = format!("{local}:{remote}");
    let mut body = Vec::new();
    let mut attribute = |kind: u16, value: &[u8]| {
        body.extend_from_slice(&kind.to_be_bytes());
        body.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
        body.extend_from_slice(value);
        body.resize(body.len().next_multiple_of(4), 0);
    };
    attribute(0x0006, username.as_bytes());
    attribute(0x0024, &[0x6e, 0, 0, 0xff]);
    attribute(0x802a, &[7; 8]);
    if use_candidate {
        attribute(0x0025, &[]);
    }
    attribute(0x0008, &[0xee; 20]);
    let mut message = vec![0, 1];
    message.extend_from_slice(&u16::try_from(body.len()).unwrap().to_be_bytes());
    message.extend_from_slice(&[0x21, 0x12, 0xa4, 0x42]);
    message.extend_from_slice(&[9; 12]);
    message.extend_from_slice(&body);
    message
}

pub(crate) fn ufrag(sdp: &str) -> String {
    sdp.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).unwrap().to_owned()
}

#[test]
fn strangers_and_spoofers_change_nothing() {
    let node = Node::start();
    let (ben, _) = node.join(2, Some(1));
    let (ana, offer) = MediaClient::offer(Options::default()).unwrap();
    let answer = node.connect(1, sfu_core::port::Direction::Both, Some(1), offer.clone()).unwrap();
    let (ours, theirs) = (ufrag(&answer.sdp), ufrag(&offer));
    ana.answer(&answer.sdp).unwrap();
    ana.connected().unwrap();
    for (client, tag) in [(&ana, ANA), (&ben, BEN)] {
        client.send(Source::Microphone, tag);
        client.send(Source::Camera, tag);
    }
    assert!(ana.wait(|s| s.sees(0, BEN)) && ben.wait(|s| s.sees(0, ANA)));
    ana.seen().forget();
    ben.seen().forget();

    let hostile = || -> Vec<Vec<u8>> {
        vec![
            forged_check(&ours, &theirs, true),
            forged_check(&ours, &theirs, false),
            forged_check("nobody", &theirs, true),
            vec![0; 40],
            vec![],
            vec![255; 1_500],
            // A fatal alert and a close_notify in the clear.
            vec![21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40],
            vec![21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 1, 0],
            // DTLS that does not decrypt, and a handshake out of the blue.
            [vec![23, 254, 253, 0, 1, 0, 0, 0, 0, 9, 9, 0, 40], vec![5; 40]].concat(),
            [vec![22, 254, 253, 0, 0, 0, 0, 0, 0, 9, 9, 0, 40], vec![1; 40]].concat(),
            // RTP and RTCP that do not authenticate; a BYE among them.
            [vec![128, 111, 0, 1], vec![3; 100]].concat(),
            [vec![129, 203, 0, 1], vec![3; 40]].concat(),
        ]
    };
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    stranger.set_nonblocking(true).unwrap();
    for _ in 0..50 {
        for packet in hostile() {
            stranger.send_to(&packet, node.addr()).unwrap();
            ana.inject(&packet);
        }
    }
    let counted = |what| node.value("unauthenticated_packets_total", Some(what));
    assert!(eventually(Duration::from_secs(10), || counted("bad-integrity") >= 150.0));
    assert!(
        counted("unknown-ufrag") >= 50.0 && counted("garbage") >= 50.0 && counted("unknown-address") >= 50.0
    );
    assert!(ana.wait(|s| s.hears(0, BEN) && s.total(Sink::video(0)) > 300));
    assert!(ben.wait(|s| s.hears(0, ANA) && s.total(Sink::video(0)) > 300));
    assert!(ana.seen().loss(Sink::video(0)) < 0.001 && ben.seen().loss(Sink::video(0)) < 0.001);
    assert!(!node.events().iter().any(|e| matches!(e, MediaEvent::Closed { .. })));
    let got = stranger.recv_from(&mut [0; 2_000]);
    assert!(got.is_err(), "a stranger is never answered, still less sent media");
}

#[test]
fn a_node_sends_itself_a_datagram_until_it_has_stopped() {
    let node = Node::with(Config { shards: 2, ..config() });
    let probe = || node.runtime.block_on(node.handle.probe());
    assert!(probe() && probe());
    assert_eq!(node.value("unauthenticated_packets_total", Some("garbage")), 0.0, "its own is no stranger");
    // Another's is.
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    stranger.send_to(&[0xFF; 17], node.addr()).unwrap();
    assert!(eventually(Duration::from_secs(5), || node
        .value("unauthenticated_packets_total", Some("garbage"))
        == 1.0));
    node.shut_down();
    assert!(eventually(Duration::from_secs(5), || !probe()));
}
