//! Media clients with signaling: connects a [`MediaClient`] through a [`Participant`].

use crate::participant::{Participant, command_id};
use anyhow::{Context as _, Result, ensure};
use signaling_protocol::{ClientMessage, ServerMessage};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use testkit::media_client::{MediaClient, Options, Sending, Sink, Source, Tag};

/// A connected client, and how its connecting went.
pub(crate) struct Connected {
    pub(crate) client: Arc<MediaClient>,
    /// Just before the offer was sent.
    pub(crate) offered: Instant,
    /// From there to ICE and DTLS up.
    pub(crate) took: Duration,
    pub(crate) offer_bytes: usize,
}

/// Offers, takes the answer, waits for ICE and DTLS.
pub(crate) async fn connect(who: &mut Participant) -> Result<Connected> {
    let (client, mut offer) = MediaClient::offer(Options::default())?;
    pad(&mut offer);
    let client = Arc::new(client);
    let offer_bytes = offer.len();
    let offered = now();
    let message = ClientMessage::Offer { id: command_id(), sdp: offer.into(), restart: false };
    let ServerMessage::Answer { sdp, .. } = who.ask(message).await? else {
        anyhow::bail!("not an answer");
    };
    let waiting = Arc::clone(&client);
    tokio::task::spawn_blocking(move || {
        waiting.answer(sdp.expose())?;
        waiting.connected()
    })
    .await??;
    let up = client.seen().connected.context("connected")?;
    Ok(Connected { client, offered, took: up - offered, offer_bytes })
}

/// When the first whole keyframe arrived in slot 0.
pub(crate) async fn first_frame(client: &Arc<MediaClient>) -> Result<Instant> {
    let waiting = Arc::clone(client);
    let seen =
        tokio::task::spawn_blocking(move || waiting.wait(|seen| seen.first_frame(Sink::video(0)).is_some()));
    ensure!(seen.await?, "no picture");
    client.seen().first_frame(Sink::video(0)).context("a picture")
}

/// 1.0 Mbit/s of picture and 50 packets a second of sound.
pub(crate) fn talk(client: &MediaClient, tag: u32) {
    client.send(Source::Microphone, Tag(tag));
    client.send(Source::Camera, Tag(tag));
}

/// A small picture, for clinicians who wait for a patient: they should not weigh on what is measured.
pub(crate) fn talk_quietly(client: &MediaClient, tag: u32) {
    client.send(Source::Microphone, Tag(tag));
    client.send_as(Source::Camera, Sending { packets_per_frame: 1, bytes: 600, ..Sending::of(Tag(tag)) });
}

/// What Chromium 156 offers for the fixed pool, bytes.
const BROWSER_OFFER_BYTES: usize = 13 * 1024;

/// Brings an offer to the size of a browser's, with attributes a parser must read and may ignore
/// (RFC 8866 §5.13).
fn pad(offer: &mut String) {
    let mut n = 0;
    while offer.len() < BROWSER_OFFER_BYTES {
        offer.push_str(&format!("a=x-bench:{n} the quick brown fox jumps over the lazy dog\r\n"));
        n += 1;
    }
}

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
