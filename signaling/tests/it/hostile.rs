//! What strangers and broken pages send. Each time somebody honest is connected too, and notices
//! nothing.

use crate::{
    client::{Client, Ended, id, request, upgrade},
    world::{Home, ROOM, TENANT, World, eventually},
};
use futures_util::{SinkExt as _, StreamExt as _};
use model::{ParticipantId, Role, TenantId, Timestamp, VisitId, WaitingRoomId};
use platform::{
    clock::{Clock as _, SystemClock},
    keys::Keys,
};
use signaling_core::{
    limits::{MAX_OUTGOING_MESSAGES, MESSAGE_BURST},
    token::{Bearer, JOIN_AUDIENCE, JOIN_TTL, JoinClaims, RESUME_AUDIENCE, RESUME_TTL, ResumeClaims},
};
use signaling_protocol::{
    ClientMessage, ErrorCode, ServerMessage,
    limits::{MAX_MESSAGE_BYTES, MAX_OFFER_BYTES, MAX_TOKEN_BYTES},
    view::{MediaWish, Modality},
};
use std::time::Duration;
use tokio_tungstenite::tungstenite::{
    Message,
    http::{HeaderValue, header},
};
use uuid::Uuid;

/// A patient who waits, and must not notice what others do.
async fn honest(world: &World) -> (Client, Bearer) {
    let invitation = world.invite("Bob").await;
    let mut bob = world.join(&invitation.link).await;
    bob.check_in().await;
    let bearer = Bearer {
        tenant: TENANT,
        waiting_room: ROOM,
        visit: Some(invitation.visit),
        participant: invitation.patient,
        role: Role::Patient,
        held_by: None,
    };
    (bob, bearer)
}

fn join_token(keys: &Keys, now: Timestamp, bearer: Bearer) -> String {
    keys.sign(JOIN_AUDIENCE, JOIN_TTL, now, &JoinClaims { bearer })
}

async fn hello_ends(world: &World, token: &str) -> Ended {
    let mut stranger = Client::connect(world.addr).await;
    stranger.hello(token).await;
    stranger.ended().await
}

#[tokio::test]
async fn whatever_is_wrong_with_a_token_the_answer_is_the_same() {
    let home = Home::new();
    let world = home.start().await;
    world.open().await;
    let (mut bob, bearer) = honest(&world).await;
    let (keys, now) = (home.keys(), SystemClock.now());
    let unknown = Uuid::from_u128(0xBAD);

    let used = join_token(&keys, now, bearer);
    drop(bob);
    bob = Client::join(world.addr, &used).await;
    let good = join_token(&keys, now, bearer);
    let (mut altered, at) = (good.clone().into_bytes(), good.len() / 2);
    altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
    let resume = |generation| {
        let claims = ResumeClaims { bearer, generation: model::Generation(generation) };
        keys.sign(RESUME_AUDIENCE, RESUME_TTL, now, &claims)
    };
    let bad = [
        ("replayed", used),
        ("altered", String::from_utf8(altered).unwrap()),
        ("expired", join_token(&keys, now - Duration::from_secs(61), bearer)),
        ("signed by somebody else", join_token(&Keys::ephemeral(), now, bearer)),
        ("for another tenant", join_token(&keys, now, Bearer { tenant: TenantId(unknown), ..bearer })),
        (
            "for a foreign room",
            join_token(&keys, now, Bearer { waiting_room: WaitingRoomId(unknown), ..bearer }),
        ),
        ("for a foreign visit", join_token(&keys, now, Bearer { visit: Some(VisitId(unknown)), ..bearer })),
        ("for a stranger", join_token(&keys, now, Bearer { participant: ParticipantId(unknown), ..bearer })),
        ("in another role", join_token(&keys, now, Bearer { role: Role::Clinician, ..bearer })),
        ("in a role without a seat", join_token(&keys, now, Bearer { role: Role::Observer, ..bearer })),
        (
            "a clinician's without the seat",
            join_token(&keys, now, Bearer { role: Role::Clinician, visit: None, ..bearer }),
        ),
        ("for another audience", keys.sign("whip", JOIN_TTL, now, &JoinClaims { bearer })),
        ("of a seat never taken", resume(99)),
        ("of no generation", resume(0)),
        ("empty", String::new()),
        ("not a token", "a.b.c".to_owned()),
        ("too long", "x".repeat(MAX_TOKEN_BYTES + 1)),
    ];
    let expected = Ended {
        error: Some((
            ErrorCode::NotAuthorized,
            "This connection is not authorised. Open your link again.".to_owned(),
        )),
        code: Some(4401),
    };
    for (what, token) in bad {
        assert_eq!(hello_ends(&world, &token).await, expected, "{what}");
    }
    bob.ping().await;
    world.stop().await;
}

