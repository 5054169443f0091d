//! How soon everybody who has to hears of an emergency, with the real store on a disk and two processes.

#![expect(clippy::disallowed_methods, reason = "a process of its own, measured in real seconds")]

use crate::browser::{Unit, browser, process};
use identity::Alarm;
use platform::clock::ManualClock;
use platform::{event_log::sqlite::SqliteStore, keys::Keys};
use prometheus::Registry;
use serde_json::json;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// Pages ask so often.
const PAGES_ASK: Duration = Duration::from_secs(3);
/// What is promised.
const WITHIN: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emergency_is_on_the_page_in_the_metric_and_in_the_log_of_another_process_within_five_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(&folder.path().join("events.sqlite"), &Registry::new()).unwrap());
    let clock = Arc::new(ManualClock::new(Unit::START));
    let keys = Arc::new(Keys::ephemeral());
    let (here, there) = (process(store.clone(), &clock, &keys), process(store, &clock, &keys));
    let mut root = browser(&here, &clock);
    let identity::FirstAdministrator::Invited(link) = here.first_administrator().await.unwrap() else {
        panic!("nobody was invited")
    };
    assert_eq!(root.joins(&link.into_exposed()).await.0, 200);
    let (_, invited) = root.invites("doctor@clinic.example", &["clinician"]).await;
    let mut doctor = browser(&here, &clock);
    assert_eq!(doctor.joins(invited["invitation"].as_str().unwrap()).await.0, 200);
    // The administrator looks at the other process.
    let mut looks = browser(&there, &clock);
    looks.token = root.token.clone();

    let (registry, stop) = (Registry::new(), CancellationToken::new());
    let alarm = tokio::spawn(Alarm::new(Arc::clone(&there), &registry).unwrap().run(stop.clone()));
    let goes = Arc::clone(&clock);
    // Time goes on, as it does.
    let time = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        loop {
            ticks.tick().await;
            goes.advance(Duration::from_millis(50));
        }
    });
    let open = || {
        let all = registry.gather();
        let of = all.iter().find(|family| family.name() == "telehealth_identity_emergencies_open").unwrap();
        of.get_metric()[0].get_gauge().get_value()
    };
    let (_, before) = looks.gets("/api/v1/emergencies?which=open").await;
    assert_eq!(before["open"], 0);

    let room = "00000000-0000-0000-0000-0000000000aa";
    let body = json!({ "waitingRoom": room, "category": "danger", "reason": "Unconscious at home" });
    let begun = Instant::now();
    assert_eq!(doctor.posts("/api/v1/emergencies", body).await.0, 201);
    let (mut on_page, mut in_metric) = (None, None);
    while on_page.is_none() || in_metric.is_none() {
        let (_, list) = looks.gets("/api/v1/emergencies?which=open").await;
        on_page = on_page.or_else(|| (list["open"] == 1).then(|| begun.elapsed()));
        in_metric = in_metric.or_else(|| (open() == 1.0).then(|| begun.elapsed()));
        assert!(begun.elapsed() < WITHIN, "on the page {on_page:?}, in the metric {in_metric:?}");
        tokio::task::yield_now().await;
    }
    assert!(
        on_page.unwrap() + PAGES_ASK < WITHIN,
        "a page that has just asked asks again in time: {on_page:?}"
    );
    stop.cancel();
    time.abort();
    alarm.await.unwrap();
}
