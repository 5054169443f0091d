//! The history of a waiting room, as somebody's own system asks for it.

use crate::{
    client::{Client, id},
    world::{Home, ROOM, TENANT, World},
};
use model::{ParticipantId, Phi, VisitId, WaitingRoomId};
use platform::{
    event_log::{AuditRow, Partition, Store},
    lane::Lane,
};
use serde_json::Value;
use signaling::{NewWaitingRoom, limits::HISTORY_PAGE};
use signaling_core::port::Links as _;
use signaling_protocol::{
    ClientMessage,
    view::{ClinicView, Outcome},
};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use uuid::Uuid;

struct Answer {
    status: u16,
    head: String,
    body: Value,
}

async fn ask(world: &World, method: &str, query: &str, token: Option<&str>) -> Answer {
    let mut stream = TcpStream::connect(world.addr).await.unwrap();
    let authorization = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    let request = format!(
        "{method} /api/v1/history{query} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{authorization}\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_ascii_lowercase(), body: serde_json::from_str(body).unwrap_or_default() }
}

async fn token(world: &World, link: &str) -> String {
    let secret = link.split_once("#k=").unwrap().1;
    world.handle.exchange(TENANT, Phi::from(secret.to_owned())).await.unwrap().join_token
}

/// Pages until the last, by `limit` a page; ids and names of the visits.
async fn all(world: &World, token: &str, limit: usize) -> Vec<(VisitId, String)> {
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = ask(world, "GET", &format!("?limit={limit}{after}"), Some(token)).await;
        assert_eq!(page.status, 200, "{}", page.body);
        let visits = page.body["visits"].as_array().unwrap();
        assert!(visits.len() <= limit);
        let line = |visit: &Value| {
            let id = serde_json::from_value(visit["visit"].clone()).unwrap();
            (id, visit["name"].as_str().unwrap().to_owned())
        };
        seen.extend(visits.iter().map(line));
        match page.body["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return seen,
        }
    }
}

