use crate::browser::{Unit, problem};
use platform::event_log::{EventStore as _, Records as _};
use serde_json::{Value, json};
use std::time::Duration;

fn states(people: &Value) -> Vec<(&str, &str)> {
    let people = people["people"].as_array().unwrap();
    people.iter().map(|p| (p["email"].as_str().unwrap(), p["state"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn an_administrator_invites_and_sees_who_works_here() {
    let unit = Unit::new();
    let mut root = unit.administrator().await;
    let (status, invited) = root.invites("Ana@clinic.example", &["clinician", "auditor"]).await;
    assert_eq!((status, invited["state"].as_str()), (201, Some("invited")));
    let link = invited["invitation"].as_str().unwrap();
    assert!(link.starts_with("https://visits.example/join#i="));
    let (_, people) = root.gets("/api/v1/people").await;
    assert_eq!(states(&people), [("root@clinic.example", "active"), ("ana@clinic.example", "invited")]);
    let again = root.invites("ana@clinic.example", &["sre"]).await;
    assert_eq!((problem(&again), &again.1["person"]), ((409, "person-exists"), &invited["id"]));
    let mut ana = unit.browser();
    assert_eq!(ana.joins(link).await.1["person"]["roles"], json!(["clinician", "auditor"]));
    let (_, people) = root.gets("/api/v1/people").await;
    assert_eq!(states(&people)[1].1, "active");
}

#[tokio::test]
async fn pages_of_people_follow_each_other() {
    let unit = Unit::new();
    let mut root = unit.administrator().await;
    for n in 0..4 {
        assert_eq!(root.invites(&format!("p{n}@clinic.example"), &["scheduler"]).await.0, 201);
    }
    let (mut seen, mut path) = (0, "/api/v1/people?limit=2".to_owned());
    loop {
        let (status, page) = root.gets(&path).await;
        assert_eq!(status, 200);
        seen += page["people"].as_array().unwrap().len();
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/people?limit=2&after={next}");
    }
    assert_eq!(seen, 5);
    for limit in [0, 51] {
        assert_eq!(root.gets(&format!("/api/v1/people?limit={limit}")).await.0, 400);
    }
    assert_eq!(root.gets("/api/v1/people?limit=50").await.0, 200);
}

#[tokio::test]
async fn only_administrators_manage_people_and_strangers_learn_nothing() {
    let unit = Unit::new();
    let mut root = unit.administrator().await;
    let (mut nurse, id) = unit.person(&mut root, "nurse@clinic.example", &["clinician"]).await;
    let person = format!("/api/v1/people/{id}");
    let asks = [
        ("GET", "/api/v1/people".to_owned(), None),
        (
            "POST",
            "/api/v1/people".to_owned(),
            Some(json!({ "email": "a@b.c", "name": "A", "roles": ["sre"] })),
        ),
        ("PATCH", person.clone(), Some(json!({ "roles": ["administrator"] }))),
        ("POST", format!("{person}/invitation"), None),
    ];
    for (method, path, body) in asks {
        assert_eq!(problem(&nurse.asks(method, &path, body.clone()).await), (403, "not-allowed"), "{path}");
        assert_eq!(problem(&unit.browser().asks(method, &path, body).await), (401, "signed-out"), "{path}");
    }
    // What they may do themselves, they may see.
    assert_eq!(nurse.gets(&format!("{person}/rights")).await.0, 200);
}

#[tokio::test]
async fn who_is_disabled_is_out_within_two_seconds_and_can_be_let_in_again() {
    let unit = Unit::new();
    let mut root = unit.administrator().await;
    let (mut nurse, id) = unit.person(&mut root, "nurse@clinic.example", &["clinician"]).await;
    assert_eq!(nurse.gets("/api/v1/me").await.0, 200);
    let person = format!("/api/v1/people/{id}");
    unit.clock.advance(Duration::from_secs(1));
    assert_eq!(root.asks("PATCH", &person, Some(json!({ "disabled": true }))).await.1["state"], "disabled");
    unit.clock.advance(Duration::from_secs(2));
    assert_eq!(problem(&nurse.gets("/api/v1/me").await), (401, "signed-out"));
    assert_eq!(problem(&nurse.renews().await), (401, "signed-out"));
    assert_eq!(problem(&nurse.signs_in().await), (401, "sign-in-failed"));
    root.asks("PATCH", &person, Some(json!({ "disabled": false }))).await;
    assert_eq!(nurse.signs_in().await.0, 200);
}

#[tokio::test]
async fn who_lost_their_phone_begins_anew_and_the_old_factors_are_gone() {
    let unit = Unit::new();
    let mut root = unit.administrator().await;
    let (mut nurse, id) = unit.person(&mut root, "nurse@clinic.example", &["clinician"]).await;
    unit.clock.advance(Duration::from_secs(3));
    let (status, invited) = root.posts(&format!("/api/v1/people/{id}/invitation"), json!({})).await;
    assert_eq!((status, invited["state"].as_str()), (200, Some("invited")));
    assert_eq!(problem(&nurse.signs_in().await), (401, "sign-in-failed"));
    assert_eq!(problem(&nurse.renews().await), (401, "signed-out"));
    let mut anew = unit.browser();
    assert_eq!(anew.joins(invited["invitation"].as_str().unwrap()).await.0, 200);
    assert_eq!(anew.gets("/api/v1/me").await.0, 200);
}

#[tokio::test]
async fn nobody_changes_their_own_rights_and_everything_important_wants_a_fresh_factor() {
    let unit = Unit::new();
    let mut root = unit.administrator().await;
    let (_, me) = root.gets("/api/v1/me").await;
    let own = format!("/api/v1/people/{}", me["person"]["id"].as_str().unwrap());
    let answer = root.asks("PATCH", &own, Some(json!({ "roles": ["auditor"] }))).await;
    assert_eq!(problem(&answer), (409, "not-oneself"));
    unit.clock.advance(Duration::from_secs(11 * 60));
    root.renews().await;
    assert_eq!(problem(&root.invites("a@b.c", &["sre"]).await), (403, "confirm-first"));
    assert_eq!(
        problem(&root.posts("/api/v1/auth/confirm", json!({ "code": "1" })).await),
        (401, "wrong-code")
    );
    let code = root.next_code();
    assert_eq!(root.posts("/api/v1/auth/confirm", json!({ "code": code })).await.0, 204);
    assert_eq!(root.invites("a@b.c", &["sre"]).await.0, 201);
}

#[tokio::test]
async fn what_is_wrong_with_an_invitation_is_said_by_field() {
    let unit = Unit::new();
    let mut root = unit.administrator().await;
    let long = "x".repeat(101);
    for (email, name, roles, field) in [
        ("no address", "Ana", json!(["sre"]), "email"),
        ("a@b.c", " ", json!(["sre"]), "name"),
        ("a@b.c", long.as_str(), json!(["sre"]), "name"),
        ("a@b.c", "Ana", json!([]), "roles"),
    ] {
        let body = json!({ "email": email, "name": name, "roles": roles });
        let answer = root.posts("/api/v1/people", body).await;
        assert_eq!((problem(&answer), answer.1["field"].as_str()), ((422, "invalid"), Some(field)));
    }
    let answer =
        root.posts("/api/v1/people", json!({ "email": "a@b.c", "name": "A", "roles": ["king"] })).await;
    assert_eq!(answer.0, 400);
    // The address was not taken by what was refused.
    assert_eq!(root.invites("a@b.c", &["sre"]).await.0, 201);
}

#[tokio::test]
async fn somebody_nobody_knows_is_404_whatever_is_asked_of_them() {
    let unit = Unit::new();
    let mut root = unit.administrator().await;
    for id in ["00000000-0000-7000-8000-000000000099", "nonsense"] {
        let person = format!("/api/v1/people/{id}");
        for (method, path, body) in [
            ("PATCH", person.clone(), Some(json!({ "disabled": true }))),
            ("POST", format!("{person}/invitation"), None),
            ("GET", format!("{person}/rights"), None),
        ] {
            assert_eq!(problem(&root.asks(method, &path, body).await), (404, "not-found"), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn rights_are_what_the_policy_says() {
    let unit = Unit::new();
    let mut root = unit.administrator().await;
    let (_, id) = unit.person(&mut root, "audit@clinic.example", &["auditor"]).await;
    let (_, answer) = root.gets(&format!("/api/v1/people/{id}/rights")).await;
    let allowed: Vec<_> =
        answer["rights"].as_array().unwrap().iter().filter(|r| r["allowed"] == true).collect();
    let actions: Vec<_> = allowed.iter().map(|r| r["action"].as_str().unwrap()).collect();
    assert_eq!(
        actions,
        [
            "see-waiting-rooms",
            "manage-own-account",
            "read-people",
            "read-rights",
            "read-audit",
            "see-holds",
            "manage-holds",
            "see-break-glass",
            "review-break-glass",
            "see-partner-keys",
            "see-unit",
            "see-webhooks",
            "read-status"
        ]
    );
    assert_eq!((&allowed[1]["places"], &allowed[2]["places"]), (&json!(["own-account"]), &json!(["unit"])));
}

#[tokio::test]
async fn the_auditor_finds_who_did_what_to_whom() {
    let unit = Unit::new();
    let mut root = unit.administrator().await;
    let (_, id) = unit.person(&mut root, "nurse@clinic.example", &["clinician"]).await;
    root.asks("PATCH", &format!("/api/v1/people/{id}"), Some(json!({ "disabled": true }))).await;
    let mut actions = Vec::new();
    for partition in unit.store.partitions() {
        let rows = unit.store.audit(crate::browser::TENANT, partition, 0, 100).await.unwrap();
        assert!(rows.iter().all(|row| !format!("{}{:?}", row.body, row.phi).contains("clinic.example")));
        actions.extend(rows.into_iter().map(|row| (row.action, row.actor.is_some(), row.subject.is_some())));
    }
    let named = |action: &str, by| (action.to_owned(), by, true);
    assert_eq!(
        actions,
        [
            named("person.invite", false),
            named("person.join", true),
            named("person.invite", true),
            named("person.join", true),
            named("person.disable", true),
        ]
    );
}
