//! While media flows: injected, replayed, broken and far too much of it.

use super::{
    packets::{self, Random},
    stage::{Stage, Strangers, amount, flood},
    tap::Class,
};
use std::time::Duration;
use testkit::media_client::{Sending, Sink, Source, Tag};

/// Waits until the tap has heard so much that there is something to attack with.
fn heard(stage: &Stage, class: Class, least: usize) -> Vec<Vec<u8>> {
    let enough = stage.visitor.wait(|_| stage.tap.heard(class).len() >= least);
    assert!(enough, "the client sent too little: {:?}", stage.tap.heard(class).len());
    stage.tap.heard(class)
}

#[tokio::test(flavor = "multi_thread")]
async fn v17_2_4_malformed_media_reports_and_data_end_nothing() {
    let mut stage = Stage::new().await;
    let (strangers, mut random) = (Strangers::new(), Random::new());
    let genuine: Vec<_> = [Class::Rtp, Class::Rtcp, Class::Dtls, Class::Stun]
        .into_iter()
        .flat_map(|class| heard(&stage, class, 3).into_iter().rev().take(amount(20, 200)))
        .collect();
    let sent = flood(amount(2_000, 20_000), amount(3.0, 20.0), |n| {
        let one = &genuine[n % genuine.len()..][..1];
        let broken = packets::malformed(one, &mut random);
        let packet = &broken[random.below(broken.len())];
        stage.tap.inject(packet);
        // A check that was heard still proves itself where what is broken stands behind its proof: see below.
        if packet.first().is_some_and(|first| *first > 3) {
            strangers.send(n, packet, stage.media());
        }
    });
    assert_eq!(strangers.received(), 0, "a stranger was answered");
    println!("{sent} malformed packets from the client's address, as many from elsewhere");
    stage.unharmed("V17.2.4 malformed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v17_2_3_what_was_heard_is_taken_once_and_from_nobody_else() {
    let mut stage = Stage::new().await;
    let strangers = Strangers::new();
    let packets = heard(&stage, Class::Rtp, amount(200, 2_000));
    let (repeats, unknown) = (
        stage.value("dropped_packets_total", "reason=\"repeat\""),
        stage.value("unauthenticated_packets_total", "reason=\"unknown-address\""),
    );
    let received = || stage.value("packets_total", "direction=\"in\"");
    let sent_by_clients = || stage.sent();
    let (taken_before, sent_before) = (received(), sent_by_clients());
    let rounds = 10;
    for _ in 0..rounds {
        let mut each = packets.iter();
        flood(4_000, packets.len() as f64 / 4_000.0, |n| {
            if let Some(packet) = each.next() {
                stage.tap.inject(packet);
                strangers.send(n, packet, stage.media());
            }
        });
    }
    // Most, as a pace of a busy machine leaves some out: each is refused, the older ones as not authentic.
    stage.counted(
        "unauthenticated_packets_total",
        "reason=\"unknown-address\"",
        unknown + packets.len() as f64,
    );
    stage.counted("dropped_packets_total", "reason=\"repeat\"", repeats + packets.len() as f64);
    let (taken, sent) = (received() - taken_before, sent_by_clients() - sent_before);
    println!("{rounds} x {} packets replayed: {taken} were taken, {sent} were sent", packets.len());
    // What was on its way at either end.
    assert!(taken <= sent as f64 + 100.0, "{taken} packets were taken of {sent}");
    assert_eq!(strangers.received(), 0, "somebody else was sent media");
    stage.unharmed("V17.2.3 replay and injection").await;
}

/// STUN knows no replay: a check that somebody on the path heard proves itself from any address, as that of a client
/// which changed networks does. No media goes there, though: nothing has come from it that only the client can have sent.
#[tokio::test(flavor = "multi_thread")]
async fn v17_2_3_a_check_that_was_heard_and_sent_from_elsewhere_draws_no_media() {
    let stage = Stage::new().await;
    let checks = heard(&stage, Class::Stun, 3);
    let (strangers, closed) = (Strangers::new(), stage.value("closed_total", ""));
    let (before, sound) = (strangers.received(), stage.visitor.seen().total(Sink::audio(0)));
    let sent = flood(10, amount(2.0, 10.0), |n| strangers.send(0, &checks[n % checks.len()], stage.media()));
    assert!(sent > 10, "too few were sent: {sent}");
    // An answer to a check is 80 bytes or so; a tenth of a second of a call is more than all of them.
    let drawn = strangers.received() - before;
    println!("{sent} checks sent from elsewhere: {drawn} bytes went there");
    assert!(drawn <= sent * 200, "{drawn} bytes for {sent} checks");
    assert!(
        stage.visitor.wait(|seen| seen.total(Sink::audio(0)) > sound + 200),
        "the sound does not come back"
    );
    assert_eq!(stage.value("closed_total", ""), closed, "a session ended");
    assert_eq!(stage.value("caught_panics_total", ""), 0.0);
}

/// The same rule must let a client go on whose address changes: its checks, and then what it sends, come from the new one.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_address_changes_is_sent_its_media_there() {
    let mut stage = Stage::new().await;
    for _ in 0..3 {
        let sound = stage.visitor.seen().total(Sink::audio(0));
        stage.tap.rebind();
        assert!(stage.visitor.wait(|seen| seen.total(Sink::audio(0)) > sound + 200), "media do not follow");
    }
    stage.begin();
    stage.unharmed("a client whose address changed three times").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v17_2_5_a_flood_of_what_is_not_authentic_ends_no_call_and_touches_no_other() {
    let mut stage = Stage::new().await;
    let mut random = Random::new();
    let shapes = heard(&stage, Class::Rtp, 100);
    let (pps, seconds) = amount((20_000, 2.0), (50_000, 20.0));
    let sent = flood(pps, seconds, |n| {
        // The header of a packet that was heard, and a payload of noise: as far in as one gets without keys.
        let mut packet = shapes[n % shapes.len()].clone();
        let number = random.next() as u16;
        packet[2..4].copy_from_slice(&number.to_be_bytes());
        let noise = random.next() as u8;
        packet[12..].iter_mut().for_each(|byte| *byte ^= noise | 1);
        stage.tap.inject(&packet);
    });
    println!("{sent} packets that are not authentic, from the client's own address");
    stage.unharmed("V17.2.5 SRTP that is not authentic").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v17_2_5_somebody_who_sends_far_too_much_harms_no_other_room() {
    let mut stage = Stage::new().await;
    // 30 frames a second of so many packets, authentic, sent whatever the server says.
    let packets_per_frame = amount(60, 150);
    let sending = Sending { packets_per_frame, deaf: true, ..Sending::of(Tag(2)) };
    stage.visitor.send_as(Source::Camera, sending);
    let begun = stage.visitor.seen().sent;
    let much = amount(3_000, 60_000);
    assert!(stage.visitor.wait_for(Duration::from_secs(60), |seen| seen.sent > begun + much));
    // The other room notices nothing; nor does this one's sound.
    stage.others_unharmed("V17.2.5 authentic and far too much").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t_m4_reports_that_are_replayed_ask_for_nothing() {
    let mut stage = Stage::new().await;
    stage.visitor.request_keyframe(Sink::video(0));
    assert!(stage.doctor.wait(|seen| !seen.keyframe_requests.is_empty()));
    let reports = heard(&stage, Class::Rtcp, 10);
    stage.begin();
    let refused = stage.value("dropped_packets_total", "reason=\"not-authentic\"");
    for _ in 0..amount(10, 100) {
        reports.iter().for_each(|report| stage.tap.inject(report));
    }
    stage.counted("dropped_packets_total", "reason=\"not-authentic\"", refused + reports.len() as f64);
    let asked = stage.doctor.seen().keyframe_requests.len();
    println!("{} reports replayed, {asked} keyframes asked for", reports.len());
    assert_eq!(asked, 0, "a replayed request was passed on");
    stage.unharmed("T-M4 replayed reports").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t_m7_a_storm_of_keyframe_requests_reaches_the_publisher_as_a_few() {
    let mut stage = Stage::new().await;
    let begun = std::time::Instant::now();
    let came = stage.value("feedback_total", "kind=\"pli-in\"");
    let asked = flood(200, amount(3.0, 20.0), |_| stage.visitor.request_keyframe(Sink::video(0)));
    stage.counted("feedback_total", "kind=\"pli-in\"", came + 10.0);
    let passed_on = stage.doctor.seen().keyframe_requests.len();
    // One a half second, and one at once.
    let most = begun.elapsed().as_millis() as usize / 500 + 1;
    println!("asked {asked} times, passed on {passed_on} of at most {most}");
    assert!((1..=most).contains(&passed_on), "{passed_on}, not 1 to {most}");
    stage.unharmed("T-M7 keyframe requests").await;
}
