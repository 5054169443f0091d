//! The audit trail from a visit to the auditor, by the binary alone.

use crate::{
    browser::Browser,
    http::get,
    process::{Server, run},
};
use platform::{
    audit::{Metrics, Sealer, Signer, sealer::Pace},
    clock::{Clock as _, ManualClock, SystemClock},
    event_log::{Append, Category, NewAudit, NewEvent, Store, StreamId, Version, sqlite::SqliteStore},
    lane::Lane,
};
use prometheus::Registry;
use std::{fs, path::Path, process::Output, sync::Arc};
use testkit::wait;
use uuid::Uuid;

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

/// Bytes of the first place of a text in a file.
fn place_of(file: &[u8], text: &str) -> usize {
    file.windows(text.len()).position(|window| window == text.as_bytes()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_did_is_sealed_copied_exported_and_verified_and_tampering_has_an_exit_code() {
    let (copies, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let copy_dir = copies.path().to_str().unwrap().to_owned();
    let environment = [("TELEHEALTH__AUDIT__COPY_DIR", copy_dir.as_str())];
    let mut server = Server::start_with(&["--demo"], &environment);
    let mut clinician = Browser::open_link(&server, server.secret("clinic")).await;
    let mut patient = Browser::open_link(&server, server.secret("patient")).await;
    patient.check_in().await;
    clinician.until(|me| me.waiting().len() == 1).await;
    clinician.invite("Jonah Canary", "Shoulder").await;
    let metrics = get(server.metrics(), "/metrics").body;
    assert!(metrics.contains("telehealth_audit_broken_chains 0"), "{metrics}");
    let data = server.data();
    let data = data.to_str().unwrap();
    let path = |name: &str| out.path().join(name).to_str().unwrap().to_owned();
    let export = |name: &str| run(&["audit", "export", "--data-dir", data, "--out", &path(name)], &[]);
    let verify = |args: &[&str]| run(&[&["audit", "verify"], args].concat(), &[]);

    // While it runs, nothing is sealed yet, and that is not wrong.
    let made = export("early.audit");
    assert!(made.status.success(), "{}", said(&made));
    let early = verify(&[&path("early.audit")]);
    assert!(early.status.code() == Some(0) && said(&early).contains("not sealed yet"), "{}", said(&early));
    assert_eq!(export("early.audit").status.code(), Some(2), "nothing is written over");

    // All there is is sealed when it ends, and copied when it begins again.
    server.terminate();
    let again = server.start_again(&["--demo"], &environment);
    wait::eventually("a copy", async || {
        first_file(copies.path()).is_some_and(|file| file.ends_with(".audit"))
    })
    .await;
    let copy = first_file(copies.path()).expect("a copy");
    assert!(export("trail.audit").status.success());
    let keys = run(&["audit", "keys", "--data-dir", data], &[]);
    fs::write(path("keys"), &keys.stdout).unwrap();
    let (trail, keys) = (path("trail.audit"), path("keys"));
    let clean = verify(&[&trail, "--keys", &keys, "--anchor", &copy]);
    assert!(clean.status.code() == Some(0) && said(&clean).contains("clean: "), "{}", said(&clean));
    let shown = said(&run(&["audit", "show", &trail], &[]));
    for action in ["queue.view", "visit.connect", "visit.check-in", "visit.book"] {
        assert!(shown.contains(action), "{action}: {shown}");
    }
    assert!(!shown.contains("Canary"));

    let mut bytes = fs::read(&trail).unwrap();
    let at = place_of(&bytes, "queue.view");
    bytes[at..at + 10].copy_from_slice(b"queue.peek");
    fs::write(path("edited.audit"), &bytes).unwrap();
    let edited = verify(&[&path("edited.audit"), "--keys", &keys]);
    assert_eq!(edited.status.code(), Some(1), "{}", said(&edited));
    assert!(said(&edited).contains("TAMPERED edited: row 1 of partition 0"), "{}", said(&edited));
    let truncated = verify(&[&path("early.audit"), "--keys", &keys, "--anchor", &copy]);
    assert_eq!(truncated.status.code(), Some(1), "the export is older than the copy: {}", said(&truncated));

    fs::write(path("cut.audit"), &bytes[..bytes.len() - 1]).unwrap();
    for unreadable in [path("cut.audit"), path("nowhere"), keys.clone()] {
        assert_eq!(verify(&[&unreadable]).status.code(), Some(2), "{unreadable}");
    }
    let rotated = run(&["audit", "rotate-key", "--data-dir", data], &[]);
    assert!(rotated.status.success(), "{}", said(&rotated));
    let two = run(&["audit", "keys", "--data-dir", data], &[]);
    assert_eq!(said(&two).lines().filter(|line| !line.starts_with('#')).count(), 2);
    drop(again);
}

/// Rows of seven years ago and more, as a server of then has left them: sealed, with a key of then.
async fn long_ago(data: &Path, rows: u64) {
    const DAY_MS: u64 = 24 * 3_600 * 1_000;
    let begin = SystemClock.now().as_millis() - i64::try_from(2_600 * DAY_MS).unwrap();
    let begin = model::Timestamp::from_millis(begin);
    let signer = Arc::new(Signer::load_or_create(&data.join("keys"), begin).unwrap());
    let store: Arc<dyn Store> =
        Arc::new(SqliteStore::open(&data.join("events.sqlite"), &Registry::new()).unwrap());
    let category = Category { name: "visit", lane: Lane::Critical };
    for n in 0..rows {
        let id = Uuid::from_u128(u128::from(n) + 1);
        let tenant = model::TenantId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001));
        let stream = StreamId { tenant, category, id };
        let event = NewEvent { kind: "noted", schema: 1, body: "{}".into(), phi: None, effective: None };
        let audit =
            NewAudit { action: "visit.note", actor: None, subject: Some(id), body: "{}".into(), phi: None };
        let append = Append::new(stream, Version(0), vec![event], begin);
        store.append(Append { audit: vec![audit], ..append }).await.unwrap();
    }
    let (clock, metrics) = (Arc::new(ManualClock::new(begin)), Metrics::new(&Registry::new()).unwrap());
    let pace = Pace { rows: 10, ..Pace::default() };
    Sealer::new(store, signer, clock, &metrics).with_pace(pace).look(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_whose_time_is_over_go_and_an_export_says_so_and_still_verifies() {
    let (dir, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    long_ago(&data, 45).await;
    let data = data.to_str().unwrap().to_owned();
    let trail = |name: &str| out.path().join(name).to_str().unwrap().to_owned();
    let prune = |days: &str| {
        run(&["audit", "prune", "--data-dir", &data], &[("TELEHEALTH__AUDIT__RETENTION_DAYS", days)])
    };
    let (young, short) = (prune("2700"), prune("2191"));
    assert!(young.status.code() == Some(0) && said(&young).contains("nothing went"), "{}", said(&young));
    assert!(short.status.code() == Some(2) && said(&short).contains("six years"), "{}", said(&short));
    let pruned = prune("2557");
    assert!(pruned.status.code() == Some(0), "{}", said(&pruned));
    assert!(said(&pruned).contains("40 rows went, up to 40"), "{}", said(&pruned));
    let exported = run(&["audit", "export", "--data-dir", &data, "--out", &trail("after.audit")], &[]);
    assert!(exported.status.success(), "{}", said(&exported));
    let verified = run(&["audit", "verify", &trail("after.audit")], &[]);
    assert!(verified.status.code() == Some(0), "{}", said(&verified));
    let lawful = "rows 1 to 40 of partition 0 were pruned when their time was over";
    assert!(said(&verified).contains(lawful), "{}", said(&verified));
    let shown = said(&run(&["audit", "show", &trail("after.audit")], &[]));
    assert!(shown.contains("audit.prune") && shown.contains("\"rows\":40"), "{shown}");

    // While a server runs, it does it by itself.
    let server = Server::start_in(dir);
    let running = run(&["audit", "prune", "--data-dir", server.data().to_str().unwrap()], &[]);
    assert!(running.status.code() == Some(2) && said(&running).contains("once a day"), "{}", said(&running));
}

fn first_file(dir: &Path) -> Option<String> {
    for entry in fs::read_dir(dir).ok()?.flatten() {
        let path = entry.path();
        let found = if path.is_dir() { first_file(&path) } else { Some(path.to_str()?.to_owned()) };
        if found.is_some() {
            return found;
        }
    }
    None
}
