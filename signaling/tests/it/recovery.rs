//! The service stops or is cut off; another one starts on the same data.

use crate::{
    client::{Client, id, is, waiting},
    world::Home,
};
use signaling::Config;
use signaling_core::port::LinkError;
use signaling_protocol::{
    ClientMessage, ErrorCode, ServerMessage,
    view::{MediaWish, PhaseView},
};

#[tokio::test]
async fn three_who_wait_keep_their_order_and_a_call_goes_on() {
    let home = Home::new();
    let world = home.start().await;
    let mut alice = world.join(&world.open().await).await;
    let mut pages = Vec::new();
    for name in ["Ann", "Bob", "Cay", "Dee"] {
        let invitation = world.invite(name).await;
        let mut page = world.join(&invitation.link).await;
        page.check_in().await;
        pages.push((invitation, page));
    }
    alice.admit(pages[0].0.visit).await;
    let order: Vec<_> = pages[1..].iter().map(|(invitation, _)| invitation.visit).collect();
    alice.queue(|queue| waiting(queue) == order).await;
    world.kill().await;

    let world = home.start().await;
    let mut alice = Client::join(world.addr, &alice.resume_token).await;
    let call = alice.visit(is(MediaWish::Live)).await;
    assert_eq!(call.id, pages[0].0.visit);
    alice.queue(|queue| waiting(queue) == order).await;
    let ann = &pages[0].1;
    let mut ann = Client::join(world.addr, &ann.resume_token).await;
    ann.until(|message| matches!(message, ServerMessage::MediaClosed)).await;
    ann.visit(is(MediaWish::Live)).await;
    ann.offer().await;
    for (ahead, (invitation, page)) in (0..).zip(&pages[1..]) {
        let mut page = Client::join(world.addr, &page.resume_token).await;
        let view = page.visit(|_| true).await;
        assert_eq!(view.id, invitation.visit);
        assert!(matches!(view.phase, PhaseView::Waiting { ahead: n, .. } if n == ahead), "{:?}", view.phase);
    }
    world.stop().await;
}

#[tokio::test]
async fn a_process_that_takes_over_adopts_the_media_that_went_on() {
    let home = Home::new();
    let world = home.start().await;
    let mut alice = world.join(&world.open().await).await;
    let (ann_invited, bob_invited) = (world.invite("Ann").await, world.invite("Bob").await);
    let (mut ann, mut bob) = (world.join(&ann_invited.link).await, world.join(&bob_invited.link).await);
    ann.check_in().await;
    bob.check_in().await;
    bob.visit(is(MediaWish::Warm)).await;
    bob.offer().await;
    alice.admit(ann_invited.visit).await;
    alice.offer().await;
    ann.visit(is(MediaWish::Live)).await;
    ann.offer().await;
    let media = std::sync::Arc::clone(&world.media);
    let people = [alice.me, ann_invited.patient, bob_invited.patient];
    let before = people.map(|who| (media.session_of(who), media.seat_of(who)));
    assert_eq!(before[1].1, Some(Some(ann_invited.visit.into())));
    world.kill().await;

    let world = home.start_beside(Config::default(), std::sync::Arc::clone(&media), media.listen()).await;
    let mut ann = Client::join(world.addr, &ann.resume_token).await;
    // Not told to offer anew: the next word about media is who is in their slots.
    let next = ann
        .until(|message| matches!(message, ServerMessage::MediaClosed | ServerMessage::Slots { .. }))
        .await;
    assert!(matches!(next, ServerMessage::Slots { .. }), "{next:?}");
    assert_eq!(people.map(|who| (media.session_of(who), media.seat_of(who))), before);
    media.lose(ann_invited.patient).await;
    ann.until(|message| matches!(message, ServerMessage::MediaClosed)).await;
    world.stop().await;
}

#[tokio::test]
async fn what_was_acknowledged_is_answered_again_and_not_repeated() {
    let home = Home::new();
    let world = home.start().await;
    let alice_link = world.open().await;
    let invitation = world.invite("Bob").await;
    let mut bob = world.join(&invitation.link).await;
    bob.check_in().await;
    let chat = ClientMessage::Chat { id: id(), visit: invitation.visit, text: "Hello?".into() };
    bob.command(&chat).await;
    world.kill().await;

    let world = home.start().await;
    let mut bob = Client::join(world.addr, &bob.resume_token).await;
    let history = bob.until(|message| matches!(message, ServerMessage::ChatHistory { .. })).await;
    bob.command(&chat).await;
    let mut alice = world.join(&alice_link).await;
    let again = alice.until(|message| matches!(message, ServerMessage::ChatHistory { .. })).await;
    assert_eq!(history, again, "one message, once");
    world.stop().await;
}

#[tokio::test]
async fn a_join_token_used_before_the_restart_stays_used() {
    let home = Home::new();
    let world = home.start().await;
    world.open().await;
    let invitation = world.invite("Bob").await;
    let token = world.exchange(&invitation.link).await.unwrap().join_token;
    let bob = Client::join(world.addr, &token).await;
    let older = bob.resume_token.clone();
    let newest = world.join(&invitation.link).await.resume_token;
    world.kill().await;

    let world = home.start().await;
    for (token, code) in [(token, 4401), (older, 4409)] {
        let mut stranger = Client::connect(world.addr).await;
        stranger.hello(&token).await;
        assert_eq!(stranger.ended().await.code, Some(code));
    }
    Client::join(world.addr, &newest).await;
    world.stop().await;
}

#[tokio::test]
async fn a_visit_that_is_over_stays_over_and_its_page_reads_how() {
    let home = Home::new();
    let world = home.start().await;
    let link = world.open().await;
    let mut alice = world.join(&link).await;
    let invitation = world.invite("Bob").await;
    let mut bob = world.join(&invitation.link).await;
    bob.check_in().await;
    alice.admit(invitation.visit).await;
    alice.end(invitation.visit).await;
    assert_eq!(bob.ended().await.code, Some(1000));
    world.stop().await;

    let world = home.start().await;
    assert_eq!(world.open().await, link, "opening again gives the same link");
    assert!(
        matches!(world.exchange(&invitation.link).await, Err(LinkError::Over { clinic }) if clinic.phone == "+1 555 0100")
    );
    assert!(matches!(world.handle_exchange("no such secret").await, Err(LinkError::Unknown)));
    let mut bob = Client::join(world.addr, &bob.resume_token).await;
    bob.visit(|visit| matches!(visit.phase, PhaseView::Ended { .. })).await;
    assert_eq!(bob.ended().await.code, Some(1000));
    let mut alice = world.join(&link).await;
    let chat = ClientMessage::Chat { id: id(), visit: invitation.visit, text: "?".into() };
    assert_eq!(alice.refused(&chat).await, ErrorCode::WrongState);
    world.stop().await;
}
