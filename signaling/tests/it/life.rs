//! Connections come and go; a participant is one, and stays where they were.

use crate::{
    client::{Client, id, is, request, upgrade},
    world::{Home, eventually},
};
use model::RoomId;
use signaling::Config;
use signaling_protocol::{
    ClientMessage, ErrorCode, ServerMessage,
    view::{MediaWish, PhaseView},
};
use std::time::Instant;

#[tokio::test]
async fn the_newest_tab_wins_and_the_older_does_not_take_it_back() {
    let home = Home::new();
    let world = home.start().await;
    let mut alice = world.join(&world.open().await).await;
    let invitation = world.invite("Bob").await;
    let mut first = world.join(&invitation.link).await;
    first.check_in().await;
    first.visit(is(MediaWish::Warm)).await;
    first.offer().await;
    let mut second = world.join(&invitation.link).await;
    let ended = first.ended().await;
    assert_eq!((ended.error.map(|(code, _)| code), ended.code), (Some(ErrorCode::Replaced), Some(4409)));
    eventually("the first tab's media is gone", || world.media.seat_of(first.me).is_none()).await;
    second.visit(|visit| matches!(visit.phase, PhaseView::Waiting { ahead: 0, .. })).await;

    let mut back = Client::connect(world.addr).await;
    back.hello(&first.resume_token).await;
    assert_eq!(back.ended().await.code, Some(4409));
    second.ping().await;

    let mut third = Client::join(world.addr, &second.resume_token).await;
    assert_eq!(second.ended().await.code, Some(4409));
    third.visit(|visit| matches!(visit.phase, PhaseView::Waiting { ahead: 0, .. })).await;
    alice.queue(|queue| matches!(queue.entries.as_slice(), [bob] if bob.connected)).await;
    world.stop().await;
}

#[tokio::test]
async fn a_clinicians_second_tab_replaces_the_first_too() {
    let home = Home::new();
    let world = home.start().await;
    let link = world.open().await;
    let mut first = world.join(&link).await;
    let mut second = world.join(&link).await;
    assert_eq!(first.ended().await.code, Some(4409));
    second.queue(|queue| queue.media == MediaWish::Warm).await;
    world.stop().await;
}

#[tokio::test]
async fn a_reload_while_waiting_keeps_the_place_and_one_in_a_call_the_call() {
    let home = Home::new();
    let world = home.start().await;
    let mut alice = world.join(&world.open().await).await;
    let (one, two) = (world.invite("Bob").await, world.invite("Carol").await);
    let (mut bob, mut carol) = (world.join(&one.link).await, world.join(&two.link).await);
    bob.check_in().await;
    carol.check_in().await;
    let before = bob.visit(|v| matches!(v.phase, PhaseView::Waiting { ahead: 0, .. })).await;
    let token = bob.resume_token.clone();
    drop(bob);
    alice
        .queue(|queue| {
            queue.entries.iter().any(|entry| entry.visit == one.visit && entry.away_since.is_some())
        })
        .await;
    let mut bob = Client::join(world.addr, &token).await;
    let after = bob.visit(|_| true).await;
    assert_eq!(before.phase, after.phase);

    alice.admit(one.visit).await;
    bob.visit(is(MediaWish::Live)).await;
    bob.offer().await;
    let mut bob = Client::join(world.addr, &bob.resume_token).await;
    bob.visit(is(MediaWish::Live)).await;
    let room = RoomId::from(one.visit);
    assert_eq!(world.media.seat_of(bob.me), Some(Some(room)), "a lost WebSocket does not end the call");
    world.media.lose(bob.me).await;
    bob.until(|message| matches!(message, ServerMessage::MediaClosed)).await;
    bob.offer().await;
    assert_eq!(world.media.seat_of(bob.me), Some(Some(room)));
    world.stop().await;
}

#[tokio::test]
async fn a_page_that_resumes_without_media_is_told_so() {
    let home = Home::new();
    let world = home.start().await;
    let _alice = world.join(&world.open().await).await;
    let invitation = world.invite("Bob").await;
    let mut bob = world.join(&invitation.link).await;
    bob.check_in().await;
    bob.visit(is(MediaWish::Warm)).await;
    let mut bob = Client::join(world.addr, &bob.resume_token).await;
    bob.until(|message| matches!(message, ServerMessage::MediaClosed)).await;
    world.stop().await;
}