#[tokio::test]
async fn foreign_pages_and_other_protocols_are_refused_before_the_upgrade() {
    let home = Home::new();
    let world = home.start().await;
    let status = async |change: fn(&mut tokio_tungstenite::tungstenite::http::HeaderMap)| {
        let mut request = request(world.addr);
        change(request.headers_mut());
        upgrade(world.addr, request).await.map_err(|response| response.status().as_u16()).map(|_| ())
    };
    let foreign = |headers: &mut tokio_tungstenite::tungstenite::http::HeaderMap| {
        headers.insert(header::ORIGIN, HeaderValue::from_static("https://evil.example"));
    };
    assert_eq!(status(foreign).await, Err(403));
    let other = |headers: &mut tokio_tungstenite::tungstenite::http::HeaderMap| {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("telehealth.v0"));
    };
    assert_eq!(status(other).await, Err(400));
    let none = |headers: &mut tokio_tungstenite::tungstenite::http::HeaderMap| {
        headers.remove(header::SEC_WEBSOCKET_PROTOCOL);
    };
    assert_eq!(status(none).await, Err(400));
    assert_eq!(status(|_| ()).await, Ok(()));
    assert!((world.metric("telehealth_signaling_refused_total", "forbidden") - 1.0).abs() < 0.1);
    world.stop().await;
}

/// A message of exactly so many bytes.
fn padded(bytes: usize) -> Message {
    let mut text = r#"{"type":"ping","nonce":7}"#.to_owned();
    text.extend(std::iter::repeat_n(' ', bytes - text.len()));
    Message::text(text)
}

