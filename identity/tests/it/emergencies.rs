//! Break-glass: who may, for how long, who hears of it and when.

use crate::browser::{Answer, Browser, STEP, Unit};
use identity::Alarm;
use prometheus::Registry;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use testkit::event_log::Fault;

const ROOM: &str = "00000000-0000-0000-0000-0000000000aa";
const WHY: &str = "Canary is unconscious";

async fn declares(browser: &mut Browser) -> Answer {
    let body = json!({ "waitingRoom": ROOM, "category": "danger", "reason": WHY });
    browser.asks("POST", "/api/v1/emergencies", Some(body)).await
}

async fn of(browser: &mut Browser, which: &str) -> Value {
    let (status, list) = browser.asks("GET", &format!("/api/v1/emergencies?which={which}"), None).await;
    assert_eq!(status, 200, "{list}");
    list
}

struct Clinic {
    unit: Unit,
    root: Browser,
    doctor: Browser,
    auditor: Browser,
}

async fn clinic() -> Clinic {
    let unit = Unit::new();
    let mut root = unit.administrator().await;
    let (doctor, _) = unit.person(&mut root, "doctor@clinic.example", &["clinician"]).await;
    let (auditor, _) = unit.person(&mut root, "auditor@clinic.example", &["auditor"]).await;
    Clinic { unit, root, doctor, auditor }
}

#[tokio::test]
async fn a_clinician_declares_one_with_a_reason_and_those_who_must_know_hear_of_it() {
    let Clinic { unit, mut root, mut doctor, mut auditor } = clinic().await;
    assert_eq!(declares(&mut root).await.0, 403, "an administrator sees no visits");
    assert_eq!(declares(&mut auditor).await.0, 403);
    let (status, refused) = doctor
        .asks(
            "POST",
            "/api/v1/emergencies",
            Some(json!({ "waitingRoom": ROOM, "category": "danger", "reason": "" })),
        )
        .await;
    assert_eq!((status, &refused["field"]), (422, &json!("reason")));
    let (status, begun) = declares(&mut doctor).await;
    assert_eq!((status, &begun["open"]), (201, &json!(true)), "{begun}");
    for hears in [&mut root, &mut auditor] {
        let list = of(hears, "open").await;
        assert_eq!((&list["open"], &list["unreviewed"]), (&json!(1), &json!(1)));
        assert_eq!(list["emergencies"][0]["id"], begun["id"]);
        assert!(!list.to_string().contains("Canary"), "no reasons here: {list}");
    }
    assert_eq!(doctor.asks("GET", "/api/v1/emergencies?which=open", None).await.0, 403);
    let (_, own) = doctor.asks("GET", "/api/v1/emergencies/own", None).await;
    assert_eq!(own["emergencies"][0]["id"], begun["id"]);
    // Who is away from their screen, or has shown no factor for a while, declares none.
    unit.clock.advance(Duration::from_secs(11 * 60));
    doctor.renews().await;
    assert_eq!(declares(&mut doctor).await.1["code"], "confirm-first");
}

#[tokio::test]
async fn an_auditor_reads_the_reason_and_judges_and_that_is_recorded_before_it_is_shown() {
    let Clinic { unit, mut root, mut doctor, mut auditor } = clinic().await;
    let begun = declares(&mut doctor).await.1;
    let one = format!("/api/v1/emergencies/{}", begun["id"].as_str().unwrap());
    assert_eq!(root.asks("GET", &one, None).await.0, 403, "an administrator hears of it and does not judge");
    let (status, read) = auditor.asks("GET", &one, None).await;
    assert_eq!((status, &read["reason"]), (200, &json!(WHY)));
    unit.clock.advance(Duration::from_millis(1));
    let review = |verdict: &str, note: &str| Some(json!({ "verdict": verdict, "note": note }));
    let way = format!("{one}/review");
    let without_note = auditor.asks("POST", &way, review("not-justified", "")).await;
    assert_eq!((without_note.0, &without_note.1["field"]), (422, &json!("note")));
    let (status, reviewed) = auditor.asks("POST", &way, review("not-justified", "Wrong room")).await;
    assert_eq!((status, &reviewed["open"]), (200, &json!(false)), "{reviewed}");
    let again = auditor.asks("POST", &way, review("justified", "")).await;
    assert_eq!((again.0, &again.1["code"]), (409, &json!("reviewed-before")));
    assert_eq!(of(&mut auditor, "unreviewed").await["emergencies"], json!([]));
    assert_eq!(of(&mut auditor, "all").await["emergencies"][0]["review"]["verdict"], "not-justified");
    // The trail has each step, and no words of it.
    let (status, trail) = auditor.asks("GET", "/api/v1/audit?action=emergency", None).await;
    assert_eq!(status, 200, "{trail}");
    let steps: Vec<_> = trail["rows"].as_array().unwrap().iter().map(|row| row["action"].clone()).collect();
    assert_eq!(steps, ["emergency.review", "emergency.read", "emergency.begin"]);
    assert!(!trail.to_string().contains("Canary") && !trail.to_string().contains("Wrong room"));
    // Where it cannot be recorded, nothing is shown.
    unit.store.set(Fault::ReadOnly);
    assert_eq!(auditor.asks("GET", &one, None).await.0, 503);
    assert_eq!(auditor.asks("GET", "/api/v1/audit", None).await.0, 503);
}

#[tokio::test]
async fn nobody_judges_their_own_however_many_roles_they_have() {
    let Clinic { unit, mut root, .. } = clinic().await;
    let (mut both, _) = unit.person(&mut root, "both@clinic.example", &["clinician", "auditor"]).await;
    let begun = declares(&mut both).await.1;
    let way = format!("/api/v1/emergencies/{}/review", begun["id"].as_str().unwrap());
    let (status, refused) = both.asks("POST", &way, Some(json!({ "verdict": "justified" }))).await;
    assert_eq!((status, &refused["code"]), (409, &json!("own-emergency")));
}

#[tokio::test]
async fn one_is_over_after_an_hour_or_when_it_is_handed_back() {
    let Clinic { unit, mut doctor, mut auditor, .. } = clinic().await;
    let first = declares(&mut doctor).await.1;
    let way = format!("/api/v1/emergencies/{}/end", first["id"].as_str().unwrap());
    assert_eq!(auditor.asks("POST", &way, None).await.0, 404, "somebody else's");
    assert_eq!(doctor.asks("POST", &way, None).await.0, 204);
    assert_eq!(of(&mut auditor, "open").await["open"], 0);
    declares(&mut doctor).await;
    unit.clock.advance(STEP * 119);
    auditor.renews().await;
    assert_eq!(of(&mut auditor, "open").await["open"], 1);
    unit.clock.advance(STEP);
    let list = of(&mut auditor, "open").await;
    assert_eq!((&list["open"], &list["unreviewed"]), (&json!(0), &json!(2)));
}

#[tokio::test]
async fn another_process_counts_one_at_its_next_look() {
    let Clinic { unit, mut doctor, .. } = clinic().await;
    let other = unit.another();
    let registry = Registry::new();
    let mut alarm = Alarm::new(Arc::clone(&other), &registry).unwrap();
    let open = || {
        let all = registry.gather();
        let found =
            all.iter().find(|family| family.name() == "telehealth_identity_emergencies_open").unwrap();
        found.get_metric()[0].get_gauge().get_value() as i64
    };
    alarm.look().await;
    assert_eq!(open(), 0);
    declares(&mut doctor).await;
    unit.clock.advance(identity::limits::ALARM_LOOKS);
    alarm.look().await;
    assert_eq!(open(), 1);
}
