//! Who hears and sees whom.

use crate::node::{Node, config, eventually, room, tenant, who};
use sfu::Config;
use sfu_core::port::{Affinity, ClosedReason, Direction, MediaEvent, MediaNode as _};
use std::time::Duration;
use testkit::media_client::{MediaClient, Options, PATIENCE, Seen, Sending, Sink, Source, Tag};

const ANA: Tag = Tag(1);
const BEN: Tag = Tag(2);
const EVA: Tag = Tag(3);
const DAN: Tag = Tag(5);

#[test]
fn two_people_hear_and_see_each_other_and_nobody_else() {
    let node = Node::start();
    let (ana, ana_session) = node.join(1, Some(1));
    let (ben, _) = node.join(2, Some(1));
    let (eva, _) = node.join(3, Some(2));
    for (client, tag) in [(&ana, ANA), (&ben, BEN), (&eva, EVA)] {
        client.send(Source::Microphone, tag);
        client.send(Source::Camera, tag);
    }
    assert!(ana.wait(|s| s.hears(0, BEN) && s.sees(0, BEN)), "{:?}", ana.seen().tags());
    assert!(ben.wait(|s| s.hears(0, ANA) && s.sees(0, ANA)), "{:?}", ben.seen().tags());
    assert!(ben.wait(|s| s.count(Sink::audio(0)) > 100 && s.count(Sink::video(0)) > 300));
    assert!(eva.seen().packets.is_empty(), "another room");

    let seen = ben.seen();
    assert_eq!(seen.tags().into_iter().collect::<Vec<_>>(), [ANA]);
    assert!(seen.loss(Sink::audio(0)) == 0.0 && seen.loss(Sink::video(0)) == 0.0);
    let first = seen.of(Sink::video(0)).next().unwrap();
    assert!(first.content.unwrap().keyframe, "a picture begins with a keyframe");
    assert!(first.seq < 65_536, "outgoing numbers begin below a rollover");
    assert!(seen.of(Sink::video(0)).all(|p| p.marker == (p.content.unwrap().part == 3)), "markers are kept");
    assert!(seen.of(Sink::audio(0)).all(|p| p.audio_level == Some(-30)));
    drop(seen);
    node.wait_event(|e| {
        matches!(e, MediaEvent::Slots { session, slots, .. } if *session == ana_session && slots[0] == Some(who(2)))
    });
    assert_eq!(node.value("srtp_profiles_total", Some("aead-aes-256-gcm")), 3.0);
    assert_eq!(node.value("candidate_pairs_total", Some("udp4")), 3.0);
}

#[test]
fn a_warm_seat_is_silent_both_ways_until_it_is_seated() {
    let node = Node::start();
    let (ana, _) = node.join(1, Some(1));
    let (ben, session) = node.join(2, None);
    for (client, tag) in [(&ana, ANA), (&ben, BEN)] {
        client.send(Source::Microphone, tag);
        client.send(Source::Camera, tag);
    }
    let gated = || node.value("dropped_packets_total", Some("unseated"));
    assert!(
        eventually(Duration::from_secs(10), || gated() > 200.0),
        "the waiting client's media reaches the gate"
    );
    assert!(ana.seen().packets.is_empty() && ben.seen().packets.is_empty());

    node.handle.seat(session, Some(room(1))).unwrap();
    assert!(ana.wait(|s| s.hears(0, BEN) && s.sees(0, BEN)));
    assert!(ben.wait(|s| s.hears(0, ANA) && s.sees(0, ANA)));

    node.handle.seat(session, None).unwrap();
    let before = gated();
    assert!(eventually(Duration::from_secs(10), || gated() > before + 200.0));
    ana.seen().forget();
    ben.seen().forget();
    let before = gated();
    assert!(eventually(Duration::from_secs(10), || gated() > before + 100.0));
    assert!(ana.seen().packets.is_empty() && ben.seen().packets.is_empty());
}

#[test]
fn a_newer_session_of_the_same_person_replaces_the_older() {
    let node = Node::start();
    let (ana, _) = node.join(1, Some(1));
    let (old, old_session) = node.join(2, Some(1));
    old.send(Source::Microphone, BEN);
    old.send(Source::Camera, BEN);
    assert!(ana.wait(|s| s.hears(0, BEN) && s.sees(0, BEN)));

    let (new, new_session) = node.join(2, Some(1));
    new.send(Source::Microphone, EVA);
    new.send(Source::Camera, EVA);
    assert!(ana.wait(|s| s.hears(0, EVA) && s.sees(0, EVA)), "in the same slot");
    let closed = node.wait_event(|e| matches!(e, MediaEvent::Closed { .. }));
    assert_eq!(closed, MediaEvent::Closed { session: old_session, reason: ClosedReason::Replaced });
    assert!(old.wait(|s| s.closed.is_some()), "the old one is told goodbye");
    assert!(new.seen().closed.is_none());
    assert!(ana.wait(|s| s.of(Sink::video(0)).filter(|p| p.content.unwrap().tag == EVA).count() > 50));
    continuous(&ana.seen(), Sink::audio(0));
    continuous(&ana.seen(), Sink::video(0));
    node.handle.seat(new_session, None).unwrap();
}

