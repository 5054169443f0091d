//! What programs rely on: conditional requests, requests that are carried out once, and that nobody sees people unrecorded.

use crate::browser::{Browser, TENANT, Unit};
use axum::{body::Body, http::Request};
use platform::event_log::{AuditRow, EventStore as _, Records as _};
use serde_json::{Value, json};
use testkit::event_log::Fault;

const KEY: &str = "the-invitation-of-today";

/// An answer with its headers.
struct Told {
    status: u16,
    etag: Option<String>,
    replayed: bool,
    body: Value,
}

async fn ask(
    browser: &Browser,
    method: &str,
    path: &str,
    header: (&str, &str),
    body: Option<&Value>,
) -> Told {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {}", browser.token.as_deref().unwrap()))
        .header("content-type", "application/json")
        .header(header.0, header.1);
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    let response = browser.answers(request.body(body).unwrap()).await;
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (etag, replayed) = (header("etag"), header("idempotent-replayed").as_deref() == Some("true"));
    let status = response.status().as_u16();
    let bytes = axum::body::to_bytes(response.into_body(), 100_000).await.unwrap();
    Told { status, etag, replayed, body: serde_json::from_slice(&bytes).unwrap_or_default() }
}

async fn rows(unit: &Unit) -> Vec<AuditRow> {
    let mut all = Vec::new();
    for partition in unit.store.partitions() {
        all.extend(unit.store.audit(TENANT, partition, 0, 1_000).await.unwrap());
    }
    all
}

async fn count(unit: &Unit, action: &str) -> usize {
    rows(unit).await.iter().filter(|row| row.action == action).count()
}

fn somebody(email: &str) -> Value {
    json!({ "email": email, "name": "Ana Ruiz", "roles": ["scheduler"] })
}

#[tokio::test]
async fn the_same_request_with_the_same_key_is_carried_out_once_and_answered_alike() {
    let unit = Unit::new();
    let root = unit.administrator().await;
    let (path, key) = ("/api/v1/people", ("idempotency-key", KEY));
    let first = ask(&root, "POST", path, key, Some(&somebody("ana@clinic.example"))).await;
    assert_eq!((first.status, first.replayed), (201, false), "{}", first.body);
    unit.clock.advance(std::time::Duration::from_secs(30));
    let again = ask(&root, "POST", path, key, Some(&somebody("ana@clinic.example"))).await;
    assert_eq!((again.status, again.replayed, &again.body), (201, true, &first.body));
    assert_eq!(count(&unit, "person.invite").await, 1 + 1, "the administrator, and Ana once");
    // The link that was answered twice is the one that works.
    assert_eq!(unit.browser().joins(again.body["invitation"].as_str().unwrap()).await.0, 200);
    let later = ask(&root, "POST", path, key, Some(&somebody("ana@clinic.example"))).await;
    assert_eq!((later.status, &later.body), (201, &first.body), "as it was then");

    let other = ask(&root, "POST", path, key, Some(&somebody("ben@clinic.example"))).await;
    assert_eq!((other.status, other.body["code"].as_str()), (422, Some("idempotency-key-reused")));
    let another = ("idempotency-key", "another");
    let exists = ask(&root, "POST", path, another, Some(&somebody("ana@clinic.example"))).await;
    assert_eq!((exists.status, exists.body["code"].as_str()), (409, Some("person-exists")));
    let bad =
        ask(&root, "POST", path, ("idempotency-key", "a b"), Some(&somebody("ben@clinic.example"))).await;
    assert_eq!(bad.status, 400);
}

