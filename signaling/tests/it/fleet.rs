//! Two processes on one store, and pages connected to either.

use crate::{
    client::{Client, Ended, id, is, request, upgrade, waiting},
    media::FakeMedia,
    world::{CLINICIAN, Home, LET_IN_NO_MORE, ROOM, TENANT, World, eventually},
};
use model::{Epoch, Role};
use platform::{
    clock::{Clock as _, SystemClock},
    event_log::{Category, EventStore as _, Holder, Ownership as _, Store},
    keys::Keys,
    lane::{Lane, deadline},
};
use policy::{AccountId, SessionId};
use signaling::{HandleError, NewInvitation, RemoteLinks};
use signaling_core::{
    port::{LinkError, Links as _},
    token::{Bearer, HeldBy, JOIN_AUDIENCE, JOIN_TTL, JoinClaims},
};
use signaling_protocol::{
    ClientMessage, ErrorCode, ServerMessage,
    view::{MediaWish, PhaseView},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use testkit::event_log::MemoryStore;
use tokio::sync::watch;
use uuid::Uuid;

const VISIT: Category = Category { name: "visit", lane: Lane::Critical };

/// Processes that share a store, keys and media nodes.
struct Fleet {
    home: Home,
    store: Arc<MemoryStore>,
    media: Arc<FakeMedia>,
}

impl Fleet {
    fn new() -> Self {
        let (media, _) = FakeMedia::new();
        Self { home: Home::new(), store: Arc::default(), media }
    }

    async fn start(&self) -> World {
        let events = self.media.listen();
        let store: Arc<dyn Store> = self.store.clone();
        self.home.start_in_fleet(store, Arc::clone(&self.media), events).await
    }

    async fn owner(&self) -> (Uuid, Epoch) {
        let owned = self.store.owner(TENANT, ROOM.0).await.unwrap().unwrap();
        (owned.holder.process, owned.epoch)
    }
}

fn restarting() -> Ended {
    let said = "The server restarts. You are back in a moment, in the same place.".to_owned();
    Ended { error: Some((ErrorCode::Restarting, said)), code: Some(1012) }
}

#[tokio::test]
async fn people_of_one_visit_meet_from_different_processes() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.start().await, fleet.start().await);
    let link = a.open().await;
    assert_eq!(fleet.owner().await, (a.me.process, Epoch(1)));
    let mut alice = a.join(&link).await;
    // Invited, greeted and connected where the room is not.
    let invitation = b.invite("Bob").await;
    let mut bob = b.join(&invitation.link).await;
    bob.check_in().await;
    alice.queue(|queue| waiting(queue) == [invitation.visit]).await;
    alice.admit(invitation.visit).await;
    bob.visit(is(MediaWish::Live)).await;
    bob.offer().await;
    bob.ping().await;
    let mut clinician_there = b.join(&link).await;
    assert_eq!(alice.ended().await.code, Some(4409), "the newest connection counts, wherever it is");
    clinician_there.end(invitation.visit).await;
    assert_eq!(bob.ended().await.code, Some(1000));
    assert!(matches!(b.exchange(&invitation.link).await, Err(LinkError::Over { .. })));
    assert_eq!(fleet.owner().await, (a.me.process, Epoch(1)), "nothing was taken over");
    b.stop().await;
    a.stop().await;
}

#[tokio::test]
async fn a_killed_owner_is_replaced_within_a_second_by_whoever_is_asked() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.start().await, fleet.start().await);
    let mut alice = a.join(&a.open().await).await;
    let (called, waits) = (a.invite("Ann").await, a.invite("Bob").await);
    let (mut ann, mut bob) = (a.join(&called.link).await, b.join(&waits.link).await);
    ann.check_in().await;
    bob.check_in().await;
    alice.admit(called.visit).await;
    ann.visit(is(MediaWish::Live)).await;
    ann.offer().await;
    a.kill().await;
    bob.ended().await;

    let killed = Instant::now();
    let mut alice = Client::join(b.addr, &alice.resume_token).await;
    let call = alice.visit(is(MediaWish::Live)).await;
    assert!(killed.elapsed() < Duration::from_secs(1), "{:?}", killed.elapsed());
    assert_eq!(call.id, called.visit);
    alice.queue(|queue| waiting(queue) == [waits.visit]).await;
    let mut bob = Client::join(b.addr, &bob.resume_token).await;
    let view = bob.visit(|_| true).await;
    assert!(matches!(view.phase, PhaseView::Waiting { ahead: 0, .. }), "{:?}", view.phase);
    let mut ann = Client::join(b.addr, &ann.resume_token).await;
    ann.visit(is(MediaWish::Live)).await;
    assert!(b.media.seat_of(ann.me).is_some(), "her media went on");
    assert_eq!(fleet.owner().await, (b.me.process, Epoch(2)));
    b.stop().await;
}

