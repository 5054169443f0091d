//! While a session is being set up: the race of ClientHellos, certificates of somebody else, and floods of strangers.

use super::{
    packets::{self, Random},
    stage::{Stage, Strangers, amount, flood},
    tap::Tap,
};
use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};
use testkit::media_client::{MediaClient, Options};

/// Whether a new session comes up, over a path on which somebody may have been first.
fn comes_up(stage: &Stage, first: Vec<Vec<u8>>) -> Option<Duration> {
    let link = stage.another();
    let (client, offer) = MediaClient::offer(Options::whep()).unwrap();
    let answer = link.post(&stage.server, &offer);
    assert_eq!(answer.status, 201, "{}", answer.body);
    let tap = Tap::new(stage.media(), first);
    client.answer(&tap.answer(&answer.body)).unwrap();
    let up = client.wait_for(Duration::from_secs(3), |seen| seen.connected.is_some());
    let took = client.connected_after().filter(|_| up);
    let location = &answer.headers["location"];
    let bye =
        crate::http::ask(stage.server.http(), "DELETE", location, &[("authorization", &link.bearer)], "");
    assert_eq!(bye.status, 200);
    took
}

#[tokio::test(flavor = "multi_thread")]
async fn v17_2_6_client_hellos_from_elsewhere_neither_stop_nor_slow_a_handshake() {
    let mut stage = Stage::new().await;
    let (strangers, stop) = (Strangers::new(), AtomicBool::new(false));
    let setups = amount(20, 200);
    let hellos = packets::hellos(&mut Random::new());
    let media = stage.media();
    let mut times = Vec::new();
    std::thread::scope(|scope| {
        let sent = scope.spawn(|| {
            let mut sent = 0;
            // Bounded by itself, should the setups never end.
            while !stop.load(Relaxed) && sent < 2_000_000 {
                sent += flood(10_000, 0.05, |n| strangers.send(n, &hellos[n % hellos.len()], media));
            }
            sent
        });
        times.extend((0..setups).filter_map(|_| comes_up(&stage, Vec::new())));
        stop.store(true, Relaxed);
        println!("{} ClientHellos during {} setups", sent.join().unwrap(), times.len());
    });
    times.sort_unstable();
    println!("setups: median {:?}, longest {:?}", times.get(times.len() / 2), times.last());
    assert_eq!(times.len(), setups, "a setup failed");
    assert_eq!(strangers.received(), 0, "a stranger was answered");
    // The sessions that were ended on purpose are no loss.
    stage.forgive(setups);
    stage.unharmed("V17.2.6 ClientHellos from elsewhere").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v17_2_6_a_client_hello_from_the_clients_own_address_ends_no_call() {
    let mut stage = Stage::new().await;
    let mut random = Random::new();
    let sent = flood(amount(1_000, 10_000), amount(2.0, 10.0), |n| {
        let hellos = packets::hellos(&mut random);
        stage.tap.inject(&hellos[n % hellos.len()]);
    });
    println!("{sent} ClientHellos as the client");
    stage.unharmed("V17.2.6 ClientHellos from the client's own address").await;
}

/// The one race that is not won: who forges the client's own address, after its check and before its ClientHello, has
/// begun a handshake that the client's does not fit. That takes some milliseconds' aim at a port that only the path
/// knows, and costs this attempt; the next one comes up, and nobody else notices.
#[tokio::test(flavor = "multi_thread")]
async fn v17_2_6_a_hello_forged_between_check_and_handshake_costs_that_attempt_at_most() {
    let mut stage = Stage::new().await;
    let mut random = Random::new();
    let tries = amount(4, 40);
    let (mut lost, mut ended) = (0, 0);
    for n in 0..tries {
        let hello = packets::hellos(&mut random).swap_remove(n % 4);
        if comes_up(&stage, vec![hello]).is_none() {
            lost += 1;
            ended += 1;
            assert!(comes_up(&stage, Vec::new()).is_some(), "the next attempt does not come up either");
        }
        ended += 1;
        // A page that says nothing for half a minute is taken for gone.
        stage.still_there().await;
    }
    println!("{lost} of {tries} handshakes were lost to a hello forged from the client's own address");
    stage.forgive(ended);
    stage.unharmed("V17.2.6 forged hellos during a handshake").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v17_2_8_whose_certificate_is_not_the_offers_does_not_come_up() {
    let stage = Stage::new().await;
    let connected = || stage.value("joins_total", "stage=\"connected\"");
    let before = connected();
    for (what, other) in [
        (
            "another's",
            "sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF",
        ),
        ("a weak one", "sha-1 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33"),
    ] {
        let link = stage.another();
        let (client, offer) = MediaClient::offer(Options::whep()).unwrap();
        let changed: String = offer
            .lines()
            .map(|line| match line.starts_with("a=fingerprint:") {
                true => format!("a=fingerprint:{other}\r\n"),
                false => format!("{line}\r\n"),
            })
            .collect();
        assert_ne!(changed, offer);
        let answer = link.post(&stage.server, &changed);
        if answer.status != 201 {
            assert_eq!(answer.status, 400, "{what}: {}", answer.body);
            continue;
        }
        let checked = stage.value("joins_total", "stage=\"ice\"");
        client.answer(&answer.body).unwrap();
        stage.counted("joins_total", "stage=\"ice\"", checked + 1.0);
        // Long enough for a handshake, which takes some milliseconds.
        client.wait_for(Duration::from_secs(2), |seen| !seen.packets.is_empty());
        assert!(client.seen().packets.is_empty(), "{what}: media was sent");
    }
    assert_eq!(connected(), before, "a session came up");
    // A genuine one does.
    assert!(comes_up(&stage, Vec::new()).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn t_m8_a_flood_of_checks_by_strangers_costs_a_call_nothing() {
    let mut stage = Stage::new().await;
    let (strangers, mut random) = (Strangers::new(), Random::new());
    let username = stage.username.clone();
    let (pps, seconds) = amount((20_000, 2.0), (50_000, 20.0));
    let sent = flood(pps, seconds, |n| {
        let guessed = format!("{:08x}:{:08x}", random.next() as u32, random.next() as u32);
        let username = if n % 2 == 0 { &username } else { &guessed };
        strangers.send(n, &packets::stun(username, true, &mut random), stage.media());
    });
    stage.counted("unauthenticated_packets_total", "", sent as f64 * 0.5);
    assert_eq!(strangers.received(), 0, "a stranger was answered");
    println!("{sent} checks by strangers");
    stage.unharmed("T-M8 checks by strangers").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t_m9_no_datagram_without_proof_is_answered_at_all() {
    let mut stage = Stage::new().await;
    let mut random = Random::new();
    let kinds: Vec<(&str, Vec<u8>)> = vec![
        ("STUN of nobody", packets::stun("", false, &mut random)),
        ("STUN of somebody unknown", packets::stun("nobody:knows", true, &mut random)),
        ("STUN of somebody known, unsigned", packets::stun(&stage.username, false, &mut random)),
        ("STUN of somebody known, wrongly signed", packets::stun(&stage.username, true, &mut random)),
        ("DTLS ClientHello", packets::client_hello(&packets::GOOD, None, &mut random)),
        ("DTLS ClientHello without encryption", packets::client_hello(&packets::NULL, None, &mut random)),
        ("DTLS alert", vec![21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40]),
        ("RTP", [vec![0x80, 111, 0, 1], random.bytes(160)].concat()),
        ("RTCP", [vec![0x81, 206, 0, 2], random.bytes(40)].concat()),
        ("garbage", [vec![0xff], random.bytes(1_000)].concat()),
        ("a byte", vec![0]),
    ];
    for (kind, datagram) in &kinds {
        // Each kind has sockets of its own, so that what comes back is told apart.
        let (strangers, before) = (Strangers::new(), stage.value("unauthenticated_packets_total", ""));
        let count = amount(200, 2_000);
        // At a pace that the budget of checks of a turn is not what refuses them.
        let sent = flood(4_000, f64::from(count) / 4_000.0, |n| strangers.send(n, datagram, stage.media()));
        stage.counted("unauthenticated_packets_total", "", before + sent as f64 * 0.9);
        let (out, back) = (sent * datagram.len(), strangers.received());
        println!("{kind}: {out} bytes out, {back} back");
        assert_eq!(back, 0, "{kind}: {back} bytes for {out}");
    }
    stage.unharmed("T-M9 amplification").await;
}
