//! Media clients with signaling: connects a [`Client`] through a [`Participant`].

use anyhow::Result;
use loadtest::{
    media::{Client, Fleet, Options, Sending, Source, Tag},
    participant::{Participant, command_id},
};
use signaling_protocol::{ClientMessage, ServerMessage};
use std::time::{Duration, Instant};

/// A connected client, and how its connecting went.
#[derive(Debug)]
pub struct Connected {
    /// Its media.
    pub client: Client,
    /// Just before the offer was sent.
    pub offered: Instant,
    /// From there to ICE and DTLS up.
    pub took: Duration,
    /// How long the offer was.
    pub offer_bytes: usize,
}

/// Offers, takes the answer, waits for ICE and DTLS.
///
/// # Errors
/// The offer is refused, or nothing connects.
pub async fn connect(fleet: &Fleet, options: Options, who: &mut Participant) -> Result<Connected> {
    let (pending, mut offer) = fleet.offer(options)?;
    pad(&mut offer);
    let offer_bytes = offer.len();
    let offered = now();
    let message = ClientMessage::Offer { id: command_id(), sdp: offer.into(), restart: false };
    let ServerMessage::Answer { sdp, .. } = who.ask(message).await? else {
        anyhow::bail!("not an answer");
    };
    let client = pending.answered(sdp.expose())?;
    let up = client.connected().await?;
    Ok(Connected { client, offered, took: up - offered, offer_bytes })
}

/// Sends sound, and pictures as `sending` says.
pub fn talk(client: &Client, sending: fn(Tag) -> Sending, tag: u32) {
    let sending = sending(Tag(tag));
    client.send(Source::Microphone, sending);
    client.send(Source::Camera, sending);
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
/// Reads the clock.
#[must_use]
pub fn now() -> Instant {
    Instant::now()
}
