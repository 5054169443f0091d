//! What people say and who they are stands in no file in plain, and its keys can be looked after while people are there.

use crate::{
    browser::{Browser, id},
    http::get,
    process::{Server, refusal, run},
};
use model::{VisitId, phi::ERASED_TEXT};
use signaling_protocol::{ClientMessage, view::PhaseView};
use std::{fs, path::Path};
use testkit::{engines::Postgres, wait::eventually};

const NAME: &str = "Xochitl Canarymoor";
const REASON: &str = "canary-reason-4711";
const CHAT: &str = "canary-chat-0815";
const AWAY: &str = "canary-away-2342";
const DENIED: &str = "canary-denied-1337";
/// Of the demonstration clinic.
const OTHERS: [&str; 2] = ["Marisol", "Canarymoor"];

/// Files of a directory in which a text stands.
fn found(dir: &Path, text: &str) -> Vec<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(found(&path, text));
        } else if path.is_file() {
            let bytes = fs::read(&path).unwrap();
            if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                files.push(path.file_name().unwrap().to_string_lossy().into_owned());
            }
        }
    }
    files
}

#[track_caller]
fn stands_nowhere(dir: &Path) {
    for canary in [NAME, REASON, CHAT, AWAY, DENIED].iter().chain(&OTHERS) {
        assert_eq!(found(dir, canary), [""; 0], "{canary}");
    }
}

/// Somebody comes, is admitted, talks, and goes; somebody else is denied.
async fn live(server: &Server) -> (VisitId, Browser) {
    let mut clinician = Browser::open_link(server, server.secret("clinic")).await;
    let (visit, secret) = clinician.invite(NAME, REASON).await;
    let mut patient = Browser::open_link(server, &secret).await;
    patient.check_in().await;
    clinician.until(|me| me.waiting() == [visit]).await;
    clinician.admit(visit).await;
    patient.until(|me| matches!(me.phase(), Some(PhaseView::InCall { .. }))).await;
    patient.command(ClientMessage::Chat { id: id(), visit, text: CHAT.into() }).await;
    let (other, secret) = clinician.invite(NAME, REASON).await;
    let mut next = Browser::open_link(server, &secret).await;
    next.check_in().await;
    clinician.until(|me| me.waiting() == [other]).await;
    clinician.command(ClientMessage::Deny { id: id(), visit: other, reason: DENIED.into() }).await;
    (visit, clinician)
}

fn keys(server: &Server, args: &[&str]) -> (String, Option<i32>) {
    let data = server.data();
    let output = run(&[&["keys"], args, &["--data-dir", data.to_str().unwrap()]].concat(), &[]);
    (String::from_utf8([output.stdout, output.stderr].concat()).unwrap(), output.status.code())
}

