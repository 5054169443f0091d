//! Signaling: too much of it, and what is none.

use super::{
    packets::Random,
    stage::{Stage, amount, answered},
};
use crate::browser::{self, Browser};
use futures_util::SinkExt as _;
use signaling_protocol::ClientMessage;
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;

/// What an honest person waits at most for an answer while somebody else attacks, 99 of 100 times.
const HONEST_WAIT: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread")]
async fn v17_3_1_a_flood_of_signaling_closes_its_own_connection_and_nobody_else_waits() {
    let mut stage = Stage::new().await;
    let (attackers, rounds) = amount((4, 5), (16, 40));
    let mut secrets = Vec::new();
    for n in 0..attackers {
        secrets.push(stage.clinician.invite(&format!("Person {n}"), "").await.1);
    }
    let (mut waits, mut closed) = (Vec::new(), 0);
    for _ in 0..rounds {
        let mut floods = tokio::task::JoinSet::new();
        for secret in &secrets {
            let mut person = Browser::open_link(&stage.server, secret).await;
            floods.spawn(async move {
                for nonce in 0..2_000 {
                    if person.try_say(&ClientMessage::Ping { nonce }).await.is_err() {
                        break;
                    }
                }
                person.closed().await
            });
        }
        while !floods.is_empty() {
            waits.push(answered(&mut stage.patient).await);
            waits.push(answered(&mut stage.clinician).await);
            while let Some(ended) = floods.try_join_next() {
                // Closed with 4429, or by a reset that overtook it.
                assert!(matches!(ended.unwrap(), Some(4429) | None));
                closed += 1;
            }
            // The honest are within what they may say.
            tokio::time::sleep(HONEST_WAIT).await;
        }
    }
    assert_eq!(closed, attackers * rounds, "every flood ends in its own connection's end");
    waits.sort_unstable();
    let p99 = waits[waits.len() * 99 / 100];
    println!("{closed} floods; an honest person waits {p99:?} (p99 of {})", waits.len());
    assert!(p99 < HONEST_WAIT, "{p99:?}");
    stage.unharmed("V17.3.1 signaling flood").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v17_3_2_malformed_signaling_closes_its_own_connection_only() {
    let mut stage = Stage::new().await;
    let mut random = Random::new();
    let deep = format!(r#"{{"type":"ping","nonce":1,"x":{}1{}}}"#, "[".repeat(20_000), "]".repeat(20_000));
    let malformed = [
        Message::text("hello"),
        Message::text("{"),
        Message::text(deep),
        Message::text(r#"{"type":"hello","token":7}"#),
        Message::text(r#"{"type":"admit","id":"x","visit":null}"#),
        Message::text("\u{0}".repeat(1_000)),
        Message::text("x".repeat(1 << 20)),
        Message::binary(random.bytes(10_000)),
        Message::binary(Vec::new()),
    ];
    let mut secrets = Vec::new();
    for n in 0..malformed.len() {
        secrets.push(stage.clinician.invite(&format!("Person {n}"), "").await.1);
    }
    for round in 0..amount(2, 50) {
        for (n, (message, secret)) in malformed.iter().zip(&secrets).enumerate() {
            // Of somebody who has not said who they are, and of somebody who has.
            let mut stranger = browser::open(stage.server.http(), stage.server.url()).await.unwrap();
            let _ = stranger.send(message.clone()).await;
            assert!(browser::ends(&mut stranger).await, "{round}: a stranger may say {n}");
            let mut known = Browser::open_link(&stage.server, secret).await;
            let _ = known.send(message.clone()).await;
            let code = known.closed().await;
            assert!(matches!(code, Some(1008 | 1009 | 1003) | None), "{n}: {code:?}");
        }
        stage.still_there().await;
    }
    stage.unharmed("V17.3.2 malformed signaling").await;
}
