//! Who opened a visit: what the patient reads, and histories for those with an account.

use crate::{
    client::id,
    world::{DOCTOR, Home, ROOM, TENANT, World},
};
use model::{Phi, VisitId};
use platform::{
    clock::{Clock as _, SystemClock},
    event_log::{Append, AuditOf, AuditSearch, Category, NewAudit, NewEvent, Store, StreamId, Version},
    lane::Lane,
};
use serde_json::{Value, json};
use signaling::limits::MAX_LINK_BODY_BYTES;
use signaling_core::port::Links as _;
use signaling_protocol::{ClientMessage, view::Outcome};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

async fn asks(world: &World, method: &str, path: &str, token: Option<&str>, body: &Value) -> (u16, Value) {
    let mut stream = TcpStream::connect(world.addr).await.unwrap();
    let bearer = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n{bearer}\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_default())
}

fn secret(link: &str) -> &str {
    link.split_once("#k=").unwrap().1
}

async fn access(world: &World, link: &str) -> Value {
    let body = json!({ "secret": secret(link) });
    let (status, access) = asks(world, "POST", "/api/v1/visit/access", None, &body).await;
    assert_eq!(status, 200, "{access}");
    access
}

fn whats(access: &Value) -> Vec<&str> {
    access["lines"].as_array().unwrap().iter().map(|line| line["what"].as_str().unwrap()).collect()
}

/// A visit that is over, with its link.
async fn over(world: &World) -> (VisitId, String, String) {
    let link = world.open().await;
    let mut alice = world.join(&link).await;
    let invitation = world.invite("Ana Canary").await;
    let visit = invitation.visit;
    alice.command(&ClientMessage::End { id: id(), visit, outcome: Outcome::PatientAbsent }).await;
    (visit, link, invitation.link)
}

/// The index is brought up to date once a second.
async fn until_read(world: &World, token: &str, query: &str) -> Value {
    for _ in 0..200 {
        let (status, page) =
            asks(world, "GET", &format!("/api/v1/history{query}"), Some(token), &Value::Null).await;
        assert_eq!(status, 200, "{page}");
        if page["visits"].as_array().is_some_and(|visits| !visits.is_empty()) {
            return page;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the history stays empty");
}

#[tokio::test]
async fn a_patient_reads_who_opened_their_visit_and_why_even_long_after_it() {
    let home = Home::new();
    let store = home.store().await as Arc<dyn Store>;
    let world = home.start_over(Arc::clone(&store)).await;
    let (visit, _, link) = over(&world).await;
    assert_eq!(whats(&access(&world, &link).await), ["care"], "whoever ended it");
    until_read(&world, "emergency", &format!("?waitingRoom={}", ROOM.0)).await;
    let page = access(&world, &link).await;
    assert_eq!(whats(&page), ["read", "care"]);
    let read = &page["lines"][0];
    assert_eq!((&read["name"], &read["why"]["is"]), (&json!("Dr Noor"), &json!("emergency")), "{page}");
    assert_eq!(page["lines"][1]["why"]["is"], "care");
    // That they looked is in the trail, and not in their own list.
    let search = AuditSearch { from: model::Timestamp(0), of: AuditOf::Subject(visit.0) };
    let rows = store.search_audit(TENANT, search, None, 100).await.unwrap();
    assert_eq!(rows.iter().filter(|row| row.action == "access.read").count(), 2);
    assert!(rows.iter().all(|row| !row.body.contains("Canary")));
    world.stop().await;
}

#[tokio::test]
async fn a_seat_reads_of_its_own_visit_and_nobody_else_does() {
    let home = Home::new();
    let world = home.start().await;
    let link = world.open().await;
    let invitation = world.invite("Ana").await;
    let token = async |link: &str| {
        world.handle.exchange(TENANT, Phi::from(secret(link).to_owned())).await.unwrap().join_token
    };
    let path = "/api/v1/visit/access";
    let own = token(&invitation.link).await;
    let (status, page) = asks(&world, "GET", path, Some(&own), &Value::Null).await;
    assert_eq!((status, &page["endedAt"], &page["more"]), (200, &Value::Null, &json!(false)), "{page}");
    let clinician = token(&link).await;
    let statuses = [
        asks(&world, "GET", path, Some(&clinician), &Value::Null).await.0,
        asks(&world, "GET", path, Some("on-duty"), &Value::Null).await.0,
        asks(&world, "GET", path, None, &Value::Null).await.0,
        asks(&world, "POST", path, None, &json!({ "secret": "nobody" })).await.0,
        asks(&world, "POST", path, None, &json!({ "secret": secret(&link) })).await.0,
    ];
    assert_eq!(statuses, [403, 401, 401, 401, 401]);
    let frame = json!({ "secret": "" }).to_string().len();
    for (length, status) in [(MAX_LINK_BODY_BYTES, 401), (MAX_LINK_BODY_BYTES + 1, 413)] {
        let body = json!({ "secret": "x".repeat(length - frame) });
        assert_eq!(asks(&world, "POST", path, None, &body).await.0, status, "{length}");
    }
    world.stop().await;
}

#[tokio::test]
async fn an_emergency_for_the_waiting_room_is_shown_to_whoever_has_a_visit_there() {
    let home = Home::new();
    let store = home.store().await as Arc<dyn Store>;
    let world = home.start_over(Arc::clone(&store)).await;
    let (_, _, link) = over(&world).await;
    let stream = StreamId {
        tenant: TENANT,
        category: Category { name: "emergency", lane: Lane::Critical },
        id: TENANT.0,
    };
    let event = NewEvent { kind: "noted", schema: 1, body: "{}".into(), phi: None, effective: None };
    let audit = NewAudit {
        action: "emergency.begin",
        actor: Some(DOCTOR.0),
        subject: Some(ROOM.0),
        body: json!({ "category": "danger" }).to_string(),
        phi: None,
    };
    let append = Append::new(stream, Version(0), vec![event], SystemClock.now());
    store.append(Append { audit: vec![audit], ..append }).await.unwrap();
    let page = access(&world, &link).await;
    assert_eq!(whats(&page), ["emergency", "care"]);
    assert_eq!(page["lines"][0]["why"], json!({ "is": "emergency", "category": "danger" }));
    world.stop().await;
}

#[tokio::test]
async fn a_history_is_for_those_on_duty_and_in_an_emergency_and_for_nobody_else_with_an_account() {
    let home = Home::new();
    let world = home.start().await;
    let (visit, ..) = over(&world).await;
    let room = format!("?waitingRoom={}", ROOM.0);
    until_read(&world, "on-duty", &room).await;
    let one = until_read(&world, "emergency", &format!("{room}&visit={}", visit.0)).await;
    assert_eq!((&one["visits"][0]["visit"], &one["next"]), (&json!(visit), &Value::Null));
    let status = async |token: &str, query: &str| {
        asks(&world, "GET", &format!("/api/v1/history{query}"), Some(token), &Value::Null).await.0
    };
    let elsewhere = format!("?waitingRoom={}", id().0);
    let statuses = [
        status("elsewhere", &room).await,
        status("emergency-over", &room).await,
        status("emergency", &elsewhere).await,
        status("auditor", &room).await,
        status("nobody", &room).await,
        status("on-duty", "").await,
    ];
    assert_eq!(statuses, [404, 404, 404, 403, 401, 404]);
    world.stop().await;
}
