//! How the platform does, for an administrator: also while the database does not answer.

use crate::{
    browser::Browser,
    matrix::{Unit, asks, joins},
    process::Server,
};
use serde_json::{Value, json};
use testkit::{
    engines::{Postgres, until},
    wait::eventually,
};

const STATUS: &str = "/api/v1/status";

fn status(server: &Server, token: &str) -> Value {
    let answer = asks(server, "GET", STATUS, Some(token), &Value::Null);
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

fn state(status: &Value, part: &str) -> Option<String> {
    let parts = status["parts"].as_array().unwrap();
    let found = parts.iter().find(|one| one["part"] == part)?;
    Some(found["state"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_sees_how_each_part_does_and_how_many_visits_go_on_and_no_names() {
    let unit = Unit::start();
    let server = &unit.server;
    let mut clinician = Browser::open_link(server, server.secret("clinic")).await;
    let mut patient = Browser::open_link(server, server.secret("patient")).await;
    let (_, secret) = clinician.invite("Xochitl Canarymoor", "canary-reason-4711").await;
    let mut next = Browser::open_link(server, &secret).await;
    patient.check_in().await;
    next.check_in().await;
    clinician.until(|me| me.waiting().len() == 2).await;
    clinician.admit(clinician.waiting()[0]).await;
    clinician.until(|me| me.waiting().len() == 1).await;
    eventually("the probes to be made", async || {
        state(&status(server, &unit.administrator), "records").is_some()
    })
    .await;
    let seen = status(server, &unit.administrator);
    for part in ["records", "waiting-rooms", "media"] {
        assert_eq!(state(&seen, part).as_deref(), Some("well"), "{part}: {seen}");
    }
    assert_eq!(state(&seen, "messages"), None, "there is no NATS here");
    assert_eq!((&seen["visits"]["waiting"], &seen["visits"]["inCall"]), (&json!(1), &json!(1)));
    assert_eq!((&seen["catchingUp"], &seen["parked"]), (&json!(false), &json!(0)));
    assert_eq!(seen["emergencies"], json!({ "open": 0, "unreviewed": 0 }));
    assert!(["whole", "checking"].contains(&seen["trail"]["state"].as_str().unwrap()), "{seen}");
    let text = seen.to_string();
    for secret in ["anary", "localhost", "127.0.0.1", server.data().to_str().unwrap()] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}

#[test]
fn while_the_database_is_away_it_says_so_to_who_was_signed_in_and_to_nobody_else() {
    let mut postgres = Postgres::start(false);
    let keys = tempfile::tempdir().unwrap();
    let environment = [
        ("TELEHEALTH__STORE__POSTGRES", postgres.url()),
        ("TELEHEALTH__FLEET__KEYS_DIR", keys.path().to_str().unwrap().to_owned()),
    ];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let server = Server::start_with(&["--demo"], &environment);
    let administrator = joins(&server, server.administrator());
    let records = |expected: &str| {
        until("the records to be what is expected", || {
            let answer = asks(&server, "GET", STATUS, Some(&administrator), &Value::Null);
            // Whoever looks again and again is asked to wait, like everybody.
            answer.status == 200 && state(&answer.json(), "records").as_deref() == Some(expected)
        });
    };
    records("well");
    postgres.kill();
    records("strained");
    let seen = status(&server, &administrator);
    assert_eq!(state(&seen, "media").as_deref(), Some("well"));
    assert_eq!(seen["visits"]["waiting"], 0, "waiting rooms go on: {seen}");
    assert_eq!(asks(&server, "GET", STATUS, None, &Value::Null).status, 401);
    // People are not shown on what was true some time ago.
    assert_eq!(asks(&server, "GET", "/api/v1/people", Some(&administrator), &Value::Null).status, 503);
    postgres.restart();
    records("well");
}
