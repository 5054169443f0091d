//! A process in front of a database that is away: how it ends, begins again, and what becomes of what it acknowledged.

use crate::{
    browser::Browser,
    http::get,
    process::{Server, run},
};
use model::VisitId;
use signaling_protocol::view::PhaseView;
use std::time::Duration;
use testkit::{engines::Postgres, wait::eventually};

const DEMO: &[&str] = &["--demo"];
const NAME: &str = "Xochitl Canarymoor";

/// A server before a database that is away since a patient, who waited, was admitted.
struct Place {
    postgres: Postgres,
    server: Server,
    visit: VisitId,
    /// What all machines share.
    keys: tempfile::TempDir,
    _people: [Browser; 2],
}

fn environment<'a>(url: &'a str, keys: &'a str) -> [(&'a str, &'a str); 2] {
    [("TELEHEALTH__STORE__POSTGRES", url), ("TELEHEALTH__FLEET__KEYS_DIR", keys)]
}

/// How much the journal holds.
fn entries(server: &Server) -> String {
    let metrics = get(server.metrics(), "/metrics").body;
    let line = metrics.lines().find(|line| line.starts_with("telehealth_journal_entries "));
    line.unwrap().split_once(' ').unwrap().1.to_owned()
}

impl Place {
    async fn start() -> Self {
        let mut postgres = Postgres::start(false);
        let keys = tempfile::tempdir().unwrap();
        let server = Server::start_with(DEMO, &environment(&postgres.url(), keys.path().to_str().unwrap()));
        let mut clinician = Browser::open_link(&server, server.secret("clinic")).await;
        let (visit, secret) = clinician.invite(NAME, "canary-reason-4711").await;
        let mut patient = Browser::open_link(&server, &secret).await;
        patient.check_in().await;
        clinician.until(|me| me.waiting() == [visit]).await;
        postgres.kill();
        clinician.admit(visit).await;
        patient.until(|me| matches!(me.phase(), Some(PhaseView::InCall { .. }))).await;
        clinician.until(|me| me.queue.as_ref().is_some_and(|queue| queue.unrecorded)).await;
        assert_eq!(entries(&server), "1");
        Self { postgres, server, visit, keys, _people: [clinician, patient] }
    }

    fn start_again(&mut self) {
        let url = self.postgres.url();
        self.server = self.server.start_again(DEMO, &environment(&url, self.keys()));
    }

    fn keys(&self) -> &str {
        self.keys.path().to_str().unwrap()
    }

    /// The visit's phase, as somebody finds it who opens the clinician's link.
    async fn is_in_call(&self) -> bool {
        let mut clinician = Browser::open_link(&self.server, self.server.secret("clinic")).await;
        clinician.until(|me| me.queue.is_some()).await;
        let queue = clinician.queue.as_ref().unwrap();
        let entry = queue.entries.iter().find(|entry| entry.visit == self.visit).unwrap();
        assert!(!queue.unrecorded && entry.unrecorded_from.is_none());
        matches!(entry.phase, PhaseView::InCall { .. })
    }

    /// `telehealth journal`, with what it printed and its exit code.
    fn journal(&self, args: &[&str]) -> (String, Option<i32>) {
        let data = self.server.data();
        let output = run(&[&["journal"], args, &["--data-dir", data.to_str().unwrap()]].concat(), &[]);
        let printed = [output.stdout, output.stderr].concat();
        (String::from_utf8(printed).unwrap(), output.status.code())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_ends_gives_the_database_what_it_has_acknowledged_if_it_comes_back_in_time() {
    let mut place = Place::start().await;
    place.server.signal("TERM");
    eventually("everybody to be sent away", async || place.server.log().contains("Signaling drained")).await;
    assert!(!place.server.log().contains("has all that was acknowledged"));
    place.postgres.restart();
    let (code, took) = place.server.ended();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(9), "{took:?}");
    let log = place.server.log();
    assert!(log.contains("The database has all that was acknowledged"), "{log}");
    place.start_again();
    assert_eq!(entries(&place.server), "0");
    assert!(place.is_in_call().await);
    assert!(
        !place.server.log().contains("Recording what this process acknowledged"),
        "it was recorded before"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_cannot_give_the_database_is_counted_kept_and_recorded_at_its_next_start() {
    let mut place = Place::start().await;
    let (code, took) = place.server.terminate();
    assert_eq!(code, Some(0));
    assert!(took > Duration::from_secs(5), "it waits: {took:?}");
    assert!(took < Duration::from_secs(12), "and not for ever: {took:?}");
    let log = place.server.log();
    let said = log.lines().find(|line| line.contains("entries stay in the local journal")).unwrap();
    assert!(said.contains("journal.entries=1") || said.contains("\"journal.entries\":1"), "{said}");
    place.postgres.restart();
    place.start_again();
    assert!(place.server.log().contains("Recording what this process acknowledged before it ended"));
    assert!(place.is_in_call().await);
    assert_eq!(entries(&place.server), "0");
    assert_eq!(place.journal(&["list"]), ("nothing is parked\n".to_owned(), Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_has_overtaken_is_listed_shown_tried_again_and_discarded() {
    let mut place = Place::start().await;
    place.server.kill();
    place.postgres.restart();
    // Another machine, without the journal: it takes every waiting room over.
    let mut other = Server::start_with(DEMO, &environment(&place.postgres.url(), place.keys()));
    other.terminate();
    place.start_again();
    eventually("it to be parked", async || {
        get(place.server.metrics(), "/metrics").body.contains("telehealth_journal_parked_entries 1")
    })
    .await;
    assert!(!place.is_in_call().await, "nobody else knows of it");
    let (list, code) = place.journal(&["list"]);
    let parts: Vec<_> = list.split_whitespace().collect();
    let number = parts[0];
    assert_eq!(code, Some(0));
    assert_eq!((parts[1], parts[2]), ("visit", place.visit.0.to_string().as_str()), "{list}");
    assert!(list.contains("  admitted  ") && list.trim_end().ends_with("fenced"), "{list}");
    let (shown, _) = place.journal(&["show", number]);
    assert!(shown.contains("in epoch 1\n"), "{shown}");
    for canary in [NAME, "canary-reason"] {
        assert!(!list.contains(canary) && !shown.contains(canary), "{shown}");
    }
    for changes in ["retry", "discard"] {
        let (said, code) = place.journal(&[changes, number]);
        assert_eq!(code, Some(2), "the server runs: {said}");
        assert!(said.contains("in use"), "{said}");
    }
    place.server.terminate();
    assert_eq!(place.journal(&["retry", number]).1, Some(0));
    assert_eq!(place.journal(&["list"]).0, "nothing is parked\n");
    place.start_again();
    eventually("it to be parked anew", async || place.journal(&["list"]).0.contains("fenced")).await;
    place.server.terminate();
    let (said, code) = place.journal(&["discard", "4711"]);
    assert_eq!((said.trim_end(), code), ("telehealth: no parked entry 4711", Some(2)));
    assert_eq!(place.journal(&["discard", number]), (format!("{number} is gone\n"), Some(0)));
    assert_eq!(place.journal(&["list"]).0, "nothing is parked\n");
}