/// Across a change of source: numbers without a gap, time forward, picture ids without a gap.
pub(crate) fn continuous(seen: &Seen, sink: Sink) {
    let mut packets: Vec<_> = seen.of(sink).collect();
    packets.sort_by_key(|p| p.seq);
    for pair in packets.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        assert_eq!(b.seq, a.seq + 1, "{a:?} {b:?}");
        let ahead = b.timestamp.wrapping_sub(a.timestamp);
        assert!(ahead < 1 << 31, "time goes back: {a:?} {b:?}");
        if let (Some(a), Some(b)) = (a.content.unwrap().picture_id, b.content.unwrap().picture_id) {
            let step = b.wrapping_sub(a) & 0x7fff;
            assert!(step <= 1, "picture ids jump from {a} to {b}");
        }
    }
}

#[test]
fn a_third_person_is_seen_in_a_slot_of_their_own_and_slots_stay() {
    let node = Node::start();
    let clients: Vec<_> = [1, 2, 3].map(|n| node.join(n, Some(1))).into();
    for ((client, _), tag) in clients.iter().zip([ANA, BEN, EVA]) {
        client.send(Source::Microphone, tag);
        client.send(Source::Camera, tag);
    }
    let [(ana, _), (ben, ben_session), (eva, _)] = &clients[..] else { unreachable!() };
    assert!(ana.wait(|s| s.hears(0, BEN) && s.sees(0, BEN) && s.hears(1, EVA) && s.sees(1, EVA)));
    assert!(ben.wait(|s| s.sees(0, ANA) && s.sees(1, EVA)));
    assert!(eva.wait(|s| s.sees(0, ANA) && s.sees(1, BEN)));
    node.handle.disconnect(*ben_session);
    assert!(ben.wait(|s| s.closed.is_some()));
    // What was under way arrives; then nothing more of theirs.
    let before = ana.seen().total(Sink::video(1));
    assert!(ana.wait(|s| s.total(Sink::video(1)) > before + 60));
    ana.seen().forget();
    assert!(ana.wait(|s| s.count(Sink::video(1)) > 100));
    assert_eq!(ana.seen().tags().into_iter().collect::<Vec<_>>(), [EVA], "nobody hears who left");
    assert_eq!(ana.seen().count(Sink::video(0)), 0, "and who stayed did not move");
}

#[test]
fn a_screen_goes_nowhere_until_its_owner_is_the_sharer() {
    let node = Node::start();
    let (ana, ana_session) = node.join(1, Some(1));
    let (ben, _) = node.join(2, Some(1));
    ben.send(Source::Screen, BEN);
    let gated = || node.value("dropped_packets_total", Some("not-sharing"));
    assert!(eventually(Duration::from_secs(10), || gated() > 50.0));
    assert!(ana.seen().packets.is_empty());

    node.handle.set_sharer(tenant(), Affinity(7), room(1), Some(who(2))).unwrap();
    assert!(ana.wait(|s| s.shows(Sink::screen(), BEN)));
    node.wait_event(|e| {
        matches!(e, MediaEvent::Slots { session, screen, .. } if *session == ana_session && *screen == Some(who(2)))
    });

    node.handle.set_sharer(tenant(), Affinity(7), room(1), Some(who(1))).unwrap();
    let before = gated();
    assert!(eventually(Duration::from_secs(10), || gated() > before + 50.0));
    ana.seen().forget();
    let before = gated();
    assert!(eventually(Duration::from_secs(10), || gated() > before + 50.0));
    assert!(ana.seen().packets.is_empty(), "somebody else shares now");
    assert!(ben.seen().packets.is_empty(), "and nobody sees their own screen");
}

#[test]
fn the_first_layer_whose_keyframe_arrives_is_forwarded_and_a_change_of_layer_is_followed() {
    let node = Node::start();
    let (ana, _) = node.join(1, Some(1));
    let rids = vec!["q".to_owned(), "h".to_owned()];
    let (ben, _) = node.join_as(2, Some(1), Options { rids, ..Options::default() });
    let layer = |rid: &str, tag| Sending { rid: Some(rid.to_owned()), ..Sending::of(tag) };
    ben.send_as(Source::Camera, layer("h", BEN));
    assert!(ana.wait(|s| s.sees(0, BEN) && s.count(Sink::video(0)) > 100));
    ben.send_as(Source::Camera, layer("q", EVA));
    assert!(ana.wait(|s| s.sees(0, EVA)), "the other layer takes over once the first is silent");
    continuous(&ana.seen(), Sink::video(0));
}

