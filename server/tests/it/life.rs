//! Starting, draining, and dying.

use crate::{browser::Browser, http::get, process::Server};
use futures_util::future::join_all;
use signaling_protocol::view::PhaseView;
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

#[test]
fn it_is_ready_within_two_seconds_and_says_so() {
    let server = Server::start();
    println!("ready after {} ms, {} MiB", server.took.as_millis(), server.memory() / 1_048_576);
    assert!(server.took < Duration::from_secs(2), "{:?}", server.took);
    let ready = get(server.metrics(), "/readyz");
    assert_eq!(ready.status, 200, "{}", ready.body);
    assert_eq!(get(server.metrics(), "/healthz").body, "ok\n");
    let metrics = get(server.metrics(), "/metrics");
    for name in [
        "process_resident_memory_bytes",
        "telehealth_store_appends_total",
        "telehealth_sfu_",
        "telehealth_signaling_",
    ] {
        assert!(metrics.body.contains(name), "{name}: {}", metrics.body);
    }
    // Operators' figures are not for the world.
    assert_eq!(get(server.http(), "/metrics").status, 404);
    let said = server.everything_said();
    assert!(said.contains("Clinician   http://localhost:") && said.contains("/visit#k="), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_tells_clients_to_come_back_and_ends_within_ten_seconds() {
    let mut server = Server::start();
    let mut patient = Browser::open_link(&server, server.secret("patient")).await;
    patient.check_in().await;
    let mut clinician = Browser::open_link(&server, server.secret("clinic")).await;
    // Somebody who connected and says nothing must not hold it up.
    let mut idle = TcpStream::connect(server.http()).unwrap();
    idle.write_all(b"GET / HT").unwrap();
    server.signal("TERM");
    assert_eq!(patient.closed().await, Some(1012));
    assert_eq!(clinician.closed().await, Some(1012));
    let (code, took) = server.ended();
    println!("drained after {} ms", took.as_millis());
    assert_eq!(code, Some(0), "{}", server.log());
    assert!(took < Duration::from_secs(10), "{took:?}");
    // Closed; with a reset where the half request had not been read yet.
    let end = idle.read_to_end(&mut Vec::new());
    assert!(end.is_ok() || end.is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionReset));
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_keeps_the_queue_in_order_and_nobody_opens_a_link_again() {
    let server = Server::start();
    let mut clinician = Browser::open_link(&server, server.secret("clinic")).await;
    let mut patients = Vec::new();
    for name in ["Ana Torres", "Ben Osei", "Cleo Wirth"] {
        let (visit, secret) = clinician.invite(name, "").await;
        let mut patient = Browser::open_link(&server, &secret).await;
        patient.check_in().await;
        patients.push((visit, patient));
    }
    clinician.until(|me| me.waiting().len() == 3).await;
    let order: Vec<_> = patients.iter().map(|(visit, _)| *visit).collect();
    assert_eq!(clinician.waiting(), order);
    let since: Vec<_> = patients.iter().map(|(_, patient)| patient.phase().cloned()).collect();

    let server = server.kill_and_restart();
    let mut clinician = Browser::connect(&server, &clinician.resume_token).await;
    // They come back in another order than they came.
    let returns = patients.iter().rev().map(|(_, patient)| Browser::connect(&server, &patient.resume_token));
    let mut back = join_all(returns).await;
    back.reverse();
    clinician.until(|me| me.waiting().len() == 3).await;
    assert_eq!(clinician.waiting(), order);
    for (n, patient) in back.iter_mut().enumerate() {
        patient.until(|me| me.phase().is_some()).await;
        let (
            Some(PhaseView::Waiting { since: now, ahead, .. }),
            Some(PhaseView::Waiting { since: then, .. }),
        ) = (patient.phase(), &since[n])
        else {
            panic!("{:?}", patient.phase())
        };
        assert_eq!((now, *ahead), (then, u32::try_from(n).unwrap()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_connection_replaces_the_older_even_across_a_restart() {
    let server = Server::start();
    let mut first = Browser::open_link(&server, server.secret("patient")).await;
    let old = first.resume_token.clone();
    let second = Browser::open_link(&server, server.secret("patient")).await;
    assert_eq!(first.closed().await, Some(4409));
    let server = server.kill_and_restart();
    assert_eq!(Browser::try_connect(&server, &old).await.err(), Some(Some(4409)));
    assert!(Browser::try_connect(&server, &second.resume_token).await.is_ok());
}