/// The index is brought up to date once a second.
async fn until_there(world: &World, token: &str, count: usize) -> Vec<(VisitId, String)> {
    for _ in 0..200 {
        let seen = all(world, token, HISTORY_PAGE).await;
        if seen.len() >= count {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the history does not show what is over");
}

/// They never came.
async fn absent(clinician: &mut Client, visit: VisitId) {
    clinician.command(&ClientMessage::End { id: id(), visit, outcome: Outcome::PatientAbsent }).await;
}

async fn audited(store: &dyn Store) -> Vec<AuditRow> {
    let partition = store.partitions().into_iter().find(|p| store.lane(*p) == Lane::Batch);
    store.audit(TENANT, partition.unwrap_or(Partition(2)), 0, 1_000).await.unwrap()
}

#[tokio::test]
async fn a_clinician_reads_what_is_over_newest_first_page_by_page_and_the_auditor_knows() {
    let home = Home::new();
    let store = home.store().await;
    let world = home.start_over(Arc::clone(&store) as Arc<dyn Store>).await;
    let link = world.open().await;
    let mut alice = world.join(&link).await;
    let mut invited = Vec::new();
    for name in ["Ana", "Bob", "Cleo"] {
        invited.push((world.invite(name).await.visit, name.to_owned()));
        absent(&mut alice, invited.last().unwrap().0).await;
    }
    world.invite("Still to come").await;
    invited.reverse();
    let token = token(&world, &link).await;
    assert_eq!(until_there(&world, &token, 3).await, invited);
    for limit in [1, 2, 3] {
        assert_eq!(all(&world, &token, limit).await, invited, "{limit} a page");
    }
    let page = ask(&world, "GET", "", Some(&token)).await;
    assert!(page.head.contains("cache-control: no-store"), "{}", page.head);
    let line = &page.body["visits"][0];
    assert_eq!((&line["outcome"], &line["checkedInAt"]), (&"patient-absent".into(), &Value::Null));
    assert!(line["endedAt"].as_i64() >= line["bookedAt"].as_i64() && line["bookedAt"].is_i64());
    let audited = audited(&*store).await;
    let last = audited.last().unwrap();
    assert_eq!((last.action.as_str(), last.subject), ("history.read", Some(ROOM.0)));
    assert!(
        last.actor.is_some() && invited.iter().all(|(visit, _)| last.body.contains(&visit.0.to_string()))
    );
    assert!(!last.body.contains("Ana") && last.phi.is_none());
    world.stop().await;
}

#[tokio::test]
async fn what_people_do_is_audited_with_what_they_did_and_before_they_see_anything() {
    let home = Home::new();
    let store = home.store().await as Arc<dyn Store>;
    let world = home.start_over(Arc::clone(&store)).await;
    let link = world.open().await;
    let critical = store.partitions().into_iter().find(|p| store.lane(*p) == Lane::Critical).unwrap();
    let rows = async || store.audit(TENANT, critical, 0, 1_000).await.unwrap();
    assert!(rows().await.is_empty(), "programs are no persons");
    let mut alice = world.join(&link).await;
    let seen = rows().await;
    assert_eq!(seen.len(), 1, "before the queue was shown");
    assert_eq!((seen[0].action.as_str(), seen[0].subject), ("queue.view", Some(ROOM.0)));
    let visit = world.invite("Ana Canary").await.visit;
    absent(&mut alice, visit).await;
    let rows = rows().await;
    let last = rows.last().unwrap();
    assert_eq!((last.action.as_str(), last.subject, last.actor), ("visit.end", Some(visit.0), seen[0].actor));
    assert!(rows.iter().all(|row| row.phi.is_none() && !row.body.contains("Canary")));
    world.stop().await;
}

#[tokio::test]
async fn nobody_reads_the_history_of_somebody_else() {
    let home = Home::new();
    let world = home.start().await;
    let link = world.open().await;
    let mut alice = world.join(&link).await;
    let invitation = world.invite("Ana").await;
    let patient = token(&world, &invitation.link).await;
    absent(&mut alice, invitation.visit).await;
    let clinician = token(&world, &link).await;
    until_there(&world, &clinician, 1).await;

    // Another room of the same healthcare unit, and the same room's id in another unit.
    let other = |tenant, id| NewWaitingRoom {
        tenant,
        id,
        clinic: ClinicView { name: "Elsewhere".into(), phone: "555".into() },
        practitioner: Phi::from("Dr No".to_owned()),
        clinician: ParticipantId(Uuid::now_v7()),
    };
    let elsewhere = model::TenantId(Uuid::from_u128(0xE));
    let room = other(TENANT, WaitingRoomId(Uuid::from_u128(0xB)));
    let opened = world.handle.open_waiting_room(room).await.unwrap();
    let in_another_room = token(&world, &opened.link).await;
    assert_eq!(all(&world, &in_another_room, HISTORY_PAGE).await, []);
    // The place of a visit elsewhere opens nothing either.
    let place = format!("?after={:020}/{}", 0, invitation.visit.0);
    let page = ask(&world, "GET", &place, Some(&in_another_room)).await;
    assert_eq!(page.body["visits"], serde_json::json!([]));
    // What another unit has given is worth nothing at this one's host.
    let room = other(elsewhere, WaitingRoomId(Uuid::from_u128(0xD)));
    let opened = world.handle.open_waiting_room(room).await.unwrap();
    let secret = Phi::from(opened.link.split_once("#k=").unwrap().1.to_owned());
    let foreign = world.handle.exchange(elsewhere, secret).await.unwrap().join_token;
    for query in ["", &place] {
        assert_eq!(ask(&world, "GET", query, Some(&foreign)).await.status, 401);
    }
    for (token, status, code) in [
        (None, 401, "unauthorized"),
        (Some("nonsense"), 401, "unauthorized"),
        (Some(patient.as_str()), 403, "forbidden"),
    ] {
        let refused = ask(&world, "GET", "", token).await;
        assert_eq!((refused.status, &refused.body["code"]), (status, &code.into()));
        assert!(refused.head.contains("application/problem+json"));
    }
    world.stop().await;
}

#[tokio::test]
async fn a_page_has_a_limit_and_what_cannot_be_understood_is_refused() {
    let home = Home::new();
    let world = home.start().await;
    let token = token(&world, &world.open().await).await;
    let most = HISTORY_PAGE.to_string();
    let more = (HISTORY_PAGE + 1).to_string();
    for (limit, status) in [("1", 200), (most.as_str(), 200), (more.as_str(), 400), ("0", 400), ("-1", 400)] {
        assert_eq!(
            ask(&world, "GET", &format!("?limit={limit}"), Some(&token)).await.status,
            status,
            "{limit}"
        );
    }
    for bad in ["?after=", "?after=1/2", "?after=%00", "?room=7", "?limit=1&limit=2"] {
        let refused = ask(&world, "GET", bad, Some(&token)).await;
        assert_eq!((refused.status, &refused.body["code"]), (400, &"bad-request".into()), "{bad}");
    }
    assert_eq!(ask(&world, "POST", "", Some(&token)).await.status, 405);
    world.stop().await;
}

/// Without a word to the auditor nothing is shown.
#[tokio::test]
async fn what_cannot_be_audited_is_not_shown() {
    use testkit::event_log::{Fault, Faulty};
    let home = Home::new();
    let faulty = Arc::new(Faulty::new(home.store().await));
    let world = home.start_over(Arc::clone(&faulty) as Arc<dyn Store>).await;
    let token = token(&world, &world.open().await).await;
    assert_eq!(ask(&world, "GET", "", Some(&token)).await.status, 200);
    faulty.set(Fault::ReadOnly);
    let refused = ask(&world, "GET", "", Some(&token)).await;
    assert_eq!((refused.status, &refused.body["code"]), (503, &"unavailable".into()));
    assert!(refused.head.contains("retry-after: "));
    faulty.set(Fault::None);
    world.kill().await;
}
