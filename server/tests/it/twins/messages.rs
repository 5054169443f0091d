//! Messages over the WebSocket that name somebody else's visit or person.

use super::{PAIRS, same_class, site::Site};
use crate::browser::{Browser, id};
use model::{ParticipantId, VisitId};
use signaling_core::limits::MESSAGES_PER_SECOND;
use signaling_protocol::{ClientMessage, ErrorCode, ServerMessage, view::Outcome};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Whether a message names something that may be another unit's. One more message has to be placed here.
const fn names_something(message: &ClientMessage) -> bool {
    match message {
        ClientMessage::Hello { .. }
        | ClientMessage::Admit { .. }
        | ClientMessage::Deny { .. }
        | ClientMessage::End { .. }
        | ClientMessage::Chat { .. }
        | ClientMessage::ShareRequest { .. }
        | ClientMessage::ShareGrant { .. }
        | ClientMessage::ShareStop { .. } => true,
        ClientMessage::CheckIn { .. }
        | ClientMessage::Devices { .. }
        | ClientMessage::Offer { .. }
        | ClientMessage::MediaState { .. }
        | ClientMessage::Leave { .. }
        | ClientMessage::Invite { .. }
        | ClientMessage::Ping { .. } => false,
    }
}

/// Each message that names a visit or a person; `hello` names a token.
fn naming(own: VisitId, visit: VisitId, participant: ParticipantId) -> Vec<(&'static str, ClientMessage)> {
    let messages = vec![
        ("admit", ClientMessage::Admit { id: id(), visit }),
        ("deny", ClientMessage::Deny { id: id(), visit, reason: "Not today".to_owned().into() }),
        ("end", ClientMessage::End { id: id(), visit, outcome: Outcome::Done }),
        ("chat", ClientMessage::Chat { id: id(), visit, text: "Hello".to_owned().into() }),
        ("share-request", ClientMessage::ShareRequest { id: id(), visit }),
        ("share-grant", ClientMessage::ShareGrant { id: id(), visit, participant }),
        ("share-grant, own visit", ClientMessage::ShareGrant { id: id(), visit: own, participant }),
        ("share-stop", ClientMessage::ShareStop { id: id(), visit, participant }),
        ("share-stop, own visit", ClientMessage::ShareStop { id: id(), visit: own, participant }),
    ];
    assert!(messages.iter().all(|(_, message)| names_something(message)));
    messages
}

/// What is answered: ok, or a code with its words.
async fn answered(browser: &mut Browser, message: &ClientMessage) -> Result<(), (ErrorCode, String)> {
    let wanted = message.id().unwrap();
    browser.say(message).await;
    browser
        .until_message(|said| match said {
            ServerMessage::Ok { re } if *re == wanted => Some(Ok(())),
            ServerMessage::Error { re: Some(re), code, message } if *re == wanted => {
                Some(Err((*code, message.clone())))
            }
            _ => None,
        })
        .await
}

/// A clinician and a patient in a call, and their visit.
async fn call(site: &Site, host: &str, tokens: [String; 2]) -> (Browser, Browser, VisitId) {
    let [clinic, patient] = tokens;
    let mut clinician = Browser::connect_at(&site.server, host, &clinic).await.unwrap();
    let mut patient = Browser::connect_at(&site.server, host, &patient).await.unwrap();
    patient.check_in().await;
    clinician.until(|me| me.waiting().len() == 1).await;
    let visit = clinician.waiting()[0];
    clinician.admit(visit).await;
    (clinician, patient, visit)
}

#[test]
fn a_message_about_another_units_visit_is_answered_as_if_there_were_none() {
    let site = Site::start();
    let tokens = |unit: &super::site::Unit| [0, 1].map(|of| unit.join_token(of));
    let (a, b) = (tokens(&site.a), tokens(&site.b));
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let (_clinician, patient_of_b, visit_of_b) = call(&site, &site.b.host, b).await;
        let (mut clinician, mut patient, own) = call(&site, &site.a.host, a).await;
        let nobodys =
            (VisitId(Uuid::from_u128(visit_of_b.0.as_u128() + 1)), ParticipantId(platform::ids::fresh()));
        for (who, browser) in [("clinician", &mut clinician), ("patient", &mut patient)] {
            let pairs =
                naming(own, visit_of_b, patient_of_b.me).into_iter().zip(naming(own, nobodys.0, nobodys.1));
            for ((what, foreign), (_, none)) in pairs {
                let foreign = answered(browser, &foreign).await;
                assert_eq!(foreign, answered(browser, &none).await, "{what} by the {who}");
                let code = foreign.err().map(|(code, _)| code);
                match (who, what.contains("own")) {
                    ("clinician", false) => assert_eq!(code, Some(ErrorCode::NotFound), "{what}"),
                    // What nobody shares is stopped already.
                    (_, true) => {}
                    (_, false) => assert!(
                        matches!(code, Some(ErrorCode::NotFound | ErrorCode::NotAllowed)),
                        "{what} by the {who}: {code:?}"
                    ),
                }
            }
        }
        let (mut foreign, mut none) = (Vec::new(), Vec::new());
        for _ in 0..PAIRS {
            for (visit, times) in [(visit_of_b, &mut foreign), (nobodys.0, &mut none)] {
                let message = ClientMessage::ShareRequest { id: id(), visit };
                let begun = Instant::now();
                answered(&mut clinician, &message).await.unwrap_err();
                times.push(begun.elapsed());
                // No faster than one connection may.
                tokio::time::sleep(Duration::from_secs(1) / MESSAGES_PER_SECOND).await;
            }
        }
        same_class("share-request", foreign, none);
        // Nothing has happened to anybody.
        patient
            .command(ClientMessage::Chat { id: id(), visit: own, text: "Still here".to_owned().into() })
            .await;
    });
}

#[test]
fn a_seat_of_one_unit_is_none_at_another_and_stays_what_it_is() {
    let site = Site::start();
    let token = site.a.join_token(1);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let at_b = async |token: &str| Browser::connect_at(&site.server, &site.b.host, token).await.err();
        let garbage = at_b("e30.e30.e30").await;
        assert_eq!(garbage, Some(Some(4401)));
        assert_eq!(at_b(&token).await, garbage);
        // The join token, which counts once, was not used up.
        let mut patient = Browser::connect_at(&site.server, &site.a.host, &token).await.unwrap();
        assert_eq!(at_b(&patient.resume_token.clone()).await, garbage);
        patient.check_in().await;
    });
    let (port, to) = (site.server.http().port(), site.server.http());
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        // Pages of one unit do not connect at the other.
        for (host, page, status) in [
            (&site.b.host, &site.a.host, Some(403)),
            (&site.a.host, &site.b.host, Some(403)),
            (&site.b.host, &site.b.host, None),
        ] {
            let opened = crate::browser::open_at(to, host, &format!("http://{page}:{port}")).await;
            assert_eq!(opened.err(), status, "{page} at {host}");
        }
    });
}
