//! What people say and who they are reaches neither log nor metrics, however much is logged.

use crate::{
    browser::{Browser, id},
    http::get,
    process::Server,
};
use signaling_protocol::ClientMessage;
use testkit::media_client::{MediaClient, Options, Source, Tag};

const NAME: &str = "Xochitl Canarymoor";
const REASON: &str = "canary-reason-4711";
const CHAT: &str = "canary-chat-0815";

#[tokio::test(flavor = "multi_thread")]
async fn canaries_reach_neither_log_nor_metrics() {
    let loud = "debug,telehealth=trace,signaling=trace,signaling_core=trace,sfu=trace,portal_api=trace,platform=trace";
    let mut server =
        Server::start_with(&["--demo"], &[("TELEHEALTH__TELEMETRY__FILTER", loud), ("RUST_LOG", loud)]);
    let mut clinician = Browser::open_link(&server, server.secret("clinic")).await;
    let (visit, secret) = clinician.invite(NAME, REASON).await;
    let mut patient = Browser::open_link(&server, &secret).await;
    patient.check_in().await;
    clinician.until(|me| !me.waiting().is_empty()).await;
    clinician.admit(visit).await;
    let (client, offer) = MediaClient::offer(Options::default()).unwrap();
    let password = offer.lines().find_map(|line| line.strip_prefix("a=ice-pwd:")).unwrap().to_owned();
    let address = client.addr().unwrap().to_string();
    client.answer(&patient.offer(offer).await.unwrap()).unwrap();
    client.connected().unwrap();
    client.send(Source::Microphone, Tag(1));
    patient.command(ClientMessage::Chat { id: id(), visit, text: CHAT.into() }).await;
    patient.say(&ClientMessage::Deny { id: id(), visit, reason: CHAT.into() }).await;
    clinician.end(visit).await;
    let tokens = server.tokens(&["--rooms", "1", "--participants", "1"]);
    let metrics = get(server.metrics(), "/metrics").body;
    let (code, _) = server.terminate();
    assert_eq!(code, Some(0));
    let log = server.log();
    assert!(log.contains("Listening") && log.contains("Stopped"), "this is not its log: {log}");
    let token = tokens[0]["publish"]["token"].as_str().unwrap();
    for canary in [
        NAME,
        "Canarymoor",
        REASON,
        CHAT,
        "Marisol",
        &secret,
        &password,
        &address,
        &patient.resume_token,
        token,
    ] {
        for (place, text) in [("log", &log), ("metrics", &metrics)] {
            let found = text.lines().find(|line| line.contains(canary));
            assert_eq!(found, None, "{canary} in the {place}");
        }
    }
}