#[tokio::test]
async fn who_waits_where_nobody_asks_is_taken_over_unasked() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.start().await, fleet.start().await);
    a.open().await;
    let invitation = a.invite("Bob").await;
    let mut bob = a.join(&invitation.link).await;
    bob.check_in().await;
    a.kill().await;
    eventually("the other process takes the room over", || {
        b.metric("telehealth_signaling_waiting_room_owner_changes_total", "taken") > 0.0
    })
    .await;
    assert_eq!(fleet.owner().await, (b.me.process, Epoch(2)));
    b.stop().await;
}

#[tokio::test]
async fn an_owner_that_was_replaced_writes_nothing_and_sends_everybody_on() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.start().await, fleet.start().await);
    let mut alice = a.join(&a.open().await).await;
    let invitation = a.invite("Bob").await;
    let mut bob = a.join(&invitation.link).await;
    bob.check_in().await;
    // It was frozen for long enough that another process stepped in.
    let (_, epoch) = fleet.owner().await;
    fleet.store.take(TENANT, ROOM.0, epoch, b.me.clone(), model::Timestamp(0)).await.unwrap();
    let admit = ClientMessage::Admit { id: id(), visit: invitation.visit };
    assert_eq!(alice.refused(&admit).await, ErrorCode::Unavailable, "and not that it was done");
    assert_eq!(alice.ended().await, restarting());
    assert_eq!(bob.ended().await, restarting());
    // Whoever comes again is led to the new owner, also by the old one.
    let mut alice = Client::join(a.addr, &alice.resume_token).await;
    alice.queue(|queue| waiting(queue) == [invitation.visit]).await;
    alice.command(&admit).await;
    b.stop().await;
    a.stop().await;
}

#[tokio::test]
async fn where_nobody_says_anything_an_owner_that_was_replaced_notices_by_itself() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.start().await, fleet.start().await);
    let mut alice = a.join(&a.open().await).await;
    let (_, epoch) = fleet.owner().await;
    fleet.store.take(TENANT, ROOM.0, epoch, b.me.clone(), model::Timestamp(0)).await.unwrap();
    assert_eq!(alice.ended().await, restarting(), "or she would look at an old queue");
    Client::join(a.addr, &alice.resume_token).await.queue(|_| true).await;
    b.stop().await;
    a.stop().await;
}

#[tokio::test]
async fn nobody_comes_back_to_an_owner_that_was_replaced() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.start().await, fleet.start().await);
    let alice = a.join(&a.open().await).await;
    let (_, epoch) = fleet.owner().await;
    fleet.store.take(TENANT, ROOM.0, epoch, b.me.clone(), model::Timestamp(0)).await.unwrap();
    let mut again = Client::connect(a.addr).await;
    again.hello(&alice.resume_token).await;
    assert_eq!(again.ended().await, restarting(), "and not what was so before");
    assert!(again.seen.is_empty(), "{:?}", again.seen);
    b.stop().await;
    a.stop().await;
}

#[tokio::test]
async fn a_process_that_goes_down_hands_its_rooms_on_at_once() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.start().await, fleet.start().await);
    let mut alice = a.join(&a.open().await).await;
    let invitation = a.invite("Bob").await;
    let mut bob = b.join(&invitation.link).await;
    bob.check_in().await;
    a.begin_drain();
    assert_eq!(alice.ended().await, restarting());
    assert_eq!(bob.ended().await, restarting());
    let mut alice = Client::join(b.addr, &alice.resume_token).await;
    alice.queue(|queue| waiting(queue) == [invitation.visit]).await;
    Client::join(b.addr, &bob.resume_token).await.visit(is(MediaWish::Warm)).await;
    a.stop().await;
    b.stop().await;
}

/// Whoever watches is the owner, wherever the page is connected.
#[tokio::test]
async fn who_may_have_the_seat_no_more_is_sent_away_through_another_process_and_their_media_ends() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.start().await, fleet.start().await);
    a.open().await;
    let held_by = HeldBy { account: AccountId(Uuid::now_v7()), session: SessionId(Uuid::now_v7()) };
    let bearer = Bearer {
        tenant: TENANT,
        waiting_room: ROOM,
        visit: None,
        participant: CLINICIAN,
        role: Role::Clinician,
        held_by: Some(held_by),
    };
    let now = SystemClock.now();
    let token = fleet.home.keys().sign(JOIN_AUDIENCE, JOIN_TTL, now, &JoinClaims { bearer });
    let mut alice = Client::join(b.addr, &token).await;
    alice.offer().await;
    eventually("she has media", || fleet.media.session_of(CLINICIAN).is_some()).await;
    LET_IN_NO_MORE.lock().unwrap().insert(held_by.account);
    assert_eq!(alice.ended().await.code, Some(4401));
    eventually("her media has ended", || fleet.media.session_of(CLINICIAN).is_none()).await;
}

#[tokio::test]
async fn a_page_is_told_when_the_process_it_is_connected_to_goes_down() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.start().await, fleet.start().await);
    a.open().await;
    let mut bob = b.join(&a.invite("Bob").await.link).await;
    b.begin_drain();
    assert_eq!(bob.ended().await, restarting());
    b.stop().await;
    a.stop().await;
}