#[tokio::test]
async fn a_busy_media_node_is_told_again() {
    let home = Home::new();
    let world = home.start().await;
    let mut alice = world.join(&world.open().await).await;
    let invitation = world.invite("Bob").await;
    let mut bob = world.join(&invitation.link).await;
    bob.check_in().await;
    bob.visit(is(MediaWish::Warm)).await;
    bob.offer().await;
    world.media.be_busy(true);
    alice.admit(invitation.visit).await;
    bob.visit(is(MediaWish::Live)).await;
    assert_eq!(world.media.seat_of(bob.me), Some(None));
    world.media.be_busy(false);
    let room = RoomId::from(invitation.visit);
    eventually("the seat is taken in the end", || world.media.seat_of(bob.me) == Some(Some(room))).await;
    world.stop().await;
}

#[tokio::test]
async fn only_the_first_three_of_a_present_clinician_are_warm() {
    let home = Home::new();
    let world = home.start().await;
    let link = world.open().await;
    let mut patients = Vec::new();
    for name in ["Ann", "Bob", "Cay", "Dee"] {
        let mut patient = world.join(&world.invite(name).await.link).await;
        patient.check_in().await;
        patient.visit(|v| matches!(v.phase, PhaseView::Waiting { .. }) && v.media == MediaWish::Idle).await;
        patients.push(patient);
    }
    let mut alice = world.join(&link).await;
    for patient in &mut patients[..3] {
        patient.visit(is(MediaWish::Warm)).await;
    }
    patients[0].command(&ClientMessage::Leave { id: id() }).await;
    let fourth = patients[3].visit(is(MediaWish::Warm)).await;
    assert!(matches!(fourth.phase, PhaseView::Waiting { ahead: 2, .. }));
    let warm_before = patients[3].seen.iter().any(
        |message| matches!(message, ServerMessage::Visit { visit: Some(v) } if v.media == MediaWish::Warm),
    );
    assert!(!warm_before, "not before its turn");
    alice.ping().await;
    world.stop().await;
}

#[tokio::test]
async fn a_drain_tells_everybody_and_takes_nobody_new() {
    for (for_good, code) in [(false, 1012), (true, 1001)] {
        let home = Home::new();
        let world = home.start_with(Config { drain_for_good: for_good, ..Config::default() }).await;
        let mut alice = world.join(&world.open().await).await;
        let mut silent = Client::connect(world.addr).await;
        let begun = Instant::now();
        world.begin_drain();
        for page in [&mut alice, &mut silent] {
            let ended = page.ended().await;
            assert_eq!(
                (ended.error.map(|(code, _)| code), ended.code),
                (Some(ErrorCode::Restarting), Some(code))
            );
        }
        let refused =
            upgrade(world.addr, request(world.addr)).await.map_err(|response| response.status().as_u16());
        assert_eq!(refused.err(), Some(503));
        world.stop().await;
        assert!(begun.elapsed().as_secs() < 10);
    }
}

#[tokio::test]
async fn one_connection_more_than_allowed_is_refused() {
    let home = Home::new();
    let world = home.start_with(Config { max_connections: 2, ..Config::default() }).await;
    let one = Client::connect(world.addr).await;
    let _two = Client::connect(world.addr).await;
    let refused =
        upgrade(world.addr, request(world.addr)).await.map_err(|response| response.status().as_u16());
    assert_eq!(refused.err(), Some(503));
    drop(one);
    eventually("the seat is free", || world.metric("telehealth_signaling_connections", "") < 1.5).await;
    let _three = Client::connect(world.addr).await;
    world.stop().await;
}

#[tokio::test]
async fn an_operator_sees_who_waits_and_what_was_asked() {
    let home = Home::new();
    let world = home.start().await;
    let mut alice = world.join(&world.open().await).await;
    let invitation = world.invite("Bob").await;
    let mut bob = world.join(&invitation.link).await;
    bob.check_in().await;
    let is = |name: &str, label: &str, value: f64| (world.metric(name, label) - value).abs() < 0.01;
    assert!(is("telehealth_signaling_waiting_people", "", 1.0));
    assert!(is("telehealth_signaling_commands_total", "check-in", 1.0));
    assert!(is("telehealth_signaling_connections", "", 2.0));
    alice.offer().await;
    alice.admit(invitation.visit).await;
    eventually("an empty queue is seen", || is("telehealth_signaling_waiting_people", "", 0.0)).await;
    let names: Vec<_> = world.registry.gather().iter().map(|family| family.name().to_owned()).collect();
    for name in ["append_seconds", "admit_to_seat_seconds", "waiting_age_max_seconds", "room_queue_length"] {
        assert!(names.contains(&format!("telehealth_signaling_{name}")), "{name}");
    }
    let text = format!("{:?}", world.registry.gather());
    assert!(!text.contains("Bob") && !text.contains("Dr Lee"), "no names in metrics");
    world.stop().await;
}
