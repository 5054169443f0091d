//! Failed sign-ins as the auditor reads them: whose, how often; rows cannot be made as fast as guesses.

use crate::browser::{PASSWORD, TENANT, Unit, problem};
use identity::{FailureLog, limits::FAILURE_PAUSE};
use platform::event_log::{AuditRow, EventStore as _, Records as _};
use prometheus::Registry;
use serde_json::{Value, json};
use std::time::Duration;
use testkit::event_log::Fault;

async fn rows(unit: &Unit) -> Vec<AuditRow> {
    let mut rows = Vec::new();
    for partition in unit.store.partitions() {
        rows.extend(unit.store.audit(TENANT, partition, 0, 1_000).await.unwrap());
    }
    rows.retain(|row| row.action == "sign-in.fail");
    rows.sort_by_key(|row| row.at);
    rows
}

fn counts(row: &AuditRow) -> [u64; 3] {
    let body: Value = serde_json::from_str(&row.body).unwrap();
    ["passwords", "codes", "passkeys"].map(|factor| body[factor].as_u64().unwrap())
}

fn counted(registry: &Registry, whose: &str) -> u64 {
    let family = registry
        .gather()
        .into_iter()
        .find(|f| f.name() == "telehealth_identity_sign_ins_failed_total")
        .unwrap();
    let of = |m: &&prometheus::proto::Metric| m.get_label()[0].value() == whose;
    family.get_metric().iter().find(of).map_or(0, |metric| metric.get_counter().get_value() as u64)
}

#[tokio::test]
async fn each_account_has_a_row_at_once_and_then_one_a_minute_with_how_many_there_were() {
    let unit = Unit::new();
    let known = unit.administrator().await;
    let registry = Registry::new();
    let mut log = FailureLog::new(unit.identity.clone(), &registry).unwrap();
    let (mut guesser, mut nobody) = (unit.browser(), unit.browser());
    guesser.email.clone_from(&known.email);
    nobody.email = "nobody@clinic.example".into();
    for n in 0..3 {
        nobody.address = format!("198.51.100.{n}:1").parse().unwrap();
        assert_eq!(problem(&nobody.says_password(PASSWORD).await), (401, "sign-in-failed"));
    }
    assert_eq!(problem(&guesser.says_password("guess guess").await), (401, "sign-in-failed"));
    assert!(rows(&unit).await.is_empty(), "nobody waited for it");
    log.look(false).await;
    let first = rows(&unit).await;
    assert_eq!((first.len(), counts(&first[0])), (1, [1, 0, 0]), "of nobody there is none");
    assert_eq!((counted(&registry, "somebody"), counted(&registry, "nobody")), (1, 3));
    let whose: Value = known.clone().gets("/api/v1/me").await.1;
    assert_eq!(first[0].subject.map(|id| id.to_string()).as_deref(), whose["person"]["id"].as_str());
    assert_eq!((first[0].actor, first[0].phi.is_none()), (None, true), "who it was is not known");
    let everything = format!("{}{:?}", first[0].body, first[0]);
    assert!(!everything.contains("clinic.example") && !everything.contains("192.0.2"), "{everything}");

    // More of them within the minute wait for the next row.
    for _ in 0..4 {
        guesser.says_password("guess guess").await;
        log.look(false).await;
    }
    let mut person = known.clone();
    let (_, ticket) = person.says_password(PASSWORD).await;
    let wrong = json!({ "ticket": ticket["ticket"], "code": "000" });
    assert_eq!(problem(&person.posts("/api/v1/auth/second", wrong).await), (401, "wrong-code"));
    unit.clock.advance(FAILURE_PAUSE - Duration::from_millis(1));
    log.look(false).await;
    assert_eq!(rows(&unit).await.len(), 1);
    unit.clock.advance(Duration::from_millis(1));
    log.look(false).await;
    log.look(false).await;
    let both = rows(&unit).await;
    assert_eq!((both.len(), counts(&both[1])), (2, [4, 1, 0]));
    // Whose it is, the auditor reads by name.
    let mut root = known;
    let (mut auditor, _) = unit.person(&mut root, "auditor@clinic.example", &["auditor"]).await;
    let (_, found) = auditor.gets("/api/v1/audit?action=sign-in").await;
    assert_eq!(found["rows"][0]["subjectName"], "Administrator", "{found}");
}

#[tokio::test]
async fn what_cannot_be_written_is_written_later_and_at_the_end() {
    let unit = Unit::new();
    let known = unit.administrator().await;
    let mut log = FailureLog::new(unit.identity.clone(), &Registry::new()).unwrap();
    let mut guesser = unit.browser();
    guesser.email.clone_from(&known.email);
    guesser.says_password("guess guess").await;
    unit.store.set(Fault::Away);
    log.look(false).await;
    unit.store.set(Fault::None);
    assert!(rows(&unit).await.is_empty());
    guesser.says_password("guess guess").await;
    log.look(false).await;
    assert_eq!(rows(&unit).await.iter().map(counts).collect::<Vec<_>>(), [[2, 0, 0]], "both, in one");
    guesser.says_password("guess guess").await;
    log.look(true).await;
    assert_eq!(rows(&unit).await.len(), 2, "when the process ends nothing waits for its minute");
}