/// The visit's name in the clinician's list.
async fn name(server: &Server, visit: VisitId) -> String {
    let mut clinician = Browser::open_link(server, server.secret("clinic")).await;
    clinician.until(|me| me.queue.is_some()).await;
    let queue = clinician.queue.as_ref().unwrap();
    queue.entries.iter().find(|entry| entry.visit == visit).unwrap().name.expose().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visits_whole_life_leaves_no_word_of_it_in_any_file() {
    let mut server = Server::start();
    let (visit, mut clinician) = live(&server).await;
    // While it runs: the log that is written ahead is there.
    let control = visit.0.to_string();
    assert!(
        !found(&server.data(), &control).is_empty(),
        "ids stand in messages: this is how it is looked for"
    );
    stands_nowhere(&server.data());
    clinician.end(visit).await;
    let metrics = get(server.metrics(), "/metrics").body;
    assert!(metrics.contains("telehealth_vault_sealed_total") && !metrics.contains("canary-"));
    server.kill();
    stands_nowhere(&server.data());
    let planted = server.data().join("planted");
    fs::write(&planted, format!("…{CHAT}…")).unwrap();
    assert_eq!(found(&server.data(), CHAT), ["planted"]);
    fs::remove_file(planted).unwrap();
    let mut server = server.start_again(&["--demo"], &[]);
    let mut clinician = Browser::open_link(&server, server.secret("clinic")).await;
    let (_, _) = clinician.invite(NAME, REASON).await;
    server.terminate();
    stands_nowhere(&server.data());
    assert!(!server.log().contains("canary-") && !server.log().contains("Canarymoor"));
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_the_database_nor_the_local_journal_has_a_word_of_it() {
    let mut postgres = Postgres::start(false);
    let url = postgres.url();
    let environment = [("TELEHEALTH__STORE__POSTGRES", url.as_str())];
    let mut server = Server::start_with(&["--demo"], &environment);
    let (visit, mut clinician) = live(&server).await;
    postgres.kill();
    // Its key is held, so that it goes on.
    clinician.command(ClientMessage::Chat { id: id(), visit, text: AWAY.into() }).await;
    clinician.until(|me| me.queue.as_ref().is_some_and(|queue| queue.unrecorded)).await;
    let control = found(&server.data().join("journal"), "said");
    assert!(!control.is_empty(), "the journal has it");
    stands_nowhere(&server.data());
    postgres.restart();
    clinician.until(|me| me.queue.as_ref().is_some_and(|queue| !queue.unrecorded)).await;
    server.terminate();
    let dump = postgres.client("pg_dump").output().unwrap();
    assert!(dump.status.success(), "{dump:?}");
    let dump = String::from_utf8_lossy(&dump.stdout);
    assert!(dump.contains(&visit.0.to_string()), "this is a dump of it");
    for canary in [NAME, REASON, CHAT, AWAY, DENIED].iter().chain(&OTHERS) {
        assert!(!dump.contains(canary), "{canary}");
    }
    let sealed = postgres.ask("SELECT count(*) FROM events.events WHERE phi LIKE 'v1.%'");
    let plain = postgres.ask("SELECT count(*) FROM events.events WHERE phi NOT LIKE 'v1.%'");
    assert!(sealed.trim().parse::<u32>().unwrap() >= 6, "{sealed}");
    assert_eq!(plain.trim(), "0");
    assert!(!server.data().join("keys.sqlite").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_rotated_and_destroyed_while_a_server_runs() {
    let mut server = Server::start();
    let mut clinician = Browser::open_link(&server, server.secret("clinic")).await;
    let (gone, _) = clinician.invite(NAME, REASON).await;
    let (kept, _) = clinician.invite(NAME, REASON).await;
    let (said, code) = keys(&server, &["rotate", "--kek"]);
    assert_eq!(code, Some(0), "{said}");
    // Of the waiting room, three visits, and whoever may become the administrator.
    assert!(said.contains("key version 2, 5 data keys wrapped anew"), "{said}");
    let (later, _) = clinician.invite(NAME, REASON).await;
    let id = gone.0.to_string();
    for (args, wanted) in [
        (["shred", &id, "--confirm", &kept.0.to_string(), "--reason", "asked for"], "--confirm"),
        (["shred", &id, "--confirm", &id, "--reason", ""], "--reason"),
    ] {
        let (said, code) = keys(&server, &args);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(wanted), "{said}");
    }
    let nobody = "00000000-0000-0000-0000-000000000007";
    let (said, code) = keys(&server, &["shred", nobody, "--confirm", nobody, "--reason", "asked for"]);
    assert_eq!(code, Some(2), "{said}");
    let shred = ["shred", id.as_str(), "--confirm", &id, "--reason", "asked for"];
    let (said, code) = keys(&server, &shred);
    assert_eq!(code, Some(0), "{said}");
    let (said, _) = keys(&server, &shred);
    assert!(said.contains("before"), "{said}");
    let (listed, _) = keys(&server, &["shredded"]);
    assert!(listed.starts_with("1  ") && listed.contains(&id) && listed.ends_with("asked for\n"), "{listed}");
    let (said, code) = keys(&server, &["status"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("0 to be wrapped anew, 1 destroyed") && said.contains("all can be"), "{said}");
    eventually("the old version to be gone", async || {
        keys(&server, &["status"]).0.contains("key version 2 (1 in use)")
    })
    .await;
    server.terminate();
    // The old key encryption key is not needed any more.
    fs::remove_file(server.data().join("keys/phi-0001.kek")).unwrap();
    let server = server.start_again(&["--demo"], &[]);
    assert_eq!(name(&server, gone).await, ERASED_TEXT);
    assert_eq!(name(&server, kept).await, NAME);
    assert_eq!(name(&server, later).await, NAME);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_key_encryption_key_a_server_does_not_start_and_says_why() {
    let mut server = Server::start();
    let mut clinician = Browser::open_link(&server, server.secret("clinic")).await;
    let (visit, _) = clinician.invite(NAME, REASON).await;
    server.terminate();
    let data = server.data();
    let data = data.to_str().unwrap();
    let doctor = || {
        let output = run(&["doctor", "--data-dir", data, "--listen", "localhost:0"], &[]);
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(doctor().contains("ok    encryption: every healthcare unit's keys can be unwrapped"));
    let (kek, aside) = (format!("{data}/keys/phi-0001.kek"), format!("{data}/aside.kek"));
    fs::rename(&kek, &aside).unwrap();
    let start = ["serve", "--data-dir", data, "--listen", "localhost:0", "--metrics-listen", "localhost:0"];
    let start = [&start[..], &["--media-port", "0"]].concat();
    let (said, code) = refusal(&start, &[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("phi-*.kek") && said.trim_end().lines().count() == 1, "{said}");
    assert!(!Path::new(&kek).exists(), "no other one is made");
    assert!(doctor().contains("FAIL  encryption: "));
    // Somebody else's.
    fs::write(&kek, [7; 32]).unwrap();
    fs::set_permissions(&kek, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let (said, code) = refusal(&start, &[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("the key encryption key file-") && said.contains("is missing"), "{said}");
    fs::rename(&aside, &kek).unwrap();
    let server = server.start_again(&["--demo"], &[]);
    assert_eq!(name(&server, visit).await, NAME);
}
