//! The steps of a visit: invited, checked in, connected, talking. Journeys and benches are made of these.

use crate::{
    media::{Client, Fleet, Options, Sending, Sink, Source, Tag},
    participant::{Link, Participant, command_id},
};
use anyhow::{Context as _, Result, bail, ensure};
use model::VisitId;
use signaling_protocol::{
    ClientMessage, ServerMessage,
    view::{DeviceHealth, MediaWish, Modality, Outcome},
};
use std::time::{Duration, Instant};
use tokio::{sync::oneshot, task::JoinSet};

/// In a visit of two everybody sees the other in their first slot.
pub const FIRST: Sink = Sink::Video(0);
/// And hears them there.
pub const FIRST_VOICE: Sink = Sink::Audio(0);

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
    let (pending, mut offer) = fleet.offer(options).await?;
    pad(&mut offer);
    let offer_bytes = offer.len();
    let offered = now();
    let message = ClientMessage::Offer { id: command_id(), sdp: offer.into(), restart: false };
    let ServerMessage::Answer { sdp, .. } = who.ask(message).await.context("offer")? else {
        bail!("not an answer");
    };
    let client = pending.answered(sdp.expose()).await?;
    let up = client.connected().await?;
    Ok(Connected { client, offered, took: up - offered, offer_bytes })
}

/// Sends sound, and pictures as `sending` says.
pub fn talk(client: &Client, sending: Sending) {
    client.send(Source::Microphone, sending);
    client.send(Source::Camera, sending);
}

/// A visit without an appointment, and the patient's link.
///
/// # Errors
/// It is refused.
pub async fn invite(clinician: &mut Participant) -> Result<(VisitId, Link)> {
    let message =
        ClientMessage::Invite { id: command_id(), name: "Synthetic Patient".into(), reason: "".into() };
    match clinician.ask(message).await.context("invite")? {
        ServerMessage::Invited { visit, link, .. } => Ok((visit, link.parse()?)),
        other => bail!("not an invitation: {other:?}"),
    }
}

/// A patient who has tried their devices.
///
/// # Errors
/// It is refused.
pub async fn check_in(patient: &mut Participant, modality: Modality) -> Result<()> {
    let devices = DeviceHealth::default();
    patient.ask(ClientMessage::CheckIn { id: command_id(), modality, devices }).await.context("check in")?;
    Ok(())
}

/// Two people in a call that goes on until this is dropped.
#[derive(Debug)]
pub struct Pair {
    /// The clinician ends the visit when this goes.
    pub call: oneshot::Sender<()>,
    /// The clinician's and the patient's media.
    pub media: [Client; 2],
    /// How long they took from offer to connected.
    pub joined: [Duration; 2],
}

impl Pair {
    /// Everything from the invitation to the first picture on both sides.
    ///
    /// # Errors
    /// Anything on the way fails.
    pub async fn begin(
        fleet: &Fleet,
        options: Options,
        clinician: &Link,
        tag: u32,
        background: &mut JoinSet<()>,
    ) -> Result<Self> {
        let pair = Self::meet(fleet, options, clinician, background).await?;
        for client in &pair.media {
            talk(client, Sending::talking(Tag(tag)));
        }
        for client in &pair.media {
            client.first_frame(FIRST).await?;
        }
        Ok(pair)
    }

    /// Everything from the invitation until both are connected, and silent.
    ///
    /// # Errors
    /// Anything on the way fails.
    pub async fn meet(
        fleet: &Fleet,
        options: Options,
        clinician: &Link,
        background: &mut JoinSet<()>,
    ) -> Result<Self> {
        let mut clinician = Participant::join(clinician).await?;
        let (visit, link) = invite(&mut clinician).await?;
        let mut patient = Participant::join(&link.via(clinician.origin())).await?;
        check_in(&mut patient, Modality::Video).await?;
        clinician.ask(ClientMessage::Admit { id: command_id(), visit }).await?;
        let mut media = Vec::new();
        let mut joined = Vec::new();
        for who in [&mut clinician, &mut patient] {
            who.until(|seen| seen.visit.as_ref().is_some_and(|v| v.media == MediaWish::Live)).await?;
            let connected = connect(fleet, options, who).await?;
            joined.push(connected.took);
            media.push(connected.client);
        }
        let two = "two people";
        let (call, over) = oneshot::channel();
        let media = media.try_into().ok().context(two)?;
        background.spawn(end_when(clinician, visit, over));
        background.spawn(patient.linger());
        Ok(Self { call, media, joined: joined.try_into().ok().context(two)? })
    }

    /// They still talk: a figure taken while calls fell silent would be worth nothing.
    ///
    /// # Errors
    /// Somebody was silent for a second.
    pub async fn check(&self) -> Result<()> {
        for client in &self.media {
            let counters = client.counters().await?;
            let last = counters.iter().filter_map(|(_, line)| line.last).max().context("a packet")?;
            let silent = now().saturating_duration_since(last);
            ensure!(silent < Duration::from_secs(1), "a pair that talked fell silent {silent:?} ago");
        }
        Ok(())
    }
}

/// Stays connected until it is over, and ends the visit then.
async fn end_when(mut clinician: Participant, visit: VisitId, mut over: oneshot::Receiver<()>) {
    loop {
        tokio::select! {
            _ = &mut over => break,
            read = clinician.until_at(now() + Duration::from_secs(60), |_| false) => {
                if read.is_err() {
                    return;
                }
            }
        }
    }
    let _ = clinician.ask(ClientMessage::End { id: command_id(), visit, outcome: Outcome::Done }).await;
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

/// Reads the clock.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "a load test measures time")]
pub fn now() -> Instant {
    Instant::now()
}
