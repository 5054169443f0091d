//! Two people in a visit, from the invitation on.

use crate::clients::{self, connect, talk};
use anyhow::{Context as _, Result, ensure};
use loadtest::{
    media::{Client, Fleet, Options, Sending, Sink},
    participant::{Participant, command_id},
};
use model::VisitId;
use signaling_protocol::{
    ClientMessage, ServerMessage,
    view::{DeviceHealth, MediaWish, Modality},
};
use std::time::Duration;
use tokio::task::JoinSet;

/// In a visit of two everybody sees the other in their first slot.
pub const FIRST: Sink = Sink::Video(0);

/// Two people in a call that goes on for the whole run.
#[derive(Debug)]
pub struct Pair {
    /// The clinician's and the patient's media.
    pub media: [Client; 2],
}

impl Pair {
    /// Everything from the invitation to the first picture on both sides.
    ///
    /// # Errors
    /// Anything on the way fails.
    pub async fn begin(
        fleet: &Fleet,
        options: Options,
        clinician: &str,
        tag: u32,
        background: &mut JoinSet<()>,
    ) -> Result<Self> {
        let (pair, people) = Self::meet(fleet, options, clinician).await?;
        for client in &pair.media {
            talk(client, Sending::talking, tag);
        }
        for client in &pair.media {
            client.first_frame(FIRST).await?;
        }
        for who in people {
            background.spawn(who.linger());
        }
        Ok(pair)
    }

    /// Everything from the invitation until both are connected, and silent.
    ///
    /// # Errors
    /// Anything on the way fails.
    pub async fn meet(fleet: &Fleet, options: Options, clinician: &str) -> Result<(Self, [Participant; 2])> {
        let mut clinician = Participant::join(clinician).await?;
        let (visit, link) = invite(&mut clinician).await?;
        let mut patient = Participant::join(&link).await?;
        check_in(&mut patient).await?;
        clinician.ask(ClientMessage::Admit { id: command_id(), visit }).await?;
        let mut people = [clinician, patient];
        let mut media = Vec::new();
        for who in &mut people {
            who.until(|seen| seen.visit.as_ref().is_some_and(|v| v.media == MediaWish::Live)).await?;
            media.push(connect(fleet, options, who).await?.client);
        }
        let media: [_; 2] = media.try_into().map_err(|_| anyhow::anyhow!("two people"))?;
        Ok((Self { media }, people))
    }

    /// They still talk: a figure taken while calls fell silent would be worth nothing.
    ///
    /// # Errors
    /// Somebody was silent for a second.
    pub async fn check(&self) -> Result<()> {
        for client in &self.media {
            let counters = client.counters().await?;
            let last = counters.iter().filter_map(|(_, line)| line.last).max().context("a packet")?;
            let silent = clients::now().saturating_duration_since(last);
            ensure!(silent < Duration::from_secs(1), "a pair that talked fell silent {silent:?} ago");
        }
        Ok(())
    }
}

/// A visit without an appointment, and the patient's link.
///
/// # Errors
/// It is refused.
pub async fn invite(clinician: &mut Participant) -> Result<(VisitId, String)> {
    let message = ClientMessage::Invite { id: command_id(), name: "Bench Patient".into(), reason: "".into() };
    match clinician.ask(message).await? {
        ServerMessage::Invited { visit, link, .. } => Ok((visit, link)),
        other => anyhow::bail!("not an invitation: {other:?}"),
    }
}

/// A patient who has tried their devices.
///
/// # Errors
/// It is refused.
pub async fn check_in(patient: &mut Participant) -> Result<()> {
    let devices = DeviceHealth::default();
    patient.ask(ClientMessage::CheckIn { id: command_id(), modality: Modality::Video, devices }).await?;
    Ok(())
}
