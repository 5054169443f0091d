//! A whole visit, with media.

use crate::{browser::Browser, process::Server};
use signaling_protocol::view::{MediaWish, PhaseView};
use std::time::Duration;
use testkit::media_client::{MediaClient, Options, Source, Tag};

async fn connect(person: &mut Browser) -> MediaClient {
    let (client, offer) = MediaClient::offer(Options::default()).unwrap();
    let answer = person.offer(offer).await.unwrap();
    client.answer(&answer).unwrap();
    client.connected().unwrap();
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_admitted_is_seen_and_heard_and_who_waits_is_not() {
    const DOCTOR: Tag = Tag(1);
    const PATIENT: Tag = Tag(2);
    const NEXT: Tag = Tag(3);
    let server = Server::start();
    let mut clinician = Browser::open_link(&server, server.secret("clinic")).await;
    let mut patient = Browser::open_link(&server, server.secret("patient")).await;
    let (_, secret) = clinician.invite("Jonah Okafor", "Shoulder").await;
    let mut next = Browser::open_link(&server, &secret).await;
    patient.check_in().await;
    next.check_in().await;
    let mut media = Vec::new();
    for (person, tag) in [(&mut clinician, DOCTOR), (&mut patient, PATIENT), (&mut next, NEXT)] {
        person.until(|me| me.wish() == MediaWish::Warm).await;
        let client = connect(person).await;
        client.send(Source::Microphone, tag);
        client.send(Source::Camera, tag);
        media.push(client);
    }
    clinician.until(|me| me.waiting().len() == 2).await;
    let visit = clinician.waiting()[0];
    clinician.admit(visit).await;
    let [doctor, admitted, waiting] = &media[..] else { unreachable!() };
    assert!(
        doctor.wait(|seen| seen.hears(0, PATIENT) && seen.sees(0, PATIENT)),
        "{:?}",
        doctor.seen().tags()
    );
    assert!(admitted.wait(|seen| seen.hears(0, DOCTOR) && seen.sees(0, DOCTOR)));
    assert!(waiting.seen().tags().is_empty(), "{:?}", waiting.seen().tags());
    assert!(!doctor.seen().tags().contains(&NEXT) && !admitted.seen().tags().contains(&NEXT));

    clinician.end(visit).await;
    patient.until(|me| matches!(me.phase(), Some(PhaseView::Ended { .. }))).await;
    doctor.seen().forget();
    let next_visit = clinician.waiting()[0];
    clinician.admit(next_visit).await;
    assert!(doctor.wait(|seen| seen.hears(0, NEXT) && seen.sees(0, NEXT)));
    assert!(waiting.wait(|seen| seen.hears(0, DOCTOR)));
    assert!(!waiting.seen().tags().contains(&PATIENT));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_comes_back_after_kill_9() {
    const DOCTOR: Tag = Tag(1);
    const PATIENT: Tag = Tag(2);
    let server = Server::start();
    let mut clinician = Browser::open_link(&server, server.secret("clinic")).await;
    let mut patient = Browser::open_link(&server, server.secret("patient")).await;
    patient.check_in().await;
    clinician.until(|me| me.waiting().len() == 1).await;
    let visit = clinician.waiting()[0];
    clinician.admit(visit).await;

    let killed = std::time::Instant::now();
    let server = server.kill_and_restart();
    let mut clinician = Browser::connect(&server, &clinician.resume_token).await;
    let mut patient = Browser::connect(&server, &patient.resume_token).await;
    for person in [&mut clinician, &mut patient] {
        person.until(|me| me.wish() == MediaWish::Live).await;
    }
    let (doctor, visitor) = (connect(&mut clinician).await, connect(&mut patient).await);
    doctor.send(Source::Microphone, DOCTOR);
    visitor.send(Source::Microphone, PATIENT);
    assert!(doctor.wait(|seen| seen.hears(0, PATIENT)) && visitor.wait(|seen| seen.hears(0, DOCTOR)));
    let took = killed.elapsed();
    println!("heard again {} ms after kill -9, start of the server included", took.as_millis());
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_offers_harm_nobody_else() {
    let server = Server::start();
    let mut clinician = Browser::open_link(&server, server.secret("clinic")).await;
    clinician.until(|me| me.wish() == MediaWish::Warm).await;
    let (_client, offer) = MediaClient::offer(Options::default()).unwrap();
    let no_lines = offer.split("m=").next().unwrap().to_owned();
    let repeated_mids = crate::device::with_repeated_mids(&offer);
    for (what, bad) in [
        ("nothing", String::new()),
        ("prose", "hello".repeat(100)),
        ("no m-lines", no_lines),
        ("mids", repeated_mids),
    ] {
        let refused = clinician.offer(bad).await;
        assert_eq!(refused.as_ref().err().map(String::as_str), Some("OfferInvalid"), "{what}");
    }
    connect(&mut clinician).await;
    // A message of a megabyte ends its own connection only.
    let mut patient = Browser::open_link(&server, server.secret("patient")).await;
    let hello = signaling_protocol::ClientMessage::Offer {
        id: crate::browser::id(),
        sdp: "x".repeat(1_024 * 1_024).into(),
        restart: false,
    };
    patient.say(&hello).await;
    assert_eq!(patient.closed().await, Some(1009));
    connect(&mut clinician).await;
}