#[tokio::test]
async fn oversize_binary_and_nonsense_close_their_own_connection_only() {
    let home = Home::new();
    let world = home.start().await;
    world.open().await;
    let (mut bob, bearer) = honest(&world).await;
    let keys = home.keys();
    let carol = async || Client::join(world.addr, &join_token(&keys, SystemClock.now(), bearer)).await;
    drop(bob);
    bob = carol().await;
    bob.send(padded(MAX_MESSAGE_BYTES)).await;
    bob.until(|message| matches!(message, ServerMessage::Pong { nonce: 7 })).await;

    let (honest, _) = honest(&world).await;
    let mut honest = honest;
    for (what, message, error, code) in [
        ("one byte too long", padded(MAX_MESSAGE_BYTES + 1), ErrorCode::MessageTooLong, 1009),
        ("binary", Message::binary(vec![0; 3]), ErrorCode::BadMessage, 1008),
        ("not JSON", Message::text("{"), ErrorCode::BadMessage, 1008),
        ("no message of ours", Message::text(r#"{"type":"reboot"}"#), ErrorCode::BadMessage, 1008),
        ("empty", Message::text(""), ErrorCode::BadMessage, 1008),
        (
            "a second hello",
            Message::text(r#"{"type":"hello","token":"x","build":"x"}"#),
            ErrorCode::BadMessage,
            1008,
        ),
    ] {
        let mut page = carol().await;
        page.send(message).await;
        let ended = page.ended().await;
        assert_eq!((ended.error.map(|(code, _)| code), ended.code), (Some(error), Some(code)), "{what}");
    }
    let token = join_token(&keys, SystemClock.now(), bearer);
    for size in [2 * MAX_MESSAGE_BYTES, 1024 * 1024] {
        assert_eq!(shout(&world, &token, padded(size + 1)).await, Some(1009), "{size} bytes and one");
    }
    honest.ping().await;
    world.stop().await;
}

/// Sends something far too long, which is cut off while it is being sent; a browser reads meanwhile.
async fn shout(world: &World, token: &str, message: Message) -> Option<u16> {
    let (mut sink, mut stream) = upgrade(world.addr, request(world.addr)).await.unwrap().split();
    let hello = ClientMessage::Hello {
        token: token.to_owned(),
        build: String::new(),
        can_share_screen: false,
        traceparent: None,
    };
    sink.send(Message::text(serde_json::to_string(&hello).unwrap())).await.unwrap();
    let reading = async {
        while let Some(Ok(frame)) = stream.next().await {
            if let Message::Close(Some(frame)) = frame {
                return Some(frame.code.into());
            }
        }
        None
    };
    let both = futures_util::future::join(sink.send(message), reading);
    tokio::time::timeout(Duration::from_secs(10), both).await.unwrap().1
}

#[tokio::test]
async fn whoever_does_not_say_hello_first_is_not_authorised() {
    let home = Home::new();
    let world = home.start().await;
    world.open().await;
    let (mut bob, _) = honest(&world).await;
    for early in [
        ClientMessage::Ping { nonce: 1 },
        ClientMessage::Leave { id: id() },
        ClientMessage::CheckIn { id: id(), modality: Modality::Video, devices: Default::default() },
    ] {
        let mut stranger = Client::connect(world.addr).await;
        stranger.say(&early).await;
        let ended = stranger.ended().await;
        assert_eq!(
            (ended.error.map(|(code, _)| code), ended.code),
            (Some(ErrorCode::NotAuthorized), Some(4401))
        );
    }
    let mut silent = Client::connect(world.addr).await;
    assert_eq!(silent.ended().await.code, Some(1001), "after five seconds of silence");
    bob.ping().await;
    world.stop().await;
}

#[tokio::test]
async fn a_page_may_speak_before_it_is_welcomed() {
    let home = Home::new();
    let world = home.start().await;
    world.open().await;
    let invitation = world.invite("Bob").await;
    let token = world.exchange(&invitation.link).await.unwrap().join_token;
    let mut bob = Client::connect(world.addr).await;
    bob.hello(&token).await;
    bob.check_in().await;
    assert!(bob.seen.iter().any(|message| matches!(message, ServerMessage::Welcome { .. })));
    world.stop().await;
}

#[tokio::test]
async fn a_flood_closes_its_own_connection_only() {
    let home = Home::new();
    let world = home.start().await;
    world.open().await;
    let (mut bob, bearer) = honest(&world).await;
    let mut flooder = Client::join(world.addr, &join_token(&home.keys(), SystemClock.now(), bearer)).await;
    let (mut honest, _) = honest(&world).await;
    assert_eq!(bob.ended().await.code, Some(4409));
    for nonce in 0..MESSAGE_BURST + 20 {
        let ping = serde_json::to_string(&ClientMessage::Ping { nonce }).unwrap();
        if flooder.socket.send(Message::text(ping)).await.is_err() {
            break;
        }
    }
    let ended = flooder.ended().await;
    assert_eq!(
        (ended.error.map(|(code, _)| code), ended.code),
        (Some(ErrorCode::TooManyRequests), Some(4429))
    );
    honest.ping().await;
    world.stop().await;
}

#[tokio::test]
async fn a_slow_reader_is_closed_and_nobody_else_waits_for_it() {
    let home = Home::new();
    let world = home.start().await;
    let mut alice = world.join(&world.open().await).await;
    let invitation = world.invite("Bob").await;
    let mut bob = world.join(&invitation.link).await;
    bob.check_in().await;
    alice.ping().await;
    // Alice reads nothing from now on; what Bob says to her piles up.
    let text = "🩺".repeat(2_000);
    for _ in 0..MAX_OUTGOING_MESSAGES + 30 {
        bob.command(&ClientMessage::Chat { id: id(), visit: invitation.visit, text: text.clone().into() })
            .await;
        if world.metric("telehealth_signaling_connections", "") < 1.5 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(alice.ended().await.code, Some(1013));
    eventually("the slow reader is gone", || world.metric("telehealth_signaling_closed_total", "1013") > 0.5)
        .await;
    bob.ping().await;
    world.stop().await;
}

#[tokio::test]
async fn offers_are_judged_by_length_first_and_refused_without_closing() {
    let home = Home::new();
    let world = home.start().await;
    let alice_link = world.open().await;
    let (mut bob, _) = honest(&world).await;
    let offer = |sdp: String, restart| ClientMessage::Offer { id: id(), sdp: sdp.into(), restart };
    assert_eq!(bob.refused(&offer("v=0".into(), false)).await, ErrorCode::WrongState, "no clinician yet");
    let _alice = world.join(&alice_link).await;
    bob.visit(|visit| visit.media == MediaWish::Warm).await;
    assert_eq!(bob.refused(&offer("x".repeat(MAX_OFFER_BYTES + 1), false)).await, ErrorCode::OfferTooLarge);
    assert_eq!(bob.refused(&offer("garbage".into(), false)).await, ErrorCode::OfferInvalid);
    assert_eq!(bob.refused(&offer("v=0".into(), true)).await, ErrorCode::WrongState, "nothing to restart");
    let longest = offer("x".repeat(MAX_OFFER_BYTES), false);
    bob.say(&longest).await;
    assert!(matches!(bob.answer(longest.id().unwrap()).await, ServerMessage::Answer { .. }));
    let restart = offer("v=0".into(), true);
    bob.say(&restart).await;
    assert!(matches!(bob.answer(restart.id().unwrap()).await, ServerMessage::Answer { .. }));
    world.stop().await;
}
