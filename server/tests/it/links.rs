//! Links, tokens and pages of the running server.

use crate::{
    browser::{self, Browser},
    http::{ask, exchange, get, join_token},
    process::Server,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_link_greets_its_holder_again_and_again_and_a_get_does_nothing() {
    let server = Server::start();
    for (of, role) in [("clinic", "clinician"), ("patient", "patient"), ("patient", "patient")] {
        let answer = exchange(server.http(), server.secret(of));
        assert_eq!(answer.status, 200, "{}", answer.body);
        let body = answer.json();
        assert_eq!(body["role"], role);
        assert_eq!(
            body["clinic"],
            serde_json::json!({"name": "Riverside Family Clinic", "phone": "555-0100"})
        );
        assert_eq!(body["practitioner"], "Dr Lee");
    }
    let answer = get(server.http(), "/api/v1/links/exchange");
    assert_eq!((answer.status, answer.code().as_str()), (405, "method-not-allowed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_link_is_401_and_one_of_an_ended_visit_410_with_the_clinics_number() {
    let server = Server::start();
    let secret = server.secret("patient").to_owned();
    let wrong =
        if secret.starts_with('A') { secret.replacen('A', "B", 1) } else { format!("A{}", &secret[1..]) };
    let answer = exchange(server.http(), &wrong);
    assert_eq!((answer.status, answer.code().as_str()), (401, "link-unknown"));

    let mut clinician = Browser::open_link(&server, server.secret("clinic")).await;
    let mut patient = Browser::open_link(&server, &secret).await;
    patient.check_in().await;
    clinician.until(|me| me.waiting().len() == 1).await;
    let visit = clinician.waiting()[0];
    clinician.admit(visit).await;
    clinician.end(visit).await;
    let answer = exchange(server.http(), &secret);
    assert_eq!((answer.status, answer.code().as_str()), (410, "link-over"));
    assert_eq!(answer.json()["clinic"]["phone"], "555-0100");
    // The demonstration has a new visit after a restart, and the clinician's link stays.
    let clinic = server.secret("clinic").to_owned();
    let server = server.kill_and_restart();
    assert_ne!(server.secret("patient"), secret);
    assert_eq!(server.secret("clinic"), clinic);
    assert_eq!(exchange(server.http(), server.secret("patient")).status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_token_that_is_not_valid_ends_alike() {
    let server = Server::start();
    let token = join_token(server.http(), server.secret("patient"));
    let stranger = Server::start();
    let foreign = join_token(stranger.http(), stranger.secret("patient"));
    let altered = format!("{}A{}", &token[..token.len() - 20], &token[token.len() - 19..]);
    let mut used = Browser::connect(&server, &token).await;
    for bad in [token.as_str(), &foreign, &altered, "", "hello"] {
        assert_eq!(Browser::try_connect(&server, bad).await.err(), Some(Some(4401)));
    }
    // The holder of the seat did not notice.
    used.check_in().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_this_servers_pages_may_open_a_websocket() {
    let server = Server::start();
    let port = server.http().port();
    for own in [
        format!("http://localhost:{port}"),
        format!("http://127.0.0.1:{port}"),
        format!("http://[::1]:{port}"),
    ] {
        assert!(browser::open(server.http(), &own).await.is_ok(), "{own}");
    }
    for foreign in
        ["https://evil.example", "http://localhost:1", "null", &format!("https://localhost:{port}")]
    {
        assert_eq!(browser::open(server.http(), foreign).await.err(), Some(403), "{foreign}");
    }
}

#[test]
fn who_guesses_links_must_wait() {
    let server = Server::start_with(&["--demo"], &[("TELEHEALTH__PORTAL__WRONG_LINKS_PER_MINUTE", "5")]);
    let statuses: Vec<_> = (0..7).map(|_| exchange(server.http(), "AAAAAAAAAAAAAAAAAAAAAA").status).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429, 429]);
    let waits = exchange(server.http(), "AAAAAAAAAAAAAAAAAAAAAA");
    assert!(waits.headers["retry-after"].parse::<u32>().unwrap() >= 1);
}

#[test]
fn a_megabyte_instead_of_a_link_is_413() {
    let server = Server::start();
    let answer = exchange(server.http(), &"x".repeat(1_024 * 1_024));
    assert_eq!(answer.status, 413);
    assert_eq!(exchange(server.http(), server.secret("patient")).status, 200);
}

#[test]
fn without_pages_the_server_says_what_to_do_and_with_them_it_serves_them() {
    let pages = tempfile::tempdir().unwrap();
    let server =
        Server::start_with(&["--demo"], &[("TELEHEALTH__PORTAL__WEB_DIR", pages.path().to_str().unwrap())]);
    let answer = get(server.http(), "/visit");
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("make web"));
    std::fs::write(pages.path().join("visit.html"), "the visit").unwrap();
    let answer = get(server.http(), "/visit");
    assert_eq!((answer.status, answer.body.as_str()), (200, "the visit"));
    assert!(answer.headers["content-security-policy"].contains("frame-ancestors 'none'"));
    assert_eq!(answer.headers["referrer-policy"], "no-referrer");
}

#[test]
fn problems_are_explained_and_unknown_paths_are_problems() {
    let server = Server::start();
    let answer = get(server.http(), "/api/v1/none");
    assert_eq!((answer.status, answer.code().as_str()), (404, "not-found"));
    let page = get(server.http(), answer.json()["type"].as_str().unwrap());
    assert_eq!(page.status, 200);
    assert!(page.body.contains("<h1>There is nothing here</h1>"), "{}", page.body);
    let answer = ask(server.http(), "DELETE", "/visit", &[], "");
    assert_eq!(answer.status, 405);
}