#[tokio::test]
async fn an_earlier_life_at_the_same_address_is_not_asked() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.start().await, fleet.start().await);
    let link = a.open().await;
    a.stop().await;
    let (_, epoch) = fleet.owner().await;
    let before = Holder { process: Uuid::from_u128(1), address: b.me.address.clone() };
    fleet.store.take(TENANT, ROOM.0, epoch, before, model::Timestamp(0)).await.unwrap();
    let mut alice = b.join(&link).await;
    alice.queue(|_| true).await;
    assert_eq!(fleet.owner().await, (b.me.process, Epoch(3)));
    b.stop().await;
}

#[tokio::test]
async fn only_processes_of_the_fleet_are_answered() {
    let fleet = Fleet::new();
    let a = fleet.start().await;
    a.open().await;
    let inside = a.me.address.parse().unwrap();
    for path in [format!("ws/{}/{}", TENANT.0, ROOM.0), "alive".to_owned()] {
        let mut page = request(inside);
        *page.uri_mut() = format!("ws://{inside}/signaling/{path}").parse().unwrap();
        assert_eq!(upgrade(inside, page).await.unwrap_err().status(), 401, "{path}");
    }
    let (_sender, addresses) = watch::channel(vec![a.me.address.clone()]);
    let stranger = RemoteLinks::new(
        Arc::new(Keys::ephemeral()),
        Arc::new(platform::clock::SystemClock),
        Uuid::from_u128(9),
        addresses,
    );
    assert!(matches!(stranger.exchange(TENANT, "guess".into()).await, Err(LinkError::Busy)));
    a.stop().await;
}

#[tokio::test]
async fn a_portal_exchanges_links_at_whichever_process_answers() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.start().await, fleet.start().await);
    a.open().await;
    let invitation = a.invite("Bob").await;
    let (_sender, addresses) = watch::channel(vec![a.me.address.clone(), b.me.address.clone()]);
    let clock = Arc::new(platform::clock::SystemClock);
    let portal = RemoteLinks::new(fleet.home.keys(), clock, Uuid::from_u128(9), addresses);
    let secret = invitation.link.split_once("#k=").unwrap().1;
    let grant = portal.exchange(TENANT, secret.into()).await.unwrap();
    assert_eq!(grant.name.expose(), "Bob");
    assert!(matches!(portal.exchange(TENANT, "guess".into()).await, Err(LinkError::Unknown)));
    a.kill().await;
    for _ in 0..4 {
        let grant = portal.exchange(TENANT, secret.into()).await.unwrap();
        Client::join(b.addr, &grant.join_token)
            .await
            .until(|m| matches!(m, ServerMessage::Visit { .. }))
            .await;
    }
    b.stop().await;
}

/// Asks a process what another would ask: to invite somebody.
async fn asked(fleet: &Fleet, of: &World, budget: Option<&str>) -> (u16, serde_json::Value) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let claims = serde_json::json!({ "process": Uuid::now_v7() });
    let (ttl, now) = (Duration::from_secs(30), SystemClock.now());
    let token = fleet.home.keys().sign("signaling-peer", ttl, now, &claims);
    let body = serde_json::json!({
        "ask": "invite", "tenant": TENANT, "room": ROOM, "id": Uuid::now_v7(), "name": "Ana", "reason": "",
    });
    let (body, address) = (body.to_string(), &of.me.address);
    let budget = budget.map(|budget| format!("x-request-budget-ms: {budget}\r\n")).unwrap_or_default();
    let request = format!(
        "POST /signaling/ask HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\
         {budget}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap())
}

#[tokio::test]
async fn a_question_for_whose_answer_nobody_waits_is_not_begun_and_nobody_is_replaced_for_it() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.start().await, fleet.start().await);
    a.open().await;
    let visits = async || fleet.store.streams(VISIT, None, 100).await.unwrap().len();
    let in_a_hurry = |budget| {
        let invitation = NewInvitation {
            tenant: TENANT,
            waiting_room: ROOM,
            id: id(),
            name: "Ana".into(),
            reason: "".into(),
        };
        deadline::scope(tokio::time::Instant::now() + budget, b.handle.invite(invitation))
    };
    assert!(matches!(in_a_hurry(Duration::ZERO).await, Err(HandleError::Unavailable)));
    assert_eq!(asked(&fleet, &a, Some("0")).await.1["is"], "unavailable");
    assert_eq!(asked(&fleet, &a, Some("soon")).await.0, 400);
    assert_eq!(visits().await, 0);
    // In time; and from a process of an earlier build, which does not say how long it waits.
    in_a_hurry(Duration::from_secs(10)).await.unwrap();
    assert_eq!(asked(&fleet, &a, Some("10000")).await.1["is"], "invited");
    assert_eq!(asked(&fleet, &a, None).await.1["is"], "invited");
    assert_eq!(visits().await, 3);
    assert_eq!(fleet.owner().await, (a.me.process, Epoch(1)), "nothing was taken over");
    b.stop().await;
    a.stop().await;
}