#[tokio::test]
async fn a_key_is_of_one_person_and_one_route() {
    let unit = Unit::new();
    let mut root = unit.administrator().await;
    let (other, id) = unit.person(&mut root, "second@clinic.example", &["administrator"]).await;
    let key = ("idempotency-key", KEY);
    let one = ask(&root, "POST", "/api/v1/people", key, Some(&somebody("ana@clinic.example"))).await;
    let two = ask(&other, "POST", "/api/v1/people", key, Some(&somebody("ben@clinic.example"))).await;
    assert_eq!((one.status, two.status), (201, 201), "{} {}", one.body, two.body);
    let path = format!("/api/v1/people/{id}/invitation");
    let first = ask(&root, "POST", &path, key, None).await;
    let again = ask(&root, "POST", &path, key, None).await;
    assert_eq!((first.status, again.status, again.replayed), (200, 200, true));
    assert_eq!(first.body, again.body);
    assert_eq!(count(&unit, "person.reinvite").await, 1);
    let without = root.asks("POST", &path, None).await;
    assert_ne!(
        without.1["invitation"], first.body["invitation"],
        "without a key it is another link each time"
    );
}

#[tokio::test]
async fn many_at_once_with_one_key_make_one() {
    let unit = Unit::new();
    let root = unit.administrator().await;
    let body = somebody("ana@clinic.example");
    let ask = || ask(&root, "POST", "/api/v1/people", ("idempotency-key", KEY), Some(&body));
    let (a, b, c, d) = tokio::join!(ask(), ask(), ask(), ask());
    for one in [&b, &c, &d] {
        assert_eq!((one.status, &one.body), (201, &a.body), "{}", a.body);
    }
    assert_eq!(count(&unit, "person.invite").await, 2);
}

#[tokio::test]
async fn who_has_it_already_is_sent_nothing_and_who_saw_another_state_changes_nothing() {
    let unit = Unit::new();
    let mut root = unit.administrator().await;
    let (_, id) = unit.person(&mut root, "nurse@clinic.example", &["clinician"]).await;
    let path = format!("/api/v1/people/{id}");
    let seen = ask(&root, "GET", &path, ("x", "x"), None).await;
    let tag = seen.etag.unwrap();
    assert_eq!((seen.status, &seen.body["state"]), (200, &json!("active")));
    let known = ask(&root, "GET", &path, ("if-none-match", &tag), None).await;
    assert_eq!((known.status, known.etag.as_ref(), &known.body), (304, Some(&tag), &Value::Null));
    let page = ask(&root, "GET", "/api/v1/people", ("x", "x"), None).await;
    let same = ask(&root, "GET", "/api/v1/people", ("if-none-match", &page.etag.unwrap()), None).await;
    assert_eq!(same.status, 304);

    let change = json!({ "roles": ["scheduler"] });
    let changed = ask(&root, "PATCH", &path, ("if-match", &tag), Some(&change)).await;
    assert_eq!((changed.status, &changed.body["roles"]), (200, &json!(["scheduler"])));
    let late = ask(&root, "PATCH", &path, ("if-match", &tag), Some(&json!({ "disabled": true }))).await;
    assert_eq!((late.status, late.body["code"].as_str()), (412, Some("changed-meanwhile")));
    let now = ask(&root, "GET", &path, ("if-none-match", &tag), None).await;
    assert_eq!((now.status, &now.body), (200, &changed.body));
    assert_eq!(now.etag, changed.etag, "what a change answers is what is there");
}

#[tokio::test]
async fn people_are_shown_once_it_is_recorded_to_whom_and_not_otherwise() {
    let unit = Unit::new();
    let mut root = unit.administrator().await;
    let (_, id) = unit.person(&mut root, "nurse@clinic.example", &["clinician"]).await;
    let path = format!("/api/v1/people/{id}");
    assert_eq!(root.gets(&path).await.0, 200);
    assert_eq!(root.gets("/api/v1/people").await.0, 200);
    let rows = rows(&unit).await;
    let one = rows.iter().find(|row| row.action == "people.read").unwrap();
    assert_eq!((one.subject.map(|id| id.to_string()), one.actor.is_some()), (Some(id.clone()), true));
    let page = rows.iter().find(|row| row.action == "people.list").unwrap();
    assert!(page.body.contains(&id) && page.phi.is_none(), "{}", page.body);
    unit.store.set(Fault::ReadOnly);
    assert_eq!(root.gets(&path).await.0, 503);
    assert_eq!(root.gets("/api/v1/people").await.0, 503);
}
