//! 50,000 packets a second of garbage and spoofed checks, while two people talk.
//!
//! Three seconds here; `SFU_FLOOD_SECONDS=30` for the full length.

use crate::{
    network::{forged_check, ufrag},
    node::{Node, eventually},
};
use sfu_core::port::{Direction, MediaEvent};
use std::{
    net::UdpSocket,
    time::{Duration, Instant},
};
use testkit::media_client::{MediaClient, Options, Sink, Source, Tag};

const PER_SECOND: u32 = 50_000;

/// Resident memory of this process, the clients included, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1_024
}

#[expect(clippy::disallowed_methods, reason = "the flood keeps its own pace")]
fn now() -> Instant {
    Instant::now()
}

#[test]
fn a_flood_of_strangers_does_not_disturb_a_call() {
    let seconds: u32 = std::env::var("SFU_FLOOD_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(3);
    let node = Node::start();
    let (ben, _) = node.join(2, Some(1));
    let (ana, offer) = MediaClient::offer(Options::default()).unwrap();
    let answer = node.connect(1, Direction::Both, Some(1), offer.clone()).unwrap();
    ana.answer(&answer.sdp).unwrap();
    ana.connected().unwrap();
    for (client, tag) in [(&ana, Tag(1)), (&ben, Tag(2))] {
        client.seen().keep = 500;
        client.send(Source::Microphone, tag);
        client.send(Source::Camera, tag);
    }
    assert!(ana.wait(|s| s.total(Sink::video(0)) > 300) && ben.wait(|s| s.total(Sink::video(0)) > 300));
    let packets = [
        forged_check(&ufrag(&answer.sdp), &ufrag(&offer), true),
        forged_check("nobody", "knows", true),
        vec![0xaa; 200],
        [vec![128, 111, 0, 1], vec![3; 400]].concat(),
        [vec![22, 254, 253, 0, 0, 0, 0, 0, 0, 9, 9, 0, 40], vec![1; 40]].concat(),
    ];
    let sockets: Vec<_> = (0..64).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    ana.seen().forget();
    ben.seen().forget();
    let before = resident();
    let (began, mut sent, mut due) = (now(), 0_u32, 0.0_f64);
    let mut last = began;
    while began.elapsed() < Duration::from_secs(seconds.into()) {
        let step = last.elapsed();
        last = now();
        // A flood, not a backlog: what a busy machine did not send in time is not sent in one burst.
        due = (due + step.as_secs_f64() * f64::from(PER_SECOND)).min(f64::from(PER_SECOND) / 50.0);
        while due >= 1.0 {
            due -= 1.0;
            let n = sent as usize;
            let _ = sockets[n % sockets.len()].send_to(&packets[n % packets.len()], node.addr());
            sent += 1;
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    let took = began.elapsed();
    let grown = resident().saturating_sub(before);
    // What was sent before the end has a moment to be repaired.
    let totals = (ana.seen().total(Sink::audio(0)), ben.seen().total(Sink::audio(0)));
    assert!(
        ana.wait(|s| s.total(Sink::audio(0)) > totals.0 + 25)
            && ben.wait(|s| s.total(Sink::audio(0)) > totals.1 + 25)
    );
    let strangers = node.value("unauthenticated_packets_total", None);
    let worst = [&ana, &ben]
        .iter()
        .flat_map(|c| [Sink::audio(0), Sink::video(0)].map(|sink| c.seen().loss(sink)))
        .fold(0.0, f64::max);
    println!(
        "flood: {sent} packets in {took:?}, {strangers} refused, worst loss {:.4} %, RSS +{} KiB",
        worst * 100.0,
        grown / 1_024
    );
    assert!(strangers > f64::from(sent) * 0.5, "the flood arrived");
    assert!(worst <= 0.001, "{worst}");
    assert!(grown <= 8 << 20, "{grown} bytes more");
    assert!(!node.events().iter().any(|e| matches!(e, MediaEvent::Closed { .. })));
    assert!(eventually(Duration::from_secs(1), || node.value("sessions", None) == 2.0));
}
