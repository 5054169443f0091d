//! A visit from the link to the closing page.

use crate::{
    client::{id, is, waiting},
    world::{Home, eventually},
};
use model::RoomId;
use signaling_core::port::LinkError;
use signaling_protocol::{
    ClientMessage, ErrorCode, ServerMessage,
    view::{DeviceHealth, MediaWish, Modality, Outcome, PhaseView},
};

#[tokio::test]
async fn link_queue_admit_seat_end() {
    let home = Home::new();
    let world = home.start().await;
    let mut alice = world.join(&world.open().await).await;
    let invitation = world.invite("Bob").await;
    let mut bob = world.join(&invitation.link).await;
    bob.visit(|visit| visit.phase == PhaseView::Booked && visit.media == MediaWish::Idle).await;

    bob.check_in().await;
    let view = bob.visit(is(MediaWish::Warm)).await;
    assert!(matches!(view.phase, PhaseView::Waiting { ahead: 0, minutes: None, .. }), "{:?}", view.phase);
    assert_eq!(view.practitioner.expose(), "Dr Lee");
    alice.queue(|queue| waiting(queue) == [invitation.visit]).await;

    bob.offer().await;
    alice.offer().await;
    assert_eq!(world.media.seat_of(bob.me), Some(None), "who waits is seated nowhere");
    assert_eq!(world.media.seat_of(alice.me), Some(None));

    alice.admit(invitation.visit).await;
    bob.visit(is(MediaWish::Live)).await;
    alice.visit(|visit| visit.id == invitation.visit && visit.media == MediaWish::Live).await;
    let room = RoomId::from(invitation.visit);
    eventually("both are seated", || {
        world.media.seat_of(bob.me) == Some(Some(room)) && world.media.seat_of(alice.me) == Some(Some(room))
    })
    .await;

    alice.end(invitation.visit).await;
    alice.until(|message| matches!(message, ServerMessage::Visit { visit: None })).await;
    let view = bob.visit(|visit| matches!(visit.phase, PhaseView::Ended { .. })).await;
    assert!(matches!(view.phase, PhaseView::Ended { outcome: Outcome::Done, .. }));
    assert_eq!(bob.ended().await.code, Some(1000));
    eventually("nobody is left in the room", || {
        world.media.seat_of(bob.me).is_none() && world.media.seat_of(alice.me) == Some(None)
    })
    .await;
    assert!(matches!(world.exchange(&invitation.link).await, Err(LinkError::Over { .. })));
    world.stop().await;
}

#[tokio::test]
async fn a_denied_patient_reads_why() {
    let home = Home::new();
    let world = home.start().await;
    let mut alice = world.join(&world.open().await).await;
    let invitation = world.invite("Bob").await;
    let mut bob = world.join(&invitation.link).await;
    bob.check_in().await;
    let deny =
        |reason: String| ClientMessage::Deny { id: id(), visit: invitation.visit, reason: reason.into() };
    assert_eq!(alice.refused(&deny(" ".into())).await, ErrorCode::TextInvalid);
    assert_eq!(alice.refused(&deny("x".repeat(201))).await, ErrorCode::TextInvalid);
    alice.command(&deny("Please call us.".into())).await;
    let view = bob.visit(|visit| matches!(visit.phase, PhaseView::Ended { .. })).await;
    let PhaseView::Ended { outcome: Outcome::Denied, reason: Some(reason), .. } = view.phase else {
        panic!("{:?}", view.phase)
    };
    assert_eq!(reason.expose(), "Please call us.");
    assert_eq!(bob.ended().await.code, Some(1000));
    world.stop().await;
}

#[tokio::test]
async fn chat_reaches_both_once_and_a_repeated_command_is_answered_again() {
    let home = Home::new();
    let world = home.start().await;
    let mut alice = world.join(&world.open().await).await;
    let invitation = world.invite("Bob").await;
    let mut bob = world.join(&invitation.link).await;
    let say = |text: &str| ClientMessage::Chat { id: id(), visit: invitation.visit, text: text.into() };
    assert_eq!(bob.refused(&say("too early")).await, ErrorCode::WrongState);
    bob.check_in().await;
    let hello = say("Can you hear me?");
    bob.command(&hello).await;
    bob.command(&hello).await;
    bob.command(&say("I am here.")).await;
    let heard = |wanted: &'static str| move |message: &ServerMessage| matches!(message, ServerMessage::Chat { message, .. } if message.text.expose() == wanted);
    alice.until(heard("I am here.")).await;
    let once = alice.seen.iter().filter(|message| heard("Can you hear me?")(message)).count();
    assert_eq!(once, 1, "said twice, recorded once");

    let mut reloaded = crate::client::Client::join(world.addr, &bob.resume_token).await;
    let history = reloaded.until(|message| matches!(message, ServerMessage::ChatHistory { .. })).await;
    let ServerMessage::ChatHistory { messages, .. } = history else { unreachable!() };
    let texts: Vec<_> = messages.iter().map(|message| message.text.expose().as_str()).collect();
    assert_eq!(texts, ["Can you hear me?", "I am here."]);
    assert!(messages.is_sorted_by_key(|message| message.seq));
    world.stop().await;
}

