//! Keys of partners' systems, as administrators make them and as partners use them.

use crate::browser::{Browser, TENANT, Unit, problem};
use platform::event_log::{EventStore as _, Records as _};
use serde_json::{Value, json};
use std::time::Duration;

const KEYS: &str = "/api/v1/partner-keys";

fn key(scopes: &[&str], networks: &[&str]) -> Value {
    json!({ "name": "Billing", "scopes": scopes, "networks": networks, "days": 30 })
}

async fn made(root: &mut Browser, body: Value) -> (String, String) {
    let (status, answer) = root.posts(KEYS, body).await;
    assert_eq!(status, 201, "{answer}");
    let id = answer["partnerKey"]["id"].as_str().unwrap().to_owned();
    (answer["key"].as_str().unwrap().to_owned(), id)
}

/// A system with a key, somewhere.
fn system(unit: &Unit, key: &str, address: &str) -> Browser {
    let mut system = unit.browser();
    (system.token, system.address) = (Some(key.to_owned()), address.parse().unwrap());
    system
}

#[tokio::test]
async fn a_key_opens_what_its_scopes_say_and_nothing_else() {
    let unit = Unit::new();
    let mut root = unit.administrator().await;
    let (people, id) = made(&mut root, key(&["people:read"], &[])).await;
    assert!(people.starts_with("thp_"), "people and scanners know one when they see it");
    let (rooms, _) = made(&mut root, key(&["waiting-rooms:read"], &[])).await;
    let system_of = |key: &str| system(&unit, key, "198.51.100.7:1");
    let (mut may, mut may_not) = (system_of(&people), system_of(&rooms));
    assert_eq!(may.gets("/api/v1/people").await.0, 200);
    assert_eq!(problem(&may_not.gets("/api/v1/people").await), (403, "not-allowed"));
    for (method, path, body) in [
        ("GET", "/api/v1/me", None),
        ("GET", KEYS, None),
        ("POST", KEYS, Some(key(&["people:read"], &[]))),
        ("GET", "/api/v1/audit", None),
        ("POST", "/api/v1/people", Some(json!({ "email": "a@b.c", "name": "A", "roles": ["sre"] }))),
    ] {
        assert_eq!(problem(&may.asks(method, path, body).await), (403, "not-allowed"), "{method} {path}");
    }
    // Who read is in the trail, by the key.
    let mut rows = Vec::new();
    for partition in unit.store.partitions() {
        rows.extend(unit.store.audit(TENANT, partition, 0, 1_000).await.unwrap());
    }
    let by_key = |action: &str| {
        rows.iter().any(|row| row.action == action && row.actor.is_some_and(|actor| actor.to_string() == id))
    };
    assert!(by_key("people.list"));
    assert!(rows.iter().any(|row| row.action == "partner-key.make"));
    let everything = format!("{rows:?}");
    assert!(
        !everything.contains(&people) && !everything.contains("Billing"),
        "no key and no name in the trail"
    );
}

#[tokio::test]
async fn a_key_counts_from_where_it_may_until_its_day_and_until_it_is_revoked() {
    let unit = Unit::new();
    let mut root = unit.administrator().await;
    let (within, id) = made(&mut root, key(&["people:read"], &["192.0.2.0/24", "2001:db8::/32"])).await;
    for (address, status) in
        [("192.0.2.9:1", 200), ("[2001:db8::9]:1", 200), ("198.51.100.7:1", 401), ("[2001:db9::1]:1", 401)]
    {
        assert_eq!(system(&unit, &within, address).gets("/api/v1/people").await.0, status, "{address}");
    }
    let mut partner = system(&unit, &within, "192.0.2.9:1");
    let longer = format!("{within}x");
    for wrong in ["thp_", "thp__", "thp_00000000000000000000000000000007_x", longer.as_str()] {
        let answer = system(&unit, wrong, "192.0.2.9:1").gets("/api/v1/people").await;
        assert_eq!(problem(&answer), (401, "signed-out"), "{wrong}");
    }
    let another = unit.another();
    let mut elsewhere = crate::browser::browser(&another, &unit.clock);
    elsewhere.token = Some(within.clone());
    assert_eq!(elsewhere.gets("/api/v1/people").await.0, 200);
    assert_eq!(root.asks("DELETE", &format!("{KEYS}/{id}"), None).await.0, 204);
    assert_eq!(partner.gets("/api/v1/people").await.0, 401, "here at once");
    unit.clock.advance(Duration::from_secs(1));
    assert_eq!(elsewhere.gets("/api/v1/people").await.0, 401, "elsewhere within a second");
    let (status, list) = root.gets(KEYS).await;
    assert_eq!((status, &list["partnerKeys"][0]["state"]), (200, &json!("revoked")));
    assert!(!list.to_string().contains(&within[40..]), "what opens is shown once");

    let (short, _) = made(&mut root, json!({ "name": "B", "scopes": ["people:read"], "days": 1 })).await;
    let mut brief = system(&unit, &short, "192.0.2.9:1");
    assert_eq!(brief.gets("/api/v1/people").await.0, 200);
    unit.clock.advance(Duration::from_secs(24 * 60 * 60));
    assert_eq!(brief.gets("/api/v1/people").await.0, 401);
}

#[tokio::test]
async fn what_cannot_be_a_key_is_refused_by_its_field() {
    let unit = Unit::new();
    let mut root = unit.administrator().await;
    for (body, field) in [
        (json!({ "name": " ", "scopes": ["people:read"], "days": 1 }), "name"),
        (json!({ "name": "B", "scopes": [], "days": 1 }), "scopes"),
        (json!({ "name": "B", "scopes": ["people:read"], "days": 0 }), "days"),
        (json!({ "name": "B", "scopes": ["people:read"], "days": 731 }), "days"),
        (
            json!({ "name": "B", "scopes": ["people:read"], "days": 1, "networks": ["10.0.0.0/33"] }),
            "networks",
        ),
    ] {
        let answer = root.posts(KEYS, body).await;
        assert_eq!((problem(&answer), answer.1["field"].as_str()), ((422, "invalid"), Some(field)));
    }
    assert_eq!(root.posts(KEYS, json!({ "name": "B", "scopes": ["everything"], "days": 1 })).await.0, 400);
    for id in ["00000000-0000-7000-8000-000000000099", "nonsense"] {
        assert_eq!(problem(&root.asks("DELETE", &format!("{KEYS}/{id}"), None).await), (404, "not-found"));
    }
    // An old confirmation is not enough to make what outlives the session.
    unit.clock.advance(Duration::from_secs(11 * 60));
    root.renews().await;
    assert_eq!(problem(&root.posts(KEYS, key(&["people:read"], &[])).await), (403, "confirm-first"));
}