#[test]
fn lost_packets_are_repaired_on_both_legs() {
    let node = Node::start();
    let (ana, _) = node.join(1, Some(1));
    let (ben, _) = node.join(2, Some(1));
    ana.send(Source::Camera, ANA);
    assert!(ben.wait(|s| s.sees(0, ANA)));
    ben.lose_one_in(20);
    ana.lose_one_out_in(20);
    assert!(ben.wait(|s| s.total(Sink::video(0)) > 1_500));
    assert!(ben.seen().lost > 50 && ana.seen().lost > 50, "{} {}", ben.seen().lost, ana.seen().lost);
    // Before looking, no more loss, so that what is under way arrives.
    ben.lose_one_in(0);
    ana.lose_one_out_in(0);
    let total = ben.seen().total(Sink::video(0));
    assert!(ben.wait(|s| s.total(Sink::video(0)) > total + 200));
    let loss = ben.seen().loss(Sink::video(0));
    // Five in a hundred are lost on each leg; ninety-nine in a hundred of those are repaired.
    assert!(loss < 0.1 * 0.01, "{loss} of the packets never arrived");
    assert!(node.value("rtx_packets_total", None) > 30.0);
}

/// Slots are used again, and a track's log remembers who was in one.
#[test]
fn no_repair_comes_from_whoever_took_the_slot_of_somebody_who_left() {
    let node = Node::start();
    let (ben, _) = node.join(2, Some(1));
    let (ana, ana_session) = node.join(1, Some(1));
    let small = |tag| Sending { packets_per_frame: 1, bytes: 100, ..Sending::of(tag) };
    ana.use_ssrc(Source::Camera, 7_000);
    ana.send_as(Source::Camera, small(ANA));
    assert!(ben.wait(|s| s.sees(0, ANA)));
    // What comes now is lost on its way to ben, who notices when somebody else is shown on that line.
    ben.lose_one_in(1);
    let sent = ana.seen().sent;
    assert!(eventually(PATIENCE, || ana.seen().sent > sent + 20));
    node.handle.disconnect(ana_session);
    node.wait_event(|e| matches!(e, MediaEvent::Closed { session, .. } if *session == ana_session));
    assert!(ana.wait(|s| s.closed.is_some()));
    let sent = ana.seen().sent;

    // Somebody in another room takes the slot, and sends on such a stream, in such numbers.
    let (eva, _) = node.join(3, Some(2));
    let (fay, _) = node.join(4, Some(2));
    eva.use_ssrc(Source::Camera, 7_000);
    eva.send_as(Source::Camera, small(EVA));
    assert!(fay.wait(|s| s.total(Sink::video(0)) > sent));
    eva.stop(Source::Camera);

    ben.lose_one_in(0);
    let asked = node.value("feedback_total", Some("nack-in"));
    let (dan, _) = node.join(5, Some(1));
    dan.send_as(Source::Camera, small(DAN));
    assert!(ben.wait(|s| s.sees(0, DAN)));
    assert!(eventually(PATIENCE, || node.value("feedback_total", Some("nack-in")) > asked), "ben lacks some");
    let total = ben.seen().total(Sink::video(0));
    assert!(ben.wait(|s| s.total(Sink::video(0)) > total + 30));
    assert!(!ben.seen().tags().contains(&EVA), "another room is seen");
}

#[test]
fn padding_is_not_forwarded_and_leaves_no_gap() {
    let node = Node::start();
    let (ana, _) = node.join(1, Some(1));
    let (ben, _) = node.join(2, Some(1));
    ana.send_as(Source::Camera, Sending { pad_every: Some(5), ..Sending::of(ANA) });
    assert!(ben.wait(|s| s.sees(0, ANA) && s.total(Sink::video(0)) > 300));
    assert!(node.value("dropped_packets_total", Some("padding")) > 50.0);
    let seen = ben.seen();
    assert!(seen.of(Sink::video(0)).all(|p| p.bytes > 0));
    continuous(&seen, Sink::video(0));
}

#[test]
fn keyframe_requests_are_throttled_however_many_ask() {
    let node = Node::start();
    let (ana, _) = node.join(1, Some(1));
    let (ben, _) = node.join(2, Some(1));
    ana.send(Source::Camera, ANA);
    assert!(ben.wait(|s| s.sees(0, ANA)));
    ana.seen().forget();
    assert!(eventually(Duration::from_secs(20), || {
        ben.request_keyframe(Sink::video(0));
        ana.seen().keyframe_requests.len() >= 4
    }));
    let requests: Vec<_> = ana.seen().keyframe_requests.iter().map(|(_, at)| *at).collect();
    for pair in requests.windows(2) {
        assert!(pair[1] - pair[0] > Duration::from_millis(470), "{:?} apart", pair[1] - pair[0]);
    }
    assert!(node.value("feedback_total", Some("pli-in")) > node.value("feedback_total", Some("pli-out")));
}