#[tokio::test]
async fn one_screen_at_a_time_asked_granted_taken_over_and_stopped() {
    let home = Home::new();
    let world = home.start().await;
    let mut alice = world.join(&world.open().await).await;
    let invitation = world.invite("Bob").await;
    let mut bob = world.join(&invitation.link).await;
    bob.check_in().await;
    alice.admit(invitation.visit).await;
    let (visit, room) = (invitation.visit, RoomId::from(invitation.visit));
    let (a, b) = (alice.me, bob.me);
    let grant = |participant| ClientMessage::ShareGrant { id: id(), visit, participant };

    assert_eq!(alice.refused(&grant(b)).await, ErrorCode::WrongState, "nobody asked");
    bob.command(&ClientMessage::ShareRequest { id: id(), visit }).await;
    alice.visit(|view| view.share_requests == [b]).await;
    assert_eq!(bob.refused(&grant(b)).await, ErrorCode::NotAllowed);
    alice.command(&grant(b)).await;
    bob.visit(|view| view.sharer == Some(b) && view.share_requests.is_empty()).await;
    eventually("bob's screen is forwarded", || world.media.sharer(room) == Some(b)).await;

    alice.command(&ClientMessage::ShareRequest { id: id(), visit }).await;
    bob.visit(|view| view.sharer == Some(a)).await;
    eventually("alice took over", || world.media.sharer(room) == Some(a)).await;
    assert_eq!(
        bob.refused(&ClientMessage::ShareStop { id: id(), visit, participant: a }).await,
        ErrorCode::NotAllowed
    );
    alice.command(&ClientMessage::ShareStop { id: id(), visit, participant: a }).await;
    bob.visit(|view| view.sharer.is_none()).await;
    eventually("nobody shares", || world.media.sharer(room).is_none()).await;
    world.stop().await;
}

#[tokio::test]
async fn a_clinician_invites_and_the_link_works_however_often_it_is_asked_for() {
    let home = Home::new();
    let world = home.start().await;
    let mut alice = world.join(&world.open().await).await;
    let invite = ClientMessage::Invite { id: id(), name: "Bob".into(), reason: "".into() };
    let mut links = Vec::new();
    for _ in 0..2 {
        alice.say(&invite).await;
        let ServerMessage::Invited { visit, link, .. } = alice.answer(invite.id().unwrap()).await else {
            panic!()
        };
        links.push((visit, link));
    }
    assert_eq!(links[0], links[1]);
    let mut bob = world.join(&links[0].1).await;
    bob.visit(|visit| visit.id == links[0].0).await;
    assert_eq!(bob.refused(&invite).await, ErrorCode::NotAllowed);
    world.stop().await;
}

#[tokio::test]
async fn somebody_elses_visit_is_not_found() {
    let home = Home::new();
    let world = home.start().await;
    world.open().await;
    let (one, two) = (world.invite("Bob").await, world.invite("Carol").await);
    let mut bob = world.join(&one.link).await;
    let chat = ClientMessage::Chat { id: id(), visit: two.visit, text: "hello?".into() };
    assert_eq!(bob.refused(&chat).await, ErrorCode::NotFound);
    let nowhere = ClientMessage::Chat { id: id(), visit: model::VisitId(id().0), text: "hello?".into() };
    assert_eq!(bob.refused(&nowhere).await, ErrorCode::NotFound);
    world.stop().await;
}

#[tokio::test]
async fn leaving_while_waiting_gives_up_the_place_and_leaving_a_call_does_not() {
    let home = Home::new();
    let world = home.start().await;
    let mut alice = world.join(&world.open().await).await;
    let (one, two) = (world.invite("Bob").await, world.invite("Carol").await);
    let (mut bob, mut carol) = (world.join(&one.link).await, world.join(&two.link).await);
    bob.check_in().await;
    carol.check_in().await;
    carol.visit(|v| matches!(v.phase, PhaseView::Waiting { ahead: 1, .. })).await;
    bob.command(&ClientMessage::Leave { id: id() }).await;
    assert_eq!(bob.ended().await.code, Some(1000));
    carol.visit(|v| matches!(v.phase, PhaseView::Waiting { ahead: 0, .. })).await;

    alice.admit(two.visit).await;
    carol.visit(is(MediaWish::Live)).await;
    carol.offer().await;
    carol.command(&ClientMessage::Leave { id: id() }).await;
    assert_eq!(carol.ended().await.code, Some(1000));
    eventually("who left is not heard", || world.media.seat_of(carol.me).is_none()).await;
    let mut carol = world.join(&two.link).await;
    carol.visit(is(MediaWish::Live)).await;
    world.stop().await;
}

#[tokio::test]
async fn devices_and_media_health_reach_the_clinician() {
    let home = Home::new();
    let world = home.start().await;
    let mut alice = world.join(&world.open().await).await;
    let invitation = world.invite("Bob").await;
    let mut bob = world.join(&invitation.link).await;
    let devices = DeviceHealth {
        microphone: signaling_protocol::view::Health::Good,
        camera: signaling_protocol::view::Health::Blocked,
        ..DeviceHealth::default()
    };
    bob.command(&ClientMessage::CheckIn { id: id(), modality: Modality::Sound, devices }).await;
    alice
        .queue(|queue| {
            queue
                .entries
                .iter()
                .any(|e| e.devices == devices && e.modality == Some(Modality::Sound) && e.connected)
        })
        .await;
    bob.visit(is(MediaWish::Warm)).await;
    bob.offer().await;
    let good = signaling_protocol::view::Health::Good;
    alice.queue(|queue| queue.entries.iter().any(|entry| entry.devices.network == good)).await;
    drop(bob);
    alice.queue(|queue| queue.entries.iter().any(|e| !e.connected && e.away_since.is_some())).await;
    world.stop().await;
}