#[test]
fn no_keyframe_is_asked_for_before_it_can_be_shown() {
    let node = Node::start();
    let (ana, _) = node.join(1, Some(1));
    let (eva, _) = node.join(3, Some(1));
    ana.send(Source::Camera, ANA);
    assert!(eva.wait(|s| s.sees(0, ANA)));
    ana.seen().forget();
    let (ben, offer) = MediaClient::offer(Options::default()).unwrap();
    let answer = node.connect(2, Direction::Both, Some(1), offer).unwrap();
    let heard = eva.seen().count(Sink::video(0));
    assert!(eva.wait(|s| s.count(Sink::video(0)) > heard + 60));
    assert!(ana.seen().keyframe_requests.is_empty(), "nobody could show it yet");
    ben.answer(&answer.sdp).unwrap();
    assert!(ben.wait(|s| s.sees(0, ANA)));
    assert_eq!(ana.seen().keyframe_requests.len(), 1);
}

#[test]
fn a_keyframe_is_asked_for_until_it_arrives() {
    let node = Node::start();
    let (ana, _) = node.join(1, Some(1));
    let (ben, _) = node.join(2, Some(1));
    ana.send_as(Source::Camera, Sending { deaf: true, ..Sending::of(ANA) });
    assert!(ana.wait(|s| s.keyframe_requests.len() >= 4));
    assert!(ben.seen().packets.is_empty(), "a picture that cannot begin is not begun");
    let at: Vec<_> = ana.seen().keyframe_requests.iter().map(|(_, at)| *at).collect();
    let gaps: Vec<u128> = at.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
    assert!((470..700).contains(&gaps[0]) && (950..1_200).contains(&gaps[1]), "{gaps:?}");
    ana.send(Source::Camera, ANA);
    assert!(ben.wait(|s| s.sees(0, ANA)));
}

/// How much later pictures are than sound, by what the sender reports say about when they were captured.
fn skew(seen: &Seen) -> Option<f64> {
    let delay = |sink: Sink, rate: f64| {
        let report = seen.reports.iter().rev().find(|r| r.sink == sink)?;
        let packet = seen.of(sink).next_back()?;
        let ticks = packet.timestamp.wrapping_sub(report.rtp as u32) as i32;
        let ntp = report.ntp.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs_f64();
        let base = seen.answered?;
        Some((packet.at - base).as_secs_f64() - (ntp + f64::from(ticks) / rate))
    };
    Some(delay(Sink::video(0), 90_000.0)? - delay(Sink::audio(0), 48_000.0)?)
}

#[test]
fn lips_and_voice_stay_together_when_the_picture_is_late() {
    let node = Node::start();
    let (ana, _) = node.join(1, Some(1));
    let (ben, _) = node.join(2, Some(1));
    let late = Duration::from_millis(300);
    ana.send(Source::Microphone, ANA);
    ana.send_as(Source::Camera, Sending { late, ..Sending::of(ANA) });
    // By arrival time the two would seem captured together and the skew would read 0.
    let together = ben.wait(|s| skew(s).is_some_and(|skew| (skew - 0.3).abs() < 0.05));
    assert!(together, "the reports say {:?} s", skew(&ben.seen()));
}

#[test]
fn a_narrow_link_keeps_its_sound_and_the_publisher_is_told() {
    const LINK_BPS: u64 = 300_000;
    let node = Node::with(Config {
        initial_estimate_kbps: LINK_BPS / 1_000,
        max_estimate_kbps: LINK_BPS / 1_000,
        ..config()
    });
    let (ana, _) = node.join(1, Some(1));
    let (ben, _) = node.join(2, Some(1));
    // A megabit, whatever is asked for.
    ana.send(Source::Camera, ANA);
    ana.send(Source::Microphone, ANA);
    let told = ana.wait(|s| s.most_bps.is_some_and(|bps| (200_000..LINK_BPS).contains(&bps)));
    assert!(told, "what the link leaves for the picture: {:?}", ana.seen().most_bps);
    ben.seen().forget();
    assert!(ben.wait(|s| s.count(Sink::audio(0)) >= 200));
    continuous(&ben.seen(), Sink::audio(0));
    let seen = ben.seen();
    let (first, last) = (seen.packets.front().unwrap().at, seen.packets.back().unwrap().at);
    let packets = seen.count(Sink::video(0)) as u64;
    let bps = packets * 1_000 * 8_000 / (last - first).as_millis() as u64;
    assert!(bps < LINK_BPS * 13 / 10, "{bps} bit/s of pictures in the long run");
    assert!(node.value("dropped_packets_total", Some("link-full")) > 0.0);
}
